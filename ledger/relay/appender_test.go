package relay

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/demarc/demarc/ledger"
)

func TestEntriesArriveAndAreFoundAgain(t *testing.T) {
	b := newBroker(t)
	a := newAppender(t, b.Brokers())
	mustAppend(t, a, preamble(t)...)
	all := []ledger.Stream{stream(0), stream(1), stream(5), stream(9)}
	if covered := mustResume(t, a, all...); len(covered) != 0 {
		t.Errorf("an empty topic covers %v", covered)
	}
	mustAppend(t, a, span(t, 0, 10, 20), span(t, 0, 20, 30), span(t, 1, 0, 5), span(t, 5, 7, 8))
	mustAppend(t, a, gap(5, 8, 100))
	want := map[ledger.Stream]int64{stream(0): 30, stream(1): 5, stream(5): 100}
	if diff := cmp.Diff(want, mustResume(t, newAppender(t, b.Brokers()), all...)); diff != "" {
		t.Errorf("resume (-want +got):\n%s", diff)
	}
	if got := outline(t, b.Brokers()); got != "0: 10-20\n0: 20-30\n1: 0-5\n5: 7-8\n5: 8-100\n" {
		t.Errorf("got\n%s", got)
	}
}

// TestNewOwnerEndsTheOldOne: from Resume on, the owner before it appends nothing, and is told that this is final.
func TestNewOwnerEndsTheOldOne(t *testing.T) {
	b := newBroker(t)
	old, heir := newAppender(t, b.Brokers()), newAppender(t, b.Brokers())
	mustResume(t, old, stream(1), stream(2))
	mustAppend(t, old, span(t, 1, 0, 10), span(t, 2, 0, 10))
	if covered := mustResume(t, heir, stream(1)); covered[stream(1)] != 10 {
		t.Errorf("covered %v", covered)
	}
	for range 2 {
		err := old.Append(context60(t), []ledger.Entry{span(t, 1, 10, 20)})
		if !errors.Is(err, ErrTakenOver) || !errors.Is(err, ledger.ErrTakenOver) {
			t.Errorf("the old owner's Append = %v", err)
		}
	}
	mustAppend(t, old, span(t, 2, 10, 20)) // another lane
	mustAppend(t, heir, span(t, 1, 10, 30))
	if got := outline(t, b.Brokers()); got != "1: 0-10\n1: 10-30\n2: 0-10\n2: 10-20\n" {
		t.Errorf("got\n%s", got)
	}
	// Its own lane again, with what the other one did.
	if covered := mustResume(t, old, stream(1)); covered[stream(1)] != 30 {
		t.Errorf("covered %v", covered)
	}
	mustAppend(t, old, span(t, 1, 30, 31))
}

func TestAppendRefuses(t *testing.T) {
	b := newBroker(t)
	a := newAppender(t, b.Brokers())
	mustResume(t, a, stream(0))
	mustAppend(t, a, span(t, 0, 0, 10))
	via := span(t, 0, 10, 20)
	via.Via = &ledger.Via{}
	replay := span(t, 0, 10, 20)
	replay.Kind = ledger.KindReplay
	for name, list := range map[string][]ledger.Entry{
		"a lane that is not its own": {span(t, 1, 0, 10)},
		"a hole":                     {span(t, 0, 11, 20)},
		"an overlap":                 {span(t, 0, 9, 20)},
		"the same again":             {span(t, 0, 0, 10)},
		"a hole behind a good range": {span(t, 0, 10, 20), span(t, 0, 21, 22)},
		"a place":                    {via},
		"a replay":                   {replay},
		"no entry":                   {{Kind: ledger.KindRange}},
	} {
		if err := a.Append(context60(t), list); !errors.Is(err, ledger.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	mustAppend(t, a, span(t, 0, 10, 20))
	if got := outline(t, b.Brokers()); got != "0: 0-10\n0: 10-20\n" {
		t.Errorf("got\n%s", got)
	}
}

// TestConcurrentAppendsOfALane share transactions and keep the order of each partition.
func TestConcurrentAppendsOfALane(t *testing.T) {
	b := newBroker(t)
	a := newAppender(t, b.Brokers())
	var streams []ledger.Stream
	for n := range int32(8) {
		streams = append(streams, stream(n*lanes))
	}
	mustResume(t, a, streams...)
	var all sync.WaitGroup
	for _, s := range streams {
		all.Go(func() {
			for i := range int64(20) {
				if err := a.Append(context60(t), []ledger.Entry{span(t, s.Partition, i, i+1)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	var want strings.Builder
	for _, s := range streams {
		for i := range 20 {
			fmt.Fprintf(&want, "%d: %d-%d\n", s.Partition, i, i+1)
		}
	}
	if got := outline(t, b.Brokers()); got != want.String() {
		t.Errorf("got\n%s", got)
	}
}

// TestManyBatches: what is larger than a batch, and than a request, is one transaction all the same.
func TestManyBatches(t *testing.T) {
	b := newBroker(t)
	a := newAppender(t, b.Brokers())
	mustResume(t, a, stream(0))
	var list []ledger.Entry
	for i := range int64(30) {
		e := span(t, 0, i, i+1)
		e.Range.Program = strings.Repeat("long ", 10_000)
		list = append(list, e)
	}
	mustAppend(t, a, list...)
	if got := mustResume(t, a, stream(0)); got[stream(0)] != 30 {
		t.Errorf("covered %v", got)
	}
}

// TestResumeReadsToTheBeginning: an entry that lies far behind others is found, and one in another partition than it
// would have today, too.
func TestResumeReadsToTheBeginning(t *testing.T) {
	b := newBroker(t)
	a := newAppender(t, b.Brokers())
	mustResume(t, a, stream(0), stream(4))
	mustAppend(t, a, span(t, 4, 0, 7))
	var list []ledger.Entry
	for i := range int64(2 * firstWindow) {
		list = append(list, span(t, 0, i, i+1))
	}
	mustAppend(t, a, list...)
	found, err := a.cluster.find(context60(t), entries, 3, []ledger.Stream{stream(0), stream(4), stream(8)})
	if diff := cmp.Diff(map[ledger.Stream]int64{stream(0): 2 * firstWindow, stream(4): 7}, found); err != nil || diff != "" {
		t.Errorf("%v, (-want +got):\n%s", err, diff)
	}
	for count := range int32(3) { // as if the topic had had fewer partitions when the process began
		found, err := a.cluster.find(context60(t), entries, count+1, []ledger.Stream{stream(4)})
		if in := home(stream(4), 3); err != nil || in <= count && found[stream(4)] != 7 {
			t.Errorf("%d partitions: %v, %v", count+1, found, err)
		}
	}
}

// TestAppendThatNobodyWaitsForMayComeAgain, once it was committed.
func TestAppendThatNobodyWaitsForMayComeAgain(t *testing.T) {
	b := newBroker(t)
	a := newAppender(t, b.Brokers())
	mustResume(t, a, stream(0))
	gate := newGate(a.cluster)
	ctx, cancel := context.WithCancel(context60(t))
	e := span(t, 0, 0, 10)
	gate.hold("EndTxn")
	go func() { <-gate.arrived; cancel() }()
	if err := a.Append(ctx, []ledger.Entry{e}); !errors.Is(err, context.Canceled) {
		t.Fatalf("Append = %v", err)
	}
	gate.release()
	mustAppend(t, a, e)
	mustAppend(t, a, span(t, 0, 10, 20))
	if got := outline(t, b.Brokers()); got != "0: 0-10\n0: 10-20\n" {
		t.Errorf("got\n%s", got)
	}
}

func TestClosedAppenderRefuses(t *testing.T) {
	b := newBroker(t)
	a := newAppender(t, b.Brokers())
	mustResume(t, a, stream(0))
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	for _, list := range [][]ledger.Entry{{span(t, 0, 0, 1)}, preamble(t)} {
		if err := a.Append(context60(t), list); !errors.Is(err, ledger.ErrRefused) {
			t.Errorf("Append = %v", err)
		}
	}
}

// TestWhatIsOfNoPartitionGoesOnAfterATimeout: nobody else writes under the process's own id, so a fence there is the
// coordinator's, which has aborted a transaction that took too long.
func TestWhatIsOfNoPartitionGoesOnAfterATimeout(t *testing.T) {
	b := newBroker(t)
	a := newAppender(t, b.Brokers())
	mustAppend(t, a, preamble(t)[0])
	if err := newProducer(a.cluster, entries, a.own.producer.id, transactionTimeout).take(context60(t)); err != nil {
		t.Fatal(err)
	}
	pins := preamble(t)[1]
	if err := a.Append(context60(t), []ledger.Entry{pins}); !errors.Is(err, errAborted) || errors.Is(err, ledger.ErrRefused) {
		t.Errorf("Append = %v", err)
	}
	mustAppend(t, a, pins)
}

// TestStrangersDoNotFenceEachOther: two sources, or two ledgers, whose topics are on one cluster, with the default group
// both. Each owns its lanes.
func TestStrangersDoNotFenceEachOther(t *testing.T) {
	b := newBroker(t)
	create(t, b, "other.entries", nil)
	elsewhere := config(b.Brokers())
	elsewhere.Topic = "other.entries"
	otherLedger := NewAppender(AppenderConfig{Config: elsewhere, Group: "g", Lanes: lanes})
	if err := otherLedger.Open(context60(t)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = otherLedger.Close() })
	a, otherSource := newAppender(t, b.Brokers()), newAppender(t, b.Brokers())
	foreign := span(t, 1, 0, 10)
	foreign.Range.Source.Cluster = "src2"
	mustResume(t, a, stream(1))
	mustResume(t, otherSource, foreign.Range.Source.Stream())
	mustResume(t, otherLedger, stream(1))
	mustAppend(t, a, span(t, 1, 0, 10))
	mustAppend(t, otherSource, foreign)
	mustAppend(t, otherLedger, span(t, 1, 0, 10))
}
