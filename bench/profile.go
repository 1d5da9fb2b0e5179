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

// profile is the share of a path's processor time that each of profileParts has.
type profile []float64

const profileTime = "2s"

// Two of profileParts that the limits speak of.
const (
	partDecompress = iota
	partCheck
)

// profileParts are what the files of a path are for; each belongs to the first that matches.
var profileParts = []struct {
	what  string
	files *regexp.Regexp
}{
	partDecompress: {"decompress", regexp.MustCompile(`/internal/zstd/decoder[^/]*$`)},
	partCheck:      {"check documents", regexp.MustCompile(`/classifier/document[^/]*$`)},
	{"read addresses and look them up", regexp.MustCompile(`/classifier/(address|geo)[^/]*$`)},
	{"decide", regexp.MustCompile(`/classifier/[^/]*$`)},
	{"read records, write batches", regexp.MustCompile(`/internal/wire/[^/]*$`)},
	{"compress", regexp.MustCompile(`/internal/zstd/[^/]*$`)},
	{"digest and CRC", regexp.MustCompile(`/src/(crypto|hash)/`)},
	{"split and count", regexp.MustCompile(`/router/[^/]*$`)},
	{"move and clear memory, collect garbage, all else", regexp.MustCompile(``)},
}

// profilePath runs one path of the process suite, with digest, under the profiler.
func (b *bench) profilePath(ctx context.Context, w workload) (profile, error) {
	s := &suites[0]
	file := filepath.Join(b.dir, w.name+".profile")
	cmd := exec.CommandContext(ctx, b.partBinary(s), "-test.run", "^$", "-test.bench", "^BenchmarkProcess$/^zstd$/^"+w.name+"$/^digest$",
		"-test.benchtime", profileTime, "-test.cpuprofile", file)
	cmd.Dir = s.pkg
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("profile the path: %w\n%s", err, text)
	}
	text, err := exec.CommandContext(ctx, "go", "tool", "pprof", "-top", "-files", "-nodecount", "100000", "-nodefraction", "0", b.partBinary(s), file).Output()
	if err != nil {
		return nil, fmt.Errorf("read the profile: %w", err)
	}
	return profileOf(string(text))
}

var profileLine = regexp.MustCompile(`(?m)^ *\S+ +([0-9.]+)% +[0-9.]+% +\S+ +[0-9.]+% +(.+)$`)

// profileOf reads what go tool pprof -top -files prints.
func profileOf(text string) (profile, error) {
	p, total := make(profile, len(profileParts)), 0.0
	for _, m := range profileLine.FindAllStringSubmatch(text, -1) {
		share, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			return nil, fmt.Errorf("read the profile: %w", err)
		}
		for i := range profileParts {
			if profileParts[i].files.MatchString(m[2]) {
				p[i] += share
				break
			}
		}
		total += share
	}
	if total < 90 { // what pprof leaves out or rounds off is little
		return nil, fmt.Errorf("read the profile: its files have %.0f %% of the time", total)
	}
	for i := range p {
		p[i] /= total
	}
	return p, nil
}

// profileTable says where the time of the path goes.
func (r *report) profileTable() string {
	both := []profile{r.profiles[mixed.name], r.profiles[pure.name]}
	if both[0] == nil || both[1] == nil {
		return ""
	}
	var b strings.Builder
	b.WriteString("Where the time of the path without network goes, with digest, by a profile of " + profileTime + " each (`go test -cpuprofile`), in nanoseconds per\n" +
		"record: the share that its files have of the median below.\n\n| part | mixed | pure |\n|---|---:|---:|\n")
	for i := range profileParts {
		fmt.Fprintf(&b, "| %s | %.0f | %.0f |\n", profileParts[i].what, both[0][i]*r.process("mixed/digest").median, both[1][i]*r.process("pure/digest").median)
	}
	b.WriteString("\n")
	return b.String()
}
