package ledger_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/demarc/demarc/ledger"
	"github.com/demarc/demarc/ledger/writer"
)

var digest = strings.Repeat("0a", 32)

// exampleRange is a range with everything that a range can hold, but files.
func exampleRange() *ledger.Range {
	return &ledger.Range{
		Absent: 3, Control: 1, Data: 100,
		Counts: []ledger.Count{
			{Bytes: 9000, Reason: "decided", Records: 60, Set: "EEA", Sink: "eu-fra"},
			{Bytes: 5000, Reason: "decided", Records: 36, Set: "US", Sink: "us-oci"},
			{Bytes: 300, Reason: "overlap", Records: 2, Set: "US+EEA", Sink: "us-oci"},
			{Bytes: 200, Reason: "no_signal", Records: 2, Set: "none", Sink: "us-quarantine"},
		},
		Geo:     &ledger.Geo{Built: 1700000000, SHA256: digest},
		Policy:  ledger.PolicyRef{SHA256: digest, Version: 3},
		Program: "demarc 0.5.0",
		Receipts: []ledger.Receipt{
			{Counts: []ledger.SetCount{{Records: 60, Set: "EEA"}}, SHA256: digest, Sink: "eu-fra",
				Kafka: &ledger.Offsets{Base: 100, Cluster: "eu", Last: 159, Partition: 1, Topic: "events.eea"}},
			{Counts: []ledger.SetCount{{Records: 36, Set: "US"}, {Records: 2, Set: "US+EEA"}}, SHA256: digest, Sink: "us-oci",
				Kafka: &ledger.Offsets{Base: 0, Cluster: "us", Last: 37, Partition: 1, Topic: "events.us"}},
			{Counts: []ledger.SetCount{{Records: 2, Set: "none"}}, SHA256: digest, Sink: "us-quarantine",
				File: &ledger.FilePlace{From: 0, Name: "events/1/00000000000000000000.batches", To: 700}},
		},
		Source: ledger.Source{Cluster: "src", From: 1000, LeaderEpoch: 4, Partition: 7, To: 1104, Topic: "events",
			TopicID: "5b2b3c0e-6a5e-4f4e-8c0a-0d3f5a6b7c8d"},
		Time: &ledger.Times{First: 1700000000000, Last: 1700000000999, Type: "create"},
	}
}

func examples() map[string]ledger.Entry {
	text := "version: 3\nsinks: \"\u00e9\"\t\x01\n"
	sum := sha256.Sum256([]byte(text))
	return map[string]ledger.Entry{
		"range":  {Kind: ledger.KindRange, Range: exampleRange(), Via: &ledger.Via{Offset: 12, Partition: 3}},
		"replay": {Kind: ledger.KindReplay, Range: exampleRange()},
		"nothing to deliver": {Kind: ledger.KindRange, Range: &ledger.Range{Absent: 2, Control: 1, Program: "demarc",
			Policy: ledger.PolicyRef{SHA256: digest, Version: 1}, Source: ledger.Source{Cluster: "c", From: 0, LeaderEpoch: -1, To: 3, Topic: "t"}}},
		"span": {Kind: ledger.KindSpan, Span: &ledger.Span{At: 1700000000000, Base: 2, Cluster: "src", Count: 4,
			First: []int64{0, 5}, Stable: []int64{0, 900}, Topic: "events", Why: "start"}},
		"policy": {Kind: ledger.KindPolicy, Policy: &ledger.Policy{Part: 1, Parts: 1, SHA256: hex.EncodeToString(sum[:]), Text: text, Version: 3}},
		"pins": {Kind: ledger.KindPins, Pins: &ledger.Pins{At: 1, Held: false, Sink: "us-oci", Policy: ledger.PolicyRef{SHA256: digest, Version: 3},
			Checks: []ledger.Check{
				{Expected: []string{"10.0.0.0/8"}, Held: true, Pin: "address", Seen: "10.1.2.3"},
				{Expected: []string{"us"}, Held: false, Pin: "cluster_id", Seen: "other"},
			},
			Location: ledger.Location{Country: "US", Region: "us-ashburn-1", Operator: "oracle"},
			Place:    ledger.Place{Topic: "events.us"}}},
		"gap": {Kind: ledger.KindGap, Gap: &ledger.Gap{At: 5, Reason: "disk of broker 3 lost", Source: ledger.Source{Cluster: "src", From: 5, LeaderEpoch: -1, To: 9, Topic: "events"}}},
	}
}

func TestWhatIsEncodedIsDecoded(t *testing.T) {
	for name, e := range examples() {
		text, err := writer.Encode(e)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		back, err := ledger.Decode(text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(e, back); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for name, e := range examples() {
		text, err := writer.Encode(e)
		if err != nil {
			f.Fatalf("%s: %v", name, err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := ledger.Decode(text)
		if err != nil {
			if !reflect.DeepEqual(e, ledger.Entry{}) {
				t.Errorf("an entry beside the error %v", err)
			}
			return
		}
		back, err := writer.Encode(e)
		if err != nil || !bytes.Equal(back, text) {
			t.Errorf("Encode(Decode(x)) = %s, %v; x = %s", back, err, text)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	text, err := writer.Encode(ledger.Entry{Kind: ledger.KindRange, Range: exampleRange()})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ledger.Decode(text); err != nil {
			b.Fatal(err)
		}
	}
}
