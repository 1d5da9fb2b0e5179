//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/demarc/demarc/ledger/tiles"
)

// theWitnessed is demarc with a ledger of its own.
var theWitnessed = findSubject("demarc with a ledger")

// witnessed is demarc with a new ledger beside its policy.
func witnessed(binary string, r *run) (*exec.Cmd, error) {
	cmd, err := demarc(binary, r)
	if err != nil {
		return nil, err
	}
	dir := r.ledger()
	if text, err := exec.Command(binary, "ledger", "init", dir, "--origin", "example.com/bench").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("make a ledger: %w\n%s", err, text)
	}
	cmd.Env = append(cmd.Env, "DEMARC_LEDGER="+dir)
	return cmd, nil
}

// ledger is the folder of a run's ledger, if it has one.
func (r *run) ledger() string { return filepath.Join(r.dir, r.name+".ledger") }

// ledgerBytes is how long all entries of a ledger are together; 0 if there is none.
func ledgerBytes(dir string) (int64, error) {
	text, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	lines := strings.SplitN(string(text), "\n", 3)
	if len(lines) < 3 {
		return 0, errors.New("measure ledger: its checkpoint has no size")
	}
	size, err := strconv.ParseUint(lines[1], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("measure ledger: size of its checkpoint: %w", err)
	}
	var all int64
	for at := uint64(0); at < size; at += tiles.Width {
		info, err := os.Stat(filepath.Join(dir, filepath.FromSlash(tiles.EntriesPath(at/tiles.Width, int(min(tiles.Width, size-at))))))
		if err != nil {
			return 0, fmt.Errorf("measure ledger: %w", err)
		}
		all += info.Size()
	}
	return all, nil
}

// verification runs the verifier's own benchmark and gives its line of figures.
func verification(ctx context.Context) (string, error) {
	text, err := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^BenchmarkWalk$", "./ledger/verify").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("measure verification: %w\n%s", err, text)
	}
	speed, each := entriesPerSecond.FindSubmatch(text), bytesPerEntry.FindSubmatch(text)
	if speed == nil || each == nil {
		return "", fmt.Errorf("measure verification: no figure in\n%s", text)
	}
	n, err := strconv.ParseFloat(string(speed[1]), 64)
	if err != nil {
		return "", fmt.Errorf("measure verification: %w", err)
	}
	return fmt.Sprintf("%s entries/s, of %s bytes each", thousands(int64(n)), each[1]), nil
}

var (
	entriesPerSecond = regexp.MustCompile(`([0-9.e+]+) entries/s`)
	bytesPerEntry    = regexp.MustCompile(`([0-9.]+) bytes/entry`)
)

func evidenceSeries(w workload) series {
	return series{
		group: evidenceGroup, title: "Evidence, " + w.name, varies: "subject",
		note: "JSON + IP, zstd. With a ledger, every batch has a digest and every chunk an entry, durable before its offsets are committed.",
		points: []point{
			{"demarc", ofDemarc(w, usual)},
			{theWitnessed.name, cell{theWitnessed, w, usual}},
		},
	}
}

// evidence is what a ledger costs, in one table.
func (r *report) evidence() string {
	var b strings.Builder
	for _, s := range r.series {
		if s.group != evidenceGroup || len(s.points) < 2 {
			continue
		}
		without, with := r.results[s.points[0].cell.key()], r.results[s.points[1].cell.key()]
		if len(without) == 0 || len(with) == 0 {
			continue
		}
		if b.Len() == 0 {
			b.WriteString("## What evidence costs\n\n| traffic | more processor time, least of the runs | ledger bytes per million records |\n|---|---:|---:|\n")
		}
		more := spreadOf(with, steadyCost).least/spreadOf(without, steadyCost).least - 1
		bytes := spreadOf(with, func(r result) float64 { return float64(r.ledger) / float64(r.records) * 1e6 }).median
		percent := fmt.Sprintf("%.1f %%", more*100)
		if more < 0 {
			percent = unseen
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", s.points[0].cell.workload.name, percent, thousands(int64(bytes)))
	}
	if b.Len() == 0 {
		return ""
	}
	if r.verified != "" {
		fmt.Fprintf(&b, "\n`demarc verify` reads %s (`go test -bench Walk ./ledger/verify`).\n", r.verified)
	}
	return b.String() + "\n"
}
