//go:build linux

package main

import (
	"math"
	"testing"
	"time"
)

// sampled makes the samples of a subject that starts for a second of processor time, then routes records in bursts at
// so many microseconds each on one core, and idles at the end.
func sampled(records, burst int64, cost float64) curve {
	var c curve
	for ms := 0; ; ms += 5 {
		at := time.Duration(ms) * time.Millisecond
		used := at
		done := int64(math.Max(0, (at-time.Second).Seconds()) / cost * 1e6)
		arrived := min(done/burst*burst, records)
		if done >= records {
			used = time.Second + time.Duration(float64(records)*cost*1e3)
			arrived = records
		}
		c = append(c, sample{at: at, used: used, records: arrived})
		if used+time.Second < at {
			return c
		}
	}
}

func TestSteadyStateIsWithoutStartAndEnd(t *testing.T) {
	for _, burst := range []int64{1, 100, 10_000} {
		cost, rate, err := sampled(500_000, burst, 4).steady(500_000, steadyFrom)
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(cost/4-1) > 0.02 || math.Abs(rate/250_000-1) > 0.02 {
			t.Errorf("in bursts of %d: %.3f us/record, %.0f records/s, want 4 and 250,000", burst, cost, rate)
		}
	}
}

func TestSteadyStateBeginsLaterInJava(t *testing.T) {
	var c curve
	for i := range 101 { // twice as dear until half of the records
		used := time.Duration(2*min(i, 50)+max(0, i-50)) * time.Millisecond
		c = append(c, sample{at: used, used: used, records: int64(1000 * i)})
	}
	cost, _, err := c.steady(100_000, steadyFromJVM)
	if err != nil || math.Abs(cost-1) > 1e-6 {
		t.Errorf("%v us/record, %v, want 1", cost, err)
	}
	if cost, _, _ = c.steady(100_000, steadyFrom); cost < 1.05 {
		t.Errorf("%v us/record from %v on", cost, steadyFrom)
	}
}

func TestSteadyStateNeedsSamples(t *testing.T) {
	for name, c := range map[string]curve{
		"none":          nil,
		"one":           {{at: 1, used: 1, records: 100}},
		"ends early":    {{at: 1, used: 1, records: 0}, {at: 2, used: 2, records: 85}},
		"no time spent": {{at: 1, used: 1, records: 0}, {at: 2, used: 1, records: 100}},
	} {
		if cost, _, err := c.steady(100, steadyFrom); err == nil {
			t.Errorf("%s: %v", name, cost)
		}
	}
}

func TestTwoSamplesAreEnough(t *testing.T) {
	c := curve{{at: 0, used: 0, records: 0}, {at: time.Second, used: 2 * time.Second, records: 1_000_000}}
	cost, rate, err := c.steady(1_000_000, steadyFrom)
	if err != nil || math.Abs(cost-2) > 1e-9 || math.Abs(rate-1e6) > 1e-3 {
		t.Errorf("%v us/record, %v records/s, %v", cost, rate, err)
	}
}
