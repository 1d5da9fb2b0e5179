//go:build linux

package main

import (
	"fmt"
	"time"
)

// The steady state of a run lies between the moments at which these shares of its records are at their sinks.
const (
	steadyFrom = 0.20
	steadyTo   = 0.90
)

// sample is how far a subject had come: what was at its sinks, when, and the processor time until then.
type sample struct {
	at      time.Duration // since its start
	used    time.Duration
	records int64
}

// curve is a run's samples in the order of time.
type curve []sample

// when gives time and processor time at which so many records had arrived, on the line between two samples.
func (c curve) when(records float64) (at, used float64, ok bool) {
	for i := 1; i < len(c); i++ {
		a, b := c[i-1], c[i]
		if float64(b.records) < records || a.records == b.records {
			continue
		}
		part := (records - float64(a.records)) / float64(b.records-a.records)
		between := func(x, y time.Duration) float64 { return x.Seconds() + part*(y-x).Seconds() }
		return between(a.at, b.at), between(a.used, b.used), true
	}
	return 0, 0, false
}

// leastSamples is how many samples have to lie within the steady state: with fewer a pause of the sampling process
// would be taken for speed or slowness of the subject.
const leastSamples = 2

// steady is the processor time per record in microseconds, and the records per second, of the steady state.
func (c curve) steady(total int64) (cost, rate float64, err error) {
	from, to := steadyFrom*float64(total), steadyTo*float64(total)
	inside := 0
	for _, s := range c {
		if float64(s.records) >= from && float64(s.records) <= to {
			inside++
		}
	}
	if inside < leastSamples {
		return 0, 0, fmt.Errorf("find the steady state: only %d samples are within it; measure more records", inside)
	}
	at0, used0, ok0 := c.when(from)
	at1, used1, ok1 := c.when(to)
	if !ok0 || !ok1 || at1 <= at0 {
		return 0, 0, fmt.Errorf("find the steady state: the samples end before %.0f records", to)
	}
	return (used1 - used0) / (to - from) * 1e6, (to - from) / (at1 - at0), nil
}
