//go:build linux

package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// report is what RESULTS.md is made of.
type report struct {
	machine  machine
	broker   string
	versions []string // of the subjects, a line each
	skipped  []string
	failed   []string // runs that failed, and why
	rounds   int
	series   []series
	results  map[string][]result
	latency  []load
	delays   map[string][]delay
	parts    []timing
	profiles map[string]profile // of paths, by the name of the workload
	verified string             // how fast; empty if it was not measured
	plot     string             // file name of the plot, beside the text
}

// markdown is the whole text.
func (r *report) markdown() string {
	var b strings.Builder
	b.WriteString("# What routing a record costs\n\nWritten by `bench`; do not edit. " +
		"Ratios within one table are worth more than its absolute numbers:\nall its runs took turns on one machine.\n\n")
	r.preamble(&b)
	if r.plot != "" {
		fmt.Fprintf(&b, "![Cost per record against jurisdictions, sinks, partitions and record size](%s)\n\n", filepath.Base(r.plot))
	}
	b.WriteString(r.goalsTable())
	b.WriteString(r.limitsTable())
	for _, s := range r.series {
		b.WriteString(r.table(&s) + "\n")
	}
	b.WriteString(r.evidence())
	b.WriteString(r.latencyTable())
	b.WriteString(r.partsTable())
	b.WriteString("## Cost model\n\n")
	if m, err := fitModel(cells(r.series), r.results); err != nil {
		fmt.Fprintf(&b, "Not fitted: it takes the groups signals, codecs, sinks, jurisdictions and evidence.\n")
	} else {
		b.WriteString(m.markdown())
	}
	b.WriteString("\n" + howMeasured + "\n" + notShown)
	return b.String()
}

func (r *report) preamble(b *strings.Builder) {
	fmt.Fprintf(b, "| | |\n|---|---|\n| machine | %s |\n| broker | %s |\n| commit | %s |\n| command | `%s` |\n| runs of each cell | %d |\n",
		r.machine, r.broker, r.machine.commit, r.machine.command, r.rounds)
	for _, v := range r.versions {
		name, version, _ := strings.Cut(v, ": ")
		fmt.Fprintf(b, "| %s | %s |\n", name, version)
	}
	for _, s := range r.skipped {
		fmt.Fprintf(b, "| not measured | %s |\n", s)
	}
	for _, s := range r.failed {
		fmt.Fprintf(b, "| a run that failed | %s |\n", s)
	}
	b.WriteString("\n")
}

// table shows the cells of a series. A comparison of subjects says what each costs as a multiple of demarc.
func (r *report) table(s *series) string {
	var b strings.Builder
	fmt.Fprintf(&b, "## %s\n\n%s\n\n", s.title, s.note)
	versus := s.varies == "subject" && r.demarcCost(s) > 0
	fmt.Fprintf(&b, "| %s | us/record, median | least | most | with start | records/s | peak MiB | allocations/record | stored / source |", s.varies)
	rule := "\n|---|" + strings.Repeat("---:|", 8)
	if versus {
		b.WriteString(" times demarc | elsewhere |")
		rule += "---:|---:|"
	}
	b.WriteString(rule + "\n")
	for _, p := range s.points {
		runs := r.results[p.cell.key()]
		if len(runs) == 0 {
			continue
		}
		cost := spreadOf(runs, steadyCost)
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s | %s | %s |", p.label, figure(cost.median), figure(cost.least), figure(cost.most),
			figure(spreadOf(runs, result.wholeCost).median), thousands(int64(spreadOf(runs, func(r result) float64 { return r.rate }).median)),
			thousands(int64(spreadOf(runs, func(r result) float64 { return float64(r.memory) / (1 << 20) }).most)), mallocsOf(runs), growthOf(runs))
		if versus {
			fmt.Fprintf(&b, " %.2f | %s |", cost.least/r.demarcCost(s), r.elsewhere(s, &p.cell))
		}
		b.WriteString("\n")
	}
	return b.String()
}

// growthOf is the median of what the sinks store as a multiple of what the source does.
func growthOf(runs []result) string {
	g := spreadOf(runs, result.growth).median
	if g == 0 {
		return "?"
	}
	return fmt.Sprintf("%.3f", g)
}

// elsewhere is the share of the records that a subject put into another sink than demarc, at least: as the counts
// of the sinks tell.
func (r *report) elsewhere(s *series, c *cell) string {
	if strings.HasSuffix(c.subject.name, "floor") {
		return "-"
	}
	runs := r.demarcRuns(s)
	if len(runs) == 0 {
		return "-"
	}
	own, moved := r.results[c.key()][0], int64(0)
	for i, n := range own.sinks {
		moved += max(0, n-runs[0].sinks[i])
	}
	return fmt.Sprintf("%.3f %%", float64(moved)/float64(own.records)*100)
}

// demarcCost is demarc's least cost in a series; 0 if it is not in it.
func (r *report) demarcCost(s *series) float64 {
	runs := r.demarcRuns(s)
	if len(runs) == 0 {
		return 0
	}
	return spreadOf(runs, steadyCost).least
}

// demarcRuns are the runs of demarc in a series; none if it is not in it.
func (r *report) demarcRuns(s *series) []result {
	for _, p := range s.points {
		if runs := r.results[p.cell.key()]; p.cell.subject == theDemarc && len(runs) > 0 {
			return runs
		}
	}
	return nil
}

// mallocsOf is the median of the runs that know.
func mallocsOf(runs []result) string {
	known := slices.DeleteFunc(slices.Clone(runs), func(r result) bool { return r.mallocs < 0 })
	if len(known) == 0 {
		return "?"
	}
	return figure(spreadOf(known, func(r result) float64 { return r.mallocs }).median)
}

func (r *report) latencyTable() string {
	var b strings.Builder
	for _, l := range r.latency {
		runs := r.delays[l.String()]
		if len(runs) == 0 {
			continue
		}
		if b.Len() == 0 {
			fmt.Fprintf(&b, "## Latency at %.0f %% load\n\nMixed traffic at half of each subject's own throughput, for floors at half of demarc's, and for demarc\n"+
				"at the rate that the fastest of the peers has there, too. Milliseconds, medians of %d runs of %v\n"+
				"after a warm-up of %v, of %v for what is written in Java. Where the source itself was late by much, the machine had too little time for all of them.\n\n"+
				"| subject | records/s | p50 | p99 | p99.9 | source late, most |\n|---|---:|---:|---:|---:|---:|\n", latencyLoad*100, len(runs), latencyTime, warmup, warmupJVM)
		}
		median := func(f func(delay) float64) float64 {
			var values []float64
			for _, d := range runs {
				values = append(values, f(d))
			}
			return spreadOfValues(values).median
		}
		fmt.Fprintf(&b, "| %s | %s | %.1f | %.1f | %.1f | %.1f |\n", l, thousands(int64(median(func(d delay) float64 { return d.rate }))),
			median(func(d delay) float64 { return d.p50 }), median(func(d delay) float64 { return d.p99 }), median(func(d delay) float64 { return d.p999 }),
			median(func(d delay) float64 { return d.late.Seconds() * 1e3 }))
	}
	if b.Len() > 0 {
		b.WriteString("\n")
	}
	return b.String()
}

const howMeasured = `## How it is measured

- One generator makes all traffic (` + "`internal/devbroker`" + `): 760 bytes of JSON with an identity, a country in a header and in the
  document, an address from the real prefixes of that country. Mixed: homes change from record to record, 0.5 % of the records are hostile, 1 % roam.
  Pure: each batch of one home. franz-go writes the source topics, so no subject reads what its own encoder made.
- Every subject is one process that reads as a consumer group, produces with acks=all and commits what is acknowledged. Floors decide nothing:
  ` + "`wire floor`" + ` checks each batch's CRC and sends the same bytes on; ` + "`floor`" + ` decompresses, walks over the records and compresses them again.
- Cost is processor time, user and system, of that process: its clock and its sinks' end offsets are read some
  hundred times a second, and a line is put through what was read between the moments at which 40 % and 90 % of the records are at the sinks,
  60 % and 90 % for what is written in Java.
  "with start" is the whole process from start to exit, divided by its records. Where it is very much more, the topic was short beside what
  the subject has in flight, and the cost is too low: measure more records.
- A run counts only if the sinks then hold as many records as the source, no more and no fewer. "elsewhere" is how many of them a subject
  put into another sink than demarc, by the counts of the sinks: hostile records, which not all parsers of JSON read alike.
- "stored / source" is the size of the sinks' logs by that of the source topic's: what an encoder saves in time it may cost in bytes, for good.
- Rounds are interleaved and each begins with another cell. "times demarc" compares the least of the runs: noise only ever adds.
- Latency is from just before the request that appends a batch to the source is sent until a consumer that waits at the sinks has its records.
  The source does not wait for the subject: a batch is due at its time whatever became of those before it.
`

const notShown = `## What this does not show

- More than one machine: broker, subject and measurement share its cores. Throughput is what was left for the subject; costs are not touched by that,
  beyond caches.
- Networks, TLS, replication, disks that are slow: one broker on the loopback address, one replica.
- A JVM that has run for hours: at 60 % of the records its compilers may still be at work, though little of that was seen.
- The least memory that each could do with: the JVMs have a heap of 768 MiB and franz-go's loop collects its garbage seldom, for the sake of their time.
- What the comparison leaves out of the peers: pins, quarantine with reasons, accounts that must balance, checks of hostile input. They do less.
  What each was tuned to is in ` + "`bench/peers/README.md`" + `.
- Latency of peers that were tuned for it. All are tuned for throughput, with the batches that this takes.
  Batches come in hundreds a second, so that p99.9 rests on few of them. Seconds of it are a backlog from the start, of a JVM that
  had too little of the machine to compile and to catch up within its warm-up.
- Real documents. They are generated, of one shape, and compress alike; yours may be larger, deeper or less alike. demarc scans a document
  of a known shape in a quarter of the time, without AVX2 in half of it: "decide: Traffic/unlike" are the same documents, each with its members in an order of its own.
- The embedded broker (-broker embedded): it shows the same costs, within noise, and is left to the regression guard, which then needs Go alone.
  Throughput there is of no use: it runs in the measuring process.
`
