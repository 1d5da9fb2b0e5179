//go:build linux

package main

import (
	"fmt"
	"math"
	"strings"
)

// exampleRate is what the worked example is about, in records per second; exampleLoad the share of its cores that it
// plans to use.
const (
	exampleRate = 1e6
	exampleLoad = 0.6
)

// example is the cost of the worked example's record: zstd, a JSON signal, an IP look-up, three sinks.
func (m *model) example(batch string) float64 {
	return m.cost(batch) + m.cost(termJSON) + m.cost(termIP)
}

// sizing is the section of router/README.md: the model, a worked example, and memory. It is empty without a model.
func (r *report) sizing() string {
	m, err := fitModel(cells(r.series), r.results)
	if err != nil {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Processor time, user and system, of a record of 760 bytes in batches of %d. A record costs its batch, plus what is read of it, plus\n"+
		"what the policy has more than %d sinks and %d jurisdictions:\n\n| microseconds per record | batch rewritten | batch passed on as it is |\n|---|---:|---:|\n",
		batchRecords, usualSinks, usualJurisdictions)
	for _, codec := range modelCodecs {
		fmt.Fprintf(&b, "| %s, a header signal | %s | %s |\n", codec, figure(m.cost(rewriting(codec))), figure(m.cost(passing(codec))))
	}
	for _, name := range []string{termJSON, termIP, termSinks, termJurisdictions, termLedger} {
		passed := m.text(name)
		if name == termSinks {
			passed = "-"
		}
		fmt.Fprintf(&b, "| + %s | %s | %s |\n", name, m.text(name), passed)
	}
	b.WriteString("\nA batch is passed on if all its records go to one sink. " + r.bySize() + "\n\n")
	mixed, pure := m.example(rewriting("zstd")), m.example(passing("zstd"))
	fmt.Fprintf(&b, "**Cores for %s records/s**, zstd, a JSON signal and an IP look-up, three sinks. Batches in which homes are mixed:\n"+
		"%s + %s + %s = %s us/record, so %s cores at full load and %.0f to stay at %.0f %%. A producer that partitions by jurisdiction, so that batches are\n"+
		"passed on: %s us/record, %s cores, %.0f at %.0f %%; it saves %.0f %% of the processor time here, as long as its batches stay as large.\n"+
		"Beside that, brokers and network carry the bytes once in and once out.\n\n",
		thousands(exampleRate), figure(m.cost(rewriting("zstd"))), figure(m.cost(termJSON)), figure(m.cost(termIP)), figure(mixed), cores(mixed), planned(mixed), exampleLoad*100,
		figure(pure), cores(pure), planned(pure), exampleLoad*100, (1-pure/mixed)*100)
	b.WriteString(r.byPartitions())
	fmt.Fprintf(&b, "Fitted to medians of %d runs on %s; how well it fits, and what it does not show: [bench/RESULTS.md](../bench/RESULTS.md).\n", r.rounds, r.machine)
	return b.String()
}

// cores are busy with the example's rate at so many microseconds per record.
func cores(cost float64) string { return fmt.Sprintf("%.1f", cost*exampleRate/1e6) }

// planned are whole cores of which no more than exampleLoad is used.
func planned(cost float64) float64 { return math.Ceil(cost * exampleRate / 1e6 / exampleLoad) }

// bySize says what records of other sizes cost.
func (r *report) bySize() string {
	var parts []string
	for _, p := range r.points("sizes") {
		if cost := r.spread(&p.cell, steadyCost).median; !math.IsNaN(cost) {
			parts = append(parts, fmt.Sprintf("%s bytes %s us", p.label, figure(cost)))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "By size of the record (zstd, JSON + IP, mixed): " + strings.Join(parts, ", ") + "."
}

// byPartitions says how much memory partitions take.
func (r *report) byPartitions() string {
	var b strings.Builder
	for _, p := range r.points("partitions") {
		if len(r.results[p.cell.key()]) == 0 {
			continue
		}
		if b.Len() == 0 {
			b.WriteString("| assigned partitions, with the default settings | most memory |\n|---:|---:|\n")
		}
		fmt.Fprintf(&b, "| %s | %.0f MiB |\n", p.label, memory(p.cell.workload.partitions)(r))
	}
	if b.Len() > 0 {
		b.WriteString("\n")
	}
	return b.String()
}

// points are those of a group's series.
func (r *report) points(group string) (list []point) {
	for _, s := range r.series {
		if s.group == group {
			list = append(list, s.points...)
		}
	}
	return list
}

// sizingLine is what README.md says of it; empty without a model.
func (r *report) sizingLine() string {
	m, err := fitModel(cells(r.series), r.results)
	if err != nil {
		return ""
	}
	mixed, pure := m.example(rewriting("zstd")), m.example(passing("zstd"))
	return fmt.Sprintf("\n%s such records/s take demarc %s cores, %s if their producer partitions by jurisdiction, so that batches are passed on as they are.\n"+
		"[router/README.md](router/README.md#what-it-costs) has the model: by signal, codec, purity, sinks, jurisdictions, ledger, and how much memory.\n",
		thousands(exampleRate), cores(mixed), cores(pure))
}
