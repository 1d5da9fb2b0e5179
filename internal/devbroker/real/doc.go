// Package real runs Apache Kafka from Maven's jars and judges topics with kcat (librdkafka), for tests with the
// build tag real and for benchmarks. Nothing of it is part of the product.
package real
