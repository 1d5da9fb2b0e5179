//go:build linux

package main

import (
	"context"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/demarc/demarc/internal/devbroker"
)

func TestComplete(t *testing.T) {
	for _, c := range []struct {
		arrived int64
		want    string // part of the error; empty: none
	}{{100, ""}, {99, "incomplete: 99 of 100"}, {0, "incomplete: 0 of 100"}, {101, "twice"}} {
		err := complete(100, c.arrived)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%d arrived: %v, want %q", c.arrived, err, c.want)
		}
	}
}

// embedded makes a bench with the embedded broker and the floor, and fills a small workload.
func embedded(t *testing.T) (*bench, *cell) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	b := newBench(settings{records: 20_000, rounds: 1}, io.Discard)
	b.dir = t.TempDir()
	var err error
	if b.broker, err = startBroker(ctx, "embedded", b.dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.broker.close)
	c := &cell{findSubject("floor"), workload{"small", devbroker.Traffic{Seed: 9, Tagged: true}, 4, 50, "zstd", 1}, usual}
	build := exec.CommandContext(ctx, "go", "build", "-o", b.binary(c.subject), "./floor")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := b.fill(ctx, &c.workload); err != nil {
		t.Fatal(err)
	}
	return b, c
}

func TestMeasure(t *testing.T) {
	b, c := embedded(t)
	for round := range 2 {
		r, err := b.measure(t.Context(), c, round)
		if err != nil {
			t.Fatal(err)
		}
		if r.records != 20_000 || r.cost <= 0 || r.rate <= 0 || r.used <= 0 || r.wall <= 0 || r.memory < 1<<20 || r.mallocs <= 0 {
			t.Errorf("%+v", r)
		}
		if want := []int64{0, 20_000, 0, 0}; !slices.Equal(r.sinks, want) { // the floor writes all to one
			t.Errorf("the sinks hold %v, want %v", r.sinks, want)
		}
		if g := r.growth(); g < 0.5 || g > 1.5 {
			t.Errorf("%d bytes became %d", r.source, r.stored)
		}
	}
}

func TestMeasureRefusesAnIncompleteRun(t *testing.T) {
	b, c := embedded(t)
	for name, want := range map[string]string{"true": "incomplete: 0 of 20000", "false": "exit status 1"} {
		c.subject = &subject{name: name, command: func(string, *run) (*exec.Cmd, error) { return exec.Command(name), nil }}
		if r, err := b.measure(t.Context(), c, 0); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v", name, r, err)
		}
	}
}

// beside runs the floor while its source is appended to.
func beside(t *testing.T, b *bench, c *cell, name string, cmd func(*run) (*exec.Cmd, error)) (*probe, int64, error) {
	t.Helper()
	r, sinks, err := b.prepare(t.Context(), c, name)
	if err != nil {
		t.Fatal(err)
	}
	source := c.workload
	source.name = name
	if err := b.broker.create(t.Context(), name, source.partitions); err != nil {
		t.Fatal(err)
	}
	transport, leader, err := b.connect(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer transport.CloseIdleConnections()
	const batches = 100
	p, err := newPace(b.broker, transport, leader, source, time.Millisecond, batches)
	if err != nil {
		t.Fatal(err)
	}
	r.topic, r.records = name, int64(batches*source.batch)
	process, err := cmd(r)
	if err != nil {
		t.Fatal(err)
	}
	reader := &probe{transport: transport, broker: b.broker, leader: leader, sinks: sinks, sent: &p.sent, first: batches / 4}
	return reader, r.records, runBeside(t.Context(), process, p, reader, r.records)
}

func TestLatencyIsOfEveryRecord(t *testing.T) {
	b, c := embedded(t)
	reader, records, err := beside(t, b, c, "paced", func(r *run) (*exec.Cmd, error) { return c.subject.command(b.binary(c.subject), r) })
	if err != nil {
		t.Fatal(err)
	}
	if got := reader.arrived.Load(); got != records {
		t.Errorf("%d of %d records arrived", got, records)
	}
	if want := records * 3 / 4; reader.taken.total != want {
		t.Errorf("%d records have a latency, want the %d after the warm-up", reader.taken.total, want)
	}
	if low, high := reader.taken.percentile(1), reader.taken.percentile(99); low <= 0 || high < low {
		t.Errorf("latencies are from %v to %v ms", low, high)
	}
}

func TestLatencyEndsWithItsSubject(t *testing.T) {
	b, c := embedded(t)
	for script, want := range map[string]string{"exit 1": "exit status 1", "exit 2": "skipped: it does not take -records"} {
		_, _, err := beside(t, b, c, "ends-"+script[len(script)-1:], func(*run) (*exec.Cmd, error) { return exec.Command("sh", "-c", script), nil })
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", script, err, want)
		}
	}
}

func TestProcessorTimeAndMemoryOfAnotherProcess(t *testing.T) {
	cmd := exec.Command("sh", "-c", "while :; do :; done")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Wait() }()
	defer func() { _ = cmd.Process.Kill() }()
	begun := time.Now()
	var used time.Duration
	for used < 20*time.Millisecond {
		var err error
		if used, err = processorTime(cmd.Process.Pid); err != nil {
			t.Fatal(err)
		}
		if elapsed := time.Since(begun); used > elapsed+time.Second {
			t.Fatalf("one thread used %v in %v", used, elapsed)
		}
	}
	if most, err := peakMemory(cmd.Process.Pid); err != nil || most < 100<<10 || most > 100<<20 {
		t.Errorf("a shell has %d bytes, %v", most, err)
	}
}

func TestPeerWithoutToolchainIsSkipped(t *testing.T) {
	if got := lastLine([]byte("one\ntwo: no compiler\n\n")); got != "two: no compiler" {
		t.Errorf("got %q", got)
	}
}
