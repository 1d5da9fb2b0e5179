package verify

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/demarc/demarc/ledger"
)

// Partition is what the log says of one partition of a source. Ranges and gaps tile [From, To).
type Partition struct {
	ledger.Stream
	From, To int64 // 0 and 0 if nothing is covered
	Ranges   uint64
	Replays  uint64
	Data     int64 // records of the ranges, replays left out
	Control  int64
	Absent   int64
	Gaps     []Gap
	Reach    *Reach // nil if no span tells of it

	newest  uint64 // entry of the newest range or gap
	version int64  // of the policy of the newest range
}

// Gap is an operator's word that a partition's offsets [From, To) were passed over.
type Gap struct {
	Entry    uint64
	From, To int64
	At       int64 // milliseconds since the epoch
	Reason   string
}

// Reach is how far a partition reached by all spans that tell of it. Instants do not order spans, so it is the widest.
type Reach struct {
	First  int64 // least first offset
	Stable int64 // greatest last stable offset
}

// Topic is a source topic by the spans that tell of it.
type Topic struct {
	Cluster, Topic, TopicID string
	Partitions              int32 // the most that a span tells of
}

// Uncovered lists what the partition held or holds by spans, and the log does not cover: before the first range, gaps,
// the tail after the last range. What lies there is no fault of the log; a claim has to count it.
func (p *Partition) Uncovered() []Interval {
	var open []Interval
	add := func(from, to int64) {
		if from < to {
			open = append(open, Interval{from, to})
		}
	}
	if p.Reach != nil && p.To == 0 {
		add(p.Reach.First, p.Reach.Stable)
		return open
	}
	if p.Reach != nil {
		add(p.Reach.First, p.From)
	}
	for _, g := range p.Gaps {
		add(g.From, g.To)
	}
	if p.Reach != nil {
		add(p.To, p.Reach.Stable)
	}
	return open
}

// source is what is known of the partitions and topics of sources.
type source struct {
	partitions map[ledger.Stream]*Partition
	topics     map[ledger.Stream]*Topic // the partition is 0
}

func newSource() source {
	return source{map[ledger.Stream]*Partition{}, map[ledger.Stream]*Topic{}}
}

func (s *source) partition(stream ledger.Stream) *Partition {
	p := s.partitions[stream]
	if p == nil {
		p = &Partition{Stream: stream}
		s.partitions[stream] = p
	}
	return p
}

// covers takes in a range, which must go on where its partition's coverage ends. A partition that moves between
// processes while a new policy is rolled out may come back to one that has not loaded it yet.
func (s *source) covers(index uint64, r *ledger.Range, sequenced bool, say sayer) {
	p := s.partition(r.Source.Stream())
	p.extend(index, r.Source, say)
	if !sequenced && r.Policy.Version < p.version {
		say("policy.version", "is %d after %d in entry %d: versions only grow", r.Policy.Version, p.version, p.newest)
	}
	p.newest, p.version = index, r.Policy.Version
	p.Ranges++
	p.Data += r.Data
	p.Control += r.Control
	p.Absent += r.Absent
}

// extend moves the end of the coverage.
func (p *Partition) extend(index uint64, s ledger.Source, say sayer) {
	switch {
	case p.To == 0:
		p.From = s.From
	case s.From > p.To:
		say("source.from", "the offsets [%d,%d) are missing: entry %d ends at %d", p.To, s.From, p.newest, p.To)
	case s.From < p.To:
		say("source.from", "overlaps entry %d, which ends at %d", p.newest, p.To)
	}
	p.To = max(p.To, s.To)
}

// replays takes in a range that must lie wholly below the end of its partition's coverage.
func (s *source) replays(r *ledger.Range, say sayer) {
	p := s.partition(r.Source.Stream())
	if r.Source.To > p.To {
		say("source.to", "a replay must lie below what is covered, which ends at %d", p.To)
	}
	p.Replays++
}

// gap takes in an operator's word; it goes on where the coverage ends, as a range does.
func (s *source) gap(index uint64, g *ledger.Gap, say sayer) {
	p := s.partition(g.Source.Stream())
	p.extend(index, g.Source, say)
	p.newest = index
	p.Gaps = append(p.Gaps, Gap{index, g.Source.From, g.Source.To, g.At, g.Reason})
}

// spans takes in how far a topic reached.
func (s *source) spans(span *ledger.Span) {
	stream := ledger.Stream{Cluster: span.Cluster, Topic: span.Topic, TopicID: span.TopicID}
	t := s.topics[stream]
	if t == nil {
		t = &Topic{Cluster: span.Cluster, Topic: span.Topic, TopicID: span.TopicID}
		s.topics[stream] = t
	}
	t.Partitions = max(t.Partitions, span.Count)
	for i := range span.First {
		stream.Partition = span.Base + int32(i)
		p := s.partition(stream)
		if p.Reach == nil {
			p.Reach = &Reach{span.First[i], span.Stable[i]}
		}
		p.Reach.First = min(p.Reach.First, span.First[i])
		p.Reach.Stable = max(p.Reach.Stable, span.Stable[i])
	}
}

// sorted lists partitions and topics in a fixed order.
func (s *source) sorted() ([]Partition, []Topic) {
	partitions := make([]Partition, 0, len(s.partitions))
	for _, stream := range slices.SortedFunc(maps.Keys(s.partitions), compareStreams) {
		partitions = append(partitions, *s.partitions[stream])
	}
	topics := make([]Topic, 0, len(s.topics))
	for _, stream := range slices.SortedFunc(maps.Keys(s.topics), compareStreams) {
		topics = append(topics, *s.topics[stream])
	}
	return partitions, topics
}

func compareStreams(a, b ledger.Stream) int {
	return cmp.Or(strings.Compare(a.Cluster, b.Cluster), strings.Compare(a.Topic, b.Topic),
		strings.Compare(a.TopicID, b.TopicID), cmp.Compare(a.Partition, b.Partition))
}
