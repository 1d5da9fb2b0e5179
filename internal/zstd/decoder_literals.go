package zstd

import (
	"encoding/binary"
	"slices"
)

// literalsMargin is how many bytes behind literals may be read, whatever they are.
const literalsMargin = 32

const literalsRepeated = 1 // one byte so many times

// literals reads the literals section of a block, at most so many bytes (RFC 8878, 3.1.1.3.1). They stand in b or in
// d's room until the next block is read.
func (d *huffmanDecoder) literals(b []byte, most int) (literals, rest []byte, err error) {
	var field [8]byte
	copy(field[:], b)
	v := binary.LittleEndian.Uint64(field[:])
	kind, format := int(v&3), v>>2&3
	if kind == literalsRaw || kind == literalsRepeated {
		size, header := int(v>>3&0x1f), 1
		switch format {
		case 1:
			size, header = int(v>>4&0xfff), 2
		case 3:
			size, header = int(v>>4&0xfffff), 3
		}
		return d.plain(b, header, size, most, kind == literalsRepeated)
	}
	header, sizeBits := 3, 10
	switch format {
	case 2:
		header, sizeBits = 4, 14
	case 3:
		header, sizeBits = 5, 18
	}
	size, packed := int(v>>4&(1<<sizeBits-1)), int(v>>(4+sizeBits)&(1<<sizeBits-1))
	switch {
	case len(b) < header || len(b)-header < packed:
		return nil, b, errShort
	case size > most:
		return nil, b, errBlock
	}
	literals, err = d.decompress(b[header:header+packed], size, kind == literalsAgain, format == 0)
	return literals, b[header+packed:], err
}

// plain reads literals that are as they are, or one byte so many times.
func (d *huffmanDecoder) plain(b []byte, header, size, most int, repeated bool) (literals, rest []byte, err error) {
	n := size
	if repeated {
		n = 1
	}
	switch {
	case len(b) < header || len(b)-header < n:
		return nil, b, errShort
	case size > most:
		return nil, b, errBlock
	}
	b = b[header:]
	if !repeated && len(b) >= size+literalsMargin {
		return b[:size], b[size:], nil
	}
	d.grow(size)
	literals = d.room[:size]
	if repeated {
		fill(literals, b[0])
	} else {
		copy(literals, b)
	}
	return literals, b[n:], nil
}

func (d *huffmanDecoder) grow(size int) {
	if need := size + literalsMargin; len(d.room) < need {
		d.room = slices.Grow(d.room, need)[:need]
	}
}

// decompress reads as many literals as size, by a code that stands before them or, again, by that of a block before.
func (d *huffmanDecoder) decompress(b []byte, size int, again, oneStream bool) (literals []byte, err error) {
	if again && !d.known {
		return nil, errRepeated
	}
	if !again {
		if b, d.known = d.readCode(b); !d.known {
			return nil, errLiterals
		}
	}
	d.grow(size)
	if !d.decode(d.room[:size], b, oneStream) {
		return nil, errLiterals
	}
	return d.room[:size], nil
}
