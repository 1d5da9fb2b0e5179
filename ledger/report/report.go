// Package report adds up how records were routed, from the entries of a ledger: by time, set of jurisdictions,
// reason and sink, in numbers and exact percentages, for analysts. It judges nothing: that is what claims are for.
package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/demarc/demarc/ledger"
	"github.com/demarc/demarc/ledger/share"
)

// Format names the form of a report's JSON document; it changes when a field changes its meaning or goes.
const Format = "demarc-report/1"

// Options say what a report is of. The zero value is everything as one period.
type Options struct {
	By            time.Duration // length of a period, which begins at a multiple of it in UTC; 0 for one period
	Topics        []string      // none: all
	Jurisdictions []string      // sets with at least one of them, "none" for the empty set; none: all
}

// maxPeriods bounds the memory of a report: records carry whatever times their producers gave them.
const maxPeriods = 100_000

// Accumulator adds up the entries of one ledger. It keeps what grows with periods and outcomes, not with entries.
type Accumulator struct {
	opts    Options
	outcome map[outcome]sum
	periods map[int64]bool
	ranges  uint64
	replays uint64
}

// outcome is what became of records of one period. Its fields are in the order of a report.
type outcome struct {
	period            int64 // first millisecond
	set, reason, sink string
}

type sum struct{ records, bytes uint64 }

// New makes an Accumulator.
func New(opts Options) *Accumulator {
	return &Accumulator{opts: opts, outcome: map[outcome]sum{}, periods: map[int64]bool{}}
}

// Add takes over one entry; their order does not matter. What is stored once more is counted apart, by its entries.
// An error says that the records' times are too far apart for the periods asked for.
func (a *Accumulator) Add(e *ledger.Entry) error {
	if e.Range == nil || len(a.opts.Topics) > 0 && !slices.Contains(a.opts.Topics, e.Range.Source.Topic) {
		return nil
	}
	if e.Kind == ledger.KindReplay {
		a.replays++
		return nil
	}
	a.ranges++
	period := a.period(e.Range.Time)
	for _, c := range e.Range.Counts {
		if !a.wanted(c.Set) {
			continue
		}
		a.periods[period] = true
		key := outcome{period, c.Set, c.Reason, c.Sink}
		s := a.outcome[key]
		a.outcome[key] = sum{s.records + uint64(c.Records), s.bytes + uint64(c.Bytes)}
	}
	if len(a.periods) > maxPeriods {
		return fmt.Errorf("add up ledger: its records' times fall into more than %d periods: take longer periods, or none", maxPeriods)
	}
	return nil
}

// period is the one in which the first of a range's records lies: a range is not divided.
func (a *Accumulator) period(times *ledger.Times) int64 {
	if a.opts.By == 0 || times == nil {
		return 0
	}
	by := a.opts.By.Milliseconds()
	past := times.First % by
	if past < 0 {
		past += by
	}
	return times.First - past
}

func (a *Accumulator) wanted(set string) bool {
	if len(a.opts.Jurisdictions) == 0 {
		return true
	}
	return slices.ContainsFunc(strings.Split(set, "+"), func(name string) bool { return slices.Contains(a.opts.Jurisdictions, name) })
}

// Ledger is what a report was read from.
type Ledger struct {
	Origin string `json:"origin"`
	Size   uint64 `json:"size"` // entries
	Root   string `json:"root"` // base64, as in the checkpoint
	Key    string `json:"key"`  // the verifier key that it was checked with; "" if it was not checked at all
}

// Report is how records were routed, and its own JSON document.
type Report struct {
	Format        string   `json:"format"`
	Ledger        Ledger   `json:"ledger"`
	By            string   `json:"by,omitempty"` // a period: hour, day, or its length as Go writes durations
	Topics        []string `json:"topics"`
	Jurisdictions []string `json:"jurisdictions"`
	Ranges        uint64   `json:"ranges"`  // entries that were added up
	Replays       uint64   `json:"replays"` // entries of what was stored once more, which is not added up
	Records       uint64   `json:"records"`
	Bytes         uint64   `json:"bytes"`
	Rows          []Row    `json:"rows"` // by period, then sets as they come by name, then the most records first
}

// Row is one outcome in one period. Percentages are texts as share.Percent writes them, of the records that the
// report is of.
type Row struct {
	Period  string `json:"period,omitempty"` // when it begins, RFC 3339
	Set     string `json:"set"`
	Reason  string `json:"reason"`
	Sink    string `json:"sink"`
	Records uint64 `json:"records"`
	Bytes   uint64 `json:"bytes"`
	OfSet   string `json:"percent_of_set"` // of the period's records of this set
	OfAll   string `json:"percent_of_all"` // of the period's records
}

func periodName(length time.Duration) string {
	switch length {
	case time.Hour:
		return "hour"
	case 24 * time.Hour:
		return "day"
	}
	return length.String()
}

// Report is what was added up. l is the ledger that the entries came from.
func (a *Accumulator) Report(l Ledger) *Report {
	r := &Report{
		Format: Format, Ledger: l, Topics: append([]string{}, a.opts.Topics...), Jurisdictions: append([]string{}, a.opts.Jurisdictions...),
		Ranges: a.ranges, Replays: a.replays, Rows: []Row{},
	}
	if a.opts.By > 0 {
		r.By = periodName(a.opts.By)
	}
	type setOf struct {
		period int64
		set    string
	}
	all, sets := map[int64]uint64{}, map[setOf]uint64{}
	keys := make([]outcome, 0, len(a.outcome))
	for key, s := range a.outcome {
		keys = append(keys, key)
		all[key.period] += s.records
		sets[setOf{key.period, key.set}] += s.records
		r.Records += s.records
		r.Bytes += s.bytes
	}
	slices.SortFunc(keys, func(x, y outcome) int {
		return cmp.Or(cmp.Compare(x.period, y.period), strings.Compare(x.set, y.set), cmp.Compare(a.outcome[y].records, a.outcome[x].records),
			strings.Compare(x.reason, y.reason), strings.Compare(x.sink, y.sink))
	})
	for _, key := range keys {
		s := a.outcome[key]
		row := Row{
			Set: key.set, Reason: key.reason, Sink: key.sink, Records: s.records, Bytes: s.bytes,
			OfSet: share.Percent(s.records, sets[setOf{key.period, key.set}]), OfAll: share.Percent(s.records, all[key.period]),
		}
		if a.opts.By > 0 {
			row.Period = time.UnixMilli(key.period).UTC().Format(time.RFC3339)
		}
		r.Rows = append(r.Rows, row)
	}
	return r
}
