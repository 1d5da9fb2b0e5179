package zstd

import (
	"encoding/binary"

	"github.com/klauspost/compress/huff0"
)

// literals are the bytes of a block that no match tells.
type literals struct {
	room    []byte // blockSize and margin
	size    int
	huffman huff0.Scratch
}

// Kinds of literals sections.
const (
	literalsRaw        = 0
	literalsCompressed = 2
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

// append appends the literals section (RFC 8878, 3.1.1.3.1), as it is if it does not become smaller.
func (l *literals) append(dst []byte) []byte {
	b := l.room[:l.size]
	code := l.compress(b)
	if code == nil {
		return append(appendRawHeader(dst, len(b)), b...)
	}
	const oneStream, fourOf14Bits, fourOf18Bits = 0, 2, 3
	n, size := uint64(len(b)), uint64(len(code))
	switch {
	case n < fourStreams:
		v := literalsCompressed | oneStream<<2 | n<<4 | size<<14
		dst = append(dst, byte(v), byte(v>>8), byte(v>>16))
	case n < 1<<14:
		dst = binary.LittleEndian.AppendUint32(dst, uint32(literalsCompressed|fourOf14Bits<<2|n<<4|size<<18))
	default:
		v := literalsCompressed | fourOf18Bits<<2 | n<<4 | size<<22
		dst = append(binary.LittleEndian.AppendUint32(dst, uint32(v)), byte(v>>32))
	}
	return append(dst, code...)
}

// compress returns the Huffman code of b with its table, borrowed until the next call, or nil if there is nothing
// to gain.
func (l *literals) compress(b []byte) (code []byte) {
	if len(b) < fewLiterals {
		return nil
	}
	compress := huff0.Compress4X
	if len(b) < fourStreams {
		compress = huff0.Compress1X
	}
	l.huffman.Reuse = huff0.ReusePolicyNone
	code, _, err := compress(b, &l.huffman)
	if err != nil { // all alike or too much of everything: there is no other
		return nil
	}
	return code
}

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
