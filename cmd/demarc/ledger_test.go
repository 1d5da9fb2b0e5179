package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// ledgerOf makes a ledger for a site and returns the key that verifies it.
func (s *site) ledgerOf(t *testing.T) (dir, vkey string) {
	t.Helper()
	dir = filepath.Join(s.dir, "ledger")
	made := call{args: []string{"ledger", "init", dir, "--origin", "example.com/test"}}.run(t)
	made.want(t, 0, "example.com/test+", "")
	if info, err := os.Stat(dir + ".key"); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key file: %v, %v; want mode 0600", info, err)
	}
	s.env = append(s.env, "DEMARC_LEDGER="+dir)
	return dir, strings.TrimSpace(made.out)
}

func TestRunKeepsALedgerThatVerifies(t *testing.T) {
	s := newSite(t, "us-cluster")
	dir, vkey := s.ledgerOf(t)
	s.produce(t, "US", "DE", "US", "", "ZZ")
	call{args: []string{"run", s.policy, "--until-end"}, env: s.env}.run(t).want(t, 0, "US 100.0000 %", "ledger="+dir)
	call{args: []string{"verify", dir, "--key", vkey}}.run(t).want(t, 0, "good: example.com/test", "")

	s.produce(t, "US")
	call{args: []string{"run", s.policy, "--until-end"}, env: s.env}.run(t).want(t, 0, "US 100.0000 %", "stopped")
	call{args: []string{"verify", dir, "--key", vkey}}.run(t).want(t, 0, "good: example.com/test", "")

	bundles, err := filepath.Glob(filepath.Join(dir, "tile", "entries", "000.p", "*"))
	if err != nil || len(bundles) == 0 {
		t.Fatalf("no entries: %v", err)
	}
	program := `"program":"` + strings.TrimSpace(call{args: []string{"version"}}.run(t).out) + `"`
	if !slices.ContainsFunc(bundles, func(path string) bool { return strings.Contains(mustRead(t, path), program) }) {
		t.Errorf("no entry has %s", program)
	}
	other := call{args: []string{"ledger", "init", filepath.Join(s.dir, "other"), "--origin", "example.com/test"}}.run(t)
	call{args: []string{"verify", dir, "--key", strings.TrimSpace(other.out)}}.run(t).want(t, 1, "key", "")
}

// TestQuarantineThatWasTakenAway: a directory begins anew, as on another host, and the ledger goes on to verify.
func TestQuarantineThatWasTakenAway(t *testing.T) {
	s := newSite(t, "us-cluster")
	dir, vkey := s.ledgerOf(t)
	for range 2 {
		s.produce(t, "US", "", "")
		call{args: []string{"run", s.policy, "--until-end"}, env: s.env}.run(t).want(t, 0, "quarantined: 2 of 3", "stopped")
		if err := os.RemoveAll(filepath.Join(s.dir, "hold")); err != nil {
			t.Fatal(err)
		}
	}
	call{args: []string{"verify", dir, "--key", vkey}}.run(t).want(t, 0, "good: example.com/test", "")
}

// TestRunServesItsLedger: an auditor needs no access to the folder.
func TestRunServesItsLedger(t *testing.T) {
	s := newSite(t, "us-cluster")
	_, vkey := s.ledgerOf(t)
	s.produce(t, "US", "DE")
	r := startService(t, s)
	r.until(t, "/status.json", func(_ int, body string) bool {
		return strings.Contains(body, `"origin":"example.com/test"`) || strings.Contains(body, `"origin": "example.com/test"`)
	})
	r.until(t, "/ledger/checkpoint", func(code int, body string) bool {
		v := call{args: []string{"verify", r.url + "/ledger", "--key", vkey}}.run(t)
		return code == 200 && v.code == 0 && strings.Contains(v.out, "2 range")
	})
	r.until(t, "/metrics", func(_ int, body string) bool {
		for _, line := range []string{"# TYPE demarc_ledger_checkpoint_size gauge\ndemarc_ledger_checkpoint_size ", "\ndemarc_ledger_checkpoint_timestamp_seconds ", "\ndemarc_ledger_size "} {
			if strings.Count(body, line) != 1 || strings.Contains(body, line+"-1") {
				return false
			}
		}
		return true
	})
	r.signal(t, syscall.SIGTERM)
	if code := r.exit(t); code != 0 {
		t.Errorf("exit code %d\n%s", code, r.seen.String())
	}
}

func TestLedgerInitOverwritesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ledger")
	call{args: []string{"ledger", "init", dir}}.run(t).want(t, 0, "demarc/", "")
	call{args: []string{"ledger", "init", dir}}.run(t).want(t, 2, "", "choose a new folder")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	call{args: []string{"ledger", "init", dir}}.run(t).want(t, 2, "", ".key exists")
	call{args: []string{"ledger", "init", filepath.Join(dir, "none", "ledger")}}.run(t).want(t, 2, "", "make the folder "+filepath.Join(dir, "none")+" first")
	call{args: []string{"ledger", "init", dir + "2", "--origin", "two words"}}.run(t).want(t, 2, "", "blanks")
}

func TestRunRefusesALedgerThatItCannotWrite(t *testing.T) {
	s := newSite(t, "us-cluster")
	run := func() result { return call{args: []string{"run", s.policy, "--until-end"}, env: s.env}.run(t) }
	s.env = append(s.env, "DEMARC_LEDGER="+filepath.Join(s.dir, "none"))
	run().want(t, 2, "", "none is no ledger: demarc ledger init makes one")
	dir, _ := s.ledgerOf(t)
	if err := os.Remove(dir + ".key"); err != nil {
		t.Fatal(err)
	}
	run().want(t, 2, "", "DEMARC_LEDGER_KEY names the ledger's key")
}

// deleteBefore is what retention does to a source partition.
func (s *site) deleteBefore(t *testing.T, partition int32, offset int64) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(s.source.Brokers()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var offsets kadm.Offsets
	offsets.AddOffset("events", partition, offset, -1)
	deleted, err := kadm.NewClient(client).DeleteRecords(t.Context(), offsets)
	if err == nil {
		err = deleted.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestGap: a partition whose next records are gone holds until the operator says so, and goes on then.
func TestGap(t *testing.T) {
	s := newSite(t, "us-cluster")
	dir, vkey := s.ledgerOf(t)
	s.produce(t, "US", "US")
	run := func() result { return call{args: []string{"run", s.policy, "--until-end"}, env: s.env}.run(t) }
	run().want(t, 0, "records in", "stopped")
	s.produce(t, "US", "US", "US", "US", "US", "US")
	s.deleteBefore(t, 0, 3)
	run().want(t, 1, "", "demarc gap TOPIC/PARTITION --to")

	gap := func(args ...string) result { return call{args: append([]string{"gap"}, args...), env: s.env}.run(t) }
	gap("events/0", "--to", "1", "--reason", "none").want(t, 2, "", "covers events/0 up to offset 1")
	gap("events/9", "--to", "1", "--reason", "none").want(t, 2, "", "tells anything of events/9")
	gap("events/0", "--to", "5", "--reason", "none").want(t, 2, "", "events/0 ends at offset 4")
	gap("events", "--to", "1", "--reason", "none").want(t, 2, "", "TOPIC/PARTITION")
	gap("events/0", "--to", "2", "--reason", "none").want(t, 2, "", "what lies below offset 3 of events/0 is gone: give --to 3")
	gap("events/0", "--to", "3", "--reason", " ").want(t, 2, "", "--reason")
	gap("events/0", "--to", "3", "--reason", "retention deleted them").want(t, 0, "offsets 1 to 2 are a gap", "")
	run().want(t, 0, "records in", "stopped")
	call{args: []string{"verify", dir, "--key", vkey}}.run(t).want(t, 0, "gap", "")
	if got := len(s.inUS(t)); got != 6 {
		t.Errorf("%d records in the US, want 2, and 4 of the 6 that came later", got)
	}
}

// TestGapAtTheFirstRecord: a partition may hold before the ledger tells anything of it.
func TestGapAtTheFirstRecord(t *testing.T) {
	s := newSite(t, "us-cluster")
	dir, vkey := s.ledgerOf(t)
	run := func() result { return call{args: []string{"run", s.policy, "--until-end"}, env: s.env}.run(t) }
	run().want(t, 0, "records in", "stopped") // the group begins at offset 0
	s.produce(t, "US", "US", "US", "US")
	s.deleteBefore(t, 0, 1)
	run().want(t, 1, "", "demarc gap TOPIC/PARTITION --to")
	call{args: []string{"gap", "events/0", "--to", "1", "--reason", "deleted"}, env: s.env}.run(t).want(t, 0, "offsets 0 to 0 are a gap", "")
	run().want(t, 0, "records in", "stopped")
	call{args: []string{"verify", dir, "--key", vkey}}.run(t).want(t, 0, "gap", "")
	if got := len(s.inUS(t)); got != 3 {
		t.Errorf("%d records in the US, want the 3 that are left", got)
	}
}

// TestRunRefusesAPolicyThatDoesNotFollow: ranges that went back to an older policy would make a ledger that never
// verifies again.
func TestRunRefusesAPolicyThatDoesNotFollow(t *testing.T) {
	s := newSite(t, "us-cluster")
	dir, vkey := s.ledgerOf(t)
	first := mustRead(t, s.policy)
	run := func(text string) result {
		t.Helper()
		return call{args: []string{"run", write(t, s.dir, "next.yaml", text), "--until-end"}, env: s.env}.run(t)
	}
	version := func(n int) string { return strings.Replace(first, "version: 1\n", fmt.Sprintf("version: %d\n", n), 1) }
	s.produce(t, "US", "DE")
	run(version(2)).want(t, 0, "records in", "stopped")
	run(version(2)+"# another text\n").want(t, 2, "", "another text of policy version 2")
	s.produce(t, "US", "DE")
	run(version(1)).want(t, 2, "", "policy version 1 is lower than 2, which the ledger holds: versions only grow; to go back to this policy, give it version 3")
	run(version(3)).want(t, 0, "records in", "stopped")
	s.produce(t, "US", "DE")
	large := "# " + strings.Repeat("\"€ ", 50_000) + "\n" // as long as a policy may be, nearly
	run(version(4)+large).want(t, 0, "records in", "stopped")
	call{args: []string{"verify", dir, "--key", vkey}}.run(t).want(t, 0, "good: example.com/test", "")
}
