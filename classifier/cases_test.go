package classifier

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/demarc/demarc/internal/record"
)

// ruleCases are the rules for hostile and broken input that a case can show; each has one file at least, named
// after it.
var ruleCases = []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 25, 27, 28, 29}

func TestRuleCases(t *testing.T) {
	files, err := filepath.Glob("testdata/cases/*/[0-9]*.yml")
	if err != nil {
		t.Fatal(err)
	}
	var rules []int
	for _, file := range files {
		rule, err := strconv.Atoi(filepath.Base(file)[:2])
		if err != nil {
			t.Errorf("%s: not named after a rule: %v", file, err)
		}
		rules = append(rules, rule)
		t.Run(strings.TrimPrefix(file, "testdata/cases/"), func(t *testing.T) {
			c := New(loadFile(t, filepath.Join(filepath.Dir(file), "policy.yml")))
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			cases, faults := LoadCases(file, text)
			for _, f := range faults {
				t.Error(f)
			}
			for _, f := range c.RunCases(testGeo(t), cases) {
				t.Error(f)
			}
		})
	}
	slices.Sort(rules)
	if diff := cmp.Diff(ruleCases, slices.Compact(rules)); diff != "" {
		t.Errorf("rules with a cases file (-want +got):\n%s", diff)
	}
}

func loadFile(t testing.TB, file string) *Policy {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	p, faults := Load(file, text)
	if p == nil {
		t.Fatalf("%v", faults)
	}
	return p
}

// TestLoadCasesReadsWhatPeopleWrite: a number is its text, and a set may be written by its name.
func TestLoadCasesReadsWhatPeopleWrite(t *testing.T) {
	cases, faults := LoadCases("f", []byte(`cases:
- name: numbers
  key: 42
  value: 1.50
  headers: {sim: 0310}
  want: {jurisdictions: US+EEA}
- name: none
  want: {jurisdictions: none}
`))
	if len(faults) > 0 || len(cases) != 2 {
		t.Fatalf("%v", faults)
	}
	r := cases[0].Record
	if string(r.Key) != "42" || string(r.Value) != "1.50" || string(r.Headers[0].Value) != "0310" {
		t.Errorf("record %q %q %q", r.Key, r.Value, r.Headers[0].Value)
	}
	if diff := cmp.Diff([][]string{{"US", "EEA"}, {}}, [][]string{cases[0].Want.Jurisdictions, cases[1].Want.Jurisdictions}); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLoadCasesRefuses(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"empty file", "", "f:1:1: cases file is empty: it needs cases"},
		{"not a mapping", "- a\n", "f:1:1: cases file is a list: want a mapping"},
		{"unknown key", "case: []\n", `f:1:1: unknown key "case" in cases file: known are cases`},
		{"no cases", "cases: []\n", "f:1:8: cases is an empty list: fill it in or leave it out"},
		{"unknown key of a case", "cases:\n- name: n\n  header: {a: b}\n  want: {sink: s}\n", `f:3:3: unknown key "header" in case: known are name, topic, now, headers, key, key_base64, value, value_base64, want`},
		{"no name", "cases:\n- want: {sink: s}\n", "f:2:3: case has no name: write one, failures are shown by it"},
		{"no want", "cases:\n- name: n\n", "f:2:3: case has no want: write what is expected of the decision"},
		{"empty want", "cases:\n- name: n\n  want: {}\n", "f:3:9: want is empty: fill it in or leave it out"},
		{"unknown reason", "cases:\n- name: n\n  want: {reason: fine}\n", `f:3:18: reason is "fine", which no decision has: known are decided, overlap, no_signal, malformed, unknown_code, no_location, conflict, ambiguous, unreadable, geo_expired, no_route`},
		{"reason of a sink", "cases:\n- name: n\n  want: {reason: refused}\n", `f:3:18: reason is "refused", which no decision has: known are decided, overlap, no_signal, malformed, unknown_code, no_location, conflict, ambiguous, unreadable, geo_expired, no_route`},
		{"jurisdictions as a number", "cases:\n- name: n\n  want: {jurisdictions: 1}\n", `f:3:25: jurisdictions is the number 1: want a list`},
		{"signal as null", "cases:\n- name: n\n  want: {signal: null}\n", `f:3:18: signal is null: want the name of a signal, or "" for none`},
		{"key twice", "cases:\n- name: n\n  key: a\n  key_base64: YQ==\n  want: {sink: s}\n", "f:4:3: case has key and key_base64: write one of them"},
		{"value as a truth", "cases:\n- name: n\n  value: true\n  want: {sink: s}\n", "f:3:10: value is true, which is no text: write it in quotes"},
		{"value as a document", "cases:\n- name: n\n  value: {a: b}\n  want: {sink: s}\n", "f:3:10: value is a mapping: want text in quotes or null"},
		{"value as nothing", "cases:\n- name: n\n  value:\n  want: {sink: s}\n", "f:3:3: value is nothing: write null or a text"},
		{"base64 without padding", "cases:\n- name: n\n  value_base64: YQ\n  want: {sink: s}\n", `f:3:17: value_base64 is "YQ": want base64 in quotes, with padding`},
		{"header as a truth", "cases:\n- name: n\n  headers: {sim: false}\n  want: {sink: s}\n", "f:3:18: header value is false, which is no text: write it in quotes"},
		{"header as one word", "cases:\n- name: n\n  headers: [a]\n  want: {sink: s}\n", `f:3:13: header is "a": want [NAME, VALUE]`},
		{"headers as text", "cases:\n- name: n\n  headers: a\n  want: {sink: s}\n", `f:3:12: headers is "a": want NAME: VALUE pairs or a list of [NAME, VALUE]`},
		{"header name null", "cases:\n- name: n\n  headers: [[null, a]]\n  want: {sink: s}\n", "f:3:14: header name is null: want text"},
		{"header twice in a mapping", "cases:\n- name: n\n  headers: {a: x, a: y}\n  want: {sink: s}\n", `f:3:19: key "a" is repeated: it stands on line 3 already`},
		{"now", "cases:\n- name: n\n  now: yesterday\n  want: {sink: s}\n", `f:3:8: now is "yesterday": want a time such as 2026-01-31T12:00:00Z (RFC 3339)`},
		{"anchor", "cases: &a []\n", "f:1:8: anchor or alias &: a cases file has none, write the value out"},
	} {
		cases, faults := LoadCases("f", []byte(c.text))
		if cases != nil {
			t.Errorf("%s: loaded %+v", c.name, cases)
		}
		if got := strings.TrimSuffix(lines(faults), "\n"); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

func TestLoadCasesReadsBytesAsTheyAre(t *testing.T) {
	cases, faults := LoadCases("f", []byte(`
cases:
  - name: all
    topic: events
    now: 2026-01-31T12:00:00Z
    headers: [[a, "1"], [a, null], ["", ""], [b, {base64: "/w=="}], [c, {base64: ""}]]
    key_base64: "AAE="
    value: |
      {"a":
       "b"}
    want: {jurisdictions: [], reason: no_route, signal: "", sink: s}
  - name: least
    headers: {NO: "NO", "1": "2"}
    key: ""
    value: null
    want: {signal: x}
`))
	none, x := "", "x"
	want := []Case{
		{
			File: "f", Line: 3, Name: "all", Topic: "events", Now: time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC),
			Record: record.Record{
				Key:   []byte{0, 1},
				Value: []byte("{\"a\":\n \"b\"}\n"),
				Headers: []record.Header{
					{Key: []byte("a"), Value: []byte("1")}, {Key: []byte("a")}, {Key: []byte{}, Value: []byte{}},
					{Key: []byte("b"), Value: []byte{0xff}}, {Key: []byte("c"), Value: []byte{}},
				},
			},
			Want: Want{Jurisdictions: []string{}, Reason: "no_route", Signal: &none, Sink: "s"},
		},
		{
			File: "f", Line: 12, Name: "least",
			Record: record.Record{Key: []byte{}, Headers: []record.Header{
				{Key: []byte("NO"), Value: []byte("NO")}, {Key: []byte("1"), Value: []byte("2")},
			}},
			Want: Want{Signal: &x},
		},
	}
	if diff := cmp.Diff(want, cases); diff != "" || faults != nil {
		t.Errorf("faults %v (-want +got):\n%s", faults, diff)
	}
}

func TestRunCasesTellsWhatDiffers(t *testing.T) {
	c := New(loadFile(t, "testdata/cases/addresses/policy.yml"))
	cases, faults := LoadCases("f.yml", []byte(`cases:
  - name: passes
    headers: {account-country: US}
    want: {jurisdictions: [US], reason: decided, signal: account, sink: us-oci}
  - name: differs in all
    headers: {account-country: US}
    want: {jurisdictions: [EEA, US], reason: overlap, signal: "", sink: eu-fra}
  - name: passes by what is given
    headers: {account-country: ZZ}
    want: {jurisdictions: []}
  - name: needs a geo database
    headers: {client-ip: 8.8.8.8}
    want: {reason: geo_expired}
`))
	if faults != nil {
		t.Fatal(faults)
	}
	var got []string
	for _, f := range c.RunCases(nil, cases) {
		got = append(got, f.String())
	}
	want := []string{
		`f.yml:5: differs in all: jurisdictions is "US", want "EEA+US"; reason is "decided", want "overlap"; ` +
			`signal is "account", want ""; sink is "us-oci", want "eu-fra"`,
		`f.yml:11: needs a geo database: looks an address up, and there is no geo database: give one with --geo FILE`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("failures (-want +got):\n%s", diff)
	}
}

// Cases files come from scripts too, and their YAML writers fold long text in their own ways.
func TestLoadCasesReadsLongText(t *testing.T) {
	for _, c := range []struct{ yaml, want string }{
		{"'{\"a\":\n      \"b\"}'", `{"a": "b"}`},
		{"'a\n\n      b'", "a\nb"},
		{"\"{a\n      b\\\n      c\\\n      \\ d}\"", "{a bc d}"},
		{"plain text\n      that goes on", "plain text that goes on"},
		{"|\n      # no comment: 'x'\n\n        - b\n", "# no comment: 'x'\n\n  - b\n"},
		{"|-\n      [x,\n      y]\n", "[x,\ny]"},
		{">-\n      {x:\n      y}\n", "{x: y}"},
		{"|+\n      x\n\n", "x\n\n"},
	} {
		for _, line := range []string{"\n", "\r\n"} {
			text := "cases:\n  - name: n\n    value: " + c.yaml + "\n    want: {sink: s}\n"
			text = strings.ReplaceAll(strings.ReplaceAll(text, "\n\n    want", "\n    want"), "\n", line)
			cases, faults := LoadCases("f", []byte(text))
			if len(faults) > 0 || string(cases[0].Record.Value) != c.want {
				t.Errorf("%q: %+v, faults %v, want %q", text, cases, faults, c.want)
			}
		}
	}
	_, faults := LoadCases("f", []byte("cases:\n  - name: n\n    value: |\n      x \n    want: {sink: s}\n"))
	want := "f:4:8: blank at the end of the line: remove it, or write the text in double quotes on one line\n"
	if got := lines(faults); got != want {
		t.Errorf("trailing blank: %q, want %q", got, want)
	}
}

// FuzzLoadCases: whatever the text is, it is loaded or refused with a fault.
func FuzzLoadCases(f *testing.F) {
	f.Add([]byte("cases:\n- name: n\n  headers: [[a, {base64: YQ==}]]\n  value: null\n  want: {sink: s}\n"))
	c := New(loadFile(f, "testdata/cases/documents/policy.yml"))
	f.Fuzz(func(t *testing.T, text []byte) {
		cases, faults := LoadCases("f", text)
		if (len(cases) == 0) != (len(faults) > 0) {
			t.Errorf("%d cases and %d faults", len(cases), len(faults))
		}
		c.RunCases(nil, cases)
	})
}
