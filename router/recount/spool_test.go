package recount

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/demarc/demarc/internal/record"
)

// TestSpoolSorts compares a spool that spills often with one that never does, and with a sort in memory.
func TestSpoolSorts(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	type item struct {
		key  spoolKey
		text string
	}
	var all []item
	small, large := newSpool(t.TempDir(), 2000), newSpool(t.TempDir(), 1<<30)
	for i := range 3000 {
		it := item{spoolKey{uint32(random.IntN(5)), random.Int64N(200) - 20, uint64(random.IntN(3))}, fmt.Sprint("payload ", i)}
		all = append(all, it)
		for _, s := range []*spool{small, large} {
			if err := s.add(it.key, []byte(it.text)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(small.ends) < 10 || large.file != nil {
		t.Fatalf("%d runs, want many in one and none in the other", len(small.ends))
	}
	slices.SortStableFunc(all, func(a, b item) int { return compareKeys(a.key, b.key) })
	for name, s := range map[string]*spool{"disk": small, "memory": large} {
		out, err := s.sort()
		if err != nil {
			t.Fatal(err)
		}
		defer out.close()
		var got []item
		for group := range uint32(7) {
			c := out.group(group)
			for c.next() {
				got = append(got, item{c.key, string(c.payload)})
			}
			if c.err != nil {
				t.Fatal(c.err)
			}
		}
		if !slices.Equal(got, all) {
			t.Errorf("%s: items differ", name)
		}
	}
}

func TestReceiptInASpool(t *testing.T) {
	want := receipt{
		entry: 7, index: 3, number: 99, sink: 1, policy: 2, geo: 3, source: 4, from: 5, to: 1 << 52, base: 6, end: 8, digest: [32]byte{1, 2, 3},
		sets: []setCount{{1, 2}, {3, 4}}, siblings: 2, counts: []count{{1, record.Overlap, 3, 1 << 50}},
	}
	b := want.append(nil)
	got := receipt{sets: make([]setCount, 5), counts: make([]count, 9)}
	if err := got.read(want.key(1), b); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(receipt{}, setCount{}, count{})); diff != "" {
		t.Error(diff)
	}
	for n := range b {
		if err := got.read(want.key(1), b[:n]); err == nil {
			t.Errorf("%d of %d bytes are read", n, len(b))
		}
	}
}
