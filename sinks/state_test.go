package sinks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/demarc/demarc/internal/record"
	"github.com/demarc/demarc/internal/wire"
)

func TestStateIsSaidOncePerChange(t *testing.T) {
	var log, prom bytes.Buffer
	tr := newTracker(slog.New(slog.NewTextHandler(&log, nil)), "us-oci")
	set := metrics.NewSet()
	newMeters(set, "us-oci", tr.State)
	expect := func(s Status, err string) {
		t.Helper()
		if got := tr.State(); got.Status != s || got.Err != err || got.Since.IsZero() {
			t.Errorf("state = %+v, want %v %q", got, s, err)
		}
		prom.Reset()
		set.WritePrometheus(&prom)
		for other := range statusCount {
			line := fmt.Sprintf("demarc_sink_state{sink=\"us-oci\",state=%q} %d\n", other, map[bool]int{true: 1}[other == s])
			if !strings.Contains(prom.String(), line) {
				t.Errorf("metrics lack %q", line)
			}
		}
	}
	expect(Opening, "")
	tr.openFails(errors.New("not there"))
	tr.openFails(errors.New("still not there"))
	expect(Opening, "still not there")
	tr.opened()
	expect(Ready, "")
	tr.fails(errors.New("first"), false)
	tr.fails(errors.New("second"), false)
	tr.fails(errors.New("third"), true)
	expect(Retrying, "third")
	tr.stored(true)
	expect(Retrying, "third")
	tr.givenUp()
	expect(Retrying, "third")
	tr.fails(errors.New("still"), false)
	tr.stored(false)
	expect(Retrying, "still")
	tr.givenUp()
	expect(Retrying, "still")
	tr.stored(false)
	expect(Ready, "")
	tr.stored(false)
	tr.stop(errors.New("pin"))
	tr.stop(errors.New("another"))
	tr.fails(errors.New("fourth"), false)
	tr.stored(true)
	tr.opened()
	tr.openFails(errors.New("fifth"))
	expect(Stopped, "pin")
	if got := strings.Count(log.String(), "\n"); got != 3 {
		t.Errorf("%d log lines, want down, back and stopped:\n%s", got, &log)
	}
	_, after, _ := strings.Cut(log.String(), "after=")
	after, _, _ = strings.Cut(after, "\n")
	if d, err := time.ParseDuration(after); err != nil || d != d.Round(time.Millisecond) {
		t.Errorf("sink is back after %q, want whole milliseconds", after)
	}
}

// saidOnce fails unless the log has each of the messages exactly once. It is for a sink that is closed.
func saidOnce(t *testing.T, log *bytes.Buffer, messages ...string) {
	t.Helper()
	for _, m := range messages {
		if got := strings.Count(log.String(), m); got != 1 {
			t.Errorf("%q is logged %d times, want once:\n%s", m, got, log)
		}
	}
}

// TestOnlyAStoredBatchBringsKafkaBack: a topic whose failing batches were given up is as far away as before.
func TestOnlyAStoredBatchBringsKafkaBack(t *testing.T) {
	over := errors.New("over")
	for _, tc := range []struct {
		name   string
		giveUp func(k *Kafka, b *record.Batch) (context.Context, func())
	}{
		{"dropped", func(k *Kafka, b *record.Batch) (context.Context, func()) {
			b.Live = func(context.Context) error {
				if k.State().Status == Retrying {
					return over
				}
				return nil
			}
			return t.Context(), func() {}
		}},
		{"abandoned", func(*Kafka, *record.Batch) (context.Context, func()) {
			ctx, cancel := context.WithCancelCause(t.Context())
			return ctx, func() { cancel(over) }
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var log bytes.Buffer
			c := newCluster(t, kfake.SeedTopics(1, topic))
			cfg := kafkaConfig(c.ListenAddrs()...)
			cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
			k := openKafka(t, cfg)
			down := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotEnoughReplicas, Count: -1})
			b := newBatch(t, from(0), wire.None, "a")
			ctx, end := tc.giveUp(k, b)
			k.Deliver(ctx, 0, b)
			until(t, "the sink is retrying", func() bool { return k.State().Status == Retrying })
			end()
			if s := outcome(t, b); !errors.Is(s.err, over) {
				t.Fatalf("settled with %v", s.err)
			}
			if s := k.State(); s.Status != Retrying || s.Err == "" {
				t.Errorf("state after everything was given up = %+v", s)
			}
			before := retries(cfg.Metrics, CauseReplicas)
			again := newBatch(t, from(0), wire.None, "again")
			k.Deliver(t.Context(), 0, again)
			until(t, "it is tried", func() bool { return retries(cfg.Metrics, CauseReplicas) > before })
			down.Remove()
			mustStore(t, again)
			if s := k.State(); s.Status != Ready || s.Err != "" {
				t.Errorf("state after a batch was stored = %+v", s)
			}
			if err := k.Close(); err != nil {
				t.Error(err)
			}
			saidOnce(t, &log, "sink is down", "sink is back")
		})
	}
}

func TestOnlyAStoredBatchBringsADirectoryBack(t *testing.T) {
	var log bytes.Buffer
	cfg := fileConfig(t.TempDir())
	cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
	f := openFile(t, cfg)
	var full atomic.Bool
	full.Store(true)
	f.disk.around = func(op operation, path string, do func() error) error {
		if full.Load() && op == opWrite {
			return &fs.PathError{Op: string(op), Path: path, Err: syscall.ENOSPC}
		}
		return do()
	}
	over := errors.New("over")
	b := newBatch(t, from(0), wire.None, "a")
	b.Live = func(context.Context) error {
		if f.State().Status == Retrying {
			return over
		}
		return nil
	}
	f.Deliver(t.Context(), 0, b)
	if s := outcome(t, b); !errors.Is(s.err, over) {
		t.Fatalf("settled with %v", s.err)
	}
	before := retries(cfg.Metrics, CauseDiskFull)
	again := newBatch(t, from(0), wire.None, "again")
	f.Deliver(t.Context(), 0, again)
	until(t, "it is tried", func() bool { return retries(cfg.Metrics, CauseDiskFull) > before })
	if s := f.State(); s.Status != Retrying || s.Err == "" {
		t.Errorf("state = %+v", s)
	}
	full.Store(false)
	mustStore(t, again)
	until(t, "the sink is ready", func() bool { return f.State().Status == Ready })
	mustClose(t, f)
	saidOnce(t, &log, "sink is down", "sink is back")
}

// TestMetricsAreDocumented: doc.go names every metric, and the causes are a closed list of distinct words.
func TestMetricsAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	set := metrics.NewSet()
	newMeters(set, "us-oci", func() State { return State{} })
	names := set.ListMetricNames()
	for _, name := range names {
		family, _, _ := strings.Cut(name, "{")
		if !strings.Contains(string(doc), "\t"+family) {
			t.Errorf("doc.go does not name %s", family)
		}
	}
	if want := len(Causes()) + int(statusCount) + 2 + 4; len(names) != want {
		t.Errorf("%d metrics, want %d: is a cause there twice?", len(names), want)
	}
}

func TestSequenceBeginsAgain(t *testing.T) {
	tk := &task{stream: &stream{sequence: math.MaxInt32 - 1}, piece: &piece{count: 3}}
	tk.accepted(7)
	if tk.stream.sequence != 1 || !tk.piece.stored || tk.piece.base != 7 {
		t.Errorf("after the last sequence numbers: %+v %+v", tk.stream, tk.piece)
	}
}
