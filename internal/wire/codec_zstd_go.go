//go:build !cgo

package wire

import (
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// zstdWindow bounds the encoder's memory; batches are seldom larger.
const zstdWindow = 1 << 20

// zstdEncoder is the encoder in Go, for builds without a C compiler. It writes no content checksum, as the
// batch has a CRC.
type zstdEncoder struct{ enc *zstd.Encoder }

func (z *zstdEncoder) compress(dst, src []byte, _ int) ([]byte, error) {
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
