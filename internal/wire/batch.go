// Package wire reads and writes Kafka's bytes: record batches of format v2 (KIP-98, the message format of the
// Kafka protocol guide) and the Fetch and Produce exchanges that carry them.
//
// Nothing here allocates per record: a [Batch], its [Record]s and the answer of a [Fetch] borrow the bytes they
// were read from, and a [Builder] copies what it is given. No byte is trusted: every length is checked against
// what is there before it is used, and every expansion against a limit.
package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// HeaderSize is how many bytes of a batch stand before its records section.
const HeaderSize = 61

// Positions of the header's fields. The length counts what follows itself; the CRC covers what follows itself,
// so base offset and leader epoch can change under a valid CRC.
const (
	posBaseOffset      = 0
	posLength          = 8
	posLeaderEpoch     = 12
	posMagic           = 16
	posCRC             = 17
	posAttributes      = 21
	posLastOffsetDelta = 23
	posBaseTimestamp   = 27
	posMaxTimestamp    = 35
	posProducerID      = 43
	posProducerEpoch   = 51
	posBaseSequence    = 53
	posCount           = 57

	afterLength = posLength + 4
	magic       = 2
)

// Bits of the attributes. Bits 7 to 15 are unused.
const (
	attrCodec         = 0x07
	attrLogAppendTime = 0x08
	attrTransactional = 0x10
	attrControl       = 0x20
	attrDeleteHorizon = 0x40
)

var (
	// ErrPartial says that the bytes end before the batch does. A broker cuts the last batch of an answer off;
	// the next fetch brings it whole.
	ErrPartial = errors.New("batch is cut off")

	// ErrMagic says that the bytes are a message set of format 0 or 1, which Kafka wrote before 0.11.
	ErrMagic = errors.New("message format v0 or v1 is not supported: have the source topic rewritten by producers of Kafka 0.11 or later")

	// ErrCRC says that a batch is not what its writer wrote.
	ErrCRC = errors.New("CRC-32C of batch does not match: the bytes are damaged")
)

// Batch is one whole record batch of format v2, header and records section. It borrows Raw, which [Next] has
// found to be as long as its length field says.
type Batch struct{ Raw []byte }

// Next takes the first batch off buf. The error is [ErrPartial] when buf ends before the batch does, [ErrMagic]
// for a message set of an older format; any other means that buf holds no batch.
func Next(buf []byte) (b Batch, rest []byte, err error) {
	if len(buf) < afterLength {
		return Batch{}, buf, ErrPartial
	}
	length := int32(binary.BigEndian.Uint32(buf[posLength:]))
	if length < 0 {
		return Batch{}, buf, fmt.Errorf("read batch: length %d is negative", length)
	}
	partial := int64(length) > int64(len(buf)-afterLength)
	if partial && len(buf) <= posMagic {
		return Batch{}, buf, ErrPartial
	}
	if len(buf) > posMagic {
		switch m := int8(buf[posMagic]); m {
		case magic:
		case 0, 1:
			return Batch{}, buf, ErrMagic
		default:
			return Batch{}, buf, fmt.Errorf("read batch: magic byte %d is unknown, want %d", m, magic)
		}
	}
	if length < HeaderSize-afterLength {
		return Batch{}, buf, fmt.Errorf("read batch: length %d is shorter than a header", length)
	}
	if partial {
		return Batch{}, buf, ErrPartial
	}
	end := afterLength + int(length)
	b = Batch{Raw: buf[:end:end]}
	switch {
	case b.Count() < 0:
		err = fmt.Errorf("read batch: record count %d is negative", b.Count())
	case b.LastOffsetDelta() < 0:
		err = fmt.Errorf("read batch: last offset delta %d is negative", b.LastOffsetDelta())
	case b.BaseOffset() < 0 || b.BaseOffset() > math.MaxInt64-int64(b.LastOffsetDelta()):
		err = fmt.Errorf("read batch: base offset %d is out of range", b.BaseOffset())
	}
	if err != nil {
		return Batch{}, buf, err
	}
	return b, buf[end:], nil
}

// Check compares the CRC-32C in the header with that of the bytes after it, or returns [ErrCRC].
func (b Batch) Check() error {
	if crcOf(b.Raw) != b.CRC() {
		return ErrCRC
	}
	return nil
}

func (b Batch) int32At(i int) int32 { return int32(binary.BigEndian.Uint32(b.Raw[i:])) }
func (b Batch) int64At(i int) int64 { return int64(binary.BigEndian.Uint64(b.Raw[i:])) }

// BaseOffset is the offset that the records' deltas count from.
func (b Batch) BaseOffset() int64 { return b.int64At(posBaseOffset) }

// LeaderEpoch is the epoch of the leader that appended the batch; -1 if none has.
func (b Batch) LeaderEpoch() int32 { return b.int32At(posLeaderEpoch) }

// Magic is the format, 2.
func (b Batch) Magic() int8 { return int8(b.Raw[posMagic]) }

// CRC is the CRC-32C that the writer put down; see [Batch.Check].
func (b Batch) CRC() uint32 { return binary.BigEndian.Uint32(b.Raw[posCRC:]) }

// Attributes holds codec, timestamp type and flags; the accessors below read them.
func (b Batch) Attributes() int16 { return int16(binary.BigEndian.Uint16(b.Raw[posAttributes:])) }

// Codec is how the records section is compressed. It may be a codec that nobody knows.
func (b Batch) Codec() Codec { return Codec(b.Attributes() & attrCodec) }

// Transactional reports whether the batch belongs to a transaction.
func (b Batch) Transactional() bool { return b.Attributes()&attrTransactional != 0 }

// Control reports whether the batch holds a broker's marker instead of records; see [Batch.ControlType].
func (b Batch) Control() bool { return b.Attributes()&attrControl != 0 }

// LogAppendTime reports whether the timestamp of every record is the batch's [Batch.MaxTimestamp].
func (b Batch) LogAppendTime() bool { return b.Attributes()&attrLogAppendTime != 0 }

// DeleteHorizon reports whether compaction has set a delete horizon in place of the base timestamp (KIP-534).
// The records' deltas count from it all the same.
func (b Batch) DeleteHorizon() bool { return b.Attributes()&attrDeleteHorizon != 0 }

// LastOffsetDelta is the delta of the last record as written; compaction may have removed that record.
func (b Batch) LastOffsetDelta() int32 { return b.int32At(posLastOffsetDelta) }

// LastOffset is the last offset that the batch covers, whether its record is still there or not.
func (b Batch) LastOffset() int64 { return b.BaseOffset() + int64(b.LastOffsetDelta()) }

// BaseTimestamp is what the records' timestamp deltas count from, in milliseconds since 1970; -1 is none.
func (b Batch) BaseTimestamp() int64 { return b.int64At(posBaseTimestamp) }

// MaxTimestamp is the largest timestamp of the batch in milliseconds since 1970; -1 is none.
func (b Batch) MaxTimestamp() int64 { return b.int64At(posMaxTimestamp) }

// ProducerID is the idempotent or transactional producer; -1 is none.
func (b Batch) ProducerID() int64 { return b.int64At(posProducerID) }

// ProducerEpoch is the epoch of ProducerID; -1 is none.
func (b Batch) ProducerEpoch() int16 {
	return int16(binary.BigEndian.Uint16(b.Raw[posProducerEpoch:]))
}

// BaseSequence is the producer's sequence number of the first record; -1 is none.
func (b Batch) BaseSequence() int32 { return b.int32At(posBaseSequence) }

// Count is how many records the batch holds. It is 0 where compaction kept only the header.
func (b Batch) Count() int32 { return b.int32At(posCount) }

// Section is the records section as it stands in the batch, compressed by [Batch.Codec].
func (b Batch) Section() []byte { return b.Raw[HeaderSize:] }

// Timestamp is the timestamp of a record of b, in milliseconds since 1970.
func (b Batch) Timestamp(r *Record) int64 {
	if b.LogAppendTime() {
		return b.MaxTimestamp()
	}
	return b.BaseTimestamp() + r.TimestampDelta
}

// Types of control records that end a transaction.
const (
	ControlAbort  = 0
	ControlCommit = 1
)

// ControlType is the type of a control batch's first record: [ControlAbort], [ControlCommit], or another that
// a broker keeps for itself. It is -1 when compaction has left no record.
func (b Batch) ControlType() (int16, error) {
	if !b.Control() {
		return 0, errors.New("read control batch: it holds data")
	}
	if b.Count() == 0 {
		return -1, nil
	}
	if b.Codec() != None {
		return 0, fmt.Errorf("read control batch: it is compressed by %v", b.Codec())
	}
	it := Iterate(b.Section(), b)
	var r Record
	if !it.Next(&r) {
		return 0, it.Err()
	}
	n, at := varint32(r.Tail, 0)
	if at < 0 || n < 4 || int(n) > len(r.Tail)-at {
		return 0, errors.New("read control batch: its key is too short")
	}
	return int16(binary.BigEndian.Uint16(r.Tail[at+2:])), nil // after the key's own version
}
