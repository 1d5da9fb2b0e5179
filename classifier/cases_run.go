package classifier

import (
	"fmt"
	"slices"
	"strings"

	"github.com/demarc/demarc/internal/record"
)

// Failure is a case whose decision is not the expected one.
type Failure struct {
	Case  Case
	Lines []string // one for each part that differs, or why the case could not be decided
}

// String is one line: FILE:LINE: NAME: what differs.
func (f Failure) String() string {
	return fmt.Sprintf("%s:%d: %s: %s", f.Case.File, f.Case.Line, f.Case.Name, strings.Join(f.Lines, "; "))
}

// RunCases decides each case and returns those that fail, in order. geo may be nil as long as no case looks an
// address up; a case that does then fails and says so.
func (c *Classifier) RunCases(geo *Geo, cases []Case) []Failure {
	var failures []Failure
	e := c.Evaluator()
	for i := range cases {
		snapshot := Snapshot{Geo: geo}
		if now := cases[i].Now; geo != nil && !now.IsZero() {
			snapshot.Expired = geo.Expired(c.policy.GeoMaxAge, now)
		}
		e.Use(snapshot)
		x := e.Explain(cases[i].Topic, &cases[i].Record)
		lines := cases[i].Want.compare(x)
		if geo == nil && slices.ContainsFunc(x.Signals, lookedUp) {
			lines = []string{"looks an address up, and there is no geo database: give one with --geo FILE"}
		}
		if len(lines) > 0 {
			failures = append(failures, Failure{Case: cases[i], Lines: lines})
		}
	}
	return failures
}

// lookedUp reports whether s needed a geo database that is not there.
func lookedUp(s SignalExplanation) bool { return s.Reason == record.GeoExpired.String() }

// compare says how x differs from what is expected.
func (w Want) compare(x Explanation) []string {
	var lines []string
	differ := func(part, got, want string) {
		if got != want {
			lines = append(lines, fmt.Sprintf("%s is %q, want %q", part, got, want))
		}
	}
	if w.Jurisdictions != nil {
		got, want := slices.Sorted(slices.Values(x.Jurisdictions)), slices.Sorted(slices.Values(w.Jurisdictions))
		differ("jurisdictions", strings.Join(got, "+"), strings.Join(want, "+"))
	}
	if w.Reason != "" {
		differ("reason", x.Reason, w.Reason)
	}
	if w.Signal != nil {
		differ("signal", x.Signal, *w.Signal)
	}
	if w.Sink != "" {
		differ("sink", x.Sink, w.Sink)
	}
	return lines
}
