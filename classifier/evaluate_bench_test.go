package classifier

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/demarc/demarc/internal/record"
)

// benchPolicy has n jurisdictions, which share the countries of the world out among them, and asks the signals in
// turn.
func benchPolicy(n int, signals ...Signal) *Policy {
	p := &Policy{Version: 1, Signals: signals, Sinks: []Sink{{Name: "a"}, {Name: "b"}}}
	var when []int
	for i := range signals {
		p.Signals[i].Name = fmt.Sprint("signal", i)
		when = append(when, i)
	}
	for i := range n {
		j := Jurisdiction{Name: fmt.Sprint("J", i), When: when, Verb: First}
		for c := i; c < int(XK); c += n {
			j.Countries.Add(Country(c))
		}
		p.Jurisdictions = append(p.Jurisdictions, j)
		p.Routes = append(p.Routes, 0)
		p.Quarantine = append(p.Quarantine, 1)
	}
	return p
}

func countriesOf(codes ...string) Countries {
	var set Countries
	for _, code := range codes {
		c, _ := CountryByAlpha2(code)
		set.Add(c)
	}
	return set
}

func benchRecord() *record.Record {
	filler := strings.Repeat(`{"name":"page_view","at":1718000000,"tags":["alpha","beta"]},`, 9)
	return &record.Record{
		Key: []byte("user-4711"),
		Headers: []record.Header{
			{Key: []byte("trace-id"), Value: []byte("4bf92f3577b34da6a3ce929d0e0e4736")},
			{Key: []byte("account-country"), Value: []byte("US")},
		},
		Value: []byte(`{"user":{"id":"4711","verified_region":"US"},"device":{"mcc":"310"},"network":{"ip":"81.2.69.142"},"events":[` + filler + `{}]}`),
	}
}

func BenchmarkDecide(b *testing.B) {
	header := Signal{Header: "account-country", As: Alpha2}
	mapped := header
	mapped.Map = map[string]Countries{"UK": countriesOf("GB"), "N/A": {}}
	missing := func(name string) Signal { return Signal{Header: name, As: Alpha2} }
	region := Signal{From: FromJSON, Pointer: []string{"user", "verified_region"}, As: Alpha2}
	ip := Signal{From: FromJSON, Pointer: []string{"network", "ip"}, As: IP}
	absent := func(object, name string) Signal {
		return Signal{From: FromJSON, Pointer: []string{object, name}, As: Alpha2}
	}
	for _, signals := range []struct {
		name string
		list []Signal
	}{
		{"header", []Signal{header}},
		{"header+map", []Signal{mapped}},
		{"four headers", []Signal{missing("x-country"), missing("verified-country"), missing("sim"), header}},
		{"json", []Signal{region}},
		{"json+ip", []Signal{ip, region}},
		{"four signals", []Signal{missing("x-country"), absent("device", "country"), absent("user", "country"), region}},
	} {
		for _, n := range []int{1, 8, 64} {
			b.Run(fmt.Sprintf("%s/jurisdictions=%d", signals.name, n), func(b *testing.B) {
				e := New(benchPolicy(n, signals.list...)).Evaluator()
				e.Use(Snapshot{Geo: testGeo(b)})
				r := benchRecord()
				b.ReportAllocs()
				for b.Loop() {
					if d := e.Decide(r); d.Reason != record.Decided {
						b.Fatalf("%+v", d)
					}
				}
			})
		}
	}
}

func TestDecideDoesNotAllocate(t *testing.T) {
	p := benchPolicy(8,
		Signal{From: FromKey, As: MCC, Map: map[string]Countries{"USER-4711": {}}},
		Signal{Header: "x-forwarded-for", As: ForwardedFor, Hops: 1, IfNoLocationAbsent: true},
		Signal{From: FromJSON, Pointer: []string{"network", "ip"}, As: IP},
		Signal{From: FromJSON, Pointer: []string{"user", "verified_region"}, As: Alpha2})
	for i := range p.Jurisdictions {
		p.Jurisdictions[i].Verb = Verb(i % 3)
	}
	e := New(p).Evaluator()
	e.Use(Snapshot{Geo: testGeo(t)})
	good, bad := benchRecord(), benchRecord()
	good.Headers = append(good.Headers, record.Header{Key: []byte("x-forwarded-for"), Value: []byte("81.2.69.142, 10.0.0.1")})
	bad.Headers = append(bad.Headers, record.Header{Key: []byte("demarc-reason")})
	bad.Value = append(bad.Value, "{}"...)
	for name, r := range map[string]*record.Record{"good": good, "bad": bad} {
		e.Decide(r)
		if n := testing.AllocsPerRun(200, func() { e.Decide(r) }); n != 0 {
			t.Errorf("%s record: %v allocations per decision, want 0", name, n)
		}
	}
}

var embeddedOnce = sync.OnceValues(EmbeddedGeo)

// testGeo is the embedded database, opened once.
func testGeo(t testing.TB) *Geo {
	t.Helper()
	g, err := embeddedOnce()
	if err != nil {
		t.Fatal(err)
	}
	return g
}
