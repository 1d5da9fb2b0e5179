package devbroker

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
)

type document struct {
	EventID string `json:"event_id"`
	User    struct {
		Region *string `json:"verified_region"`
	} `json:"user"`
	Device struct {
		MCC *string `json:"mcc"`
	} `json:"device"`
	Network struct {
		IP netip.Addr `json:"ip"`
	} `json:"network"`
}

func TestHonestRecordsSayWhatTheTruthSays(t *testing.T) {
	traffic := Traffic{Seed: 7, Roaming: 500}
	homesSeen, roaming, size := map[string]int{}, 0, 0
	const n = 20_000
	for i := range int64(n) {
		rec, truth := traffic.Record(int32(i%4), i)
		size += len(rec.Value)
		homesSeen[truth.Home]++
		if truth.Roams() {
			roaming++
			if Home(truth.Seen) == truth.Home {
				t.Fatalf("record %d roams inside %s", i, truth.Home)
			}
		}
		var doc document
		if err := json.Unmarshal(rec.Value, &doc); err != nil {
			t.Fatalf("record %d: %v: %s", i, err, rec.Value)
		}
		if Home(truth.Country) != truth.Home {
			t.Fatalf("home of %s is %q, want %q", truth.Country, Home(truth.Country), truth.Home)
		}
		if doc.User.Region != nil && *doc.User.Region != truth.Country {
			t.Errorf("record %d: region %s, want %s", i, *doc.User.Region, truth.Country)
		}
		if doc.Device.MCC != nil && *doc.Device.MCC != places.byCountry[truth.Country].mcc {
			t.Errorf("record %d: SIM %s is not of %s", i, *doc.Device.MCC, truth.Country)
		}
		if !slices.ContainsFunc(Prefixes(truth.Seen), func(p netip.Prefix) bool { return p.Contains(doc.Network.IP) }) {
			t.Errorf("record %d: address %s is not in %s", i, doc.Network.IP, truth.Seen)
		}
		for _, h := range rec.Headers {
			if h.Key == AccountCountry && string(h.Value) != truth.Country {
				t.Errorf("record %d: header says %s, want %s", i, h.Value, truth.Country)
			}
		}
	}
	if mean := size / n; mean < 745 || mean > 775 {
		t.Errorf("an event has %d bytes on average, want about 760", mean)
	}
	for home, want := range map[string]int{US: 40, EEA: 35, ROW: 25} {
		if got := homesSeen[home] * 100 / n; got < want-2 || got > want+2 {
			t.Errorf("%d %% of the records are of %s, want %d", got, home, want)
		}
	}
	if share := roaming * 10_000 / n; share < 400 || share > 600 {
		t.Errorf("%d of 10,000 records roam, want about 500", share)
	}
}

func TestIdentityComesBackFromKeyOrValue(t *testing.T) {
	nullKeys := 0
	for n := range int64(2_000) {
		rec, _ := Traffic{}.Record(3, n)
		if rec.Key == nil {
			nullKeys++
		}
		if p, back, ok := Identity(rec.Key, rec.Value); p != 3 || back != n || !ok {
			t.Fatalf("Identity(%q) = %d, %d, %v; want 3, %d", rec.Key, p, back, ok, n)
		}
	}
	if nullKeys == 0 {
		t.Error("no record has a null key")
	}
	for _, foreign := range []string{"", "user-1", "7", "x-000000001", "7--1"} {
		if _, _, ok := Identity([]byte(foreign), nil); ok {
			t.Errorf("Identity accepts the key %q", foreign)
		}
	}
	if _, _, ok := Identity(nil, []byte(`{}`)); ok {
		t.Error("Identity accepts a value without an id")
	}
}

func TestEveryFaultOccursAndIsRepeatable(t *testing.T) {
	traffic := Traffic{Seed: 1, Hostile: 10_000}
	seen := map[Fault]*kgo.Record{}
	for n := range int64(2_000) {
		rec, truth := traffic.Record(0, n)
		again, _ := traffic.Record(0, n)
		if diff := cmp.Diff(rec.Value, again.Value); diff != "" || !bytes.Equal(rec.Key, again.Key) || !cmp.Equal(rec.Headers, again.Headers) {
			t.Fatalf("record %d differs the second time: %s", n, diff)
		}
		seen[truth.Fault] = rec
	}
	for _, f := range Faults() {
		if f.String() == "" || !f.Reason().Quarantines() {
			t.Errorf("fault %d has name %q and reason %v", f, f, f.Reason())
		}
		if seen[f] == nil {
			t.Errorf("no record with %s", f)
		}
	}
	if v := seen[Tombstone].Value; v != nil {
		t.Errorf("tombstone has the value %q", v)
	}
	if v := seen[EmptyValue].Value; v == nil || len(v) != 0 {
		t.Errorf("empty value is %v", v)
	}
}

func TestBareTrafficFitsALine(t *testing.T) {
	traffic := Traffic{Hostile: 5_000, Bare: true}
	for n := range int64(2_000) {
		rec, _ := traffic.Record(1, n)
		if len(rec.Headers) > 0 || len(rec.Key) == 0 || len(rec.Value) == 0 || bytes.ContainsAny(rec.Value, "\n\x1e") {
			t.Fatalf("record %d: key %q, headers %v, value %q", n, rec.Key, rec.Headers, rec.Value)
		}
	}
}

func TestRunsAreOfOneHome(t *testing.T) {
	traffic := Traffic{Run: 100}
	runs := map[string]int{}
	for n := int64(0); n < 10_000; n += 100 {
		_, first := traffic.Record(2, n)
		runs[first.Home]++
		for i := range int64(100) {
			if _, truth := traffic.Record(2, n+i); truth.Home != first.Home {
				t.Fatalf("record %d is of %s, its run of %s", n+i, truth.Home, first.Home)
			}
		}
	}
	if len(runs) != 3 {
		t.Errorf("runs are of %v only", runs)
	}
}

func TestPrefixesAreOrdinaryAddresses(t *testing.T) {
	for _, country := range Countries() {
		list := Prefixes(country)
		if len(list) < 10 {
			t.Errorf("%s has only %d prefixes", country, len(list))
		}
		for _, p := range list {
			if a := p.Addr(); !a.IsGlobalUnicast() || a.IsPrivate() || p != p.Masked() {
				t.Errorf("%s: prefix %s is no block of public addresses", country, p)
			}
		}
	}
	if Home("XX") != "" || Prefixes("XX") != nil {
		t.Error("an unknown country has a home or prefixes")
	}
}

func BenchmarkRecord(b *testing.B) {
	b.ReportAllocs()
	for n := range int64(b.N) {
		Traffic{}.Record(0, n)
	}
}

func TestTaggedRecordsNameTheirCountryTwice(t *testing.T) {
	traffic := Traffic{Seed: 3, Roaming: 500, Tagged: true}
	for i := range int64(2_000) {
		rec, truth := traffic.Record(0, i)
		var doc document
		if err := json.Unmarshal(rec.Value, &doc); err != nil {
			t.Fatal(err)
		}
		if doc.User.Region == nil || *doc.User.Region != truth.Country {
			t.Errorf("record %d: the document does not say %s: %s", i, truth.Country, rec.Value)
		}
		if len(rec.Headers) == 0 || rec.Headers[0].Key != AccountCountry || string(rec.Headers[0].Value) != truth.Country {
			t.Errorf("record %d: the header does not say %s: %v", i, truth.Country, rec.Headers)
		}
	}
}

func TestDocumentsHaveTheirSize(t *testing.T) {
	for _, size := range []int{100, 0, 760, 10 << 10} {
		traffic, total, want := Traffic{Seed: 3, Size: size, Tagged: true}, 0, size
		if size == 0 {
			want = 760
		}
		const n = 1_000
		for i := range int64(n) {
			rec, truth := traffic.Record(1, i)
			total += len(rec.Value)
			var doc document
			if err := json.Unmarshal(rec.Value, &doc); err != nil {
				t.Fatalf("%v: %s", err, rec.Value)
			}
			_, number, ok := Identity(nil, rec.Value)
			if *doc.User.Region != truth.Country || !doc.Network.IP.IsValid() || !ok || number != i {
				t.Errorf("record %d of size %d: %s", i, size, rec.Value)
			}
		}
		if mean := total / n; mean < want*85/100 || mean > want*115/100 {
			t.Errorf("documents of size %d have %d bytes", size, mean)
		}
	}
}
