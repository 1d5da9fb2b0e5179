package recount

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/demarc/demarc/internal/record"
)

// report gathers a Result from several goroutines. They hand in what they have counted once for a place, so that the
// lock is not taken for each record.
type report struct {
	mu        sync.Mutex
	result    Result
	maxListed int
	sinks     map[string]*sinkReport
}

type sinkReport struct {
	receipts Receipts
	records  Records
	outcomes map[outcome]amount
}

// outcome is what a record was decided to be.
type outcome struct {
	set    string
	reason record.Reason
}

type amount struct{ records, bytes int64 }

func newReport(maxListed int) *report {
	return &report{maxListed: maxListed, sinks: map[string]*sinkReport{}, result: Result{
		Format: Format, Policies: []PolicyRef{}, Sinks: []Sink{}, Places: []Place{}, Differences: map[Kind]int64{}, Listed: []Difference{}, Unknown: []string{},
	}}
}

// differ notes a difference.
func (r *report) differ(d Difference) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result.Differences[d.Kind]++
	if len(r.result.Listed) < r.maxListed {
		r.result.Listed = append(r.result.Listed, d)
	}
}

// unknown notes what could not be found out; each text once.
func (r *report) unknown(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Contains(r.result.Unknown, text) && len(r.result.Unknown) < r.maxListed {
		r.result.Unknown = append(r.result.Unknown, text)
	}
}

// sink adds to what is known of a sink.
func (r *report) sink(name string, s *sinkReport) {
	r.mu.Lock()
	defer r.mu.Unlock()
	have := r.sinks[name]
	if have == nil {
		have = &sinkReport{outcomes: map[outcome]amount{}}
		r.sinks[name] = have
	}
	have.receipts.add(s.receipts)
	have.records.add(s.records)
	for o, n := range s.outcomes {
		sum := have.outcomes[o]
		have.outcomes[o] = amount{sum.records + n.records, sum.bytes + n.bytes}
	}
}

// finish puts everything into its order and finds the verdict.
func (r *report) finish() *Result {
	res := &r.result
	for _, name := range slices.Sorted(maps.Keys(r.sinks)) {
		s := r.sinks[name]
		out := Sink{Name: name, Receipts: s.receipts, Records: s.records, Outcomes: []OutcomeCount{}}
		for o, n := range s.outcomes {
			out.Outcomes = append(out.Outcomes, OutcomeCount{o.set, o.reason.String(), n.records, n.bytes})
		}
		slices.SortFunc(out.Outcomes, func(a, b OutcomeCount) int {
			return cmp.Or(strings.Compare(a.Set, b.Set), strings.Compare(a.Reason, b.Reason))
		})
		res.Sinks = append(res.Sinks, out)
		res.Receipts.add(s.receipts)
		res.Records.add(s.records)
	}
	slices.SortFunc(res.Places, func(a, b Place) int {
		return cmp.Or(strings.Compare(a.Cluster, b.Cluster), strings.Compare(a.Topic, b.Topic),
			cmp.Compare(a.Partition, b.Partition), strings.Compare(a.Directory, b.Directory))
	})
	slices.SortStableFunc(res.Listed, compareDifferences)
	slices.Sort(res.Unknown)
	switch {
	case len(res.Differences) > 0:
		res.Verdict = Different
	case len(res.Unknown) > 0:
		res.Verdict = Unknown
	default:
		res.Verdict = Equal
	}
	return res
}

// compareDifferences orders by entry, those without one last.
func compareDifferences(a, b Difference) int {
	number := func(p *uint64) uint64 {
		if p == nil {
			return 1<<64 - 1
		}
		return *p
	}
	offset := func(p *int64) int64 {
		if p == nil {
			return -1
		}
		return *p
	}
	return cmp.Or(cmp.Compare(number(a.Entry), number(b.Entry)), strings.Compare(a.Place, b.Place), cmp.Compare(offset(a.Offset), offset(b.Offset)))
}
