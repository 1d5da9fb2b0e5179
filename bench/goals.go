//go:build linux

package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// goal is what demarc is to reach.
type goal struct {
	what    string
	unit    string
	limit   float64
	atLeast bool // else at most
	figure  func(*report) float64
}

// What the best hand-written loop and Kafka Streams are to cost as multiples of demarc.
const (
	loopMixed, loopPure       = 2.5, 5
	streamsMixed, streamsPure = 3.5, 5.5
)

// The goals in the order of the table.
func goals() []goal {
	atMost := func(what string, limit float64, unit string, f func(*report) float64) goal {
		return goal{what: what, unit: unit, limit: limit, figure: f}
	}
	atLeast := func(what string, limit float64, unit string, f func(*report) float64) goal {
		return goal{what: what, unit: unit, limit: limit, atLeast: true, figure: f}
	}
	return []goal{
		atMost("whole path of a zstd batch without network, with digest: mixed, for an encoder in Go", 4, "us/record", processCost("mixed/digest")),
		atMost("the same, further goal", 2.8, "us/record", processCost("mixed/digest")),
		atMost("the same, for libzstd as the encoder (ours is in Go and some assembly)", 2.4, "us/record", processCost("mixed/digest")),
		atMost("the same, pure", 1.2, "us/record", processCost("pure/digest")),
		atMost("demarc on the broker / that path, with digest: mixed", 1.25, "", overPath(theDemarc, mixed, "mixed/digest")),
		atMost("the same, pure", 1.4, "", overPath(theDemarc, pure, "pure/digest")),
		atMost("the same, both without digest: mixed", 1.25, "", overPath(theDemarc, mixed, "mixed")),
		atMost("the same, pure", 1.4, "", overPath(theDemarc, pure, "pure")),
		atMost("the same, both with digest, so that demarc has a ledger: mixed", 1.25, "", overPath(theWitnessed, mixed, "mixed/digest")),
		atMost("the same, pure", 1.4, "", overPath(theWitnessed, pure, "pure/digest")),
		atLeast("best hand-written loop / demarc: mixed", loopMixed, "", ratio(bestLoop(mixed), cost(theDemarc, mixed))),
		atLeast("the same, pure", loopPure, "", ratio(bestLoop(pure), cost(theDemarc, pure))),
		atLeast("Kafka Streams / demarc: mixed", streamsMixed, "", ratio(cost(findSubject("streams"), mixed), cost(theDemarc, mixed))),
		atLeast("the same, pure", streamsPure, "", ratio(cost(findSubject("streams"), pure), cost(theDemarc, pure))),
		atMost("size of what the sinks store / size of the source, zstd: mixed", 1.1, "", growth(mixed)),
		atMost("the same, pure", 1.1, "", growth(pure)),
		atMost("checked scan of 760 bytes of JSON, records that differ", 550, "ns", partTiming("Traffic/scan")),
		atMost("the same, one record again and again", 550, "ns", partTiming("Scan/event")),
		atMost("allocations of that scan", 0, "", func(r *report) float64 {
			return r.part(decideSuite+": Traffic/scan", func(t timing) float64 { return t.alloc }).most
		}),
		atLeast("checked scan of 10 kB of long strings", 6, "GB/s", func(r *report) float64 {
			return r.part(decideSuite+": Extract/json/10KB/last", func(t timing) float64 { return t.speed }).most / 1e3
		}),
		atMost("decision by a header of a decoded record", 45, "ns", partTiming("Decide/header/jurisdictions=8")),
		atMost("look-up of an IPv4 address, hot", 6, "ns", partTiming("Country/ipv4_hot")),
		atMost("the same, cold", 25, "ns", partTiming("Country/ipv4_cold")),
		atMost("look-up of an IPv6 address, cold", 60, "ns", partTiming("Country/ipv6_cold")),
		atMost("64 jurisdictions / 1", 1.05, "", ratio(costOf(ofDemarc(mixed, dealt(64, 1))), costOf(ofDemarc(mixed, dealt(1, 1))))),
		atMost("16 sinks / 2", 1.3, "", ratio(costOf(ofDemarc(mixed, dealt(16, 16))), costOf(ofDemarc(mixed, dealt(16, 2))))),
		atMost("most memory with 4 partitions", 200, "MiB", memory(4)),
		atMost("the same, 1,000 partitions", 1024, "MiB", memory(1000)),
	}
}

func costOf(c cell) func(*report) float64 {
	return func(r *report) float64 { return r.spread(&c, steadyCost).least }
}

func cost(s *subject, w workload) func(*report) float64 { return costOf(cell{s, w, usual}) }

func ratio(a, b func(*report) float64) func(*report) float64 {
	return func(r *report) float64 { return a(r) / b(r) }
}

func partTiming(name string) func(*report) float64 {
	return func(r *report) float64 {
		return r.part(decideSuite+": "+name, func(t timing) float64 { return t.ns }).least
	}
}

// processCost is in microseconds.
func processCost(kind string) func(*report) float64 {
	return func(r *report) float64 { return r.process(kind).least / 1e3 }
}

// overPath is what the program costs as a multiple of its path. It compares medians: the program runs for seconds and
// the path for a fifth of one, which meets a quiet moment more often.
func overPath(s *subject, w workload, kind string) func(*report) float64 {
	return func(r *report) float64 {
		return r.spread(&cell{s, w, usual}, steadyCost).median / (r.process(kind).median / 1e3)
	}
}

func (r *report) process(kind string) spread {
	return r.part(processSuite+": Process/zstd/"+kind, func(t timing) float64 { return t.ns })
}

// loops are the peers that somebody would write by hand, tuned all that are tuned.
var (
	loops = []string{"kafkago", "franzgo", "librdkafka", "java"}
	tuned = append(slices.Clone(loops), "streams")
)

func bestLoop(w workload) func(*report) float64 {
	return func(r *report) float64 {
		best := math.NaN()
		for _, name := range loops {
			if c := cost(findSubject(name), w)(r); math.IsNaN(best) || c < best {
				best = c
			}
		}
		return best
	}
}

func growth(w workload) func(*report) float64 {
	return func(r *report) float64 {
		c := ofDemarc(w, usual)
		return r.spread(&c, result.growth).median
	}
}

func memory(partitions int32) func(*report) float64 {
	return func(r *report) float64 {
		c := ofDemarc(inPartitions(partitions), usual)
		return r.spread(&c, func(r result) float64 { return float64(r.memory) / (1 << 20) }).most
	}
}

// spread is what the runs of a cell say of a figure; no numbers if there are none.
func (r *report) spread(c *cell, figure func(result) float64) spread {
	runs := r.results[c.key()]
	if len(runs) == 0 {
		return noSpread
	}
	return spreadOf(runs, figure)
}

var noSpread = spread{math.NaN(), math.NaN(), math.NaN()}

// goalsTable says of each goal whether it is held.
func (r *report) goalsTable() string {
	var b strings.Builder
	b.WriteString("## Goals\n\nWhat demarc is to reach on a machine with two cores. Times are the least of all runs and ratios are of such times, since noise\n" +
		"only adds; what is compared with the path without network, whose runs are shorter, and sizes are medians; memory is the most of all runs.\n\n| figure | goal | measured | held |\n|---|---:|---:|---|\n")
	measured := false
	for _, g := range goals() {
		v := g.figure(r)
		word, held := "at most", v <= g.limit
		if g.atLeast {
			word, held = "at least", v >= g.limit
		}
		is, says := figure(v), "no"
		if v < 10 {
			is = fmt.Sprintf("%.3f", v)
		}
		switch {
		case math.IsNaN(v):
			says = "not measured"
		case held:
			says = "yes"
		}
		measured = measured || !math.IsNaN(v)
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", g.what, strings.TrimSpace(fmt.Sprintf("%s %g %s", word, g.limit, g.unit)), is, says)
	}
	if !measured {
		return ""
	}
	return b.String() + "\n"
}
