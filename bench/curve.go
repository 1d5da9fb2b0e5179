//go:build linux

package main

import (
	"fmt"
	"time"
)

// The steady state of a run lies between the moments at which these shares of its records are at their sinks. In Java
// it begins later: there the first half of a million records cost up to twice as much, while they are compiled for.
const (
	steadyFrom    = 0.40
	steadyFromJVM = 0.60
	steadyTo      = 0.90
)

// sample is how far a subject had come: what was at its sinks, when, and the processor time until then.
type sample struct {
	at      time.Duration // since its start
	used    time.Duration
	records int64
}

// curve is a run's samples in the order of time.
type curve []sample

// moment is a sample in floating point, so that it can lie between two.
type moment struct{ at, used, records float64 }

// when is the moment at which so many records had arrived, on the line between two samples.
func (c curve) when(records float64) (moment, bool) {
	for i := 1; i < len(c); i++ {
		a, b := c[i-1], c[i]
		if float64(b.records) < records || a.records == b.records {
			continue
		}
		part := (records - float64(a.records)) / float64(b.records-a.records)
		between := func(x, y time.Duration) float64 { return x.Seconds() + part*(y-x).Seconds() }
		return moment{between(a.at, b.at), between(a.used, b.used), records}, true
	}
	return moment{}, false
}

// steady is the processor time per record in microseconds, and the records per second, of the steady state: the
// slopes of the lines through its samples. Records arrive at the sinks in bursts while time goes evenly, so that
// records are fitted over time and processor time, not the reverse, which would flatten the line.
func (c curve) steady(total int64, from float64) (cost, rate float64, err error) {
	first, begun := c.when(from * float64(total))
	last, ended := c.when(steadyTo * float64(total))
	if !begun || !ended || last.used <= first.used {
		return 0, 0, fmt.Errorf("find the steady state: %d samples do not show it; measure more records", len(c))
	}
	inside := []moment{first}
	for _, s := range c {
		if n := float64(s.records); n > first.records && n < last.records {
			inside = append(inside, moment{s.at.Seconds(), s.used.Seconds(), n})
		}
	}
	inside = append(inside, last)
	records := func(m moment) float64 { return m.records }
	cost = 1e6 / slope(inside, func(m moment) float64 { return m.used }, records)
	return cost, slope(inside, func(m moment) float64 { return m.at }, records), nil
}

// slope is that of the line through the points (x, y) with the least squares in y.
func slope(list []moment, x, y func(moment) float64) float64 {
	var meanX, meanY, over, under float64
	for _, m := range list {
		meanX += x(m) / float64(len(list))
		meanY += y(m) / float64(len(list))
	}
	for _, m := range list {
		over += (x(m) - meanX) * (y(m) - meanY)
		under += (x(m) - meanX) * (x(m) - meanX)
	}
	return over / under
}
