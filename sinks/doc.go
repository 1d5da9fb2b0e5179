// Package sinks delivers record batches to one place and proves that it is that place: a Kafka topic (Kafka)
// or a directory (File).
//
// A sink is opened, takes batches with Deliver and settles each of them exactly once: with a receipt when its
// records are durable, or with an error when the context of its lane has ended or when its process may no longer
// own the source partition. A sink that is down keeps its batches and goes on trying, without an end and without
// help; a topic that is down from the start does so too, as long as Open is called again. A sink that turns out to
// be another place than its policy says writes nothing more until demarc is started again. No sink ever hands its
// batches to another one.
//
// # Metrics
//
// All carry the label sink; the values of the other labels are closed lists.
//
//	demarc_sink_state{state}                 1 for the current state, 0 for the others: opening, ready, retrying, stopped
//	demarc_sink_retries_total{error}         attempts that failed and are repeated, by cause (Causes lists them)
//	demarc_sink_produce_requests_total       produce requests sent; of a directory: commits
//	demarc_sink_produce_bytes_total          bytes of batches in them, repeated ones included
//	demarc_sink_produce_seconds{quantile}    summary: one request, from the first byte to the answer; of a directory: one commit
//	demarc_sink_records_refused_total{reason}  records that the sink refused for good: too_large, refused
//	demarc_sink_duplicates_possible_total    records that may be stored twice: the outcome of an attempt is unknown and
//	                                         the attempt that followed could not be recognised as its repetition
package sinks
