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
	covered   intervals // offsets, or bytes of the file. What lies between has no receipt
}

// Covered lists the offsets that have a receipt, or the bytes of the file: apart, and in order.
func (p *StoredPlace) Covered() []Interval { return p.covered.list() }

// Sink is what pins entries say of one sink of one policy.
type Sink struct {
	Name     string
	Policy   ledger.PolicyRef
	Entry    uint64      // index of the newest of them
	Newest   ledger.Pins // what it says
	Held     bool        // whether this or an earlier one says that the pins held
	Receipts uint64      // of this sink under this policy
	Records  int64
	// Receipts that follow an entry that says that the pins did not hold, and their records. What they tell of may have
	// been stored before; nothing vouches for it.
	UnvouchedReceipts uint64
	UnvouchedRecords  int64
	UnvouchedEntry    uint64 // the first entry with such a receipt, if there is one
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
	sinks  map[sinkOf]*Sink
	places map[place]*StoredPlace
}

// sinkOf is a sink of a policy; another policy may give its name to another place.
type sinkOf struct {
	policy ledger.PolicyRef
	sink   string
}

func newStored() stored { return stored{map[sinkOf]*Sink{}, map[place]*StoredPlace{}} }

// pins takes in that a sink was found to be a place, or not to be it.
func (s *stored) pins(index uint64, p *ledger.Pins, say sayer) {
	of := sinkOf{p.Policy, p.Sink}
	known := s.sinks[of]
	if known == nil {
		known = &Sink{Name: p.Sink, Policy: p.Policy}
		s.sinks[of] = known
	} else {
		if known.Newest.Location != p.Location {
			say("location", "differs from that in entry %d under the same policy", known.Entry)
		}
		if known.Newest.Unpinned != p.Unpinned {
			say("unpinned", "differs from that in entry %d under the same policy", known.Entry)
		}
	}
	known.Entry, known.Newest, known.Held = index, *p, known.Held || p.Held
}

// receipts takes in where records of a range were stored.
func (s *stored) receipts(index uint64, r *ledger.Range, say sayer) {
	for i := range r.Receipts {
		receipt := &r.Receipts[i]
		records := int64(0)
		for _, n := range receipt.Counts {
			records += n.Records
		}
		sayHere := func(field, format string, args ...any) {
			say(fmt.Sprintf("receipts[%d].%s", i, field), format, args...)
		}
		directory := ""
		if sink := s.sinks[sinkOf{r.Policy, receipt.Sink}]; sink == nil {
			sayHere("sink", "no entry before tells what %q was found to be under this policy", receipt.Sink)
		} else {
			sink.takes(index, receipt, records, sayHere)
			directory = sink.Newest.Place.Directory
		}
		s.store(receipt, directory, records, sayHere)
	}
}

// takes checks that a receipt is from where the sink was found to be.
func (k *Sink) takes(index uint64, r *ledger.Receipt, records int64, say sayer) {
	k.Receipts++
	k.Records += records
	if !k.Held {
		say("sink", "the pins of %q never held before, see entry %d", k.Name, k.Entry)
	} else if !k.Newest.Held {
		if k.UnvouchedReceipts == 0 {
			k.UnvouchedEntry = index
		}
		k.UnvouchedReceipts++
		k.UnvouchedRecords += records
	}
	at := k.Newest.Place
	switch {
	case r.File != nil && at.Directory == "":
		say("file", "%q is not a directory, says entry %d", k.Name, k.Entry)
	case r.Kafka != nil && (at.Topic != r.Kafka.Topic || at.Cluster != r.Kafka.Cluster && k.Newest.Held):
		say("kafka", "is of topic %s of cluster %q, but %q is topic %q of cluster %q, says entry %d",
			r.Kafka.Topic, r.Kafka.Cluster, k.Name, at.Topic, at.Cluster, k.Entry)
	}
}

// store adds a receipt's offsets or bytes to those of its place.
func (s *stored) store(r *ledger.Receipt, directory string, records int64, say sayer) {
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
	p.Records += records
	if twice, overlaps := p.covered.add(in); overlaps {
		say(field, "[%d,%d) of %s has a receipt already", twice.From, twice.To, at)
	}
}

// sorted lists sinks and places in a fixed order.
func (s *stored) sorted() ([]Sink, []StoredPlace) {
	sinks := make([]Sink, 0, len(s.sinks))
	for k := range maps.Values(s.sinks) {
		sinks = append(sinks, *k)
	}
	slices.SortFunc(sinks, func(a, b Sink) int {
		return cmp.Or(cmp.Compare(a.Policy.Version, b.Policy.Version), strings.Compare(a.Policy.SHA256, b.Policy.SHA256), strings.Compare(a.Name, b.Name))
	})
	places := make([]StoredPlace, 0, len(s.places))
	for p := range maps.Values(s.places) {
		places = append(places, *p)
	}
	slices.SortFunc(places, func(a, b StoredPlace) int {
		return cmp.Or(strings.Compare(a.Sink, b.Sink), strings.Compare(a.Cluster, b.Cluster), strings.Compare(a.Topic, b.Topic),
			cmp.Compare(a.Partition, b.Partition), strings.Compare(a.Directory, b.Directory), strings.Compare(a.File, b.File))
	})
	return sinks, places
}
