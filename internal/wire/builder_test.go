package wire

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/demarc/demarc/internal/record"
)

// tail encodes a record's key, value and headers.
func tail(r record.Record) []byte {
	out := appendNullable(appendNullable(nil, r.Key), r.Value)
	out = appendVarint(out, int64(len(r.Headers)))
	for _, h := range r.Headers {
		out = appendVarint(out, int64(len(h.Key)))
		out = append(out, h.Key...)
		out = appendNullable(out, h.Value)
	}
	return out
}

// randomRecords are records with nulls, empty fields, sizes around the steps of varints and any timestamps.
func randomRecords(rng *rand.Rand, n int) []stamped {
	field := func() []byte {
		switch rng.IntN(8) {
		case 0:
			return nil
		case 1:
			return []byte{}
		case 2:
			return bytes.Repeat([]byte{byte(rng.Uint32())}, []int{63, 64, 8191, 8192, 70000}[rng.IntN(5)])
		}
		f := make([]byte, rng.IntN(100))
		for i := range f {
			f[i] = byte(rng.Uint32())
		}
		return f
	}
	timestamp := func() int64 {
		switch rng.IntN(6) {
		case 0:
			return -1
		case 1:
			return int64(rng.Uint64())
		}
		return sampleTime + rng.Int64N(1000) - 500
	}
	all := make([]stamped, n)
	for i := range all {
		all[i] = stamped{Offset: int64(i), Timestamp: timestamp(), Record: record.Record{Key: field(), Value: field()}}
		for range rng.IntN(4) {
			key := append([]byte{}, field()...)
			all[i].Headers = append(all[i].Headers, record.Header{Key: key, Value: field()})
		}
	}
	return all
}

func TestRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	comp := NewCompressor()
	var b Builder
	for round := range 25 {
		want := randomRecords(rng, 1+rng.IntN(150))
		b.Reset()
		highest := want[0].Timestamp
		for _, r := range want {
			b.Add(r.Timestamp, tail(r.Record))
			highest = max(highest, r.Timestamp)
		}
		for _, c := range codecs {
			prefix := []byte("before")
			raw, err := b.Build(prefix, c, comp)
			if err != nil || !bytes.HasPrefix(raw, prefix) {
				t.Fatal(err)
			}
			raw = raw[len(prefix):]
			Seal(raw, int64(round), 3, 7)
			batch := one(t, raw)
			if batch.Codec() != c || batch.BaseOffset() != 0 || batch.LeaderEpoch() != -1 || batch.ProducerID() != int64(round) ||
				batch.ProducerEpoch() != 3 || batch.BaseSequence() != 7 || batch.BaseTimestamp() != want[0].Timestamp ||
				batch.MaxTimestamp() != highest || !Passable(batch) {
				t.Fatalf("round %d, %v: header %x", round, c, raw[:HeaderSize])
			}
			same(t, readAll(t, batch), want)

			passed := PassThrough(nil, batch)
			SealAt(passed, 1000)
			p := one(t, passed)
			if p.BaseOffset() != 1000 || p.ProducerID() != -1 || p.ProducerEpoch() != -1 || p.BaseSequence() != -1 || !bytes.Equal(p.Section(), batch.Section()) {
				t.Fatalf("round %d, %v: passed through %x", round, c, passed[:HeaderSize])
			}
		}
	}
}

func TestSealAgain(t *testing.T) {
	raw := built(t)
	want := slices.Clone(raw)
	Seal(raw, 5, 6, 7)
	if b := one(t, raw); b.ProducerID() != 5 {
		t.Errorf("producer %d", b.ProducerID())
	}
	SealAt(raw, 77)
	if b := one(t, raw); b.BaseOffset() != 77 || b.ProducerID() != -1 {
		t.Errorf("base offset %d, producer %d", b.BaseOffset(), b.ProducerID())
	}
	Seal(raw, -1, -1, -1)
	if !bytes.Equal(raw, want) {
		t.Errorf("sealed as before: %x, want %x", raw, want)
	}
}

func TestAddWithHeaders(t *testing.T) {
	for have := range 3 {
		for _, n := range []int{0, 1, 4, 63, 64} { // the count grows into a second byte at 64
			r := stamped{Timestamp: sampleTime, Record: record.Record{Key: []byte("k"), Value: event(1)}}
			for i := range have {
				r.Headers = append(r.Headers, record.Header{Key: fmt.Appendf(nil, "h%d", i)})
			}
			var extra []record.Header
			for i := range n {
				extra = append(extra, record.Header{Key: fmt.Appendf(nil, "demarc-%d", i), Value: [][]byte{nil, {}, []byte("v")}[i%3]})
			}
			var b Builder
			before := tail(r.Record)
			if err := b.AddWithHeaders(r.Timestamp, before, extra); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(before, tail(r.Record)) {
				t.Fatal("the tail was changed")
			}
			raw, err := b.Build(nil, None, nil)
			if err != nil {
				t.Fatal(err)
			}
			Seal(raw, -1, -1, -1)
			r.Headers = append(r.Headers, extra...)
			same(t, readAll(t, one(t, raw)), []stamped{r})
		}
	}
}

func TestAddWithHeadersRefuses(t *testing.T) {
	extra := []record.Header{{Key: []byte("h")}}
	var b Builder
	for _, tail := range [][]byte{nil, {4, 'k'}, {1}, {1, 8, 'v'}, {1, 1}, {1, 1, 1}, {1, 1, 4, 0, 1, 0}} {
		if err := b.AddWithHeaders(0, tail, extra); err == nil || b.Count() != 0 || b.Bytes() != 0 {
			t.Errorf("tail %x: %v, %d records, %d bytes", tail, err, b.Count(), b.Bytes())
		}
	}
}

func TestBuildRefuses(t *testing.T) {
	var b Builder
	comp := NewCompressor()
	if out, err := b.Build([]byte("x"), None, nil); err == nil || string(out) != "x" {
		t.Errorf("no records: %q, %v", out, err)
	}
	b.Add(0, []byte{1, 1, 0})
	if out, err := b.Build([]byte("x"), Codec(5), comp); err == nil || string(out) != "x" {
		t.Errorf("unknown codec: %q, %v", out, err)
	}
}

func TestPassable(t *testing.T) {
	for name, change := range map[string]func(b []byte){
		"log append time":   func(b []byte) { b[posAttributes+1] |= attrLogAppendTime },
		"control":           func(b []byte) { b[posAttributes+1] |= attrControl },
		"unknown codec":     func(b []byte) { b[posAttributes+1] |= 5 },
		"holes":             func(b []byte) { put32(b, posLastOffsetDelta, 2) },
		"more than offsets": func(b []byte) { put32(b, posLastOffsetDelta, 0) },
		"empty":             func(b []byte) { put32(b, posCount, 0) },
	} {
		raw := built(t)
		if !Passable(Batch{Raw: raw}) {
			t.Fatal("a built batch is not passable")
		}
		if change(raw); Passable(Batch{Raw: raw}) {
			t.Errorf("%s: passable", name)
		}
	}
}

func TestPassThroughClearsWhatIsNotOurs(t *testing.T) {
	raw := built(t)
	raw[posAttributes] = 0xff
	raw[posAttributes+1] = attrTransactional | attrDeleteHorizon | byte(Zstd)
	passed := PassThrough(nil, Batch{Raw: raw})
	if got := (Batch{Raw: passed}).Attributes(); got != int16(Zstd) {
		t.Errorf("attributes %#x", got)
	}
}

func TestSlice(t *testing.T) {
	d, comp := NewDecompressor(testLimit), NewCompressor()
	for _, c := range codecs {
		b := one(t, golden(t, fmt.Sprintf("java-%v.bin", c)))
		all := sample(0)
		for _, cut := range [][2]int{{0, 40}, {0, 1}, {3, 4}, {1, 20}, {39, 40}} {
			raw, err := Slice(nil, b, cut[0], cut[1], d, comp)
			if err != nil {
				t.Fatal(err)
			}
			SealAt(raw, int64(cut[0]))
			part := one(t, raw)
			if part.Codec() != c {
				t.Errorf("codec %v, want %v", part.Codec(), c)
			}
			same(t, readAll(t, part), all[cut[0]:cut[1]])
		}
		for _, cut := range [][2]int{{-1, 1}, {0, 0}, {2, 1}, {0, 41}, {40, 41}} {
			if out, err := Slice(nil, b, cut[0], cut[1], d, comp); err == nil || len(out) > 0 {
				t.Errorf("records %v: %d bytes, %v", cut, len(out), err)
			}
		}
	}
	damaged := golden(t, "java-zstd.bin")
	if out, err := Slice(nil, Batch{Raw: damaged[:len(damaged)-9]}, 0, 1, d, comp); err == nil || len(out) > 0 {
		t.Errorf("damaged: %d bytes, %v", len(out), err)
	}
	if out, err := Slice(nil, Batch{Raw: append(golden(t, "java-none.bin"), 0)}, 0, 1, d, comp); err == nil || len(out) > 0 {
		t.Errorf("bytes after the last record: %d bytes, %v", len(out), err)
	}
}
