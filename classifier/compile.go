package classifier

import (
	"slices"

	"github.com/demarc/demarc/internal/record"
)

// Classifier is a policy compiled to tables. It is never written after New, so any number of goroutines may
// share it, each through an Evaluator of its own.
type Classifier struct {
	policy *Policy

	signals  []compiledSignal // as in the policy
	headers  []string         // the header names that signals read, each once
	lengths  uint64           // bit len(name)&63 is set for each of headers
	document *document        // reads the JSON pointers of all signals in one pass

	steps   []step
	reaches []reach     // by region
	mapped  []Countries // the sets of `map`, as regions that follow the static ones
	kosovo  bool        // a jurisdiction lists XK

	agree record.Set // the jurisdictions whose verb is `agree`
	rest  record.Set // the one that stands for the unlisted countries, or none

	routes     []int16 // jurisdiction -> sink
	overlaps   []overlapRoute
	accepts    []record.Set // sink -> what it accepts
	quarantine []int16      // jurisdiction -> sink
	fallback   int16        // the default quarantine
}

// reach is what naming a region means: the jurisdictions that list one of its countries at least, and those
// that list every one. For `rest` the listed countries are those that no other jurisdiction lists.
type reach struct {
	some, every record.Set
}

// step is one question to one signal. Jurisdictions are bits here, so a step costs the same for one of them as
// for 64.
type step struct {
	signal int16
	always record.Set // `any` and `agree`: ask in any case
	first  record.Set // `first`: ask while no signal before this one was there
}

type compiledSignal struct {
	from   From
	as     Scheme
	hops   int
	place  int    // FromHeader: index into headers; FromJSON: index into the document's pointers
	name   string // FromHeader
	absent bool   // if_no_location: absent

	codes       map[string]mappedCode
	codeLengths uint64    // bit min(len(key), 63) is set for each key of codes
	codeEnds    [4]uint64 // bit c is set for the last byte c of each key of codes
	longest     int       // of the keys of codes

	agree record.Set // the `agree` jurisdictions that consult this signal
}

// mappedCode is what `map` makes of one value.
type mappedCode struct {
	absent bool
	region region
}

type overlapRoute struct {
	set  record.Set
	sink int16
}

// New compiles p, which must come from Load.
func New(p *Policy) *Classifier {
	c := &Classifier{policy: p}
	c.compileJurisdictions()
	c.compileSignals()
	c.compileReaches()
	c.steps = compileSteps(p.Jurisdictions)
	c.compileSinks()
	return c
}

// Policy is what c was compiled from. It must not be changed.
func (c *Classifier) Policy() *Policy { return c.policy }

func (c *Classifier) compileJurisdictions() {
	for i, j := range c.policy.Jurisdictions {
		if j.Rest {
			c.rest = record.One(i)
		} else if j.Countries.Has(XK) {
			c.kosovo = true
		}
		if j.Verb == Agree {
			c.agree |= record.One(i)
		}
	}
}

func (c *Classifier) compileSignals() {
	var pointers [][]string
	for i, s := range c.policy.Signals {
		sig := compiledSignal{from: s.From, as: s.As, hops: s.Hops, absent: s.IfNoLocationAbsent}
		switch s.From {
		case FromHeader:
			sig.name = s.Header
			sig.place = place(&c.headers, s.Header, func(a, b string) bool { return a == b })
			c.lengths |= 1 << (len(s.Header) & 63)
		case FromJSON:
			sig.place = place(&pointers, s.Pointer, slices.Equal)
		}
		c.compileMap(&sig, s.Map)
		for j, jur := range c.policy.Jurisdictions {
			if jur.Verb == Agree && slices.Contains(jur.When, i) {
				sig.agree |= record.One(j)
			}
		}
		c.signals = append(c.signals, sig)
	}
	if pointers != nil {
		c.document = newDocument(pointers)
	}
}

// place is the index of v in list, where it is put if it is not there.
func place[T any](list *[]T, v T, equal func(a, b T) bool) int {
	for i, have := range *list {
		if equal(have, v) {
			return i
		}
	}
	*list = append(*list, v)
	return len(*list) - 1
}

func (c *Classifier) compileMap(sig *compiledSignal, codes map[string]Countries) {
	if len(codes) == 0 {
		return
	}
	sig.codes = make(map[string]mappedCode, len(codes))
	for code, countries := range codes {
		sig.codes[code] = mappedCode{absent: countries == Countries{}, region: c.region(countries)}
		sig.codeLengths |= 1 << min(len(code), 63)
		if n := len(code); n > 0 {
			sig.codeEnds[code[n-1]>>6] |= 1 << (code[n-1] & 63)
		}
		sig.longest = max(sig.longest, len(code))
	}
}

// region is the region that stands for a set which the policy writes.
func (c *Classifier) region(countries Countries) region {
	if all := countries.All(); len(all) == 1 {
		return region(all[0])
	}
	return region(staticRegions() + place(&c.mapped, countries, func(a, b Countries) bool { return a == b }))
}

// countries is the set that r names.
func (c *Classifier) countries(r region) Countries {
	if i := int(r) - staticRegions(); i >= 0 {
		return c.mapped[i]
	}
	return regionCountries(r)
}

func (c *Classifier) compileReaches() {
	c.reaches = make([]reach, staticRegions()+len(c.mapped))
	for r := range c.reaches {
		countries := c.countries(region(r))
		for i, j := range c.policy.Jurisdictions {
			if countries.Intersects(j.Countries) {
				c.reaches[r].some |= record.One(i)
			}
			if countries.Within(j.Countries) {
				c.reaches[r].every |= record.One(i)
			}
		}
	}
}

func (c *Classifier) compileSinks() {
	p := c.policy
	for i := range p.Jurisdictions {
		c.routes = append(c.routes, int16(p.Routes[i]))
		c.quarantine = append(c.quarantine, int16(p.Quarantine[i]))
	}
	for _, o := range p.Overlaps {
		c.overlaps = append(c.overlaps, overlapRoute{set: o.Set, sink: c.routes[o.Member]})
	}
	for _, s := range p.Sinks {
		c.accepts = append(c.accepts, s.Accepts)
	}
	c.fallback = int16(p.QuarantineDefault)
}

// compileSteps lays all `when` lists out as one sequence of questions. Each `first` list is found in it in its
// own order, and each signal comes once, unless two `first` lists want two signals in opposite orders.
func compileSteps(jurisdictions []Jurisdiction) []step {
	var steps []step
	left := make([][]int, len(jurisdictions)) // what the `first` lists still have to ask
	for i, j := range jurisdictions {
		if j.Verb == First {
			left[i] = j.When
		}
	}
	for {
		signal, ok := nextFirst(left)
		if !ok {
			break
		}
		st := step{signal: int16(signal)}
		for i, list := range left {
			if len(list) > 0 && list[0] == signal {
				st.first |= record.One(i)
				left[i] = list[1:]
			}
		}
		steps = append(steps, st)
	}
	for i, j := range jurisdictions {
		if j.Verb == First {
			continue
		}
		for _, signal := range j.When {
			at := place(&steps, step{signal: int16(signal)}, func(a, b step) bool { return a.signal == b.signal })
			steps[at].always |= record.One(i)
		}
	}
	return steps
}

// nextFirst picks the signal to ask next: one that a list has in front and none further back; where the orders
// contradict each other, the one that most lists have in front. The smaller index wins a tie.
func nextFirst(left [][]int) (signal int, ok bool) {
	front, back := map[int]int{}, map[int]bool{}
	for _, list := range left {
		for i, s := range list {
			if i == 0 {
				front[s]++
			} else {
				back[s] = true
			}
		}
	}
	rank := func(s int) int {
		if !back[s] {
			return len(left) + 1
		}
		return front[s]
	}
	for s := range front {
		if !ok || rank(s) > rank(signal) || rank(s) == rank(signal) && s < signal {
			signal, ok = s, true
		}
	}
	return signal, ok
}
