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
	"path/filepath"
	"slices"
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

	results, readme, sizing string // files to write; empty: none
	ratios                  string // file of the guard
	check, record           bool
}

// bench is one run of the whole.
type bench struct {
	settings
	out    io.Writer
	dir    string // for everything that goes when the bench ends
	broker *broker
	geo    string

	built     map[*subject]string // what its build said last
	skipped   []string            // what is not measured, and why
	failed    []string            // runs that failed, and why
	lost      int                 // cells in a row that failed every attempt
	noLatency []string            // subjects whose latency cannot be measured

	filled map[string]int64 // source topics, and the bytes that the broker keeps of each
	round  int              // of all rounds so far
	runs   map[string][]result
	delays map[string][]delay
	parts  []timing
}

func main() {
	s := settings{}
	flag.Int64Var(&s.records, "records", 0, "records of a source topic, more where they are small and fewer where they are large (default 1200000)")
	flag.IntVar(&s.rounds, "rounds", 0, "how often each cell runs (default 5)")
	quick := flag.Bool("quick", false, "small defaults: 800000 records, 1 round; to see that all works, not to measure")
	groups := flag.String("groups", strings.Join(groupNames, ","), "what is measured")
	names := flag.String("subjects", strings.Join(subjectNames(), ","), "who is compared")
	flag.StringVar(&s.broker, "broker", "real", "real: Apache Kafka; embedded: a small broker in this process, which needs Go alone")
	flag.StringVar(&s.results, "results", "", "file for the results, with a plot beside it (.svg); default: standard output, no plot")
	flag.StringVar(&s.readme, "readme", "", "file whose table is rewritten")
	flag.StringVar(&s.sizing, "sizing", "", "file whose cost model and worked example are rewritten")
	flag.StringVar(&s.ratios, "ratios", "bench/ratios.json", "file of -check and -record")
	flag.BoolVar(&s.check, "check", false, "only compare demarc / floor with the recorded ratios; exit 1 if demarc has become slower")
	flag.BoolVar(&s.record, "record", false, "only measure and record these ratios")
	flag.Parse()
	records, rounds := int64(1_200_000), 5
	if *quick {
		records, rounds = 800_000, 1
	}
	if s.check || s.record {
		rounds = 3
	}
	s.records, s.rounds = cmp.Or(s.records, records), cmp.Or(s.rounds, rounds)
	s.groups, s.subjects = strings.Split(*groups, ","), strings.Split(*names, ",")
	if s.check || s.record {
		s.subjects = guardSubjects()
	}
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

func newBench(s settings, out io.Writer) *bench {
	return &bench{
		settings: s, out: out, built: map[*subject]string{}, filled: map[string]int64{},
		runs: map[string][]result{}, delays: map[string][]delay{},
	}
}

func start(ctx context.Context, s settings) (err error) {
	for _, g := range s.groups {
		if !slices.Contains(groupNames, g) {
			return fmt.Errorf("%q is no group: want some of %s", g, strings.Join(groupNames, ","))
		}
	}
	var recorded ratios
	if s.check {
		if recorded, err = readRatios(s.ratios); err != nil {
			return err
		}
		s.records, s.broker = recorded.Records, recorded.Broker
	}
	b := newBench(s, os.Stdout)
	defer func() { err = errors.Join(err, b.close()) }()
	if err := b.open(ctx); err != nil {
		return err
	}
	switch {
	case s.check:
		return b.checkRatios(ctx, recorded)
	case s.record:
		return b.recordRatios(ctx, s.ratios)
	}
	all, err := b.runAll(ctx)
	if err != nil {
		if len(b.runs) == 0 {
			return err
		}
		b.failed = append(b.failed, "all that was to come: "+b.brief(err))
		b.readme, b.sizing = "", "" // they are of whole runs
	}
	return errors.Join(err, b.write(context.WithoutCancel(ctx), all))
}

// write puts the results where the settings say.
func (b *bench) write(ctx context.Context, all []series) error {
	r := &report{
		machine: thisMachine(ctx), broker: b.broker.version, skipped: b.skipped, failed: b.failed, rounds: b.rounds,
		series: all, results: b.runs, latency: b.loads(), delays: b.delays, parts: b.parts,
	}
	if slices.Contains(b.groups, evidenceGroup) {
		var err error
		if r.verified, err = verification(ctx); err != nil {
			r.failed = append(r.failed, "speed of verification: "+b.brief(err))
		}
	}
	if slices.Contains(b.groups, partsGroup) {
		r.profiles = map[string]profile{}
		for _, w := range []workload{mixed, pure} {
			p, err := b.profilePath(ctx, w)
			if err != nil {
				r.failed = append(r.failed, "profile of the path: "+b.brief(err))
			}
			r.profiles[w.name] = p
		}
	}
	for _, s := range subjects {
		if said, ok := b.built[s]; ok {
			r.versions = append(r.versions, s.name+": "+versionOf(ctx, b.binary(s), said))
		}
	}
	if b.results == "" {
		_, err := fmt.Fprintf(b.out, "\n%s", r.markdown())
		return err
	}
	if panels := panelsOf(all, b.runs); len(panels) > 0 {
		// One name, whatever the case of the text's: RESULTS.md has results.svg.
		r.plot = filepath.Join(filepath.Dir(b.results), strings.ToLower(strings.TrimSuffix(filepath.Base(b.results), ".md"))+".svg")
		if err := os.WriteFile(r.plot, []byte(svg(panels)), 0o644); err != nil {
			return fmt.Errorf("write plot: %w", err)
		}
	}
	if err := os.WriteFile(b.results, []byte(r.markdown()), 0o644); err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	return errors.Join(updateBetween(b.readme, r.readmeTable()), updateBetween(b.sizing, r.sizing()))
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
		said, err := s.build(ctx, b.binary(s))
		switch {
		case errors.Is(err, errSkipped):
			b.skipped = append(b.skipped, fmt.Sprintf("%s: %v", s.name, err))
			fmt.Fprintf(b.out, "%s: %v\n", s.name, err)
		case err != nil:
			return err
		default:
			b.built[s] = said
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
