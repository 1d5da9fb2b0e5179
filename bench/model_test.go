//go:build linux

package main

import (
	"errors"
	"math"
	"strings"
	"testing"
)

func TestLeastSquares(t *testing.T) {
	// y = 2a + 3b, one value off by 0.3 on either side of the line.
	rows := [][]float64{{1, 0}, {1, 0}, {0, 1}, {1, 1}, {2, 1}}
	x, err := leastSquares(rows, []float64{2.3, 1.7, 3, 5, 7})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []float64{2, 3} {
		if math.Abs(x[i]-want) > 1e-9 {
			t.Errorf("unknown %d is %v, want %v", i, x[i], want)
		}
	}
}

func TestLeastSquaresRefusesWhatIsUndetermined(t *testing.T) {
	for name, rows := range map[string][][]float64{
		"nothing":          nil,
		"one row, two":     {{1, 1}},
		"dependent":        {{1, 2}, {2, 4}, {3, 6}},
		"one never occurs": {{1, 0}, {2, 0}},
	} {
		if x, err := leastSquares(rows, make([]float64, len(rows))); !errors.Is(err, errUndetermined) {
			t.Errorf("%s: %v, %v", name, x, err)
		}
	}
}

// modelResults are what the cells would cost if the model were exactly so.
func modelResults(all []series, costs map[string]float64) map[string][]result {
	results := map[string][]result{}
	for _, c := range cells(all) {
		cost := 0.0
		for name, n := range features(&c) {
			cost += costs[name] * n
		}
		results[c.key()] = []result{{cost: cost}}
	}
	return results
}

func TestModelFindsTheTermsAgain(t *testing.T) {
	want := map[string]float64{termJSON: 0.5, termIP: 0.25, termSinks: 0.03, termJurisdictions: 0.001, termLedger: 0.07}
	for i, codec := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		want[passing(codec)], want[rewriting(codec)] = 0.5+float64(i)/10, 2+float64(i)/5
	}
	all := plan(groupNames, func(*subject) bool { return true })
	m, err := fitModel(cells(all), modelResults(all, want))
	if err != nil {
		t.Fatal(err)
	}
	if len(m.terms) != len(want) {
		t.Errorf("%d terms, want %d", len(m.terms), len(want))
	}
	for _, term := range m.terms {
		if math.Abs(term.cost-want[term.name]) > 1e-6 {
			t.Errorf("%s is %v, want %v", term.name, term.cost, want[term.name])
		}
	}
	for _, f := range m.fits {
		if math.Abs(f.model-f.measured) > 1e-6 {
			t.Errorf("%s: model %v, measured %v", f.name, f.model, f.measured)
		}
	}
	text := m.markdown()
	for _, part := range []string{"| " + termIP + " | 0.250 |", "| mixed, header | ", "+0.0 % |"} {
		if !strings.Contains(text, part) {
			t.Errorf("no %q in\n%s", part, text)
		}
	}
}

func TestModelNeedsAllGroups(t *testing.T) {
	all := plan([]string{"codecs", "sinks", evidenceGroup}, func(*subject) bool { return true })
	if m, err := fitModel(cells(all), modelResults(all, map[string]float64{termJSON: 1})); err == nil {
		t.Errorf("fitted %v", m.terms)
	}
}
