package claim

import (
	"slices"
	"sort"
)

// place is one partition of a sink's topic. Sinks that share a topic share its places.
type place struct {
	cluster, topic string
	partition      int32
}

// extent is the offsets [lo, hi).
type extent struct{ lo, hi int64 }

func (e extent) with(o extent) extent {
	if e.lo == e.hi {
		return o
	}
	return extent{min(e.lo, o.lo), max(e.hi, o.hi)}
}

// maxExtents bounds what a place remembers: receipts come nearly in order, so that few holes are open at a time.
const maxExtents = 1024

// coverage is which offsets of a place have a receipt.
type coverage struct {
	extents []extent // sorted, apart from each other
	passed  int64    // offsets without a receipt in holes that are no longer remembered
	horizon int64    // all below is no longer remembered
	twice   int64    // offsets that have two receipts
	first   uint64   // entry of the first of these

	recounted int64 // receipts of the entries that were recounted
}

// receipts counts those of the entries that were recounted; c may be nil.
func (c *coverage) receipts() int64 {
	if c == nil {
		return 0
	}
	return c.recounted
}

// add takes over a receipt. What lies below the horizon comes too late to fill a hole: it stays one, and is
// counted against the claim until a recount.
func (c *coverage) add(e extent, index uint64) {
	if e.hi <= c.horizon || e.lo >= e.hi {
		return
	}
	e.lo = max(e.lo, c.horizon)
	i := sort.Search(len(c.extents), func(i int) bool { return c.extents[i].hi >= e.lo })
	j := i
	for ; j < len(c.extents) && c.extents[j].lo <= e.hi; j++ {
		if common := min(c.extents[j].hi, e.hi) - max(c.extents[j].lo, e.lo); common > 0 {
			if c.twice == 0 {
				c.first = index
			}
			c.twice += common
		}
	}
	if i < j {
		e = extent{min(e.lo, c.extents[i].lo), max(e.hi, c.extents[j-1].hi)}
	}
	c.extents = slices.Replace(c.extents, i, j, e)
	if len(c.extents) > maxExtents {
		c.passed += c.extents[1].lo - c.extents[0].hi
		c.horizon = c.extents[1].lo
		c.extents = slices.Delete(c.extents, 0, 1)
	}
}

// missing counts the offsets of e without a receipt. Holes that are no longer remembered count whole if e
// reaches below the horizon.
func (c *coverage) missing(e extent) int64 {
	n := e.hi - e.lo
	for _, have := range c.extents {
		n -= max(0, min(have.hi, e.hi)-max(have.lo, e.lo))
	}
	if forgotten := min(c.horizon, e.hi) - e.lo; forgotten > 0 {
		n -= max(0, forgotten-c.passed)
	}
	return n
}

// shelf is one directory of a file sink: it holds the records of one source partition in numbered files, which
// are written one after another.
type shelf struct{ sink, dir string }

// filed is how far the files of a shelf have receipts.
type filed struct {
	name string
	to   int64
}

// add returns how many bytes before the receipt's have none: since the one before it, or since the beginning of a file
// that is new. A process that takes the directory over begins a new file, so that a file belongs to one ledger whole.
func (f *filed) add(name string, from, to int64) int64 {
	missing := int64(0)
	switch {
	case name == f.name:
		missing = max(0, from-f.to)
	case name > f.name: // not one of before, told of once more
		missing = from
	}
	f.name, f.to = name, to
	return missing
}
