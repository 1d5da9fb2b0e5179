package classifier

import (
	"encoding/binary"
	"math/bits"
)

// address is an IP address as a number, one of IPv4 below 1<<32. An IPv4-mapped IPv6 address is one of IPv4.
type address struct {
	bits uint128
	is4  bool
}

// parseAddress reads an IP address by the grammar of netip.ParseAddr, without zones. It allocates nothing, also when it
// refuses.
func parseAddress(b []byte) (address, bool) {
	// To see first which of the two it is costs more than to give up at the first colon.
	if quad, ok := parseQuad(b); ok {
		return address{uint128{lo: uint64(quad)}, true}, true
	}
	return parseIPv6(b)
}

// parseQuad reads four decimal numbers up to 255 without leading zeros, separated by dots. All good texts take the same
// branches: where their dots are cannot be predicted.
func parseQuad(b []byte) (quad uint32, ok bool) {
	n := len(b)
	var head, tail uint64 // the first eight bytes and the last, which may be in part the same
	switch {
	case n < len("0.0.0.0") || n > len("255.255.255.255"):
		return 0, false
	case n < 8:
		head = '0' * ones
		tail = '0'<<56 | uint64(binary.BigEndian.Uint32(b))<<24 | uint64(binary.BigEndian.Uint32(b[3:]))
	default:
		head, tail = binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[n-8:])
	}
	// Four bits of each byte, those of the last one lowest. They are 14 for a dot, and 15 for a slash, the only other
	// byte from a dot to a nine that is no digit.
	text := lowNibbles(head)<<(4*(n-8)&63) | lowNibbles(tail)
	const lowest = 0x1111111111111111 // of each four
	dots := text >> 3 & (text >> 2) & lowest
	starts, ends := (dots|1<<(4*n&63))>>4, dots<<4|1 // where numbers should
	notZero := text | text>>1 | text>>2 | text>>3
	wrong := (notDotToNine(head) | notDotToNine(tail)) & highs
	if wrong|dots&(text|starts|1)|starts&^(notZero|ends) != 0 {
		return 0, false
	}
	dots2 := dots & (dots - 1) // the first two
	dots1 := dots2 & (dots2 - 1)
	if dots1 == 0 || dots1&(dots1-1) != 0 {
		return 0, false
	}
	// A dot does not have the lowest of its bits in text, so that no dot further up stays in.
	n1 := text >> (bits.TrailingZeros64(dots1) + 4)
	n2 := text & (dots1 - 1) >> (bits.TrailingZeros64(dots2) + 4)
	n3 := text & (dots2 - 1) >> (bits.TrailingZeros64(dots) + 4)
	n4 := text & (dots - 1)
	if n1 > 0x255 || n2 > 0x255 || n3 > 0x255 || n4 > 0x255 { // their digits are decimal
		return 0, false
	}
	v := n1<<48 | n2<<32 | n3<<16 | n4
	v -= 6*(v>>4&0x00ff00ff00ff00ff) + 60*(v>>8&0x000f000f000f000f)
	v = (v | v>>8) & 0x0000ffff0000ffff
	return uint32(v | v>>16), true
}

// lowNibbles puts the lower four bits of the bytes of w side by side.
func lowNibbles(w uint64) uint64 {
	w &= 0x0f * ones
	w = (w | w>>4) & 0x00ff00ff00ff00ff
	w = (w | w>>8) & 0x0000ffff0000ffff
	return (w | w>>16) & 0xffffffff
}

// notDotToNine marks the bytes of w that ASCII does not have from a dot to a nine. Beside such a byte others may be
// marked.
func notDotToNine(w uint64) uint64 { return ^(w + (0x80-'.')*ones) | (w + (0x7f-'9')*ones) }

// hexDigit is the value of each hexadecimal digit, and above 15 for other bytes.
var hexDigit = func() (table [256]uint8) {
	for c := range table {
		switch b := byte(c); {
		case b-'0' <= 9:
			table[c] = b - '0'
		case b|0x20-'a' <= 5:
			table[c] = b | 0x20 - 'a' + 10
		default:
			table[c] = 0xff
		}
	}
	return table
}()

// parseIPv6 reads the forms of RFC 4291 section 2.2: groups of one to four hexadecimal digits, "::" at most once
// for one group or more, and a dotted quad in place of the last two groups.
func parseIPv6(b []byte) (address, bool) {
	var before, ip uint128 // what stands before "::", and what was read since
	n, gap, i := 0, -1, 0  // groups read, how many of them before "::", position in b
	if len(b) >= 2 && b[0] == ':' && b[1] == ':' {
		gap, i = 0, 2
	}
	for i < len(b) {
		group, digits := hexGroup(b[i:])
		if digits == 0 || n == 8 {
			return address{}, false
		}
		if i+digits < len(b) && b[i+digits] == '.' {
			quad, ok := parseQuad(b[i:])
			if !ok || n > 6 {
				return address{}, false
			}
			ip = ip.shiftLeft(32).or(uint128{lo: uint64(quad)})
			n += 2
			break
		}
		ip = ip.shiftLeft(16).or(uint128{lo: uint64(group)})
		n++
		i += digits
		if i == len(b) {
			break
		}
		if b[i] != ':' || i+1 == len(b) {
			return address{}, false
		}
		i++
		if b[i] == ':' {
			if gap >= 0 {
				return address{}, false
			}
			before, ip, gap = ip, uint128{}, n
			i++
		}
	}
	if gap < 0 {
		return unmapped(ip), n == 8
	}
	return unmapped(ip.or(before.shiftLeft(128 - 16*gap))), n < 8
}

// unmapped is an IPv6 address, or the IPv4 address that is mapped to it.
func unmapped(ip uint128) address {
	if ip.hi == 0 && ip.lo>>32 == 0xffff {
		return address{uint128{lo: ip.lo & 0xffffffff}, true}
	}
	return address{ip, false}
}

// hexGroup reads the hexadecimal digits at the start of b, four at most.
func hexGroup(b []byte) (group uint64, digits int) {
	if len(b) >= 4 { // most groups have four digits
		first, second, third, fourth := hexDigit[b[0]], hexDigit[b[1]], hexDigit[b[2]], hexDigit[b[3]]
		if first|second|third|fourth <= 15 {
			return uint64(first)<<12 | uint64(second)<<8 | uint64(third)<<4 | uint64(fourth), 4
		}
	}
	for _, c := range b {
		d := hexDigit[c]
		if d > 15 {
			break
		}
		group = group<<4 | uint64(d)
		digits++
	}
	return group, digits
}
