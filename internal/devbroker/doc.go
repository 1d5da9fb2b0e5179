// Package devbroker is what demarc is tried on without a Kafka cluster: an embedded broker (franz-go's kfake),
// generated traffic that knows the truth about each of its records, and the means to write a topic full and to
// read everything back. Only the demo, tests and benchmarks use it.
//
// The address prefixes in data/prefixes.csv are from DB-IP Lite Country by DB-IP (https://db-ip.com), CC BY 4.0.
package devbroker
