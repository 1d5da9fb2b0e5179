//go:build linux

package main

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestTimings(t *testing.T) {
	got := timings("process", `goos: linux
BenchmarkProcess/zstd/mixed-2         	     100	   1904000 ns/op	      2350 cpu-ns/record	      2380 ns/record	      64 B/op	       3 allocs/op
BenchmarkExtract/json/10KB/last-2     	  300000	      1500 ns/op	6800.25 MB/s	       0 B/op	       0 allocs/op
BenchmarkDecide/header/jurisdictions=8 	 1000000	        41.5 ns/op
PASS
`)
	want := []timing{
		{"process: Process/zstd/mixed", 2350, 0, 3}, {"process: Extract/json/10KB/last", 1500, 6800.25, 0},
		{"process: Decide/header/jurisdictions=8", 41.5, 0, 0},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := timings("none", "PASS\nok"); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}

// TestSuitesNameBenchmarks: a benchmark that is renamed would end the whole at its first round.
func TestSuitesNameBenchmarks(t *testing.T) {
	for _, s := range suites {
		files, err := filepath.Glob("../" + s.pkg + "/*_test.go")
		if err != nil {
			t.Fatal(err)
		}
		var all strings.Builder
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			all.Write(text)
		}
		for _, pattern := range s.patterns {
			name := strings.Trim(strings.Split(pattern, "/")[0], "^$")
			if !strings.Contains(all.String(), "func "+name+"(b *testing.B)") {
				t.Errorf("%s has no %s", s.pkg, name)
			}
		}
	}
}

func TestPartsThatFailAreAnError(t *testing.T) {
	b := newBench(settings{}, io.Discard)
	b.dir = t.TempDir()
	s := suite{name: "a suite", pkg: ".", patterns: []string{"x"}}
	for script, want := range map[string]string{"exit 1": "exit status 1", "true": "matches no benchmark"} {
		if err := os.WriteFile(b.partBinary(&s), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := b.measurePart(t.Context(), &s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", script, err, want)
		}
	}
}

func TestGoalsOfNothing(t *testing.T) {
	if got := new(report).goalsTable(); got != "" {
		t.Errorf("goals without a figure:\n%s", got)
	}
}
