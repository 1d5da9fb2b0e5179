package zstd

import (
	"encoding/binary"
	"errors"
	"math/bits"
	"slices"
)

// What is wrong with a frame.
var (
	// ErrTooLarge is returned when the content is larger than the limit.
	ErrTooLarge = errors.New("content above the limit")

	errShort      = errors.New("ends early")
	errMagic      = errors.New("not a zstd frame")
	errReserved   = errors.New("a reserved bit or kind is used")
	errDictionary = errors.New("needs a dictionary")
	errWindow     = errors.New("window above the limit")
	errContent    = errors.New("content is not of the size that the frame says")
	errBlock      = errors.New("block larger than the format has")
	errLiterals   = errors.New("damaged literals")
	errTable      = errors.New("damaged table")
	errRepeated   = errors.New("table of a block before, of which there is none")
	errSequences  = errors.New("damaged sequences")
	errDistance   = errors.New("a match that is no distance back") // the format has no meaning for it, though some decoders have
)

// Decoder keeps its memory between calls, about 160 KiB, and serves one goroutine. The zero Decoder is ready to use.
type Decoder struct {
	huffman huffmanDecoder
	replay  replay
}

// Append decodes the frames of src and appends their contents to dst, at most limit bytes. dst grows with what there is,
// not with what a frame says that there will be. A frame may have a window of most bytes. Checksums are not checked: what
// src is part of has one of its own. What dst has room for behind its end may be overwritten. An error comes with what dst
// had, perhaps in other memory.
func (d *Decoder) Append(dst, src []byte, limit, most int) ([]byte, error) {
	given := len(dst)
	for first := true; first || len(src) > 0; first = false {
		var err error
		if dst, src, err = d.frame(dst, src, given+limit, most); err != nil {
			return dst[:given], err
		}
	}
	return dst, nil
}

// frame decodes one frame, or passes over a skippable one, and returns what follows it.
func (d *Decoder) frame(dst, src []byte, limit, most int) (_, rest []byte, err error) {
	h, src, err := readFrameHeader(src)
	if err != nil || h.skipped {
		return dst, src, err
	}
	start := len(dst)
	switch {
	case h.sized && h.size > uint64(limit-start):
		return dst, src, ErrTooLarge
	case h.window > uint64(most):
		return dst, src, errWindow
	}
	d.huffman.known = false
	d.replay.begin(int(h.window))
	mostOfBlock := min(int(h.window), blockSize)
	for last := false; !last; {
		var b block
		if b, src, err = readBlock(src, mostOfBlock); err != nil {
			return dst, src, err
		}
		last = b.last
		switch b.kind {
		case blockRaw:
			dst = append(dst, b.data...)
		case blockRepeated:
			dst = slices.Grow(dst, b.size)
			dst = dst[:len(dst)+b.size]
			fill(dst[len(dst)-b.size:], b.data[0])
		case blockCompressed:
			if dst, err = d.block(dst, b.data, start, mostOfBlock); err != nil {
				return dst, src, err
			}
		}
		if len(dst) > limit {
			return dst, src, ErrTooLarge
		}
	}
	if h.sized && uint64(len(dst)-start) != h.size {
		return dst, src, errContent
	}
	if h.checksum {
		if len(src) < 4 {
			return dst, src, errShort
		}
		src = src[4:]
	}
	return dst, src, nil
}

func fill(b []byte, with byte) {
	for i := range b {
		b[i] = with
	}
}

// frameHeader is what a frame says of itself.
type frameHeader struct {
	skipped  bool // it is for others
	sized    bool
	checksum bool
	size     uint64 // of the content
	window   uint64
}

// leastWindow is the smallest that frames may ask for.
const leastWindow = 1 << 10

// readFrameHeader reads magic and header (RFC 8878, 3.1.1.1), or passes over a skippable frame (3.1.2).
func readFrameHeader(b []byte) (h frameHeader, rest []byte, err error) {
	if len(b) < 5 {
		return h, b, errShort
	}
	const skippable = 0x184D2A50 // and the next fifteen
	magic, descriptor := binary.LittleEndian.Uint32(b), b[4]
	if magic&^0xf == skippable {
		if len(b) < 8 || uint64(len(b)-8) < uint64(binary.LittleEndian.Uint32(b[4:])) {
			return h, b, errShort
		}
		return frameHeader{skipped: true}, b[8+int(binary.LittleEndian.Uint32(b[4:])):], nil
	}
	if magic != frameMagic {
		return h, b, errMagic
	}
	b = b[5:]
	if descriptor&(1<<3) != 0 {
		return h, b, errReserved
	}
	single := descriptor&(1<<5) != 0
	h.checksum = descriptor&(1<<2) != 0

	var field [8]byte // a number in its first bytes
	number := func(bytes int) uint64 {
		field = [8]byte{}
		if n := copy(field[:bytes], b); n < bytes {
			err = errShort
			return 0
		}
		b = b[bytes:]
		return binary.LittleEndian.Uint64(field[:])
	}
	if !single {
		v := number(1)
		h.window = 1 << (10 + v>>3)
		h.window += h.window / 8 * (v & 7)
	}
	if dictionary := number([4]int{0, 1, 2, 4}[descriptor&3]); dictionary != 0 {
		return h, b, errDictionary
	}
	switch kind := descriptor >> 6; {
	case kind == 0 && !single:
	case kind == 0:
		h.size, h.sized = number(1), true
	case kind == 1:
		h.size, h.sized = number(2)+256, true
	default:
		h.size, h.sized = number(1<<kind), true
	}
	if single {
		h.window = max(h.size, leastWindow)
	}
	return h, b, err
}

type block struct {
	last bool
	kind int
	size int    // of the content of a repeated one
	data []byte // of src
}

// readBlock reads a block, which has at most so many bytes (RFC 8878, 3.1.1.2).
func readBlock(b []byte, most int) (block, []byte, error) {
	if len(b) < blockRoom {
		return block{}, b, errShort
	}
	v := int(b[0]) | int(b[1])<<8 | int(b[2])<<16
	b = b[blockRoom:]
	k := block{last: v&1 == 1, kind: v >> 1 & 3, size: v >> 3}
	if k.kind == blockReserved {
		return k, b, errReserved
	}
	if k.size > most {
		return k, b, errBlock
	}
	n := k.size
	if k.kind == blockRepeated {
		n = 1
	}
	if n > len(b) {
		return k, b, errShort
	}
	k.data = b[:n]
	return k, b[n:], nil
}

// block decodes a compressed block, whose content has at most so many bytes, of the frame whose content begins at
// start.
func (d *Decoder) block(dst, b []byte, start, most int) ([]byte, error) {
	literals, b, err := d.huffman.literals(b, most)
	if err != nil {
		return dst, err
	}
	n, b, err := sequenceCount(b)
	if err != nil {
		return dst, err
	}
	if n == 0 {
		if len(b) > 0 {
			return dst, errSequences
		}
		return append(dst, literals...), nil
	}
	if b, err = d.replay.readTables(b); err != nil {
		return dst, err
	}
	return d.replay.append(slices.Grow(dst, most+replayMargin), b, literals, n, start, most)
}

// sequenceCount reads how many sequences a block has (RFC 8878, 3.1.1.3.2.1).
func sequenceCount(b []byte) (n int, rest []byte, err error) {
	if len(b) == 0 {
		return 0, b, errShort
	}
	n, size := int(b[0]), 1
	switch {
	case n == 0xff:
		size = 3
	case n >= 0x80:
		size = 2
	}
	if len(b) < size {
		return 0, b, errShort
	}
	switch size {
	case 2:
		n = (n-0x80)<<8 | int(b[1])
	case 3:
		n = 0x7f00 + int(b[1]) + int(b[2])<<8
	}
	return n, b[size:], nil
}

// backward reads bits from the end of b on, the end being its highest bit that is set (RFC 8878, 4.1).
type backward struct {
	b    []byte
	left int // bits that have not been read; below 0 if more were read than there are
}

// start reports whether b has such an end.
func (r *backward) start(b []byte) bool {
	if len(b) == 0 || b[len(b)-1] == 0 {
		return false
	}
	r.b, r.left = b, 8*len(b)-8+bits.Len8(b[len(b)-1])-1
	return true
}

// peek returns the next 57 bits or more, the next one at the top, and zeros where there are no more.
func (r *backward) peek() uint64 {
	if r.left > 56 {
		return load64(r.b, (r.left-57)>>3) << (-r.left & 7)
	}
	return r.last()
}

// last is peek for the first 56 bits of b, which are the last to be read.
func (r *backward) last() (w uint64) {
	for i := range (r.left + 7) >> 3 {
		w |= uint64(r.b[i]) << (8 * i)
	}
	return w << (64 - max(r.left, 0))
}

// take reads n bits, at most 57.
func (r *backward) take(n uint8) uint64 {
	w := r.peek()
	r.left -= int(n)
	return w >> 1 >> (63 - n)
}
