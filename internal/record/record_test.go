package record

import "testing"

func TestReasonNamesAreClosedAndUnique(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Reasons() {
		name := r.String()
		if name == "" || seen[name] {
			t.Errorf("reason %d: name %q is empty or taken", r, name)
		}
		seen[name] = true
		if back, ok := ParseReason(name); !ok || back != r {
			t.Errorf("ParseReason(%q) = %v, %v; want %v", name, back, ok, r)
		}
		if r.Quarantines() != (r != Decided && r != Overlap) {
			t.Errorf("%v.Quarantines() = %v", r, r.Quarantines())
		}
	}
	if _, ok := ParseReason("dropped"); ok {
		t.Error("ParseReason accepts a word outside the enumeration")
	}
}

func TestSetJoin(t *testing.T) {
	if got := Set(0b1011).Len(); got != 3 {
		t.Errorf("Len = %d, want 3", got)
	}
	names := []string{"US", "EEA", "ROW"}
	for set, want := range map[Set]string{0: "none", One(1): "EEA", One(2) | One(0): "US+ROW", 7: "US+EEA+ROW"} {
		if got := set.Join(names); got != want {
			t.Errorf("Set(%b).Join = %q, want %q", set, got, want)
		}
	}
}

func TestBatchSettles(t *testing.T) {
	b := NewBatch(TopicPartition{"events", 3}, nil, 2, nil)
	go b.Settle(Receipt{Refused: []Refusal{{Index: 1, Reason: TooLarge}}}, nil)
	r, err := b.Wait()
	if err != nil || len(r.Refused) != 1 || r.Refused[0].Reason != TooLarge {
		t.Errorf("Wait = %+v, %v", r, err)
	}
	if got := b.Source.String(); got != "events/3" {
		t.Errorf("source = %q", got)
	}
}

func TestEveryReasonHasACause(t *testing.T) {
	seen := map[string]Reason{}
	for _, r := range Reasons() {
		cause := r.Cause()
		if cause == "" || len(cause) > LongestCause {
			t.Errorf("%v: cause %q", r, cause)
		}
		if other, twice := seen[cause]; twice {
			t.Errorf("%v and %v: both %q", other, r, cause)
		}
		seen[cause] = r
	}
}
