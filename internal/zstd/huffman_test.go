package zstd

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestHuffmanLengths: a code has every byte it should, takes the room that codes have exactly, has no length that the
// format does not have, gives the rarer byte no shorter code, and takes at most what Shannon's would, whose lengths are
// the logarithms rounded up, unless those are too long as well.
func TestHuffmanLengths(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var h huffman
	for range 3000 {
		var b []byte
		kinds, skew := 2+r.IntN(255), r.IntN(12)
		for s := range kinds {
			for range 1 + r.IntN(1<<r.IntN(skew+1)) {
				b = append(b, byte(s))
			}
		}
		all := r.IntN(2) == 0
		if _, ok := h.fit(nil, b, all); !ok {
			continue // all weights are alike
		}
		room, bits, shannon := 0, 0, 0.0
		lengths := map[uint32]int{} // the least of a count
		for s, c := range h.counts[0] {
			n := int(h.codes[s] & 63)
			if n == 0 {
				if c > 0 || h.all {
					t.Fatalf("%d kinds: byte %d, %d times, has no code", kinds, s, c)
				}
				continue
			}
			if n > mostBits || h.codes[s]<<n>>n>>6 != 0 {
				t.Fatalf("%d kinds: byte %d has the code %x", kinds, s, h.codes[s])
			}
			room += 1 << (mostBits - n)
			bits += n * int(c)
			if c > 0 {
				shannon += float64(c) * math.Ceil(math.Log2(float64(len(b))/float64(c)))
			}
			if least, ok := lengths[c]; !ok || n < least {
				lengths[c] = n
			}
		}
		if room != 1<<mostBits {
			t.Fatalf("%d kinds: the codes take %d of the room of %d", kinds, room, 1<<mostBits)
		}
		counts := slices.Sorted(func(yield func(uint32) bool) {
			for c := range lengths {
				if !yield(c) {
					return
				}
			}
		})
		for i := 1; i < len(counts); i++ {
			if lengths[counts[i]] > lengths[counts[i-1]] {
				t.Fatalf("%d kinds: what occurs %d times has %d bits, and %d times %d", kinds,
					counts[i], lengths[counts[i]], counts[i-1], lengths[counts[i-1]])
			}
		}
		if !h.all && len(b) <= 1<<mostBits && float64(bits) > shannon {
			t.Fatalf("%d kinds: %d bits, Shannon's code takes %v", kinds, bits, shannon)
		}
	}
}

// TestHuffmanForAll: what does not occur gets a code where that costs little, and only if it is asked for.
func TestHuffmanForAll(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	wide, narrow := make([]byte, 20_000), make([]byte, 20_000)
	for i := range wide {
		wide[i] = byte(r.IntN(150))
		narrow[i] = "aaabcdefghij"[r.IntN(12)]
	}
	var h huffman
	for _, c := range []struct {
		name     string
		b        []byte
		all, has bool
	}{
		{"bytes of many kinds, for all", wide, true, true},
		{"bytes of many kinds", wide, false, false},
		{"bytes of few kinds, for all", narrow, true, false},
		{"bytes of few kinds", narrow, false, false},
	} {
		if _, ok := h.fit(nil, c.b, c.all); !ok || h.all != c.has || (h.codes[255] != 0) != c.has {
			t.Errorf("%s: fits %t, all have a code: %t, 255 has %x", c.name, ok, h.all, h.codes[255])
		}
	}
}

// TestHuffmanFitsNot where there is no code to gain by, and appends nothing.
func TestHuffmanFitsNot(t *testing.T) {
	var h huffman
	for name, b := range map[string][]byte{
		"one kind": make([]byte, 300), "two kinds": {0, 1, 0, 1, 1, 0}, "all weights alike": {0, 1, 2, 3, 0, 1, 2, 3},
	} {
		if out, ok := h.fit([]byte("dst"), b, false); ok || string(out) != "dst" {
			t.Errorf("%s: %t, %q", name, ok, out)
		}
	}
}
