package router

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/demarc/demarc/classifier"
	"github.com/demarc/demarc/internal/record"
	"github.com/demarc/demarc/internal/wire"
	"github.com/demarc/demarc/ledger"
)

// What an honest run may meet has an entry that the ledger takes: one that it refuses holds its partition for ever.

// TestTimestampsBeyondAnEntryAreToldAsItsBounds: producers write what they like.
func TestTimestampsBeyondAnEntryAreToldAsItsBounds(t *testing.T) {
	b := newBench(t, 1)
	for i := range 3 {
		b.produceToAll(1, i)
	}
	var batch wire.Builder
	for i, at := range []int64{-1 << 60, 0, 1 << 60} {
		batch.Add(at, tail(fmt.Append(nil, i), nil))
	}
	comp := wire.NewCompressor()
	raw, err := batch.Build(nil, wire.None, comp)
	if err != nil {
		t.Fatal(err)
	}
	wire.SealAt(raw, 0)
	b.serveBatches(raw)
	n := newNotebook(t)
	if err := b.run(b.context(), b.router(b.witnessed(n))); err != nil {
		t.Fatal(err)
	}
	want := &ledger.Times{First: -(1<<53 - 1), Last: 1<<53 - 1, Type: "create"}
	if ranges := n.kind(ledger.KindRange); len(ranges) != 1 || !cmp.Equal(ranges[0].Range.Time, want) {
		t.Errorf("ranges %+v, want one of %+v", ranges, want)
	}
}

// manyJurisdictions is a policy under which two headers make any pair of jurisdictions, all of one sink.
func manyJurisdictions(t *testing.T) (p *classifier.Policy, countries []string) {
	t.Helper()
	countries = strings.Fields("AT BE BG HR CY CZ DK EE FI FR DE GR HU IE IT LV LT LU MT NL PL PT RO SK SI ES SE IS LI NO US CA MX BR AR CL JP KR IN AU")
	var text strings.Builder
	text.WriteString("version: 1\nsignals:\n  a: {header: a, as: alpha2}\n  b: {header: b, as: alpha2}\njurisdictions:\n")
	var names []string
	for _, c := range countries {
		names = append(names, "JURISDICTION_OF_"+c)
		fmt.Fprintf(&text, "  %s: {countries: [%s], store_in: any, when: {any: [a, b]}}\n", names[len(names)-1], c)
	}
	fmt.Fprintf(&text, "routes: {%s: all}\n", strings.Join(names, ": all, "))
	text.WriteString("quarantine: {default: held}\nsinks:\n")
	fmt.Fprintf(&text, "  all: {location: {country: US, region: a, operator: o}, accepts: [%s], file: {dir: all}}\n", strings.Join(names, ", "))
	text.WriteString("  held: {location: {country: US, region: a, operator: o}, file: {dir: held}}\n")
	p, faults := classifier.Load("many.yml", []byte(text.String()))
	for _, f := range faults {
		if !f.Warning {
			t.Fatal(f)
		}
	}
	return p, countries
}

// pairs is a batch with one record of each pair of countries.
func pairs(t *testing.T, countries []string) (raw []byte, n int64) {
	t.Helper()
	var batch wire.Builder
	for i, a := range countries {
		for _, b := range countries[:i] {
			headers := []record.Header{{Key: []byte("a"), Value: []byte(a)}, {Key: []byte("b"), Value: []byte(b)}}
			if err := batch.AddWithHeaders(1_700_000_000_000, tail([]byte(a+b), nil), headers); err != nil {
				t.Fatal(err)
			}
			n++
		}
	}
	comp := wire.NewCompressor()
	raw, err := batch.Build(nil, wire.None, comp)
	if err != nil {
		t.Fatal(err)
	}
	wire.SealAt(raw, 0)
	return raw, n
}

// TestOneBatchOfManySetsBecomesSeveralEntries, since each set has its line in counts and receipts. Without a ledger the
// batch goes to its sink whole.
func TestOneBatchOfManySetsBecomesSeveralEntries(t *testing.T) {
	p, countries := manyJurisdictions(t)
	raw, records := pairs(t, countries)
	for _, kept := range []bool{true, false} {
		t.Run(fmt.Sprintf("ledger=%t", kept), func(t *testing.T) {
			b := newBench(t, 1)
			var events []*kgo.Record
			for i := range int(records) {
				events = append(events, event(0, i, "US"))
			}
			b.produce(events)
			b.serveBatches(raw)
			n := newNotebook(t)
			cfg := b.config()
			if kept {
				cfg = b.witnessed(n)
			}
			r, err := New(cfg, classifier.New(p), nil, []Sink{b.sinks[0], b.sinks[1]})
			if err != nil {
				t.Fatal(err)
			}
			if err := b.run(b.context(), r); err != nil {
				t.Fatal(err)
			}
			if got := int64(len(b.sinks[0].snapshot())); got != records {
				t.Errorf("%d records, want %d", got, records)
			}
			passed := metric(r, `demarc_source_batches_total{topic="events",path="passed"}`)
			if !kept {
				if passed != 1 {
					t.Errorf("%d batches passed, want the one", passed)
				}
				return
			}
			next, sets := int64(0), map[string]int64{}
			for _, e := range n.kind(ledger.KindRange) {
				if e.Range.Source.From != next {
					t.Errorf("a range begins at %d, want %d", e.Range.Source.From, next)
				}
				next = e.Range.Source.To
				for _, c := range e.Range.Counts {
					sets[c.Set] += c.Records
				}
			}
			if next != records || int64(len(sets)) != records || passed != 0 {
				t.Errorf("entries up to %d with %d sets, want %d; %d batches passed", next, len(sets), records, passed)
			}
		})
	}
}

// place is a proof of the sinks of testPolicy.
func place(serial uint64, held bool, checks ...record.Check) func() record.Proof {
	return func() record.Proof { return record.Proof{Serial: serial, Held: held, Checks: checks} }
}

// TestSinkThatIsStillBeingOpenedIsNotTold: its checks have held so far, which proves nothing.
func TestSinkThatIsStillBeingOpenedIsNotTold(t *testing.T) {
	b := newBench(t, 1)
	b.produceToAll(1, 0)
	b.sinks[eu].proof = place(1, false, record.Check{Pin: "directory", Expected: []string{"eu"}, Seen: "eu", Held: true})
	b.sinks[held].proof = place(0, false)
	n := newNotebook(t)
	if err := b.run(b.context(), b.router(b.witnessed(n))); err != nil {
		t.Fatal(err)
	}
	if pins := n.kind(ledger.KindPins); len(pins) != 1 || pins[0].Pins.Sink != "us" || len(n.kind(ledger.KindRange)) != 1 {
		t.Errorf("pins %+v, want those of us", pins)
	}
}

// TestSinkThatTurnsOutToBeAnotherPlaceBeforeItIsTold: what it acknowledged is no evidence.
func TestSinkThatTurnsOutToBeAnotherPlaceBeforeItIsTold(t *testing.T) {
	b := newBench(t, 1)
	b.produceToAll(1, 0)
	b.sinks[us].proof = func() record.Proof {
		if len(b.sinks[us].snapshot()) == 0 {
			return record.Proof{}
		}
		return place(2, false, record.Check{Pin: "directory", Expected: []string{"us"}, Seen: "elsewhere"})()
	}
	r := b.router(b.witnessed(newNotebook(t)))
	if err := b.run(b.context(), r); err == nil || !strings.Contains(err.Error(), "sink us: it has turned out to be another place") {
		t.Errorf("run returned %v", err)
	}
	if at := b.committed(); at[0] > 0 {
		t.Errorf("committed %d without evidence", at[0])
	}
}

// TestPinsOfALargeClusterFit: many addresses are pinned, many were seen, and one was wrong.
func TestPinsOfALargeClusterFit(t *testing.T) {
	var expected []string
	for i := range 3000 {
		expected = append(expected, fmt.Sprintf("10.%d.%d.0/24", i/256, i%256))
	}
	var checks []record.Check
	for i := range 128 {
		checks = append(checks, record.Check{Pin: "address", Expected: expected, Seen: fmt.Sprintf("10.0.0.%03d", i), Held: i != 77})
	}
	checks = append(checks, record.Check{Pin: "cluster_id", Expected: []string{"us"}, Seen: "us", Held: true})
	b := newBench(t, 1)
	b.sinks[eu].proof = place(1, false, checks...)
	n := newNotebook(t)
	if err := b.run(b.context(), b.router(b.witnessed(n))); err != nil {
		t.Fatal(err)
	}
	pins := n.kind(ledger.KindPins)
	i := slices.IndexFunc(pins, func(e ledger.Entry) bool { return e.Pins.Sink == "eu" })
	if i < 0 {
		t.Fatal("eu is not told")
	}
	got := pins[i].Pins.Checks
	wrong := slices.IndexFunc(got, func(c ledger.Check) bool { return !c.Held })
	if wrong < 0 || got[wrong].Seen != "10.0.0.077" || got[len(got)-1].Pin != "cluster_id" {
		t.Errorf("%d checks, the wrong one or the last pin are missing", len(got))
	}
	if last := got[0].Expected[len(got[0].Expected)-1]; !strings.HasSuffix(last, "more in the policy") || got[0].Expected[0] != expected[0] {
		t.Errorf("expected ends with %q", last)
	}
}

// TestRangeWithoutABatchHasNoEpoch: compaction may leave nothing up to the end.
func TestRangeWithoutABatchHasNoEpoch(t *testing.T) {
	b := newBench(t, 1)
	for i := range 3 {
		b.produceToAll(1, i)
	}
	b.serveBatches(rawBatch(t, 50, 1, wire.None, nil))
	n := newNotebook(t)
	if err := b.run(b.context(), b.router(b.witnessed(n))); err != nil {
		t.Fatal(err)
	}
	ranges := n.kind(ledger.KindRange)
	if len(ranges) != 1 || ranges[0].Range.Source.LeaderEpoch != -1 || ranges[0].Range.Absent != 3 {
		t.Errorf("ranges %+v", ranges)
	}
}

// TestStartWaitsForHowFarTheSourceReaches: a partition without a leader passes by itself.
func TestStartWaitsForHowFarTheSourceReaches(t *testing.T) {
	b := newBench(t, 1)
	b.produceToAll(1, 0)
	b.cluster.ControlKey(int16(kmsg.ListOffsets), func(request kmsg.Request) (kmsg.Response, error, bool) {
		req := request.(*kmsg.ListOffsetsRequest)
		res := req.ResponseKind().(*kmsg.ListOffsetsResponse)
		for _, t := range req.Topics {
			rt := kmsg.NewListOffsetsResponseTopic()
			rt.Topic = t.Topic
			for _, p := range t.Partitions {
				rp := kmsg.NewListOffsetsResponseTopicPartition()
				rp.Partition, rp.ErrorCode = p.Partition, int16(kafka.LeaderNotAvailable)
				rt.Partitions = append(rt.Partitions, rp)
			}
			res.Topics = append(res.Topics, rt)
		}
		return res, nil, true
	})
	n := newNotebook(t)
	cfg := b.witnessed(n)
	cfg.UntilEnd = false
	ctx, stop := context.WithCancel(b.context())
	done := make(chan error, 1)
	r := b.router(cfg)
	go func() { done <- b.run(ctx, r) }()
	b.sinks[us].until(t, "the record", func(m *memory) bool { return len(m.records) == 1 })
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if spans := n.kind(ledger.KindSpan); len(spans) != 2 || spans[0].Span.Why != "start" {
		t.Errorf("spans %+v", spans)
	}
}

// TestGenerationEndsBetweenEntryAndCommit: the next one begins where the ledger ends.
func TestGenerationEndsBetweenEntryAndCommit(t *testing.T) {
	b := newBench(t, 1)
	for i := range 10 {
		b.produceToAll(1, i)
	}
	n := newNotebook(t)
	cfg := b.witnessed(n)
	b.commit(0, 0) // so that the first commit is that of the records
	b.refuseCommitOnce(kafka.IllegalGeneration)
	r := b.router(cfg)
	if err := b.run(b.context(), r); err != nil {
		t.Fatal(err)
	}
	if got := len(b.sinks[us].snapshot()); got != 10 || b.committed()[0] != 10 || metric(r, "demarc_generations_total") < 2 {
		t.Errorf("%d records, committed %v, %d generations; want 10, 10, 2 or more", got, b.committed(), metric(r, "demarc_generations_total"))
	}
}

// TestLatestIsWhereTheLedgerBegins: what was there before is not read, and the span says so.
func TestLatestIsWhereTheLedgerBegins(t *testing.T) {
	b := newBench(t, 1)
	b.produceToAll(1, 0)
	n := newNotebook(t)
	cfg := b.witnessed(n)
	cfg.Start = kafka.LastOffset
	if err := b.run(b.context(), b.router(cfg)); err != nil {
		t.Fatal(err)
	}
	b.produceToAll(1, 1)
	if err := b.run(b.context(), b.router(cfg)); err != nil {
		t.Fatal(err)
	}
	ranges := n.kind(ledger.KindRange)
	if len(ranges) != 1 || ranges[0].Range.Source.From != 1 || ranges[0].Range.Source.To != 2 {
		t.Errorf("ranges %+v, want [1, 2)", ranges)
	}
	if first := n.kind(ledger.KindSpan)[0].Span; first.First[0] != 0 || first.Stable[0] != 1 {
		t.Errorf("first span %+v", first)
	}
}

// TestTopicCreatedAnewIsAnother: its first offsets are not those that the ledger covers.
func TestTopicCreatedAnewIsAnother(t *testing.T) {
	b := newBench(t, 1)
	for i := range 5 {
		b.produceToAll(1, i)
	}
	n := newNotebook(t)
	if err := b.run(b.context(), b.router(b.witnessed(n))); err != nil {
		t.Fatal(err)
	}
	b.recreate(1)
	for i := range 8 {
		b.produceToAll(1, 100+i)
	}
	if err := b.run(b.context(), b.router(b.witnessed(n))); err != nil {
		t.Fatal(err)
	}
	if got := len(b.sinks[us].snapshot()); got != 13 || b.committed()[0] != 8 {
		t.Errorf("%d records, committed %v; want 5 and 8, and 8", got, b.committed())
	}
	ranges := n.kind(ledger.KindRange)
	first, last := ranges[0].Range.Source, ranges[len(ranges)-1].Range.Source
	if first.TopicID == "" || last.TopicID == "" || first.TopicID == last.TopicID || last.To != 8 {
		t.Errorf("first %+v, last %+v", first, last)
	}
	if spans := n.kind(ledger.KindSpan); spans[0].Span.TopicID != first.TopicID || spans[3].Span.TopicID != last.TopicID {
		t.Errorf("spans %+v", spans)
	}
}

// TestChunkThatItsSinkDividesIsReadAgainInSmallerPieces: around records that it refuses there are more places than an
// entry can tell.
func TestChunkThatItsSinkDividesIsReadAgainInSmallerPieces(t *testing.T) {
	b := newBench(t, 1)
	const records = 1200
	var events []*kgo.Record
	for i := range records {
		events = append(events, event(0, i, "US"))
	}
	b.produce(events)
	odd := func(key string) bool { return (key[len(key)-1]-'0')%2 == 1 }
	b.sinks[us].refuse = func(s stored) (record.Reason, bool) { return record.TooLarge, odd(s.key) }
	n := newNotebook(t)
	r := b.router(b.witnessed(n))
	if err := b.run(b.context(), r); err != nil {
		t.Fatal(err)
	}
	next, counts := int64(0), map[string]int64{}
	for _, e := range n.kind(ledger.KindRange) {
		if e.Range.Source.From != next {
			t.Errorf("a range begins at %d, want %d", e.Range.Source.From, next)
		}
		next = e.Range.Source.To
		for _, c := range e.Range.Counts {
			counts[c.Sink] += c.Records
		}
	}
	if next != records || counts["us"] != records/2 || counts["held"] != records/2 || b.committed()[0] != records {
		t.Errorf("ranges to %d with %v, committed %v", next, counts, b.committed())
	}
	for sink, want := range map[int]bool{us: false, held: true} {
		distinct := map[string]bool{}
		for _, s := range b.sinks[sink].snapshot() {
			if distinct[s.key] = true; odd(s.key) != want {
				t.Fatalf("record %s is in sink %d", s.key, sink)
			}
		}
		if len(distinct) != records/2 {
			t.Errorf("sink %d has %d records", sink, len(distinct))
		}
	}
	if got := metric(r, "demarc_generations_total"); got != 2 {
		t.Errorf("%d generations, want a second in which the partition is read again", got)
	}
}

// TestSpansOfALargeTopic: what one entry cannot hold stands in several, with each partition once.
func TestSpansOfALargeTopic(t *testing.T) {
	const partitions = 2*spanPartitions + 1
	b := newBench(t, partitions)
	b.produce([]*kgo.Record{event(partitions-1, 0, "US")})
	n := newNotebook(t)
	cfg := b.witnessed(n)
	cfg.DrainLimit = 5 * time.Second // the last span has as long
	if err := b.run(b.context(), b.router(cfg)); err != nil {
		t.Fatal(err)
	}
	next := int32(0)
	for _, e := range n.kind(ledger.KindSpan)[:3] {
		if e.Span.Base != next || e.Span.Count != partitions {
			t.Errorf("a span of %d partitions begins at %d, want %d", e.Span.Count, e.Span.Base, next)
		}
		next += int32(len(e.Span.First))
	}
	if next != partitions || len(n.kind(ledger.KindRange)) != 1 {
		t.Errorf("spans of %d partitions, %d ranges", next, len(n.kind(ledger.KindRange)))
	}
}
