package zstd

import (
	"encoding/binary"
	"slices"
)

// literals are the bytes of a block that no match tells.
type literals struct {
	room    []byte // blockSize and margin
	size    int
	huffman huffman

	kept bool // the code of a block before may serve this one
}

// Kinds of literals sections.
const (
	literalsRaw        = 0
	literalsCompressed = 2
	literalsAgain      = 3 // compressed by the code of the block before
)

const (
	fewLiterals = 64      // are not worth a code
	fourStreams = 1 << 10 // from so many on
)

func (l *literals) reset() {
	if l.room == nil {
		l.room = make([]byte, blockSize+margin)
	}
	l.size = 0
}

func (l *literals) rest(b []byte) { l.size += copy(l.room[l.size:], b) }

// append appends the literals section (RFC 8878, 3.1.1.3.1), as it is if it does not become smaller. If more blocks
// follow, its code is to serve them too.
func (l *literals) append(dst []byte, more bool) []byte {
	b, start := l.room[:l.size], len(dst)
	if len(b) < fewLiterals {
		return appendRaw(dst, b)
	}
	const oneStream, fourOf14Bits, fourOf18Bits = 0, 2, 3
	format, header, sizeBits := uint64(fourOf18Bits), 5, 18
	switch {
	case len(b) < fourStreams:
		format, header, sizeBits = oneStream, 3, 10
	case len(b) < 1<<14:
		format, header, sizeBits = fourOf14Bits, 4, 14
	}
	dst = append(dst, 0, 0, 0, 0, 0)[:start+header]
	kind := uint64(literalsAgain)
	if !l.kept || !l.huffman.serves(b) {
		kind = literalsCompressed
		var fits bool
		if dst, fits = l.huffman.fit(dst, b, more); !fits {
			l.kept = false
			return appendRaw(dst[:start], b)
		}
		l.kept = more && l.huffman.all
	}
	dst = l.appendStreams(dst, b, format == oneStream)
	size := len(dst) - start - header
	if size >= len(b) {
		l.kept = l.kept && kind == literalsAgain
		return appendRaw(dst[:start], b)
	}
	var v [8]byte
	binary.LittleEndian.PutUint64(v[:], kind|format<<2|uint64(len(b))<<4|uint64(size)<<(4+sizeBits))
	copy(dst[start:start+header], v[:])
	return dst
}

// appendStreams appends the codes of b as one stream, or as four behind the sizes of the first three.
func (l *literals) appendStreams(dst, b []byte, one bool) []byte {
	if one {
		return l.huffman.append(slices.Grow(dst, huffmanRoom(len(b))), b)
	}
	const sizes = 6
	dst = slices.Grow(dst, sizes+4*huffmanRoom((len(b)+3)/4))
	at, each := len(dst), (len(b)+3)/4
	dst = dst[:at+sizes]
	for ; len(b) > each; b, at = b[each:], at+2 {
		from := len(dst)
		dst = l.huffman.append(dst, b[:each])
		binary.LittleEndian.PutUint16(dst[at:], uint16(len(dst)-from))
	}
	return l.huffman.append(dst, b)
}

// appendRaw appends a literals section as it is.
func appendRaw(dst, b []byte) []byte { return append(appendRawHeader(dst, len(b)), b...) }

func appendRawHeader(dst []byte, n int) []byte {
	const sizeBits5, sizeBits12, sizeBits20 = 0, 1, 3
	switch {
	case n < 1<<5:
		return append(dst, byte(literalsRaw|sizeBits5<<2|n<<3))
	case n < 1<<12:
		return append(dst, byte(literalsRaw|sizeBits12<<2|n<<4), byte(n>>4))
	}
	return append(dst, byte(literalsRaw|sizeBits20<<2|n<<4), byte(n>>4), byte(n>>12))
}
