package recount

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/demarc/demarc/internal/record"
)

// honest is a world with three entries: eight records of partition 0 in two, four of partition 1.
func honest(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.produce("US", "DE", "", "US", "FR", "ZZ", "10.0.0.1", "8.8.8.8")
	w.write(w.source, event(1, 20, "US"), event(1, 21, "DE"), event(1, 22, "BR"), event(1, 23, "US"))
	w.keep(0, 0, 5)
	w.keep(1, 0, 4)
	w.keep(0, 5, 8)
	w.closeSinks()
	return w
}

func TestHonestLedgerIsEqual(t *testing.T) {
	w := honest(t)
	r := w.run(w.withSource())
	if r.Verdict != Equal {
		t.Fatalf("verdict %s: %+v, %v", r.Verdict, r.Listed, r.Unknown)
	}
	if want := (Receipts{Total: 8, Read: 8, Equal: 8}); r.Receipts != want {
		t.Errorf("receipts: %s", cmp.Diff(want, r.Receipts))
	}
	if want := (Records{Read: 12, Agreed: 12}); r.Records != want {
		t.Errorf("records: %s", cmp.Diff(want, r.Records))
	}
	if want := (Completeness{Entries: 3, Equal: 3, Records: 12}); *r.Source != want {
		t.Errorf("source: %s", cmp.Diff(want, *r.Source))
	}
	want := map[string]int64{"us-main US decided": 5, "eu-main EEA decided": 3, "hold none no_signal": 1, "hold none unknown_code": 1, "hold none no_location": 1, "hold none no_route": 1}
	got := map[string]int64{}
	for _, s := range r.Sinks {
		for _, o := range s.Outcomes {
			got[s.Name+" "+o.Set+" "+o.Reason] = o.Records
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("outcomes: %s", diff)
	}
}

func TestReasonsThatAreOnlyTold(t *testing.T) {
	w := newWorld(t)
	w.produce("US", "DE", "8.8.8.8", "US")
	w.refuse[0], w.refuse[1], w.refuse[2] = record.TooLarge, record.Refused, record.GeoExpired
	w.keep(0, 0, 4)
	w.closeSinks()
	r := w.run(w.withSource())
	if want := (Records{Read: 4, Agreed: 1, Stated: 3, TooLarge: 1, Refused: 1, GeoExpired: 1}); r.Verdict != Equal || r.Records != want {
		t.Errorf("verdict %s, %+v: %s", r.Verdict, r.Listed, cmp.Diff(want, r.Records))
	}
}

// TestEqualCountSwap swaps one US with one EU record: all numbers and all digests are as they would be.
func TestEqualCountSwap(t *testing.T) {
	w := newWorld(t)
	w.produce("US", "DE", "US", "DE", "US")
	w.misroute[1], w.misroute[2] = usMain, euMain
	w.keep(0, 0, 5)
	w.closeSinks()
	for name, cfg := range map[string]Config{"whole": w.config(), "with the source": w.withSource()} {
		t.Run(name, func(t *testing.T) {
			r := w.run(cfg)
			if r.Verdict != Different || r.Receipts.Equal != 2 {
				t.Fatalf("verdict %s, %+v", r.Verdict, r.Receipts)
			}
			entry, first, second, from, at := uint64(4), 0, 1, int64(0), int64(1)
			want := []Difference{
				{Kind: Misplaced, Entry: &entry, Receipt: &first, Sink: "eu-main", Place: "events.eu/0 of cluster eu-cluster", Offset: &from, Cause: "is decided US (decided), which goes to us-main"},
				{Kind: Misplaced, Entry: &entry, Receipt: &second, Sink: "us-main", Place: "events.us/0 of cluster us-cluster", Offset: &at, Cause: "is decided EEA (decided), which goes to eu-main"},
			}
			if diff := cmp.Diff(want, r.Listed); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestOutputHoldsNoPayload(t *testing.T) {
	w := newWorld(t)
	w.produce("US", "DE")
	w.misroute[0], w.misroute[1] = euMain, usMain
	w.keep(0, 0, 2)
	w.closeSinks()
	foreign := event(0, 1, "US")
	foreign.Topic = "events.us"
	w.write(w.us, foreign)
	r := w.run(w.withSource())
	for _, d := range r.Listed {
		for _, never := range []string{"payload", "user-"} {
			if strings.Contains(d.Cause+d.Place, never) {
				t.Errorf("output holds a record: %+v", d)
			}
		}
	}
	if len(r.Listed) < 3 {
		t.Errorf("listed: %+v", r.Listed)
	}
}
