//go:build linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestEveryGroupHasCells(t *testing.T) {
	everyone := func(*subject) bool { return true }
	for _, g := range groupNames {
		if n := len(plan([]string{g}, everyone)); (n == 0) != (g == latencyGroup || g == partsGroup) {
			t.Errorf("group %s has %d series", g, n)
		}
	}
	for _, s := range plan(groupNames, func(s *subject) bool { return s.name == "floor" }) {
		if s.group != "peers" || len(s.points) != 1 {
			t.Errorf("without demarc %s still has %v", s.title, s.points)
		}
	}
}

func TestCellsAreMeasuredOnce(t *testing.T) {
	names := map[string]bool{}
	for _, c := range cells(plan(groupNames, func(*subject) bool { return true })) {
		name := runName(&c, 1)
		if names[name] {
			t.Errorf("%s is there twice", name)
		}
		names[name] = true
		if len(name) > 200 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != "" {
			t.Errorf("%s is no name for a topic", name)
		}
	}
}

func TestOrderRotates(t *testing.T) {
	list := []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
	firsts := map[int]bool{}
	for round := range 10 {
		got := rotated(list, round)
		firsts[got[0]] = true
		if slices.Sort(got); !slices.Equal(got, list) {
			t.Errorf("round %d measures %v", round, got)
		}
	}
	if len(firsts) != 10 {
		t.Errorf("only %v are ever first", firsts)
	}
	if len(rotated([]int{}, 3)) != 0 {
		t.Error("nothing became something")
	}
}

func TestWorkloadsAreWholeBatches(t *testing.T) {
	for _, c := range cells(plan(groupNames, func(*subject) bool { return true })) {
		w := c.workload
		for _, run := range []int64{1, 100_000, 1_000_000} {
			if n := w.records(run); n <= 0 || n%(int64(w.partitions)*int64(w.batch)) != 0 {
				t.Errorf("%s: %d records in a run of %d", w.name, n, run)
			}
		}
		if w.traffic.Run > 0 && w.traffic.Run != w.batch {
			t.Errorf("%s: homes change every %d records, batches every %d", w.name, w.traffic.Run, w.batch)
		}
	}
}

// TestPolicies has demarc check every policy of the benchmark; that of the comparison is kept for readers.
func TestPolicies(t *testing.T) {
	dir := t.TempDir()
	binary := filepath.Join(dir, "demarc")
	build := exec.Command("go", "build", "-o", binary, "../cmd/demarc")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, c := range cells(plan(groupNames, func(s *subject) bool { return s.routes })) {
		file := filepath.Join(dir, runName(&c, 1)+".yaml")
		if err := os.WriteFile(file, []byte(c.routing.policy("run", "127.0.0.1:9092", "nJ4Vq3lqRzCBkz8cIT8P2A")), 0o644); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(binary, "check", file).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", c.key(), err, out)
		}
	}
	golden(t, "policy.yaml", "# The policy of the comparison, written by the harness; golden file of its test.\n"+usual.policy("RUN", "BROKER", "CLUSTER"))
}

// TestALedgerIsMeasuredBesideNone: the machine may change its pace between cells that are far apart.
func TestALedgerIsMeasuredBesideNone(t *testing.T) {
	list := cells(plan(groupNames, func(*subject) bool { return true }))
	found := 0
	for i, c := range list {
		if c.subject != theWitnessed {
			continue
		}
		found++
		if twin := ofDemarc(c.workload, c.routing); list[i-1].key() != twin.key() {
			t.Errorf("%s runs behind %s", c.key(), list[i-1].key())
		}
	}
	if found == 0 {
		t.Error("no cell has a ledger")
	}
}
