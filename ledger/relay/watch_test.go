package relay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/demarc/demarc/internal/devbroker"
	"github.com/demarc/demarc/ledger"
	"github.com/demarc/demarc/ledger/writer"
)

// lines is a log that a test looks at while it is written.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.buf.String(), text)
}

// beside writes entries to a partition of the topic beside all fences.
func beside(t *testing.T, b *devbroker.Cluster, partition int32, list ...ledger.Entry) {
	t.Helper()
	var records []*kgo.Record
	for _, e := range list {
		text, err := writer.Encode(e)
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, &kgo.Record{Topic: entries, Partition: partition, Key: []byte(keyOf(e)), Value: text})
	}
	if err := devbroker.Produce(context60(t), b.Brokers(), records); err != nil {
		t.Fatal(err)
	}
}

// busy has entries of source partition 9 come without a pause until the test ends.
func busy(t *testing.T, b *devbroker.Cluster) {
	t.Helper()
	a := newAppender(t, b.Brokers())
	mustResume(t, a, stream(9))
	ctx, cancel := context.WithCancel(context.Background())
	var flow sync.WaitGroup
	flow.Go(func() {
		for i := int64(0); ctx.Err() == nil; i++ {
			if err := a.Append(ctx, []ledger.Entry{span(t, 9, i, i+1)}); err != nil && ctx.Err() == nil {
				t.Error(err)
				return
			}
		}
	})
	t.Cleanup(func() { cancel(); flow.Wait() })
}

// TestSequencerLooksAroundOnABusyTopic, which is never read to its end: it tells of entries that wait for what is not
// there, and finds partitions that the topic was given.
func TestSequencerLooksAroundOnABusyTopic(t *testing.T) {
	b, _ := written(t)
	busy(t, b)
	var log lines
	cfg := config(b.Brokers())
	cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
	s := newFolder(t).start(t, NewSequencer(SequencerConfig{Config: cfg, Checkpoints: checkpoints}))
	until(t, "it follows", func() bool { return s.entered.Get() > 20 })
	beside(t, b, 1, span(t, 1, 50, 60))
	until(t, "what waits is told of", func() bool { return log.has("offsets 20 to 49 are missing") })
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Brokers()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if res, err := kadm.NewClient(client).CreatePartitions(context60(t), 1, entries); err != nil || res.Error() != nil {
		t.Fatal(err, res.Error())
	}
	beside(t, b, 3, gap(1, 20, 50))
	until(t, "the new partition is read", func() bool { _, ok := s.log.Taken(3); return ok })
	until(t, "nothing waits", func() bool { return s.waiting.Load() == 0 })
	s.stop()
	if err := s.end(t); err != nil {
		t.Error(err)
	}
}

// TestLagTellsWhatAnOpenTransactionHolds: it cannot be read, and is there all the same.
func TestLagTellsWhatAnOpenTransactionHolds(t *testing.T) {
	b, a := written(t)
	s := newFolder(t).start(t, newSequencer(b.Brokers(), false))
	until(t, "all is in the log", func() bool { return s.log.Size() == 10 && s.lag.Load() == 0 })
	g := newGate(a.cluster)
	g.hold("EndTxn")
	done := make(chan error, 1)
	e := span(t, 0, 20, 30)
	go func() { done <- a.Append(context60(t), []ledger.Entry{e}) }()
	<-g.arrived
	until(t, "it shows", func() bool { return s.lag.Load() > 0 })
	g.release()
	if err := <-done; err != nil {
		t.Error(err)
	}
	until(t, "it is over", func() bool { return s.log.Size() == 11 && s.lag.Load() == 0 })
	s.stop()
	if err := s.end(t); err != nil {
		t.Error(err)
	}
}

// TestWhatIsWaitedForIsTold: a coordinator that nobody can reach, and a transaction that nobody ends.
func TestWhatIsWaitedForIsTold(t *testing.T) {
	b := newBroker(t)
	var log lines
	cfg := config(b.Brokers())
	cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
	heir := NewAppender(AppenderConfig{Config: cfg, Group: "g", Lanes: lanes})
	newFaulty(heir.cluster).fail("InitProducerID", tellAfter, false)
	if err := heir.Open(context60(t)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = heir.Close() })
	if !log.has("does not do what it is asked for") || !log.has(errCut.Error()) {
		t.Error("no word of a request that fails again and again")
	}

	other := newAppender(t, b.Brokers())
	mustResume(t, other, stream(3))
	g := newGate(other.cluster)
	g.hold("EndTxn")
	done := make(chan error, 1)
	e := span(t, 3, 0, 10)
	go func() { done <- other.Append(context60(t), []ledger.Entry{e}) }()
	<-g.arrived
	same := int32(0) // of another lane, in the same partition of the topic
	for home(stream(same), 3) != home(stream(3), 3) || same%lanes == 3 {
		same++
	}
	found := make(chan error, 1)
	go func() {
		_, err := heir.Resume(context60(t), []ledger.Stream{stream(same)})
		found <- err
	}()
	until(t, "it is told", func() bool { return log.has("waiting for the end of a transaction") })
	g.release()
	if err := errors.Join(<-found, <-done); err != nil {
		t.Error(err)
	}
}

func TestALeaderThatIsNotReadyIsAskedAgain(t *testing.T) {
	// A new leader does not say where its log ends before its followers have confirmed it.
	if !passes(fmt.Errorf("list offsets: %w", kafka.OffsetNotAvailable)) {
		t.Error("OFFSET_NOT_AVAILABLE is final")
	}
}
