//go:build linux

package main

import (
	"fmt"
	"math"
	"strings"
)

// limitsTable says what the ratios to the peers would be for programs that do less than demarc: no decision is cheaper
// than none.
func (r *report) limitsTable() string {
	var b strings.Builder
	wire := func(w workload) func(*report) float64 { return cost(findSubject("wire floor"), w) }
	least := func(w workload) func(*report) float64 {
		return func(r *report) float64 { return wire(w)(r) + r.process(w.name).least/1e3 }
	}
	leastPure := func(r *report) float64 {
		p := r.profiles[pure.name]
		if p == nil {
			return math.NaN()
		}
		return wire(pure)(r) + (p[partDecompress]+p[partCheck])*r.process("pure/digest").least/1e3
	}
	for _, row := range []struct {
		what string
		w    workload
		cost func(*report) float64
	}{
		{"mixed: fetch and produce the same bytes (`wire floor`)", mixed, wire(mixed)},
		{"mixed: that and the path without network, added", mixed, least(mixed)},
		{"mixed: `wire floor`, decompress and compress; nothing is decided (`floor`)", mixed, cost(findSubject("floor"), mixed)},
		{"mixed: demarc by a header, no document is read", mixed, costOf(ofDemarc(mixed, threeHomes(headerSignal)))},
		{"mixed: demarc, JSON alone", mixed, costOf(ofDemarc(mixed, threeHomes(jsonSignal)))},
		{"mixed: demarc, JSON and IP", mixed, cost(theDemarc, mixed)},
		{"pure: fetch and produce the same bytes (`wire floor`)", pure, wire(pure)},
		{"pure: that and the path without network, added", pure, least(pure)},
		{"pure: `wire floor` and, of that path, only decompression and the check of documents, added", pure, leastPure},
		{"pure: demarc by a header: `wire floor`, and decompress", pure, costOf(ofDemarc(pure, threeHomes(headerSignal)))},
		{"pure: demarc, JSON alone", pure, costOf(ofDemarc(pure, threeHomes(jsonSignal)))},
		{"pure: demarc, JSON and IP", pure, cost(theDemarc, pure)},
	} {
		us := row.cost(r)
		if math.IsNaN(us) {
			continue
		}
		if b.Len() == 0 {
			b.WriteString("## Limits of the ratios\n\nWhat a record costs if only a part of the work is done, the least of all runs, and what the peers cost as a multiple of\n" +
				"that. A ratio that stands beside `floor` is out of reach for whatever decompresses and compresses, however fast it decides; one beside\n" +
				"demarc by a header for whatever decompresses. The rest is the check of each document, byte for byte, and the look-up. No program that\n" +
				"takes this path costs less than the sum of it and `wire floor` (but for a CRC, which both check), and that leaves nothing for what\n" +
				"brings the two together, nor for memory that is not as near as in a loop.\n\n" +
				"| what is done | us/record | best hand-written loop / it | Kafka Streams / it |\n|---|---:|---:|---:|\n")
		}
		fmt.Fprintf(&b, "| %s | %.3f | %s | %s |\n", row.what, us, times(ratio(bestLoop(row.w), row.cost)(r)), times(ratio(cost(findSubject("streams"), row.w), row.cost)(r)))
	}
	if b.Len() > 0 {
		b.WriteString("\n" + r.leftTable() + r.profileTable())
	}
	return b.String()
}

// leftTable says what each ratio would leave for the work that the row of the limits leaves out.
func (r *report) leftTable() string {
	scan := partTiming("Traffic/scan")(r) / 1e3
	header := func(w workload) func(*report) float64 { return costOf(ofDemarc(w, threeHomes(headerSignal))) }
	streams := findSubject("streams")
	var b strings.Builder
	for _, row := range []struct {
		what  string
		times float64
		peer  func(*report) float64
		base  string
		cost  func(*report) float64
	}{
		{"mixed, best hand-written loop", loopMixed, bestLoop(mixed), "`floor`", cost(findSubject("floor"), mixed)},
		{"mixed, Kafka Streams", streamsMixed, cost(streams, mixed), "`floor`", cost(findSubject("floor"), mixed)},
		{"pure, best hand-written loop", loopPure, bestLoop(pure), "demarc by a header", header(pure)},
		{"pure, Kafka Streams", streamsPure, cost(streams, pure), "demarc by a header", header(pure)},
	} {
		peer, base := row.peer(r), row.cost(r)
		if math.IsNaN(peer + base + scan) {
			continue
		}
		if b.Len() == 0 {
			b.WriteString("What a ratio leaves for the check of the document, the decision and the look-up, in microseconds per record. The check alone, in a loop of\n" +
				"its own, takes what is in the last column (`Traffic/scan`).\n\n" +
				"| ratio | a record may cost | of which is | left | the check |\n|---|---:|---|---:|---:|\n")
		}
		may := peer / row.times
		fmt.Fprintf(&b, "| %s / %g | %.3f | %s: %.3f | %.3f | %.3f |\n", row.what, row.times, may, row.base, base, may-base, scan)
	}
	if b.Len() > 0 {
		b.WriteString("\n")
	}
	return b.String()
}

func times(v float64) string {
	if math.IsNaN(v) {
		return "-"
	}
	return fmt.Sprintf("%.2f", v)
}
