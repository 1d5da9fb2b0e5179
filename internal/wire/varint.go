package wire

import "math/bits"

// Varints are zigzag encoded, least significant group first, as in Protocol Buffers. They may be longer than
// they need to be; more than 32 or 64 bits are refused, since readers differ on what to do with them.

// shortVarint is varint32 for the varints that most are, of one byte or two, if there are two bytes. i is not negative. It
// is small enough to be inlined.
func shortVarint(b []byte, i int) (v int32, end int) {
	if i+1 < len(b) {
		first, second := uint32(b[i]), uint32(b[i+1])
		if first < 0x80 {
			return unzigzag(first), i + 1
		}
		if second < 0x80 {
			return unzigzag(first&0x7f | second<<7), i + 2
		}
	}
	return 0, -1
}

// varint32 reads a varint at b[i:], where i is not negative, and returns where it ends; end is negative if there is none.
func varint32(b []byte, i int) (v int32, end int) {
	if v, end = shortVarint(b, i); end >= 0 {
		return v, end
	}
	u, end := uvarint(b, i, 5)
	if end < 0 || u > 1<<32-1 {
		return 0, -1
	}
	return unzigzag(uint32(u)), end
}

func unzigzag(u uint32) int32 { return int32(u>>1) ^ -int32(u&1) }

// varint64 is varint32 for 64 bits.
func varint64(b []byte, i int) (v int64, end int) {
	u, end := uvarint(b, i, 10)
	return int64(u>>1) ^ -int64(u&1), end
}

// uvarint reads at most max bytes at b[i:]; end is negative if no value of 64 bits ends within them.
func uvarint(b []byte, i, max int) (u uint64, end int) {
	for shift := 0; shift < 7*max && i < len(b); shift += 7 {
		c := b[i]
		i++
		if shift == 63 && c > 1 {
			return 0, -1
		}
		u |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return u, i
		}
	}
	return 0, -1
}

func appendVarint(dst []byte, v int64) []byte {
	u := uint64(v<<1) ^ uint64(v>>63)
	for u >= 0x80 {
		dst = append(dst, byte(u)|0x80)
		u >>= 7
	}
	return append(dst, byte(u))
}

// varintSize is how many bytes appendVarint writes.
func varintSize(v int64) int {
	u := uint64(v<<1) ^ uint64(v>>63)
	return (bits.Len64(u|1) + 6) / 7
}
