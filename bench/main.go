//go:build linux

package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// settings are what the command line says.
type settings struct {
	records  int64
	rounds   int
	groups   []string
	subjects []string
	broker   string
}

// bench is one run of the whole.
type bench struct {
	settings
	out    io.Writer
	dir    string // for everything that goes when the bench ends
	broker *broker
	geo    string

	built   map[*subject]bool
	skipped []string // subjects that are not there, and why
}

func main() {
	s := settings{}
	flag.Int64Var(&s.records, "records", 0, "records of the largest source topics; others have half of it or less (default 1000000)")
	flag.IntVar(&s.rounds, "rounds", 0, "how often each cell runs (default 5)")
	quick := flag.Bool("quick", false, "small defaults: 400000 records, 1 round; to see that all works, not to measure")
	groups := flag.String("groups", strings.Join(groupNames, ","), "what is measured")
	names := flag.String("subjects", strings.Join(subjectNames(), ","), "who is compared")
	flag.StringVar(&s.broker, "broker", "real", "real: Apache Kafka; embedded: a small broker in this process, which needs Go alone")
	flag.Parse()
	records, rounds := int64(1_000_000), 5
	if *quick {
		records, rounds = 400_000, 1
	}
	s.records, s.rounds = cmp.Or(s.records, records), cmp.Or(s.rounds, rounds)
	s.groups, s.subjects = strings.Split(*groups, ","), strings.Split(*names, ",")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := start(ctx, s); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func subjectNames() (names []string) {
	for _, s := range subjects {
		names = append(names, s.name)
	}
	return names
}

func start(ctx context.Context, s settings) error {
	b := &bench{settings: s, out: os.Stdout, built: map[*subject]bool{}}
	if err := b.open(ctx); err != nil {
		return errors.Join(err, b.close())
	}
	_, err := b.run(ctx, plan(s.groups, func(s *subject) bool { return b.built[s] }))
	return errors.Join(err, b.close())
}

// open builds the subjects, unpacks the geo database, which all of them read, and starts the broker.
func (b *bench) open(ctx context.Context) (err error) {
	if b.dir, err = os.MkdirTemp("", "demarc-bench-"); err != nil {
		return err
	}
	for _, name := range b.subjects {
		s := findSubject(name)
		if s == nil {
			return fmt.Errorf("%q is no subject: want some of %s", name, strings.Join(subjectNames(), ","))
		}
		err := s.build(ctx, b.binary(s))
		switch {
		case errors.Is(err, errSkipped):
			b.skipped = append(b.skipped, fmt.Sprintf("%s: %v", s.name, err))
			fmt.Fprintf(b.out, "%s: %v\n", s.name, err)
		case err != nil:
			return err
		default:
			b.built[s] = true
		}
	}
	if err := b.unpackGeo(); err != nil {
		return err
	}
	dir := b.dir + "/kafka"
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	b.broker, err = startBroker(ctx, b.settings.broker, dir)
	return err
}

func (b *bench) close() error {
	if b.broker != nil {
		b.broker.close()
	}
	return os.RemoveAll(b.dir)
}

// unpackGeo writes down the database that is part of demarc.
func (b *bench) unpackGeo() error {
	packed, err := os.Open("classifier/data/dbip-country-lite.mmdb.zst")
	if err != nil {
		return fmt.Errorf("unpack geo database (run bench in the repository's root): %w", err)
	}
	defer packed.Close()
	in, err := zstd.NewReader(packed)
	if err != nil {
		return fmt.Errorf("unpack geo database: %w", err)
	}
	defer in.Close()
	b.geo = b.dir + "/geo.mmdb"
	out, err := os.Create(b.geo)
	if err != nil {
		return fmt.Errorf("unpack geo database: %w", err)
	}
	_, err = in.WriteTo(out)
	if err := errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("unpack geo database: %w", err)
	}
	return nil
}

// run measures every cell of the series in every round.
func (b *bench) run(ctx context.Context, all []series) (map[string][]result, error) {
	list := cells(all)
	filled := map[string]bool{}
	for _, c := range list {
		if w := &c.workload; !filled[w.name] {
			filled[w.name] = true
			fmt.Fprintf(b.out, "filling %s with %d records\n", w.name, w.records(b.records))
			if err := w.fill(ctx, b.broker, b.records); err != nil {
				return nil, err
			}
		}
	}
	results := map[string][]result{}
	for round := range b.rounds {
		for _, c := range rotated(list, round) {
			r, err := b.measure(ctx, &c, round)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.key(), err)
			}
			fmt.Fprintf(b.out, "%d  %-45s %s\n", round+1, c.key(), r)
			results[c.key()] = append(results[c.key()], r)
		}
	}
	return results, nil
}
