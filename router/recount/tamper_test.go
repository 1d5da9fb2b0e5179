package recount

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/demarc/demarc/internal/devbroker"
	"github.com/demarc/demarc/internal/record"
	"github.com/demarc/demarc/internal/wire"
	"github.com/demarc/demarc/ledger"
	"github.com/demarc/demarc/sinks"
)

// tampering is a world in which something is not as the ledger says.
type tampering struct {
	name    string
	ledger  func(w *world) // before the ledger is written
	sinks   func(w *world) // after
	config  func(w *world, cfg *Config)
	source  bool
	verdict Verdict
	kinds   map[Kind]int64
	says    string // in a listed difference, or in what is unknown
	check   func(t *testing.T, r *Result)
}

// lastRange is the newest entry about a range.
func lastRange(w *world) *ledger.Range { return w.entries[len(w.entries)-1].Range }

func receiptOf(e *ledger.Range, sink string) *ledger.Receipt {
	return &e.Receipts[slices.IndexFunc(e.Receipts, func(r ledger.Receipt) bool { return r.Sink == sink })]
}

func foreign(topic string, partition int32, country string) *kgo.Record {
	r := event(partition, 90, country)
	r.Topic = topic
	return r
}

var tamperings = []tampering{
	{
		name:    "a receipt for bytes that the sink lacks",
		ledger:  func(w *world) { k := receiptOf(lastRange(w), "us-main").Kafka; k.Base, k.Last = k.Base+40, k.Last+40 },
		verdict: Different, kinds: map[Kind]int64{Missing: 1, Unreceipted: 1}, says: "but the partition ends at",
	},
	{
		name:    "a digest that is another",
		ledger:  func(w *world) { receiptOf(lastRange(w), "us-main").SHA256 = strings.Repeat("0a", 32) },
		verdict: Different, kinds: map[Kind]int64{Rewritten: 1}, says: "SHA-256",
	},
	{
		name:    "sink records without a receipt",
		sinks:   func(w *world) { w.write(w.us, foreign("events.us", 0, "US"), foreign("events.us", 0, "US")) },
		verdict: Different, kinds: map[Kind]int64{Unreceipted: 2}, says: "2 records have no receipt; the policy sends 2 of them here and 0 elsewhere",
	},
	{
		name:    "a foreign record in a sink",
		sinks:   func(w *world) { w.write(w.us, foreign("events.us", 1, "DE")) },
		verdict: Different, kinds: map[Kind]int64{Unreceipted: 1}, says: "0 of them here and 1 elsewhere",
	},
	{
		name: "a sink topic that was created anew",
		sinks: func(w *world) {
			recreate(w, "events.us")
			w.write(w.us, foreign("events.us", 0, "US"), foreign("events.us", 0, "US"), foreign("events.us", 0, "US"), foreign("events.us", 0, "US"))
		},
		verdict: Different, kinds: map[Kind]int64{Rewritten: 2, Missing: 1, Unreceipted: 4}, says: "others lie there",
	},
	{
		name:    "a sink topic that is gone",
		sinks:   func(w *world) { deleteTopic(w, "events.us") },
		verdict: Different, kinds: map[Kind]int64{Missing: 3}, says: "the topic is not there",
	},
	{
		name: "a batch in place of another one, of as many records",
		sinks: func(w *world) {
			recreate(w, "events.eu")
			var build wire.Builder
			for range 2 {
				build.Add(1_700_000_000_000, sourceTail(w, 0, 1))
			}
			w.openSinks()
			w.deliver(euMain, &build, nil, ledger.Source{Topic: "events"})
			w.closeSinks()
		},
		verdict: Different, kinds: map[Kind]int64{Rewritten: 1, Missing: 1}, says: "these are not the bytes that were stored",
	},
	{
		name: "the log start has moved",
		sinks: func(w *world) {
			var at kadm.Offsets
			at.AddOffset("events.us", 0, 2, -1)
			if _, err := w.admin(w.us).DeleteRecords(w.t.Context(), at); err != nil {
				w.t.Fatal(err)
			}
		},
		verdict: Equal,
		check: func(t *testing.T, r *Result) {
			if want := (Receipts{Total: 8, Read: 8, Equal: 7, Gone: 1}); r.Receipts != want {
				t.Errorf("receipts: %s", cmp.Diff(want, r.Receipts))
			}
		},
	},
	{
		name:   "the log start has moved, and the source is compared",
		source: true,
		sinks: func(w *world) {
			var at kadm.Offsets
			at.AddOffset("events.us", 0, 2, -1)
			if _, err := w.admin(w.us).DeleteRecords(w.t.Context(), at); err != nil {
				w.t.Fatal(err)
			}
		},
		verdict: Equal,
		check: func(t *testing.T, r *Result) {
			if want := (Completeness{Entries: 3, Equal: 2, Incomplete: 1, Records: 12}); *r.Source != want {
				t.Errorf("source: %s", cmp.Diff(want, *r.Source))
			}
		},
	},
	{
		name: "a policy that the ledger does not know",
		config: func(w *world, cfg *Config) {
			cfg.Policy = loadPolicy(w.t, w.text+"# edited\n")
		},
		verdict: Different, kinds: map[Kind]int64{PolicyFault: 1}, says: "does not know the policy version 3",
	},
	{
		name:    "another geo database",
		config:  func(w *world, cfg *Config) { cfg.Geo = nil },
		verdict: Unknown, says: "without the geo database with the SHA-256",
		check: func(t *testing.T, r *Result) {
			// Those with a country of their own need no database; what was quarantined may have needed it.
			if r.Records.Agreed != 7 || r.Records.Undecided != 5 || r.Receipts.Equal != 8 {
				t.Errorf("%+v, %+v", r.Records, r.Receipts)
			}
		},
	},
	{
		name:    "another cluster answers",
		config:  func(w *world, cfg *Config) { cfg.Sinks[usMain].Topic.Brokers = w.eu.Brokers() },
		verdict: Different, kinds: map[Kind]int64{PinFault: 1}, says: "expected us-cluster, seen \"eu-cluster\"",
	},
	{
		name: "another cluster answers, and no pin says so",
		config: func(w *world, cfg *Config) {
			cfg.Sinks[usMain].Topic.Brokers, cfg.Sinks[usMain].Topic.Pins = w.other().Brokers(), sinks.Pins{}
		},
		verdict: Different, kinds: map[Kind]int64{PinFault: 2}, says: `answers as cluster "other", but receipts are of cluster "us-cluster"`,
	},
	{
		name: "a sink that is down",
		sinks: func(w *world) {
			w.us.Close()
		},
		verdict: Unknown, says: "sink us-main",
		check: func(t *testing.T, r *Result) {
			if r.Receipts.Unread != 3 || r.Receipts.Equal != 5 {
				t.Errorf("%+v", r.Receipts)
			}
		},
	},
	{
		name:    "a reason that the records do not have",
		ledger:  func(w *world) { recount(lastRange(w), "no_location", "conflict") },
		verdict: Different, kinds: map[Kind]int64{Counts: 2}, says: "says 1 records of none (conflict), the sink holds 0",
	},
	{
		name: "bytes that the records do not have",
		ledger: func(w *world) {
			c := lastRange(w).Counts
			c[slices.IndexFunc(c, func(n ledger.Count) bool { return n.Sink == "us-main" })].Bytes++
		},
		verdict: Different, kinds: map[Kind]int64{Counts: 1}, says: "bytes of US (decided)",
	},
	{
		name:    "one byte of a file changed",
		sinks:   func(w *world) { w.edit(w.holdFile(), func(b []byte) []byte { b[len(b)-1] ^= 1; return b }) },
		verdict: Different, kinds: map[Kind]int64{Rewritten: 1, Damaged: 1}, says: "SHA-256",
	},
	{
		name:    "a file cut off",
		sinks:   func(w *world) { w.edit(w.holdFile(), func(b []byte) []byte { return b[:len(b)-1] }) },
		verdict: Different, kinds: map[Kind]int64{Missing: 1}, says: "but the file ends at",
	},
	{
		name: "a file that is gone",
		sinks: func(w *world) {
			if err := os.Remove(w.holdFile()); err != nil {
				w.t.Fatal(err)
			}
		},
		verdict: Different, kinds: map[Kind]int64{Missing: 2}, says: "the file is not there",
	},
	{
		name:    "bytes after the last receipt of a file",
		sinks:   func(w *world) { w.edit(w.holdFile(), func(b []byte) []byte { return append(b, "junk"...) }) },
		verdict: Different, kinds: map[Kind]int64{Damaged: 1}, says: "are no batches",
	},
	{
		name:    "a batch after the last receipt of a file",
		sinks:   func(w *world) { w.edit(w.holdFile(), func(b []byte) []byte { return append(b, b...) }) },
		verdict: Different, kinds: map[Kind]int64{Unreceipted: 3}, says: "1 records have no receipt; the policy sends 1 of them here",
	},
	{
		name: "a file that no receipt names",
		sinks: func(w *world) {
			text, err := os.ReadFile(w.holdFile())
			if err == nil {
				err = os.WriteFile(filepath.Join(filepath.Dir(w.holdFile()), strings.Repeat("0", 18)+"99.0000000000000abc.log"), text, 0o600)
			}
			if err != nil {
				w.t.Fatal(err)
			}
		},
		verdict: Different, kinds: map[Kind]int64{Unreceipted: 3}, says: "have no receipt",
	},
	{
		name: "a range that leaves a record of the source out", source: true,
		ledger: func(w *world) {
			w.write(w.source, event(0, 30, "US"), event(0, 31, "US"))
			e := w.keep(0, 8, 9)
			e.Source.To, e.Absent = 10, 1
		},
		verdict: Different, kinds: map[Kind]int64{Incompletion: 1}, says: "says 1 records and 0 transaction markers, the source holds 2 and 0",
	},
	{
		name: "a record that reached the sink with another value", source: true,
		ledger: func(w *world) {
			w.write(w.source, event(0, 30, "US"))
			w.change[8] = func(tail []byte) []byte { return bytes.Replace(tail, []byte("payload"), []byte("paYload"), 1) }
			w.keep(0, 8, 9)
		},
		verdict: Different, kinds: map[Kind]int64{Incompletion: 1}, says: "but not the same",
	},
	{
		name: "the source's records are gone", source: true,
		sinks: func(w *world) {
			var at kadm.Offsets
			at.AddOffset("events", 0, 3, -1)
			if _, err := w.admin(w.source).DeleteRecords(w.t.Context(), at); err != nil {
				w.t.Fatal(err)
			}
		},
		verdict: Equal,
		check: func(t *testing.T, r *Result) {
			if want := (Completeness{Entries: 3, Equal: 2, Gone: 1, Records: 7}); *r.Source != want {
				t.Errorf("source: %s", cmp.Diff(want, *r.Source))
			}
		},
	},
	{
		name: "the source is another cluster", source: true,
		config:  func(_ *world, cfg *Config) { cfg.Source.ClusterID = "another" },
		verdict: Unknown, says: `the source given is cluster "another"`,
	},
	{
		name: "duplicates that a crash left are explained by the source", source: true,
		ledger: func(w *world) {
			w.write(w.source, event(0, 30, "US"), event(0, 31, ""))
			w.route(0, 8, 10) // stored, and the process died before it was booked
			w.keep(0, 8, 10)
		},
		verdict: Equal,
		check: func(t *testing.T, r *Result) {
			n := int64(0)
			for _, p := range r.Places {
				if p.Unreceipted.Records != p.Unreceipted.Duplicates {
					t.Errorf("%+v", p)
				}
				n += p.Unreceipted.Duplicates
			}
			if n != 2 {
				t.Errorf("%d duplicates, want 2", n)
			}
		},
	},
	{
		name: "duplicates that a crash left under an older policy", source: true,
		ledger: func(w *world) {
			w.write(w.source, event(0, 30, ""))
			w.route(0, 8, 9)
			w.usePolicy(4)
			w.keep(0, 8, 9)
		},
		verdict: Equal,
	},
	{
		name: "a pipe in place of a file",
		sinks: func(w *world) {
			name := w.holdFile()
			if err := errors.Join(os.Remove(name), syscall.Mkfifo(name, 0o600)); err != nil {
				w.t.Fatal(err)
			}
		},
		verdict: Different, kinds: map[Kind]int64{Missing: 2}, says: "no regular file is there",
	},
	{
		name: "a link that leads out of the directory",
		sinks: func(w *world) {
			name := w.holdFile()
			out := filepath.Join(w.t.TempDir(), "copy")
			if err := errors.Join(os.Rename(name, out), os.Symlink(out, name)); err != nil {
				w.t.Fatal(err)
			}
		},
		verdict: Unknown, says: "escapes",
	},
	{
		name: "duplicates that a crash left, without the source",
		ledger: func(w *world) {
			w.write(w.source, event(0, 30, "US"))
			w.route(0, 8, 9)
			w.keep(0, 8, 9)
		},
		verdict: Different, kinds: map[Kind]int64{Unreceipted: 1},
	},
	{
		name: "a replay is compared as any range", source: true,
		ledger: func(w *world) {
			e := w.route(0, 0, 5)
			e.Kind = ledger.KindReplay
			w.entries = append(w.entries, e)
		},
		verdict: Equal,
		check: func(t *testing.T, r *Result) {
			if r.Source.Equal != 4 || r.Receipts.Equal != 11 {
				t.Errorf("%+v, %+v", r.Source, r.Receipts)
			}
		},
	},
	{
		name: "a record quarantined without a cause",
		ledger: func(w *world) {
			w.write(w.source, event(0, 30, "US"))
			w.refuse[8] = record.TooLarge
			e := w.keep(0, 8, 9)
			recount(e, "too_large", "no_signal")
		},
		verdict: Different, kinds: map[Kind]int64{Counts: 2},
	},
	{
		name: "a record to quarantine that went to a sink",
		ledger: func(w *world) {
			w.write(w.source, event(0, 30, ""), event(0, 31, "US"))
			w.misroute[8] = usMain
			e := w.keep(0, 8, 10)
			e.Counts = []ledger.Count{{Bytes: 70, Reason: "decided", Records: 2, Set: "US", Sink: "us-main"}}
			e.Receipts[0].Counts = []ledger.SetCount{{Records: 2, Set: "US"}}
		},
		verdict: Different, kinds: map[Kind]int64{Misplaced: 1}, says: "is decided none (no_signal), which goes to hold",
	},
	{
		name: "a quarantined record said to be of another offset",
		ledger: func(w *world) {
			w.write(w.source, event(0, 30, ""), event(0, 31, ""))
			e := w.keep(0, 8, 10)
			e.Source.From, e.Source.To = 9, 11
			w.entries = append(w.entries[:len(w.entries)-1], ledger.Entry{Kind: ledger.KindGap, Gap: &ledger.Gap{At: 1, Reason: "x", Source: gapBefore(e.Source)}}, w.entries[len(w.entries)-1])
		},
		verdict: Different, kinds: map[Kind]int64{Outcome: 1}, says: "its demarc-source is not inside events/0 [9,11)",
	},
	{
		name: "a receipt of a sink that the policy puts elsewhere",
		ledger: func(w *world) {
			for i := range w.entries {
				if p := w.entries[i].Pins; p != nil && p.Sink == "us-main" {
					p.Place.Topic = "events.us.copy"
				}
			}
			for i := range w.entries {
				if e := w.entries[i].Range; e != nil {
					receiptOf(e, "us-main").Kafka.Topic = "events.us.copy"
				}
			}
		},
		verdict: Different, kinds: map[Kind]int64{PolicyFault: 1, Unreceipted: 5}, says: "the policy says that the sink is topic events.us",
	},
	{
		name: "a ledger that does not verify",
		sinks: func(w *world) {
			w.edit(filepath.Join(w.ledgerDir, "checkpoint"), func(b []byte) []byte { return bytes.Replace(b, []byte("demarc"), []byte("dumarc"), 1) })
		},
		verdict: Different, kinds: map[Kind]int64{LedgerFault: 1},
	},
}

func TestTampering(t *testing.T) {
	for _, tc := range tamperings {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := honest(t)
			if tc.ledger != nil {
				tc.ledger(w)
			}
			w.closeSinks()
			w.seal()
			if tc.sinks != nil {
				tc.sinks(w)
			}
			cfg := w.config()
			if tc.source {
				cfg = w.withSource()
			}
			if tc.config != nil {
				tc.config(w, &cfg)
			}
			r := w.run(cfg)
			if r.Verdict != tc.verdict {
				t.Errorf("verdict %s, want %s", r.Verdict, tc.verdict)
			}
			if tc.kinds == nil {
				tc.kinds = map[Kind]int64{}
			}
			if diff := cmp.Diff(tc.kinds, r.Differences); diff != "" {
				t.Errorf("differences: %s", diff)
			}
			said := strings.Join(r.Unknown, "\n")
			for _, d := range r.Listed {
				said += fmt.Sprintf("\n%s: %s %s", d.Kind, d.Place, d.Cause)
			}
			if !strings.Contains(said, tc.says) {
				t.Errorf("nothing says %q", tc.says)
			}
			if tc.check != nil {
				tc.check(t, r)
			}
			if t.Failed() {
				t.Log(said)
			}
		})
	}
}

func deleteTopic(w *world, topic string) {
	w.t.Helper()
	if _, err := w.admin(w.us).DeleteTopic(w.t.Context(), topic); err != nil {
		w.t.Fatal(err)
	}
}

// recreate gives a topic another life.
func recreate(w *world, topic string) {
	w.t.Helper()
	admin := w.admin(map[string]*devbroker.Cluster{"events": w.source, "events.us": w.us, "events.eu": w.eu}[topic])
	if _, err := admin.DeleteTopic(w.t.Context(), topic); err != nil {
		w.t.Fatal(err)
	}
	if _, err := admin.CreateTopic(w.t.Context(), 2, 1, nil, topic); err != nil {
		w.t.Fatal(err)
	}
}

// other is a cluster with the topic of a sink, and another id.
func (w *world) other() *devbroker.Cluster { return w.start("other", "events.us") }

// holdFile is the file of source partition 0 in the directory sink.
func (w *world) holdFile() string {
	w.t.Helper()
	found, err := filepath.Glob(filepath.Join(w.holdDir, "events-0", "*.log"))
	if err != nil || len(found) == 0 {
		w.t.Fatalf("files of the directory sink: %v, %v", found, err)
	}
	return found[0]
}

// recount renames the reason of a count.
func recount(e *ledger.Range, from, to string) {
	for i := range e.Counts {
		if e.Counts[i].Reason == from {
			e.Counts[i].Reason = to
		}
	}
}

func gapBefore(s ledger.Source) ledger.Source {
	s.From, s.To = s.From-1, s.From
	return s
}

// sourceTail is the tail of a record of the source.
func sourceTail(w *world, partition int32, offset int64) (tail []byte) {
	w.t.Helper()
	decoder, start := wire.NewDecompressor(maxSection), int64(0)
	err := w.reading.each(w.t.Context(), partition, offset, offset+1, &start, func(b wire.Batch, _ bool) error {
		section, err := decoder.Open(b)
		if err != nil {
			return err
		}
		for it, r := wire.Iterate(section, b), (wire.Record{}); it.Next(&r); {
			if b.BaseOffset()+int64(r.OffsetDelta) == offset {
				tail = bytes.Clone(r.Tail)
			}
		}
		return nil
	})
	if err != nil || tail == nil {
		w.t.Fatalf("offset %d of the source: %v", offset, err)
	}
	return tail
}
