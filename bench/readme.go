//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// What stands between these two lines of README.md and router/README.md is the benchmark's.
const (
	readmeBegin = "<!-- bench:begin -->\n"
	readmeEnd   = "<!-- bench:end -->\n"
)

// replaceBetween puts table between the markers of text, each of which has to be there once, in order.
func replaceBetween(text, table string) (string, error) {
	before, rest, begins := strings.Cut(text, readmeBegin)
	_, after, ends := strings.Cut(rest, readmeEnd)
	if !begins || !ends || strings.Count(text, readmeBegin) != 1 || strings.Count(text, readmeEnd) != 1 {
		return "", errors.New("want the lines " + strings.TrimSpace(readmeBegin) + " and " + strings.TrimSpace(readmeEnd) + ", each once, in this order")
	}
	return before + readmeBegin + table + readmeEnd + after, nil
}

// readmeTable is the one table of README.md: who costs what, for mixed and for pure traffic. It is empty without
// both.
func (r *report) readmeTable() string {
	var both []*series
	for i := range r.series {
		if r.series[i].group == "peers" && r.demarcCost(&r.series[i]) > 0 {
			both = append(both, &r.series[i])
		}
	}
	if len(both) != 2 {
		return ""
	}
	var b strings.Builder
	b.WriteString("| microseconds of processor time per record | mixed batches | times demarc | pure batches | times demarc | most memory | stored / source |\n|---|---:|---:|---:|---:|---:|---:|\n")
	for _, p := range both[0].points {
		name := p.label
		if described, ok := readmeNames[name]; ok {
			name = described
		}
		fmt.Fprintf(&b, "| %s |", name)
		memory, growth := 0.0, "-"
		for _, s := range both {
			runs := r.runsOf(s, p.label)
			if len(runs) == 0 {
				b.WriteString(" - | - |")
				continue
			}
			cost := spreadOf(runs, steadyCost)
			if s == both[0] {
				growth = growthOf(runs)
			}
			memory = max(memory, spreadOf(runs, func(r result) float64 { return float64(r.memory) / (1 << 20) }).most)
			fmt.Fprintf(&b, " %s | %.2f |", figure(cost.median), cost.least/r.demarcCost(s))
		}
		fmt.Fprintf(&b, " %.0f MiB | %s |\n", memory, growth)
	}
	fmt.Fprintf(&b, "\nMedians of %d runs on %s, %s; 760 bytes of JSON, zstd; stored: size of the sinks, mixed batches. How, and what this does not show: [bench/RESULTS.md](bench/RESULTS.md).\n",
		r.rounds, r.machine, r.broker)
	b.WriteString(r.sizingLine())
	return b.String()
}

// runsOf are those of a series' point, if it has it.
func (r *report) runsOf(s *series, label string) []result {
	for _, p := range s.points {
		if p.label == label {
			return r.results[p.cell.key()]
		}
	}
	return nil
}

// readmeNames say what the subjects are.
var readmeNames = map[string]string{
	"wire floor":       "*no router: the same bytes sent on*",
	"floor":            "*no decision: decompressed and compressed again*",
	"demarc":           "**demarc**",
	"kafkago":          "loop with kafka-go",
	"kafkago-defaults": "the same with the library's defaults",
	"franzgo":          "loop with franz-go",
	"librdkafka":       "loop with librdkafka",
	"java":             "loop with Java's clients",
	"streams":          "Kafka Streams",
}

// updateBetween puts text between the markers of a file; without either it does nothing.
func updateBetween(file, text string) error {
	if file == "" || text == "" {
		return nil
	}
	old, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("update figures: %w", err)
	}
	updated, err := replaceBetween(string(old), text)
	if err != nil {
		return fmt.Errorf("update figures of %s: %w", file, err)
	}
	if err := os.WriteFile(file, []byte(updated), 0o644); err != nil {
		return fmt.Errorf("update figures: %w", err)
	}
	return nil
}
