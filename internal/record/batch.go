package record

import (
	"context"
	"crypto/sha256"
)

// Batch is what a lane hands to one sink: one whole Kafka record batch (magic 2) whose records all come from
// one source partition, in the order of the source.
type Batch struct {
	Source  TopicPartition
	Bytes   []byte // the batch from base offset to its last byte; the sink writes offset, producer fields and CRC
	Room    []byte // what lies right before Bytes in the same memory and goes with it, for what a sink has to say first; may be nil
	Records int
	Digest  bool // the receipt is to say the SHA-256 of what is stored

	// Live is asked before the bytes leave, at every attempt. An error means that this process may no longer
	// own the source partition: the sink sends nothing and settles the batch with that error.
	Live func(context.Context) error

	done    chan struct{}
	receipt Receipt
	err     error
}

// NewBatch makes a batch that a sink has yet to settle.
func NewBatch(source TopicPartition, bytes []byte, records int, live func(context.Context) error) *Batch {
	return &Batch{Source: source, Bytes: bytes, Records: records, Live: live, done: make(chan struct{})}
}

// Settle ends the sink's part, exactly once. With a nil error everything that the receipt does not list as
// refused is durable, and Bytes goes back to the lane. With an error nothing is known of the batch's fate and
// Bytes may still be read by a connection: it is never used again.
func (b *Batch) Settle(r Receipt, err error) {
	b.receipt, b.err = r, err
	close(b.done)
}

// Wait returns what the sink settled. It does not time out: a sink settles every batch at the latest when the
// context given to Deliver ends.
func (b *Batch) Wait() (Receipt, error) {
	<-b.done
	return b.receipt, b.err
}

// Receipt says where a sink stored the records of a batch, durably.
type Receipt struct {
	Places  []Place
	Refused []Refusal // in the order of the batch
}

// Place is one run of records as stored: in a Kafka sink the offsets [BaseOffset, LastOffset] of a partition,
// in a file sink the bytes [From, To) of a file.
type Place struct {
	Topic      string
	Partition  int32
	BaseOffset int64
	LastOffset int64

	File     string
	From, To int64

	First   int // which record of the batch the run begins with, from 0
	Records int

	// SHA256 is over what anyone can read back: in Kafka the records section as stored, the bytes after the 61 of
	// the batch header; in a file the bytes [From, To). It is zero unless Batch.Digest asks for it.
	SHA256 [sha256.Size]byte
}

// Refusal is one record that the sink refused for good.
type Refusal struct {
	Index  int    // which record of the batch, from 0
	Reason Reason // TooLarge or Refused
}
