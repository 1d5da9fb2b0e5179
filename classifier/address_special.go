package classifier

import (
	_ "embed"
	"encoding/binary"
	"math"
	"math/bits"
	"net/netip"
	"slices"
	"strings"
)

//go:embed data/special_addresses.csv
var specialCSV string

// special is never written after start.
var special = parseSpecial(specialCSV)

// noLocation reports whether a is of a special-purpose block, multicast, or an IPv6 address that wraps an IPv4
// address of someone else's choice: such an address says nothing about where its user is, and no database is asked.
func noLocation(a address) bool {
	if a.is4 {
		return special.v4.has(a.bits, byte(a.bits.lo>>24))
	}
	return special.v6.has(a.bits, byte(a.bits.hi>>56))
}

// prefixRange is the first and the last address of p, as numbers of 32 bits if p is an IPv4 prefix.
func prefixRange(p netip.Prefix) (r addressRange, is4 bool) {
	is4 = p.Addr().Is4()
	ip := p.Masked().Addr().As16()
	first := uint128{binary.BigEndian.Uint64(ip[:8]), binary.BigEndian.Uint64(ip[8:])}
	if is4 {
		first = uint128{lo: first.lo & math.MaxUint32} // without the prefix of IPv4-mapped addresses
	}
	host := p.Addr().BitLen() - p.Bits()
	last := first.or(uint128{math.MaxUint64, math.MaxUint64}.shiftRight(128 - host))
	return addressRange{first, last}, is4
}

type addressRange struct{ first, last uint128 }

// addressBlocks are sorted ranges that neither overlap nor touch.
type addressBlocks struct {
	ranges []addressRange
	heads  [256]bool // the first bytes of addresses that may be in a range
}

func (b *addressBlocks) has(at uint128, head byte) bool {
	if !b.heads[head] {
		return false
	}
	for _, r := range b.ranges {
		if at.less(r.first) {
			return false
		}
		if !r.last.less(at) {
			return true
		}
	}
	return false
}

type specialBlocks struct{ v4, v6 addressBlocks }

func parseSpecial(csv string) *specialBlocks {
	s := &specialBlocks{}
	for line := range strings.Lines(csv) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		block, _, _ := strings.Cut(line, ",")
		r, is4 := prefixRange(netip.MustParsePrefix(block))
		blocks, shift := &s.v6, 120
		if is4 {
			blocks, shift = &s.v4, 24
		}
		for head := r.first.shiftRight(shift).lo; head <= r.last.shiftRight(shift).lo; head++ {
			blocks.heads[head] = true
		}
		blocks.ranges = append(blocks.ranges, r)
	}
	s.v4.ranges = merge(s.v4.ranges)
	s.v6.ranges = merge(s.v6.ranges)
	return s
}

// merge sorts ranges and joins those that overlap or touch.
func merge(ranges []addressRange) []addressRange {
	slices.SortFunc(ranges, func(a, b addressRange) int { return a.first.compare(b.first) })
	merged := ranges[:1]
	for _, r := range ranges[1:] {
		end := &merged[len(merged)-1].last
		switch {
		case end.next().less(r.first):
			merged = append(merged, r)
		case end.less(r.last):
			*end = r.last
		}
	}
	return merged
}

// uint128 is an address as a number.
type uint128 struct{ hi, lo uint64 }

func (a uint128) less(b uint128) bool { return a.hi < b.hi || a.hi == b.hi && a.lo < b.lo }

func (a uint128) compare(b uint128) int {
	switch {
	case a.less(b):
		return -1
	case b.less(a):
		return 1
	}
	return 0
}

func (a uint128) or(b uint128) uint128 { return uint128{a.hi | b.hi, a.lo | b.lo} }

func (a uint128) shiftRight(n int) uint128 {
	if n >= 64 {
		return uint128{lo: a.hi >> (n - 64)}
	}
	return uint128{a.hi >> n, a.lo>>n | a.hi<<(64-n)}
}

// shiftLeft is a shifted by 0 to 128 bits.
func (a uint128) shiftLeft(n int) uint128 {
	if n >= 64 {
		return uint128{hi: a.lo << (n - 64)}
	}
	return uint128{a.hi<<n | a.lo>>(64-n), a.lo << n}
}

// next is a+1; after the last address comes 0.
func (a uint128) next() uint128 {
	lo, carry := bits.Add64(a.lo, 1, 0)
	return uint128{a.hi + carry, lo}
}
