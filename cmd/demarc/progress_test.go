package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/demarc/demarc/internal/record"
	"github.com/demarc/demarc/router"
)

func TestProgressLine(t *testing.T) {
	begun := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	us := record.Outcome{Set: 1, Reason: record.Decided}
	held := record.Outcome{Reason: record.NoSignal, Sink: 2}
	before := readAccounts([]router.Account{{Consumed: 100, InFlight: 0, Outcomes: map[record.Outcome]router.Tally{us: {Records: 100}}}}, begun)
	now := readAccounts([]router.Account{
		{Assigned: true, Consumed: 2000, InFlight: 500, Position: 1500, End: 2500, Outcomes: map[record.Outcome]router.Tally{us: {Records: 1499}, held: {Records: 1}}},
		{Assigned: true, Consumed: 10, InFlight: 10, Position: 0, End: 20},
		{Position: 5, End: 50}, // another process has it now
	}, begun.Add(500*time.Millisecond))
	want := reading{at: now.at, settled: 1500, lag: 1020, counts: tally{us: 1499, held: 1}}
	if diff := cmp.Diff(want, now, cmp.AllowUnexported(reading{})); diff != "" {
		t.Error(diff)
	}
	now.assigned = true
	if got, want := progressLine(before, now, []string{"US"}), "1,500 records  2,800/s  US 99.9 %  quarantined 1  lag 1,020"; got != want {
		t.Errorf("line = %q, want %q", got, want)
	}
	if got, want := progressLine(now, now, []string{"US"}), "1,500 records  0/s  US 99.9 %  quarantined 1  lag 1,020"; got != want {
		t.Errorf("line without time passing = %q, want %q", got, want)
	}
	if got, want := progressLine(reading{}, readAccounts(nil, begun), nil), "0 records  0/s  quarantined 0  waiting for partitions"; got != want {
		t.Errorf("line of nothing = %q, want %q", got, want)
	}
	now.notReady = []string{"eu", "sg"}
	if got, want := progressLine(now, now, []string{"US"}), "1,500 records  0/s  US 99.9 %  quarantined 1  lag 1,020  not ready: eu, sg"; got != want {
		t.Errorf("line with sinks that are down = %q, want %q", got, want)
	}
}

func TestBar(t *testing.T) {
	for done, want := range map[int64]string{
		0:    "routing         [........................................] 0 of 4,000",
		100:  "routing         [#.......................................] 100 of 4,000",
		3999: "routing         [#######################################.] 3,999 of 4,000",
		4000: "routing         [########################################] 4,000 of 4,000",
	} {
		if got := bar("routing", done, 4000); got != want {
			t.Errorf("bar(%d) = %q, want %q", done, got, want)
		}
	}
}
