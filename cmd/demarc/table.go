package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/demarc/demarc/classifier"
	"github.com/demarc/demarc/internal/record"
	"github.com/demarc/demarc/ledger/share"
)

// tally is how many records had one outcome.
type tally map[record.Outcome]uint64

func (t tally) total() (n uint64) {
	for _, records := range t {
		n += records
	}
	return n
}

func (t tally) quarantined() (n uint64) {
	for o, records := range t {
		if o.Reason.Quarantines() {
			n += records
		}
	}
	return n
}

// inSink is how many records one sink took.
func (t tally) inSink(sink int16) (n uint64) {
	for o, records := range t {
		if o.Sink == sink {
			n += records
		}
	}
	return n
}

// outcomes lists what was counted, in policy order.
func (t tally) outcomes() []record.Outcome {
	list := make([]record.Outcome, 0, len(t))
	for o := range t {
		list = append(list, o)
	}
	slices.SortFunc(list, func(a, b record.Outcome) int {
		return cmp.Or(
			cmp.Compare(a.Set.Len(), b.Set.Len()), cmp.Compare(a.Set, b.Set),
			cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Sink, b.Sink))
	})
	return list
}

// writeRouting prints where the decided records of each jurisdiction set went, a line for each sink that got
// any, and for whom the quarantined ones wait and why.
func (t tally) writeRouting(out io.Writer, p *classifier.Policy) error {
	names := p.JurisdictionNames()
	decided := map[record.Set]uint64{}
	for o, n := range t {
		if !o.Reason.Quarantines() {
			decided[o.Set] += n
		}
	}
	var rows [][]string
	for _, o := range t.outcomes() {
		if !o.Reason.Quarantines() && t[o] > 0 {
			set := o.Set.Join(names)
			rows = append(rows, []string{set, share.Percent(t[o], decided[o.Set]) + " %", "of", share.Thousands(decided[o.Set]), set, "records -> " + p.Sinks[o.Sink].Name})
		}
	}
	if err := writeAligned(out, rows); err != nil {
		return err
	}
	part := ""
	if t.total() > 0 {
		part = " (" + share.Percent(t.quarantined(), t.total()) + " %)"
	}
	if _, err := fmt.Fprintf(out, "\n  quarantined: %s of %s records%s\n", share.Thousands(t.quarantined()), share.Thousands(t.total()), part); err != nil {
		return err
	}
	return t.writeReasons(out, p)
}

// writeReasons prints why records were quarantined and where they wait, the most frequent reason first.
func (t tally) writeReasons(out io.Writer, p *classifier.Policy) error {
	byReason := map[record.Reason]tally{}
	for o, n := range t {
		if o.Reason.Quarantines() {
			if byReason[o.Reason] == nil {
				byReason[o.Reason] = tally{}
			}
			byReason[o.Reason][o] = n
		}
	}
	reasons := slices.SortedFunc(maps.Keys(byReason), func(a, b record.Reason) int {
		return cmp.Or(cmp.Compare(byReason[b].total(), byReason[a].total()), cmp.Compare(a, b))
	})
	var rows [][]string
	for _, reason := range reasons {
		var places []string
		for i, sink := range p.Sinks {
			if n := byReason[reason].inSink(int16(i)); n > 0 {
				places = append(places, sink.Name+" "+share.Thousands(n))
			}
		}
		rows = append(rows, []string{share.Thousands(byReason[reason].total()), reason.String(),
			fmt.Sprintf("%-*s -> %s", record.LongestCause, reason.Cause(), strings.Join(places, ", "))})
	}
	return writeAligned(out, rows)
}

// writeAligned prints rows of as many cells each, all but the last one flush right, with an indent of two.
func writeAligned(out io.Writer, rows [][]string) error {
	var width [16]int
	for _, row := range rows {
		for i, cell := range row[:len(row)-1] {
			width[i] = max(width[i], len(cell))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		b.WriteByte(' ')
		for i, cell := range row {
			fmt.Fprintf(&b, " %*s", width[i], cell)
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(out, b.String())
	return err
}
