package router

import (
	"github.com/demarc/demarc/internal/record"
)

// segmentBytes is how long the entry of a segment may become, by a guess that is on the safe side, until the segment
// is closed: an entry of the ledger holds at most 64 KiB, and what sinks refuse makes it longer.
const segmentBytes = 24 << 10

// passSets is how many sets of jurisdictions a batch may have that goes to its sink whole: its receipt tells each, and
// cannot be divided.
const passSets = 16

// fineRecords is how many records a segment has in a partition whose sinks divide what they get: each of its records,
// and each that is quarantined instead, may have a receipt of its own.
const fineRecords = 32

// segment is a run of source offsets [from, to) of a chunk that settles as one, and what one entry of the ledger is
// about. Most chunks are one.
type segment struct {
	from, to int64
	epoch    int32 // of the leader that appended its last batch
	data     int64 // records
	result   result
	bytes    int // of the entry, about; 0 without a ledger

	dated          bool
	oldest, newest int64  // timestamps, ms since the epoch, if there are records
	clocks         string // "create", "append" or "mixed"; empty without records
	stores         []store
}

// store is one place that a sink stored records of a segment in.
type store struct {
	sink  int
	place record.Place
	sets  []record.Set // of the records there
}

// timed takes a record's timestamp in.
func (s *segment) timed(at int64) {
	if !s.dated {
		s.oldest, s.newest, s.dated = at, at, true
	}
	s.oldest, s.newest = min(s.oldest, at), max(s.newest, at)
}

// clock takes in whose clock the timestamps of a batch with records are of.
func (s *segment) clock(appendTime bool) {
	kind := "create"
	if appendTime {
		kind = "append"
	}
	if s.clocks == "" || s.clocks == kind {
		s.clocks = kind
		return
	}
	s.clocks = "mixed"
}

// stored notes where the sink has put a part.
func (s *segment) stored(p *part, places []record.Place) {
	if p.sets == nil {
		return
	}
	for _, place := range places {
		s.stores = append(s.stores, store{p.sink, place, p.sets[place.First : place.First+place.Records]})
	}
}
