//go:build !cgo

package wire

import (
	"errors"
	"fmt"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// zstdWindow bounds the encoder's memory; batches are seldom larger.
const zstdWindow = 1 << 20

// zstdEncoder is the encoder in Go, for builds without a C compiler. It writes no content checksum, as the
// batch has a CRC.
type zstdEncoder struct{ enc *zstd.Encoder }

func (z *zstdEncoder) compress(dst, src []byte) ([]byte, error) {
	if z.enc == nil {
		var err error
		z.enc, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
			zstd.WithEncoderCRC(false), zstd.WithWindowSize(zstdWindow), zstd.WithLowerEncoderMem(true),
			zstd.WithZeroFrames(true))
		if err != nil {
			return dst, fmt.Errorf("make encoder: %w", err)
		}
	}
	return z.enc.EncodeAll(src, dst), nil
}

func (z *zstdEncoder) close() {
	if z.enc != nil {
		z.enc.Close()
	}
}

// zstdMaxWindow is the largest window that libzstd's decoders accept unasked (ZSTD_WINDOWLOG_LIMIT_DEFAULT).
const zstdMaxWindow = 128 << 20

// zstdDecoder is the decoder in Go.
type zstdDecoder struct{ dec *zstd.Decoder }

func (z *zstdDecoder) open(limit int) error {
	if z.dec != nil {
		return nil
	}
	var err error
	z.dec, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecodeAllCapLimit(true),
		zstd.IgnoreChecksum(true), // the batch's CRC has been checked over the same bytes
		zstd.WithDecoderMaxWindow(max(zstdMaxWindow, uint64(limit))))
	if err != nil {
		return fmt.Errorf("make decoder: %w", err)
	}
	return nil
}

// into decodes src into room and returns how much of it is filled. Where the room ends inside a block, the decoder
// calls that damage of the block, in words that differ between its implementations: any error may be for want of
// room, and only that of the last try counts.
func (z *zstdDecoder) into(room, src []byte, last bool) (int, error) {
	out, err := z.dec.DecodeAll(src, room[:0:len(room)])
	switch {
	case err == nil:
		return len(out), nil
	case !last, errors.Is(err, zstd.ErrDecoderSizeExceeded), strings.HasPrefix(err.Error(), "output bigger than max block size"):
		return 0, fmt.Errorf("%w: %w", errRoom, err)
	}
	return 0, err
}

func (z *zstdDecoder) close() {
	if z.dec != nil {
		z.dec.Close()
	}
}
