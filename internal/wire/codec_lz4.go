package wire

import (
	"encoding/binary"
	"errors"
	"slices"

	"github.com/pierrec/lz4/v4"
)

// LZ4 sections are one frame of the LZ4 frame format 1.6: magic, FLG, BD, optional content size, header
// checksum; blocks behind a length of 4 bytes, whose top bit says that the block is not compressed; length 0;
// optional content checksum. The frame is read here so that blocks go straight to their place and never
// beyond the limit. Its checksums are not compared: the CRC of the batch covers them.
const (
	lz4Magic = 0x184D2204

	lz4FlagVersion         = 0xc0
	lz4FlagIndependent     = 0x20
	lz4FlagBlockChecksum   = 0x10
	lz4FlagContentSize     = 0x08
	lz4FlagContentChecksum = 0x04
	lz4FlagReserved        = 0x02
	lz4FlagDictionary      = 0x01
	lz4Version             = 0x40

	lz4Stored = 1 << 31
	lz4Window = 64 << 10
)

var (
	errLZ4Header   = errors.New("the frame header is not that of an LZ4 frame")
	errLZ4Cut      = errors.New("the LZ4 frame is cut off")
	errLZ4Block    = errors.New("a block is larger than the LZ4 frame says")
	errLZ4Size     = errors.New("the content is not as long as the LZ4 frame says")
	errLZ4Trailing = errors.New("bytes follow the LZ4 frame")
)

// lz4Header is what the header of a frame says.
type lz4Header struct {
	flags       byte
	blockSize   int    // of the largest block
	contentSize uint64 // if flags has lz4FlagContentSize
}

// readLZ4Header takes the header off src.
func readLZ4Header(src []byte) (h lz4Header, rest []byte, err error) {
	if len(src) < 7 || binary.LittleEndian.Uint32(src) != lz4Magic {
		return h, src, errLZ4Header
	}
	h.flags, h.blockSize = src[4], lz4BlockSize(src[5])
	if h.flags&lz4FlagVersion != lz4Version || h.flags&(lz4FlagReserved|lz4FlagDictionary) != 0 || h.blockSize == 0 {
		return h, src, errLZ4Header
	}
	src = src[6:]
	if h.flags&lz4FlagContentSize != 0 {
		if len(src) < 9 {
			return h, src, errLZ4Cut
		}
		h.contentSize, src = binary.LittleEndian.Uint64(src), src[8:]
	}
	return h, src[1:], nil // after the header checksum
}

func decompressLZ4(dst, src []byte, limit int) ([]byte, error) {
	h, src, err := readLZ4Header(src)
	if err != nil {
		return dst, err
	}
	old := len(dst)
	for {
		if len(src) < 4 {
			return dst, errLZ4Cut
		}
		size := binary.LittleEndian.Uint32(src)
		src = src[4:]
		if size == 0 {
			break
		}
		n := int(size &^ lz4Stored)
		if n > h.blockSize {
			return dst, errLZ4Block
		}
		if n > len(src) {
			return dst, errLZ4Cut
		}
		var window []byte
		if h.flags&lz4FlagIndependent == 0 {
			window = dst[max(old, len(dst)-lz4Window):]
		}
		if dst, err = appendLZ4Block(dst, src[:n], size&lz4Stored != 0, h.blockSize, window); err != nil {
			return dst, err
		}
		if len(dst)-old > limit {
			return dst, ErrTooLarge
		}
		src = src[n:]
		if h.flags&lz4FlagBlockChecksum != 0 {
			if len(src) < 4 {
				return dst, errLZ4Cut
			}
			src = src[4:]
		}
	}
	if h.flags&lz4FlagContentChecksum != 0 {
		if len(src) < 4 {
			return dst, errLZ4Cut
		}
		src = src[4:]
	}
	switch {
	case len(src) > 0:
		return dst, errLZ4Trailing
	case h.flags&lz4FlagContentSize != 0 && h.contentSize != uint64(len(dst)-old):
		return dst, errLZ4Size
	}
	return dst, nil
}

// lz4BlockSize reads the largest size of a block off the BD byte; 0 if that is no BD byte.
func lz4BlockSize(bd byte) int {
	if bd&^0x70 != 0 || bd < 0x40 {
		return 0
	}
	return 1 << (8 + 2*(bd>>4)) // 4: 64 KiB, 5: 256 KiB, 6: 1 MiB, 7: 4 MiB
}

func appendLZ4Block(dst, block []byte, stored bool, blockSize int, window []byte) ([]byte, error) {
	if stored {
		return append(dst, block...), nil
	}
	old := len(dst)
	dst = slices.Grow(dst, blockSize)
	n, err := lz4.UncompressBlockWithDict(block, dst[old:old+blockSize], window)
	if err != nil {
		return dst, err
	}
	return dst[:old+n], nil
}

// lz4FrameHeader begins every frame we write, as Kafka's own do: version 1, independent blocks of at most
// 64 KiB, no sizes and no checksums but that of the header.
var lz4FrameHeader = []byte{0x04, 0x22, 0x4d, 0x18, lz4Version | lz4FlagIndependent, 0x40, 0x82}

const lz4BlockLimit = 64 << 10

// lz4Encoder writes one frame. The table of its block compressor is 136 KiB.
type lz4Encoder struct{ block *lz4.Compressor }

func (l *lz4Encoder) compress(dst, src []byte) ([]byte, error) {
	if l.block == nil {
		l.block = new(lz4.Compressor)
	}
	dst = append(dst, lz4FrameHeader...)
	for len(src) > 0 {
		block := src[:min(len(src), lz4BlockLimit)]
		src = src[len(block):]
		at := len(dst)
		dst = slices.Grow(dst, 4+lz4.CompressBlockBound(len(block)))
		n, err := l.block.CompressBlock(block, dst[at+4:cap(dst)])
		if err != nil {
			return dst, err
		}
		if n > 0 && n < len(block) {
			dst = dst[:at+4+n]
			binary.LittleEndian.PutUint32(dst[at:], uint32(n))
			continue
		}
		dst = binary.LittleEndian.AppendUint32(dst, uint32(len(block))|lz4Stored)
		dst = append(dst, block...)
	}
	return append(dst, 0, 0, 0, 0), nil
}
