//go:build unix

package zstd

import (
	"errors"
	"slices"
	"testing"

	"github.com/demarc/demarc/internal/fence"
)

// TestDecoderRefusesInTheMidst: what is wrong in a sequence that many follow, which the fast way has to see.
func TestDecoderRefusesInTheMidst(t *testing.T) {
	more := slices.Repeat([][3]uint32{{0, 0, 4}}, 60)
	midst := func(literals string, s ...[3]uint32) []byte {
		return told(literals, asItIs, append(s, more...)...)
	}
	k := string(drawn(2000, digits))
	first := framed(0, window1K, oneBlock(blockRaw, []byte("before")...))
	for name, c := range map[string]struct {
		src  []byte
		want error
	}{
		"further back than the start": {midst("abc", [3]uint32{3, 0, 7}), errSequences},
		"into the frame before":       {slices.Concat(first, midst("abc", [3]uint32{3, 0, 7})), errSequences},
		"a match larger than a block": {midst("abc", [3]uint32{3, 100_000, 4}, [3]uint32{0, 100_000, 4}), errSequences},
		"literals that there are not": {midst("abc", [3]uint32{4, 0, 4}), errSequences},
		"one before the first":        {midst("abc", [3]uint32{3, 0, 1}, [3]uint32{0, 0, 3}), errDistance},
	} {
		var d Decoder
		fence.Around(t, make([]byte, len("dst")+6+blockSize+replayMargin), func(room []byte) {
			if got, err := decodeBoth(t, &d, append(room[:0], "dst"...), c.src); !errors.Is(err, c.want) || err != nil && string(got) != "dst" {
				t.Errorf("%s: %d, %v, want %v", name, len(got), err, c.want)
			}
		})
	}
	// 1 KiB of window: two blocks of 1,000 bytes, then 1,024 and 1,025 back.
	for at, want := range map[uint32]error{1024: nil, 1025: errSequences} {
		b := blockOf("", append([][3]uint32{{0, 0, at + 3}}, more...)...)
		raw := append(appendBlockHeader(nil, blockRaw, 1000, false), k[:1000]...)
		src := framed(0, window1K, raw, raw, oneBlock(blockCompressed, b...))
		var d Decoder
		if _, err := decodeBoth(t, &d, nil, src); !errors.Is(err, want) {
			t.Errorf("%d back of a window of 1,024: %v, want %v", at, err, want)
		}
	}
	// Compressed, content above a small window.
	var d Decoder
	if _, err := decodeBoth(t, &d, nil, framed(0, window1K, oneBlock(blockCompressed, blockOf("abc", [3]uint32{3, 1024 - 3 - 3 + 1, 4})...))); !errors.Is(err, errSequences) {
		t.Errorf("above the window: %v", err)
	}
	// More sequences than bits, of one bit each, at the beginning of memory.
	fence.Around(t, compressed(append([]byte{literalsRepeated | 1<<2 | 250&0xf<<4, 250 >> 4, 'a', 0x80, 250, modes, 1, 0, 32}, slices.Repeat([]byte{0xff}, 10)...)...), func(b []byte) {
		if _, err := decodeBoth(t, &d, nil, b); !errors.Is(err, errSequences) {
			t.Errorf("more sequences than bits: %v", err)
		}
	})
	// A byte of bits that nothing reads.
	spare := func(b []byte) []byte { return slices.Insert(b, 6, 0) }
	if _, err := decodeBoth(t, &d, nil, told("abc", spare, append([][3]uint32{{3, 0, 4}}, more[:30]...)...)); !errors.Is(err, errSequences) {
		t.Errorf("spare bits: %v", err)
	}
	// All lengths of the section behind raw literals.
	for n := range 100 {
		fence.Around(t, told("abc", asItIs, append([][3]uint32{{3, 0, 4}}, slices.Repeat([][3]uint32{{0, 0, 4}}, n)...)...), func(b []byte) {
			if _, err := decodeBoth(t, &d, nil, b); err != nil {
				t.Error(n, err)
			}
		})
	}
	// The fast way's steps up to the end of a block, whatever follows.
	for _, at := range []uint32{1, 8, 32, 64, 100} {
		for _, length := range []uint32{3, 32, 33, 64, 65, 129} {
			src := midst(k[:200], [3]uint32{200, blockSize - 200 - length - leastMatch, 4}, [3]uint32{0, length - leastMatch, at + 3})
			fence.Around(t, make([]byte, blockSize+replayMargin), func(room []byte) {
				if _, err := decodeBoth(t, &d, room[:0], src); !errors.Is(err, errSequences) {
					t.Error(err)
				}
			})
		}
	}
}

// TestDecoderRefusesTables: descriptions that end early, anywhere, of too many symbols and of too many bits.
func TestDecoderRefusesTables(t *testing.T) {
	for kind, n := range []int{36, 32, 53} {
		block := func(table []byte) []byte {
			b := []byte{0, 1, modeFit << (6 - 2*kind)}
			for k := range kind {
				b[2] |= modeOne << (6 - 2*k)
				b = append(b, 1)
			}
			return compressed(append(b, table...)...)
		}
		even := make([]int16, n)
		for s := range even {
			even[s] = 1
		}
		even[0] = int16(1<<(mostLog[kind]+1) - uint(n) + 1)
		whole := appendNorm(nil, even, mostLog[kind]+1)
		refused := [][]byte{append(whole, 1, 1, 1)}
		even[0] = int16(1<<mostLog[kind] - uint(n) + 1)
		whole = appendNorm(nil, even, mostLog[kind])
		for cut := range whole {
			refused = append(refused, slices.Clip(whole[:cut]))
		}
		for small := range 9 {
			ends := []int16{int16(1<<mostLog[kind] - small - 1)}
			for range small + 1 {
				ends = append(ends, -1)
			}
			whole := appendNorm(nil, ends, mostLog[kind])
			refused = append(refused, slices.Clip(whole[:len(whole)-1]))
		}
		more := make([]int16, n+2)
		more[0], more[n+1] = int16(1<<mostLog[kind]-1), 1
		refused = append(refused, append(appendNorm(nil, more, mostLog[kind]), 1, 1, 1))
		for _, table := range refused {
			var d Decoder
			if _, err := d.Append(nil, slices.Clip(block(table)), testLimit, testWindow); !errors.Is(err, errTable) {
				t.Errorf("kind %d, %x: %v", kind, table, err)
			}
		}
	}
}
