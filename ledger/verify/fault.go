package verify

import (
	"fmt"

	"github.com/demarc/demarc/ledger"
)

// Fault is one thing that is wrong with a log.
type Fault struct {
	Entry   uint64 // index of the entry that shows it, if IsEntry
	IsEntry bool
	What    string // the entry in words, such as "range events/3 [1000,1800)", or what is wrong, such as "checkpoint"
	Field   string // of the entry, by its JSON names, such as "source.from"; may be empty
	Cause   string
}

// String is the fault as one line, such as
// "entry 1234 (range events/3 [1000,1800)): source.from: overlaps entry 1200, which ends at 1100".
func (f Fault) String() string {
	s := f.What
	if f.IsEntry {
		s = fmt.Sprintf("entry %d", f.Entry)
		if f.What != "" {
			s += " (" + f.What + ")"
		}
	}
	if f.Field != "" {
		s += ": " + f.Field
	}
	return s + ": " + f.Cause
}

// about is what a fault is about.
type about struct {
	entry   uint64
	isEntry bool
	what    string
	field   string
}

var aboutCheckpoint = about{what: "checkpoint"}

func aboutEntry(index uint64, e *ledger.Entry, field string) about {
	return about{entry: index, isEntry: true, what: describe(e), field: field}
}

// describe is an entry in a few words.
func describe(e *ledger.Entry) string {
	of := func(s ledger.Source) string {
		return fmt.Sprintf("%s %s/%d [%d,%d)", e.Kind, s.Topic, s.Partition, s.From, s.To)
	}
	switch {
	case e.Range != nil:
		return of(e.Range.Source)
	case e.Gap != nil:
		return of(e.Gap.Source)
	case e.Span != nil:
		return fmt.Sprintf("%s %s from %d", e.Kind, e.Span.Topic, e.Span.Base)
	case e.Policy != nil:
		return fmt.Sprintf("%s version %d part %d of %d", e.Kind, e.Policy.Version, e.Policy.Part, e.Policy.Parts)
	case e.Pins != nil:
		return fmt.Sprintf("%s %s", e.Kind, e.Pins.Sink)
	default:
		return string(e.Kind)
	}
}
