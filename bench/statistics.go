//go:build linux

package main

import (
	"fmt"
	"math"
	"slices"
)

// spread is what several runs say of one figure.
type spread struct{ least, median, most float64 }

// spreadOf takes a figure of every run; there must be one at least.
func spreadOf(runs []result, figure func(result) float64) spread {
	var values []float64
	for _, r := range runs {
		values = append(values, figure(r))
	}
	return spreadOfValues(values)
}

func spreadOfValues(values []float64) spread {
	v := slices.Sorted(slices.Values(values))
	n := len(v)
	return spread{least: v[0], median: (v[(n-1)/2] + v[n/2]) / 2, most: v[n-1]}
}

// latencies counts records by how long they took. Records that took the same way are put in together.
type latencies struct {
	list  []waited
	total int64
}

type waited struct {
	milliseconds float64
	records      int64
}

func (l *latencies) add(milliseconds float64, records int64) {
	l.list = append(l.list, waited{milliseconds, records})
	l.total += records
}

// percentile is the time in milliseconds within which that share of the records, in percent, had arrived: of n
// records the one that stands at ceil(n * percent / 100).
func (l *latencies) percentile(percent float64) float64 {
	slices.SortFunc(l.list, func(a, b waited) int {
		switch {
		case a.milliseconds < b.milliseconds:
			return -1
		case a.milliseconds > b.milliseconds:
			return 1
		}
		return 0
	})
	left := int64(math.Ceil(float64(l.total) * percent / 100))
	for _, w := range l.list {
		if left -= w.records; left <= 0 {
			return w.milliseconds
		}
	}
	return math.NaN()
}

// figure writes a number with three significant digits or so, as tables and plots want it.
func figure(v float64) string {
	switch {
	case math.IsNaN(v):
		return "-"
	case math.Abs(v) < 0.0005:
		return "0"
	case math.Abs(v) < 1:
		return fmt.Sprintf("%.3f", v)
	case math.Abs(v) < 100:
		return fmt.Sprintf("%.2f", v)
	}
	return thousands(int64(math.Round(v)))
}

func thousands(n int64) string {
	text := fmt.Sprint(n)
	for at := len(text) - 3; at > 0 && text[at-1] != '-'; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}
