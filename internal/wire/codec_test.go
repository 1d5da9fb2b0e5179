package wire

import (
	"bytes"
	stdgzip "compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

func TestCodecNames(t *testing.T) {
	for _, c := range codecs {
		if back, err := ParseCodec(c.String()); err != nil || back != c {
			t.Errorf("ParseCodec(%q) = %v, %v", c.String(), back, err)
		}
	}
	for _, name := range []string{"", "GZIP", "brotli", "codec(5)"} {
		if c, err := ParseCodec(name); err == nil {
			t.Errorf("ParseCodec(%q) = %v", name, c)
		}
	}
	if got := Codec(5).String(); got != "codec(5)" {
		t.Errorf("codec 5 is named %q", got)
	}
}

// payloads compress well, badly and not at all; one is larger than every block of every codec.
func payloads() map[string][]byte {
	return map[string][]byte{
		"one byte": {7},
		"json":     benchBuilder().section[:200_000],
		"zeros":    make([]byte, 5<<20),
		"noise":    noise(300_000),
	}
}

func noise(n int) []byte {
	out := make([]byte, n)
	x := uint64(88172645463325252)
	for i := range out {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		out[i] = byte(x >> 32)
	}
	return out
}

func TestCodecsAppend(t *testing.T) {
	comp, d := NewCompressor(), NewDecompressor(testLimit)
	for name, want := range payloads() {
		for _, c := range codecs {
			for _, room := range []int{0, 100, 6 << 20} {
				dst := append(make([]byte, 0, 3+room), "abc"...)
				packed, err := comp.Compress(dst, c, want)
				if err != nil || string(packed[:3]) != "abc" {
					t.Fatalf("%s, %v: compress: %v", name, c, err)
				}
				dst = append(make([]byte, 0, 3+room), "abc"...)
				got, err := d.Decompress(dst, c, packed[3:])
				if err != nil || string(got[:3]) != "abc" || !bytes.Equal(got[3:], want) {
					t.Fatalf("%s, %v: decompress: %v", name, c, err)
				}
			}
		}
	}
}

// TestOthersReadOurs has independent readers read what we compress.
func TestOthersReadOurs(t *testing.T) {
	comp := NewCompressor()
	zr, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer zr.Close()
	readers := map[Codec]func([]byte) ([]byte, error){
		Gzip: func(b []byte) ([]byte, error) {
			r, err := stdgzip.NewReader(bytes.NewReader(b))
			if err != nil {
				return nil, err
			}
			return io.ReadAll(r)
		},
		Snappy: func(b []byte) ([]byte, error) { return s2.Decode(nil, b) },
		LZ4:    func(b []byte) ([]byte, error) { return io.ReadAll(lz4.NewReader(bytes.NewReader(b))) },
		Zstd:   func(b []byte) ([]byte, error) { return zr.DecodeAll(b, nil) },
	}
	for name, want := range payloads() {
		for c, read := range readers {
			packed, err := comp.Compress(nil, c, want)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := read(packed); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s, %v: %v", name, c, err)
			}
		}
	}
}

func TestLZ4FramesOfOthers(t *testing.T) {
	want := payloads()["json"]
	d := NewDecompressor(testLimit)
	for _, options := range [][]lz4.Option{
		{lz4.BlockSizeOption(lz4.Block64Kb), lz4.ChecksumOption(false)},
		{lz4.BlockSizeOption(lz4.Block256Kb), lz4.BlockChecksumOption(true)},
		{lz4.BlockSizeOption(lz4.Block1Mb), lz4.SizeOption(uint64(len(want)))},
		{lz4.BlockSizeOption(lz4.Block4Mb), lz4.CompressionLevelOption(lz4.Level9)},
	} {
		var buf bytes.Buffer
		w := lz4.NewWriter(&buf)
		if err := w.Apply(options...); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(want); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if got, err := d.Decompress(nil, LZ4, buf.Bytes()); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%v: %v", options, err)
		}
	}
}

// lz4Frame is a frame of raw blocks; blocks of flags other than version 1 are put together by the caller.
func lz4Frame(flags byte, blocks ...[]byte) []byte {
	out := []byte{0x04, 0x22, 0x4d, 0x18, flags, 0x40, 0}
	for _, b := range blocks {
		out = append(binary.LittleEndian.AppendUint32(out, uint32(len(b))), b...)
	}
	return append(out, 0, 0, 0, 0)
}

func TestLZ4DependentBlocks(t *testing.T) {
	// The second block copies 8 bytes from 5 bytes before itself, which is within the first.
	first, second := []byte{0x60, 'a', 'b', 'c', 'd', 'e', 'f'}, []byte{0x04, 5, 0, 0x50, 'v', 'w', 'x', 'y', 'z'}
	d := NewDecompressor(testLimit)
	got, err := d.Decompress([]byte("before"), LZ4, lz4Frame(lz4Version, first, second))
	if want := "beforeabcdefbcdefbcdvwxyz"; err != nil || string(got) != want {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
	if got, err := d.Decompress([]byte("before"), LZ4, lz4Frame(lz4Version, second)); err == nil {
		t.Errorf("a copy from before the first block: %q", got)
	}
	if got, err := d.Decompress([]byte("before"), LZ4, lz4Frame(lz4Version|lz4FlagIndependent, first, second)); err == nil {
		t.Errorf("a copy from another block among independent ones: %q", got)
	}
}

func TestConcatenated(t *testing.T) {
	comp, d := NewCompressor(), NewDecompressor(40)
	twice := func(c Codec) []byte {
		one, err := comp.Compress(nil, c, []byte("twenty bytes of data"))
		if err != nil {
			t.Fatal(err)
		}
		return append(one, one...)
	}
	for _, c := range []Codec{Gzip, Zstd} { // RFC 1952 and RFC 8878 allow it
		got, err := d.Decompress(nil, c, twice(c))
		if err != nil || string(got) != "twenty bytes of datatwenty bytes of data" {
			t.Errorf("%v: %q, %v", c, got, err)
		}
		tight := NewDecompressor(39)
		if got, err := tight.Decompress(nil, c, twice(c)); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%v beyond the limit: %q, %v", c, got, err)
		}
	}
	for _, c := range []Codec{LZ4, Snappy} { // the Java client reads one frame, one block
		if got, err := d.Decompress(nil, c, twice(c)); err == nil {
			t.Errorf("%v: %q", c, got)
		}
	}
}

func TestDamagedSections(t *testing.T) {
	d := NewDecompressor(testLimit)
	read := func(b Batch) error {
		section, err := d.Open(b)
		if err != nil {
			return err
		}
		it := Iterate(section, b)
		for r := (Record{}); it.Next(&r); {
		}
		return it.Err()
	}
	for _, writer := range []string{"java", "kcat", "franz"} {
		for _, c := range codecs {
			raw := golden(t, fmt.Sprintf("%s-%v.bin", writer, c))
			for n := HeaderSize; n < len(raw); n++ {
				if read(Batch{Raw: raw[:n]}) == nil {
					t.Errorf("%s, %v: the first %d of %d bytes are read", writer, c, n, len(raw))
				}
			}
			for _, more := range []string{"\x00", "x", "\x00\x00\x00\x00", "\x00\x00\x00\x01", "trailing bytes"} {
				if read(Batch{Raw: append(raw[:len(raw):len(raw)], more...)}) == nil {
					t.Errorf("%s, %v: followed by %q it is read", writer, c, more)
				}
			}
			if err := read(Batch{Raw: raw}); err != nil {
				t.Errorf("%s, %v, undamaged: %v", writer, c, err)
			}
		}
	}
}

func TestDecompressRefuses(t *testing.T) {
	d := NewDecompressor(testLimit)
	xerial := func(blocks ...byte) []byte {
		return append(append(append([]byte{}, xerialMagic...), 0, 0, 0, 1, 0, 0, 0, 1), blocks...)
	}
	lz4Bits := func(flags, bd byte, more ...byte) []byte {
		return append([]byte{0x04, 0x22, 0x4d, 0x18, flags, bd}, more...)
	}
	for name, c := range map[string]struct {
		codec Codec
		src   []byte
	}{
		"gzip: empty":                       {Gzip, nil},
		"gzip: zstd":                        {Gzip, []byte("\x28\xb5\x2f\xfd")},
		"snappy: empty":                     {Snappy, nil},
		"snappy: endless size":              {Snappy, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
		"snappy: size without data":         {Snappy, []byte{5}},
		"snappy: xerial magic alone":        {Snappy, xerialMagic},
		"snappy: xerial length cut off":     {Snappy, xerial(0, 0)},
		"snappy: xerial negative length":    {Snappy, xerial(0xff, 0xff, 0xff, 0xff, 0)},
		"snappy: xerial block beyond end":   {Snappy, xerial(0, 0, 0, 9, 1, 0, 'a')},
		"snappy: xerial empty block":        {Snappy, xerial(0, 0, 0, 0)},
		"snappy: xerial bad block":          {Snappy, xerial(0, 0, 0, 3, 9, 0, 'a')},
		"lz4: empty":                        {LZ4, nil},
		"lz4: legacy frame":                 {LZ4, []byte{0x02, 0x21, 0x4c, 0x18, 1, 0, 0, 0, 0}},
		"lz4: version 2":                    {LZ4, lz4Bits(0x80|lz4FlagIndependent, 0x40, 0, 0, 0, 0, 0)},
		"lz4: dictionary":                   {LZ4, lz4Bits(lz4Version|lz4FlagDictionary, 0x40, 1, 2, 3, 4, 0, 0, 0, 0, 0)},
		"lz4: reserved flag":                {LZ4, lz4Bits(lz4Version|lz4FlagReserved, 0x40, 0, 0, 0, 0, 0)},
		"lz4: block size 3":                 {LZ4, lz4Bits(lz4Version, 0x30, 0, 0, 0, 0, 0)},
		"lz4: reserved bit of BD":           {LZ4, lz4Bits(lz4Version, 0xc0, 0, 0, 0, 0, 0)},
		"lz4: content size cut off":         {LZ4, lz4Bits(lz4Version|lz4FlagContentSize, 0x40, 1, 0)},
		"lz4: no header checksum":           {LZ4, lz4Bits(lz4Version|lz4FlagContentSize, 0x40, 0, 0, 0, 0, 0, 0, 0, 0)},
		"lz4: content size wrong":           {LZ4, lz4Bits(lz4Version|lz4FlagContentSize, 0x40, 2, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0x80, 'a', 0, 0, 0, 0)},
		"lz4: block checksum cut off":       {LZ4, lz4Bits(lz4Version|lz4FlagBlockChecksum, 0x40, 0, 1, 0, 0, 0x80, 'a', 0, 0)},
		"lz4: content checksum cut off":     {LZ4, lz4Bits(lz4Version|lz4FlagContentChecksum, 0x40, 0, 0, 0, 0, 0, 1, 2, 3)},
		"lz4: block beyond its size":        {LZ4, lz4Bits(lz4Version, 0x40, 0, 1, 0, 1, 0x80)},
		"lz4: bad block":                    {LZ4, lz4Frame(lz4Version, []byte{0xff})},
		"lz4: block expands beyond its max": {LZ4, lz4Frame(lz4Version, append(append([]byte{0x1f, 'a', 1, 0}, bytes.Repeat([]byte{255}, 300)...), 0, 0x50, 'v', 'w', 'x', 'y', 'z'))},
		"zstd: empty":                       {Zstd, nil},
		"zstd: gzip":                        {Zstd, []byte{0x1f, 0x8b, 8, 0}},
		"zstd: dictionary":                  {Zstd, []byte{0x28, 0xb5, 0x2f, 0xfd, 0x21, 7, 1, 9, 0, 0, 'a'}},
		"zstd: v0.7 frame":                  {Zstd, []byte{0x27, 0xb5, 0x2f, 0xfd, 0, 0, 0, 0}},
		"unknown codec":                     {Codec(5), []byte{0}},
	} {
		got, err := d.Decompress([]byte("abc"), c.codec, c.src)
		if err == nil || errors.Is(err, ErrTooLarge) || string(got) != "abc" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// TestLimitIsExact decompresses to exactly the limit, and to one byte beyond it.
func TestLimitIsExact(t *testing.T) {
	comp := NewCompressor()
	for name, want := range payloads() {
		exact, tight := NewDecompressor(len(want)), NewDecompressor(len(want)-1)
		for _, c := range codecs {
			packed, err := comp.Compress(nil, c, want)
			if err != nil {
				t.Fatal(err)
			}
			for _, room := range []int{0, 6 << 20} {
				dst := append(make([]byte, 0, 3+room), "abc"...)
				if got, err := exact.Decompress(dst, c, packed); err != nil || !bytes.Equal(got[3:], want) {
					t.Errorf("%s, %v, at the limit: %v", name, c, err)
				}
				if got, err := tight.Decompress(dst, c, packed); !errors.Is(err, ErrTooLarge) || string(got) != "abc" {
					t.Errorf("%s, %v, one byte beyond: %d bytes, %v", name, c, len(got), err)
				}
			}
		}
	}
}

// TestBombs gives each codec a section that is small and expands far beyond the limit, in every way the format
// has. Neither the result nor the memory for it may pass the limit by more than one block.
func TestBombs(t *testing.T) {
	const limit, blockSize = 1 << 20, 4 << 20
	zeros := make([]byte, 12<<20)
	gz := func(n int) []byte {
		var buf bytes.Buffer
		w, _ := stdgzip.NewWriterLevel(&buf, stdgzip.BestSpeed)
		w.Write(zeros[:n])
		w.Close()
		return buf.Bytes()
	}
	lz := func(n int) []byte {
		var buf bytes.Buffer
		w := lz4.NewWriter(&buf)
		if err := w.Apply(lz4.BlockSizeOption(lz4.Block4Mb)); err != nil {
			t.Fatal(err)
		}
		w.Write(zeros[:n])
		w.Close()
		return buf.Bytes()
	}
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer enc.Close()
	// A zstd frame that does not say its size, of n run-length blocks of 128 KiB each.
	zrle := func(n int) []byte {
		out := []byte{0x28, 0xb5, 0x2f, 0xfd, 0, 0x58}
		for range n {
			out = append(out, 0x02, 0x00, 0x10, 'a')
		}
		return append(out, 1, 0, 0)
	}
	var xerial []byte
	xerial = append(xerial, append(xerialMagic[:8:8], 0, 0, 0, 1, 0, 0, 0, 1)...)
	block := s2.EncodeSnappy(nil, zeros[:512<<10])
	for range 100 {
		xerial = append(binary.BigEndian.AppendUint32(xerial, uint32(len(block))), block...)
	}
	for name, c := range map[string]struct {
		codec Codec
		src   []byte
	}{
		"none":                         {None, zeros},
		"gzip":                         {Gzip, gz(len(zeros))},
		"gzip, 100 members":            {Gzip, bytes.Repeat(gz(100<<10), 100)},
		"snappy":                       {Snappy, s2.EncodeSnappy(nil, zeros)},
		"snappy that states 4 GiB":     {Snappy, []byte{0xff, 0xff, 0xff, 0xff, 0x0f, 0, 'a'}},
		"snappy, 100 blocks":           {Snappy, xerial},
		"lz4":                          {LZ4, lz(len(zeros))},
		"zstd that states its size":    {Zstd, enc.EncodeAll(zeros, nil)},
		"zstd that does not":           {Zstd, zrle(512)},
		"zstd, 100 frames":             {Zstd, bytes.Repeat(zrle(4), 100)},
		"zstd that states 2^60":        {Zstd, []byte{0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 0, 0, 0x10, 1, 0, 0}},
		"zstd, window of 2 GiB":        {Zstd, []byte{0x28, 0xb5, 0x2f, 0xfd, 0, 0xa8, 9, 0, 0, 'a'}},
		"zstd within skippable frames": {Zstd, append([]byte{0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9}, zrle(512)...)},
	} {
		d := NewDecompressor(limit)
		got, err := d.Decompress([]byte("abc"), c.codec, c.src)
		if err == nil || string(got) != "abc" || cap(got) > 2*limit+blockSize {
			t.Errorf("%s: %d bytes, %v, memory for %d bytes", name, len(got), err, cap(got))
		}
		if !errors.Is(err, ErrTooLarge) && name != "zstd, window of 2 GiB" && name != "zstd that states 2^60" {
			t.Errorf("%s: %v, want %v", name, err, ErrTooLarge)
		}
	}
}

func TestCodecsDoNotAllocate(t *testing.T) {
	comp, d := NewCompressor(), NewDecompressor(testLimit)
	src := payloads()["json"]
	for _, c := range codecs {
		var packed, out []byte
		if n := testing.AllocsPerRun(10, func() {
			var err error
			if packed, err = comp.Compress(packed[:0], c, src); err != nil {
				t.Fatal(err)
			}
			if out, err = d.Decompress(out[:0], c, packed); err != nil {
				t.Fatal(err)
			}
		}); n > 10 { // none, but under the race detector the codecs' pools forget at random
			t.Errorf("%v: %v allocations per section", c, n)
		}
	}
}

// TestZstdOfUnknownSize: streaming encoders do not say how much they compressed, so the first room may end anywhere
// inside a block.
func TestZstdOfUnknownSize(t *testing.T) {
	section, err := os.ReadFile("testdata/kcat-zstd-section.zst")
	if err != nil {
		t.Fatal(err)
	}
	out, err := NewDecompressor(1<<20).Decompress(nil, Zstd, section)
	if err != nil {
		t.Fatal(err)
	}
	const want = "063ce46e4f0d3e4405dfe79a4206e30adbcc1b18b061e6f27f85aac120a07158"
	if got := fmt.Sprintf("%x", sha256.Sum256(out)); got != want || len(out) != 106_086 {
		t.Errorf("librdkafka's section gives %d bytes with SHA-256 %s", len(out), got)
	}
	plain := bytes.Repeat([]byte(`{"user":{"verified_region":"DE"},"network":{"ip":"8.8.8.8"}}`), 40_000)
	for _, size := range []int{1, 1000, 65_535, 65_536, 65_537, 131_071, 131_072, 131_073, 200_000, 300_001, 1_000_000, len(plain)} {
		var frame bytes.Buffer
		w, err := zstd.NewWriter(&frame, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
		if err != nil {
			t.Fatal(err)
		}
		for rest := plain[:size]; len(rest) > 0; {
			n, err := w.Write(rest[:min(len(rest), 10_000)])
			if err == nil {
				err = w.Flush()
			}
			if err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		for _, dst := range [][]byte{nil, make([]byte, 0, 1), make([]byte, 0, 70_000), make([]byte, 0, size-1)} {
			out, err := NewDecompressor(1<<22).Decompress(dst, Zstd, frame.Bytes())
			if err != nil || !bytes.Equal(out, plain[:size]) {
				t.Errorf("%d bytes into room for %d: %d bytes, %v", size, cap(dst), len(out), err)
			}
		}
		if _, err := NewDecompressor(size-1).Decompress(nil, Zstd, frame.Bytes()); size > 1 && !errors.Is(err, ErrTooLarge) {
			t.Errorf("%d bytes beyond the limit of %d: %v", size, size-1, err)
		}
	}
}
