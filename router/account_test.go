package router

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/demarc/demarc/internal/record"
)

func sorted(list []int) []int { return slices.Sorted(slices.Values(list)) }

func TestAccountBalancesAtEveryStep(t *testing.T) {
	a := newAccount(record.TopicPartition{Topic: "events", Partition: 1})
	check := func(step string) {
		t.Helper()
		if s := a.snapshot(); !s.Balanced() {
			t.Fatalf("after %s: %+v", step, s)
		}
	}
	us := record.Outcome{Set: 1, Sink: 0}
	bad := record.Outcome{Set: 1, Reason: record.Malformed, Sink: 1}
	a.consume(10)
	check("consume")
	a.consume(5)
	r := &result{offsets: 10, control: 1, absent: 2, outcomes: []outcomeTally{{us, Tally{6, 600}}, {bad, Tally{1, 10}}}}
	r.move(us, record.Outcome{Set: 1, Reason: record.TooLarge, Sink: 1}, Tally{1, 100})
	a.settle(r, 10)
	check("settle")
	a.abandon(5)
	check("abandon")
	s := a.snapshot()
	if s.Delivered != 5 || s.Quarantined != 2 || s.Consumed != 10 || s.InFlight != 0 || s.Position != 10 {
		t.Errorf("account %+v", s)
	}
	if got := s.Outcomes[us]; got != (Tally{5, 500}) {
		t.Errorf("us tally %+v", got)
	}
}

func TestCounterAgreesWithAMap(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var c counter
	for round := range 50 {
		c.reset()
		want := map[record.Outcome]Tally{}
		for range 2000 {
			o := record.Outcome{Set: record.Set(1) << rng.IntN(1+round), Reason: record.Reason(rng.IntN(4)), Sink: int16(rng.IntN(5))}
			c.add(o, Tally{1, 7})
			w := want[o]
			w.add(Tally{1, 7})
			want[o] = w
		}
		if len(c.list) != len(want) {
			t.Fatalf("%d outcomes, want %d", len(c.list), len(want))
		}
		for _, o := range c.list {
			if want[o.outcome] != o.tally {
				t.Fatalf("%+v: %+v, want %+v", o.outcome, o.tally, want[o.outcome])
			}
		}
	}
}

func TestCommitsKeepWhatFailed(t *testing.T) {
	var sent []map[string]map[int]int64
	fail := errors.New("no coordinator")
	err := fail
	c := newCommits(func(m map[string]map[int]int64) error {
		sent = append(sent, m)
		return err
	}, map[record.TopicPartition]int64{{Topic: "events"}: 3})
	at := func(partition int32, offset int64) {
		c.advance(position{record.TopicPartition{Topic: "events", Partition: partition}, offset})
	}
	if err := c.flush(); err != nil || len(sent) != 0 {
		t.Fatalf("an empty flush sent %v, %v", sent, err)
	}
	at(0, 5)
	at(1, 7)
	if got := c.flush(); !errors.Is(got, fail) {
		t.Fatalf("flush = %v", got)
	}
	at(0, 9) // newer than what failed
	err = nil
	if err := c.flush(); err != nil {
		t.Fatal(err)
	}
	last := sent[len(sent)-1]["events"]
	if last[0] != 9 || last[1] != 7 {
		t.Errorf("committed %v, want 0:9 1:7", last)
	}
	if err := c.flush(); err != nil || len(sent) != 2 {
		t.Errorf("what has been committed was sent again: %v, %v", sent, err)
	}
	if err := c.confirm(t.Context()); err != nil || len(sent[2]["events"]) != 1 {
		t.Errorf("confirm sent %v, %v; want one position", sent, err)
	}
	for partition, offset := range sent[2]["events"] {
		if offset != last[partition] {
			t.Errorf("confirm sent %d for partition %d, want the newest, %d", offset, partition, last[partition])
		}
	}
}

func TestLagIsOfWhatIsAssigned(t *testing.T) {
	for _, tc := range []struct {
		account Account
		want    int64
	}{
		{Account{Assigned: true, Position: 3, End: 10}, 7},
		{Account{Assigned: true, Position: 10, End: 3}, 0}, // End has not been seen since Position moved
		{Account{Position: 3, End: 10}, 0},
	} {
		if got := tc.account.Lag(); got != tc.want {
			t.Errorf("lag of %+v = %d, want %d", tc.account, got, tc.want)
		}
	}
}
