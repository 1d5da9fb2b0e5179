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
	length, start := varint32(it.section, it.pos)
	if start < 0 || length < minBody || int(length) > len(it.section)-start {
		return it.fail("its length is not that of a record, or the section ends first")
	}
	end := start + int(length)
	body := it.section[start:end:end]
	timestampDelta, i := varint64(body, 1) // after the attributes, which have no use
	offsetDelta, i := varint32(body, i)
	if i < 0 || len(body)-i < minTail {
		return it.fail("its timestamp and offset deltas are not readable")
	}
	if offsetDelta <= it.highest || offsetDelta > it.last {
		return it.fail("its offset delta is not above the one before it, or above the batch's last")
	}
	it.gaps = it.gaps || offsetDelta != it.read
	it.highest = offsetDelta
	it.read++
	it.pos = end
	r.OffsetDelta, r.TimestampDelta, r.Tail = offsetDelta, timestampDelta, body[i:]
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
	var i int
	if into.Key, i = field(tail, 0); i < 0 {
		return errKey
	}
	if into.Value, i = field(tail, i); i < 0 {
		return errValue
	}
	count, i := varint32(tail, i)
	if i < 0 || count < 0 || int(count) > (len(tail)-i)/2 { // a header is at least two lengths
		return errHeaders
	}
	headers := into.Headers[:0]
	for range count {
		var h record.Header
		if h.Key, i = field(tail, i); i < 0 || h.Key == nil {
			return errHeaders
		}
		if h.Value, i = field(tail, i); i < 0 {
			return errHeaders
		}
		headers = append(headers, h)
	}
	if i != len(tail) {
		return errTail
	}
	into.Headers = headers
	return nil
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
