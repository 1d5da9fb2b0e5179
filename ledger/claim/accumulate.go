// Package claim judges a claim on a ledger: that the records of one jurisdiction were routed into named sinks and
// nowhere else. CLAIMS.md describes the claim file, what is judged and what is not.
//
// It reads entries that ledger/verify has verified, once and in their order, and keeps what grows with partitions
// and outcomes, not with entries. It knows no clock: a claim on the same ledger size has the same bytes.
package claim

import (
	"path"
	"slices"

	"github.com/demarc/demarc/ledger"
)

// Accumulator judges one claim. Feed it every entry of a ledger, then ask for the Claim.
type Accumulator struct {
	spec       *Spec
	recount    *Recount // nil: there is none
	doubts     doubts
	listed     map[uint64][]difference // of the recount, by entry; those that fit their entry are taken out
	receipts   map[string]int64        // by sink, of the entries that were recounted
	outcomes   int64                   // range and replay entries among these
	stored     int64                   // records of their receipts
	topics     map[topicKey]*topic
	partitions map[partitionKey]*partition
	others     map[string]bool // topics that the claim is not about

	incarnations map[topicKey]bool // topics, without their ids, of which spans tell
	policyBytes  int               // of the texts of policies that were read
	policies     map[string]*policy
	lastSpan     *int64 // the greatest time of any span, in milliseconds since the epoch

	pins      map[pinKey]int // the latest state, in facts
	facts     []pinFact
	factIndex map[pinFact]int

	places  map[place]*coverage
	shelves map[shelf]*filed
}

// pinKey is one sink as one policy describes it.
type pinKey struct{ sink, policy string }

// pinFact is what a sink was found to be.
type pinFact struct {
	sink           string
	location       ledger.Location
	place          ledger.Place
	held, unpinned bool
	contradicts    string // in what this is another sink than the policy describes
}

// New makes an Accumulator for a claim. recount may be nil; if not, the caller has proved that its tree is a prefix of
// the one whose entries follow.
func New(spec *Spec, recount *Recount) *Accumulator {
	a := &Accumulator{
		spec: spec, recount: recount, doubts: newDoubts(spec.Verb, recount), listed: map[uint64][]difference{}, receipts: map[string]int64{},
		topics: map[topicKey]*topic{}, partitions: map[partitionKey]*partition{}, others: map[string]bool{},
		incarnations: map[topicKey]bool{}, policies: map[string]*policy{}, pins: map[pinKey]int{}, factIndex: map[pinFact]int{},
		places: map[place]*coverage{}, shelves: map[shelf]*filed{},
	}
	if recount != nil {
		for _, d := range recount.Listed {
			if d.Entry != nil && d.Kind != kindLedger {
				a.listed[*d.Entry] = append(a.listed[*d.Entry], d)
			}
		}
	}
	return a
}

// Add takes over one verified entry: its ranges tile, its receipts add up to its counts. Entries come in the order
// of the log. The entry is not kept.
func (a *Accumulator) Add(index uint64, e *ledger.Entry) {
	switch e.Kind {
	case ledger.KindSpan:
		a.addSpan(e.Span)
	case ledger.KindPolicy:
		a.addPolicy(e.Policy)
	case ledger.KindPins:
		a.addPins(e.Pins)
	case ledger.KindGap:
		a.addGap(index, e.Gap)
	case ledger.KindRange, ledger.KindReplay:
		a.addRange(index, e.Range, e.Kind == ledger.KindReplay)
	}
}

func (a *Accumulator) addPins(e *ledger.Pins) {
	f := pinFact{e.Sink, e.Location, e.Place, e.Held, e.Unpinned, a.contradiction(e)}
	i, known := a.factIndex[f]
	if !known {
		i = len(a.facts)
		a.facts, a.factIndex[f] = append(a.facts, f), i
	}
	a.pins[pinKey{e.Sink, e.Policy.SHA256}] = i
}

// addGap notes offsets that the operator passed over. They count as not covered.
func (a *Accumulator) addGap(index uint64, e *ledger.Gap) {
	p, within := a.source(e.Source)
	if p == nil {
		return
	}
	p.advance(e.Source.From, e.Source.To, index, within)
	if !p.holds(e.Source.From, e.Source.To, within) {
		return
	}
	for _, t := range p.tallies() {
		t.reach(e.Source.From, within)
		t.gap.add(e.Source.To-e.Source.From, e.Source.From, index, e.Reason)
		t.to = e.Source.To
	}
}

// addRange notes what became of a source range. Its receipts count for the sinks in any case: another topic's
// records may lie between those of the claim's.
func (a *Accumulator) addRange(index uint64, e *ledger.Range, replay bool) {
	s := seen{index: index, Range: e, replay: replay, facts: map[string]fact{}}
	for _, c := range e.Counts {
		if i, known := a.pins[pinKey{c.Sink, e.Policy.SHA256}]; known {
			s.facts[c.Sink] = fact{index: i}
		}
	}
	a.note(&s)
	for i := range e.Receipts {
		a.addReceipt(&s, &e.Receipts[i])
	}
	s.doubted = map[string]bool{}
	for _, c := range e.Counts {
		s.doubted[c.Sink] = a.doubted(&s, c.Sink)
	}
	p, within := a.source(e.Source)
	if p == nil {
		return
	}
	from, to := e.Source.From, e.Source.To
	if !replay {
		p.advance(from, to, index, within)
	}
	if !p.holds(from, to, within) {
		return
	}
	for _, t := range p.tallies() {
		t.reach(from, within)
		if to > t.mark {
			t.to = max(t.to, to)
			t.add(s)
		}
	}
}

// addReceipt notes where a sink stored records, and whether that is the place whose pins were checked.
func (a *Accumulator) addReceipt(s *seen, r *ledger.Receipt) {
	f, known := s.facts[r.Sink]
	switch {
	case r.Kafka != nil:
		if known {
			at := a.facts[f.index].place
			f.elsewhere = f.elsewhere || at.Cluster != r.Kafka.Cluster || at.Topic != r.Kafka.Topic
		}
		at := place{r.Kafka.Cluster, r.Kafka.Topic, r.Kafka.Partition}
		c := a.places[at]
		if c == nil {
			c = &coverage{}
			a.places[at] = c
		}
		c.add(extent{r.Kafka.Base, r.Kafka.Last + 1}, s.index)
		if !s.above {
			c.recounted++
		}
	case r.File != nil:
		if known {
			f.elsewhere = f.elsewhere || a.facts[f.index].place.Directory == ""
		}
		key := shelf{r.Sink, path.Dir(r.File.Name)}
		at := a.shelves[key]
		if at == nil {
			at = &filed{}
			a.shelves[key] = at
		}
		if n := at.add(r.File.Name, r.File.From, r.File.To); n > 0 {
			if s.holes == nil {
				s.holes = map[string]int64{}
			}
			s.holes[r.Sink] += n
		}
	}
	if known {
		s.facts[r.Sink] = f
	}
}

// source finds the partition of a source range, nil if the claim is not about it, and its offsets if the claim
// gives them.
func (a *Accumulator) source(s ledger.Source) (*partition, *Offsets) {
	if !a.selected(s.Topic) {
		a.others[s.Topic] = true
		return nil, nil
	}
	key := topicKey{s.Cluster, s.Topic, s.TopicID}
	t := a.topics[key]
	if t == nil {
		t = &topic{}
		a.topics[key] = t
	}
	if t.ended && s.Partition >= t.count {
		return nil, nil // it was made after the period
	}
	p := a.partition(partitionKey{key, s.Partition})
	if a.spec.Population.Offsets == nil {
		return p, nil
	}
	within := a.spec.Population.Offsets[s.Topic][s.Partition] // none given is the empty range
	return p, &within
}

// selected reports whether a claim is about a topic.
func (a *Accumulator) selected(topic string) bool {
	topics := a.spec.Population.Topics
	return len(topics) == 0 || slices.Contains(topics, topic)
}
