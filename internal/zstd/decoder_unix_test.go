//go:build unix

package zstd

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/demarc/demarc/internal/fence"
)

// TestDecoderReadsInside: before a frame and behind it is memory that may not be read; also when it is damaged.
func TestDecoderReadsInside(t *testing.T) {
	var d Decoder
	r := rand.New(rand.NewPCG(1, 2))
	frames := [][]byte{
		told("abc", asItIs, [3]uint32{3, 0, 4}),
		told("abc", asItIs, [3]uint32{1, 0, 4}, [3]uint32{2, 0, 4}),
		told(string(drawn(100, digits)), asItIs, [3]uint32{90, 0, 4}),
		told(string(drawn(100, digits)), asItIs, slices.Repeat([][3]uint32{{2, 9, 4}}, 40)...),
	}
	for seed := range uint64(10) {
		s := newStory(seed)
		s.block(100, 10, 40, 1000, false)
		s.block(10, 200, 40, 1000, true)
		frames = append(frames, s.frame)
	}
	var e Encoder
	all := shapes()
	for _, name := range []string{"JSON", "lines", "skewed", "two kinds", "base64"} {
		for _, n := range []int{100, 1000, 1100, 1300, 5000, 20_000} {
			frames = append(frames, e.Append(nil, all[name][:min(n, len(all[name]))]))
		}
	}
	for _, src := range frames {
		fence.Around(t, src, func(b []byte) {
			_, _ = decodeBoth(t, &d, nil, b)
			for range 50 {
				at, was := r.IntN(len(b)), byte(0)
				was, b[at] = b[at], byte(r.Uint32())
				_, _ = decodeBoth(t, &d, nil, b)
				b[at] = was
			}
		})
	}
}

// TestDecoderWritesInside: a block of the most bytes that there are, and behind its room memory that may not be written.
func TestDecoderWritesInside(t *testing.T) {
	var d Decoder
	rest := func(length, at uint32) [3]uint32 { return [3]uint32{0, length - leastMatch, 3 + at} }
	start := string(drawn(500, digits))
	for _, at := range []uint32{1, 3, 7, 8, 9, 31, 32, 33, 63, 64, 65, 500} {
		for _, length := range []uint32{3, 4, 8, 31, 32, 33, 63, 64, 65, 128, 1000} {
			src := told(start, asItIs, [3]uint32{500, blockSize - 500 - length - leastMatch, 503}, rest(length-min(length-3, 3), at), rest(3, at))
			if length < 6 {
				src = told(start, asItIs, [3]uint32{500, blockSize - 500 - length - leastMatch, 503}, rest(length, at))
			}
			fence.Around(t, make([]byte, blockSize+replayMargin), func(room []byte) {
				got, err := decodeBoth(t, &d, room[:0], src)
				if err != nil || len(got) != blockSize {
					t.Errorf("%d bytes from %d back at the end of a block: %d bytes, %v", length, at, len(got), err)
				}
			})
		}
	}
	for _, n := range []uint32{1, 16, 17, 31, 32, 33, 64, 499} { // literals up to the end, but for a match
		src := told(start, asItIs, [3]uint32{500 - n, blockSize - 500 - 6 - leastMatch, 4}, [3]uint32{n, 0, 4}, [3]uint32{0, 0, 4})
		fence.Around(t, make([]byte, blockSize+replayMargin), func(room []byte) {
			if got, err := decodeBoth(t, &d, room[:0], src); err != nil || len(got) != blockSize {
				t.Errorf("%d literals at the end of a block: %d bytes, %v", n, len(got), err)
			}
		})
	}
}

// TestLiteralsReadInside: streams that hold far fewer codes, each of eleven bits, than there are literals to be.
func TestLiteralsReadInside(t *testing.T) {
	c := newCode([]uint{11, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1}, []byte("abcdefghijkl"))
	var d Decoder
	for n := range 800 {
		s := append(make([]byte, n), 1)
		fence.Around(t, literalsAlone(c.section(blockSize, s, s, s, s)), func(b []byte) {
			if _, err := decodeBoth(t, &d, nil, b); !errors.Is(err, errLiterals) {
				t.Errorf("four streams of %d bytes: %v", n, err)
			}
		})
	}
}
