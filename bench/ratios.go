//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
)

// ratios are what the guard compares: for each kind of traffic, demarc's cost as a multiple of the floor's. Both run
// side by side, so that a slow machine slows both.
type ratios struct {
	Ratios  map[string]float64 `json:"ratios"`
	Records int64              `json:"records"` // in a topic; the guard takes as many
	Broker  string             `json:"broker"`  // the same one
	Machine string             `json:"machine"`
	Commit  string             `json:"commit"`
	Command string             `json:"command"`
}

const (
	// worst is how much larger than the recorded one a ratio may be.
	worst = 1.10
	// tries is how often everything is measured again before the guard says no. What was measured before stays:
	// the least of all runs is taken, since noise only ever adds to processor time.
	tries = 4
)

var guarded = []workload{mixed, pure}

func guardSeries() []series {
	var all []series
	for _, w := range guarded {
		all = append(all, series{group: "check", title: w.name, varies: "subject", points: []point{
			{"floor", cell{findSubject("floor"), w, usual}}, {"demarc", cell{theDemarc, w, usual}},
		}})
	}
	return all
}

// ratiosOf needs a result of each cell of guardSeries.
func ratiosOf(results map[string][]result) map[string]float64 {
	found := map[string]float64{}
	for _, s := range guardSeries() {
		var costs []float64
		for _, p := range s.points {
			costs = append(costs, spreadOf(results[p.cell.key()], steadyCost).least)
		}
		found[s.title] = math.Round(costs[1]/costs[0]*1000) / 1000
	}
	return found
}

// compareRatios says which ratios have become too large, in one error.
func compareRatios(recorded, found map[string]float64) error {
	var faults []error
	for _, w := range guarded {
		was, is := recorded[w.name], found[w.name]
		switch {
		case was <= 0:
			faults = append(faults, fmt.Errorf("%s: no ratio is recorded", w.name))
		case !(is <= was*worst): // also when it is no number
			faults = append(faults, fmt.Errorf("%s: demarc takes %.3f times what the floor takes, %.3f was recorded: %+.1f %%, want at most +%.0f %%",
				w.name, is, was, (is/was-1)*100, (worst-1)*100))
		}
	}
	return errors.Join(faults...)
}

func readRatios(file string) (r ratios, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return r, fmt.Errorf("read recorded ratios: %w; record them with -record", err)
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, fmt.Errorf("read recorded ratios: %s: %w", file, err)
	}
	return r, compareRatios(r.Ratios, r.Ratios)
}

// checkRatios measures the ratios and compares them with the recorded ones, again and again while they are too large.
func (b *bench) checkRatios(ctx context.Context, recorded ratios) error {
	return b.guard(func() (map[string]float64, error) { return b.measureRatios(ctx) }, recorded.Ratios)
}

// guard calls measure until the ratios are good, at most as often as tries says.
func (b *bench) guard(measure func() (map[string]float64, error), recorded map[string]float64) (worse error) {
	for range tries {
		found, err := measure()
		if err != nil {
			return err
		}
		for _, w := range guarded {
			fmt.Fprintf(b.out, "%s: demarc / floor %.3f, recorded %.3f\n", w.name, found[w.name], recorded[w.name])
		}
		if worse = compareRatios(recorded, found); worse == nil {
			return nil
		}
		fmt.Fprintln(b.out, worse)
	}
	return fmt.Errorf("demarc has become slower:\n%w", worse)
}

// recordRatios measures the ratios and writes them to file.
func (b *bench) recordRatios(ctx context.Context, file string) error {
	found, err := b.measureRatios(ctx)
	if err != nil {
		return err
	}
	m := thisMachine(ctx)
	text, err := json.MarshalIndent(ratios{Ratios: found, Records: b.records, Broker: b.settings.broker, Machine: m.String(), Commit: m.commit, Command: m.command}, "", "  ")
	if err != nil {
		return fmt.Errorf("record ratios: %w", err)
	}
	fmt.Fprintf(b.out, "%s\n", text)
	if err := os.WriteFile(file, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("record ratios: %w", err)
	}
	return nil
}

// measureRatios adds a set of runs to those that there are.
func (b *bench) measureRatios(ctx context.Context) (map[string]float64, error) {
	if err := b.run(ctx, guardSeries(), nil); err != nil {
		return nil, err
	}
	for _, c := range cells(guardSeries()) {
		if len(b.runs[c.key()]) == 0 {
			return nil, fmt.Errorf("%s: every run failed", c.key())
		}
	}
	return ratiosOf(b.runs), nil
}

// guardSubjects are what -check and -record need.
func guardSubjects() []string { return []string{"floor", "demarc"} }
