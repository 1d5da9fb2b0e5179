package claim

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/demarc/demarc/internal/record"
	"github.com/demarc/demarc/ledger"
)

func TestParse(t *testing.T) {
	text := `# everything that a claim can say
subject:
  jurisdiction: US
  policies: [ffaf63b2c1f3d6d2a4f3a0d5f5b0f7d2c1b8a0e9d3c4b5a697887766554433ff, 0faf63b2c1f3d6d2a4f3a0d5f5b0f7d2c1b8a0e9d3c4b5a697887766554433ff]
verb: routed
population: {topics: [events, audit], from: 2026-07-01T00:00:00Z, to: 2026-07-01T02:00:00.5+02:00}
sinks: [us-oci, us-two]
copies:
  - {name: backup, purpose: "disaster: recovery", expires: 2026-08-01, deletion_due: 2026-09-01T12:00:00Z}
  - {name: mirror, purpose: migration}
exclusions:
  - {words: seen abroad, sets: [US+EEA, none]}
  - {words: tests, reasons: [no_signal, unknown_code]}
`
	from, to := int64(day), int64(day+500)
	want := &Spec{
		Jurisdiction: "US", Verb: Routed,
		Policies: []string{
			"0faf63b2c1f3d6d2a4f3a0d5f5b0f7d2c1b8a0e9d3c4b5a697887766554433ff", "ffaf63b2c1f3d6d2a4f3a0d5f5b0f7d2c1b8a0e9d3c4b5a697887766554433ff",
		},
		Population: Population{Topics: []string{"audit", "events"}, From: &from, To: &to},
		Sinks:      []string{"us-oci", "us-two"},
		Copies: []Copy{
			{Name: "backup", Purpose: "disaster: recovery", Expires: "2026-08-01", DeletionDue: "2026-09-01T12:00:00Z"}, {Name: "mirror", Purpose: "migration"},
		},
		Exclusions: []Exclusion{{Words: "seen abroad", Sets: []string{"EEA+US", "none"}}, {Words: "tests", Reasons: []string{"no_signal", "unknown_code"}}},
	}
	if diff := cmp.Diff(want, parse(t, text)); diff != "" {
		t.Error(diff)
	}
	offsets := parse(t, testClaim+"population:\n  offsets:\n    events: {0: [0, 100], 12: [7, 7]}\n    a.b: {0: [1, 2]}\n").Population
	if diff := cmp.Diff(Population{
		Topics:  []string{"a.b", "events"},
		Offsets: map[string]map[int32]Offsets{"events": {0: {0, 100}, 12: {7, 7}}, "a.b": {0: {1, 2}}},
	}, offsets); diff != "" {
		t.Error(diff)
	}
}

// TestPolicyTextsAreBounded tells of policies without end, none of them whole: what is kept of them is bounded.
func TestPolicyTextsAreBounded(t *testing.T) {
	a, text := New(parse(t, testClaim), nil), strings.Repeat("# ", 30_000)
	for i := range uint64(2 * maxPoliciesBytes / 60_000) {
		a.Add(i, &ledger.Entry{Kind: ledger.KindPolicy, Policy: &ledger.Policy{Part: 1, Parts: 2, SHA256: fmt.Sprint(i), Text: text, Version: 1}})
	}
	kept := 0
	for _, p := range a.policies {
		kept += len(p.text)
	}
	if kept > maxPoliciesBytes+len(text) {
		t.Errorf("%d bytes of policies are kept", kept)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, tc := range []struct{ text, fault string }{
		{"", "1:1: claim is empty: it needs subject, verb and sinks"},
		{"verb: routed", "1:1: claim has no subject"},
		{"verb: routed", "1:1: claim has no sinks"},
		{testClaim + "sink: [x]", `4:1: unknown key "sink" in claim`},
		{testClaim + "verb: routed", "4:1: key \"verb\" is repeated"},
		{strings.Replace(testClaim, "routed", "kept", 1), `2:7: verb is "kept": want routed`},
		{strings.Replace(testClaim, "[us-oci]", "[]", 1), "3:8: sinks is an empty list"},
		{strings.Replace(testClaim, "[us-oci]", "[a, a]", 1), `3:12: sinks names "a" twice`},
		{strings.Replace(testClaim, "[us-oci]", "['us-oci (US), all of it']", 1), `3:8: sinks name "us-oci (US), all of it": want names as policies have them`},
		{strings.Replace(testClaim, "[us-oci]", "us-oci", 1), `3:8: sinks is "us-oci": want a list`},
		{strings.Replace(testClaim, "[us-oci]", `["us\u001b[2J"]`, 1), "3:9: text \"us\\x1b[2J\" holds a character that does not print"},
		{strings.Replace(testClaim, "[us-oci]", `[&a us]`, 1), "3:9: anchor or alias &"},
		{strings.Replace(testClaim, "US", "us", 1), `1:25: jurisdiction name "us"`},
		{strings.Replace(testClaim, "jurisdiction: US", "policies: [a]", 1), "1:10: subject has no jurisdiction"},
		{strings.Replace(testClaim, "US}", "US, policies: [ABC]}", 1), `1:40: entry of policies is "ABC": want a SHA-256 in lower-case hex`},
		{testClaim + "population: {from: 2026-07-01}", `4:20: from is "2026-07-01": want an RFC 3339 time`},
		{testClaim + "population: {to: 2026-07-01T00:00:00.0001Z}", "4:18: to is \"2026-07-01T00:00:00.0001Z\": want an RFC 3339 time of at most milliseconds"},
		{testClaim + "population: {from: 2026-07-01T00:00:00Z, to: 2026-07-01T00:00:00Z}", "4:46: to is not after from"},
		{testClaim + "population: {topics: [a], offsets: {a: {0: [1, 2]}}}", "4:14: population has both offsets and topics"},
		{testClaim + "population: {offsets: {a: {0: [2, 1]}}}", "4:31: offsets of a/0: want [FROM, TO]"},
		{testClaim + "population: {offsets: {a: {0: [-1, 1]}}}", "4:31: offsets of a/0: want [FROM, TO]"},
		{testClaim + "population: {offsets: {a: {00: [0, 1]}}}", `4:28: key "00" in offsets of a: want the number of a partition`},
		{testClaim + "population: {offsets: {a: [0, 1]}}", "4:27: offsets of a is a list: want a mapping"},
		{testClaim + "copies: [{name: a}]", "4:10: copy has no purpose"},
		{testClaim + "copies: [{name: a, purpose: b, deletion_due: soon}]", `4:46: deletion_due of a copy is "soon": want a date`},
		{testClaim + "copies: [{name: a, purpose: b}, {name: a, purpose: b}]", `4:33: copy "a" is listed twice`},
		{testClaim + "exclusions: [{words: a}]", "4:14: exclusion has neither sets nor reasons"},
		{testClaim + "exclusions: [{sets: [US]}]", "4:14: exclusion has no words"},
		{testClaim + "exclusions: [{words: a, sets: [US+us]}]", `4:31: sets name "US+us"`},
		{testClaim + "exclusions: [{words: a, reasons: [lost]}]", `4:34: reasons name "lost", which is none`},
		{testClaim + "copies: []", "4:9: copies is an empty list"},
		{strings.Repeat(" ", maxBytes+1), "1:1: claim is 262145 bytes long"},
	} {
		spec, faults := Parse("claim.yaml", []byte(tc.text))
		found := false
		for _, f := range faults {
			found = found || strings.HasPrefix(f.Error(), "claim.yaml:"+tc.fault)
		}
		if spec != nil || !found {
			t.Errorf("%.60q: %v, want %s", tc.text, faults, tc.fault)
		}
	}
}

// FuzzParse looks for a text that panics, that gives neither a claim nor a fault, or whose claim says other than it.
func FuzzParse(f *testing.F) {
	for _, tc := range claimCases {
		f.Add([]byte(tc.claim))
	}
	f.Add([]byte("subject: {jurisdiction: US}\nverb: routed\nsinks: [a:b, \"c: d\"]\npopulation: {offsets: {a: {0: [1, 2]}}}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		spec, faults := Parse("c", text)
		if (spec == nil) == (len(faults) == 0) {
			t.Fatalf("%v with %v", spec, faults)
		}
		for i, fault := range faults {
			if fault.Line < 1 || fault.Col < 1 || i > 0 && fault.Line < faults[i-1].Line {
				t.Errorf("%v", faults)
			}
		}
		if spec == nil {
			return
		}
		if len(spec.Sinks) == 0 || !record.IsJurisdiction(spec.Jurisdiction) {
			t.Errorf("%+v", spec)
		}
		for _, sink := range spec.Sinks {
			if !strings.Contains(string(text), strings.SplitN(sink, `\`, 2)[0]) && !strings.Contains(string(text), `\`) && !strings.Contains(string(text), "'") {
				t.Errorf("sink %q is not in the text", sink)
			}
		}
	})
}

// TestClaimsDocument reads the example of CLAIMS.md, and holds its lists to the program.
func TestClaimsDocument(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "CLAIMS.md"))
	if err != nil {
		t.Fatal(err)
	}
	doc := string(text)
	examples := strings.Split(doc, "```yaml\n")[1:]
	if len(examples) < 2 {
		t.Fatalf("CLAIMS.md has %d examples, want the smallest claim and one with all keys", len(examples))
	}
	for _, rest := range examples {
		example, _, _ := strings.Cut(rest, "```")
		parse(t, example)
	}
	for _, tc := range claimCases {
		for _, kind := range tc.finds {
			if !strings.Contains(doc, fmt.Sprintf("| `%s` |", kind)) {
				t.Errorf("CLAIMS.md does not describe the finding %s", kind)
			}
		}
	}
	for kind := range against {
		if !strings.Contains(doc, fmt.Sprintf("| `%s` |", kind)) {
			t.Errorf("CLAIMS.md does not describe the finding %s", kind)
		}
	}
	for _, basis := range []Basis{Stated, Recounted, Compared} {
		if !strings.Contains(doc, fmt.Sprintf("| `%s` |", basis)) {
			t.Errorf("CLAIMS.md does not describe the basis %s", basis)
		}
	}
	for _, tc := range recountCases {
		for _, kind := range tc.finds {
			if !strings.Contains(doc, fmt.Sprintf("| `%s` |", kind)) {
				t.Errorf("CLAIMS.md does not describe the finding %s", kind)
			}
		}
	}
	for _, part := range parts {
		if !strings.Contains(doc, fmt.Sprintf("`%s`", part)) {
			t.Errorf("CLAIMS.md does not describe the part %s", part)
		}
	}
	if !strings.Contains(doc, Format) {
		t.Errorf("CLAIMS.md does not name the format %s", Format)
	}
}
