package verify

import (
	"math/rand/v2"
	"testing"
)

// The set is held against one bit for each number.
func TestIntervals(t *testing.T) {
	const size = 200
	r := rand.New(rand.NewPCG(1, 2))
	for round := range 500 {
		all := intervals{block: round % 5} // packs early, but for 0
		var bits [size + 1]bool
		for range 60 {
			from := r.Int64N(size)
			in := Interval{from, min(size, from+1+r.Int64N(8))}
			wantTwice, wantOverlap := Interval{}, false
			for i := in.From; i < in.To; i++ {
				switch {
				case bits[i] && !wantOverlap:
					wantTwice, wantOverlap = Interval{i, i + 1}, true
				case bits[i] && wantTwice.To == i:
					wantTwice.To = i + 1
				}
			}
			twice, overlap := all.add(in)
			if overlap != wantOverlap || twice != wantTwice {
				t.Fatalf("add %v: %v %v, want %v %v", in, twice, overlap, wantTwice, wantOverlap)
			}
			for i := in.From; i < in.To; i++ {
				bits[i] = true
			}
			next, set := 0, all.list()
			if set[len(set)-1].To != all.end() {
				t.Fatalf("set %v ends at %d", set, all.end())
			}
			for i := range bits {
				if bits[i] && (i == 0 || !bits[i-1]) {
					if next >= len(set) || set[next].From != int64(i) {
						t.Fatalf("set %v has no run from %d", set, i)
					}
				}
				if i > 0 && !bits[i] && bits[i-1] {
					if set[next].To != int64(i) {
						t.Fatalf("set %v has no run to %d", set, i)
					}
					next++
				}
			}
			if next != len(set) {
				t.Fatalf("set %v has %d runs, want %d", set, len(set), next)
			}
		}
	}
}

// A hole behind each of many intervals costs a few bytes, in whatever order they come.
func TestIntervalsPack(t *testing.T) {
	const n = 100_000
	var set intervals
	for i := range int64(n) {
		at := i ^ 3 // nearly in order
		if twice, overlaps := set.add(Interval{at * 100, at*100 + 60}); overlaps {
			t.Fatalf("%v was there", twice)
		}
	}
	size := 16 * len(set.tail)
	for _, p := range set.packed {
		size += 48 + cap(p.text)
	}
	if got := len(set.list()); got != n || size > 5*n {
		t.Errorf("%d intervals in %d bytes, want %d in %d at most", got, size, n, 5*n)
	}
	if twice, overlaps := set.add(Interval{0, 100 * n}); !overlaps || twice != (Interval{0, 60}) || len(set.list()) != 1 {
		t.Errorf("%v %t, then %d intervals", twice, overlaps, len(set.list()))
	}
}
