package wire

import (
	"math"
	"strings"
	"testing"

	"github.com/demarc/demarc/internal/record"
)

// section builds a records section by hand: one body per record, each behind its length.
func section(bodies ...[]byte) []byte {
	var s []byte
	for _, b := range bodies {
		s = append(appendVarint(s, int64(len(b))), b...)
	}
	return s
}

// body is attributes, deltas and tail of a record.
func body(timestampDelta, offsetDelta int64, tail ...byte) []byte {
	return append(appendVarint(appendVarint([]byte{0}, timestampDelta), offsetDelta), tail...)
}

// header makes a batch with a header only.
func header(count, lastOffsetDelta uint32) Batch {
	raw := append([]byte{}, blankHeader[:]...)
	put32(raw, posCount, count)
	put32(raw, posLastOffsetDelta, lastOffsetDelta)
	return Batch{Raw: raw}
}

func TestIterateRefuses(t *testing.T) {
	null := []byte{1, 1, 0}
	plain := func(offset int64) []byte { return body(0, offset, null...) }
	for _, c := range []struct {
		name    string
		section []byte
		batch   Batch
		records int // read before the fault
		says    string
	}{
		{"a record is missing", section(plain(0)), header(2, 1), 1, "section ends first"},
		{"no section", nil, header(1, 0), 0, "section ends first"},
		{"a record too many", section(plain(0), plain(1)), header(1, 1), 1, "7 bytes follow"},
		{"bytes after none", []byte{0}, header(0, 0), 0, "1 bytes follow"},
		{"length beyond the section", append(appendVarint(nil, 100), plain(0)...), header(1, 0), 0, "its length"},
		{"negative length", appendVarint(nil, -1), header(1, 0), 0, "its length"},
		{"length 0", section([]byte{}), header(1, 0), 0, "its length"},
		{"body too short", section([]byte{0, 0, 0, 1, 1}), header(1, 0), 0, "its length"},
		{"length of six bytes", append([]byte{0x80, 0x80, 0x80, 0x80, 0x80, 0}, plain(0)...), header(1, 0), 0, "its length"},
		{"length beyond 32 bits", append([]byte{0x8c, 0x80, 0x80, 0x80, 0x10}, plain(0)...), header(1, 0), 0, "its length"},
		{"endless varint", []byte{0x80, 0x80}, header(1, 0), 0, "its length"},
		{"timestamp delta beyond 64 bits", section(append([]byte{0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0}, null...)), header(1, 0), 0, "deltas are not readable"},
		{"timestamp delta runs out", section([]byte{0, 0xff, 0xff, 0xff, 0xff, 0xff}), header(1, 0), 0, "deltas are not readable"},
		{"offset delta beyond 32 bits", section(body(0, 1<<33, null...)), header(1, 0), 0, "deltas are not readable"},
		{"no room for a tail", section(body(0, 1<<20, 1, 1)), header(1, math.MaxInt32), 0, "deltas are not readable"},
		{"negative offset delta", section(plain(-1)), header(1, 0), 0, "offset delta"},
		{"offset delta repeated", section(plain(3), plain(3)), header(2, 9), 1, "offset delta"},
		{"offset delta falls", section(plain(3), plain(2)), header(2, 9), 1, "offset delta"},
		{"offset delta above the last", section(plain(0), plain(2)), header(2, 1), 1, "offset delta"},
	} {
		var r Record
		it := Iterate(c.section, c.batch)
		n := 0
		for it.Next(&r) {
			n++
		}
		if err := it.Err(); n != c.records || err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %d records, then %v; want %d, then %q", c.name, n, err, c.records, c.says)
		}
		if it.Next(&r) {
			t.Errorf("%s: goes on after the fault", c.name)
		}
	}
}

func TestIterateHoles(t *testing.T) {
	null := []byte{1, 1, 0}
	for _, c := range []struct {
		offsets     []int64
		last        uint32
		consecutive bool
	}{
		{nil, 0, true}, {[]int64{0, 1, 2}, 2, true}, {[]int64{0, 1}, 5, true}, {[]int64{1, 2}, 2, false}, {[]int64{0, 2, 7}, 7, false},
	} {
		var s []byte
		for _, o := range c.offsets {
			s = append(s, section(body(-4, o, null...))...)
		}
		it := Iterate(s, header(uint32(len(c.offsets)), c.last))
		var r Record
		for i := 0; it.Next(&r); i++ {
			if int64(r.OffsetDelta) != c.offsets[i] || r.TimestampDelta != -4 || string(r.Tail) != string(null) {
				t.Errorf("%v: record %d is %+v", c.offsets, i, r)
			}
		}
		if it.Err() != nil || it.Consecutive() != c.consecutive {
			t.Errorf("%v: %v, consecutive %v", c.offsets, it.Err(), it.Consecutive())
		}
	}
}

func TestReadRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		tail []byte
		want error
	}{
		{"nothing", nil, errKey},
		{"key cut off", []byte{4, 'k'}, errKey},
		{"key length -2", []byte{3, 1, 0}, errKey},
		{"key length beyond 32 bits", []byte{0x80, 0x80, 0x80, 0x80, 0x10}, errKey},
		{"no value", []byte{1}, errValue},
		{"value cut off", []byte{1, 8, 'v'}, errValue},
		{"value length -2", []byte{1, 3, 0}, errValue},
		{"no header count", []byte{1, 1}, errHeaders},
		{"negative header count", []byte{1, 1, 1}, errHeaders},
		{"header count beyond the bytes", []byte{1, 1, 4, 0, 1, 0}, errHeaders},
		{"null header key", []byte{1, 1, 2, 1, 1}, errHeaders},
		{"header key cut off", []byte{1, 1, 2, 8, 'h'}, errHeaders},
		{"no header value", []byte{1, 1, 2, 2, 'h'}, errHeaders},
		{"header value cut off", []byte{1, 1, 2, 2, 'h', 4, 'v'}, errHeaders},
		{"header value length -2", []byte{1, 1, 2, 2, 'h', 3}, errHeaders},
		{"bytes after no headers", []byte{1, 1, 0, 0}, errTail},
		{"bytes after headers", []byte{1, 1, 2, 2, 'h', 1, 9}, errTail},
	} {
		r := Record{Tail: c.tail}
		if err := r.Read(new(record.Record)); err != c.want {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestReadReplacesWhatWasThere(t *testing.T) {
	into := record.Record{Key: []byte("old"), Value: []byte("old"), Headers: []record.Header{{Key: []byte("old")}}}
	r := Record{Tail: []byte{1, 1, 0}}
	if err := r.Read(&into); err != nil || into.Key != nil || into.Value != nil || len(into.Headers) != 0 {
		t.Errorf("%+v, %v", into, err)
	}
	r = Record{Tail: []byte{0, 0, 2, 0, 0}}
	if err := r.Read(&into); err != nil || into.Key == nil || into.Value == nil || len(into.Headers) != 1 || into.Headers[0].Value == nil {
		t.Errorf("empty is null: %+v, %v", into, err)
	}
}

func TestVarint(t *testing.T) {
	for _, v := range []int64{0, -1, 1, -64, 63, 64, -65, 8191, -8192, math.MaxInt32, math.MinInt32, math.MaxInt64, math.MinInt64} {
		enc := appendVarint(nil, v)
		if len(enc) != varintSize(v) {
			t.Errorf("%d: %d bytes, size says %d", v, len(enc), varintSize(v))
		}
		if got, end := varint64(enc, 0); got != v || end != len(enc) {
			t.Errorf("%d: read as %d, end %d of %d", v, got, end, len(enc))
		}
		got, end := varint32(enc, 0)
		if fits := v == int64(int32(v)); fits && (int64(got) != v || end != len(enc)) || !fits && end >= 0 {
			t.Errorf("%d: read as 32 bits %d, end %d", v, got, end)
		}
		for n := range enc {
			if _, end := varint64(enc[:n], 0); end >= 0 {
				t.Errorf("%d: %d of %d bytes are read", v, n, len(enc))
			}
		}
	}
	if v, end := varint32([]byte{0x82, 0x80, 0}, 0); v != 1 || end != 3 {
		t.Errorf("a varint longer than it needs to be: %d, %d", v, end)
	}
}

func TestNothingAllocatesPerRecord(t *testing.T) {
	batch := benchBatch(t, None)
	extra := []record.Header{{Key: []byte(record.HeaderReason), Value: []byte("no_signal")}, {Key: []byte(record.HeaderSignal)}}
	var into record.Record
	var plain, headed Builder
	if n := testing.AllocsPerRun(20, func() {
		plain.Reset()
		headed.Reset()
		var r Record
		it := Iterate(batch.Section(), batch)
		for it.Next(&r) {
			if r.Read(&into) != nil || headed.AddWithHeaders(batch.Timestamp(&r), r.Tail, extra) != nil {
				t.Fatal("the batch is not readable")
			}
			plain.Add(batch.Timestamp(&r), r.Tail)
		}
		if it.Err() != nil || plain.Count() != benchRecords || headed.Count() != benchRecords {
			t.Fatal(it.Err())
		}
	}); n != 0 {
		t.Errorf("%v allocations per batch", n)
	}
}
