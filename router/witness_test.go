package router

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/demarc/demarc/internal/record"
	"github.com/demarc/demarc/ledger"
	"github.com/demarc/demarc/ledger/writer"
)

// notebook is a ledger in memory that admits what the real one admits. It can be out of order.
type notebook struct {
	t         *testing.T
	mu        sync.Mutex
	admission *writer.Admission
	entries   []ledger.Entry
	fail      error
	failed    chan struct{} // closed at the first failure
	once      sync.Once
}

func newNotebook(t *testing.T) *notebook {
	return &notebook{t: t, admission: writer.NewAdmission(), failed: make(chan struct{})}
}

func (n *notebook) Resume(_ context.Context, partitions []ledger.Stream) (map[ledger.Stream]int64, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	covered := map[ledger.Stream]int64{}
	for _, s := range partitions {
		if to, ok := n.admission.Position(s); ok {
			covered[s] = to
		}
	}
	return covered, nil
}

func (n *notebook) Append(_ context.Context, entries []ledger.Entry) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.fail != nil && entries[0].Kind == ledger.KindRange {
		n.once.Do(func() { close(n.failed) })
		return n.fail
	}
	for _, e := range entries {
		text, err := writer.Encode(e)
		if err != nil {
			n.t.Errorf("router makes an entry that is none: %v", err)
			return ledger.ErrRefused
		}
		back, err := ledger.Decode(text)
		if err != nil || cmp.Diff(e, back) != "" {
			n.t.Errorf("entry reads back otherwise: %v %s", err, cmp.Diff(e, back))
		}
		switch verdict, err := n.admission.Judge(e); verdict {
		case writer.Known:
		case writer.Accept:
			if err := n.admission.Follow(e); err != nil {
				n.t.Error(err)
			}
			n.entries = append(n.entries, e)
		default:
			return fmt.Errorf("%w: %w", ledger.ErrRefused, err)
		}
	}
	return nil
}

func (n *notebook) setFail(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fail = err
}

func (n *notebook) kind(k ledger.Kind) (list []ledger.Entry) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, e := range n.entries {
		if e.Kind == k {
			list = append(list, e)
		}
	}
	return list
}

func (b *bench) witnessed(n Ledger) Config {
	cfg := b.config()
	cfg.Ledger, cfg.Program = n, "demarc test"
	return cfg
}

// TestLedgerTellsWhatBecameOfEveryOffset: the entries' counts are the accounts', for what is delivered,
// quarantined, refused by its sink, a control record or of an aborted transaction.
func TestLedgerTellsWhatBecameOfEveryOffset(t *testing.T) {
	b := newBench(t, 3)
	countries := []string{"US", "DE", "", "FR", "XX"}
	var records []*kgo.Record
	for i := range 300 {
		records = append(records, event(int32(i%3), i, countries[i%len(countries)]))
	}
	b.produce(records)
	b.transaction("aborts", kgo.TryAbort, event(1, 1000, "US"), event(1, 1001, "DE"))
	b.transaction("commits", kgo.TryCommit, event(1, 1002, "US"))
	b.sinks[us].refuse = func(s stored) (record.Reason, bool) { return record.TooLarge, strings.HasSuffix(s.key, "5") }
	n := newNotebook(t)
	r := b.router(b.witnessed(n))
	if err := b.run(b.context(), r); err != nil {
		t.Fatal(err)
	}

	type tally struct{ records, control, absent, received int64 }
	got, want := map[string]tally{}, map[string]tally{}
	for _, e := range n.kind(ledger.KindRange) {
		source := fmt.Sprintf("%s/%d", e.Range.Source.Topic, e.Range.Source.Partition)
		all := got[source]
		all.control += e.Range.Control
		all.absent += e.Range.Absent
		for _, c := range e.Range.Counts {
			all.records += c.Records
			key := source + " " + c.Set + " " + c.Reason + " " + c.Sink
			got[key] = tally{records: got[key].records + c.Records}
		}
		for _, receipt := range e.Range.Receipts {
			for _, c := range receipt.Counts {
				all.received += c.Records
			}
		}
		got[source] = all
	}
	for _, a := range r.Accounts() {
		source := a.Source.String()
		want[source] = tally{a.Delivered + a.Quarantined, a.Control, a.Absent, a.Delivered + a.Quarantined}
		for o, tl := range a.Outcomes {
			if tl.Records > 0 {
				want[source+" "+o.Set.Join([]string{"US", "EEA"})+" "+o.Reason.String()+" "+r.sinkName(int(o.Sink))] = tally{records: tl.Records}
			}
		}
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(tally{})); diff != "" {
		t.Errorf("entries tell otherwise than accounts (-account +ledger):\n%s", diff)
	}
	if got["events/1"].control == 0 || got["events/1"].absent != 2 || metric(r, `demarc_ledger_entries_total`) != len(n.entries) {
		t.Errorf("control, absent or metric are wrong: %+v, %d entries", got["events/1"], len(n.entries))
	}
	if spans := n.kind(ledger.KindSpan); len(spans) != 2 || spans[0].Span.Why != "start" || spans[1].Span.Why != "stop" ||
		!cmp.Equal(spans[1].Span.Stable, []int64{100, 105, 100}) {
		t.Errorf("spans: %+v", spans)
	}
	policy := n.kind(ledger.KindPolicy)
	if len(policy) != 1 || policy[0].Policy.Text != testPolicy || n.entries[0].Kind != ledger.KindPolicy {
		t.Error("the policy's text is not the first entry")
	}
	if pins := n.kind(ledger.KindPins); len(pins) != len(b.sinks) {
		t.Errorf("%d sinks told their pins, want %d", len(pins), len(b.sinks))
	}
}

func TestLedgerThatCannotBeWrittenMakesPartitionsWait(t *testing.T) {
	b := newBench(t, 2)
	b.produceToAll(2, 1)
	n := newNotebook(t)
	n.setFail(errors.New("no space left on device"))
	r := b.router(b.witnessed(n))
	done := make(chan error, 1)
	go func() { done <- b.run(b.context(), r) }()
	<-n.failed
	b.sinks[us].until(t, "both records", func(m *memory) bool { return len(m.records) == 2 })
	if at := b.committed(); at[0] > 0 || at[1] > 0 {
		t.Errorf("committed %v without evidence", at)
	}
	n.setFail(nil)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if at := b.committed(); at[0] != 1 || at[1] != 1 || metric(r, "demarc_ledger_errors_total") < 1 {
		t.Errorf("committed %v, %d errors counted", at, metric(r, "demarc_ledger_errors_total"))
	}
	if got := len(b.sinks[us].snapshot()); got != 2 {
		t.Errorf("%d records, want 2: the ledger's trouble is no reason to deliver twice", got)
	}
}

func TestStopWhileTheLedgerCannotBeWrittenGivesUp(t *testing.T) {
	b := newBench(t, 1)
	b.produceToAll(1, 1)
	n := newNotebook(t)
	n.setFail(errors.New("read-only file system"))
	ctx, stop := context.WithCancel(b.context())
	done := make(chan error, 1)
	cfg := b.witnessed(n)
	cfg.UntilEnd = false
	go func() { done <- b.run(ctx, b.router(cfg)) }()
	<-n.failed
	stop()
	if err := <-done; !errors.Is(err, ErrGivenUp) {
		t.Errorf("run returned %v, want that it gave up", err)
	}
	if at := b.committed(); at[0] > 0 {
		t.Errorf("committed %d without evidence", at[0])
	}
}

// TestRunGoesOnWhereTheLedgerEnds: what the ledger covers is durable at the sinks. A crash between the entry and the
// commit delivers nothing twice.
func TestRunGoesOnWhereTheLedgerEnds(t *testing.T) {
	b := newBench(t, 1)
	for i := range 10 {
		b.produceToAll(1, i)
	}
	n := newNotebook(t)
	if err := b.run(b.context(), b.router(b.witnessed(n))); err != nil {
		t.Fatal(err)
	}
	b.commit(0, 4)
	b.produceToAll(1, 10)
	r := b.router(b.witnessed(n))
	if err := b.run(b.context(), r); err != nil {
		t.Fatal(err)
	}
	if got := len(b.sinks[us].snapshot()); got != 11 || b.committed()[0] != 11 {
		t.Errorf("%d records, committed %v; want 11 and 11", got, b.committed())
	}
}

// TestHoleBetweenLedgerAndGroupHoldsThePartition: somebody moved the group's offset forward.
func TestHoleBetweenLedgerAndGroupHoldsThePartition(t *testing.T) {
	b := newBench(t, 2)
	b.produceToAll(2, 0)
	n := newNotebook(t)
	if err := b.run(b.context(), b.router(b.witnessed(n))); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		b.produceToAll(2, i+1)
	}
	b.commit(1, 3)
	r := b.router(b.witnessed(n))
	err := b.run(b.context(), r)
	if err == nil || !strings.Contains(err.Error(), "demarc gap events/1 --to 3") || len(r.Stopped()) != 1 {
		t.Errorf("run returned %v, want that events/1 holds and how to go on", err)
	}
	if at := b.committed(); at[0] != 6 || at[1] != 3 {
		t.Errorf("committed %v, want 6 and 3", at)
	}
}

// TestEntryThatTheLedgerRefusesHoldsItsPartition, and no other.
func TestEntryThatTheLedgerRefusesHoldsItsPartition(t *testing.T) {
	b := newBench(t, 1)
	b.produceToAll(1, 0)
	n := newNotebook(t)
	n.setFail(fmt.Errorf("%w: it overlaps another", ledger.ErrRefused))
	r := b.router(b.witnessed(n))
	if err := b.run(b.context(), r); err == nil || !strings.Contains(err.Error(), "overlaps another") || len(r.Stopped()) != 1 {
		t.Errorf("run returned %v, want the ledger's reason", err)
	}
	if at := b.committed(); at[0] > 0 {
		t.Errorf("committed %d without evidence", at[0])
	}
}

// TestLaneThatWasTakenOverIsTakenBack: a process that is still the group's owner joins again and goes on.
func TestLaneThatWasTakenOverIsTakenBack(t *testing.T) {
	b := newBench(t, 2)
	b.produceToAll(2, 1)
	n := newNotebook(t)
	n.setFail(fmt.Errorf("%w: fenced", ledger.ErrTakenOver))
	r := b.router(b.witnessed(n))
	done := make(chan error, 1)
	go func() { done <- b.run(b.context(), r) }()
	<-n.failed
	n.setFail(nil)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if at := b.committed(); at[0] != 1 || at[1] != 1 || len(r.Stopped()) != 0 {
		t.Errorf("committed %v, stopped %v", at, r.Stopped())
	}
}

// TestChunkOfManyBatchesBecomesSeveralEntries, since an entry has its bound.
func TestChunkOfManyBatchesBecomesSeveralEntries(t *testing.T) {
	b := newBench(t, 1)
	const batches = 200
	for i := range batches {
		r := event(0, i, "US")
		r.Value = bytes.Repeat([]byte("x"), passThroughBytes)
		b.produce([]*kgo.Record{r}, kgo.ProducerBatchCompression(kgo.NoCompression()))
	}
	n := newNotebook(t)
	cfg := b.witnessed(n)
	cfg.PartitionBytes, cfg.FetchBytes = 8<<20, 8<<20
	r := b.router(cfg)
	if err := b.run(b.context(), r); err != nil {
		t.Fatal(err)
	}
	ranges := n.kind(ledger.KindRange)
	next, receipts := int64(0), 0
	for _, e := range ranges {
		if e.Range.Source.From != next {
			t.Errorf("a range begins at %d, want %d", e.Range.Source.From, next)
		}
		next = e.Range.Source.To
		receipts += len(e.Range.Receipts)
	}
	if len(ranges) < 3 || next != batches || receipts != batches {
		t.Errorf("%d entries to offset %d with %d receipts", len(ranges), next, receipts)
	}
	if got := len(b.sinks[us].snapshot()); got != batches {
		t.Errorf("%d records arrived", got)
	}
}
