package writer

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/transparency-dev/tessera"

	"github.com/demarc/demarc/ledger"
)

var errDisk = errors.New("no space left on device")

// What Tessera reports as failed may have failed, or may be in the log. Either way the caller is told, nothing counts
// as done, and the same call once more leaves each entry in the log once.
func TestFaults(t *testing.T) {
	type store = func([]*tessera.Entry) (uint64, error)
	fails := func(store) store {
		return func([]*tessera.Entry) (uint64, error) { return 0, errDisk }
	}
	failsPersisted := func(real store) store {
		return func(batch []*tessera.Entry) (uint64, error) {
			_, err := real(batch)
			return 0, errors.Join(errDisk, err)
		}
	}
	// Partition 0 is at 10. The call goes on there, tells of [0, 10) again, goes on once more, and tells of partition 1.
	call := []ledger.Entry{span(t, "events", 0, 10, 20), span(t, "events", 0, 0, 10), span(t, "events", 0, 20, 30), span(t, "events", 1, 0, 10)}
	const want = "policy\npins\nrange events/0 0-10\nrange events/0 10-20\nreplay events/0 0-10\nrange events/0 20-30\nrange events/1 0-10\n"
	for name, fault := range map[string]func(store) store{
		"fails":               fails,
		"fails, yet persists": failsPersisted,
	} {
		t.Run(name, func(t *testing.T) {
			dir, vkey := newLog(t)
			l := openLog(t, dir, quick())
			mustAppend(t, l, policy(t)...)
			mustAppend(t, l, span(t, "events", 0, 0, 10))
			real := l.store
			l.store = fault(real)
			if err := l.Append(context.Background(), call); !errors.Is(err, errDisk) {
				t.Fatalf("Append = %v", err)
			}
			if to, _ := l.Position(stream(1)); to != 0 {
				t.Errorf("position of what failed: %d", to)
			}
			l.store = real
			mustAppend(t, l, call...)
			wantPosition(t, l, stream(0), 30)
			wantPosition(t, l, stream(1), 10)
			mustAppend(t, l, span(t, "events", 0, 30, 40))
			if len(l.commits.there)+len(l.commits.added) > 0 {
				t.Errorf("kept: %d, %d", len(l.commits.there), len(l.commits.added))
			}
			closeLog(t, l)
			if got := outline(entries(t, dir, vkey)); got != want+"range events/0 30-40\n" {
				t.Errorf("got\n%s", got)
			}
		})
	}
}

// A folder that cannot be written to is an error, until it can.
func TestDiskFault(t *testing.T) {
	for _, broken := range []string{"tile/entries/000.p", "tile/0/000.p"} {
		dir, vkey := newLog(t)
		l := openLog(t, dir, quick())
		mustAppend(t, l, policy(t)...)
		next := span(t, "events", 0, 0, 10)
		whole := filepath.Join(dir, broken)
		if err := errors.Join(os.Rename(whole, whole+".away"), os.WriteFile(whole, nil, 0o644)); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := l.Append(context.Background(), []ledger.Entry{next}); err == nil {
				t.Fatalf("%s: appended", broken)
			}
		}
		if _, ok := l.Position(stream(0)); ok {
			t.Errorf("%s: a position", broken)
		}
		if err := errors.Join(os.Remove(whole), os.Rename(whole+".away", whole)); err != nil {
			t.Fatal(err)
		}
		mustAppend(t, l, next)
		closeLog(t, l)
		if got := outline(entries(t, dir, vkey)); strings.Count(got, "range") != 1 {
			t.Errorf("%s: got\n%s", broken, got)
		}
	}
}

func TestSweep(t *testing.T) {
	dir, vkey := newLog(t)
	l := openLog(t, dir, quick())
	mustAppend(t, l, policy(t)...)
	var many []ledger.Entry
	for i := range int64(300) {
		many = append(many, span(t, "events", 0, i, i+1))
	}
	mustAppend(t, l, many...)
	closeLog(t, l)
	strays := []string{".state/treeState123", "tile/entries/0011234567", "tile/entries/001.p/461234567", "tile/0/001987654321", "tile/0/001.p/46987654321", "tile/1/000.p/11234"}
	for _, name := range strays {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("half"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	walk := func() (names []string) {
		if err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				names = append(names, strings.TrimPrefix(path, dir+"/"))
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return names
	}
	before := walk()
	closeLog(t, openLog(t, dir, quick()))
	after := walk()
	if want := slices.DeleteFunc(before, func(name string) bool { return slices.Contains(strays, name) }); !slices.Equal(after, want) {
		t.Errorf("left\n%s\nwant\n%s", strings.Join(after, "\n"), strings.Join(want, "\n"))
	}
	if got := entries(t, dir, vkey); len(got) != 302 {
		t.Errorf("%d entries", len(got))
	}
}
