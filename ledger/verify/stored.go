package verify

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/demarc/demarc/ledger"
)

// StoredPlace is what receipts say lies in one place: a partition of a sink's topic, or a file of its directory.
type StoredPlace struct {
	Sink      string // of the first receipt
	Cluster   string // of a topic
	Topic     string
	Partition int32
	Directory string // of a file
	File      string
	Receipts  uint64
	Records   int64
	Covered   []Interval // offsets, or bytes of the file; apart and in order. What lies between has no receipt
}

// place is where receipts lie. Two sinks of a policy that write to one place share its offsets.
type place struct {
	cluster, topic  string
	partition       int32
	directory, file string
}

func (p place) String() string {
	if p.topic != "" {
		return fmt.Sprintf("%s/%d of cluster %s", p.topic, p.partition, p.cluster)
	}
	return p.file + " in " + p.directory
}

// stored is what is known of sinks: where they are, and what they hold.
type stored struct {
	sinks  map[sinkOf]*pinned
	places map[place]*StoredPlace
}

// sinkOf is a sink of a policy; another policy may give its name to another place.
type sinkOf struct{ policy, sink string }

// pinned is the newest word on where a sink is.
type pinned struct {
	entry uint64
	pins  ledger.Pins
	held  bool // by this or an earlier word
}

func newStored() stored { return stored{map[sinkOf]*pinned{}, map[place]*StoredPlace{}} }

// pins takes in that a sink was found to be a place, or not to be it.
func (s *stored) pins(index uint64, p *ledger.Pins, say sayer) {
	of := sinkOf{p.Policy.SHA256, p.Sink}
	held := p.Held
	if before := s.sinks[of]; before != nil {
		held = held || before.held
		if before.pins.Location != p.Location {
			say("location", "differs from that in entry %d under the same policy", before.entry)
		}
		if before.pins.Unpinned != p.Unpinned {
			say("unpinned", "differs from that in entry %d under the same policy", before.entry)
		}
	}
	s.sinks[of] = &pinned{index, *p, held}
}

// receipts takes in where records of a range were stored.
func (s *stored) receipts(r *ledger.Range, sequenced bool, say sayer) {
	for i := range r.Receipts {
		receipt := &r.Receipts[i]
		sayHere := func(field, format string, args ...any) {
			say(fmt.Sprintf("receipts[%d].%s", i, field), format, args...)
		}
		directory := s.isThere(r.Policy, receipt, sequenced, sayHere)
		s.store(receipt, directory, sayHere)
	}
}

// isThere checks that a receipt's sink was known to be where the receipt is from. It returns the sink's directory. The
// newest word must say that the pins held; among several processes the word of one does not bind the others.
func (s *stored) isThere(policy ledger.PolicyRef, r *ledger.Receipt, sequenced bool, say sayer) (directory string) {
	known := s.sinks[sinkOf{policy.SHA256, r.Sink}]
	if known == nil {
		say("sink", "no entry before tells what %q was found to be under this policy", r.Sink)
		return ""
	}
	if !known.held || !sequenced && !known.pins.Held {
		say("sink", "the pins of %q did not hold, says entry %d", r.Sink, known.entry)
	}
	at := known.pins.Place
	switch {
	case r.File != nil && at.Directory == "":
		say("file", "%q is not a directory, says entry %d", r.Sink, known.entry)
	case r.Kafka != nil && (at.Topic != r.Kafka.Topic || at.Cluster != r.Kafka.Cluster):
		say("kafka", "is of topic %s of cluster %q, but %q is topic %q of cluster %q, says entry %d",
			r.Kafka.Topic, r.Kafka.Cluster, r.Sink, at.Topic, at.Cluster, known.entry)
	}
	return at.Directory
}

// store adds a receipt's offsets or bytes to those of its place.
func (s *stored) store(r *ledger.Receipt, directory string, say sayer) {
	var at place
	var in Interval
	var field string
	if r.Kafka != nil {
		at, in, field = place{cluster: r.Kafka.Cluster, topic: r.Kafka.Topic, partition: r.Kafka.Partition}, Interval{r.Kafka.Base, r.Kafka.Last + 1}, "kafka.base"
	} else {
		at, in, field = place{directory: directory, file: r.File.Name}, Interval{r.File.From, r.File.To}, "file.from"
	}
	p := s.places[at]
	if p == nil {
		p = &StoredPlace{Sink: r.Sink, Cluster: at.cluster, Topic: at.topic, Partition: at.partition, Directory: at.directory, File: at.file}
		s.places[at] = p
	}
	p.Receipts++
	for _, n := range r.Counts {
		p.Records += n.Records
	}
	if twice, overlaps := (*intervals)(&p.Covered).add(in); overlaps {
		say(field, "[%d,%d) of %s has a receipt already", twice.From, twice.To, at)
	}
}

// sorted lists the places in a fixed order.
func (s *stored) sorted() []StoredPlace {
	all := make([]StoredPlace, 0, len(s.places))
	for p := range maps.Values(s.places) {
		all = append(all, *p)
	}
	slices.SortFunc(all, func(a, b StoredPlace) int {
		return cmp.Or(strings.Compare(a.Sink, b.Sink), strings.Compare(a.Cluster, b.Cluster), strings.Compare(a.Topic, b.Topic),
			cmp.Compare(a.Partition, b.Partition), strings.Compare(a.Directory, b.Directory), strings.Compare(a.File, b.File))
	})
	return all
}
