package zstd

import (
	"bytes"
	"encoding/binary"
	"errors"
	"regexp"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// framed is a frame with this descriptor, what follows it, and blocks.
func framed(descriptor byte, fields []byte, blocks ...[]byte) []byte {
	b := append(binary.LittleEndian.AppendUint32(nil, frameMagic), descriptor)
	return append(append(b, fields...), slices.Concat(blocks...)...)
}

var window1K = []byte{0}

// oneBlock is a block of a kind, the last one.
func oneBlock(kind int, data ...byte) []byte {
	return append(appendBlockHeader(nil, kind, len(data), true), data...)
}

// compressed is a frame of a window of 1 MiB with one block of this data.
func compressed(data ...byte) []byte {
	return framed(0, []byte{(windowLog - 10) << 3}, oneBlock(blockCompressed, data...))
}

// blockOf is a block of these literals and sequences, each of how many literals, how much longer than leastMatch, and
// what the distance is told by.
func blockOf(literals string, sequences ...[3]uint32) []byte {
	e := new(Encoder)
	for _, v := range sequences {
		*e.sequences.grow() = sequenceOf(v)
	}
	return e.sequences.append(appendRaw(nil, []byte(literals)), false)
}

// told is a frame with one such block, as change makes it.
func told(literals string, change func([]byte) []byte, sequences ...[3]uint32) []byte {
	return compressed(change(blockOf(literals, sequences...))...)
}

func asItIs(b []byte) []byte { return b }

// TestDecoderRefuses: what is damaged, by what is said of it.
func TestDecoderRefuses(t *testing.T) {
	magic := binary.LittleEndian.AppendUint32(nil, frameMagic)
	raw := oneBlock(blockRaw, []byte("abcd")...)
	fitted := func(table ...byte) []byte { // one sequence, whose literals have this table, and the other codes are one each
		return compressed(slices.Concat([]byte{0, 1, modeFit<<6 | modeOne<<4 | modeOne<<2}, table, []byte{1, 1})...)
	}
	for name, c := range map[string]struct {
		src  []byte
		want error
	}{
		"nothing":                       {nil, errShort},
		"a magic":                       {magic, errShort},
		"another magic":                 {[]byte{0x27, 0xb5, 0x2f, 0xfd, 0, 0, 0, 0}, errMagic},
		"a frame, then another magic":   {append(framed(0, window1K, raw), "trailing"...), errMagic},
		"a frame, then a byte":          {append(framed(0, window1K, raw), 0), errShort},
		"skippable of no size":          {[]byte{0x50, 0x2a, 0x4d, 0x18, 0, 0}, errShort},
		"skippable longer than it is":   {[]byte{0x5f, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2}, errShort},
		"skippable of 4 GiB":            {[]byte{0x50, 0x2a, 0x4d, 0x18, 0xff, 0xff, 0xff, 0xff, 1, 2}, errShort},
		"reserved bit of the header":    {framed(1<<3, window1K, raw), errReserved},
		"reserved kind of block":        {framed(0, window1K, oneBlock(blockReserved, 1, 2)), errReserved},
		"reserved bits of the modes":    {compressed(0, 1, modes|1, 1), errReserved},
		"no window":                     {framed(0, nil), errShort},
		"no size":                       {framed(3<<6, window1K, make([]byte, 7)), errShort},
		"no block":                      {framed(0, window1K, []byte{0, 0}), errShort},
		"no checksum":                   {framed(1<<2, window1K, raw, []byte{1, 2, 3}), errShort},
		"a dictionary":                  {framed(1, []byte{0, 7}, raw), errDictionary},
		"a dictionary of four bytes":    {framed(3, []byte{0, 0, 0, 0, 7}, raw), errDictionary},
		"a window above the limit":      {framed(0, []byte{13<<3 | 1}, raw), errWindow},
		"the largest window":            {framed(0, []byte{0xff}, raw), errWindow},
		"less than it says":             {framed(1<<5, []byte{5}, raw), errContent},
		"more than it says":             {framed(1<<5, []byte{3}, raw), errContent},
		"raw, larger than the window":   {framed(0, window1K, oneBlock(blockRaw, make([]byte, 1025)...)), errBlock},
		"one byte too often":            {framed(0, window1K, appendBlockHeader(nil, blockRepeated, 1025, true), []byte{1}), errBlock},
		"one byte that is not there":    {framed(0, window1K, appendBlockHeader(nil, blockRepeated, 5, true)), errShort},
		"a block that ends early":       {framed(0, window1K, appendBlockHeader(nil, blockRaw, 5, true), []byte{1, 2, 3, 4}), errShort},
		"an empty block":                {compressed(), errShort},
		"literals alone":                {compressed(0), errShort},
		"literals that end early":       {compressed(3<<3, 'a', 'b'), errShort},
		"repeated literals, no byte":    {compressed(literalsRepeated | 3<<3), errShort},
		"repeated, larger than a block": {compressed(literalsRepeated|3<<2|1<<4, 0, 0x20, 'a', 0), errBlock},
		"compressed literals, no size":  {compressed(literalsCompressed, 1), errShort},
		"compressed, larger than it is": {compressed(literalsCompressed|4<<4, 0xc0, 0, 1), errShort},
		"compressed, above a block":     {compressed(literalsCompressed|3<<2|1<<4, 0, 0x60, 0, 0, 1, 0), errBlock},
		"compressed, no code":           {compressed(literalsCompressed|4<<4, 0x80, 0, 1, 2, 0), errLiterals},
		"of a code that is not there":   {compressed(literalsAgain|4<<4, 0x80, 0, 1, 2, 0), errRepeated},
		"how many sequences, two bytes": {compressed(0, 0x80), errShort},
		"how many, three bytes":         {compressed(0, 0xff, 1), errShort},
		"no modes":                      {compressed(0, 1), errShort},
		"no sequences, but more":        {compressed(0, 0, 1), errSequences},
		"one code, none given":          {compressed(0, 1, modeOne<<6), errTable},
		"one code that there is not":    {compressed(0, 1, modeOne<<6, 36), errTable},
		"a distance of 2^32":            {compressed(0, 1, modeOne<<4, 32), errTable},
		"a distance of 2^31":            {compressed(3<<3, 'a', 'b', 'c', 1, modes, 3, 31, 0, 0x0d, 0, 0, 0x80), errSequences},
		"no description of a table":     {fitted(), errTable},
		"a table of 10 bits":            {fitted(5, 0, 0, 0, 0), errTable},
		"too many zeros in a table":     {fitted(0x10, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), errTable},
		"too many symbols in a table":   {fitted(bytes.Repeat([]byte{0x24}, 40)...), errTable},
		"the table of no block":         {compressed(0, 1, modeAgain*modes, 1), errRepeated},
		"no bits":                       {told("abc", func(b []byte) []byte { return b[:6] }, [3]uint32{3, 0, 4}), errSequences},
		"no end of the bits":            {told("abc", func(b []byte) []byte { return append(b, 0) }, [3]uint32{3, 0, 4}), errSequences},
		"more bits":                     {told("abc", func(b []byte) []byte { return append(b, 1) }, [3]uint32{3, 0, 4}), errSequences},
		"fewer bits":                    {told("abc", func(b []byte) []byte { return b[:len(b)-1] }, [3]uint32{3, 0, 4}, [3]uint32{0, 9, 4}), errSequences},
		"more literals than there are":  {told("abc", asItIs, [3]uint32{4, 0, 4}), errSequences},
		"further back than the start":   {told("abc", asItIs, [3]uint32{3, 0, 7}), errSequences},
		"recent, but before the start":  {told("abc", asItIs, [3]uint32{3, 0, 2}), errSequences},
		"before everything":             {told("", asItIs, [3]uint32{0, 0, 4}), errSequences},
		"one before the first byte":     {told("abc", asItIs, [3]uint32{3, 0, 1}, [3]uint32{0, 0, 3}), errDistance},
		"a match larger than a block":   {told("abc", asItIs, [3]uint32{3, blockSize - 5, 4}), errSequences},
		"matches larger than a block":   {told("abc", asItIs, [3]uint32{3, blockSize - 7, 4}, [3]uint32{0, 0, 4}), errSequences},
		"literals beyond a block":       {told("abcd", asItIs, [3]uint32{3, blockSize - 6, 4}), errSequences},
	} {
		var d Decoder
		if got, err := decodeBoth(t, &d, []byte("dst"), c.src); !errors.Is(err, c.want) || string(got) != "dst" {
			t.Errorf("%s: %q, %v, want %v", name, got, err, c.want)
		}
	}
}

// TestDecoderTakesTheLargest is TestDecoderRefuses' other side: one byte less, and it is no damage.
func TestDecoderTakesTheLargest(t *testing.T) {
	judge := reader(t)
	for name, c := range map[string]struct {
		src  []byte
		want int
	}{
		"nothing":                      {framed(1<<5, []byte{0}, oneBlock(blockRaw)), 0},
		"skippable alone":              {[]byte{0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0}, 0},
		"skippable, a frame, another":  {slices.Concat([]byte{0x5f, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 9}, framed(0, window1K, oneBlock(blockRaw, 1)), []byte{0x51, 0x2a, 0x4d, 0x18, 0, 0, 0, 0}), 1},
		"dictionary 0":                 {framed(1, []byte{0, 0}, oneBlock(blockRaw, 1)), 1},
		"raw, as large as the window":  {framed(0, window1K, oneBlock(blockRaw, make([]byte, 1024)...)), 1024},
		"one byte as often":            {framed(0, window1K, appendBlockHeader(nil, blockRepeated, 1024, true), []byte{1}), 1024},
		"literals as large as a block": {compressed(literalsRepeated|3<<2, 0, 0x20, 'a', 0), blockSize},
		"a match up to a block":        {told("abc", asItIs, [3]uint32{3, blockSize - 6, 4}), blockSize},
		"one after the first byte":     {told("abc", asItIs, [3]uint32{1, 0, 4}, [3]uint32{2, 0, 5}, [3]uint32{0, 0, 3}), 12},
	} {
		var d Decoder
		got, err := decodeBoth(t, &d, nil, c.src)
		if err != nil || len(got) != c.want {
			t.Errorf("%s: %d bytes, %v, want %d", name, len(got), err, c.want)
		}
		if want, err := judge.DecodeAll(c.src, nil); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: another reader says %v, the same: %t", name, err, bytes.Equal(got, want))
		}
	}
}

// TestDecoderCutOff: no beginning of a frame is one.
func TestDecoderCutOff(t *testing.T) {
	var d Decoder
	s := newStory(3)
	s.block(200, 10, 40, 1000, false)
	s.block(200, 10, 40, 1000, true)
	for n := range s.frame {
		if _, err := decodeBoth(t, &d, nil, s.frame[:n]); err == nil {
			t.Errorf("%d of %d bytes are decoded", n, len(s.frame))
		}
	}
}

// TestDecoderLimit: content up to the limit, and memory for one block more.
func TestDecoderLimit(t *testing.T) {
	const limit = 300_000
	var e Encoder
	sized := e.Append(nil, make([]byte, limit))
	unsized := framed(0, []byte{(windowLog - 10) << 3}, bytes.Repeat(append(appendBlockHeader(nil, blockRepeated, limit/3, false), 7), 2),
		append(appendBlockHeader(nil, blockRepeated, limit/3, true), 7))
	for name, src := range map[string][]byte{"sized": sized, "unsized": unsized, "two": slices.Concat(sized[:0], unsized)} {
		var d Decoder
		if got, err := d.Append([]byte("dst"), src, limit, testWindow); err != nil || len(got) != 3+limit {
			t.Errorf("%s, at the limit: %d bytes, %v", name, len(got), err)
		}
		got, err := d.Append([]byte("dst"), src, limit-1, testWindow)
		if !errors.Is(err, ErrTooLarge) || string(got) != "dst" || cap(got) > 2*(limit+blockSize) {
			t.Errorf("%s, beyond it: %d bytes of %d, %v", name, len(got), cap(got), err)
		}
		if _, err := d.Append(nil, slices.Concat(src, src), 2*limit-1, testWindow); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s, twice, beyond it: %v", name, err)
		}
	}
}

// strictly is what the judge of FuzzDecoder says of two things that the format and libzstd allow: weights that end where
// there are not enough bits for another state, and a table with a place for distances of 2^31.
var strictly = regexp.MustCompile(`^fse decompress|^symbolLen|^corruption detected \(remaining`)

// FuzzDecoder has another reader judge: both read the same or refuse.
func FuzzDecoder(f *testing.F) {
	judge, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.IgnoreChecksum(true),
		zstd.WithDecoderMaxMemory(testLimit), zstd.WithDecoderMaxWindow(testWindow))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(judge.Close)
	var e Encoder
	for _, b := range shapes() {
		f.Add(e.Append(nil, b[:min(len(b), 3000)]))
	}
	for seed := range uint64(8) {
		s := newStory(seed)
		s.block(60, 10, 40, 1000, false)
		s.block(60, 100, 100, 1000, true)
		f.Add(s.frame)
	}
	var d Decoder
	f.Fuzz(func(t *testing.T, src []byte) {
		got, err := decodeBoth(t, &d, nil, src)
		if errors.Is(err, errShort) || errors.Is(err, errDistance) {
			return // the judge passes over some beginnings of a frame, and takes one byte back for none
		}
		want, refused := judge.DecodeAll(src, nil)
		if refused != nil && strictly.MatchString(refused.Error()) {
			return
		}
		if (err == nil) != (refused == nil) || err == nil && !bytes.Equal(got, want) {
			t.Errorf("%d bytes, %v; another reader: %d bytes, %v", len(got), err, len(want), refused)
		}
	})
}

// FuzzReplay is TestReplay with numbers of the fuzzer's.
func FuzzReplay(f *testing.F) {
	f.Add(uint64(1), uint16(100), uint16(10), uint16(40), uint32(1000))
	f.Add(uint64(1), uint16(3), uint16(60_000), uint16(60_000), uint32(windowSize))
	f.Add(uint64(1), uint16(3000), uint16(0), uint16(30), uint32(40))
	judge := reader(f)
	var d Decoder
	f.Fuzz(func(t *testing.T, seed uint64, sequences, literals, length uint16, distance uint32) {
		s := newStory(seed)
		for _, last := range []bool{false, true} {
			s.block(1+int(sequences), int(literals), 1+int(length), 1+int(distance%windowSize), last)
		}
		s.check(t, &d, judge)
	})
}
