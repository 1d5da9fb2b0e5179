package zstd

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
)

// prefixCode is a code of some bytes below 128, and its description.
type prefixCode struct {
	bytes       []byte // that have a code, the longest first
	codes       map[byte]uint64
	lengths     map[byte]uint
	description []byte
}

// newCode is a code with these lengths, the longest first, which leave nothing over, of bytes in the order of their codes.
func newCode(lengths []uint, of []byte) *prefixCode {
	c := &prefixCode{bytes: of, codes: map[byte]uint64{}, lengths: map[byte]uint{}}
	weights, at := make([]uint8, slices.Max(of)+1), uint64(0)
	for i, n := range lengths {
		free := lengths[0] - n
		c.codes[of[i]], c.lengths[of[i]] = at>>free, n
		weights[of[i]] = uint8(free + 1)
		at += 1 << free
	}
	weights = weights[:len(weights)-1] // the last one's is what is left
	c.description = append(c.description, uint8(mostWeights+len(weights)))
	for i, w := range weights {
		if i%2 == 0 {
			c.description = append(c.description, w<<4)
		} else {
			c.description[len(c.description)-1] |= w
		}
	}
	return c
}

// randomCode is one of n bytes, whose longest have at most 11 bits.
func randomCode(r *rand.Rand, n int) *prefixCode {
	lengths := []uint{1, 1}
	for len(lengths) < n {
		i := r.IntN(len(lengths))
		if r.IntN(2) == 0 {
			i = len(lengths) - 1 // long ones
		}
		if lengths[i] < mostBits {
			lengths[i]++
			lengths = append(lengths, lengths[i])
		}
	}
	slices.SortFunc(lengths, func(a, b uint) int { return int(b) - int(a) })
	of := make([]byte, 0, n)
	for _, s := range r.Perm(128)[:n] {
		of = append(of, byte(s))
	}
	slices.Sort(of)
	at := 0 // codes of a length are given out in the order of the bytes
	for _, k := range r.Perm(n) {
		of[at], of[k] = of[k], of[at]
		at++
	}
	for at := 0; at < n; {
		end := at + 1
		for end < n && lengths[end] == lengths[at] {
			end++
		}
		slices.Sort(of[at:end])
		at = end
	}
	return newCode(lengths, of)
}

// stream is the codes of b, the last byte's first.
func (c *prefixCode) stream(b []byte) []byte {
	var w bitWriter
	for _, s := range slices.Backward(b) {
		w.add(c.codes[s], c.lengths[s])
		w.flush()
	}
	return w.close()
}

// section is the literals section of b, and streams are what it has.
func (c *prefixCode) section(size int, streams ...[]byte) []byte {
	body := slices.Clone(c.description)
	if len(streams) > 1 {
		for _, s := range streams[:3] {
			body = binary.LittleEndian.AppendUint16(body, uint16(len(s)))
		}
	}
	body = append(body, slices.Concat(streams...)...)
	if len(streams) == 1 {
		v := literalsCompressed | size<<4 | len(body)<<14
		return append([]byte{byte(v), byte(v >> 8), byte(v >> 16)}, body...)
	}
	v := literalsCompressed | 3<<2 | uint64(size)<<4 | uint64(len(body))<<22
	return append([]byte{byte(v), byte(v >> 8), byte(v >> 16), byte(v >> 24), byte(v >> 32)}, body...)
}

func (c *prefixCode) streams(b []byte) (streams [][]byte) {
	each := (len(b) + 3) / 4
	for i := range 3 {
		streams = append(streams, c.stream(b[i*each:(i+1)*each]))
	}
	return append(streams, c.stream(b[3*each:]))
}

// literalsAlone is a frame of one block that has a literals section and nothing else.
func literalsAlone(section []byte) []byte { return compressed(append(section, 0)...) }

// TestLiterals: codes of any lengths, literals of any number, of all bytes that have a code and of the longest and the
// shortest alone, so that rounds end where they can.
func TestLiterals(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	judge := reader(t)
	var d Decoder
	check := func(src, want []byte) {
		t.Helper()
		if got, err := decodeBoth(t, &d, nil, src); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%d literals: %v, the same: %t", len(want), err, bytes.Equal(got, want))
		}
		if got, err := judge.DecodeAll(src, nil); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%d literals, by another reader: %v, the same: %t", len(want), err, bytes.Equal(got, want))
		}
	}
	draw := func(n int, from []byte) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = from[r.IntN(len(from))]
		}
		return b
	}
	for i := range 600 {
		c := randomCode(r, 2+r.IntN(126))
		from := [][]byte{c.bytes, c.bytes[:2], c.bytes[len(c.bytes)-1:]}[r.IntN(3)]
		b := draw(1+i, from)
		check(literalsAlone(c.section(len(b), c.stream(b))), b)
		b = draw(6+3*i, from)
		if len(b) >= 3*((len(b)+3)/4) {
			check(literalsAlone(c.section(len(b), c.streams(b)...)), b)
		}
	}
}

// TestLiteralsRefused: streams that are not what a code and a size make of them, and codes that are none.
func TestLiteralsRefused(t *testing.T) {
	c := newCode([]uint{2, 2, 1}, []byte("abc"))
	b := drawn(100, "abc")
	streams := c.streams(b)
	more := func(i int) [][]byte {
		s := slices.Clone(streams)
		s[i] = append([]byte{0}, s[i]...)
		return s
	}
	less := func(i int) [][]byte {
		s := slices.Clone(streams)
		s[i] = s[i][1:]
		return s
	}
	beyond := c.section(100, streams...)
	beyond[5+len(c.description)] += uint8(len(streams[1]) + len(streams[2]) + len(streams[3]) + 1)
	described := func(description ...byte) []byte {
		return (&prefixCode{description: description}).section(100, streams...)
	}
	var h huffman
	weights := func(n int) []byte { // as encoded, of which none are alike but for the first
		list := make([]uint8, n)
		list[n-1] = 1
		out, ok := h.describe(nil, list)
		if !ok || out[0] > mostWeights {
			t.Fatalf("%d weights are not encoded", n)
		}
		return out
	}
	cases := map[string][]byte{
		"a byte more in one stream": c.section(100, append([]byte{0}, c.stream(b)...)),
		"a byte less in one stream": c.section(100, c.stream(b)[1:]),
		"one literal more":          c.section(101, c.stream(b)),
		"one literal less":          c.section(99, c.stream(b)),
		"an empty stream":           c.section(100, streams[0], streams[1], streams[2], nil),
		"no end of a stream":        c.section(100, append(slices.Clone(streams[0]), 0), streams[1], streams[2], streams[3]),
		"four streams of five":      c.section(5, c.streams([]byte("abcabc"))...),
		"sizes cut off":             (&prefixCode{description: append(slices.Clone(c.description), 1, 0, 1, 0, 1)}).section(100, nil),
		"a stream beyond the end":   beyond,
		"no description":            described(),
		"a description cut off":     (&prefixCode{description: []byte{mostWeights + 9, 0x11, 0x11, 0x11, 0x11}}).section(9, nil),
		"weights of nothing":        described(mostWeights+2, 0),
		"no longest code":           described(mostWeights+2, 0x22),
		"a code of 12 bits":         described(mostWeights+2, 0xbb),
		"a weight of 15":            described(mostWeights+2, 0xf1),
		"not whole":                 described(mostWeights+3, 0x13, 0x10),
		"encoded, cut off":          (&prefixCode{description: []byte{5, 0x10, 0x20, 0x30, 0x40}}).section(9, nil),
		"encoded, no states":        described(2, 0xf0, 1),
		"encoded, no bits":          described(1, 0xf0),
		"that never end":            described(4, 0x10, 0x3f, 0xff, 0x81),
		"256 weights":               described(weights(256)...),
	}
	for i := range 4 {
		cases["a byte more in stream "+digits[i:i+1]] = c.section(100, more(i)...)
		cases["a byte less in stream "+digits[i:i+1]] = c.section(100, less(i)...)
	}
	var d Decoder
	for name, section := range cases {
		if got, err := decodeBoth(t, &d, nil, literalsAlone(section)); !errors.Is(err, errLiterals) {
			t.Errorf("%s: %q, %v, want %v", name, got, err, errLiterals)
		}
		if _, err := decodeBoth(t, &d, nil, slices.Concat(literalsAlone(section)[:len(compressed())-3],
			appendBlockHeader(nil, blockCompressed, len(section)+1, false), section, []byte{0},
			oneBlock(blockCompressed, literalsAgain|4<<4, 0x40, 0, 1, 0))); !errors.Is(err, errLiterals) {
			t.Errorf("%s, then again: %v", name, err)
		}
	}
	last := weights(255) // the last two of 256 bytes
	if _, err := decodeBoth(t, &d, nil, literalsAlone((&prefixCode{description: last}).section(2, []byte{0b101}))); err != nil {
		t.Errorf("255 weights: %v", err)
	}
}
