package zstd

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/demarc/demarc/internal/devbroker"
)

// traffic is so many bytes, or a few more, of records with documents of about size bytes, as a records section has them.
func traffic(size, n int) (b []byte) {
	tr := devbroker.Traffic{Seed: 7, Size: size}
	for i := int64(0); len(b) < n; i++ {
		rec, _ := tr.Record(0, i)
		b = binary.AppendVarint(b, int64(len(rec.Key)+len(rec.Value)+60))
		b = binary.AppendVarint(append(b, 0), 3*i)
		b = binary.AppendVarint(b, i)
		b = append(binary.AppendVarint(b, int64(len(rec.Key))), rec.Key...)
		b = append(binary.AppendVarint(b, int64(len(rec.Value))), rec.Value...)
		for _, h := range rec.Headers {
			b = append(binary.AppendVarint(b, int64(len(h.Key))), h.Key...)
			b = append(binary.AppendVarint(b, int64(len(h.Value))), h.Value...)
		}
	}
	return b
}

// lines are so many bytes of log lines, in which there is no quotation mark.
func lines(n int) (b []byte) {
	r := rand.New(rand.NewPCG(1, 2))
	for len(b) < n {
		b = fmt.Appendf(b, "2026-11-28T18:%02d:%02d.%03dZ INFO worker-%d handled method=GET path=/v1/users/%d/items status=%d duration=%dms trace=%016x\n",
			r.IntN(60), r.IntN(60), r.IntN(1000), r.IntN(16), r.IntN(100_000), 200+r.IntN(300), r.IntN(900), r.Uint64())
	}
	return b
}

// packed are so many bytes of small records in a binary form.
func packed(n int) (b []byte) {
	r := rand.New(rand.NewPCG(1, 2))
	for i := int64(0); len(b) < n; i++ {
		b = binary.AppendVarint(append(b, 0, 0, 0, 0, 42), i)
		b = binary.AppendVarint(b, 1_700_000_000_000+17*i)
		b = append(b, []string{"\tpage_view\x04US", "\x16add_to_cart\x04DE", "\x10purchase\x04FR"}[r.IntN(3)]...)
		b = binary.LittleEndian.AppendUint64(b, r.Uint64())
		b = fmt.Appendf(b, "Phttps://shop.example.com/p/%d?ref=home", r.IntN(5000))
		b = binary.AppendVarint(b, r.Int64N(1e6))
	}
	return b
}

func noise(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// drawn are n bytes of an alphabet.
func drawn(n int, alphabet string) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[r.IntN(len(alphabet))]
	}
	return b
}

// recurring are n bytes of 3,000 ids of 24 bytes.
func recurring(n int) (b []byte) {
	r := rand.New(rand.NewPCG(1, 2))
	ids := noise(3000 * 24)
	for len(b) < n {
		at := 24 * r.IntN(3000)
		b = append(b, ids[at:at+24]...)
	}
	return b
}

const (
	digits         = "0123456789"
	base64Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" + digits + "+/"
)

// skewed are bytes each of which is twice as frequent as the next: the codes of the rarest would be too long.
func skewed(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, n)
	for i := range b {
		for b[i] = 'a'; r.IntN(2) == 0; b[i]++ {
		}
	}
	return b
}

func alternating(a, b []byte, each int) (out []byte) {
	for ; len(a) >= each && len(b) >= each; a, b = a[each:], b[each:] {
		out = append(append(out, a[:each]...), b[:each]...)
	}
	return out
}

func shapes() map[string][]byte {
	long := traffic(0, 3<<20) // more than the window
	return map[string][]byte{
		"nothing":               nil,
		"JSON":                  long[:900_000],
		"small JSON":            traffic(100, 300_000),
		"large JSON":            traffic(10<<10, 300_000),
		"beyond the window":     long,
		"further than a window": slices.Concat(long[:5000], noise(windowSize), long[:5000]),
		"lines":                 lines(300_000),
		"packed":                packed(300_000),
		"JSON and packed":       alternating(long, packed(300_000), 800),
		"noise":                 noise(300_000),
		"noise and zeros":       alternating(noise(300_000), make([]byte, 300_000), 70_000),
		"zeros":                 make([]byte, 300_000),
		"skewed":                skewed(300_000),
		"two kinds":             drawn(1000, "\x00\x01"),
		"base64":                drawn(300_000, base64Alphabet),
		"base64, then digits":   slices.Concat(drawn(blockSize, base64Alphabet), drawn(3*blockSize, digits)),
		"recurring":             recurring(3 << 20),
		"marks":                 bytes.Repeat([]byte{'"'}, 200_000),
		"marks of two lengths":  bytes.Repeat([]byte(`"a""bb"`), 30_000),
		"ends":                  bytes.Repeat([]byte(`{}`), 100_000),
		"period 70000":          bytes.Repeat(noise(70_000), 5),
		"period 5":              bytes.Repeat([]byte("abcde"), 60_000),
	}
}

func reader(tb testing.TB) *zstd.Decoder {
	tb.Helper()
	r, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(r.Close)
	return r
}

// TestAppend: another reader reads what one Encoder writes, of every shape and length, behind what dst has already.
func TestAppend(t *testing.T) {
	var e Encoder
	r := reader(t)
	for name, b := range shapes() {
		lengths := []int{len(b), blockSize - 1, blockSize, blockSize + 1, blockSize + margin, 2*blockSize + 1}
		for n := range 120 {
			lengths = append(lengths, n, 7*n*n)
		}
		for _, n := range lengths {
			src := b[:min(n, len(b))]
			out := e.Append([]byte("dst"), src)
			if string(out[:3]) != "dst" {
				t.Fatalf("%s, %d bytes: dst was changed", name, n)
			}
			got, err := r.DecodeAll(out[3:], nil)
			if err != nil || !bytes.Equal(got, src) {
				t.Fatalf("%s, %d bytes: %v, the same: %t", name, n, err, bytes.Equal(got, src))
			}
			if most := len(src) + 14 + 3*(len(src)/blockSize+1); len(out)-3 > most {
				t.Errorf("%s, %d bytes: %d bytes, want at most %d", name, n, len(out)-3, most)
			}
		}
	}
}

// TestAppendDependsOnNothing but its input: an Encoder that was used for something else writes the same.
func TestAppendDependsOnNothing(t *testing.T) {
	var used Encoder
	for name, b := range shapes() {
		var fresh Encoder
		if !bytes.Equal(used.Append(nil, b), fresh.Append(nil, b)) {
			t.Errorf("%s: an Encoder that was used before writes another frame than a new one", name)
		}
	}
}

// TestFrameHeader: a frame says its size, and what a reader has to keep is at most a window.
func TestFrameHeader(t *testing.T) {
	var e Encoder
	for _, n := range []int{0, 1, 255, 256, 257, 65535, 65791, 65792, windowSize, windowSize + 1, 3 * windowSize} {
		var h zstd.Header
		if err := h.Decode(e.Append(nil, make([]byte, n))); err != nil {
			t.Fatal(err)
		}
		if !h.HasFCS || h.FrameContentSize != uint64(n) || h.HasCheckSum || h.WindowSize > windowSize || h.SingleSegment != (n <= windowSize) {
			t.Errorf("%d bytes: header %+v", n, h)
		}
	}
}

// TestSize holds what is written against another encoder, so that speed is not bought with it: records of one shape
// take a tenth more at most, those of two a fifth, and ids of no shape a quarter.
func TestSize(t *testing.T) {
	other, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	var e Encoder
	all := shapes()
	for name, most := range map[string]float64{
		"JSON": 1.1, "small JSON": 1.1, "large JSON": 1.1, "beyond the window": 1.1, "lines": 1.1, "packed": 1.1,
		"JSON and packed": 1.2, "noise": 1.001, "zeros": 1.1, "skewed": 1.1, "two kinds": 1.1, "base64": 1.1,
		"base64, then digits": 1.1, "recurring": 1.25,
	} {
		ours, theirs := len(e.Append(nil, all[name])), len(other.EncodeAll(all[name], nil))
		if ratio := float64(ours) / float64(theirs); ratio > most {
			t.Errorf("%s: %d bytes, %.3f of the other's %d; want at most %.3f", name, ours, ratio, theirs, most)
		}
	}
}

// TestAppendAllocates nothing once its memory is there.
func TestAppendAllocates(t *testing.T) {
	var e Encoder
	src := traffic(0, 300_000)
	out := e.Append(nil, src)
	if n := testing.AllocsPerRun(10, func() { out = e.Append(out[:0], src) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestNormalize: a distribution sums up to the size of its table and has room for all that occurs.
func TestNormalize(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		counts := make([]uint32, 2+r.IntN(52))
		total := uint32(0)
		for s := range counts {
			if r.IntN(3) > 0 {
				counts[s] = r.Uint32N(1 << r.IntN(16))
			}
			total += counts[s]
		}
		counts[0]++
		counts[len(counts)-1]++
		total += 2
		log := uint(6 + r.IntN(4))
		norm := make([]int16, len(counts))
		absent := -int16(r.IntN(2))
		normalize(norm, counts, total, log, absent)
		sum := 0
		for s, n := range norm {
			sum += int(max(n, -n))
			if (n > 0) != (counts[s] > 0) || n <= 0 && n != absent {
				t.Fatalf("%v of %v: symbol %d has %d", norm, counts, s, n)
			}
		}
		if sum != 1<<log {
			t.Fatalf("%v of %v: the sum is %d, want %d", norm, counts, sum, 1<<log)
		}
	}
}

// recurringly is b, much of which comes again, some of it at another distance. Nothing behind it may be read.
func recurringly(b []byte, times, moved uint16) []byte {
	src := slices.Clone(b)
	for i := range int(times % 64) {
		at := int(moved) * i % (len(b) + 1)
		src = append(append(append(src, b[at:]...), byte(i)), b[:at]...)
	}
	return src[:len(src):len(src)]
}

func FuzzAppend(f *testing.F) {
	for _, b := range shapes() {
		f.Add(b[:min(len(b), 3000)], uint16(3), uint16(200))
	}
	var e Encoder
	r := reader(f)
	f.Fuzz(func(t *testing.T, b []byte, times, moved uint16) {
		src := recurringly(b, times, moved)
		out := e.Append(nil, src)
		if got, err := r.DecodeAll(out, nil); err != nil || !bytes.Equal(got, src) {
			t.Fatalf("%d bytes: %v, the same: %t", len(src), err, bytes.Equal(got, src))
		}
	})
}

// BenchmarkAppend compares with the general encoder at its fastest.
func BenchmarkAppend(b *testing.B) {
	other, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderCRC(false), zstd.WithWindowSize(windowSize), zstd.WithLowerEncoderMem(true))
	if err != nil {
		b.Fatal(err)
	}
	defer other.Close()
	var e Encoder
	all := shapes()
	for _, name := range []string{"JSON", "small JSON", "large JSON", "lines", "packed"} {
		for who, encode := range map[string]func(dst, src []byte) []byte{
			"ours": e.Append, "general": func(dst, src []byte) []byte { return other.EncodeAll(src, dst) },
		} {
			b.Run(name+"/"+who, func(b *testing.B) {
				src := all[name][:250_000]
				b.SetBytes(int64(len(src)))
				b.ReportAllocs()
				var out []byte
				for b.Loop() {
					out = encode(out[:0], src)
				}
				b.ReportMetric(float64(len(src))/float64(len(out)), "ratio")
			})
		}
	}
}
