package classifier

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/demarc/demarc/internal/record"
	"github.com/demarc/demarc/internal/yaml"
	"github.com/google/go-cmp/cmp"
)

var updatePolicies = flag.Bool("update-policies", false, "write the golden faults of testdata/policies anew")

// Every NAME.bad.yml breaks the rule that it is named after and has its faults in NAME.bad.txt; every other
// NAME.yml is loaded, with the warnings of NAME.warn.txt if there is one.
func TestPolicyGoldens(t *testing.T) {
	files, err := filepath.Glob("testdata/policies/*.yml")
	if err != nil || len(files) == 0 {
		t.Fatalf("policies: %d, %v", len(files), err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			p, faults := Load(name, text)
			golden := strings.TrimSuffix(file, ".yml")
			bad := strings.HasSuffix(golden, ".bad")
			if bad != (p == nil) {
				t.Errorf("policy is nil: %v; faults:\n%s", p == nil, lines(faults))
			}
			if bad {
				golden += ".txt"
			} else {
				golden += ".warn.txt"
			}
			compareGolden(t, golden, lines(faults))
			for _, f := range faults {
				if f.Warning == bad {
					t.Errorf("%s: warning is %v", f, f.Warning)
				}
				pointsAtWhatItNames(t, text, f)
			}
		})
	}
}

func lines(faults []Fault) string {
	var b strings.Builder
	for _, f := range faults {
		fmt.Fprintln(&b, f)
	}
	return b.String()
}

func compareGolden(t *testing.T, golden, got string) {
	t.Helper()
	if *updatePolicies {
		if got == "" {
			if err := os.Remove(golden); err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
		} else if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", golden, diff)
	}
}

// pointsAtWhatItNames holds that the word at a fault's place is part of its message. Faults of the YAML, of
// what is not there and of whole lists and mappings have no word.
func pointsAtWhatItNames(t *testing.T, text []byte, f Fault) {
	t.Helper()
	for _, wordless := range []string{"read YAML", "policy ", "character ", "byte", "nesting", "a list", "an empty list", "a mapping", "is empty", "second document", "anchor", "explicit", "by case only", "colon without", "carriage return", "tab:", "goes on in", "list entry -"} {
		if strings.Contains(f.Message, wordless) {
			return
		}
	}
	var line []rune
	if all := strings.Split(string(text), "\n"); f.Line >= 1 && f.Line <= len(all) {
		line = []rune(all[f.Line-1])
	}
	if f.Col < 1 || f.Col > len(line) {
		t.Errorf("%s: the line has %d characters", f, len(line))
		return
	}
	word := strings.TrimLeft(string(line[f.Col-1:]), `"`)
	if end := strings.IndexAny(word, " ,\"]}\r"); end >= 0 {
		word = word[:end]
	}
	word = strings.TrimSuffix(word, ":")
	if !strings.Contains(f.Message, word) {
		t.Errorf("%s: does not name %q, which stands there", f, word)
	}
}

// Every scalar of every policy stands where its node says, however lines end.
func TestNodesKnowTheirPlace(t *testing.T) {
	files, err := filepath.Glob("testdata/policies/*.yml")
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, end := range []string{"\n", "\r\n", "  \n", " # comment\n", " # comment\r\n"} {
			variant := bytes.ReplaceAll(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte(end))
			l := newLoader("", nil)
			if root, ok := l.Parse(variant); ok {
				checked++
				standsThere(t, filepath.Base(file), strings.Split(string(variant), "\n"), root)
			}
		}
	}
	if checked < len(files) {
		t.Errorf("only %d variants of %d policies could be parsed", checked, len(files))
	}
}

func standsThere(t *testing.T, file string, lines []string, n yaml.Node) {
	t.Helper()
	scalar := n.Kind != yaml.List && n.Kind != yaml.Mapping && (n.Kind != yaml.Null || n.Text != "")
	line := []rune(lines[n.At.Line-1])
	switch {
	case n.At.Col < 1 || n.At.Col > len(line):
		t.Errorf("%s:%d:%d: the line has %d characters", file, n.At.Line, n.At.Col, len(line))
	case scalar && line[n.At.Col-1] != '"' && !strings.HasPrefix(string(line[n.At.Col-1:]), n.Text):
		t.Errorf("%s:%d:%d: %q does not stand in %q", file, n.At.Line, n.At.Col, n.Text, string(line))
	}
	for _, item := range n.Items {
		standsThere(t, file, lines, item)
	}
	for _, m := range n.Members {
		standsThere(t, file, lines, m.Key)
		standsThere(t, file, lines, m.Value)
	}
}

func TestLoadFillsPolicy(t *testing.T) {
	text, err := os.ReadFile("testdata/policies/whole.yml")
	if err != nil {
		t.Fatal(err)
	}
	p, faults := Load("whole.yml", text)
	if p == nil {
		t.Fatalf("faults:\n%s", lines(faults))
	}
	set := func(codes ...string) (s Countries) {
		for _, code := range codes {
			c, ok := CountryByAlpha2(code)
			if !ok {
				t.Fatalf("%s is no country", code)
			}
			s.Add(c)
		}
		return s
	}
	us, eea := set("US", "PR", "GU", "VI", "AS", "MP", "UM"), set("DE", "IE", "NO", "SJ", "BV", "XK")
	row := isoCountries()
	for _, c := range us.Union(eea).All() {
		row[c>>6] &^= 1 << (c & 63)
	}
	country := func(code string) Country { return set(code).All()[0] }
	want := &Policy{
		Version:   12,
		Hash:      sha256.Sum256(text),
		Text:      text,
		GeoMaxAge: 720 * time.Hour,
		Signals: []Signal{
			{Name: "account", From: FromHeader, Header: "account-country", As: Alpha2,
				Map: map[string]Countries{"UK": set("GB"), "N/A": {}, "CIS": set("AM", "AZ"), "1": us, "NO": set("NO")}},
			{Name: "phone", From: FromKey, As: E164},
			{Name: "path", From: FromJSON, Pointer: []string{"a/b", "~", "0", ""}, As: Alpha3},
			{Name: "whole", From: FromJSON, Pointer: []string{}, As: Numeric},
			{Name: "via", From: FromHeader, Header: "x-forwarded-for", As: ForwardedFor, Hops: 2, IfNoLocationAbsent: true},
		},
		Jurisdictions: []Jurisdiction{
			{Name: "US", Countries: us, StoreIn: us.Union(set("CA")), Verb: Any, When: []int{0, 1}},
			{Name: "EEA", Countries: eea, StoreIn: eea, Verb: Agree, When: []int{2, 0, 3, 1}},
			{Name: "ROW", Countries: row, Rest: true, StoreAny: true, Verb: First, When: []int{4}},
		},
		Overlaps:          []Overlap{{Set: record.One(0) | record.One(1), Member: 1}},
		Routes:            []int{1, 0, 2},
		Quarantine:        []int{2, 0, 2},
		QuarantineDefault: 2,
		Sinks: []Sink{
			{Name: "eu", Location: Location{country("XK"), "pr-1", "x"}, Accepts: record.One(1), Unpinned: true,
				Kafka: &KafkaPlace{Brokers: []string{"[2001:db8::1]:9092", "b:9093"}, Topic: "events.eu", Partitions: 12},
				Pins:  Pins{ClusterID: "partly"}},
			{Name: "us", Location: Location{Country: country("CA")}, Accepts: record.One(0),
				Kafka: &KafkaPlace{Brokers: []string{"c:9092"}, Topic: "events.us"},
				Pins: Pins{ClusterID: "XyZ", TLSSPKISHA256: []string{"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="},
					Addresses: []string{"10.0.0.0/8", "2001:db8::/32"}}},
			{Name: "row", Location: Location{Country: country("SG")}, Accepts: record.One(2), File: &FilePlace{Dir: "/row"}},
		},
	}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Errorf("policy (-want +got):\n%s", diff)
	}
	if row.Has(XK) || row.Len() != XK.index()-us.Len()-eea.Len()+1 {
		t.Errorf("rest has %d countries, XK among them: %v", row.Len(), row.Has(XK))
	}

	if got, want := p.ID(), fmt.Sprintf("version 12 sha256:%x", sha256.Sum256(text)); got != want {
		t.Errorf("ID = %q, want %q", got, want)
	}
	var sinks, signals []string
	for _, sink := range p.Sinks {
		sinks = append(sinks, sink.Name)
	}
	for _, signal := range p.Signals {
		signals = append(signals, signal.Name)
	}
	if diff := cmp.Diff([]string{"eu", "us", "row"}, sinks); diff != "" {
		t.Errorf("SinkNames: %s", diff)
	}
	if diff := cmp.Diff([]string{"account", "phone", "path", "whole", "via"}, signals); diff != "" {
		t.Errorf("SignalNames: %s", diff)
	}
	if !p.ReadsIP() {
		t.Error("ReadsIP is false for a policy with forwarded_for")
	}
	text[0]++
	if bytes.Equal(p.Text, text) {
		t.Error("the policy's text changes with the caller's")
	}
}

func (c Country) index() int { return int(c) }

func TestReadsIP(t *testing.T) {
	for as, want := range map[string]bool{"alpha2": false, "mcc": false, "ip": true, "forwarded_for, hops: 1": true} {
		p, faults := Load("p.yml", onePolicy("header: h, as: "+as))
		if p == nil {
			t.Fatalf("%s: %s", as, lines(faults))
		}
		if got := p.ReadsIP(); got != want {
			t.Errorf("as: %s: ReadsIP = %v, want %v", as, got, want)
		}
	}
}

// onePolicy is a policy with one signal, of the given fields.
func onePolicy(signal string) []byte {
	return []byte("version: 1\nsignals: {s: {" + signal + "}}\n" +
		"jurisdictions: {DE: {countries: [DE], when: {any: [s]}}}\nroutes: {DE: de}\nquarantine: {default: de}\n" +
		"sinks: {de: {location: {country: DE}, accepts: [DE], file: {dir: /de}}}\n")
}

// A policy may list every country; none is mistaken for a YAML word.
func TestEveryCountryIsText(t *testing.T) {
	var codes []string
	for _, c := range isoCountries().All() {
		codes = append(codes, c.String())
	}
	for _, style := range []string{"[" + strings.Join(codes, ", ") + "]", "\n    - " + strings.Join(codes, "\n    - ")} {
		text := bytes.Replace(onePolicy("header: h, as: alpha2"), []byte("{DE: {countries: [DE], when: {any: [s]}}}"),
			[]byte("\n  DE:\n    when: {any: [s]}\n    countries: "+style), 1)
		p, faults := Load("p.yml", text)
		if p == nil {
			t.Fatalf("faults:\n%s", lines(faults))
		}
		if got := p.Jurisdictions[0].Countries; got != isoCountries() {
			t.Errorf("%d countries of %d", got.Len(), len(codes))
		}
	}
}

func TestLongPoliciesAreRefused(t *testing.T) {
	text := onePolicy("header: h, as: alpha2")
	text = append(text, bytes.Repeat([]byte("# filler\n"), maxPolicyBytes/9+1)...)
	want := fmt.Sprintf("p.yml:1:1: policy is %d bytes long: at most %d are read\n", len(text), maxPolicyBytes)
	if p, faults := Load("p.yml", text); p != nil || lines(faults) != want {
		t.Errorf("faults = %s", lines(faults))
	}
	if p, faults := Load("p.yml", text[:maxPolicyBytes-1]); p == nil {
		t.Errorf("a policy of %d bytes: %s", maxPolicyBytes-1, lines(faults))
	}
}

func TestTooManyKeysAreRefused(t *testing.T) {
	text := strings.Repeat("a: 1\n", maxPolicyKeys+1)
	want := fmt.Sprintf("p.yml:%d:2: more than %d keys in the policy\n", maxPolicyKeys+1, maxPolicyKeys)
	if p, faults := Load("p.yml", []byte(text)); p != nil || lines(faults) != want {
		t.Errorf("faults = %.300s", lines(faults))
	}
}

func TestParsePointer(t *testing.T) {
	// RFC 6901 section 5, and what follows from section 4.
	for text, want := range map[string][]string{
		"": {}, "/": {""}, "/foo": {"foo"}, "/foo/0": {"foo", "0"}, "/a~1b": {"a/b"}, "/c%d": {"c%d"}, "/m~0n": {"m~n"},
		"/ ": {" "}, `/k"l`: {`k"l`}, "/~01": {"~1"}, "/~10": {"/0"}, "/~0~1": {"~/"}, "//": {"", ""},
	} {
		got, err := parsePointer(text)
		if err != nil || got == nil || !cmp.Equal(got, want) {
			t.Errorf("parsePointer(%q) = %q, %v; want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"a", "a/b", "#/a", "$.a", " /a", "/~", "/~2", "/a~", "/~~0", "/~0~"} {
		if got, err := parsePointer(text); err == nil {
			t.Errorf("parsePointer(%q) = %q, want an error", text, got)
		}
	}
}

// foldCase must agree with the rule that strings.EqualFold states.
func TestFoldCase(t *testing.T) {
	words := []string{"k", "K", "\u212a", "s", "S", "\u017f", "ss", "\u00df", "\u1e9e", "\u0131", "i", "I", "\u0130", "\u03c3", "\u03c2", "\u03a3", "ab", "aB", ""}
	for _, a := range words {
		for _, b := range words {
			if got, want := foldCase(a) == foldCase(b), strings.EqualFold(a, b); got != want {
				t.Errorf("%q and %q fold alike: %v, want %v", a, b, got, want)
			}
		}
	}
}

func TestTerritories(t *testing.T) {
	count := 0
	var all Countries
	for state, territories := range territoryTable {
		count += territories.Len()
		all = all.Union(territories)
		if territories.Has(state) {
			t.Errorf("%s depends on itself", state)
		}
	}
	if count != 48 || all.Len() != count {
		t.Errorf("%d territories, %d different ones; want 48 and 48", count, all.Len())
	}
	for state := range territoryTable {
		if all.Has(state) {
			t.Errorf("%s is a territory and has some", state)
		}
	}
	for _, c := range strings.Fields("AQ EH FK GS IO PS TW") {
		if contested, _ := CountryByAlpha2(c); all.Has(contested) {
			t.Errorf("%s is contested: the table takes no side", c)
		}
	}
}

func FuzzLoad(f *testing.F) {
	files, err := filepath.Glob("testdata/policies/*.yml")
	if err != nil || len(files) == 0 {
		f.Fatalf("policies: %d, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, faults := Load("p.yml", text)
		errors := 0
		last := yaml.Pos{Line: 1, Col: 1}
		lineCount := 1 + bytes.Count(text, []byte("\n"))
		for _, fault := range faults {
			if !fault.Warning {
				errors++
			}
			at := yaml.Pos{Line: fault.Line, Col: fault.Col}
			if at.Compare(last) < 0 || fault.Line > lineCount || fault.Message == "" {
				t.Errorf("%s: after %v, in a text of %d lines", fault, last, lineCount)
			}
			last = at
		}
		if (p == nil) != (errors > 0) {
			t.Fatalf("policy is nil: %v; faults:\n%s", p == nil, lines(faults))
		}
		if p != nil {
			holdsWhatEvaluationNeeds(t, p)
		}
	})
}

// holdsWhatEvaluationNeeds checks a loaded policy against the rules, by other means than Load does.
func holdsWhatEvaluationNeeds(t *testing.T, p *Policy) {
	n := len(p.Jurisdictions)
	if p.Version < 1 || n == 0 || n > record.MaxJurisdictions || len(p.Routes) != n || len(p.Quarantine) != n {
		t.Fatalf("version %d, %d jurisdictions, %d routes, %d quarantines", p.Version, n, len(p.Routes), len(p.Quarantine))
	}
	inside := func(j Jurisdiction, sink int) bool {
		return j.StoreAny || j.StoreIn.Has(p.Sinks[sink].Location.Country)
	}
	for i, j := range p.Jurisdictions {
		route := p.Sinks[p.Routes[i]]
		if !route.Accepts.Has(i) || !inside(j, p.Routes[i]) {
			t.Errorf("%s is routed to %s, which accepts %b in %s", j.Name, route.Name, route.Accepts, route.Location.Country)
		}
		if p.Quarantine[i] != p.QuarantineDefault && !inside(j, p.Quarantine[i]) {
			t.Errorf("%s is quarantined in %s", j.Name, p.Sinks[p.Quarantine[i]].Location.Country)
		}
		if len(j.When) == 0 || !j.Rest && j.Countries.Len() == 0 {
			t.Errorf("%s consults %d signals and has %d countries", j.Name, len(j.When), j.Countries.Len())
		}
		for k, s := range p.Sinks {
			if s.Accepts.Has(i) && !inside(j, k) {
				t.Errorf("%s accepts %s outside its store_in", s.Name, j.Name)
			}
		}
	}
	for _, s := range p.Signals {
		if s.From == FromHeader && s.Header == "" || s.From == FromJSON && s.Pointer == nil || (s.As == ForwardedFor) != (s.Hops > 0) {
			t.Errorf("signal %+v", s)
		}
	}
	for _, s := range p.Sinks {
		if (s.Kafka == nil) == (s.File == nil) {
			t.Errorf("sink %s has no place, or two", s.Name)
		}
	}
}

// TestPlacesInFull: a broker gets Kafka's port, an address is a prefix of all its bits.
func TestPlacesInFull(t *testing.T) {
	text, err := os.ReadFile("testdata/policies/minimal.yml")
	if err != nil {
		t.Fatal(err)
	}
	short := strings.NewReplacer("[us.example:9092]", "[us.example, '10.0.0.1', '[2001:db8::1]:19092']", "addresses: [10.0.0.0/8]", "addresses: [10.0.0.1, '2001:db8::1']")
	p, faults := Load("minimal.yml", []byte(short.Replace(string(text))))
	if p == nil {
		t.Fatal(lines(faults))
	}
	if diff := cmp.Diff([]string{"us.example:9092", "10.0.0.1:9092", "[2001:db8::1]:19092"}, p.Sinks[0].Kafka.Brokers); diff != "" {
		t.Errorf("brokers (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"10.0.0.1/32", "2001:db8::1/128"}, p.Sinks[0].Pins.Addresses); diff != "" {
		t.Errorf("addresses (-want +got):\n%s", diff)
	}
}
