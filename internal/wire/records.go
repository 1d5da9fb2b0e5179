package wire

import (
	"errors"
	"fmt"

	"github.com/demarc/demarc/internal/record"
)

// Record is one record of a records section. Tail is everything from the length of the key to the last header,
// verbatim and borrowed from the section: copying it copies the record.
type Record struct {
	OffsetDelta    int32
	TimestampDelta int64
	Tail           []byte
}

// minTail is a null key, a null value and no headers; minBody is that behind attributes and two deltas.
const (
	minTail = 3
	minBody = 3 + minTail
)

// Records iterates over a decompressed records section. It checks everything but the tails, which
// [Record.Read] checks: lengths and varints, offset deltas that rise strictly up to the last one of the header,
// exactly the header's count of records and no byte after them.
type Records struct {
	section []byte
	base    int64
	pos     int
	count   int32 // of the header
	read    int32 // records so far
	highest int32 // offset delta so far
	last    int32 // of the header
	gaps    bool
	err     error
}

// Iterate starts at the first record of section, which is the decompressed records section of b.
func Iterate(section []byte, b Batch) Records {
	return Records{section: section, base: b.BaseOffset(), count: b.Count(), highest: -1, last: b.LastOffsetDelta()}
}

// Next reads the next record into r. It is false at the end and at the first fault; see [Records.Err].
func (it *Records) Next(r *Record) bool {
	if it.err != nil {
		return false
	}
	if it.read == it.count {
		if it.pos != len(it.section) {
			it.err = fmt.Errorf("read batch at offset %d: %d bytes follow its %d records", it.base, len(it.section)-it.pos, it.count)
		}
		return false
	}
	length, start := shortVarint(it.section, it.pos)
	if start < 0 {
		length, start = varint32(it.section, it.pos)
	}
	if start < 0 || length < minBody || int(length) > len(it.section)-start {
		return it.fail("its length is not that of a record, or the section ends first")
	}
	next := start + int(length)
	body := it.section[start:next:next]
	const unreadable = "its timestamp and offset deltas are not readable"
	delta, i := shortVarint(body, 1) // behind the attributes, which have no use
	timestampDelta := int64(delta)
	if i < 0 {
		if timestampDelta, i = varint64(body, 1); i < 0 {
			return it.fail(unreadable)
		}
	}
	offsetDelta, end := shortVarint(body, i)
	if end < 0 {
		offsetDelta, end = varint32(body, i)
	}
	if end < 0 || len(body)-end < minTail {
		return it.fail(unreadable)
	}
	if offsetDelta <= it.highest || offsetDelta > it.last {
		return it.fail("its offset delta is not above the one before it, or above the batch's last")
	}
	it.gaps = it.gaps || offsetDelta != it.read
	it.highest = offsetDelta
	it.read++
	it.pos = next
	r.OffsetDelta, r.TimestampDelta, r.Tail = offsetDelta, timestampDelta, body[end:]
	return true
}

func (it *Records) fail(cause string) bool {
	it.err = fmt.Errorf("read record %d of the batch at offset %d: %s", it.read, it.base, cause)
	return false
}

// Err is the fault that ended the iteration, nil if it came to the end.
func (it *Records) Err() error { return it.err }

// Consecutive reports whether the offset deltas so far are 0, 1, 2 and so on. Brokers silently recompress a
// batch in which they are not.
func (it *Records) Consecutive() bool { return !it.gaps }

var (
	errKey     = errors.New("read record: the key is cut off")
	errValue   = errors.New("read record: the value is cut off")
	errHeaders = errors.New("read record: the headers are not readable")
	errTail    = errors.New("read record: bytes follow the last header")
)

// Read takes the tail apart: key, value and headers, borrowed from it, into the slices that into already has.
// A null becomes nil, an empty field does not. After an error into holds nothing of use.
func (r *Record) Read(into *record.Record) error {
	tail := r.Tail
	key, i := shortField(tail, 0)
	if i < 0 {
		if key, i = field(tail, 0); i < 0 {
			return errKey
		}
	}
	value, i := field(tail, i)
	if i < 0 {
		return errValue
	}
	count, i := varint32(tail, i)
	if i < 0 || count < 0 || int(count) > (len(tail)-i)/2 { // a header is at least two lengths
		return errHeaders
	}
	into.Key, into.Value = key, value
	headers := into.Headers[:0]
	for range count {
		headers = append(headers, record.Header{})
		h := &headers[len(headers)-1] // written to where it is: a copy would wait for what it was just made of
		key, end := shortField(tail, i)
		if end < 0 {
			if key, end = field(tail, i); end < 0 || key == nil {
				return errHeaders
			}
		}
		h.Key = key
		value, i = shortField(tail, end)
		if i < 0 {
			if value, i = field(tail, end); i < 0 {
				return errHeaders
			}
		}
		h.Value = value
	}
	if i != len(tail) {
		return errTail
	}
	into.Headers = headers
	return nil
}

// shortField is field for the fields that most are, of up to 63 bytes and not null. It is small enough to be inlined.
func shortField(b []byte, i int) (f []byte, end int) {
	if uint(i) < uint(len(b)) && b[i]&0x81 == 0 {
		if end = i + 1 + int(b[i]>>1); end <= len(b) {
			return b[i+1 : end : end], end
		}
	}
	return nil, -1
}

// field reads a length and that many bytes at b[i:]. Length -1 is null, for which it returns nil; end is
// negative if there is no field.
func field(b []byte, i int) (f []byte, end int) {
	n, i := varint32(b, i)
	switch {
	case i < 0 || n < -1 || int(n) > len(b)-i:
		return nil, -1
	case n < 0:
		return nil, i
	}
	end = i + int(n)
	return b[i:end:end], end
}
