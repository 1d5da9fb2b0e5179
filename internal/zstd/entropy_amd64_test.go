//go:build !nounsafe && unix

package zstd

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"github.com/demarc/demarc/internal/fence"
)

// writeTwins has both ways write, and fails where what they write differs.
func writeTwins(t *testing.T, write func() []byte) {
	t.Helper()
	if !useAssembly {
		t.Skip("this processor has no AVX2, BMI2 or LZCNT: no assembly is used")
	}
	fast := bytes.Clone(write())
	inGoAlone(func() {
		if slow := write(); !bytes.Equal(fast, slow) {
			t.Errorf("%d bytes: %x, want %d: %x", len(fast), fast, len(slow), slow)
		}
	})
}

// sequencesTwins writes to memory behind which nothing may be written, by each kind of tables.
func sequencesTwins(t *testing.T, q *sequences) {
	t.Helper()
	for _, tables := range []func(){q.standard, func() { q.fit(nil, false) }, func() { q.fit(nil, true) }} {
		tables()
		fence.Around(t, make([]byte, sequencesRoom(len(q.list))), func(room []byte) {
			writeTwins(t, func() []byte { return q.appendBits(room[:0]) })
		})
	}
}

func huffmanTwins(t *testing.T, h *huffman, b []byte) {
	t.Helper()
	fence.Around(t, make([]byte, huffmanRoom(len(b))), func(room []byte) {
		writeTwins(t, func() []byte { return h.append(room[:0], b) })
	})
}

func TestAppendFast(t *testing.T) {
	all := shapes()
	var e Encoder
	for name, src := range all {
		t.Run(name, func(t *testing.T) { writeTwins(t, func() []byte { return e.Append(nil, src) }) })
	}
	for n := range 3000 {
		writeTwins(t, func() []byte { return e.Append(nil, all["JSON"][n%700:n%700+n]) })
	}
}

// TestPutSequencesFast: of the largest numbers, the smallest, both, and what is between, in memory around which nothing
// may be read.
func TestPutSequencesFast(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	ends := [][3]uint32{largest, {0, 0, 1}}
	for n := 1; n < 70; n++ {
		for _, number := range []func() [3]uint32{
			func() [3]uint32 { return ends[0] },
			func() [3]uint32 { return ends[1] },
			func() [3]uint32 { return ends[r.IntN(2)] },
			func() [3]uint32 { return numbersOf([3]uint32{r.Uint32(), r.Uint32(), r.Uint32()}) },
		} {
			list := make([]sequence, n)
			for i := range list {
				list[i] = sequenceOf(number())
			}
			inMemory := unsafe.Slice((*byte)(unsafe.Pointer(&list[0])), n*int(unsafe.Sizeof(list[0])))
			fence.Around(t, inMemory, func(b []byte) {
				sequencesTwins(t, &sequences{list: unsafe.Slice((*sequence)(unsafe.Pointer(&b[0])), n)})
			})
		}
	}
}

// TestPutHuffmanFast: of the longest codes, the shortest, both, and what is between, from memory around which nothing
// may be read.
func TestPutHuffmanFast(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, length := range []func() int{
		func() int { return mostBits },
		func() int { return 1 },
		func() int { return 1 + r.IntN(2)*(mostBits-1) },
		func() int { return 1 + r.IntN(mostBits) },
	} {
		var h huffman
		for s := range h.codes {
			n := length()
			h.codes[s] = r.Uint64()>>(64-n)<<(64-n) | uint64(n)
		}
		for n := range 200 {
			fence.Around(t, noise(n), func(b []byte) { huffmanTwins(t, &h, b) })
		}
	}
}

// numbersOf makes numbers that a sequence can have of others, as many small ones as large.
func numbersOf(v [3]uint32) [3]uint32 {
	for i := range v {
		v[i] = (v[i] >> 5 >> (v[i] & 31)) % (largest[i] + 1)
	}
	v[2] = max(v[2], 1)
	return v
}

func FuzzAppendBits(f *testing.F) {
	f.Add(slices.Repeat([]byte{0xe0, 0xff, 0xff, 0xff}, 9))
	for _, b := range shapes() {
		f.Add(b[:min(len(b), 1200)])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var q sequences
		for ; len(b) >= 12; b = b[12:] {
			var v [3]uint32
			for i := range v {
				v[i] = binary.LittleEndian.Uint32(b[4*i:])
			}
			*q.grow() = sequenceOf(numbersOf(v))
		}
		if len(q.list) > 0 {
			sequencesTwins(t, &q)
		}
	})
}

func FuzzHuffman(f *testing.F) {
	for _, b := range shapes() {
		f.Add(b[:min(len(b), 3000)], uint16(100))
	}
	var h huffman
	f.Fuzz(func(t *testing.T, b []byte, of uint16) {
		// The code is for all of b, and a part of it is encoded.
		if _, ok := h.fit(nil, b, false); ok {
			huffmanTwins(t, &h, b[int(of)%len(b):])
		}
	})
}
