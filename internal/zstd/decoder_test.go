package zstd

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"
)

const (
	testLimit  = 8 << 20
	testWindow = testLimit
)

// decodeBoth decodes with assembly, where that can run, and without, and fails where one says something else.
func decodeBoth(t *testing.T, d *Decoder, dst, src []byte) ([]byte, error) {
	t.Helper()
	got, err := d.Append(dst, src, testLimit, testWindow)
	got = slices.Clone(got)
	inGoAlone(func() {
		alone, failed := d.Append(dst, src, testLimit, testWindow)
		if !errors.Is(failed, err) || !bytes.Equal(alone, got) {
			t.Errorf("%d bytes, %v in assembly; %d bytes, %v in Go", len(got), err, len(alone), failed)
		}
	})
	return got, err
}

// TestDecodesOthers: what a general encoder writes, at every level, with and without sizes and checksums.
func TestDecodesOthers(t *testing.T) {
	var d Decoder
	for name, want := range shapes() {
		for level := zstd.SpeedFastest; level <= zstd.SpeedBestCompression; level++ {
			var streamed bytes.Buffer
			w, err := zstd.NewWriter(&streamed, zstd.WithEncoderLevel(level), zstd.WithEncoderConcurrency(1),
				zstd.WithEncoderCRC(level == zstd.SpeedDefault), zstd.WithWindowSize(64<<10))
			if err != nil {
				t.Fatal(err)
			}
			whole := w.EncodeAll(want, nil)
			for part := range slices.Chunk(want, 50_000) {
				if _, err := w.Write(part); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			for _, src := range [][]byte{whole, streamed.Bytes()} {
				if len(src) == 0 {
					continue // of nothing
				}
				if got, err := decodeBoth(t, &d, []byte("before"), src); err != nil || !bytes.Equal(got[6:], want) {
					t.Errorf("%s, level %v: %v, the same: %t", name, level, err, bytes.Equal(got[6:], want))
				}
			}
		}
	}
}

// TestDecodesOurs: what Encoder writes, of every length up to a few thousand, and across blocks.
func TestDecodesOurs(t *testing.T) {
	var e Encoder
	var d Decoder
	for name, src := range shapes() {
		if got, err := decodeBoth(t, &d, nil, e.Append(nil, src)); err != nil || !bytes.Equal(got, src) {
			t.Errorf("%s: %v", name, err)
		}
		for n := range min(len(src), 3000) {
			if got, err := d.Append(nil, e.Append(nil, src[:n]), n, testWindow); err != nil || !bytes.Equal(got, src[:n]) {
				t.Fatalf("the first %d bytes of %s: %v", n, name, err)
			}
		}
	}
}

// story is a frame of sequences of any numbers, and what they tell, done byte by byte.
type story struct {
	r       *rand.Rand
	e       Encoder
	frame   []byte
	content []byte
	recent  [3]int
}

func newStory(seed uint64) *story {
	s := &story{r: rand.New(rand.NewPCG(seed, 1)), recent: [3]int{1, 4, 8}}
	s.frame = append(binary.LittleEndian.AppendUint32(nil, frameMagic), 0, (windowLog-10)<<3)
	s.e.forget()
	return s
}

// block adds a block of sequences drawn up to these numbers.
func (s *story) block(sequences, literals, length, distance int, last bool) {
	from := len(s.content)
	s.e.literals.reset()
	s.e.sequences.reset()
	tell := func(n int) {
		at := len(s.content)
		for range n {
			s.content = append(s.content, base64Alphabet[s.r.IntN(64)])
		}
		s.e.literals.rest(s.content[at:])
	}
	for range sequences {
		n, m := s.r.IntN(s.r.IntN(literals+1)+1), leastMatch+s.r.IntN(s.r.IntN(length)+1)
		if len(s.content) == 0 {
			n++
		}
		if len(s.content)+n+m-from > blockSize {
			break
		}
		tell(n)
		told := 3 + 1 + s.r.IntN(min(s.r.IntN(distance)+1, len(s.content)))
		if choice := 1 + s.r.IntN(6); choice <= 3 && s.fits(choice, n == 0) {
			told = choice
		}
		at := s.heed(told, n == 0)
		for range m {
			s.content = append(s.content, s.content[len(s.content)-at])
		}
		*s.e.sequences.grow() = sequenceOf([3]uint32{uint32(n), uint32(m - leastMatch), uint32(told)})
	}
	tell(min(s.r.IntN(20), blockSize-(len(s.content)-from)))
	start := len(s.frame)
	s.frame = appendBlockHeader(s.frame, 0, 0, false)
	s.frame = s.e.sequences.append(s.e.literals.append(s.frame, !last), !last)
	appendBlockHeader(s.frame[:start], blockCompressed, len(s.frame)-start-blockRoom, last)
}

// fits reports whether a recent distance can be told here.
func (s *story) fits(choice int, direct bool) bool {
	recent := s.recent
	at := s.heed(choice, direct)
	s.recent = recent
	return at > 0 && at <= len(s.content)
}

// heed is the distance that is told (RFC 8878, 3.1.1.5).
func (s *story) heed(told int, direct bool) int {
	if told > 3 {
		s.recent = [3]int{told - 3, s.recent[0], s.recent[1]}
		return told - 3
	}
	if direct {
		told++
	}
	switch told {
	case 2:
		s.recent = [3]int{s.recent[1], s.recent[0], s.recent[2]}
	case 3:
		s.recent = [3]int{s.recent[2], s.recent[0], s.recent[1]}
	case 4:
		s.recent = [3]int{s.recent[0] - 1, s.recent[0], s.recent[1]}
	}
	return s.recent[0]
}

func (s *story) check(t *testing.T, d *Decoder, judge *zstd.Decoder) {
	t.Helper()
	if got, err := decodeBoth(t, d, nil, s.frame); err != nil || !bytes.Equal(got, s.content) {
		t.Errorf("%v, the same: %t", err, bytes.Equal(got, s.content))
	}
	if got, err := judge.DecodeAll(s.frame, nil); err != nil || !bytes.Equal(got, s.content) {
		t.Errorf("the story is none: %v, the same: %t", err, bytes.Equal(got, s.content))
	}
}

// TestReplay: sequences of all kinds of numbers; also such as need more bits than the fast way has at once.
func TestReplay(t *testing.T) {
	var d Decoder
	judge := reader(t)
	for seed := range uint64(150) {
		s := newStory(seed)
		for i := range 3 {
			last := i == 2
			switch s.r.IntN(4) {
			case 0:
				s.block(1+s.r.IntN(300), 40, 100, 100, last)
			case 1:
				s.block(1+s.r.IntN(3000), 3, 20, 2000, last)
			case 2:
				s.block(1+s.r.IntN(300), 300, 300, windowSize, last)
			default:
				s.block(3, blockSize/2, blockSize, windowSize, last)
			}
		}
		s.check(t, &d, judge)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// TestReplayStartsAnew: what a frame has left, recent distances and tables, is not the next one's.
func TestReplayStartsAnew(t *testing.T) {
	var d Decoder
	s, again := newStory(1), newStory(2)
	s.block(1000, 10, 40, 1000, true)
	again.block(1000, 10, 40, 1000, true)
	two, err := decodeBoth(t, &d, nil, slices.Concat(s.frame, again.frame, s.frame))
	if err != nil || !bytes.Equal(two, slices.Concat(s.content, again.content, s.content)) {
		t.Errorf("%v", err)
	}
	for name, src := range map[string][]byte{
		"tables":   compressed(0, 1, modeAgain*modes, 1),
		"literals": compressed(literalsAgain|1<<4, 1<<6, 0, 1, 0),
	} {
		if _, err := decodeBoth(t, &d, nil, slices.Concat(s.frame, src)); !errors.Is(err, errRepeated) {
			t.Errorf("%s of the frame before: %v, want %v", name, err, errRepeated)
		}
	}
}

// BenchmarkDecode compares with a general decoder, on what a general encoder has written.
func BenchmarkDecode(b *testing.B) {
	w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false))
	if err != nil {
		b.Fatal(err)
	}
	defer w.Close()
	other, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.IgnoreChecksum(true))
	if err != nil {
		b.Fatal(err)
	}
	defer other.Close()
	var d Decoder
	all := shapes()
	for _, name := range []string{"JSON", "small JSON", "large JSON", "lines", "packed"} {
		want := all[name][:250_000]
		src := w.EncodeAll(want, nil)
		for who, decode := range map[string]func(dst []byte) ([]byte, error){
			"ours":    func(dst []byte) ([]byte, error) { return d.Append(dst, src, testLimit, testWindow) },
			"general": func(dst []byte) ([]byte, error) { return other.DecodeAll(src, dst) },
		} {
			b.Run(name+"/"+who, func(b *testing.B) {
				b.SetBytes(int64(len(want)))
				b.ReportAllocs()
				out := make([]byte, 0, 2*len(want))
				for b.Loop() {
					if got, err := decode(out); err != nil || len(got) != len(want) {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
