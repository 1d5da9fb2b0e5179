package dashboard

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/demarc/demarc/classifier"
	"github.com/demarc/demarc/internal/record"
	"github.com/demarc/demarc/router"
	"github.com/demarc/demarc/sinks"
)

var update = flag.Bool("update", false, "write testdata/status.json")

const testPolicy = `
version: 3
signals:
  account_country: {header: account-country, as: alpha2}
jurisdictions:
  US:  {countries: [US], when: {first: [account_country]}}
  EEA: {countries: [DE, FR], when: {first: [account_country]}}
  ROW: {rest: true, store_in: any, when: {first: [account_country]}}
overlap: {US+EEA: US}
routes: {US: us-oci, EEA: eu-fra, ROW: sg-main}
quarantine: {default: us-quarantine, EEA: eu-fra, ROW: default}
sinks:
  us-oci:
    location: {country: US, region: us-ashburn-1, operator: oracle}
    accepts: [US]
    kafka: {brokers: ['kafka.us.example:9092'], topic: events.us}
    pins: {cluster_id: us-cluster, addresses: [10.1.0.0/16]}
  eu-fra:
    location: {country: DE, region: eu-central-1, operator: aws}
    accepts: [EEA]
    kafka: {brokers: ['kafka.eu.example:9092'], topic: events.eu}
    pins: {cluster_id: eu-cluster, tls_spki_sha256: [AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=]}
  sg-main:
    location: {country: SG, region: ap-southeast-1, operator: aws}
    accepts: [ROW]
    kafka: {brokers: ['kafka.sg.example:9092'], topic: events.row}
    unpinned: true
  us-quarantine: {location: {country: US, region: us-ashburn-1, operator: oracle}, file: {dir: /var/lib/demarc}}
`

// Sinks and sets of testPolicy.
const (
	usOCI, euFra, sgMain, usQuarantine = 0, 1, 2, 3
	us, eea, row                       = record.Set(1), record.Set(2), record.Set(4)
)

func loadPolicy(t *testing.T) *classifier.Policy {
	t.Helper()
	p, faults := classifier.Load("policy.yaml", []byte(testPolicy))
	if p == nil {
		t.Fatal(faults)
	}
	return p
}

func partition(topic string, p int32) record.TopicPartition {
	return record.TopicPartition{Topic: topic, Partition: p}
}

// account makes an account of settled outcomes of which every record has 100 bytes.
func account(topic string, p int32, records map[record.Outcome]int64) router.Account {
	a := router.Account{Source: partition(topic, p), Assigned: true, Outcomes: map[record.Outcome]router.Tally{}}
	for o, n := range records {
		a.Outcomes[o] = router.Tally{Records: n, Bytes: 100 * n}
		if o.Reason.Quarantines() {
			a.Quarantined += n
		} else {
			a.Delivered += n
		}
		a.Consumed += n
	}
	a.Position, a.End = a.Consumed, a.Consumed
	return a
}

// everything is a view with every reason, every state of a sink and every optional part.
func everything(t *testing.T) View {
	t.Helper()
	at := time.Date(2026, 6, 2, 12, 0, 0, 5e8, time.UTC)
	held := map[record.Outcome]int64{}
	for i, reason := range record.Reasons() {
		if reason.Quarantines() {
			held[record.Outcome{Set: record.Set(i % 4), Reason: reason, Sink: usQuarantine}] = int64(i)
		}
	}
	held[record.Outcome{Set: eea, Reason: record.Ambiguous, Sink: euFra}] = 4
	second := account("events", 1, held)
	second.Consumed, second.InFlight, second.Control, second.Absent, second.GivenUp = second.Consumed+45, 40, 2, 3, 7
	second.Position, second.End = second.Consumed-40, second.Consumed+1000
	gone := account("events", 2, map[record.Outcome]int64{{Set: us, Reason: record.Decided, Sink: usOCI}: 10})
	gone.Assigned, gone.End = false, 99_999
	return View{
		At: at, Started: at.Add(-time.Hour), Version: "demarc v1.0.0", Group: "demarc", Topics: []string{"clicks", "events"},
		NotReady: []string{"sink eu-fra is retrying", "partition clicks/0 holds: read batch: its CRC is wrong"},
		Policy:   loadPolicy(t),
		Accounts: []router.Account{
			account("clicks", 0, map[record.Outcome]int64{{Set: us, Reason: record.Decided, Sink: usOCI}: 402_108, {Set: row, Reason: record.Decided, Sink: sgMain}: 5}),
			account("events", 0, map[record.Outcome]int64{{Set: us | eea, Reason: record.Overlap, Sink: usOCI}: 12, {Set: row, Reason: record.Decided, Sink: usOCI}: 0}),
			second, gone,
		},
		Stopped: map[record.TopicPartition]error{partition("clicks", 0): errors.New("read batch: its CRC is wrong")},
		Sinks: []sinks.State{
			{Status: sinks.Ready, Since: at.Add(-time.Hour)},
			{Status: sinks.Retrying, Err: "produce to partition 2: connection refused", Since: at.Add(-time.Minute)},
			{Status: sinks.Stopped, Err: `check sink sg-main: cluster_id: expected sg, seen "<b>other</b>"`, Since: at.Add(-time.Second)},
			{Status: sinks.Opening, Since: at.Add(-time.Hour)},
		},
		Geo:    &Geo{Built: at.Add(-30 * time.Hour), Age: 30 * 3600, MaxAge: 86400, Expired: true, Refused: 1},
		Ledger: &Ledger{Origin: "demarc.example/ledger", Size: 1234567, Root: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", At: at.Add(-time.Second)},
	}
}

func TestStatus(t *testing.T) {
	const golden = "testdata/status.json"
	got, err := json.MarshalIndent(everything(t).Status(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", golden, diff)
	}
}

// TestStatusAddsUp holds the sums of a status against each other and against the accounts.
func TestStatusAddsUp(t *testing.T) {
	v := everything(t)
	for _, a := range v.Accounts {
		if !a.Balanced() {
			t.Fatalf("the test's own account does not balance: %+v", a)
		}
	}
	s := v.Status()
	if n := s.Totals; n.Consumed != n.Delivered+n.Quarantined+n.InFlight+n.Control+n.Absent || n.Records != n.Delivered+n.Quarantined || n.Bytes != 100*n.Records {
		t.Errorf("totals do not add up: %+v", n)
	}
	var routed, held, taken int64
	for _, r := range s.Routes {
		routed += r.Records
	}
	for _, q := range s.Quarantine {
		held += q.Records
		for _, list := range [][]Count{q.Sinks, q.Candidates} {
			sum := int64(0)
			for _, c := range list {
				sum += c.Records
			}
			if sum != q.Records {
				t.Errorf("%s: %v are not %d records", q.Reason, list, q.Records)
			}
		}
	}
	for _, sink := range s.Sinks {
		taken += sink.Records
	}
	if routed != s.Totals.Delivered || held != s.Totals.Quarantined || taken != s.Totals.Records {
		t.Errorf("%d routed, %d held, %d taken, want the totals %+v", routed, held, taken, s.Totals)
	}
}

func TestSharesNeverRoundUp(t *testing.T) {
	v := everything(t)
	for _, tc := range []struct {
		right, wrong      int64
		percent, ofWrong  string
		quarantinedOfAll  string
		quarantined       int64
		percentOfAllRight string
	}{
		{402_118, 0, "100.0000", "", "0.0000", 0, "100.0000"},
		{402_113, 5, "99.9987", "0.0012", "0.0000", 0, "99.9987"},
		{9_999_999, 1, "99.9999", "0.00001", "0.0000", 0, "99.9999"},
		{10_000_000, 0, "100.0000", "", "0.000009", 1, "99.9999"}, // all that was delivered, not all that there is
	} {
		records := map[record.Outcome]int64{{Set: us, Reason: record.Decided, Sink: usOCI}: tc.right}
		if tc.wrong > 0 {
			records[record.Outcome{Set: us, Reason: record.Decided, Sink: euFra}] = tc.wrong
		}
		if tc.quarantined > 0 {
			records[record.Outcome{Set: us, Reason: record.NoLocation, Sink: usQuarantine}] = tc.quarantined
		}
		v.Accounts = []router.Account{account("events", 0, records)}
		s := v.Status()
		r := s.Routes[0]
		if r.Jurisdictions != "US" || r.Percent != tc.percent || r.PercentOfAll != tc.percentOfAllRight || r.SetHeld != tc.quarantined || s.Totals.QuarantinedPercent != tc.quarantinedOfAll {
			t.Errorf("%+v: %+v, quarantined %s", tc, r, s.Totals.QuarantinedPercent)
		}
		if tc.wrong > 0 && (s.Routes[1].Sink != "eu-fra" || s.Routes[1].Percent != tc.ofWrong) {
			t.Errorf("%+v: the wrong sink does not show: %+v", tc, s.Routes[1])
		}
	}
}

func TestStatusBeforeTheFirstRecord(t *testing.T) {
	v := everything(t)
	v.Accounts, v.Stopped, v.NotReady, v.Geo, v.Ledger = nil, nil, nil, nil, nil
	s := v.Status()
	if len(s.Routes) != 3 || s.Routes[2].Sink != "sg-main" || s.Routes[2].Percent != "-" || s.Routes[2].Records != 0 {
		t.Errorf("routes of nothing: %+v", s.Routes)
	}
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"reasons":[]`, `"quarantine":[]`, `"worst":[]`, `"geo":null`, `"ledger":null`, `"ready":true`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("status lacks %s: %s", want, text)
		}
	}
}

func TestStatusIsBounded(t *testing.T) {
	v := everything(t)
	v.Accounts, v.NotReady, v.Stopped = nil, nil, map[record.TopicPartition]error{}
	for p := range int32(1000) {
		a := router.Account{Source: partition("events", p), Assigned: true, End: int64(p)}
		if p%100 == 7 {
			v.Stopped[a.Source] = errors.New("its CRC is wrong")
			a.Assigned = p != 7 // one stopped and is another process's now
		}
		v.NotReady = append(v.NotReady, fmt.Sprintf("partition %d", p))
		v.Accounts = append(v.Accounts, a)
	}
	s := v.Status()
	p := s.Partitions
	if p.Assigned != 999 || p.Stopped != 10 || p.Lag != 999*1000/2-7 || len(p.Worst) != maxPartitions {
		t.Errorf("%d assigned, %d stopped, lag %d, %d listed", p.Assigned, p.Stopped, p.Lag, len(p.Worst))
	}
	var order []int32
	for _, one := range p.Worst {
		order = append(order, one.Partition)
	}
	if want := []int32{907, 807, 707, 607, 507, 407, 307, 207, 107, 7, 999, 998}; !slices.Equal(order[:len(want)], want) {
		t.Errorf("listed %v, want first %v", order, want)
	}
	if len(s.Reasons) != maxReasons+1 || s.Reasons[maxReasons] != "980 more; /readyz lists all" {
		t.Errorf("%d reasons, the last %q", len(s.Reasons), s.Reasons[len(s.Reasons)-1])
	}
}
