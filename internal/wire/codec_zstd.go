package wire

import (
	"errors"
	"slices"
)

// errRoom says that a frame may need more room than it was given.
var errRoom = errors.New("more room is needed")

// decompress decodes zstd (RFC 8878), several frames too, into the room that dst has; if that is too small it tries
// again with twice as much. Room is kept between calls, so a second try is rare. What a frame says of its own size
// is not believed, and streaming encoders (librdkafka, the Java client) do not say it.
func (z *zstdDecoder) decompress(dst, src []byte, limit int) ([]byte, error) {
	if len(src) == 0 {
		return dst, errEmpty
	}
	if err := z.open(limit); err != nil {
		return dst, err
	}
	old := len(dst)
	for room := max(cap(dst)-old, 4*len(src), firstRoom); ; room *= 2 {
		room = min(room, limit)
		dst = slices.Grow(dst, room)
		n, err := z.into(dst[old:old+room], src, room == limit)
		switch {
		case err == nil:
			return dst[:old+n], nil
		case !errors.Is(err, errRoom):
			return dst, err
		case room == limit:
			return dst, ErrTooLarge
		}
	}
}
