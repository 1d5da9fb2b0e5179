package wire

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// zstdMaxWindow is the largest window that libzstd's decoders accept unasked (ZSTD_WINDOWLOG_LIMIT_DEFAULT).
const zstdMaxWindow = 128 << 20

// zstdDecoder decodes zstd (RFC 8878), several frames too.
type zstdDecoder struct{ dec *zstd.Decoder }

// decompress decodes into the room that dst has; if that is too small it tries again with twice as much. Room
// is kept between calls, so a second try is rare. What a frame says of its own size is not believed, and streaming
// encoders (librdkafka, the Java client) do not say it.
func (z *zstdDecoder) decompress(dst, src []byte, limit int) ([]byte, error) {
	if len(src) == 0 {
		return dst, errEmpty
	}
	if z.dec == nil {
		var err error
		z.dec, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecodeAllCapLimit(true),
			zstd.IgnoreChecksum(true), // the batch's CRC has been checked over the same bytes
			zstd.WithDecoderMaxWindow(max(zstdMaxWindow, uint64(limit))))
		if err != nil {
			return dst, fmt.Errorf("make decoder: %w", err)
		}
	}
	old := len(dst)
	for room := max(cap(dst)-old, 4*len(src), firstRoom); ; room *= 2 {
		room = min(room, limit)
		dst = slices.Grow(dst, room)
		out, err := z.dec.DecodeAll(src, dst[old:old:old+room])
		if err == nil {
			return dst[:old+len(out)], nil
		}
		// Where the room ends inside a block the decoder calls that damage of the block, in words that differ
		// between its implementations. So any error may be for want of room; only the last one counts.
		if room < limit {
			continue
		}
		if errors.Is(err, zstd.ErrDecoderSizeExceeded) || strings.HasPrefix(err.Error(), "output bigger than max block size") {
			return dst, fmt.Errorf("%w: %w", ErrTooLarge, err)
		}
		return dst, err
	}
}

func (z *zstdDecoder) close() {
	if z.dec != nil {
		z.dec.Close()
	}
}
