package claim

import "github.com/demarc/demarc/ledger"

// topicKey is one topic; a topic that was deleted and made again has another id and is another one.
type topicKey struct{ cluster, topic, id string }

type partitionKey struct {
	topicKey
	partition int32
}

// topic is what the spans of a topic say as a whole.
type topic struct {
	told       bool
	firstCount int32 // partitions at the first span
	count      int32 // the most partitions that there were in the period
	ended      bool  // a span at or after the period's end was seen
	latest     int64 // the greatest time of a span
}

// bound is how far a partition reached at some time.
type bound struct {
	at     int64
	offset int64 // last stable offset
}

// partition is what the ledger says of one source partition in the period.
//
// A period given by times goes from the last span at or before its begin to the first one at or after its end.
// Which span the first of these is shows only when a later one comes, in one pass over entries that may be ahead
// of a span by then. So two tallies run until it shows: a begins at an older boundary of entries than b. When a
// span raises the lower bound, the younger one that still begins at or below it goes on. The period so
// grows outward to whole entries, by the time between two spans at most.
type partition struct {
	told    bool
	begun   bool  // a span at or before the period's begin told of it
	fresh   bool  // it was made after the topic's first span
	settled bool  // the lower bound does not change any more
	closed  bool  // a span at or after the period's end told of it
	after   bool  // and no other did
	first   int64 // first offset, by the first span that told of it
	latest  int64 // the greatest time of a span that told of it
	lower   bound // everything from here on has to be covered
	upper   bound // up to here; until closed that of the latest span
	started bool  // some entry covers some of it
	next    int64 // the first offset after the last entry's
	overlap loss
	late    loss   // offsets of the period whose entries came after a span that closed it too early
	a, b    *tally // b is nil once settled
}

// tellSpan takes over what a span says of one partition.
func (p *partition) tellSpan(at, stable int64, isNew bool, period *Population) {
	if p.closed {
		if at < *period.To {
			p.reopen(stable)
		}
		return
	}
	if !p.told && !isNew && period.From == nil && period.To != nil && at > *period.To {
		p.a, p.lower, p.upper = newTally(p.next), bound{at, 0}, bound{at, 0} // nothing is known of the period
		p.told, p.closed, p.after = true, true, true
		p.settle()
		return
	}
	here := bound{at, stable}
	switch {
	case p.begun && !p.settled && at <= *period.From && stable < p.lower.offset:
		// Another process looked earlier and its span came later.
	case period.From != nil && at <= *period.From && !p.settled:
		p.lower, p.begun = here, true
		p.raise(stable)
	case !p.told && isNew:
		p.fresh = true
		p.lower = bound{at, 0} // it was made in the period: everything in it came since
		p.settle()
	case !p.told:
		p.lower = here
		p.settle()
	default:
		p.settle()
	}
	p.upper = bound{at, max(stable, p.upper.offset)}
	p.told = true
	p.closed = period.To != nil && at >= *period.To
}

// reopen takes in a span of before the period's end that the log tells after one that closed the period: so far the
// partition had reached by then, whatever the later look says. Entries in between were taken for later ones.
func (p *partition) reopen(stable int64) {
	if stable <= p.upper.offset {
		return
	}
	p.upper.offset, p.after = stable, false
	for _, t := range p.tallies() {
		from := max(t.mark, t.to)
		if passed := min(p.next, stable) - from; passed > 0 && p.started {
			p.late.add(passed, from, 0, "")
			t.to = p.next
		}
	}
}

func (p *partition) settle() { p.settled, p.b = true, nil }

// raise drops what lies below the new lower bound, by whole tallies.
func (p *partition) raise(stable int64) {
	switch {
	case p.next <= stable:
		p.a = newTally(p.next)
	case p.b != nil && p.b.mark <= stable:
		p.a = p.b
	}
	p.b = newTally(p.next)
}

// holds reports whether source offsets belong to the partition's period, as far as it is known by now.
func (p *partition) holds(from, to int64, within *Offsets) bool {
	if within != nil {
		return from < within.To && to > within.From
	}
	return !p.closed || from < p.upper.offset
}

// advance notes that an entry covers [from, to), and the hole or overlap before it.
func (p *partition) advance(from, to int64, index uint64, within *Offsets) {
	if p.started && from < p.next {
		p.overlap.add(p.next-from, from, index, "")
	}
	if p.started && from > p.next && p.holds(p.next, from, within) {
		for _, t := range p.tallies() {
			t.hole.add(from-p.next, p.next, index, "")
		}
	}
	if !p.started {
		p.a.mark = from
		if p.b != nil {
			p.b.mark = from
		}
	}
	p.started = true
	p.next = max(p.next, to)
}

func (p *partition) tallies() []*tally {
	if p.b == nil {
		return []*tally{p.a}
	}
	return []*tally{p.a, p.b}
}

// addSpan takes over a span entry.
func (a *Accumulator) addSpan(s *ledger.Span) {
	if a.lastSpan == nil || s.At > *a.lastSpan {
		at := s.At
		a.lastSpan = &at
	}
	key := topicKey{s.Cluster, s.Topic, s.TopicID}
	if !a.selected(s.Topic) {
		a.others[s.Topic] = true
		return
	}
	t := a.topics[key]
	if t == nil {
		t = &topic{}
		a.topics[key] = t
	}
	if !t.told {
		t.told, t.firstCount = true, s.Count
		if name := (topicKey{cluster: s.Cluster, topic: s.Topic}); s.TopicID != "" {
			if a.incarnations[name] {
				t.firstCount = 0 // it was made again since: all that is in it came in the ledger's time
			}
			a.incarnations[name] = true
		}
	}
	to := a.spec.Population.To
	if !t.ended || s.At < *to {
		t.count = max(t.count, s.Count)
	}
	t.ended = t.ended || to != nil && s.At >= *to
	t.latest = max(t.latest, s.At)
	for i, stable := range s.Stable {
		if n := s.Base + int32(i); n < t.count {
			p := a.partition(partitionKey{key, n})
			if !p.told {
				p.first = s.First[i]
			}
			p.latest = max(p.latest, s.At)
			p.tellSpan(s.At, stable, n >= t.firstCount, &a.spec.Population)
		}
	}
}

// partition finds what is known of a source partition.
func (a *Accumulator) partition(key partitionKey) *partition {
	p := a.partitions[key]
	if p == nil {
		p = &partition{a: newTally(0)}
		a.partitions[key] = p
	}
	return p
}
