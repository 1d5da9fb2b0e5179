//go:build real

package relay

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/demarc/demarc/internal/devbroker/real"
	"github.com/demarc/demarc/ledger"
	"github.com/demarc/demarc/ledger/writer"
)

// What kfake is kinder about, against Apache Kafka.
func TestReal(t *testing.T) {
	if err := real.Need("java"); err != nil {
		t.Fatal(err)
	}
	c, err := real.Start(t.Context(), t.TempDir(), real.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Kill(); err != nil {
			t.Error(err)
		}
	})
	for name, test := range map[string]func(*testing.T, *real.Cluster){
		"FencedLane":      testRealFence,
		"OpenTransaction": testRealOpenTransaction,
		"EachCallFails":   testRealFaults,
		"Restart":         testRealRestart,
		"TwoSequencers":   testRealTwoSequencers,
	} {
		t.Run(name, func(t *testing.T) {
			for topic, partitions := range map[string]int32{entries: 3, checkpoints: 1} {
				if err := c.CreateTopic(t.Context(), topic, partitions, map[string]string{"retention.ms": "-1"}); err != nil {
					t.Fatal(err)
				}
			}
			defer func() {
				if err := c.DeleteTopics(context.Background(), entries, checkpoints); err != nil {
					t.Error(err)
				}
			}()
			test(t, c)
		})
	}
}

// wantOutline waits until the topic tells so: a broker answers a commit before it has written the markers that make it
// visible.
func wantOutline(t *testing.T, brokers []string, want string) {
	t.Helper()
	until(t, "the topic tells\n"+want, func() bool { return outline(t, brokers) == want })
}

func testRealFence(t *testing.T, c *real.Cluster) {
	old, heir := newAppender(t, c.Brokers), newAppender(t, c.Brokers)
	mustResume(t, old, stream(1), stream(2))
	mustAppend(t, old, span(t, 1, 0, 10), span(t, 2, 0, 10))
	if covered := mustResume(t, heir, stream(1)); covered[stream(1)] != 10 {
		t.Errorf("covered %v", covered)
	}
	for range 2 {
		if err := old.Append(context60(t), []ledger.Entry{span(t, 1, 10, 20)}); !errors.Is(err, ErrTakenOver) {
			t.Errorf("the old owner's Append = %v", err)
		}
	}
	mustAppend(t, heir, span(t, 1, 10, 30))
	mustAppend(t, old, span(t, 2, 10, 20))
	wantOutline(t, c.Brokers, "1: 0-10\n1: 10-30\n2: 0-10\n2: 10-20\n")
}

// testRealOpenTransaction: an owner that stops between its produce and its commit is fenced, and what it had not
// committed is not there; what lies behind its open transaction is found.
func testRealOpenTransaction(t *testing.T, c *real.Cluster) {
	old, other, heir := newAppender(t, c.Brokers), newAppender(t, c.Brokers), newAppender(t, c.Brokers)
	mustResume(t, old, stream(1))
	mustAppend(t, old, span(t, 1, 0, 10))
	mustResume(t, other, stream(2), stream(6), stream(10), stream(14))
	g := newGate(old.cluster)
	g.hold("EndTxn")
	failed := make(chan error, 1)
	e := span(t, 1, 10, 20)
	go func() { failed <- old.Append(context.Background(), []ledger.Entry{e}) }()
	<-g.arrived
	for _, p := range []int32{2, 6, 10, 14} { // in all partitions of the topic, also behind the open transaction
		mustAppend(t, other, span(t, p, 0, 5))
	}
	found := make(chan map[ledger.Stream]int64, 1)
	go func() { found <- mustResume(t, other, stream(2), stream(6), stream(10), stream(14)) }()
	if covered := mustResume(t, heir, stream(1)); covered[stream(1)] != 10 {
		t.Errorf("covered %v", covered)
	}
	if covered := <-found; len(covered) != 4 {
		t.Errorf("covered %v: what lies behind an open transaction is not found", covered)
	}
	mustAppend(t, heir, span(t, 1, 10, 15))
	g.release()
	if err := <-failed; !errors.Is(err, ErrTakenOver) {
		t.Errorf("the old owner's Append = %v", err)
	}
	wantOutline(t, c.Brokers, "1: 0-10\n1: 10-15\n2: 0-5\n6: 0-5\n10: 0-5\n14: 0-5\n")
}

func testRealFaults(t *testing.T, c *real.Cluster) {
	a := newAppender(t, c.Brokers)
	f := newFaulty(a.cluster)
	at := int64(0)
	for _, name := range calls {
		for _, reach := range []bool{false, true} {
			for times := 1; times <= 2; times++ {
				f.fail(name, times, reach)
				mustResume(t, a, stream(0), stream(4))
				mustAppend(t, a, span(t, 0, at, at+1), span(t, 4, at, at+3), span(t, 0, at+1, at+2))
				mustAppend(t, a, span(t, 0, at+2, at+3))
				at += 3
				if got := mustResume(t, a, stream(0), stream(4)); got[stream(0)] != at || got[stream(4)] != at {
					t.Fatalf("%s reached=%v times=%d: covered %v, want %d", name, reach, times, got, at)
				}
				if f.failed != times {
					t.Errorf("%s: %d calls failed, want %d", name, f.failed, times)
				}
			}
		}
	}
}

// testRealRestart: a broker that goes away in the middle of a transaction. What is appended meanwhile waits.
func testRealRestart(t *testing.T, c *real.Cluster) {
	a := newAppender(t, c.Brokers)
	mustResume(t, a, stream(0))
	g := newGate(a.cluster)
	g.hold("EndTxn")
	done := make(chan error, 1)
	list := []ledger.Entry{span(t, 0, 0, 10)}
	go func() { done <- a.Append(context60(t), list) }()
	<-g.arrived
	if err := c.Kill(); err != nil {
		t.Fatal(err)
	}
	g.release()
	if err := c.Restart(context60(t)); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	mustAppend(t, a, span(t, 0, 10, 20))
	wantOutline(t, c.Brokers, "0: 0-10\n0: 10-20\n")
}

func testRealTwoSequencers(t *testing.T, c *real.Cluster) {
	a := newAppender(t, c.Brokers)
	mustAppend(t, a, preamble(t)...)
	mustResume(t, a, stream(0))
	mustAppend(t, a, span(t, 0, 0, 10))
	f := newFolder(t)
	if err := f.sequenceAll(t, c.Brokers); err != nil {
		t.Fatal(err)
	}
	copied := f.copy(t)
	first := f.start(t, newSequencer(c.Brokers, false))
	until(t, "the first reads", first.Ready)
	second := copied.start(t, newSequencer(c.Brokers, false))
	until(t, "the second reads", second.Ready)
	mustAppend(t, a, span(t, 0, 10, 20))
	if err := first.end(t); !errors.Is(err, ErrTakenOver) {
		t.Errorf("the first ends with %v", err)
	}
	until(t, "the second signs", func() bool {
		cp, err := second.log.Checkpoint()
		return err == nil && cp.Size == 4
	})
	if cp, err := first.log.Checkpoint(); err != nil || cp.Size != 3 {
		t.Errorf("the first has signed size %d, %v", cp.Size, err)
	}
	second.stop()
	if err := second.end(t); err != nil {
		t.Error(err)
	}
	copied.verified(t)
	old := newFolder(t) // as if the folder were made anew, under the same name
	log, err := writer.Open(context60(t), old.dir, "", writer.Options{CheckpointInterval: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Close(context60(t)); err != nil {
		t.Fatal(err)
	}
	if err := old.sequenceAll(t, c.Brokers); !errors.Is(err, ErrOtherLog) {
		t.Errorf("Run = %v", err)
	}
}
