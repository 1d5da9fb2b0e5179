package wire

import "math/bits"

// Varints are zigzag encoded, least significant group first, as in Protocol Buffers. They may be longer than
// they need to be; more than 32 or 64 bits are refused, since readers differ on what to do with them.

// varint32 reads a varint at b[i:] and returns where it ends; end is negative if there is none.
func varint32(b []byte, i int) (v int32, end int) {
	if uint(i) < uint(len(b)) && b[i] < 0x80 {
		return int32(b[i]>>1) ^ -int32(b[i]&1), i + 1
	}
	return longVarint32(b, i)
}

func longVarint32(b []byte, i int) (v int32, end int) {
	if i >= 0 && i+1 < len(b) && b[i+1] < 0x80 { // most lengths and deltas have two bytes
		u := uint32(b[i]&0x7f) | uint32(b[i+1])<<7
		return int32(u>>1) ^ -int32(u&1), i + 2
	}
	u, end := uvarint(b, i, 5)
	if end < 0 || u > 1<<32-1 {
		return 0, -1
	}
	return int32(uint32(u)>>1) ^ -int32(u&1), end
}

// varint64 is varint32 for 64 bits.
func varint64(b []byte, i int) (v int64, end int) {
	if uint(i) < uint(len(b)) && b[i] < 0x80 {
		return int64(b[i]>>1) ^ -int64(b[i]&1), i + 1
	}
	u, end := uvarint(b, i, 10)
	return int64(u>>1) ^ -int64(u&1), end
}

// uvarint reads at most max bytes at b[i:]; end is negative if no value of 64 bits ends within them.
func uvarint(b []byte, i, max int) (u uint64, end int) {
	if i < 0 {
		return 0, -1
	}
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
