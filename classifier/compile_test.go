package classifier

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/demarc/demarc/internal/record"
)

// order is the signals of the steps in turn, for comparison.
func order(steps []step) []int {
	var signals []int
	for _, st := range steps {
		signals = append(signals, int(st.signal))
	}
	return signals
}

func TestStepsAskEachSignalOnce(t *testing.T) {
	for _, c := range []struct {
		name string
		when []Jurisdiction
		want []int
	}{
		{"one list", []Jurisdiction{{Verb: First, When: []int{2, 0, 1}}}, []int{2, 0, 1}},
		{"lists that fit together", []Jurisdiction{
			{Verb: First, When: []int{3, 1}}, {Verb: First, When: []int{0, 3}}, {Verb: First, When: []int{0, 1}},
		}, []int{0, 3, 1}},
		{"what others still ask before it waits", []Jurisdiction{
			{Verb: First, When: []int{0}}, {Verb: First, When: []int{1, 0}}, {Verb: First, When: []int{0}},
		}, []int{1, 0}},
		{"any and agree have no order", []Jurisdiction{
			{Verb: Any, When: []int{2, 1, 0}}, {Verb: First, When: []int{1, 2}}, {Verb: Agree, When: []int{0, 1}},
		}, []int{1, 2, 0}},
		{"opposite orders ask one signal twice", []Jurisdiction{
			{Verb: First, When: []int{0, 1}}, {Verb: First, When: []int{1, 0}},
		}, []int{0, 1, 0}},
		{"the majority goes first", []Jurisdiction{
			{Verb: First, When: []int{0, 1}}, {Verb: First, When: []int{1, 0}}, {Verb: First, When: []int{1, 0}},
		}, []int{1, 0, 1}},
	} {
		if diff := cmp.Diff(c.want, order(compileSteps(c.when))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

// Whatever the lists are, each jurisdiction asks its own signals, a `first` list in its order, and nothing else.
func TestStepsKeepEveryList(t *testing.T) {
	for seed := range uint64(2000) {
		rng := rand.New(rand.NewPCG(seed, 2))
		jurisdictions := make([]Jurisdiction, 1+rng.IntN(8))
		for i := range jurisdictions {
			jurisdictions[i] = Jurisdiction{Verb: Verb(rng.IntN(3)), When: rng.Perm(6)[:1+rng.IntN(6)]}
		}
		steps := compileSteps(jurisdictions)
		for i, j := range jurisdictions {
			var first, always []int
			for _, st := range steps {
				if st.first.Has(i) {
					first = append(first, int(st.signal))
				}
				if st.always.Has(i) {
					always = append(always, int(st.signal))
				}
			}
			want := j.When
			got, none := first, always
			if j.Verb != First {
				got, none = always, first
				want = slices.Sorted(slices.Values(want))
				slices.Sort(got)
			}
			if !slices.Equal(got, want) || none != nil {
				t.Fatalf("seed %d, jurisdiction %d of %+v: asks first %v, always %v", seed, i, jurisdictions, first, always)
			}
		}
	}
}

// A set with XK among others would have to lose it in policies that do not list it, which consult does not do.
func TestKosovoSharesNoRegion(t *testing.T) {
	for r := range staticRegions() {
		if r >= int(firstSharedRegion) && regionCountries(region(r)).Has(XK) {
			t.Errorf("region %d = %v has XK among others", r, regionCountries(region(r)).All())
		}
	}
}

func TestAllSixtyFourJurisdictions(t *testing.T) {
	p := benchPolicy(record.MaxJurisdictions, Signal{Header: "cc", As: Alpha2})
	for i := range p.Jurisdictions {
		p.Routes[i] = i % 2
	}
	e := New(p).Evaluator()
	for c := range XK {
		r := record.Record{Headers: []record.Header{{Key: []byte("cc"), Value: []byte(c.String())}}}
		i := int(c) % record.MaxJurisdictions
		want := record.Decision{Set: record.One(i), Reason: record.Decided, Signal: 0, Sink: int16(i % 2)}
		if got := e.Decide(&r); got != want {
			t.Errorf("%v: %+v, want %+v", c, got, want)
		}
	}
}

// Many goroutines share a Classifier; the race detector watches.
func TestEvaluatorsShareAClassifier(t *testing.T) {
	c := New(loadFile(t, "testdata/cases/identity/policy.yml"))
	done := make(chan error)
	for _, country := range []string{"US", "DE", "CA"} {
		go func() {
			e := c.Evaluator()
			for range 1000 {
				r := record.Record{Value: fmt.Appendf(nil, `{"user":{"country":%q}}`, country)}
				if x := e.Explain("", &r); x.Signals[1].Countries[0] != country {
					done <- fmt.Errorf("%s: %+v", country, x)
					return
				}
			}
			done <- nil
		}()
	}
	for range 3 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
