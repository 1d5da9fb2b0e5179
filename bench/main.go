//go:build unix

package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/demarc/demarc/internal/devbroker"
	"github.com/demarc/demarc/internal/devbroker/real"
)

// batchRecords is how many records a batch of the source holds.
const batchRecords = 800

// variants are the kinds of traffic that are compared.
var variants = map[string]devbroker.Traffic{
	"mixed": {Seed: 1, Hostile: 50, Roaming: 100},
	"pure":  {Seed: 2, Run: batchRecords},
}

// nothing is the name of a topic without records: what a subject takes for it, it takes once for any topic.
const nothing = "nothing"

type bench struct {
	records    int64
	partitions int32
	dir        string // for everything that goes when the bench ends
	kafka      *real.Cluster
	geo        string
	subjects   []subject
}

func main() {
	records := flag.Int64("records", 1_000_000, "records in the source topic")
	rounds := flag.Int("rounds", 3, "how often each subject runs")
	partitions := flag.Int("partitions", 4, "partitions of the source topic")
	kinds := flag.String("variants", "mixed,pure", "traffic: mixed, pure (each batch of one jurisdiction)")
	names := flag.String("subjects", "demarc,kafkago", "what is compared")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	b := &bench{records: *records, partitions: int32(*partitions)}
	err := b.run(ctx, *rounds, strings.Split(*kinds, ","), strings.Split(*names, ","))
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func (b *bench) run(ctx context.Context, rounds int, kinds, names []string) (err error) {
	for _, kind := range kinds {
		if _, ok := variants[kind]; !ok {
			return fmt.Errorf("no traffic %q", kind)
		}
	}
	if b.dir, err = os.MkdirTemp("", "demarc-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	if err := b.build(ctx, names); err != nil {
		return err
	}
	if b.kafka, err = real.Start(ctx, mkdir(b.dir, "kafka"), real.Options{}); err != nil {
		return err
	}
	defer b.kafka.Kill()
	if err := b.kafka.CreateTopic(ctx, nothing, b.partitions, nil); err != nil {
		return err
	}
	for _, s := range b.subjects {
		r, err := b.measure(ctx, s, nothing, 0, 0)
		if err != nil {
			return fmt.Errorf("%s, no traffic: %w", s.name, err)
		}
		fmt.Printf("%-8s starts and ends in %v of processor time, which is part of all that follows\n", s.name, r.cpu)
	}
	for _, kind := range kinds {
		if err := b.fill(ctx, kind); err != nil {
			return err
		}
	}
	results := map[string][]result{}
	for round := range rounds {
		for _, kind := range kinds {
			for i := range b.subjects {
				s := b.subjects[(i+round)%len(b.subjects)] // nobody is always first
				r, err := b.measure(ctx, s, kind, b.records, round)
				if err != nil {
					return fmt.Errorf("%s, %s traffic: %w", s.name, kind, err)
				}
				fmt.Printf("%-8s %-6s %s\n", s.name, kind, r)
				results[s.name+" "+kind] = append(results[s.name+" "+kind], r)
			}
		}
	}
	b.summary(kinds, results)
	return nil
}

// mkdir makes a folder in the bench's own.
func mkdir(dir, name string) string {
	own := filepath.Join(dir, name)
	_ = os.Mkdir(own, 0o755) // whoever writes there reports it
	return own
}

// build compiles the subjects and unpacks the geo database, which all of them read.
func (b *bench) build(ctx context.Context, names []string) error {
	for _, s := range subjects {
		if !slices.Contains(names, s.name) {
			continue
		}
		s.binary = filepath.Join(b.dir, s.name)
		cmd := exec.CommandContext(ctx, "go", "build", "-o", s.binary, ".")
		cmd.Dir = s.source
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", s.name, err, out)
		}
		b.subjects = append(b.subjects, s)
	}
	if len(b.subjects) != len(names) {
		return fmt.Errorf("not all of %v are subjects", names)
	}
	packed, err := os.Open("classifier/data/dbip-country-lite.mmdb.zst")
	if err != nil {
		return fmt.Errorf("unpack geo database: %w", err)
	}
	defer packed.Close()
	in, err := zstd.NewReader(packed)
	if err != nil {
		return fmt.Errorf("unpack geo database: %w", err)
	}
	defer in.Close()
	b.geo = filepath.Join(b.dir, "geo.mmdb")
	out, err := os.Create(b.geo)
	if err != nil {
		return fmt.Errorf("unpack geo database: %w", err)
	}
	defer out.Close()
	if _, err := in.WriteTo(out); err != nil {
		return fmt.Errorf("unpack geo database: %w", err)
	}
	return nil
}

func (b *bench) fill(ctx context.Context, kind string) error {
	if err := b.kafka.CreateTopic(ctx, kind, b.partitions, nil); err != nil {
		return err
	}
	load := devbroker.Load{
		Brokers: b.kafka.Brokers, Topic: kind, Partitions: b.partitions, Records: b.records,
		Batch: batchRecords, Traffic: variants[kind], Codec: kgo.ZstdCompression(),
	}
	fmt.Printf("filling %s with %d records\n", kind, b.records)
	return load.Run(ctx)
}
