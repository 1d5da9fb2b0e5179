package classifier

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/demarc/demarc/internal/record"
)

// TestDecideAsTheReference decides random records by random policies, twice.
func TestDecideAsTheReference(t *testing.T) {
	seen := map[record.Reason]int{}
	for seed := range uint64(15_000) {
		d := compareOne(t, seed)
		if t.Failed() {
			t.FailNow()
		}
		seen[d.Reason]++
	}
	// A generator that never gets to a reason tests nothing about it.
	for r := record.Decided; r <= record.NoRoute; r++ {
		if seen[r] < 5 {
			t.Errorf("reason %v: met %d times in the random records, want 5 at least", r, seen[r])
		}
	}
}

// A record that its sink refuses is quarantined by all its candidates, not by the jurisdiction that held alone.
func TestRefuse(t *testing.T) {
	p := loadFile(t, "testdata/cases/identity/policy.yml")
	e := New(p).Evaluator()
	r := record.Record{
		Headers: []record.Header{{Key: []byte("account-country"), Value: []byte("CA")}},
		Value:   []byte(`{"user":{"phone":"+14155550100"}}`),
	}
	names := p.JurisdictionNames()
	if d := e.Decide(&r); d.Set.Join(names) != "CA" || d.Reason != record.Decided {
		t.Errorf("Decide = %+v, want CA decided", d)
	}
	d := e.Refuse(&r, record.Refused)
	if d.Set.Join(names) != "US+CA" || d.Reason != record.Refused || p.Sinks[d.Sink].Name != "us-quarantine" {
		t.Errorf("Refuse = %+v, want US+CA refused to us-quarantine", d)
	}
}

func TestMapSeesTheWholeValue(t *testing.T) {
	long := strings.Repeat("COUNTRY OF BIRTH: ", 5) + "FRANCE"
	p := benchPolicy(1, Signal{Header: "cc", As: Alpha2, Map: map[string]Countries{
		"UK": countriesOf("GB"), "": countriesOf("DE"), long: countriesOf("FR"), "Ä-1": countriesOf("AT", "CH"), "NONE": {},
	}})
	e := New(p).Evaluator()
	for value, want := range map[string]string{
		"uk": "present GB", "": "present DE", strings.ToLower(long): "present FR", long + " ": "bad malformed",
		long[1:]: "bad malformed", "Ä-1": "present AT CH", "ä-1": "bad malformed", "None": "absent", "UK ": "bad malformed",
		"FR": "present FR", "ZK": "bad unknown_code",
	} {
		x := e.Explain("", &record.Record{Headers: []record.Header{{Key: []byte("cc"), Value: []byte(value)}}}).Signals[0]
		got := strings.TrimSpace(strings.Join(append([]string{x.State, x.Reason}, x.Countries...), " "))
		if got = strings.ReplaceAll(got, "  ", " "); got != want {
			t.Errorf("%q: %s, want %s", value, got, want)
		}
	}
}

// A router that forgot the geo database gets quarantine, not a guess and not a crash.
func TestWithoutGeoDatabase(t *testing.T) {
	e := New(loadFile(t, "testdata/cases/addresses/policy.yml")).Evaluator()
	for address, want := range map[string]record.Reason{"8.8.8.8": record.GeoExpired, "::1": record.NoLocation, "x": record.Malformed} {
		r := record.Record{Headers: []record.Header{{Key: []byte("client-ip"), Value: []byte(address)}}}
		if d := e.Decide(&r); d.Reason != want {
			t.Errorf("%s: %v, want %v", address, d.Reason, want)
		}
	}
}

func FuzzDecide(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) { compareOne(t, seed) })
}

// compareOne draws a policy and some records and compares the classifier with the reference.
func compareOne(t *testing.T, seed uint64) record.Decision {
	t.Helper()
	g := generator{rand.New(rand.NewPCG(seed, 1))}
	p := g.policy()
	snap := Snapshot{Geo: testGeo(t), Expired: g.one(8)}
	ref := reference{p, snap}
	c := New(p)
	e := c.Evaluator()
	e.Use(snap)

	var last record.Decision
	for range 8 { // one Evaluator for all: nothing of one record may show in the next
		in := g.record(p)
		want := ref.decide(in)
		r := in.encode(g)
		x := e.Explain("", &r)
		got := e.Decide(&r)
		if got != want.decision || !slices.EqualFunc(x.Signals, want.facts, sameFact) {
			t.Errorf("seed %d\npolicy %s\nrecord %s\n got %+v %+v\nwant %+v %+v",
				seed, showPolicy(p), showRecord(r), got, x.Signals, want.decision, want.facts)
			return got
		}
		if refused := e.Refuse(&r, record.TooLarge); refused != want.refused {
			t.Errorf("seed %d: Refuse = %+v, want %+v", seed, refused, want.refused)
		}
		last = got
	}
	return last
}

func sameFact(x SignalExplanation, f refFact) bool {
	var countries []string
	for _, c := range f.countries.All() {
		countries = append(countries, c.String())
	}
	reason := ""
	if f.state == bad {
		reason = f.reason.String()
	}
	return x.State == stateNames[f.state] && x.Reason == reason && slices.Equal(x.Countries, countries)
}

// generator draws policies and records in which signals are often there, often agree and often do not.
type generator struct{ *rand.Rand }

func (g generator) one(in int) bool { return g.IntN(in) == 0 }

func pick[T any](g generator, list []T) T { return list[g.IntN(len(list))] }

var (
	testPointers = []string{"user/cc", "user/alt", "device/mcc", "net/ip", "list/0", "list/1", "user", ""}
	testHeaders  = []string{"cc", "country", "x-forwarded-for", "sim", "tel", "c2"}
	testPool     = []string{"US", "CA", "PR", "GB", "IM", "DE", "FR", "JP", "KZ", "RU", "XK", "BR", "AU"}
)

func (g generator) policy() *Policy {
	p := &Policy{Version: 1}
	for i := range 1 + g.IntN(6) {
		p.Signals = append(p.Signals, g.signal(i))
	}
	sinks := 1 + g.IntN(5)
	n := 1 + g.IntN(6)
	rest := g.IntN(2 * n)
	listed := Countries{}
	for i := range n {
		j := Jurisdiction{Name: "J" + strconv.Itoa(i), Verb: Verb(g.IntN(3)), Rest: i == rest}
		j.When = g.Perm(len(p.Signals))[:1+g.IntN(len(p.Signals))]
		if !j.Rest {
			j.Countries = g.countries(1 + g.IntN(4))
			listed = listed.Union(j.Countries)
		}
		p.Jurisdictions = append(p.Jurisdictions, j)
		p.Routes = append(p.Routes, g.IntN(sinks))
		p.Quarantine = append(p.Quarantine, g.IntN(sinks))
	}
	for i := range p.Jurisdictions {
		if p.Jurisdictions[i].Rest {
			for c := range XK {
				if !listed.Has(c) {
					p.Jurisdictions[i].Countries.Add(c)
				}
			}
		}
	}
	for i := range sinks {
		p.Sinks = append(p.Sinks, Sink{Name: "s" + strconv.Itoa(i), Accepts: record.Set(g.Uint64()) & (record.One(n) - 1)})
	}
	for range g.IntN(3) {
		set := record.Set(g.Uint64()) & (record.One(n) - 1)
		if set.Len() > 1 && !slices.ContainsFunc(p.Overlaps, func(o Overlap) bool { return o.Set == set }) {
			p.Overlaps = append(p.Overlaps, Overlap{Set: set, Member: set.First()})
		}
	}
	for i := range p.Signals { // XK may be mapped to only when it is listed
		for code, to := range p.Signals[i].Map {
			if to.Has(XK) && !listed.Has(XK) {
				delete(p.Signals[i].Map, code)
			}
		}
	}
	return p
}

func (g generator) countries(n int) Countries {
	var set Countries
	for range n {
		c, _ := CountryByAlpha2(pick(g, testPool))
		set.Add(c)
	}
	return set
}

func (g generator) signal(i int) Signal {
	s := Signal{Name: "signal" + strconv.Itoa(i), From: From(g.IntN(3)), As: Scheme(g.IntN(7))}
	if g.one(2) {
		s.As = Alpha2
	}
	switch s.From {
	case FromHeader:
		s.Header = pick(g, testHeaders)
	case FromJSON:
		if path := pick(g, testPointers); path != "" {
			s.Pointer = strings.Split(path, "/")
		}
	}
	switch s.As {
	case ForwardedFor:
		s.Hops = 1 + g.IntN(3)
		fallthrough
	case IP:
		s.IfNoLocationAbsent = g.one(2)
	}
	if g.one(3) {
		s.Map = map[string]Countries{}
		for range 1 + g.IntN(3) {
			s.Map[refUpper(pick(g, pick(g, [][]string{goodValues[s.As], badValues[s.As]})))] = g.countries(g.IntN(4))
		}
	}
	return s
}

// goodValues and badValues are words by scheme. The good ones name countries of which most policies list some.
var (
	goodValues = [][]string{
		Alpha2:       {"US", "us", "DE", "fR", "JP", "GB", "XK", "BR", "CA"},
		Alpha3:       {"USA", "deu", "JPN", "GBR", "CAN"},
		Numeric:      {"840", "276", "392", "036"},
		MCC:          {"310", "310410", "262", "26201", "440", "221", "234", "250"},
		E164:         {"+14155550100", "+4915112345678", "+77012345678", "+447700900123", "+38344123456", "+81312345678"},
		IP:           {"81.2.69.142", "8.8.8.8", "2.125.160.216", "::ffff:81.2.69.142", "2a02:da80::1"},
		ForwardedFor: {"81.2.69.142, 2.125.160.216\t,8.8.8.8", "8.8.8.8,81.2.69.142 ,2.125.160.216", "::ffff:81.2.69.142,8.8.8.8, 81.2.69.142"},
	}
	badValues = [][]string{
		Alpha2:       {"UK", "ZZ", "", " ", "U", "USA", "\uff35\uff33", "T1", "XX", "US ", "U\x00"},
		Alpha3:       {"XKX", "ZZZ", "DE", "840", "D E"},
		Numeric:      {"999", "84", "x40", "0840", "\u0668\u0664\u0660"},
		MCC:          {"001", "999", "901", "3104", "abc", "31"},
		E164:         {"+999123456789", "4915112345678", "+0123456789", "+1", "+49 151"},
		IP:           {"10.0.0.1", "::1", "2001:db8::1", "01.2.3.4", "1.2.3", "fe80::1%eth0", "1.1.1.1 "},
		ForwardedFor: {"", ",", "x, 8.8.8.8, y", "10.0.0.1,10.0.0.1,10.0.0.1", "8.8.8.8"},
	}
)

// value draws words for a signal that fits; most of them are good.
func (g generator) value(p *Policy, fits func(Signal) bool) string {
	as := Scheme(g.IntN(len(goodValues)))
	for _, i := range g.Perm(len(p.Signals)) {
		if fits(p.Signals[i]) {
			as = p.Signals[i].As
			break
		}
	}
	if g.one(20) {
		return pick(g, badValues[as])
	}
	return pick(g, goodValues[as])
}

func (g generator) record(p *Policy) refRecord {
	var r refRecord
	if !g.one(3) {
		r.key = []byte(g.value(p, func(s Signal) bool { return s.From == FromKey }))
	}
	for _, name := range testHeaders {
		for !g.one(2) {
			h := record.Header{Key: []byte(name)}
			if !g.one(8) {
				h.Value = []byte(g.value(p, func(s Signal) bool { return s.From == FromHeader && s.Header == name }))
			}
			r.headers = append(r.headers, h)
			if !g.one(4) {
				break
			}
		}
	}
	for _, name := range []string{"CC", "trace-id", "", "demarc", "Demarc-reason"} {
		if g.one(4) {
			r.headers = append(r.headers, record.Header{Key: []byte(name), Value: []byte("US")})
		}
	}
	if g.one(20) {
		r.headers = append(r.headers, record.Header{Key: []byte(pick(g, []string{"demarc-reason", "demarc-", "demarc-x"}))})
	}
	g.Shuffle(len(r.headers), func(i, j int) { r.headers[i], r.headers[j] = r.headers[j], r.headers[i] })
	if !g.one(6) {
		doc := g.document(p)
		r.doc = &doc
		if g.one(20) {
			r.flaw = pick(g, []record.Reason{record.Unreadable, record.Ambiguous})
		} else if doc.kind == 'o' && len(doc.members) > 0 && g.one(10) {
			g.spoil(r.doc)
		}
	}
	return r
}

func (g generator) document(p *Policy) refValue {
	leaf := func(path string) refValue {
		switch {
		case g.one(10):
			return refValue{kind: 'n'}
		case g.one(12):
			return refValue{kind: 'x'}
		case g.one(12):
			return refValue{kind: pick(g, []byte("oa"))}
		}
		return refValue{kind: 's', text: g.value(p, func(s Signal) bool {
			return s.From == FromJSON && strings.Join(s.Pointer, "/") == path
		})}
	}
	object := func(members ...refMember) refValue {
		members = slices.DeleteFunc(members, func(refMember) bool { return g.one(6) })
		g.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
		return refValue{kind: 'o', members: members}
	}
	if g.one(20) {
		return leaf("")
	}
	user := object(refMember{"cc", leaf("user/cc")}, refMember{"alt", leaf("user/alt")}, refMember{"age", refValue{kind: 'x'}})
	if g.one(8) {
		user = leaf("user")
	}
	list := refValue{kind: 'a'}
	for i := range g.IntN(3) {
		list.items = append(list.items, leaf("list/"+strconv.Itoa(i)))
	}
	return object(
		refMember{"user", user},
		refMember{"device", object(refMember{"mcc", leaf("device/mcc")})},
		refMember{"net", object(refMember{"ip", leaf("net/ip")})},
		refMember{"list", list},
		refMember{"other", leaf("other")})
}

// spoil repeats a key of an object, as it stands or as a folded twin.
func (g generator) spoil(v *refValue) {
	i := g.IntN(len(v.members))
	if m := &v.members[i]; m.value.kind == 'o' && len(m.value.members) > 0 && g.one(2) {
		g.spoil(&m.value)
		return
	}
	twin := v.members[i]
	if g.one(2) {
		twin.name = strings.Replace(strings.ToUpper(twin.name), "S", "\u017f", 1)
	}
	v.members = slices.Insert(v.members, g.IntN(len(v.members)+1), twin)
}

// encode writes the record's document as text.
func (r refRecord) encode(g generator) record.Record {
	out := record.Record{Key: r.key, Headers: r.headers}
	if r.doc == nil {
		return out
	}
	var b strings.Builder
	g.write(&b, *r.doc)
	switch r.flaw {
	case record.Unreadable:
		out.Value = []byte(pick(g, []string{"", "\xff" + b.String(), "{'a':1}", "[1,]" + b.String(), "\ufeff" + b.String()}))
	case record.Ambiguous:
		out.Value = []byte(b.String() + pick(g, []string{" {}", " x", "\n0"}))
	default:
		out.Value = []byte(b.String())
	}
	return out
}

func (g generator) write(b *strings.Builder, v refValue) {
	g.blank(b)
	switch v.kind {
	case 's':
		g.quote(b, v.text)
	case 'n':
		b.WriteString("null")
	case 'x':
		b.WriteString(pick(g, []string{"1", "-2.5e3", "true", "false"}))
	case 'o':
		b.WriteByte('{')
		for i, m := range v.members {
			if i > 0 {
				b.WriteByte(',')
			}
			g.blank(b)
			g.quote(b, m.name)
			g.blank(b)
			b.WriteByte(':')
			g.write(b, m.value)
		}
		b.WriteByte('}')
	case 'a':
		b.WriteByte('[')
		for i, item := range v.items {
			if i > 0 {
				b.WriteByte(',')
			}
			g.write(b, item)
		}
		b.WriteByte(']')
	}
	g.blank(b)
}

func (g generator) blank(b *strings.Builder) {
	if g.one(6) {
		b.WriteString(pick(g, []string{" ", "\n", "\t\r "}))
	}
}

func (g generator) quote(b *strings.Builder, s string) {
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r < ' ' || r == '"' || r == '\\' || r < 0x10000 && g.one(12):
			fmt.Fprintf(b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
}

func showPolicy(p *Policy) string {
	var b strings.Builder
	for i, s := range p.Signals {
		fmt.Fprintf(&b, "\n  %d %+v", i, s)
	}
	for _, j := range p.Jurisdictions {
		fmt.Fprintf(&b, "\n  %s %v rest=%v verb=%d when=%v", j.Name, j.Countries.All()[:min(j.Countries.Len(), 8)], j.Rest, j.Verb, j.When)
	}
	fmt.Fprintf(&b, "\n  overlaps=%+v routes=%v quarantine=%v sinks=%+v", p.Overlaps, p.Routes, p.Quarantine, p.Sinks)
	return b.String()
}

func showRecord(r record.Record) string {
	s := fmt.Sprintf("key=%q value=%q", r.Key, r.Value)
	for _, h := range r.Headers {
		s += fmt.Sprintf(" %q=%q(null %v)", h.Key, h.Value, h.Value == nil)
	}
	return s
}
