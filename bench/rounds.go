//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// run measures every cell of the series, and the suites, in every round, and adds to the results.
func (b *bench) run(ctx context.Context, all []series, parts []suite) error {
	list := cells(all)
	for _, c := range list {
		if err := b.fill(ctx, &c.workload); err != nil {
			return err
		}
	}
	begun := time.Now()
	for i := range b.rounds {
		b.round++
		for _, c := range rotated(list, b.round) {
			err := b.try(ctx, c.key(), func(attempt int) error {
				r, err := b.measure(ctx, &c, b.round*attempts+attempt)
				if err == nil {
					fmt.Fprintf(b.out, "%d  %-45s %s\n", b.round, c.key(), r)
					b.runs[c.key()] = append(b.runs[c.key()], r)
				}
				return err
			})
			if err != nil {
				return err
			}
		}
		for i := range parts {
			if err := b.try(ctx, parts[i].name, func(int) error { return b.measurePart(ctx, &parts[i]) }); err != nil {
				return err
			}
		}
		if each := time.Since(begun) / time.Duration(i+1); i+1 < b.rounds {
			fmt.Fprintf(b.out, "%d of %d rounds in %v; about %v for the others\n", i+1, b.rounds,
				time.Since(begun).Round(time.Second), (each * time.Duration(b.rounds-i-1)).Round(time.Second))
		}
	}
	return nil
}

// fill fills a source topic, once.
func (b *bench) fill(ctx context.Context, w *workload) (err error) {
	if b.filled[w.name] > 0 {
		return nil
	}
	fmt.Fprintf(b.out, "filling %s with %d records\n", w.name, w.records(b.records))
	if err := w.fill(ctx, b.broker, b.records); err != nil {
		return err
	}
	b.filled[w.name], err = b.broker.stored(ctx, map[string]int32{w.name: w.partitions})
	return err
}

const (
	// attempts is how often a run is tried: one that fails must not cost all that was measured before.
	attempts = 2
	// hopeless is how many cells in a row may fail every attempt: then it is not the subjects that fail.
	hopeless = 3
)

// try tries a run, tells of every attempt that failed, and goes on without it. The error is one to end for.
func (b *bench) try(ctx context.Context, what string, run func(attempt int) error) error {
	var err error
	for attempt := range attempts {
		if err = run(attempt); err == nil {
			b.lost = 0
			return nil
		}
		if ctx.Err() != nil || errors.Is(err, errSkipped) {
			return fmt.Errorf("%s: %w", what, err)
		}
		fmt.Fprintf(b.out, "FAILED  %s: %v\n", what, err)
		b.failed = append(b.failed, what+": "+b.brief(err))
	}
	if b.lost++; b.lost == hopeless {
		return fmt.Errorf("%d cells in a row failed; the last is %s: %w", hopeless, what, err)
	}
	return nil
}

// brief is an error's first line, fit for a table and without this machine's paths.
func (b *bench) brief(err error) string {
	const most = 160
	line, _, _ := strings.Cut(err.Error(), "\n")
	if b.dir != "" {
		line = strings.ReplaceAll(line, b.dir, "...")
	}
	line = strings.ReplaceAll(line, "|", "/")
	return line[:min(len(line), most)]
}

func (b *bench) has(s *subject) bool { _, ok := b.built[s]; return ok }

// runAll measures what the groups say.
func (b *bench) runAll(ctx context.Context) ([]series, error) {
	all := plan(b.groups, b.has)
	var parts []suite
	if slices.Contains(b.groups, partsGroup) {
		if err := b.buildParts(ctx); err != nil {
			return nil, err
		}
		parts = suites
	}
	if err := b.run(ctx, all, parts); err != nil {
		return all, err
	}
	if !slices.Contains(b.groups, latencyGroup) {
		return all, nil
	}
	var missing series
	for _, l := range b.loads() {
		if len(b.runs[l.key()]) == 0 && !l.asPeers {
			missing.points = append(missing.points, point{l.subject.name, l.cell})
		}
	}
	if err := b.run(ctx, []series{missing}, nil); err != nil {
		return all, err
	}
	return all, b.runLatencies(ctx)
}
