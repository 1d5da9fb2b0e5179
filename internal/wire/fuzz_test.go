package wire

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/demarc/demarc/internal/record"
)

const fuzzLimit = 1 << 20

// FuzzBatch reads any bytes the way a lane does. What is readable must survive being built anew and, where it
// is allowed, being passed through.
func FuzzBatch(f *testing.F) {
	files, err := filepath.Glob("testdata/*.bin")
	if err != nil || len(files) == 0 {
		f.Fatal("no golden batches")
	}
	for _, name := range files {
		raw, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	comp, d := NewCompressor(), NewDecompressor(fuzzLimit)
	f.Fuzz(func(t *testing.T, data []byte) {
		b, rest, err := Next(data)
		if err != nil {
			if len(rest) != len(data) {
				t.Fatalf("%v, and %d bytes are gone", err, len(data)-len(rest))
			}
			return
		}
		if len(b.Raw)+len(rest) != len(data) {
			t.Fatalf("batch of %d bytes and rest of %d out of %d", len(b.Raw), len(rest), len(data))
		}
		_ = b.Check()
		_, _ = b.ControlType()
		section, err := d.Open(b)
		if err != nil {
			return
		}
		if len(section) > fuzzLimit {
			t.Fatalf("%d bytes", len(section))
		}
		section = bytes.Clone(section)
		want, consecutive, ok := readLoosely(section, b)
		if !ok {
			return
		}
		var again Builder
		it := Iterate(section, b)
		for r := (Record{}); it.Next(&r); {
			again.Add(b.Timestamp(&r), r.Tail)
		}
		if again.Count() == 0 {
			return
		}
		raw, err := again.Build(nil, LZ4, comp)
		if err != nil {
			t.Fatal(err)
		}
		Seal(raw, 1, 2, 3)
		rebuilt := one(t, raw)
		for i := range want {
			want[i].Offset = int64(i)
		}
		same(t, readAll(t, rebuilt), want)
		if Passable(b) && consecutive {
			passed := PassThrough(nil, b)
			Seal(passed, 1, 2, 3)
			if before, after := b.Check(), (Batch{Raw: passed}).Check(); !errors.Is(after, before) {
				t.Fatalf("check: %v, passed through %v", before, after)
			}
			same(t, readAll(t, Batch{Raw: passed}), want)
		}
	})
}

// readLoosely reads the records of a section; ok says that all of it is readable.
func readLoosely(section []byte, b Batch) (all []stamped, consecutive, ok bool) {
	it := Iterate(section, b)
	for r := (Record{}); it.Next(&r); {
		var into record.Record
		if r.Read(&into) != nil {
			return nil, false, false
		}
		all = append(all, stamped{Timestamp: b.Timestamp(&r), Record: into})
	}
	return all, it.Consecutive(), it.Err() == nil
}

// FuzzDecompress keeps every codec within its limit, whatever it is given.
func FuzzDecompress(f *testing.F) {
	for _, c := range codecs {
		for _, writer := range []string{"java", "kcat", "franz"} {
			f.Add(int8(c), golden(f, writer+"-"+c.String()+".bin")[HeaderSize:])
		}
	}
	d := NewDecompressor(fuzzLimit)
	f.Fuzz(func(t *testing.T, codec int8, src []byte) {
		out, err := d.Decompress([]byte("abc"), Codec(codec), src)
		if string(out[:3]) != "abc" || len(out) > 3+fuzzLimit || err != nil && len(out) != 3 || cap(out) > 8<<20 {
			t.Fatalf("%d bytes, room for %d, %v", len(out), cap(out), err)
		}
		again, err2 := d.Decompress(nil, Codec(codec), src)
		if (err == nil) != (err2 == nil) || !bytes.Equal(out[3:], again) {
			t.Fatalf("first %v, then %v", err, err2)
		}
	})
}

func FuzzFetchResponse(f *testing.F) {
	for version := int16(fetchMin); version <= fetchMax; version++ {
		f.Add(version, fetchAnswer(version).AppendTo(nil))
	}
	f.Fuzz(func(t *testing.T, version int16, body []byte) {
		if version < fetchMin || version > fetchMax {
			return
		}
		fetch := newFetch(version)
		if fetch.parse(body) != nil {
			return
		}
		size, seen := 0, map[int]bool{}
		for _, p := range fetch.response.Partitions {
			asked := fetch.Partitions[p.Request]
			if seen[p.Request] || asked.Topic != p.Topic || asked.Partition != p.Partition {
				t.Fatalf("%+v is not the answer to %+v, or the second one", p, asked)
			}
			seen[p.Request] = true
			size += len(p.Records) + 16*len(p.Aborted)
		}
		if size > len(body) {
			t.Fatalf("%d bytes out of %d", size, len(body))
		}
		first := fetch.response.Partitions
		fetch.response.Partitions = nil
		if err := fetch.parse(body); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(first, fetch.response.Partitions, wholeBytes); diff != "" {
			t.Fatalf("read again:\n%s", diff)
		}
	})
}

func FuzzProduceResponse(f *testing.F) {
	for version := int16(produceMin); version <= produceMax; version++ {
		f.Add(version, produceAnswer(version).AppendTo(nil))
	}
	f.Fuzz(func(t *testing.T, version int16, body []byte) {
		if version < produceMin || version > produceMax {
			return
		}
		produce := newProduce(version)
		if produce.parse(body) != nil {
			return
		}
		if len(produce.response.Partitions) != len(produce.Partitions) {
			t.Fatalf("%d answers for %d partitions", len(produce.response.Partitions), len(produce.Partitions))
		}
		seen := map[int]bool{}
		for _, p := range produce.response.Partitions {
			asked := produce.Partitions[p.Request]
			if seen[p.Request] || asked.Topic != p.Topic || asked.Partition != p.Partition {
				t.Fatalf("%+v is not the answer to %+v, or the second one", p, asked)
			}
			seen[p.Request] = true
		}
	})
}
