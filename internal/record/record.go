// Package record holds the words that the packages of demarc share: a record and what is decided about it,
// and what a lane hands to a sink and gets back from it. It depends on nothing.
package record

import "strconv"

// TopicPartition names one source or sink partition.
type TopicPartition struct {
	Topic     string
	Partition int32
}

func (tp TopicPartition) String() string {
	return tp.Topic + "/" + strconv.Itoa(int(tp.Partition))
}

// Header is one Kafka record header. A nil Value is a null value; an empty one is not.
type Header struct {
	Key   []byte
	Value []byte
}

// Record is a Kafka record as the classifier sees it. All bytes are borrowed from whoever filled it in.
// A nil Key or Value is null; an empty one is not.
type Record struct {
	Key     []byte
	Value   []byte
	Headers []Header
}

// Decision is what a policy says of one record.
type Decision struct {
	Set    Set    // the jurisdictions that hold; of a quarantined record its candidates
	Reason Reason // Decided, Overlap or the reason of quarantine
	Signal int16  // the deciding or faulty signal, an index into the policy's signals; -1 if there is none
	Sink   int16  // where the record goes, an index into the policy's sinks
}

// Outcome is what records are counted by, for each source partition.
type Outcome struct {
	Set    Set
	Reason Reason
	Sink   int16
}

// Outcome drops what d is not counted by.
func (d Decision) Outcome() Outcome { return Outcome{Set: d.Set, Reason: d.Reason, Sink: d.Sink} }

// HeaderPrefix begins the names of the headers that only demarc may write.
const HeaderPrefix = "demarc-"

// The four headers appended to every quarantined record, in this order.
const (
	HeaderReason = "demarc-reason" // Reason
	HeaderSignal = "demarc-signal" // name of the faulty signal, may be empty
	HeaderSource = "demarc-source" // topic/partition/offset
	HeaderPolicy = "demarc-policy" // version and hash
)
