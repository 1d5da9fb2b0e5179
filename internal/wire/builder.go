package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/demarc/demarc/internal/record"
)

// Builder gathers records for one batch. It copies what it is given and keeps its memory over Reset. The zero
// Builder is ready to use.
type Builder struct {
	section []byte
	count   int32
	base    int64 // timestamp of the first record
	max     int64
}

// Reset drops all records.
func (b *Builder) Reset() { b.section, b.count = b.section[:0], 0 }

// Bytes is the size of the records section before compression.
func (b *Builder) Bytes() int { return len(b.section) }

// Count is how many records there are.
func (b *Builder) Count() int { return int(b.count) }

// Add appends a record: timestamp in milliseconds since 1970, and the tail of a [Record], verbatim.
func (b *Builder) Add(timestamp int64, tail []byte) {
	b.open(timestamp, len(tail))
	b.section = append(b.section, tail...)
}

// AddWithHeaders is Add with headers after those that the tail has. All that is there stays as it is, but for
// the count of headers. An error means that the tail is not readable; the record is not added.
func (b *Builder) AddWithHeaders(timestamp int64, tail []byte, extra []record.Header) error {
	_, at := field(tail, 0)
	if at < 0 {
		return errKey
	}
	if _, at = field(tail, at); at < 0 {
		return errValue
	}
	count, headers := varint32(tail, at)
	if headers < 0 || count < 0 || int(count) > (len(tail)-headers)/2 {
		return errHeaders
	}
	total := int64(count) + int64(len(extra))
	size := at + varintSize(total) + len(tail) - headers
	for _, h := range extra {
		size += varintSize(int64(len(h.Key))) + len(h.Key) + nullableSize(h.Value)
	}
	b.open(timestamp, size)
	b.section = append(b.section, tail[:at]...)
	b.section = appendVarint(b.section, total)
	b.section = append(b.section, tail[headers:]...)
	for _, h := range extra {
		b.section = appendVarint(b.section, int64(len(h.Key)))
		b.section = append(b.section, h.Key...)
		b.section = appendNullable(b.section, h.Value)
	}
	return nil
}

// open writes what stands before a record's tail.
func (b *Builder) open(timestamp int64, tail int) {
	if b.count == 0 {
		b.base, b.max = timestamp, timestamp
	}
	b.max = max(b.max, timestamp)
	delta, offset := timestamp-b.base, int64(b.count)
	b.section = appendVarint(b.section, int64(1+varintSize(delta)+varintSize(offset)+tail))
	b.section = append(b.section, 0) // attributes
	b.section = appendVarint(b.section, delta)
	b.section = appendVarint(b.section, offset)
	b.count++
}

// Build appends the records to dst as one batch, compressed by c, and leaves them in the Builder. The batch is
// unsealed: [Seal] or [SealAt] has to finish it. comp is not used when c is [None]. On an error dst comes back
// as it was.
func (b *Builder) Build(dst []byte, c Codec, comp *Compressor) ([]byte, error) {
	if b.count == 0 {
		return dst, errors.New("build batch: it has no records")
	}
	start := len(dst)
	section := b.section
	if c != None {
		// Compressed beside dst and then copied: an encoder wants room for the worst case, several times of what it
		// fills, and every batch that waits for its sink would hold on to it.
		var err error
		if comp.section, err = comp.Compress(comp.section[:0], c, b.section); err != nil {
			return dst, fmt.Errorf("build batch: %w", err)
		}
		section = comp.section
	}
	out := append(append(dst, blankHeader[:]...), section...)
	if len(out)-start-afterLength > math.MaxInt32 {
		return dst, fmt.Errorf("build batch: %d bytes are more than a batch can hold", len(out)-start)
	}
	putHeader(out[start:], c, b.count, b.base, b.max)
	binary.BigEndian.PutUint32(out[start+posCRC:], crcOf(out[start:])) // while its bytes are near
	return out, nil
}

// blankHeader holds what is the same in every unsealed batch: what producers put down where only a broker can
// know (leader epoch -1), and no producer.
var blankHeader = [HeaderSize]byte{
	posLeaderEpoch: 0xff, 0xff, 0xff, 0xff,
	posMagic:      magic,
	posProducerID: 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	posProducerEpoch: 0xff, 0xff,
	posBaseSequence: 0xff, 0xff, 0xff, 0xff,
}

// putHeader fills in the rest of a blank header for a batch whose records have the offset deltas 0 to count-1.
func putHeader(batch []byte, c Codec, count int32, baseTimestamp, maxTimestamp int64) {
	binary.BigEndian.PutUint32(batch[posLength:], uint32(len(batch)-afterLength))
	binary.BigEndian.PutUint16(batch[posAttributes:], uint16(c)&attrCodec)
	binary.BigEndian.PutUint32(batch[posLastOffsetDelta:], uint32(count-1))
	binary.BigEndian.PutUint64(batch[posBaseTimestamp:], uint64(baseTimestamp))
	binary.BigEndian.PutUint64(batch[posMaxTimestamp:], uint64(maxTimestamp))
	binary.BigEndian.PutUint32(batch[posCount:], uint32(count))
}

// Passable reports whether the header of b allows [PassThrough]: timestamps of the producer, no control batch,
// and as many records as offsets. The records must be [Records.Consecutive] as well.
func Passable(b Batch) bool {
	return b.Magic() == magic && !b.LogAppendTime() && !b.Control() && b.Codec().known() &&
		b.Count() > 0 && int64(b.Count()) == int64(b.LastOffsetDelta())+1
}

// PassThrough appends a batch with the records section of b as it stands under a header of ours: b's codec,
// timestamps and count, nothing of its transaction, producer or delete horizon. The batch is unsealed. Only
// for a b that is [Passable]. Its CRC comes out of that of b: where [Batch.Check] fails for b, it fails for the batch.
func PassThrough(dst []byte, b Batch) []byte {
	start := len(dst)
	dst = append(dst, b.Raw...)
	changeHeader(dst[start:], func(batch []byte) {
		copy(batch, blankHeader[:])
		putHeader(batch, b.Codec(), b.Count(), b.BaseTimestamp(), b.MaxTimestamp())
	})
	return dst
}

// Seal makes one built batch ready for a broker: base offset 0, the producer and the CRC-32C. It may be called
// again on the same batch, with another producer. Without an idempotent producer all three are -1.
func Seal(batch []byte, producerID int64, epoch int16, sequence int32) {
	seal(batch, 0, 0, producerID, epoch, sequence)
}

// SealTransactional is [Seal] for a batch that belongs to the open transaction of a transactional producer.
func SealTransactional(batch []byte, producerID int64, epoch int16, sequence int32) {
	seal(batch, attrTransactional, 0, producerID, epoch, sequence)
}

// SealAt makes one built batch ready for a file, in which base offsets go on from batch to batch: its base
// offset, no producer and the CRC-32C.
func SealAt(batch []byte, baseOffset int64) { seal(batch, 0, baseOffset, -1, -1, -1) }

func seal(batch []byte, flags byte, baseOffset, producerID int64, epoch int16, sequence int32) {
	changeHeader(batch, func(batch []byte) {
		binary.BigEndian.PutUint64(batch[posBaseOffset:], uint64(baseOffset))
		batch[posAttributes+1] |= flags
		binary.BigEndian.PutUint64(batch[posProducerID:], uint64(producerID))
		binary.BigEndian.PutUint16(batch[posProducerEpoch:], uint16(epoch))
		binary.BigEndian.PutUint32(batch[posBaseSequence:], uint32(sequence))
	})
}

// Slice appends the records [from, to) of b as a batch of their own: same codec, timestamps and tails verbatim,
// unsealed. It serves to find the one record that a broker refuses, so it allocates freely.
func Slice(dst []byte, b Batch, from, to int, d *Decompressor, c *Compressor) ([]byte, error) {
	if from < 0 || from >= to || to > int(b.Count()) {
		return dst, fmt.Errorf("slice batch: no records [%d, %d) in a batch of %d", from, to, b.Count())
	}
	section, err := d.Open(b)
	if err != nil {
		return dst, fmt.Errorf("slice batch: %w", err)
	}
	var part Builder
	var r Record
	it := Iterate(section, b)
	for i := 0; it.Next(&r); i++ {
		if i >= from && i < to {
			part.Add(b.Timestamp(&r), r.Tail)
		}
	}
	if err := it.Err(); err != nil {
		return dst, fmt.Errorf("slice batch: %w", err)
	}
	return part.Build(dst, b.Codec(), c)
}

func nullableSize(f []byte) int {
	if f == nil {
		return 1
	}
	return varintSize(int64(len(f))) + len(f)
}

func appendNullable(dst, f []byte) []byte {
	if f == nil {
		return appendVarint(dst, -1)
	}
	return append(appendVarint(dst, int64(len(f))), f...)
}
