//go:build cgo

package wire

import (
	"fmt"
	"slices"

	"github.com/DataDog/zstd"
)

// zstdEncoder is libzstd: on small JSON records it takes half the time of the encoder in Go and compresses
// better. It writes no content checksum, as the batch has a CRC.
type zstdEncoder struct{ ctx zstd.Ctx }

func (z *zstdEncoder) compress(dst, src []byte) ([]byte, error) {
	if z.ctx == nil {
		z.ctx = zstd.NewCtx()
	}
	old := len(dst)
	dst = slices.Grow(dst, zstd.CompressBound(len(src)))
	out, err := z.ctx.CompressLevel(dst[old:old:cap(dst)], src, zstd.BestSpeed)
	if err != nil {
		return dst, err
	}
	return dst[:old+len(out)], nil
}

func (z *zstdEncoder) close() {} // a finalizer of the context frees what C has allocated

// zstdDecoder is libzstd, which takes a quarter less time than the decoder in Go. Decoding in one step it needs no
// memory but the room for the result, whatever window a frame asks for.
type zstdDecoder struct{ ctx zstd.Ctx }

func (z *zstdDecoder) open(int) error {
	if z.ctx == nil {
		z.ctx = zstd.NewCtx()
	}
	return nil
}

// into decodes src into room and returns how much of it is filled.
func (z *zstdDecoder) into(room, src []byte, _ bool) (int, error) {
	size := len(room)
	if size == 0 {
		room = make([]byte, 1) // C wants an address
	}
	n, err := z.ctx.DecompressInto(room, src)
	switch {
	case zstd.IsDstSizeTooSmallError(err):
		return 0, fmt.Errorf("%w: %w", errRoom, err)
	case err == nil && n > size:
		return 0, errRoom
	}
	return n, err
}

func (z *zstdDecoder) close() {} // as with the encoder
