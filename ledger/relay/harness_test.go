package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"k8s.io/klog/v2"

	"github.com/demarc/demarc/internal/devbroker"
	"github.com/demarc/demarc/ledger"
	"github.com/demarc/demarc/ledger/tiles"
	"github.com/demarc/demarc/ledger/verify"
	"github.com/demarc/demarc/ledger/writer"
)

const (
	entries     = "demarc.entries"
	checkpoints = "demarc.checkpoints"
	origin      = "ledger.example/test"
	lanes       = 4
)

// TestMain keeps Tessera quiet.
func TestMain(m *testing.M) {
	klog.SetSlogLogger(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}

// patience ends a test that would wait for ever; no test takes it for a measure of time.
const patience = 60 * time.Second

func context60(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// newBroker has an entries topic of three partitions and a checkpoints topic of one.
func newBroker(t testing.TB, opts ...kfake.Opt) *devbroker.Cluster {
	t.Helper()
	c, err := devbroker.Start("ledger-cluster", []devbroker.Topic{{Name: entries, Partitions: 3}, {Name: checkpoints, Partitions: 1}}, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func config(brokers []string) Config {
	return Config{Brokers: brokers, Topic: entries, ClientID: "demarc"}
}

func newAppender(t testing.TB, brokers []string) *Appender {
	t.Helper()
	a := NewAppender(AppenderConfig{Config: config(brokers), Group: "g", Lanes: lanes})
	if err := a.Open(context60(t)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	return a
}

func mustResume(t testing.TB, a *Appender, streams ...ledger.Stream) map[ledger.Stream]int64 {
	t.Helper()
	covered, err := a.Resume(context60(t), streams)
	if err != nil {
		t.Fatal(err)
	}
	return covered
}

func mustAppend(t testing.TB, a *Appender, list ...ledger.Entry) {
	t.Helper()
	if err := a.Append(context60(t), list); err != nil {
		t.Fatal(err)
	}
}

var digest = strings.Repeat("0a", 32)

// preamble is what the ranges of the tests cite: a policy and the pins of its sink.
func preamble(t testing.TB) []ledger.Entry {
	t.Helper()
	list, err := ledger.PolicyEntries(3, []byte("version: 3\n"))
	if err != nil {
		t.Fatal(err)
	}
	return append(list, ledger.Entry{Kind: ledger.KindPins, Pins: &ledger.Pins{
		At: 1, Held: true, Unpinned: true, Sink: "us", Policy: ledger.PolicyRef{SHA256: list[0].Policy.SHA256, Version: 3},
		Location: ledger.Location{Country: "US"}, Place: ledger.Place{Cluster: "us", Topic: "events.us"},
	}})
}

// bases makes the receipts of all ranges differ, as those of a sink do.
var bases struct {
	sync.Mutex
	next int64
}

// span is a range of records, all of them stored in the sink "us".
func span(t testing.TB, partition int32, from, to int64) ledger.Entry {
	t.Helper()
	n := to - from
	bases.Lock()
	base := bases.next
	bases.next += n
	bases.Unlock()
	return ledger.Entry{Kind: ledger.KindRange, Range: &ledger.Range{
		Data: n, Program: "test", Policy: ledger.PolicyRef{SHA256: preamble(t)[0].Policy.SHA256, Version: 3},
		Counts: []ledger.Count{{Bytes: 100 * n, Reason: "decided", Records: n, Set: "US", Sink: "us"}},
		Receipts: []ledger.Receipt{{Counts: []ledger.SetCount{{Records: n, Set: "US"}}, SHA256: digest, Sink: "us",
			Kafka: &ledger.Offsets{Base: base, Cluster: "us", Last: base + n - 1, Partition: 0, Topic: "events.us"}}},
		Source: ledger.Source{Cluster: "src", From: from, LeaderEpoch: 1, Partition: partition, To: to, Topic: "events"},
		Time:   &ledger.Times{First: 1, Last: 2, Type: "create"},
	}}
}

func gap(partition int32, from, to int64) ledger.Entry {
	return ledger.Entry{Kind: ledger.KindGap, Gap: &ledger.Gap{At: 1, Reason: "test",
		Source: ledger.Source{Cluster: "src", From: from, LeaderEpoch: -1, Partition: partition, To: to, Topic: "events"}}}
}

func stream(partition int32) ledger.Stream {
	return ledger.Stream{Cluster: "src", Topic: "events", Partition: partition}
}

// outline tells what the entries topic holds, committed, of source partitions: sorted by partition of the topic.
func outline(t testing.TB, brokers []string) string {
	t.Helper()
	var b strings.Builder
	records, err := devbroker.ReadAll(context60(t), brokers, entries)
	if err != nil {
		t.Fatal(err)
	}
	for partition := range int32(64) {
		for _, r := range records {
			e, err := ledger.Decode(r.Value)
			if err != nil {
				t.Fatal(err)
			}
			if s, ok := streamOf(e); ok && s.Partition == partition {
				from, to := extentOf(e)
				fmt.Fprintf(&b, "%d: %d-%d\n", partition, from, to)
			}
		}
	}
	return b.String()
}

// folder is a ledger on disk.
type folder struct{ dir, vkey string }

func newFolder(t testing.TB) folder {
	t.Helper()
	f := folder{dir: filepath.Join(t.TempDir(), "ledger")}
	var err error
	if f.vkey, err = writer.Init(f.dir, origin); err != nil {
		t.Fatal(err)
	}
	return f
}

// sequencer is one that runs.
type sequencer struct {
	*Sequencer
	log  *writer.Log
	stop context.CancelFunc
	done chan struct{}
	err  error // of Run, once done is closed
}

func newSequencer(brokers []string, untilEnd bool) *Sequencer {
	return NewSequencer(SequencerConfig{Config: config(brokers), Checkpoints: checkpoints, UntilEnd: untilEnd})
}

func (f folder) start(t testing.TB, s *Sequencer) *sequencer {
	t.Helper()
	log, err := writer.Open(context60(t), f.dir, "", writer.Options{Interval: time.Nanosecond, CheckpointInterval: 100 * time.Millisecond, BeforeSign: s.BeforeSign})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	r := &sequencer{Sequencer: s, log: log, stop: cancel, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.err = s.Run(ctx, log)
	}()
	t.Cleanup(func() { cancel(); <-r.done; _ = s.Close() })
	return r
}

// end waits for Run and closes the log.
func (r *sequencer) end(t testing.TB) error {
	t.Helper()
	<-r.done
	limit := patience
	if errors.Is(r.err, ErrTakenOver) || errors.Is(r.err, ErrOtherLog) {
		limit = time.Nanosecond // nothing will be signed any more
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if err := r.log.Close(ctx); err != nil && limit == patience {
		t.Fatal(err)
	}
	return r.err
}

// sequenceAll runs a sequencer up to the end of the topic.
func (f folder) sequenceAll(t testing.TB, brokers []string) error {
	t.Helper()
	return f.start(t, newSequencer(brokers, true)).end(t)
}

// verified checks the log as an auditor does.
func (f folder) verified(t testing.TB) *verify.Result {
	t.Helper()
	key, err := tiles.ParseKey(f.vkey)
	if err != nil {
		t.Fatal(err)
	}
	r, err := verify.Walk(context60(t), tiles.New(tiles.Folder(f.dir)), key, verify.Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range r.Faults {
		t.Errorf("verify: %v", fault)
	}
	return r
}

func until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never came true that %s", what)
		}
	}
}
