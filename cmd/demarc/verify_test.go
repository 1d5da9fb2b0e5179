package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/demarc/demarc/ledger"
	"github.com/demarc/demarc/ledger/writer"
)

// newLedger makes a ledger with a policy, a gap and a topic of which one offset was not read.
func newLedger(t *testing.T, more ...ledger.Entry) (dir, vkey string) {
	t.Helper()
	entries, err := ledger.PolicyEntries(3, []byte("version: 3\n"))
	if err != nil {
		t.Fatal(err)
	}
	entries = append(entries, ledger.Entry{Kind: ledger.KindGap, Gap: &ledger.Gap{
		At: 1700000000000, Reason: "the disk of broker 3 was lost",
		Source: ledger.Source{Cluster: "src", From: 5, LeaderEpoch: -1, Partition: 0, To: 9, Topic: "events"},
	}}, ledger.Entry{Kind: ledger.KindSpan, Span: &ledger.Span{
		At: 1700000000000, Cluster: "src", Count: 1, First: []int64{5}, Stable: []int64{10}, Topic: "events", Why: "stop",
	}})
	dir = filepath.Join(t.TempDir(), "ledger")
	return dir, writeLedger(t, dir, "example.com/ledger", append(entries, more...))
}

// writeLedger makes a ledger that holds the entries and returns its verifier key.
func writeLedger(t *testing.T, dir, origin string, entries []ledger.Entry) (vkey string) {
	t.Helper()
	vkey, err := writer.Init(dir, origin)
	if err != nil {
		t.Fatal(err)
	}
	log, err := writer.Open(t.Context(), dir, "", writer.Options{Interval: time.Nanosecond, CheckpointInterval: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Append(t.Context(), entries); err != nil {
		t.Fatal(err)
	}
	if err := log.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return vkey
}

func TestVerify(t *testing.T) {
	dir, vkey := newLedger(t)
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer server.Close()
	checkpoint := filepath.Join(dir, "checkpoint")
	for _, location := range []string{dir, server.URL, server.URL + "/"} {
		r := call{args: []string{"verify", location, "--key", vkey, "--since", checkpoint}}.run(t)
		r.want(t, 0, location+": good: example.com/ledger, 3 entries, root "+strings.Split(mustRead(t, filepath.Join(dir, "checkpoint")), "\n")[2]+"\n", "")
		for _, line := range []string{
			"           1 policy\n",
			"  not covered: events/0 of cluster src [5,9): gap, entry 1: the disk of broker 3 was lost\n",
			"  not covered: events/0 of cluster src [9,10)\n",
		} {
			if !strings.Contains(r.out, line) {
				t.Errorf("%s: %q is not in %q", location, line, r.out)
			}
		}
	}
}

func TestVerifySaysNo(t *testing.T) {
	dir, vkey := newLedger(t)
	_, otherKey := newLedger(t)
	longer, _ := newLedger(t, ledger.Entry{Kind: ledger.KindSpan, Span: &ledger.Span{
		At: 1, Cluster: "src", Count: 1, First: []int64{0}, Stable: []int64{0}, Topic: "other", Why: "start"}})
	bundle := filepath.Join(dir, "tile/entries/000.p/3")
	data, err := os.ReadFile(bundle)
	if err != nil {
		t.Fatal(err)
	}
	call{args: []string{"verify", dir, "--key", otherKey}}.run(t).
		want(t, 1, "checkpoint: is not signed with this key", "")
	call{args: []string{"verify", dir, "--key", vkey, "--since", filepath.Join(longer, "checkpoint")}}.run(t).
		want(t, 1, "is not signed with this key", "")
	call{args: []string{"verify", t.TempDir(), "--key", vkey}}.run(t).
		want(t, 1, "checkpoint: is not there: nothing here is signed; is it a ledger?", "")

	data[len(data)-30] ^= 1
	if err := os.WriteFile(bundle, data, 0o644); err != nil {
		t.Fatal(err)
	}
	r := call{args: []string{"verify", dir, "--key", vkey}}.run(t)
	r.want(t, 1, "entry 2", "")
	r.want(t, 1, "The ledger does not verify: faults: ", "")
}

func TestVerifyIsAskedInAnotherForm(t *testing.T) {
	dir, vkey := newLedger(t)
	empty := write(t, t.TempDir(), "witnesses.txt", "# nobody\n")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{dir}, "missing flags: --key"},
		{nil, "Run `demarc verify --help`"},
		{[]string{dir, "--key", "key"}, "parse verifier key: want the key itself"},
		{[]string{filepath.Join(dir, "none"), "--key", vkey}, "open ledger "},
		{[]string{filepath.Join(dir, "checkpoint"), "--key", vkey}, "it is not a folder"},
		{[]string{"ftp://example.com/ledger", "--key", vkey}, "want a folder, or an http or https URL"},
		{[]string{"http://", "--key", vkey}, "parse URL of the log: want http://HOST/PATH"},
		{[]string{dir, "--key", vkey, "--since", empty}, "is no signed checkpoint"},
		{[]string{dir, "--key", vkey, "--since", filepath.Join(dir, "none")}, "read checkpoint: "},
		{[]string{dir, "--key", vkey, "--witness", "2-of-1", empty}, "want K-of-N FILE, such as 2-of-3 witnesses.txt"},
		{[]string{dir, "--key", vkey, "--witness", "1-of-1", empty}, "holds 0 keys, not 1"},
		{[]string{dir, "--key", vkey, "--witness", "1-of-1"}, "--witness"},
	} {
		call{args: append([]string{"verify"}, c.args...)}.run(t).want(t, 2, "", c.want)
	}
}

func TestVerifyCouldNotFindOut(t *testing.T) {
	_, vkey := newLedger(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	defer server.Close()
	call{args: []string{"verify", server.URL, "--key", vkey}}.run(t).want(t, 3, "", "server says 403 Forbidden")
}
