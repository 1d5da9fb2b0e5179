package main

import (
	"crypto/rand"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"

	"github.com/demarc/demarc/ledger"
	"github.com/demarc/demarc/ledger/claim"
	"github.com/demarc/demarc/ledger/report"
)

// testLedger writes a ledger of 30 records with the log itself: 20 of US, 8 of DE, 2 that are quarantined. It
// returns its folder and verifier key.
func testLedger(t *testing.T) (dir, vkey string) {
	t.Helper()
	const kafka = "kafka: {brokers: ['k:9092'], topic: %s}, pins: {cluster_id: %s, addresses: [10.0.0.0/8]}"
	text := []byte(strings.NewReplacer("file: {dir: us-main}", fmt.Sprintf(kafka, "events.us", "c-us"), "file: {dir: de-main}", fmt.Sprintf(kafka, "events.de", "c-de"),
		"file: {dir: us-hold}", fmt.Sprintf(kafka, "hold", "c-us")).Replace(mustRead(t, goodPolicy)))
	entries, err := ledger.PolicyEntries(7, text)
	if err != nil {
		t.Fatal(err)
	}
	policy := ledger.PolicyRef{SHA256: entries[0].Policy.SHA256, Version: 7}
	sinks := map[string]ledger.Place{
		"us-main": {Cluster: "c-us", Topic: "events.us"}, "de-main": {Cluster: "c-de", Topic: "events.de"}, "us-hold": {Cluster: "c-us", Topic: "hold"},
	}
	for _, sink := range []string{"de-main", "us-hold", "us-main"} {
		entries = append(entries, ledger.Entry{Kind: ledger.KindPins, Pins: &ledger.Pins{
			Checks: []ledger.Check{
				{Expected: []string{"10.0.0.0/8"}, Held: true, Pin: "address", Seen: "10.0.0.1"},
				{Expected: []string{sinks[sink].Cluster}, Held: true, Pin: "cluster_id", Seen: sinks[sink].Cluster},
			},
			Held: true, Location: ledger.Location{Country: strings.ToUpper(sink[:2]), Region: map[bool]string{true: "us-east-1", false: "eu-central-1"}[sink[:2] == "us"], Operator: "aws"},
			Place: sinks[sink], Policy: policy, Sink: sink,
		}})
	}
	span := func(at, stable int64, why string) {
		entries = append(entries, ledger.Entry{Kind: ledger.KindSpan, Span: &ledger.Span{
			At: at, Cluster: "src", Count: 1, First: []int64{0}, Stable: []int64{stable}, Topic: "events", Why: why,
		}})
	}
	span(1_782_864_000_000, 0, "start")
	next := map[string]int64{}
	for from := int64(0); from < 30; from += 15 {
		r := &ledger.Range{
			Data: 15, Policy: policy, Program: "demarc test", Geo: &ledger.Geo{Built: 1_782_000_000, SHA256: strings.Repeat("0b", 32)},
			Source: ledger.Source{Cluster: "src", From: from, LeaderEpoch: 1, Topic: "events", To: from + 15},
			Time:   &ledger.Times{First: 1_782_864_000_000 + from*240_000, Last: 1_782_864_000_000 + from*240_000 + 1, Type: "create"},
		}
		for _, c := range []ledger.Count{
			{Set: "DE", Reason: "decided", Sink: "de-main", Records: 4, Bytes: 400}, {Set: "US", Reason: "decided", Sink: "us-main", Records: 10, Bytes: 1000},
			{Set: "none", Reason: "no_signal", Sink: "us-hold", Records: 1, Bytes: 100},
		} {
			r.Counts = append(r.Counts, c)
			r.Receipts = append(r.Receipts, ledger.Receipt{
				Counts: []ledger.SetCount{{Set: c.Set, Records: c.Records}}, SHA256: strings.Repeat("0a", 32), Sink: c.Sink,
				Kafka: &ledger.Offsets{Base: next[c.Sink], Cluster: sinks[c.Sink].Cluster, Last: next[c.Sink] + c.Records - 1, Topic: sinks[c.Sink].Topic},
			})
			next[c.Sink] += c.Records
		}
		r.Receipts = []ledger.Receipt{r.Receipts[0], r.Receipts[2], r.Receipts[1]} // by sink
		entries = append(entries, ledger.Entry{Kind: ledger.KindRange, Range: r})
	}
	span(1_782_867_600_000, 30, "stop")
	dir = filepath.Join(t.TempDir(), "ledger")
	return dir, writeLedger(t, dir, "demarc.test/claims", entries)
}

func TestClaim(t *testing.T) {
	dir, vkey := testLedger(t)
	tmp := t.TempDir()
	open := write(t, tmp, "open.yaml", "subject: {jurisdiction: US}\nverb: routed\nsinks: [us-main]\n")
	closed := write(t, tmp, "closed.yaml", mustRead(t, open)+"exclusions: [{words: health checks, sets: [none], reasons: [no_signal]}]\n")
	faulty := write(t, tmp, "faulty.yaml", "subject: {jurisdiction: US}\nverb: stored\nsink: [us-main]\n")

	r := call{args: []string{"claim", dir, open, "--key", vkey}}.run(t)
	r.want(t, 1, "90.9090 % of 22 records that were decided US or may be US went to us-main (US)", "")
	if !strings.Contains(strings.Join(strings.Fields(r.out), " "), "2 without any candidate are in us-hold (no_signal)") {
		t.Errorf("claim = %s", r.out)
	}
	r = call{args: []string{"claim", dir, closed, "--key", vkey}}.run(t)
	r.want(t, 0, "100 % of 20 records that were decided US went to us-main (US); 2 records are excluded (1).", "")
	if again := (call{args: []string{"claim", dir, closed, "--key", vkey}}.run(t)); again.out != r.out {
		t.Error("the same ledger and claim gave other bytes")
	}
	call{args: []string{"claim", dir, closed, "--key", vkey, "--format", "html"}}.run(t).want(t, 0, "<!DOCTYPE html>", "")
	since := filepath.Join(dir, "checkpoint")
	call{args: []string{"claim", dir, closed, "--key", vkey, "--since", since}}.run(t).want(t, 0, "continues the checkpoint of", "")

	out := filepath.Join(tmp, "out.json")
	call{args: []string{"claim", dir, open, "--key", vkey, "--format", "json", "-o", out}}.run(t).want(t, 1, "", "")
	var c claim.Claim
	if err := json.Unmarshal([]byte(mustRead(t, out)), &c); err != nil || c.Format != claim.Format || c.Total.Inside != 20 {
		t.Errorf("%v: %+v", err, c)
	}

	call{args: []string{"claim", dir, faulty, "--key", vkey}}.run(t).want(t, 2, "", "faulty.yaml:3:1: unknown key \"sink\"")
	call{args: []string{"claim", dir, filepath.Join(tmp, "none.yaml"), "--key", vkey}}.run(t).want(t, 2, "", "none.yaml: no such file")
	call{args: []string{"claim", dir, open}}.run(t).want(t, 2, "", "--key")
	call{args: []string{"claim", dir, open, "--key", "nonsense"}}.run(t).want(t, 2, "", "verifier key")
	call{args: []string{"claim", dir, open, "--key", vkey, "--format", "pdf"}}.run(t).want(t, 2, "", "--format")
	call{args: []string{"claim", tmp, open, "--key", vkey}}.run(t).want(t, 1, "", "is it a ledger?")
}

// TestClaimSigned opens what --sign prints with another implementation of notes.
func TestClaimSigned(t *testing.T) {
	dir, vkey := testLedger(t)
	tmp := t.TempDir()
	file := write(t, tmp, "claim.yaml", "subject: {jurisdiction: US}\nverb: routed\nsinks: [us-main]\n")
	secret, public, err := note.GenerateKey(rand.Reader, "auditor.example")
	if err != nil {
		t.Fatal(err)
	}
	key := write(t, tmp, "auditor.key", secret+"\n")

	r := call{args: []string{"claim", dir, file, "--key", vkey, "--sign", key}}.run(t)
	r.want(t, 1, "auditor.example", "")
	verifier, err := note.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := note.Open([]byte(r.out), note.VerifierList(verifier))
	if err != nil {
		t.Fatal(err)
	}
	plain := call{args: []string{"claim", dir, file, "--key", vkey, "--format", "json"}}.run(t)
	if diff := cmp.Diff(plain.out, signed.Text); diff != "" {
		t.Errorf("what is signed is not the document: %s", diff)
	}
	if _, err := note.Open([]byte(strings.Replace(r.out, `"holds": false`, `"holds": true`, 1)), note.VerifierList(verifier)); err == nil {
		t.Error("a changed claim opens")
	}

	call{args: []string{"claim", dir, file, "--key", vkey, "--sign", key, "--format", "html"}}.run(t).want(t, 2, "", "what is signed is the JSON document")
	r = call{args: []string{"claim", dir, file, "--key", vkey, "--sign", write(t, tmp, "bad.key", secret+"x")}}.run(t)
	r.want(t, 2, "", "read signer key")
	if strings.Contains(r.err, secret[20:]) {
		t.Error("the message shows the key")
	}
}

// TestClaimOnDamage flips one byte of the entries: nothing is claimed then.
func TestClaimOnDamage(t *testing.T) {
	dir, vkey := testLedger(t)
	file := write(t, t.TempDir(), "claim.yaml", "subject: {jurisdiction: US}\nverb: routed\nsinks: [us-main]\n")
	paths, err := filepath.Glob(filepath.Join(dir, "tile", "entries", "000.p", "*"))
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	for _, path := range paths {
		data := []byte(mustRead(t, path))
		at := strings.LastIndex(string(data), `"records":10`)
		if at < 0 {
			continue
		}
		data[at+len(`"records":`)] = '2'
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := call{args: []string{"claim", dir, file, "--key", vkey}}.run(t)
	r.want(t, 1, "", "does not verify")
	call{args: []string{"report", dir, "--key", vkey}}.run(t).want(t, 1, "", "does not verify")
	call{args: []string{"report", dir}}.run(t).want(t, 3, "", "`demarc verify` says what else is wrong")
}

func TestReport(t *testing.T) {
	dir, vkey := testLedger(t)
	r := call{args: []string{"report", dir}}.run(t)
	r.want(t, 0, "not verified: nothing here was checked", "")
	if !strings.Contains(r.out, "US                      20  100.0000   66.6666  us-main  decided") {
		t.Errorf("report = %s", r.out)
	}
	call{args: []string{"report", dir, "--key", vkey}}.run(t).want(t, 0, "verified with demarc.test/claims+", "")

	call{args: []string{"report", dir, "--jurisdiction", "USA"}}.run(t).want(t, 0, "records: 0,", "no record of the ledger is of the --topic")

	r = call{args: []string{"report", dir, "--key", vkey, "--by", "hour", "--jurisdiction", "US", "--format", "csv"}}.run(t)
	r.want(t, 0, "period,set", "")
	rows, err := csv.NewReader(strings.NewReader(r.out)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{
		rows[0],
		{"2026-07-01T00:00:00Z", "US", "decided", "us-main", "10", "1000", "100.0000", "100.0000"},
		{"2026-07-01T01:00:00Z", "US", "decided", "us-main", "10", "1000", "100.0000", "100.0000"},
	}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Error(diff)
	}
	r = call{args: []string{"report", dir, "--format", "json", "-t", "nothing"}}.run(t)
	var doc report.Report
	if err := json.Unmarshal([]byte(r.out), &doc); err != nil || doc.Records != 0 || doc.Ledger.Size == 0 || doc.Ledger.Key != "" {
		t.Errorf("%v: %s", err, r.out)
	}
	call{args: []string{"report", filepath.Join(dir, "none")}}.run(t).want(t, 2, "", "no such file")
	call{args: []string{"report", t.TempDir()}}.run(t).want(t, 2, "", "checkpoint: is not there; is it a ledger?")
	call{args: []string{"report", dir, "--by", "minute"}}.run(t).want(t, 2, "", "--by")
}
