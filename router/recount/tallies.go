package recount

import (
	"fmt"
	"sync"
)

// tallies add up the receipts of an entry in a sink, until all are there. Those of one entry are mostly read one after
// the other, so that few are open at any time.
type tallies struct {
	report *report
	told   *told

	mu   sync.Mutex
	open map[tallyKey]*tally
}

type tallyKey struct {
	entry uint64
	sink  uint32
}

type tally struct {
	left  int
	whole bool
	sums  map[outcome]amount
}

// add takes in what a receipt's records were decided to be; nil if they could not be decided.
func (t *tallies) add(r *receipt, seen *tallied) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open == nil {
		t.open = map[tallyKey]*tally{}
	}
	key := tallyKey{r.entry, r.sink}
	have := t.open[key]
	if have == nil {
		have = &tally{left: r.siblings, whole: true, sums: map[outcome]amount{}}
		t.open[key] = have
	}
	have.left--
	if have.whole = have.whole && seen != nil && seen.whole; have.whole {
		for o, n := range seen.outcomes {
			sum := have.sums[o]
			have.sums[o] = amount{sum.records + n.records, sum.bytes + n.bytes}
		}
	}
	if have.left > 0 {
		return
	}
	delete(t.open, key)
	if have.whole {
		t.compare(r, have.sums)
	}
}

// compare holds the counts of an entry in a sink against the records. What a quarantined record's headers added is not
// in the entry's bytes, and not worth telling apart: bytes are compared of delivered records.
func (t *tallies) compare(r *receipt, sums map[outcome]amount) {
	sink, entry := t.told.names.list[r.sink], r.entry
	differ := func(format string, args ...any) {
		t.report.differ(Difference{Kind: Counts, Entry: &entry, Sink: sink, Cause: fmt.Sprintf(format, args...)})
	}
	for _, n := range r.counts {
		o := outcome{t.told.names.list[n.set], n.reason}
		seen := sums[o]
		delete(sums, o)
		switch {
		case seen.records != n.records:
			differ("says %d records of %s (%s), the sink holds %d", n.records, o.set, o.reason, seen.records)
		case seen.bytes != n.bytes && !o.reason.Quarantines():
			differ("says %d bytes of %s (%s), the sink holds %d", n.bytes, o.set, o.reason, seen.bytes)
		}
	}
	for o, n := range sums {
		differ("says no records of %s (%s), the sink holds %d", o.set, o.reason, n.records)
	}
}
