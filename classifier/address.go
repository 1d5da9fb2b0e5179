package classifier

import "net/netip"

// parseAddress reads an IP address by the grammar of netip.ParseAddr, without zones, and unmaps an IPv4-mapped
// one. It allocates nothing, also when it refuses.
func parseAddress(b []byte) (netip.Addr, bool) {
	// An IPv6 address has its first colon within five bytes, a dotted quad its first dot within four.
	for _, c := range b[:min(len(b), 5)] {
		switch c {
		case '.':
			quad, ok := parseQuad(b)
			return netip.AddrFrom4(quad), ok
		case ':':
			return parseIPv6(b)
		}
	}
	return netip.Addr{}, false
}

// parseQuad reads four decimal numbers up to 255 without leading zeros, separated by dots.
func parseQuad(b []byte) (quad [4]byte, ok bool) {
	if len(b) > len("255.255.255.255") {
		return quad, false
	}
	i := 0
	for field := range quad {
		if field > 0 {
			if i == len(b) || b[i] != '.' {
				return quad, false
			}
			i++
		}
		first, n := i, 0
		for ; i < len(b) && b[i]-'0' <= 9; i++ {
			n = n*10 + int(b[i]-'0')
		}
		if i == first || n > 255 || b[first] == '0' && i-first > 1 {
			return quad, false
		}
		quad[field] = byte(n)
	}
	return quad, i == len(b)
}

// parseIPv6 reads the forms of RFC 4291 section 2.2: groups of one to four hexadecimal digits, "::" at most once
// for one group or more, and a dotted quad in place of the last two groups.
func parseIPv6(b []byte) (netip.Addr, bool) {
	var ip [16]byte
	n, gap, i := 0, -1, 0 // bytes written, where "::" stands in them, position in b
	if len(b) >= 2 && b[0] == ':' && b[1] == ':' {
		gap, i = 0, 2
	}
	for i < len(b) {
		group, digits := hexGroup(b[i:])
		if digits == 0 || n == 16 {
			return netip.Addr{}, false
		}
		if i+digits < len(b) && b[i+digits] == '.' {
			quad, ok := parseQuad(b[i:])
			if !ok || n > 12 {
				return netip.Addr{}, false
			}
			copy(ip[n:], quad[:])
			n += 4
			break
		}
		ip[n], ip[n+1] = byte(group>>8), byte(group)
		n += 2
		i += digits
		if i == len(b) {
			break
		}
		if b[i] != ':' || i+1 == len(b) {
			return netip.Addr{}, false
		}
		i++
		if b[i] == ':' {
			if gap >= 0 {
				return netip.Addr{}, false
			}
			gap = n
			i++
		}
	}
	if gap < 0 {
		return netip.AddrFrom16(ip).Unmap(), n == 16
	}
	if n == 16 {
		return netip.Addr{}, false
	}
	copy(ip[16-n+gap:], ip[gap:n])
	clear(ip[gap : 16-n+gap])
	return netip.AddrFrom16(ip).Unmap(), true
}

// hexGroup reads the hexadecimal digits at the start of b; none if there are more than four.
func hexGroup(b []byte) (group uint16, digits int) {
	for digits < len(b) {
		var d byte
		switch c := b[digits]; {
		case c-'0' <= 9:
			d = c - '0'
		case c|0x20-'a' <= 5:
			d = c | 0x20 - 'a' + 10
		default:
			return group, digits
		}
		if digits == 4 {
			return 0, 0
		}
		group = group<<4 | uint16(d)
		digits++
	}
	return group, digits
}
