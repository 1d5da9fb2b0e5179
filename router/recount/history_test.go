package recount

import (
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/demarc/demarc/classifier"
	"github.com/demarc/demarc/ledger"
)

// TestOlderPolicyDecidesItsOwnRecords changes the policy midway: each record is decided by that of its entry.
func TestOlderPolicyDecidesItsOwnRecords(t *testing.T) {
	w := honest(t)
	w.usePolicy(4)
	w.write(w.source, event(0, 30, "US"), event(0, 31, ""))
	w.keep(0, 8, 10)
	w.closeSinks()
	r := w.run(w.withSource())
	if r.Verdict != Equal || r.Records.Agreed != 14 || len(r.Policies) != 2 || r.Policy.Version != 4 {
		t.Errorf("verdict %s, %+v, %+v, %v", r.Verdict, r.Records, r.Listed, r.Unknown)
	}
}

// TestPlacesAreOnlyThoseGiven has an older policy with another sink: the ledger alone does not lead there.
func TestPlacesAreOnlyThoseGiven(t *testing.T) {
	w := honest(t)
	old := w.sinkPlaces()
	moved := w.start("us-cluster-2", "events.us")
	w.us = moved
	text := strings.ReplaceAll(worldPolicy, "cluster_id: us-cluster", "cluster_id: us-cluster-2")
	w.usePolicyText(text, 4, "us-cluster-2")
	w.write(w.source, event(0, 30, "US"))
	w.keep(0, 8, 9)
	w.closeSinks()
	r := w.run(w.config())
	if r.Verdict != Unknown || r.Receipts.Unread != 3 || r.Receipts.Equal != 6 || !strings.Contains(strings.Join(r.Unknown, "\n"), "no policy that was given names topic events.us of cluster us-cluster:") {
		t.Errorf("verdict %s, %+v, %+v, %v", r.Verdict, r.Receipts, r.Listed, r.Unknown)
	}
	cfg := w.config()
	cfg.Sinks = append(cfg.Sinks, old...)
	if r := w.run(cfg); r.Verdict != Equal || r.Receipts.Equal != 9 {
		t.Errorf("verdict %s, %+v, %+v, %v", r.Verdict, r.Receipts, r.Listed, r.Unknown)
	}
}

func TestRecordsBelowTheFirstReceiptAreTold(t *testing.T) {
	w := newWorld(t)
	w.write(w.us, foreign("events.us", 0, "US"), foreign("events.us", 0, "DE"))
	w.produce("US")
	w.keep(0, 0, 1)
	w.closeSinks()
	for _, sample := range []uint64{0, 1} {
		cfg := w.config()
		cfg.Sample = sample
		r := w.run(cfg)
		i := slices.IndexFunc(r.Places, func(p Place) bool { return p.Topic == "events.us" && p.Partition == 0 })
		if want := (NoReceipt{Records: 2, Belonging: 1, Elsewhere: 1}); r.Verdict != Equal || r.Places[i].Before != want {
			t.Errorf("sample %d: verdict %s, %+v", sample, r.Verdict, r.Places[i])
		}
	}
}

// transact writes one transaction and ends it.
func transact(w *world, brokers []string, end kgo.TransactionEndTry, records ...*kgo.Record) {
	w.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.TransactionalID("t"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		w.t.Fatal(err)
	}
	defer client.Close()
	if err := client.BeginTransaction(); err != nil {
		w.t.Fatal(err)
	}
	if err := client.ProduceSync(w.t.Context(), records...).FirstErr(); err != nil {
		w.t.Fatal(err)
	}
	if err := client.EndTransaction(w.t.Context(), end); err != nil {
		w.t.Fatal(err)
	}
}

// TestTransactionsOfTheSource has a committed and an aborted transaction: 2 records, 2 markers, 1 absent offset.
func TestTransactionsOfTheSource(t *testing.T) {
	w := newWorld(t)
	transact(w, w.source.Brokers(), kgo.TryCommit, event(0, 1, "US"), event(0, 2, "DE"))
	transact(w, w.source.Brokers(), kgo.TryAbort, event(0, 3, "US"))
	e := w.keep(0, 0, 5)
	if e.Data != 2 || e.Control != 2 || e.Absent != 1 {
		t.Fatalf("%+v", e)
	}
	w.closeSinks()
	r := w.run(w.withSource())
	if r.Verdict != Equal || r.Source.Equal != 1 {
		t.Errorf("verdict %s, %+v, %v, %+v", r.Verdict, r.Listed, r.Unknown, r.Source)
	}
}

// TestMarkersOfASinkAreApart has transactions in a sink's topic: markers are counted, an aborted record is there all the same.
func TestMarkersOfASinkAreApart(t *testing.T) {
	w := honest(t)
	w.seal()
	transact(w, w.us.Brokers(), kgo.TryAbort, foreign("events.us", 0, "DE"))
	r := w.run(w.config())
	i := slices.IndexFunc(r.Places, func(p Place) bool { return p.Topic == "events.us" && p.Partition == 0 })
	if p := r.Places[i]; r.Verdict != Different || p.Control != 1 || p.Unreceipted.Records != 1 || p.Unreceipted.Elsewhere != 1 {
		t.Errorf("verdict %s, %+v", r.Verdict, p)
	}
}

func TestTopicCreatedAnewAtTheSource(t *testing.T) {
	w := honest(t)
	for i := range w.entries {
		if e := w.entries[i].Range; e != nil {
			e.Source.TopicID = "00000000-0000-0000-0000-000000000001"
		}
	}
	recreate(w, "events")
	w.produce("US", "DE")
	e := w.keep(0, 0, 2)
	e.Source.TopicID = "00000000-0000-0000-0000-000000000002"
	w.closeSinks()
	r := w.run(w.withSource())
	if r.Verdict != Different { // partition 1 has no newer range, so that its old one is taken for the topic's
		t.Fatalf("verdict %s, %+v, %v", r.Verdict, r.Listed, r.Unknown)
	}
	if want := (Completeness{Entries: 4, Equal: 1, Gone: 2, Different: 1, Records: 2}); *r.Source != want {
		t.Errorf("%+v, want %+v; %+v", *r.Source, want, r.Listed)
	}
}

func TestTwoGeoDatabases(t *testing.T) {
	w := newWorld(t)
	w.produce("8.8.8.8")
	e := w.keep(0, 0, 1)
	e.Geo = &ledger.Geo{Built: 1, SHA256: strings.Repeat("0b", 32)}
	w.closeSinks()
	r := w.run(w.config())
	if r.Verdict != Unknown || r.Records.Undecided != 1 || r.Receipts.Equal != 1 || !strings.Contains(r.Unknown[0], strings.Repeat("0b", 32)) {
		t.Errorf("verdict %s, %+v, %v", r.Verdict, r.Records, r.Unknown)
	}
	cfg := w.config()
	cfg.Geo = []*classifier.Geo{}
	if r := w.run(cfg); r.Verdict != Unknown {
		t.Errorf("verdict %s", r.Verdict)
	}
}
