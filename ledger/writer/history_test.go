package writer

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/transparency-dev/tessera"

	"github.com/demarc/demarc/ledger"
)

// copyFolder copies a log, and what its writer remembers beside it only if it is told to.
func copyFolder(t *testing.T, from, to string, state bool) {
	t.Helper()
	if err := os.RemoveAll(to); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	if !state {
		return
	}
	if err := os.WriteFile(to+stateSuffix, mustRead(t, from+stateSuffix), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A folder that was restored from an old copy is not written on: what was signed since would be told anew.
func TestOlderCopyIsRefused(t *testing.T) {
	dir, vkey := newLog(t)
	l := openLog(t, dir, quick())
	mustAppend(t, l, policy(t)...)
	closeLog(t, l)
	old := filepath.Join(t.TempDir(), "old")
	copyFolder(t, dir, old, true)
	l = openLog(t, dir, quick())
	mustAppend(t, l, span(t, "events", 0, 0, 10))
	closeLog(t, l)
	newest := filepath.Join(t.TempDir(), "newest")
	copyFolder(t, dir, newest, false)

	copyFolder(t, old, dir, false)
	before := mustRead(t, filepath.Join(dir, "checkpoint"))
	if _, err := Open(context.Background(), dir, "", quick()); err == nil || !strings.Contains(err.Error(), "older copy") {
		t.Errorf("Open = %v", err)
	}
	if string(mustRead(t, filepath.Join(dir, "checkpoint"))) != string(before) {
		t.Error("the old copy was signed anew")
	}

	copyFolder(t, newest, dir, false)
	l = openLog(t, dir, quick())
	wantPosition(t, l, stream(0), 10)
	closeLog(t, l)
	if got := outline(entries(t, dir, vkey)); got != "policy\npins\nrange events/0 0-10\n" {
		t.Errorf("got\n%s", got)
	}
}

// A folder that went on elsewhere from an old copy is another history.
func TestOtherHistoryIsRefused(t *testing.T) {
	dir, _ := newLog(t)
	l := openLog(t, dir, quick())
	mustAppend(t, l, policy(t)...)
	closeLog(t, l)
	other := filepath.Join(t.TempDir(), "other")
	copyFolder(t, dir, other, true)
	if err := os.WriteFile(KeyFile(other), mustRead(t, KeyFile(dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	for at, to := range map[string]int64{dir: 10, other: 20} {
		l := openLog(t, at, quick())
		mustAppend(t, l, span(t, "events", 0, 0, to))
		closeLog(t, l)
	}
	copyFolder(t, other, dir, false)
	if _, err := Open(context.Background(), dir, "", quick()); err == nil || !strings.Contains(err.Error(), "another history") {
		t.Errorf("Open = %v", err)
	}
}

func TestAdmissionAfterAnError(t *testing.T) {
	dir, _ := newLog(t)
	l := openLog(t, dir, quick())
	mustAppend(t, l, policy(t)...)
	real := l.store
	l.store = func(batch []*tessera.Entry) (uint64, error) {
		size, _ := real(batch)
		return size, errors.New("the disk has it, and says it has not")
	}
	if err := l.Append(context.Background(), []ledger.Entry{span(t, "events", 0, 0, 10)}); err == nil {
		t.Fatal("appended")
	}
	l.store = real
	a, err := l.Admission(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if to, ok := a.Position(stream(0)); !ok || to != 10 {
		t.Errorf("position %d, %v, want 10: the entry is in the log", to, ok)
	}
	if got := a.Policies(); len(got) != 1 || got[3] != policy(t)[0].Policy.SHA256 {
		t.Errorf("policies %v", got)
	}
	closeLog(t, l)
}
