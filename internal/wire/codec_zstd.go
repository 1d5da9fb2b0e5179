package wire

import (
	"errors"

	"github.com/demarc/demarc/internal/zstd"
)

// zstdMaxWindow is the largest window that libzstd's decoders accept unasked (ZSTD_WINDOWLOG_LIMIT_DEFAULT).
const zstdMaxWindow = 128 << 20

func decompressZstd(d *zstd.Decoder, dst, src []byte, limit int) ([]byte, error) {
	if len(src) == 0 {
		return dst, errEmpty
	}
	dst, err := d.Append(dst, src, limit, max(zstdMaxWindow, limit))
	if errors.Is(err, zstd.ErrTooLarge) {
		return dst, ErrTooLarge
	}
	return dst, err
}
