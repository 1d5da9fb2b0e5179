package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/demarc/demarc/classifier"
	"github.com/demarc/demarc/internal/record"
)

func TestRoutingTable(t *testing.T) {
	p := &classifier.Policy{
		Jurisdictions: []classifier.Jurisdiction{{Name: "US"}, {Name: "EEA"}},
		Sinks:         []classifier.Sink{{Name: "us-oci"}, {Name: "eu-fra"}, {Name: "us-quarantine"}},
	}
	counts := tally{
		{Set: 1, Reason: record.Decided, Sink: 0}:   402118,
		{Set: 2, Reason: record.Decided, Sink: 1}:   999,
		{Set: 2, Reason: record.Decided, Sink: 0}:   1, // would be a bug; the table must not hide it
		{Set: 3, Reason: record.Overlap, Sink: 0}:   12,
		{Set: 0, Reason: record.NoSignal, Sink: 2}:  3,
		{Set: 2, Reason: record.Malformed, Sink: 2}: 4,
		{Set: 1, Reason: record.Malformed, Sink: 0}: 1,
	}
	var b strings.Builder
	if err := counts.writeRouting(&b, p); err != nil {
		t.Fatal(err)
	}
	want := strings.TrimPrefix(`
      US 100.0000 % of 402,118     US records -> us-oci
     EEA   0.1000 % of   1,000    EEA records -> us-oci
     EEA  99.9000 % of   1,000    EEA records -> eu-fra
  US+EEA 100.0000 % of      12 US+EEA records -> us-oci

  quarantined: 8 of 403,138 records (0.0019 %)
  5 malformed a signal is not in the form that it has to be -> us-oci 1, us-quarantine 4
  3 no_signal nothing in it says where its user belongs     -> us-quarantine 3
`, "\n")
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
}
