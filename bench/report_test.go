//go:build linux

package main

import (
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := "testdata/" + name
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// invented is a report of figures that nobody measured.
func invented() *report {
	r := &report{
		machine: machine{cpu: "Some CPU", cores: 2, memory: "8 GiB", kernel: "6.1", commit: "0123456789ab", command: "go run ./bench"},
		broker:  "a broker", versions: []string{"demarc: go1.26"}, skipped: []string{"java: skipped: no java"}, rounds: 3,
		series: plan(groupNames, func(s *subject) bool { return s.name != "java" }), results: map[string][]result{}, delays: map[string][]delay{},
	}
	for i, c := range cells(r.series) {
		for n := range 3 {
			r.results[c.key()] = append(r.results[c.key()], result{
				cost: 2 + float64(i)/10 + float64(n)/4, rate: 100_000 - float64(1000*n), used: 3e9, wall: 2e9, memory: int64(50+i) << 20,
				mallocs: float64(n - 1), records: 1e6, source: 150e6, stored: int64(150+i) * 1e6,
				sinks: []int64{5000, 400_000 + int64(10*i), 350_000 - int64(10*i), 245_000},
			})
		}
	}
	for i, name := range []string{
		processSuite + ": Process/zstd/mixed", processSuite + ": Process/zstd/mixed/digest", processSuite + ": Process/zstd/pure", processSuite + ": Process/zstd/pure/digest",
		decideSuite + ": Traffic/scan", decideSuite + ": Country/ipv4_hot", decideSuite + ": Extract/json/10KB/last",
	} {
		for n := range 3 {
			r.parts = append(r.parts, timing{name: name, ns: float64(3000 - 400*i + 10*n), speed: float64(1000 * i), alloc: float64(i % 2)})
		}
	}
	r.profiles = map[string]profile{}
	for i, w := range []workload{mixed, pure} {
		p := make(profile, len(profileParts))
		p[i], p[len(p)-1] = 0.75, 0.25
		r.profiles[w.name] = p
	}
	r.latency = []load{{cell{theDemarc, mixed, usual}, false}, {cell{theDemarc, mixed, usual}, true}, {cell{findSubject("kafkago"), mixed, usual}, false}}
	r.delays[r.latency[1].String()] = []delay{{rate: 2e4, p50: 4, p99: 9, p999: 12, late: 1e6}}
	r.delays[r.latency[0].String()] = []delay{{rate: 5e4, p50: 8, p99: 20, p999: 40, late: 2e6}, {rate: 5e4, p50: 10, p99: 30, p999: 60, late: 4e6}}
	return r
}

func TestReport(t *testing.T) {
	r := invented()
	r.plot = "somewhere/results.svg"
	golden(t, "report.md", r.markdown())
	golden(t, "readme.md", r.readmeTable())
	golden(t, "sizing.md", r.sizing())
}

func TestReportOfAPart(t *testing.T) {
	r := invented()
	r.series = plan([]string{"sinks"}, func(*subject) bool { return true })
	r.delays = nil
	text := r.markdown()
	for part, want := range map[string]bool{"## Sinks": true, "Not fitted": true, "## Codecs": false, "## Latency": false, "What this does not show": true, ".svg": false} {
		if strings.Contains(text, part) != want {
			t.Errorf("%q is in it: %v, want %v", part, !want, want)
		}
	}
	if table := r.readmeTable(); table != "" {
		t.Errorf("a table for README.md without a comparison:\n%s", table)
	}
	if text := r.sizing(); text != "" {
		t.Errorf("a cost model without its cells:\n%s", text)
	}
}

func TestReportWithoutACell(t *testing.T) {
	r := invented()
	delete(r.results, (&cell{findSubject("librdkafka"), pure, usual}).key())
	r.failed = []string{"librdkafka, pure: it was killed"}
	if text := r.markdown(); !strings.Contains(text, "| a run that failed | librdkafka, pure: it was killed |") {
		t.Errorf("the report does not tell of the run that failed:\n%s", text)
	}
	if table := r.readmeTable(); !strings.Contains(table, "| loop with librdkafka | 2.95 | 1.23 | - | - |") {
		t.Errorf("a cell that nobody measured:\n%s", table)
	}
}

func TestPlotIsWellFormed(t *testing.T) {
	r := invented()
	panels := panelsOf(r.series, r.results)
	if len(panels) != len(plotted) {
		t.Fatalf("%d panels, want %d", len(panels), len(plotted))
	}
	panels[0].labels[0] = `<&">`
	text := svg(panels)
	d := xml.NewDecoder(strings.NewReader(text))
	dots := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "circle" {
			dots++
		}
	}
	if dots != 3+4+3+3 {
		t.Errorf("%d points", dots)
	}
	for _, part := range []string{"prefers-color-scheme: dark", "by jurisdictions", "1000", "10240"} {
		if !strings.Contains(text, part) {
			t.Errorf("no %q in the plot", part)
		}
	}
	if strings.Contains(text, "NaN") || strings.Contains(text, "Inf") || strings.Contains(text, "url(") || strings.Contains(text, "href") {
		t.Error("the plot holds what is no number, or refers to something outside")
	}
}

func TestNiceSteps(t *testing.T) {
	for most, want := range map[float64]float64{0: 1, 0.9: 0.5, 3.8: 1, 5: 2, 7.6: 2, 45: 20, 60: 20, 100: 50} {
		if got := niceStep(most); fmt.Sprintf("%.3f", got) != fmt.Sprintf("%.3f", want) {
			t.Errorf("up to %v in steps of %v, want %v", most, got, want)
		}
	}
}

func TestReadmeMarkers(t *testing.T) {
	got, err := replaceBetween("a\n"+readmeBegin+"old\n"+readmeEnd+"b\n", "new\n")
	if want := "a\n" + readmeBegin + "new\n" + readmeEnd + "b\n"; err != nil || got != want {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
	for _, bad := range []string{"", readmeBegin, readmeEnd + readmeBegin, readmeBegin + readmeEnd + readmeBegin + readmeEnd} {
		if got, err := replaceBetween(bad, "new\n"); err == nil {
			t.Errorf("%q became %q", bad, got)
		}
	}
	for _, file := range []string{"../README.md", "../router/README.md"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := replaceBetween(string(text), ""); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func TestUpdateBetween(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.md")
	if err := os.WriteFile(file, []byte("a\n"+readmeBegin+readmeEnd+"b\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"one\n", "two\n", ""} {
		if err := updateBetween(file, text); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if want := "a\n" + readmeBegin + "two\n" + readmeEnd + "b\n"; err != nil || string(got) != want {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
	if err := updateBetween("", "text"); err != nil {
		t.Error(err)
	}
	if err := updateBetween(filepath.Join(t.TempDir(), "none.md"), "text"); err == nil {
		t.Error("a file that is not there was updated")
	}
}
