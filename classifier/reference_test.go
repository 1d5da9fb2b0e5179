package classifier

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"

	"github.com/demarc/demarc/internal/record"
)

// The reference says what a policy means, one sentence after the other, without the tables and without regard
// to cost. It judges the compiled classifier.

// refValue is a JSON value as the reference reads it; tests write it as text for the scanner.
type refValue struct {
	kind    byte // 's' string, 'o' object, 'a' array, 'n' null, 'x' anything else
	text    string
	members []refMember
	items   []refValue
}

type refMember struct {
	name  string
	value refValue
}

// refRecord is a record whose document is still a tree.
type refRecord struct {
	key     []byte
	headers []record.Header
	doc     *refValue     // nil: a null value
	flaw    record.Reason // of the document's text, beyond what the tree shows; Decided: none
}

type refFact struct {
	state     state
	reason    record.Reason
	countries Countries
}

type refDecision struct {
	decision record.Decision
	facts    []refFact
	refused  record.Decision // if its sink refuses the record as too large
}

type reference struct {
	p    *Policy
	snap Snapshot
}

func (ref reference) decide(r refRecord) refDecision {
	p := ref.p
	facts := make([]refFact, len(p.Signals))
	consult := func(s int) refFact {
		if facts[s].state == notConsulted {
			facts[s] = ref.read(p.Signals[s], r)
		}
		return facts[s]
	}

	// All jurisdictions are evaluated.
	consulted := make([][]int, len(p.Jurisdictions))
	for i, j := range p.Jurisdictions {
		for _, s := range j.When {
			f := consult(s)
			consulted[i] = append(consulted[i], s)
			if j.Verb == First && f.state != absent {
				break
			}
		}
	}

	holds := make([]bool, len(p.Jurisdictions))
	conflicts := make([]bool, len(p.Jurisdictions))
	dissent := map[int]bool{}
	for i, j := range p.Jurisdictions {
		names, said, yes, no := false, false, false, []int(nil)
		allWithin := true
		for _, s := range consulted[i] {
			f := facts[s]
			if f.state != present {
				continue
			}
			said = true
			if f.countries.Intersects(j.Countries) {
				names = true
			} else {
				no = append(no, s)
			}
			if f.countries.Within(j.Countries) {
				yes = true
			} else {
				allWithin = false
			}
		}
		if j.Verb == Agree && yes && len(no) > 0 {
			conflicts[i] = true
			for _, s := range no {
				dissent[s] = true
			}
		}
		switch {
		case j.Rest:
			holds[i] = said && allWithin // and when no other holds, below
		case j.Verb == Agree:
			holds[i] = said && len(no) == 0
		default:
			holds[i] = names
		}
	}
	for i, j := range p.Jurisdictions {
		if j.Rest {
			for k := range holds {
				if k != i && holds[k] {
					holds[i] = false
				}
			}
		}
	}

	var set, candidates record.Set
	for i, j := range p.Jurisdictions {
		if holds[i] {
			set |= record.One(i)
			candidates |= record.One(i)
		}
		for _, f := range facts {
			if f.state == present && !j.Rest && f.countries.Intersects(j.Countries) {
				candidates |= record.One(i)
			}
		}
	}

	decider := int16(-1)
	for s := len(p.Signals) - 1; s >= 0; s-- {
		for i, j := range p.Jurisdictions {
			if holds[i] && slices.Contains(consulted[i], s) && facts[s].state == present && facts[s].countries.Intersects(j.Countries) {
				decider = int16(s)
			}
		}
	}

	sink := p.QuarantineDefault
	if candidates.Len() == 1 {
		sink = p.Quarantine[candidates.First()]
	}
	refused := record.Decision{Set: candidates, Reason: record.TooLarge, Signal: decider, Sink: int16(sink)}
	quarantine := func(reason record.Reason, signal int16) refDecision {
		return refDecision{record.Decision{Set: candidates, Reason: reason, Signal: signal, Sink: int16(sink)}, facts, refused}
	}
	deliver := func(reason record.Reason, sink int) refDecision {
		return refDecision{record.Decision{Set: set, Reason: reason, Signal: decider, Sink: int16(sink)}, facts, refused}
	}

	for _, h := range r.headers {
		if strings.HasPrefix(string(h.Key), "demarc-") {
			return quarantine(record.Ambiguous, -1)
		}
	}
	for s, f := range facts {
		if f.state == bad {
			return quarantine(f.reason, int16(s))
		}
	}
	if slices.Contains(conflicts, true) {
		for s := range p.Signals {
			if dissent[s] {
				return quarantine(record.Conflict, int16(s))
			}
		}
	}
	if !slices.ContainsFunc(facts, func(f refFact) bool { return f.state == present }) {
		return quarantine(record.NoSignal, -1)
	}
	switch set.Len() {
	case 0:
		return quarantine(record.NoRoute, -1)
	case 1:
		return deliver(record.Decided, p.Routes[set.First()])
	}
	for _, o := range p.Overlaps {
		if o.Set == set {
			return deliver(record.Overlap, p.Routes[o.Member])
		}
	}
	for i, s := range p.Sinks {
		if set&^s.Accepts == 0 {
			return deliver(record.Overlap, i)
		}
	}
	return quarantine(record.NoRoute, decider)
}

// read reads one signal of a record.
func (ref reference) read(sig Signal, r refRecord) refFact {
	text, f := ref.text(sig, r)
	if f.state != present {
		return f
	}
	if countries, ok := sig.Map[refUpper(text)]; ok {
		if countries == (Countries{}) {
			return refFact{state: absent}
		}
		return refFact{state: present, countries: countries}
	}
	countries, reason := ref.parse(sig.As, text)
	if reason == record.NoLocation && sig.IfNoLocationAbsent {
		return refFact{state: absent}
	}
	if reason != record.Decided {
		return refFact{state: bad, reason: reason}
	}
	return refFact{state: present, countries: countries}
}

// text finds the words of a signal; the fact's state is present when there are any.
func (ref reference) text(sig Signal, r refRecord) (string, refFact) {
	var occurrences [][]byte
	switch sig.From {
	case FromHeader:
		for _, h := range r.headers {
			if string(h.Key) == sig.Header {
				occurrences = append(occurrences, h.Value)
			}
		}
		if len(occurrences) > 1 && sig.As != ForwardedFor {
			return "", refFact{state: bad, reason: record.Ambiguous}
		}
		if len(occurrences) == 0 || occurrences[0] == nil && sig.As != ForwardedFor {
			return "", refFact{state: absent}
		}
	case FromKey:
		if r.key == nil {
			return "", refFact{state: absent}
		}
		occurrences = [][]byte{r.key}
	case FromJSON:
		if r.doc == nil {
			return "", refFact{state: absent}
		}
		if flaw := ref.docFlaw(r); flaw != record.Decided {
			return "", refFact{state: bad, reason: flaw}
		}
		v := refAt(*r.doc, sig.Pointer)
		switch v.kind {
		case 's':
			occurrences = [][]byte{[]byte(v.text)}
		case 'n':
			return "", refFact{state: absent}
		default:
			return "", refFact{state: bad, reason: record.Malformed}
		}
	}
	joined := bytes.Join(occurrences, []byte(","))
	if sig.As != ForwardedFor {
		return string(joined), refFact{state: present}
	}
	entries := strings.Split(string(joined), ",")
	if len(entries) < sig.Hops {
		return "", refFact{state: bad, reason: record.Malformed}
	}
	return strings.Trim(entries[len(entries)-sig.Hops], " \t"), refFact{state: present}
}

// docFlaw is the flaw of the whole document: of its text, or on a policy path. Tests put in one at most, so that
// the order of faults is left to the tests of the scanner.
func (ref reference) docFlaw(r refRecord) record.Reason {
	if r.flaw != record.Decided {
		return r.flaw
	}
	for _, sig := range ref.p.Signals {
		if sig.From != FromJSON {
			continue
		}
		v := *r.doc
		for _, token := range sig.Pointer {
			seen := 0
			for _, m := range v.members {
				if strings.EqualFold(m.name, token) {
					seen++
				}
				if m.name != token && strings.EqualFold(m.name, token) {
					return record.Ambiguous
				}
			}
			if seen > 1 {
				return record.Ambiguous
			}
			v = refAt(v, []string{token})
		}
	}
	return record.Decided
}

// refAt is what a pointer finds in v; what is not there is null.
func refAt(v refValue, pointer []string) refValue {
	for _, token := range pointer {
		next := refValue{kind: 'n'}
		switch v.kind {
		case 'o':
			for _, m := range v.members {
				if m.name == token {
					next = m.value
				}
			}
		case 'a':
			if len(token) == 1 && token[0] >= '0' && int(token[0]-'0') < len(v.items) {
				next = v.items[token[0]-'0']
			}
		}
		v = next
	}
	return v
}

// parse reads a value in its scheme. The tables of phone and SIM codes are data, shared with the classifier.
func (ref reference) parse(as Scheme, text string) (Countries, record.Reason) {
	upper := refUpper(text)
	var set Countries
	var r region
	var reason record.Reason
	switch as {
	case Alpha2, Alpha3, Numeric:
		length, digits := 3, as == Numeric
		if as == Alpha2 {
			length = 2
		}
		if len(upper) != length {
			return set, record.Malformed
		}
		for _, c := range []byte(upper) {
			if digits && (c < '0' || c > '9') || !digits && (c < 'A' || c > 'Z') {
				return set, record.Malformed
			}
		}
		for c, row := range countryTable.rows {
			if upper == row.alpha2 && as == Alpha2 || upper == row.alpha3 && as == Alpha3 || upper == row.numeric && digits {
				set.Add(Country(c))
			}
		}
	case MCC:
		r, reason = parseMCC([]byte(text))
		set = regionCountries(r)
	case E164:
		r, reason = parseE164([]byte(text))
		set = regionCountries(r)
	default:
		set, reason = ref.locate(text)
	}
	if reason != record.Decided {
		return Countries{}, reason
	}
	// XK is a country only when the policy lists it.
	listed := slices.ContainsFunc(ref.p.Jurisdictions, func(j Jurisdiction) bool { return j.Countries.Has(XK) })
	var named Countries
	for _, c := range set.All() {
		if c != XK || listed {
			named.Add(c)
		}
	}
	if named.Len() == 0 {
		return named, record.UnknownCode
	}
	return named, record.Decided
}

// locate looks an address up: malformed, then special-purpose, then geo_expired, then the look-up.
func (ref reference) locate(text string) (Countries, record.Reason) {
	var set Countries
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Zone() != "" {
		return set, record.Malformed
	}
	addr = addr.Unmap()
	if noLocation(addressOf(addr)) {
		return set, record.NoLocation
	}
	if ref.snap.Geo == nil || ref.snap.Expired {
		return set, record.GeoExpired
	}
	r, reason := ref.snap.Geo.country(addressOf(addr))
	if reason == record.Decided {
		set.Add(Country(r))
	}
	return set, reason
}

func refUpper(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'a' && c <= 'z' {
			b[i] = c - 32
		}
	}
	return string(b)
}
