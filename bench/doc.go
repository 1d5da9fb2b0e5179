//go:build unix

// Command bench compares demarc with a loop of kafka-go's Reader and Writer that takes the same decision: it
// starts an Apache Kafka, fills a topic with events, lets the subjects route it in turn, several times each, and
// prints the processor time per record, throughput and memory of each process. Run it in the repository's root:
//
//	go run ./bench -records 1000000 -rounds 3
package main
