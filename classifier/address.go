package classifier

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

// parseQuad reads four decimal numbers up to 255 without leading zeros, separated by dots.
func parseQuad(b []byte) (quad uint32, ok bool) {
	if len(b) > len("255.255.255.255") {
		return 0, false
	}
	i := 0
	for field := range 4 {
		if field > 0 {
			if i == len(b) || b[i] != '.' {
				return 0, false
			}
			i++
		}
		first, n := i, uint32(0)
		for ; i < len(b) && b[i]-'0' <= 9; i++ {
			n = n*10 + uint32(b[i]-'0')
		}
		if i == first || n > 255 || b[first] == '0' && i-first > 1 {
			return 0, false
		}
		quad = quad<<8 | n
	}
	return quad, i == len(b)
}

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

// hexGroup reads the hexadecimal digits at the start of b; none if there are more than four.
func hexGroup(b []byte) (group uint64, digits int) {
	for _, c := range b {
		d := hexDigit[c]
		if d > 15 {
			break
		}
		if digits == 4 {
			return 0, 0
		}
		group = group<<4 | uint64(d)
		digits++
	}
	return group, digits
}
