// Package router carries records from their source partitions to the sinks that the policy names.
//
// The unit of ownership and of work is the lane: all source partitions with the same number modulo the count
// of lanes. A consumer group assigns whole lanes to processes, one goroutine owns one lane, and lane.process is
// the whole path of a chunk of records:
//
//	fetch -> extract -> decide -> split -> deliver -> settle -> commit
//
// A source offset is committed only after every sink has acknowledged every record below it. Nothing is
// skipped: per source partition, consumed = delivered + quarantined + in flight + control + absent holds at
// every instant.
package router
