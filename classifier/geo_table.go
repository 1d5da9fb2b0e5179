package classifier

import (
	"math"
	"sort"
)

// What a table says of an address: a Country, or one of these.
const (
	geoNoLocation  uint8 = 255
	geoUnknownCode uint8 = 254
	geoSplit       uint8 = 253 // only inside a table: look in its list of what is finer
)

var lastIPv6 = uint128{math.MaxUint64, math.MaxUint64}

// geoTable is a geo database as sorted ranges. The search tree of the file has a level for each bit of an address, most
// of them a cache miss; here a look-up takes one to four loads and a short search.
type geoTable struct {
	v4 *table4
	v6 *table6
}

// rangeStart says that the addresses from at on, up to the next start, have value.
type rangeStart struct {
	at    uint128
	value uint8
}

// rangeList collects the networks of one address family. They come in ascending order and leave nothing out.
type rangeList struct {
	special []addressRange // those that may still come, sorted; they have no location
	starts  []rangeStart
}

// add puts in r except for the special blocks inside it.
func (l *rangeList) add(r addressRange, value uint8) {
	for len(l.special) > 0 && !r.last.less(l.special[0].first) {
		s := l.special[0]
		if r.first.less(s.first) {
			l.start(r.first, value)
		}
		l.start(s.first, geoNoLocation)
		if !s.last.less(r.last) {
			return
		}
		l.special = l.special[1:]
		r.first = s.last.next()
	}
	l.start(r.first, value)
}

func (l *rangeList) start(at uint128, value uint8) {
	if n := len(l.starts); n == 0 || l.starts[n-1].value != value {
		l.starts = append(l.starts, rangeStart{at, value})
	}
}

// table4 has a page for each /16 of IPv4, in which there is a value for each of its /24. All /16 of one value share a
// page. A look-up takes two loads and no branch that depends on the database, except for a /24 with more than one value:
// that has the value geoSplit and stands in entries. Those of one page are [first[page], first[page+1]), by the last 16
// bits of their first address.
type table4 struct {
	page    [1 << 16]uint16
	values  [][256]uint8 // by page
	first   []uint32     // by page
	entries []tableEntry
}

// tableEntry is a key in the upper 24 bits and the value of the addresses from there on in the lower 8. Both in one
// word cost one cache miss.
type tableEntry uint32

func entryOf(key uint32, value uint8) tableEntry { return tableEntry(key<<8 | uint32(value)) }

func (e tableEntry) value() uint8 { return uint8(e) }

// entryFor is the last of entries, sorted by key and the first of them at 0, whose key is not above key. It takes no
// branch on what it compares: half of them would be mispredicted.
func entryFor(entries []tableEntry, key uint32) tableEntry {
	limit := int64(entryOf(key, math.MaxUint8))
	i, n := uint(0), uint(len(entries))
	for n > 1 {
		half := n / 2
		above := (limit - int64(entries[i+half])) >> 63 // all ones if that entry is above, else 0
		i += half &^ uint(above)
		n -= half
	}
	return entries[i]
}

func newTable4(starts []rangeStart) *table4 {
	const pages = 1 << 14 // a common database needs no more
	t := &table4{values: make([][256]uint8, 0, pages), first: make([]uint32, 0, pages+1)}
	var uniform [256]int // value -> 1 + its page, 0 if it has none
	value := geoNoLocation
	for head := range uint64(1 << 16) {
		if len(starts) > 0 && starts[0].at.lo == head<<16 {
			value = starts[0].value
			starts = starts[1:]
		}
		n := 0
		for n < len(starts) && starts[n].at.lo>>16 == head {
			n++
		}
		page := uniform[value] - 1
		if n > 0 || page < 0 {
			page = len(t.values)
			t.addPage(value, starts[:n])
		}
		t.page[head] = uint16(page)
		if n == 0 {
			uniform[value] = page + 1
			continue
		}
		value = starts[n-1].value
		starts = starts[n:]
	}
	t.first = append(t.first, uint32(len(t.entries)))
	return t
}

// addPage adds the page of a /16 that begins with value and goes on with starts.
func (t *table4) addPage(value uint8, starts []rangeStart) {
	t.first = append(t.first, uint32(len(t.entries)))
	var values [256]uint8
	for i := range uint64(256) {
		if len(starts) > 0 && starts[0].at.lo&0xffff == i<<8 {
			value = starts[0].value
			starts = starts[1:]
		}
		values[i] = value
		if len(starts) == 0 || starts[0].at.lo>>8&0xff != i {
			continue
		}
		values[i] = geoSplit
		t.entries = append(t.entries, entryOf(uint32(i<<8), value))
		for len(starts) > 0 && starts[0].at.lo>>8&0xff == i {
			value = starts[0].value
			t.entries = append(t.entries, entryOf(uint32(starts[0].at.lo&0xffff), value))
			starts = starts[1:]
		}
	}
	t.values = append(t.values, values)
}

func (t *table4) value(at uint32) uint8 {
	page := int(t.page[at>>16]) // the number after it may be 1<<16
	if value := t.values[page][at>>8&0xff]; value != geoSplit {
		return value
	}
	return entryFor(t.entries[t.first[page]:t.first[page+1]], at&0xffff).value()
}

// table6 holds the ranges of IPv6 as a tree that branches by 16 bits and then by 8, down to /48, but only where there
// are many ranges: an inner node is a page, a prefix with few ranges is a run of entries, one with a single range is
// its value. A /48 with more than one range has the value geoSplit and stands in fine, which is sorted.
type table6 struct {
	roots   [1 << 16]node6
	pages   [][256]node6
	entries []tableEntry // of each run: how many there are, then they, by bits 24 to 47; the first is at the run's start
	fine    []rangeStart
}

// node6 is one of three kinds, in the lower two bits, and above them a value, the number of a page, or where in
// entries a run is.
type node6 uint32

const (
	node6Value node6 = iota
	node6Page
	node6Run

	maxRunStarts = 62 // a search of the 125 entries that these may make takes 7 steps
)

func newTable6(starts []rangeStart) *table6 {
	t := &table6{entries: make([]tableEntry, 0, len(starts))}
	value := geoNoLocation
	for head := range uint64(1 << 16) {
		n := 0
		for n < len(starts) && starts[n].at.hi>>48 == head {
			n++
		}
		t.roots[head] = t.node(head<<48, 48, value, starts[:n])
		if n > 0 {
			value = starts[n-1].value
		}
		starts = starts[n:]
	}
	return t
}

// node makes the node of a prefix of 64-shift bits that begins at base. Its ranges are starts, and value is that of
// the one before.
func (t *table6) node(base uint64, shift int, value uint8, starts []rangeStart) node6 {
	if len(starts) > 0 && starts[0].at == (uint128{hi: base}) {
		value = starts[0].value
		starts = starts[1:]
	}
	switch {
	case len(starts) == 0:
		return valueNode(value)
	case shift == 16:
		t.fine = append(append(t.fine, rangeStart{uint128{hi: base}, value}), starts...)
		return valueNode(geoSplit)
	case shift < 48 && len(starts) <= maxRunStarts:
		return t.run(base, value, starts)
	}
	return t.page(base, shift-8, value, starts)
}

// valueNode is a node of the kind node6Value, which is 0.
func valueNode(value uint8) node6 { return node6(value) << 2 }

// page makes an inner node whose children are prefixes of 64-shift bits.
func (t *table6) page(base uint64, shift int, value uint8, starts []rangeStart) node6 {
	var children [256]node6
	for i := range uint64(len(children)) {
		n := 0
		for n < len(starts) && starts[n].at.hi>>shift&0xff == i {
			n++
		}
		if n == 0 {
			children[i] = valueNode(value) // most are this
			continue
		}
		children[i] = t.node(base|i<<shift, shift, value, starts[:n])
		value = starts[n-1].value
		starts = starts[n:]
	}
	t.pages = append(t.pages, children)
	return node6(len(t.pages)-1)<<2 | node6Page
}

// run makes a node of entries, of a /24 or longer.
func (t *table6) run(base uint64, value uint8, starts []rangeStart) node6 {
	at := len(t.entries)
	t.entries = append(t.entries, 0, entryOf(key6(base), value))
	for len(starts) > 0 {
		n := 1
		for n < len(starts) && starts[n].at.hi>>16 == starts[0].at.hi>>16 {
			n++
		}
		prefix := starts[0].at.hi &^ 0xffff
		key, whole := key6(prefix), uint8(t.node(prefix, 16, value, starts[:n])>>2)
		value = starts[n-1].value
		t.put(key, whole)
		if whole == geoSplit && key < 1<<24-1 {
			t.put(key+1, value)
		}
		starts = starts[n:]
	}
	t.entries[at] = tableEntry(len(t.entries) - at - 1)
	return node6(at)<<2 | node6Run
}

// put adds an entry to the last run, or gives its last one a new value.
func (t *table6) put(key uint32, value uint8) {
	if last := len(t.entries) - 1; uint32(t.entries[last]>>8) == key {
		t.entries[last] = entryOf(key, value)
		return
	}
	t.entries = append(t.entries, entryOf(key, value))
}

// key6 is bits 24 to 47 of an address.
func key6(hi uint64) uint32 { return uint32(hi>>16) & 0xffffff }

func (t *table6) value(at uint128) uint8 {
	node := t.roots[at.hi>>48]
	for shift := 40; node&3 == node6Page; shift -= 8 {
		node = t.pages[node>>2][byte(at.hi>>shift)]
	}
	value := uint8(node >> 2)
	if node&3 == node6Run {
		first := uint32(node>>2) + 1
		value = entryFor(t.entries[first:first+uint32(t.entries[first-1])], key6(at.hi)).value()
	}
	if value == geoSplit {
		return t.fineValue(at)
	}
	return value
}

func (t *table6) fineValue(at uint128) uint8 {
	after := sort.Search(len(t.fine), func(i int) bool { return at.less(t.fine[i].at) })
	return t.fine[after-1].value
}
