package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/klauspost/compress/s2"
)

// Snappy sections come as one raw block (librdkafka, franz-go) or framed by snappy-java, the "xerial" framing
// of the Java client: a magic, two versions, then blocks each behind a length of 4 bytes. No raw block begins
// like the magic: its third byte would be a copy before anything to copy from.
var xerialMagic = []byte{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0}

const xerialHeader = 16

var (
	errXerialHeader = errors.New("the snappy-java header is cut off")
	errXerialBlock  = errors.New("a snappy-java block is cut off")
)

func decompressSnappy(dst, src []byte, limit int) ([]byte, error) {
	if !bytes.HasPrefix(src, xerialMagic) {
		return appendSnappyBlock(dst, src, limit)
	}
	if len(src) < xerialHeader {
		return dst, errXerialHeader
	}
	old := len(dst)
	for src = src[xerialHeader:]; len(src) > 0; {
		if len(src) < 4 {
			return dst, errXerialBlock
		}
		n := binary.BigEndian.Uint32(src)
		src = src[4:]
		if uint64(n) > uint64(len(src)) {
			return dst, errXerialBlock
		}
		var err error
		if dst, err = appendSnappyBlock(dst, src[:n], limit-(len(dst)-old)); err != nil {
			return dst, err
		}
		src = src[n:]
	}
	return dst, nil
}

func appendSnappyBlock(dst, src []byte, limit int) ([]byte, error) {
	n, err := s2.DecodedLen(src)
	if err != nil {
		return dst, err
	}
	if n > limit {
		return dst, ErrTooLarge
	}
	old := len(dst)
	dst = slices.Grow(dst, n)
	if _, err := s2.Decode(dst[old:old+n:old+n], src); err != nil {
		return dst, err
	}
	return dst[:old+n], nil
}

// compressSnappy writes one raw block, which all clients read, the Java one included.
func compressSnappy(dst, src []byte) []byte {
	old := len(dst)
	dst = slices.Grow(dst, s2.MaxEncodedLen(len(src)))
	return dst[:old+len(s2.EncodeSnappy(dst[old:cap(dst)], src))]
}
