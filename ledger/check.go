package ledger

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/demarc/demarc/internal/record"
)

// check holds the rules that relate the fields of one entry to each other.
func (e *Entry) check() error {
	switch e.Kind {
	case KindRange, KindReplay:
		return under(string(e.Kind), e.Range.check())
	case KindSpan:
		return under("span", e.Span.check())
	case KindPolicy:
		return under("policy", e.Policy.check())
	case KindPins:
		return under("pins", e.Pins.check())
	default:
		return under("gap", e.Gap.Source.check())
	}
}

// under puts a field's name before an error's.
func under(field string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s.%w", field, err)
}

func (s *Source) check() error {
	if s.To <= s.From {
		return fmt.Errorf("source.to: is %d, want above from, %d", s.To, s.From)
	}
	return nil
}

func (r *Range) check() error {
	if err := r.Source.check(); err != nil {
		return err
	}
	if sum := r.Data + r.Control + r.Absent; sum != r.Source.To-r.Source.From {
		return fmt.Errorf("data: data, control and absent are %d, the source range has %d offsets", sum, r.Source.To-r.Source.From)
	}
	if err := r.checkCounts(); err != nil {
		return err
	}
	if (r.Time != nil) != (r.Data > 0) {
		return fmt.Errorf("time: want it where there are records and only there, data is %d", r.Data)
	}
	if r.Time != nil && r.Time.Last < r.Time.First {
		return fmt.Errorf("time.last: is %d, want at least first, %d", r.Time.Last, r.Time.First)
	}
	for i := range r.Receipts {
		if err := r.Receipts[i].check(); err != nil {
			return under(fmt.Sprintf("receipts[%d]", i), err)
		}
		if i == 0 {
			continue
		}
		if err := inOrder(&r.Receipts[i-1], &r.Receipts[i]); err != nil {
			return under(fmt.Sprintf("receipts[%d]", i), err)
		}
	}
	return r.checkBalance()
}

func (r *Range) checkCounts() error {
	sum := int64(0)
	for i, n := range r.Counts {
		reason, _ := record.ParseReason(n.Reason)
		joined := strings.Contains(n.Set, "+")
		if reason == record.Decided && (joined || n.Set == noSet) || reason == record.Overlap && !joined {
			return fmt.Errorf("counts[%d].set: is %q, which reason %s cannot have", i, n.Set, n.Reason)
		}
		if i > 0 && compareCounts(r.Counts[i-1], n) >= 0 {
			return fmt.Errorf("counts[%d]: want counts sorted by set, reason and sink, each once", i)
		}
		sum += n.Records
	}
	if sum != r.Data {
		return fmt.Errorf("counts: their records are %d, data is %d", sum, r.Data)
	}
	return nil
}

func compareCounts(a, b Count) int {
	return cmp.Or(strings.Compare(a.Set, b.Set), strings.Compare(a.Reason, b.Reason), strings.Compare(a.Sink, b.Sink))
}

func (r *Receipt) check() error {
	if (r.File != nil) == (r.Kafka != nil) {
		return fmt.Errorf("file: want one of file and kafka")
	}
	sum := int64(0)
	for i, n := range r.Counts {
		if i > 0 && r.Counts[i-1].Set >= n.Set {
			return fmt.Errorf("counts[%d].set: want counts sorted by set, each once", i)
		}
		sum += n.Records
	}
	if sum == 0 {
		return fmt.Errorf("counts: is empty")
	}
	if k := r.Kafka; k != nil && k.Last-k.Base+1 != sum {
		return fmt.Errorf("kafka.last: offsets %d to %d are not the %d records of counts", k.Base, k.Last, sum)
	}
	if f := r.File; f != nil && f.To <= f.From {
		return fmt.Errorf("file.to: is %d, want above from, %d", f.To, f.From)
	}
	return nil
}

// inOrder reports whether b follows a, and tells of other bytes or offsets than a.
func inOrder(a, b *Receipt) error {
	var order int
	overlap := false
	switch {
	case a.Sink != b.Sink:
		order = strings.Compare(a.Sink, b.Sink)
	case a.File != nil && b.File != nil:
		order = cmp.Or(strings.Compare(a.File.Name, b.File.Name), cmp.Compare(a.File.From, b.File.From))
		overlap = a.File.Name == b.File.Name && b.File.From < a.File.To
	case a.Kafka != nil && b.Kafka != nil:
		ka, kb := a.Kafka, b.Kafka
		place := cmp.Or(strings.Compare(ka.Cluster, kb.Cluster), strings.Compare(ka.Topic, kb.Topic), cmp.Compare(ka.Partition, kb.Partition))
		order = cmp.Or(place, cmp.Compare(ka.Base, kb.Base))
		overlap = place == 0 && kb.Base <= ka.Last
	case a.File != nil:
		order = -1
	default:
		order = 1
	}
	if order >= 0 {
		return fmt.Errorf("sink: want receipts sorted by sink and place, each once")
	}
	if overlap {
		return fmt.Errorf("sink: the receipt overlaps the one before it")
	}
	return nil
}

// checkBalance compares, for each sink and set, the records counted with those received.
func (r *Range) checkBalance() error {
	type amount struct {
		sink, set string
		records   int64
	}
	amounts := make([]amount, 0, len(r.Counts)+2*len(r.Receipts))
	for _, n := range r.Counts {
		amounts = append(amounts, amount{n.Sink, n.Set, n.Records})
	}
	for _, receipt := range r.Receipts {
		for _, n := range receipt.Counts {
			amounts = append(amounts, amount{receipt.Sink, n.Set, -n.Records})
		}
	}
	slices.SortFunc(amounts, func(a, b amount) int {
		return cmp.Or(strings.Compare(a.sink, b.sink), strings.Compare(a.set, b.set))
	})
	sum := int64(0)
	for i, a := range amounts {
		sum += a.records
		if i+1 < len(amounts) && amounts[i+1].sink == a.sink && amounts[i+1].set == a.set {
			continue
		}
		if sum != 0 {
			return fmt.Errorf("receipts: those of sink %q and set %q hold %d records less than counts say", a.sink, a.set, sum)
		}
	}
	return nil
}

func (s *Span) check() error {
	if len(s.First) == 0 || len(s.First) != len(s.Stable) {
		return fmt.Errorf("first: has %d partitions, stable has %d", len(s.First), len(s.Stable))
	}
	if int64(s.Base)+int64(len(s.First)) > int64(s.Count) {
		return fmt.Errorf("first: partitions %d to %d are told of, the topic has %d", s.Base, int(s.Base)+len(s.First)-1, s.Count)
	}
	for i := range s.First {
		if s.Stable[i] < s.First[i] {
			return fmt.Errorf("stable[%d]: is %d, want at least first, %d", i, s.Stable[i], s.First[i])
		}
	}
	return nil
}

func (p *Policy) check() error {
	switch {
	case p.Part > p.Parts:
		return fmt.Errorf("part: is %d of %d", p.Part, p.Parts)
	case p.Text == "":
		return fmt.Errorf("text: is empty")
	}
	if p.Parts == 1 {
		if sum := sha256.Sum256([]byte(p.Text)); hex.EncodeToString(sum[:]) != p.SHA256 {
			return fmt.Errorf("sha256: the text's is %x", sum)
		}
	}
	return nil
}

func (p *Pins) check() error {
	held := true
	for i, k := range p.Checks {
		if len(k.Expected) == 0 {
			return fmt.Errorf("checks[%d].expected: is empty", i)
		}
		if i > 0 && cmp.Or(strings.Compare(p.Checks[i-1].Pin, k.Pin), strings.Compare(p.Checks[i-1].Seen, k.Seen)) >= 0 {
			return fmt.Errorf("checks[%d]: want checks sorted by pin and seen, each once", i)
		}
		held = held && k.Held
	}
	if held != p.Held {
		return fmt.Errorf("held: is %t, the checks together say %t", p.Held, held)
	}
	if len(p.Checks) == 0 && !p.Unpinned {
		return fmt.Errorf("checks: is empty, and the sink is not unpinned")
	}
	return p.checkPlace()
}

func (p *Pins) checkPlace() error {
	if (p.Place.Directory != "") == (p.Place.Topic != "") {
		return fmt.Errorf("place: want one of directory and topic")
	}
	if p.Place.Cluster == "" && p.Place.Topic != "" && p.Held {
		return fmt.Errorf("place.cluster: is absent, and the pins held")
	}
	if p.Place.Cluster != "" && p.Place.Directory != "" {
		return fmt.Errorf("place.cluster: a directory has none")
	}
	return nil
}
