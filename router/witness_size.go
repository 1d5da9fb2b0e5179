package router

import (
	"errors"
	"fmt"

	"github.com/demarc/demarc/classifier"
	"github.com/demarc/demarc/internal/record"
	"github.com/demarc/demarc/ledger"
)

// What the parts of an entry take at most, beside the names in them: keys, quotes and numbers of 16 digits.
const (
	countSize   = 110
	setSize     = 42
	receiptSize = 230
	clusterSize = 64 // of a cluster id, of which Kafka makes 22 characters
	fileSize    = 36 // of a file's name, beside the source topic's
)

// measure notes how long what recurs in entries is.
func (w *witness) measure(p *classifier.Policy) {
	for _, name := range p.JurisdictionNames() {
		w.nameSizes = append(w.nameSizes, len(name)+1)
	}
	topic := 0
	for _, t := range w.router.cfg.Topics {
		topic = max(topic, len(t))
	}
	for i := range p.Sinks {
		size := receiptSize + 2*len(p.Sinks[i].Name)
		if p.Sinks[i].Kafka != nil {
			size += clusterSize + len(p.Sinks[i].Kafka.Topic)
		} else {
			size += fileSize + topic
		}
		w.receiptSize = append(w.receiptSize, size)
	}
}

// countBytes is how long the count of an outcome is, setBytes that of a set in a receipt, and receiptBytes a receipt
// but for its sets.
func (w *witness) countBytes(o record.Outcome) int {
	return countSize + w.setBytes(o.Set) + 2*len(w.router.sinkName(int(o.Sink)))
}

func (w *witness) setBytes(s record.Set) int {
	size := setSize
	for rest := s; rest != 0; rest &= rest - 1 {
		size += w.nameSizes[rest.First()]
	}
	return size
}

func (w *witness) receiptBytes(sink int) int { return w.receiptSize[sink] }

// errTooManyPlaces says that sinks have divided what they got, for its size or around records that they refuse, into
// more pieces than one entry can tell the places of.
var errTooManyPlaces = errors.New("sinks have stored a segment in more places than an entry can tell")

// rangeSize is what is in the entry of a range beside counts and receipts.
const rangeSize = 1200

// entryBytes guesses, on the safe side, how long the entry of a range is.
func entryBytes(r *ledger.Range) int {
	size := rangeSize
	for i := range r.Counts {
		size += countSize + len(r.Counts[i].Set) + len(r.Counts[i].Sink)
	}
	for i := range r.Receipts {
		receipt := &r.Receipts[i]
		size += receiptSize + len(receipt.Sink)
		if receipt.File != nil {
			size += len(receipt.File.Name)
		} else {
			size += len(receipt.Kafka.Cluster) + len(receipt.Kafka.Topic)
		}
		for j := range receipt.Counts {
			size += setSize + len(receipt.Counts[j].Set)
		}
	}
	return size
}

// pins is the entry of what a sink found out about its place.
func (w *witness) pins(i int, proof record.Proof) *ledger.Pins {
	sink := &w.router.classifier.Policy().Sinks[i]
	p := &ledger.Pins{
		At: w.router.now().UnixMilli(), Sink: sink.Name, Policy: w.policy, Held: proof.Held, Unpinned: sink.Unpinned,
		Location: ledger.Location{Country: sink.Location.Country.String(), Region: sink.Location.Region, Operator: sink.Location.Operator},
	}
	if sink.File != nil {
		p.Place.Directory = sink.File.Dir
	} else {
		p.Place.Topic, p.Place.Cluster = sink.Kafka.Topic, proof.Cluster
	}
	p.Checks = checks(proof.Checks)
	return p
}

// Bounds of what an entry tells of pins: a policy may list thousands of addresses, and a cluster have many brokers.
const (
	expectedBytes = 8 << 10  // of one check
	checksBytes   = 40 << 10 // of all
)

// checks tells the checks of a proof, as far as one entry holds them. Those that did not hold are all told, and of each
// pin one that did.
func checks(all []record.Check) (list []ledger.Check) {
	size, pin := 0, ""
	for _, c := range all {
		expected := shortened(c.Expected)
		own := 2 * len(c.Seen)
		for _, e := range expected {
			own += 2*len(e) + 3
		}
		if c.Held && c.Pin == pin && size+own > checksBytes {
			continue
		}
		size, pin = size+own, c.Pin
		list = append(list, ledger.Check{Pin: c.Pin, Expected: expected, Seen: c.Seen, Held: c.Held})
	}
	return list
}

// shortened is a list as far as it is to be told. The policy, which the ledger holds, has all of it.
func shortened(list []string) []string {
	size := 0
	for i, e := range list {
		if size += 2*len(e) + 3; size > expectedBytes {
			return append(list[:i:i], fmt.Sprintf("and %d more in the policy", len(list)-i))
		}
	}
	return list
}
