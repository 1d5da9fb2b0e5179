package real

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func read(topic string, partition int32, id string, value string) *Read {
	return &Read{Topic: topic, Partition: partition, Key: []byte(id), Value: []byte(value)}
}

func TestCompareFindsEveryDifference(t *testing.T) {
	all := []*Read{read("s", 0, "0-1", "a"), read("s", 0, "0-2", "b"), read("s", 0, "0-2", "b"), read("s", 0, "0-3", "c")}
	null, empty := read("s", 0, "0-3", ""), read("s", 0, "0-3", "")
	null.Value = nil
	tests := map[string]struct {
		source, sinks []*Read
		want          Difference
	}{
		"same in another order": {all, []*Read{all[3], all[1], all[0], all[2]}, Difference{}},
		"lost":                  {all, all[:3], Difference{Missing: 1, Examples: []string{"missing 0-3"}}},
		"one of two equal lost": {all, []*Read{all[0], all[1], all[3]}, Difference{Missing: 1, Examples: []string{"missing 0-2"}}},
		"twice":                 {all, append(all[:4:4], all[0]), Difference{Duplicates: 1, Examples: []string{"duplicate 0-1"}}},
		"everything lost":       {all[:1], nil, Difference{Missing: 1, Examples: []string{"missing 0-1"}}},
		"invented":              {nil, all[:1], Difference{Foreign: 1, Examples: []string{"foreign 0-1"}}},
		"no headers":            {[]*Read{null}, []*Read{{Key: null.Key, Headers: []byte{}}}, Difference{}},
		"null is not empty":     {[]*Read{null}, []*Read{empty}, Difference{Missing: 1, Foreign: 1}},
		"time counts":           {[]*Read{null}, []*Read{{Key: null.Key, Time: 1}}, Difference{Missing: 1, Foreign: 1}},
		"headers count":         {[]*Read{null}, []*Read{{Key: null.Key, Headers: []byte("a=b")}}, Difference{Missing: 1, Foreign: 1}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var source, sinks Tally
			for _, r := range test.source {
				source.Add(r)
			}
			for _, r := range test.sinks {
				sinks.Add(r)
			}
			got := Compare(&source, &sinks)
			if test.want.Examples == nil {
				got.Examples = nil
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("difference (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOrderTellsRepetitionFromDisorder(t *testing.T) {
	tests := map[string]struct {
		numbers    []int
		duplicates int
		violations []string
	}{
		"in order, with gaps":         {[]int{0, 3, 70, 200}, 0, nil},
		"repeated after a kill":       {[]int{0, 1, 2, 3, 1, 2, 3, 4}, 3, nil},
		"disorder":                    {[]int{0, 2, 1}, 0, []string{"us/1: 5-1 after 5-2"}},
		"disorder inside a repeat":    {[]int{0, 1, 3, 0, 1, 2}, 2, []string{"us/1: 5-2 after 5-3"}},
		"a number that was never one": {[]int{-1, 0}, 0, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var o Order
			for _, n := range test.numbers {
				id := fmt.Sprintf("5-%d", n)
				if n < 0 {
					id = "user"
				}
				o.See(read("us", 1, id, ""))
			}
			o.See(read("us", 2, "5-0", "")) // another sink partition has an order of its own
			if diff := cmp.Diff(test.violations, o.Violations); diff != "" {
				t.Errorf("violations (-want +got):\n%s", diff)
			}
			if o.Duplicates != test.duplicates {
				t.Errorf("%d duplicates, want %d", o.Duplicates, test.duplicates)
			}
		})
	}
}

func TestUnquarantineTakesTheLastFourHeaders(t *testing.T) {
	const four = "demarc-reason=no_signal,demarc-signal=,demarc-source=events/3/17,demarc-policy=3 ab12"
	const quoted = `"demarc-reason"="no_signal","demarc-signal"="","demarc-source"="events/3/17","demarc-policy"="3 ab12"`
	tests := map[string]struct {
		mark, headers, reason, rest string
		ok                          bool
	}{
		"alone":              {"demarc-reason=", four, "no_signal", "", true},
		"behind others":      {"demarc-reason=", "a=b,c=NULL," + four, "no_signal", "a=b,c=NULL", true},
		"behind one of ours": {"demarc-reason=", "demarc-reason=x," + four, "no_signal", "demarc-reason=x", true},
		"none":               {"demarc-reason=", "a=b", "", "a=b", false},
		"only the first":     {"demarc-reason=", "demarc-reason=x", "", "demarc-reason=x", false},
		"inside a name":      {"demarc-reason=", "x-" + four, "", "x-" + four, false},
		"quoted":             {`"demarc-reason"=`, `"a"=null,` + quoted, "no_signal", `"a"=null`, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := Read{Headers: []byte(test.headers), mark: test.mark}
			reason, ok := r.Unquarantine()
			if reason != test.reason || ok != test.ok || string(r.Headers) != test.rest {
				t.Errorf("got %q, %v, rest %q; want %q, %v, %q", reason, ok, r.Headers, test.reason, test.ok, test.rest)
			}
		})
	}
}
