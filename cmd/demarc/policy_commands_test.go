package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/demarc/demarc/classifier"
)

const goodPolicy = "testdata/policy.yaml"

// badPolicy breaks the good policy in two places, in lines 10 and 11.
func badPolicy(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(goodPolicy)
	if err != nil {
		t.Fatal(err)
	}
	broken := strings.NewReplacer("countries: [DE]", "countries: [DE, UK]", "US: us-main", "US: us-mian").Replace(string(text))
	return write(t, t.TempDir(), "bad.yaml", broken)
}

func TestCheck(t *testing.T) {
	call{args: []string{"check", goodPolicy}}.run(t).want(t, 0, "testdata/policy.yaml: good: version 7, sha256 ", "")

	bad := badPolicy(t)
	r := call{args: []string{"check", bad}}.run(t)
	r.want(t, 1, bad+":10:", "")
	if !strings.Contains(r.out, `"UK"`) || !strings.Contains(r.out, bad+":11:") || !strings.Contains(r.out, "us-mian") {
		t.Errorf("faults = %s", r.out)
	}
	for line := range strings.Lines(r.out) {
		if !strings.HasPrefix(line, bad+":") {
			t.Errorf("line %q is no FILE:LINE:COL: message", line)
		}
	}

	warned := write(t, t.TempDir(), "warned.yaml", strings.Replace(mustRead(t, goodPolicy), "PR, GU, VI, AS, MP, UM", "PR", 1))
	call{args: []string{"check", warned}}.run(t).want(t, 0, "good", "warning: US is listed")

	dir := t.TempDir()
	call{args: []string{"check", filepath.Join(dir, "none.yaml")}}.run(t).want(t, 2, "", "none.yaml: no such file")
	call{args: []string{"check", dir}}.run(t).want(t, 2, "", "is a directory")
	call{args: []string{"check", "/dev/zero"}}.run(t).want(t, 2, "", "/dev/zero is larger than 16MiB")
	call{args: []string{"check", write(t, dir, "empty.yaml", "")}}.run(t).want(t, 1, "empty.yaml:1:1:", "")
	call{args: []string{"check", write(t, dir, "binary", "\x00\xff\xfe")}}.run(t).want(t, 1, "binary:", "")
}

func mustRead(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestExplain(t *testing.T) {
	for _, tc := range []struct {
		name  string
		args  []string
		stdin string
		want  classifier.Explanation // without Signals
	}{
		{"header", []string{"--header", "account-country=US"}, `not even JSON`,
			classifier.Explanation{Jurisdictions: []string{"US"}, Reason: "decided", Signal: "account", Sink: "us-main"}},
		{"value of a header may hold = and ,", []string{"--header", "x=a=b,c", "--header", "account-country=DE"}, "",
			classifier.Explanation{Jurisdictions: []string{"DE"}, Reason: "decided", Signal: "account", Sink: "de-main"}},
		{"empty header is not null", []string{"--header", "account-country=", "--key", "US"}, "{}",
			classifier.Explanation{Jurisdictions: []string{}, Reason: "malformed", Signal: "account", Sink: "us-hold", Quarantined: true}},
		{"null header is absent", []string{"--header", "account-country", "--key", "US"}, "{}",
			classifier.Explanation{Jurisdictions: []string{"US"}, Reason: "decided", Signal: "id", Sink: "us-main"}},
		{"repeated header", []string{"--header", "account-country=US", "--header", "account-country=US"}, "{}",
			classifier.Explanation{Jurisdictions: []string{}, Reason: "ambiguous", Signal: "account", Sink: "us-hold", Quarantined: true}},
		{"empty value is not null", nil, "",
			classifier.Explanation{Jurisdictions: []string{}, Reason: "unreadable", Signal: "region", Sink: "us-hold", Quarantined: true}},
		{"null value", []string{"--null"}, "not read",
			classifier.Explanation{Jurisdictions: []string{}, Reason: "no_signal", Sink: "us-hold", Quarantined: true}},
		{"empty key is not null", []string{"--key", ""}, "{}",
			classifier.Explanation{Jurisdictions: []string{}, Reason: "malformed", Signal: "id", Sink: "us-hold", Quarantined: true}},
		{"embedded database", []string{"--topic", "events"}, `{"ip":"8.8.8.8"}`,
			classifier.Explanation{Jurisdictions: []string{"US"}, Reason: "decided", Signal: "ip", Sink: "us-main"}},
		{"old database", []string{"--now", "2100-01-01T00:00:00Z"}, `{"ip":"8.8.8.8"}`,
			classifier.Explanation{Jurisdictions: []string{}, Reason: "geo_expired", Signal: "ip", Sink: "us-hold", Quarantined: true}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if !strings.Contains(strings.Join(tc.args, " "), "--now") {
				tc.args = append(tc.args, "--now", embeddedBuildTime(t))
			}
			r := call{args: append([]string{"explain", goodPolicy}, tc.args...), stdin: tc.stdin}.run(t)
			if r.code != 0 || r.err != "" || strings.Count(r.out, "\n") != 1 {
				t.Fatalf("code %d, stdout %q, stderr %q; want one line", r.code, r.out, r.err)
			}
			var got classifier.Explanation
			if err := json.Unmarshal([]byte(r.out), &got); err != nil {
				t.Fatal(err)
			}
			if len(got.Signals) != 4 {
				t.Errorf("signals = %+v, want all 4", got.Signals)
			}
			got.Signals = nil
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// embeddedBuildTime is a time at which the embedded geo database is not old.
func embeddedBuildTime(t *testing.T) string {
	t.Helper()
	geo, err := classifier.EmbeddedGeo()
	if err != nil {
		t.Fatal(err)
	}
	return geo.Built().UTC().Format("2006-01-02T15:04:05Z")
}

func TestExplainRefuses(t *testing.T) {
	bad := badPolicy(t)
	r := call{args: []string{"explain", bad}, stdin: "{}"}.run(t)
	r.want(t, 2, "", bad+":10:")
	call{args: []string{"explain", "none.yaml"}}.run(t).want(t, 2, "", "none.yaml")
	garbage := write(t, t.TempDir(), "garbage.mmdb", "no database")
	call{args: []string{"explain", goodPolicy, "--geo", garbage}}.run(t).want(t, 2, "", "open geo database "+garbage)
	call{args: []string{"explain", goodPolicy, "--geo", "none.mmdb"}}.run(t).want(t, 2, "", "none.mmdb: no such file")
}

func TestConfig(t *testing.T) {
	r := call{args: []string{"config"}, env: []string{"DEMARC_GROUP=audit", "DEMARC_SASL_MECHANISM=plain", "DEMARC_SASL_USER=u", "DEMARC_SASL_PASSWORD=hunter2"}}.run(t)
	r.want(t, 0, "DEMARC_GROUP", "")
	for _, want := range []string{"audit", "DEMARC_SASL_PASSWORD", "***", "127.0.0.1:8470", "consumer group on the source cluster"} {
		if !strings.Contains(r.out, want) {
			t.Errorf("config lacks %q", want)
		}
	}
	if strings.Contains(r.out, "hunter2") {
		t.Error("config shows the password")
	}

	r = call{args: []string{"config", "--json"}, env: []string{"DEMARC_LANES=64"}}.run(t)
	var rows []row
	if err := json.Unmarshal([]byte(r.out), &rows); err != nil || r.code != 0 {
		t.Fatalf("%v, code %d", err, r.code)
	}
	found := false
	for _, row := range rows {
		found = found || row.Name == "DEMARC_LANES" && row.Value == "64" && row.Default == "32" && row.Set
		if row.Meaning == "" {
			t.Errorf("%s has no meaning", row.Name)
		}
	}
	if !found {
		t.Errorf("DEMARC_LANES is not there as set: %s", r.out)
	}

	call{args: []string{"config"}, env: []string{"DEMARC_TYPO=1"}}.run(t).want(t, 2, "", "demarc: DEMARC_TYPO: no such setting")
	r = call{args: []string{"config"}, env: []string{"DEMARC_LANES=x", "DEMARC_START=y"}}.run(t)
	if r.code != 2 || strings.Count(r.err, "\ndemarc: ") != 1 {
		t.Errorf("two faults: code %d, %s", r.code, r.err)
	}
	call{args: []string{"config", "none.yaml"}}.run(t).want(t, 2, "", "none.yaml")
	call{args: []string{"config", goodPolicy}, env: []string{"DEMARC_SINK_US_MAIN_TLS=true"}}.run(t).want(t, 2, "", "DEMARC_SINK_US_MAIN_TLS: no such setting")
}

func TestTest(t *testing.T) {
	dir := t.TempDir()
	good := write(t, dir, "good.yaml", `cases:
  - {name: header, headers: {account-country: US}, value: '{}', want: {sink: us-main, reason: decided}}
  - {name: tombstone, value: null, want: {reason: no_signal}}
  - {name: address, value: '{"ip":"8.8.8.8"}', want: {jurisdictions: [US]}}
  - {name: later, now: 2100-01-01T00:00:00Z, value: '{"ip":"8.8.8.8"}', want: {reason: geo_expired}}
`)
	wrong := write(t, dir, "wrong.yaml", `cases:
  - {name: passes, headers: {account-country: DE}, value: '{}', want: {sink: de-main}}
  - name: fails
    headers: {account-country: DE}
    value: '{}'
    want: {sink: us-main}
`)
	faulty := write(t, dir, "faulty.yaml", "cases:\n  - {name: x, valu: '{}', want: {sink: us-main}}\n  - {nam: y}\n")

	call{args: []string{"test", goodPolicy, good}}.run(t).want(t, 0, "4 passed, 0 failed\n", "")
	r := call{args: []string{"test", goodPolicy, good, wrong}}.run(t)
	r.want(t, 1, "5 passed, 1 failed\n", "")
	if lines := strings.Split(r.out, "\n"); len(lines) != 3 || !strings.HasPrefix(lines[0], wrong+":3: fails: sink is \"de-main\"") {
		t.Errorf("stdout = %q, want one line for the failing case", r.out)
	}
	r = call{args: []string{"test", goodPolicy, good, faulty}}.run(t)
	r.want(t, 2, "", faulty+":2:")
	if !strings.Contains(r.err, faulty+":3:") {
		t.Errorf("not all faults at once: %s", r.err)
	}
	call{args: []string{"test", badPolicy(t), good}}.run(t).want(t, 2, "", "bad.yaml:10:")
	call{args: []string{"test", goodPolicy, filepath.Join(dir, "none.yaml")}}.run(t).want(t, 2, "", "none.yaml: no such file")
	call{args: []string{"test", goodPolicy, good, "--geo", good}}.run(t).want(t, 2, "", "open geo database")
}
