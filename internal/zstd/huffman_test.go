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

// TestHuffmanForAll: what does not occur gets a code where that makes what does occur hardly longer, and only if it is
// asked for.
func TestHuffmanForAll(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var h huffman
	bits := func(b []byte) (n int) {
		for _, s := range b {
			n += int(h.codes[s] & 63)
		}
		return n
	}
	had := map[bool]int{}
	for range 2000 {
		b := make([]byte, 64+r.IntN(1<<(6+r.IntN(11))))
		first, kinds := r.IntN(100), 2+r.IntN(150)
		for i := range b {
			b[i] = byte(first + r.IntN(1+r.IntN(kinds)))
		}
		if _, ok := h.fit(nil, b, false); !ok || h.all {
			t.Fatalf("%d of %d kinds: fits %t, for all %t, which was not asked for", len(b), kinds, ok, h.all)
		}
		own := bits(b)
		if _, ok := h.fit(nil, b, true); !ok {
			t.Fatalf("%d of %d kinds have no code for all", len(b), kinds)
		}
		had[h.all]++
		if all := bits(b); h.all && all > own+own/24 || !h.all && all != own {
			t.Fatalf("%d of %d kinds, for all %t: %d bits, and %d by a code of their own", len(b), kinds, h.all, all, own)
		}
		if (slices.Index(h.codes[:], 0) < 0) != h.all {
			t.Fatalf("%d of %d kinds, for all %t: %x", len(b), kinds, h.all, h.codes)
		}
	}
	if had[true] < 100 || had[false] < 100 {
		t.Errorf("for all or not: %v", had)
	}
}

// TestHuffmanFitsNot where no code makes anything shorter, and appends nothing.
func TestHuffmanFitsNot(t *testing.T) {
	var each [256]byte
	for i := range each {
		each[i] = byte(i)
	}
	var h huffman
	for name, b := range map[string][]byte{"one kind": make([]byte, 300), "every byte once": each[:]} {
		for _, all := range []bool{false, true} {
			if out, ok := h.fit([]byte("dst"), b, all); ok || string(out) != "dst" {
				t.Errorf("%s, for all %t: %t, %q", name, all, ok, out)
			}
		}
	}
}
