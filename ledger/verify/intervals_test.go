package verify

import (
	"math/rand/v2"
	"testing"
)

// The set is held against one bit for each number.
func TestIntervals(t *testing.T) {
	const size = 200
	r := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		var set intervals
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
			twice, overlap := set.add(in)
			if overlap != wantOverlap || twice != wantTwice {
				t.Fatalf("add %v: %v %v, want %v %v", in, twice, overlap, wantTwice, wantOverlap)
			}
			for i := in.From; i < in.To; i++ {
				bits[i] = true
			}
			next := 0
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
