package relay

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/demarc/demarc/internal/devbroker"
	"github.com/demarc/demarc/ledger"
	"github.com/demarc/demarc/ledger/writer"
)

// written is an entries topic with a preamble and some ranges.
func written(t *testing.T) (*devbroker.Cluster, *Appender) {
	t.Helper()
	b := newBroker(t)
	a := newAppender(t, b.Brokers())
	mustAppend(t, a, preamble(t)...)
	mustResume(t, a, stream(0), stream(1), stream(2), stream(3))
	for p := range int32(4) {
		mustAppend(t, a, span(t, p, 0, 10), span(t, p, 10, 20))
	}
	return b, a
}

func (f folder) wantCovered(t *testing.T, to int64, entries uint64) {
	t.Helper()
	r := f.verified(t)
	for _, p := range r.Partitions {
		if open := p.Uncovered(); len(open) > 0 {
			t.Errorf("%v is not covered: %v", p.Stream, open)
		}
	}
	log, err := writer.Open(context60(t), f.dir, "", writer.Options{BeforeSign: func(uint64, [32]byte) error { return errors.New("not now") }})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = log.Close(ctx) // nothing is to be signed
	}()
	for p := range int32(4) {
		if got, _ := log.Position(stream(p)); got != to {
			t.Errorf("%v is covered to %d, want %d", stream(p), got, to)
		}
	}
	if r.Entries != entries {
		t.Errorf("%d entries, want %d", r.Entries, entries)
	}
}

func TestSequencerWritesTheLog(t *testing.T) {
	b, a := written(t)
	f := newFolder(t)
	if err := f.sequenceAll(t, b.Brokers()); err != nil {
		t.Fatal(err)
	}
	f.wantCovered(t, 20, 10)
	for p := range int32(4) {
		mustAppend(t, a, span(t, p, 20, 30))
	}
	for range 2 { // the second finds nothing to do
		if err := f.sequenceAll(t, b.Brokers()); err != nil {
			t.Fatal(err)
		}
		f.wantCovered(t, 30, 14)
	}
}

// TestSequencerFollows what is appended while it runs.
func TestSequencerFollows(t *testing.T) {
	b, a := written(t)
	f := newFolder(t)
	s := f.start(t, newSequencer(b.Brokers(), false))
	for i := range int64(5) {
		for p := range int32(4) {
			mustAppend(t, a, span(t, p, 20+i, 21+i))
		}
	}
	until(t, "all is in the log", func() bool { return s.log.Size() == 30 })
	s.stop()
	if err := s.end(t); err != nil {
		t.Fatal(err)
	}
	f.wantCovered(t, 25, 30)
}

// TestSequencerReadsAgain from the topic's beginning when the checkpoints topic tells nothing, and from an old record.
func TestSequencerReadsAgain(t *testing.T) {
	b, a := written(t)
	f := newFolder(t)
	if err := f.sequenceAll(t, b.Brokers()); err != nil {
		t.Fatal(err)
	}
	for p := range int32(4) {
		mustAppend(t, a, span(t, p, 20, 30))
	}
	const other = "demarc.checkpoints.2"
	create(t, b, other, nil)
	s := NewSequencer(SequencerConfig{Config: config(b.Brokers()), Checkpoints: other, UntilEnd: true})
	if err := f.start(t, s).end(t); err != nil {
		t.Fatal(err)
	}
	f.wantCovered(t, 30, 14)
	if err := f.sequenceAll(t, b.Brokers()); err != nil { // by the record that is older
		t.Fatal(err)
	}
	f.wantCovered(t, 30, 14)
}

func TestSequencerSaysWhatItRefuses(t *testing.T) {
	b, a := written(t)
	f := newFolder(t)
	if err := f.sequenceAll(t, b.Brokers()); err != nil {
		t.Fatal(err)
	}
	// Beside all fences.
	overlap := span(t, 1, 15, 25)
	text, err := writer.Encode(overlap)
	if err != nil {
		t.Fatal(err)
	}
	if err := devbroker.Produce(context60(t), b.Brokers(), []*kgo.Record{{Topic: entries, Partition: 1, Key: []byte(keyOf(overlap)), Value: text}}); err != nil {
		t.Fatal(err)
	}
	for _, p := range []int32{0, 2, 3} {
		mustAppend(t, a, span(t, p, 20, 30))
	}
	for range 2 { // a restart says so again
		err := f.sequenceAll(t, b.Brokers())
		if !errors.Is(err, ErrIncomplete) || !strings.Contains(err.Error(), "overlaps the range [10, 20)") {
			t.Errorf("Run = %v", err)
		}
		r := f.verified(t)
		if r.Kinds[ledger.KindRange] != 11 {
			t.Errorf("%d ranges, want the others'", r.Kinds[ledger.KindRange])
		}
	}
}

// TestSequencerSaysWhatIsMissing, and goes on when an operator accepts the gap.
func TestSequencerSaysWhatIsMissing(t *testing.T) {
	b, a := written(t)
	a.lanes[1].frontier.ends[stream(1)] = 50 // as if somebody had read another topic
	mustAppend(t, a, span(t, 1, 50, 60))
	f := newFolder(t)
	if err := f.sequenceAll(t, b.Brokers()); !errors.Is(err, ErrIncomplete) || !strings.Contains(err.Error(), "offsets 20 to 49 are missing") {
		t.Errorf("Run = %v", err)
	}
	a.lanes[1].frontier.ends[stream(1)] = 20
	mustAppend(t, a, gap(1, 20, 50))
	if err := f.sequenceAll(t, b.Brokers()); err != nil {
		t.Error(err)
	}
	if r := f.verified(t); r.Kinds[ledger.KindGap] != 1 || r.Kinds[ledger.KindRange] != 9 {
		t.Errorf("kinds: %v", r.Kinds)
	}
}

// TestSequencerCrashes between any two calls to its brokers: the next one ends with the same log.
func TestSequencerCrashes(t *testing.T) {
	for calls := 1; ; calls++ {
		b, _ := written(t)
		f := newFolder(t)
		s := newSequencer(b.Brokers(), true)
		cut := &cutter{inner: s.cluster.rt, left: calls, cut: make(chan struct{})}
		s.cluster.through(cut)
		r := f.start(t, s)
		select {
		case <-cut.cut:
			r.stop()
		case <-r.done:
		}
		<-r.done
		ctx, cancel := context.WithTimeout(context.Background(), time.Nanosecond)
		_ = r.log.Close(ctx) // without the last checkpoint, as a crash
		cancel()
		if err := f.sequenceAll(t, b.Brokers()); err != nil {
			t.Fatalf("after %d calls: %v", calls, err)
		}
		f.wantCovered(t, 20, 10)
		if r.err == nil && !cut.was() {
			if calls < 15 {
				t.Errorf("it ran through with %d calls", calls)
			}
			return
		}
	}
}

// TestTwoSequencers with copies of one folder: the later one signs, the earlier one ends.
func TestTwoSequencers(t *testing.T) {
	b, a := written(t)
	f := newFolder(t)
	if err := f.sequenceAll(t, b.Brokers()); err != nil {
		t.Fatal(err)
	}
	copied := f.copy(t)
	first := f.start(t, newSequencer(b.Brokers(), false))
	until(t, "the first reads", first.Ready)
	second := copied.start(t, newSequencer(b.Brokers(), false))
	until(t, "the second reads", second.Ready)
	mustAppend(t, a, span(t, 0, 20, 30))
	if err := first.end(t); !errors.Is(err, ErrTakenOver) {
		t.Errorf("the first ends with %v", err)
	}
	until(t, "the second signs", func() bool {
		cp, err := second.log.Checkpoint()
		return err == nil && cp.Size == 11
	})
	if cp, err := first.log.Checkpoint(); err != nil || cp.Size != 10 {
		t.Errorf("the first has signed size %d, %v", cp.Size, err)
	}
	second.stop()
	if err := second.end(t); err != nil {
		t.Error(err)
	}
	// The first folder holds the entry too, unsigned, in the same order: it may go on.
	third := f.start(t, newSequencer(b.Brokers(), true))
	if err := third.end(t); err != nil {
		t.Error(err)
	}
}

// TestOldCopyDoesNotStart, and does not end the sequencer that runs.
func TestOldCopyDoesNotStart(t *testing.T) {
	b, a := written(t)
	f := newFolder(t)
	old := f.copy(t)
	s := f.start(t, newSequencer(b.Brokers(), false))
	until(t, "it has signed", func() bool {
		cp, err := s.log.Checkpoint()
		return err == nil && cp.Size == 10
	})
	if err := old.sequenceAll(t, b.Brokers()); !errors.Is(err, ErrOtherLog) || !strings.Contains(err.Error(), "has 0 entries") {
		t.Errorf("Run = %v", err)
	}
	mustAppend(t, a, span(t, 0, 20, 30))
	until(t, "it signs on", func() bool {
		cp, err := s.log.Checkpoint()
		return err == nil && cp.Size == 11
	})
	s.stop()
	if err := s.end(t); err != nil {
		t.Error(err)
	}
}

// TestAnotherTreeDoesNotStart: a copy that was written to by itself.
func TestAnotherTreeDoesNotStart(t *testing.T) {
	b, _ := written(t)
	f := newFolder(t)
	other := f.copy(t)
	if err := f.sequenceAll(t, b.Brokers()); err != nil {
		t.Fatal(err)
	}
	log, err := writer.Open(context60(t), other.dir, "", writer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Append(context60(t), append(preamble(t), span(t, 9, 0, 10))); err != nil {
		t.Fatal(err)
	}
	for i := range int64(9) {
		if err := log.Append(context60(t), []ledger.Entry{span(t, 9, 10+i, 11+i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := log.Close(context60(t)); err != nil {
		t.Fatal(err)
	}
	if err := other.sequenceAll(t, b.Brokers()); !errors.Is(err, ErrOtherLog) || !strings.Contains(err.Error(), "root") {
		t.Errorf("Run = %v", err)
	}
}

// TestSigningCallsFail: whatever call of the vow gets no answer, the checkpoint is signed later, never without it.
func TestSigningCallsFail(t *testing.T) {
	for _, name := range []string{"AddPartitionsToTxn", "Produce", "EndTxn"} {
		for _, reach := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s reached=%v", name, reach), func(t *testing.T) {
				b, _ := written(t)
				f := newFolder(t)
				s := newSequencer(b.Brokers(), true)
				fault := newFaulty(s.cluster)
				fault.fail(name, 3, reach)
				if err := f.start(t, s).end(t); err != nil {
					t.Fatal(err)
				}
				f.wantCovered(t, 20, 10)
				if fault.failed != 3 {
					t.Errorf("%d calls failed", fault.failed)
				}
			})
		}
	}
}

func TestPreflight(t *testing.T) {
	b := newBroker(t)
	create(t, b, "compacted", map[string]string{"cleanup.policy": "compact"})
	create(t, b, "small", map[string]string{"max.message.bytes": "1000"})
	create(t, b, "replicated", map[string]string{"min.insync.replicas": "2"})
	for topic, want := range map[string]string{
		"none":       "kafka-topics.sh --bootstrap-server",
		"compacted":  "cleanup.policy=delete",
		"small":      "max.message.bytes=1048588",
		"replicated": "min.insync.replicas=1",
	} {
		cfg := config(b.Brokers())
		cfg.Topic = topic
		err := NewAppender(AppenderConfig{Config: cfg, Group: "g", Lanes: lanes}).Open(context60(t))
		if !errors.Is(err, ErrUnfit) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", topic, err)
		}
	}
	if _, err := newCluster(config(b.Brokers()), "compacted").preflight(context60(t), "compacted", checkpointsTopic); err != nil {
		t.Errorf("a compacted topic for checkpoints: %v", err)
	}
}

func create(t *testing.T, b *devbroker.Cluster, topic string, config map[string]string) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Brokers()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	values := map[string]*string{}
	for k, v := range config {
		values[k] = &v
	}
	if _, err := kadm.NewClient(client).CreateTopic(context60(t), 1, 1, values, topic); err != nil {
		t.Fatal(err)
	}
}

// copy copies a folder with its key.
func (f folder) copy(t *testing.T) folder {
	t.Helper()
	c := folder{dir: filepath.Join(t.TempDir(), "ledger"), vkey: f.vkey}
	if err := os.CopyFS(c.dir, os.DirFS(f.dir)); err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(writer.KeyFile(f.dir))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(writer.KeyFile(c.dir), key, 0o600); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestAnotherTopicOfThatName is not sequenced: its places are not those that the log tells of, and a log that named one
// twice would never verify again.
func TestAnotherTopicOfThatName(t *testing.T) {
	for _, gone := range [][]string{{entries}, {entries, checkpoints}} {
		b, a := written(t)
		f := newFolder(t)
		if err := f.sequenceAll(t, b.Brokers()); err != nil {
			t.Fatal(err)
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		recreate(t, b, gone...)
		heir := newAppender(t, b.Brokers())
		mustAppend(t, heir, preamble(t)...)
		mustResume(t, heir, stream(0), stream(1))
		mustAppend(t, heir, span(t, 0, 20, 30), span(t, 1, 20, 30))
		if err := f.sequenceAll(t, b.Brokers()); !errors.Is(err, ErrUnfit) || !strings.Contains(err.Error(), "created anew") {
			t.Errorf("%v gone: Run = %v", gone, err)
		}
		f.wantCovered(t, 20, 10)
	}
}

func recreate(t *testing.T, b *devbroker.Cluster, topics ...string) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Brokers()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	for _, topic := range topics {
		partitions := map[string]int32{entries: 3, checkpoints: 1}[topic]
		if _, err := admin.DeleteTopic(context60(t), topic); err != nil {
			t.Fatal(err)
		}
		if _, err := admin.CreateTopic(context60(t), partitions, 1, nil, topic); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSequencerStartsBehindAnOpenTransaction that one which was killed has left: it ends it, and does not wait for the
// minute that its coordinator would.
func TestSequencerStartsBehindAnOpenTransaction(t *testing.T) {
	b, _ := written(t)
	f := newFolder(t)
	killed := f.copy(t)
	first := newSequencer(b.Brokers(), false)
	g := newGate(first.cluster)
	g.hold("EndTxn")
	dead := killed.start(t, first)
	<-g.arrived
	if err := f.sequenceAll(t, b.Brokers()); err != nil {
		t.Fatal(err)
	}
	f.wantCovered(t, 20, 10)
	g.release()
	if err := dead.end(t); !errors.Is(err, ErrTakenOver) {
		t.Errorf("the first ends with %v", err)
	}
}
