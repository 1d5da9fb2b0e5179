//go:build linux

package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// partsGroup is what -groups selects the parts by; it has no series.
const partsGroup = "parts"

// suite is some of the benchmarks that stand beside the code: what the whole is compared with is measured in its
// own run, on the same machine, in turn with it.
type suite struct {
	name     string
	pkg      string
	patterns []string // of go test -bench
}

const (
	processSuite = "process" // the path of a batch
	decideSuite  = "decide"
)

var suites = []suite{
	{processSuite, "router", []string{"^BenchmarkProcess$/^zstd$/^(mixed|pure)$"}},
	{decideSuite, "classifier", []string{
		"^BenchmarkTraffic$/^(scan|unlike)$", "^BenchmarkScan$/^event$", "^BenchmarkExtract$/^json$/^10KB$/^last$",
		"^BenchmarkDecide$/^header$/^jurisdictions=8$", "^BenchmarkCountry$/^(ipv4_hot|ipv4_cold|ipv6_cold)$",
	}},
}

// timing is one line of a benchmark's output.
type timing struct {
	name  string  // suite and benchmark
	ns    float64 // processor time per record where the benchmark tells that, else wall time per operation
	speed float64 // MB/s; 0: not said
	alloc float64 // allocations per operation
}

// Each benchmark runs so many times in a round, for so long: the least of many short times is seldom one in which
// something else had the processor.
const (
	partTimes = "3"
	partTime  = "200ms"
)

func (b *bench) partBinary(s *suite) string {
	return filepath.Join(b.dir, notInNames.ReplaceAllString(s.name, "-")+".test")
}

// buildParts compiles the suites, so that no round compiles while others are measured.
func (b *bench) buildParts(ctx context.Context) error {
	for i := range suites {
		s := &suites[i]
		cmd := exec.CommandContext(ctx, "go", "test", "-c", "-o", b.partBinary(s), "./"+s.pkg)
		if text, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build benchmarks of %s: %w\n%s", s.pkg, err, text)
		}
	}
	return nil
}

// measurePart runs a suite once.
func (b *bench) measurePart(ctx context.Context, s *suite) error {
	ctx, cancel := context.WithTimeout(ctx, runLimit)
	defer cancel()
	for _, pattern := range s.patterns {
		cmd := exec.CommandContext(ctx, b.partBinary(s), "-test.run", "^$", "-test.bench", pattern, "-test.benchtime", partTime, "-test.count", partTimes)
		cmd.Dir = s.pkg
		text, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w\n%s", err, text)
		}
		found := timings(s.name, string(text))
		if len(found) == 0 {
			return fmt.Errorf("%s matches no benchmark", pattern)
		}
		b.parts = append(b.parts, found...)
	}
	fmt.Fprintf(b.out, "%d  %s\n", b.round, s.name)
	return nil
}

var benchmarkLine = regexp.MustCompile(`(?m)^Benchmark(\S+?)(?:-\d+)?\s+\d+\s+(.*)$`)

// timings reads what go test -bench prints.
func timings(suite, text string) (list []timing) {
	for _, m := range benchmarkLine.FindAllStringSubmatch(text, -1) {
		t := timing{name: suite + ": " + m[1]}
		fields, perRecord := strings.Fields(m[2]), false
		for i := 0; i+1 < len(fields); i += 2 {
			v, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				continue
			}
			switch fields[i+1] {
			case "ns/op":
				if !perRecord {
					t.ns = v
				}
			case "cpu-ns/record":
				t.ns, perRecord = v, true
			case "MB/s":
				t.speed = v
			case "allocs/op":
				t.alloc = v
			}
		}
		list = append(list, t)
	}
	return list
}

// partsTable shows the parts in the order in which they were measured first.
func (r *report) partsTable() string {
	var b strings.Builder
	seen := map[string]bool{}
	for _, p := range r.parts {
		if seen[p.name] {
			continue
		}
		if len(seen) == 0 {
			b.WriteString("## Parts, without a network\n\nBenchmarks beside the code, three times in each round: processor time for each record of a batch of 800 (process), wall time\n" +
				"of each call (decide). `go test -bench . ./classifier ./router ./internal/wire` has more of them.\n\n" +
				"| benchmark | ns, median | least | most | MB/s | allocations/operation |\n|---|---:|---:|---:|---:|---:|\n")
		}
		seen[p.name] = true
		ns := r.part(p.name, func(t timing) float64 { return t.ns })
		speed := "-"
		if p.speed > 0 {
			speed = thousands(int64(r.part(p.name, func(t timing) float64 { return t.speed }).median))
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", p.name, figure(ns.median), figure(ns.least), figure(ns.most), speed,
			figure(r.part(p.name, func(t timing) float64 { return t.alloc }).median))
	}
	if b.Len() > 0 {
		b.WriteString("\n")
	}
	return b.String()
}

// part is what the rounds say of a part's figure; no numbers if it was not measured.
func (r *report) part(name string, figure func(timing) float64) spread {
	var values []float64
	for _, t := range r.parts {
		if t.name == name {
			values = append(values, figure(t))
		}
	}
	if len(values) == 0 {
		return noSpread
	}
	return spreadOfValues(values)
}
