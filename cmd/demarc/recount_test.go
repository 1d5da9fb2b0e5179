package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/demarc/demarc/internal/devbroker"
	"github.com/demarc/demarc/ledger"
	"github.com/demarc/demarc/router/recount"
)

// newRecountSite is a site whose ledger knows the policy, and no range yet.
func newRecountSite(t *testing.T, clusterID string) (s *site, ledgerDir, vkey string) {
	t.Helper()
	s = newSite(t, clusterID)
	for _, dir := range []string{"de", "hold"} {
		if err := os.Mkdir(filepath.Join(s.dir, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	ledgerDir = filepath.Join(s.dir, "ledger")
	told, err := ledger.PolicyEntries(1, []byte(mustRead(t, s.policy)))
	if err != nil {
		t.Fatal(err)
	}
	return s, ledgerDir, writeLedger(t, ledgerDir, "demarc.test/recount", told)
}

func TestRecountFindsRecordsWithoutReceipt(t *testing.T) {
	s, ledgerDir, vkey := newRecountSite(t, "us-cluster")
	args := []string{"recount", ledgerDir, s.policy, "--key", vkey}
	call{args: args, env: s.env}.run(t).want(t, 0, "The ledger has no receipts", "")
	err := devbroker.Produce(t.Context(), s.us.Brokers(), []*kgo.Record{{
		Topic: "events.us", Value: []byte("v-DE"), Headers: []kgo.RecordHeader{{Key: "account-country", Value: []byte("DE")}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	r := call{args: args, env: s.env}.run(t)
	r.want(t, 1, "unreceipted: us-main: events.us/0 of cluster us-cluster offset 0: 1 records have no receipt; the policy sends 0 of them here and 1 elsewhere", "")
	if strings.Contains(r.out, "v-DE") {
		t.Errorf("output holds payload: %s", r.out)
	}
	r = call{args: append(args, "--format", "json", "--sample", "5", "--seed", "7", "--source"), env: s.env}.run(t)
	r.want(t, 1, `"verdict": "different"`, "")
	var found recount.Result
	if err := json.Unmarshal([]byte(r.out), &found); err != nil {
		t.Fatal(err)
	}
	if found.Format != 1 || found.Differences[recount.Unreceipted] != 1 || found.Sample.Seed != 7 || found.Source == nil {
		t.Errorf("%s", r.out)
	}
}

// A ledger tells of the policy that an auditor knows, and decides by another.
func TestRecountNamesThePoliciesThatDecided(t *testing.T) {
	known, other := recount.PolicyRef{Version: 1, SHA256: "aa"}, recount.PolicyRef{Version: 2, SHA256: "bb"}
	for _, c := range []struct {
		cited      []recount.PolicyRef
		want, lack string
	}{
		{[]recount.PolicyRef{known}, "Every receipt is equal.\n", "another"},
		{[]recount.PolicyRef{known, other}, "decided by another: version 2 sha256:bb", "was given"},
		{[]recount.PolicyRef{other}, "is equal. But none was made under the policy that was given.", "another: version 1"},
	} {
		r := &recount.Result{Verdict: recount.Equal, Policy: known, Policies: c.cited, Receipts: recount.Receipts{Total: 1, Read: 1, Equal: 1}}
		var b strings.Builder
		if err := writeRecount(&b, r); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.String(), c.want) || strings.Contains(b.String(), c.lack) {
			t.Errorf("%v: %s", c.cited, b.String())
		}
	}
}

func TestRecountExitCodes(t *testing.T) {
	s, ledgerDir, vkey := newRecountSite(t, "us-cluster")
	edited := write(t, s.dir, "edited.yaml", mustRead(t, s.policy)+"# edited\n")
	moved := filepath.Join(s.dir, "moved")
	if err := os.Rename(filepath.Join(s.dir, "de"), moved); err != nil {
		t.Fatal(err)
	}
	pinned, pinnedLedger, pinnedKey := newRecountSite(t, "another-cluster")
	for _, tc := range []struct {
		name     string
		args     []string
		env      []string
		code     int
		out, err string
	}{
		{"a directory that is not there", []string{ledgerDir, s.policy, "--key", vkey}, s.env, 3, "could not be found out: sink de-main", ""},
		{"another policy", []string{ledgerDir, edited, "--key", vkey}, s.env, 1, "the ledger does not know the policy", ""},
		{"a pin that does not hold", []string{pinnedLedger, pinned.policy, "--key", pinnedKey}, pinned.env, 1, `pin: us-main: check sink us-main: cluster_id: expected another-cluster, seen "us-cluster"`, ""},
		{"no ledger", []string{moved + "/none", s.policy, "--key", vkey}, s.env, 2, "", "no such file"},
		{"another key", []string{ledgerDir, s.policy, "--key", pinnedKey}, s.env, 1, "is not signed with this key", ""},
		{"no key", []string{ledgerDir, s.policy}, s.env, 2, "", "--key"},
		{"no verifier key", []string{ledgerDir, s.policy, "--key", "x"}, s.env, 2, "", "parse verifier key"},
		{"a seed without a sample", []string{ledgerDir, s.policy, "--key", vkey, "--seed", "1"}, s.env, 2, "", "--seed"},
		{"a sample of none", []string{ledgerDir, s.policy, "--key", vkey, "--sample", "0"}, s.env, 2, "", "--sample=0: want at least 1"},
		{"no source", []string{ledgerDir, s.policy, "--key", vkey, "--source"}, nil, 2, "", "DEMARC_BROKERS is not set"},
		{"no geo file", []string{ledgerDir, s.policy, "--key", vkey, "--geo", moved + "/none"}, s.env, 2, "", "read geo database"},
		{"a setting of no sink", []string{ledgerDir, s.policy, "--key", vkey}, append(s.env, "DEMARC_SINK_X_TLS=true"), 2, "", "DEMARC_SINK_X_TLS: no such setting"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			call{args: append([]string{"recount"}, tc.args...), env: tc.env}.run(t).want(t, tc.code, tc.out, tc.err)
		})
	}
}

func TestProbabilityIsNotRoundedUp(t *testing.T) {
	for p, want := range map[float64]string{1: "100.0 %", 0.9999999: "99.9 %", 0.95: "95.0 %", 0: "0.0 %"} {
		if got := probability(p); got != want {
			t.Errorf("probability(%v) = %q, want %q", p, got, want)
		}
	}
}
