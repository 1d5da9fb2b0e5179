package writer

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/transparency-dev/tessera"
	"golang.org/x/mod/sumdb/note"

	"github.com/demarc/demarc/ledger"
)

func TestInitOverwritesNothing(t *testing.T) {
	dir, vkey := newLog(t)
	if info, err := os.Stat(KeyFile(dir)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key file: %v, %v", info, err)
	}
	key := mustRead(t, KeyFile(dir))
	if _, err := Init(dir, origin); err == nil || !strings.Contains(err.Error(), "holds files already") {
		t.Errorf("a second Init: %v", err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := Init(dir, origin); err == nil || !strings.Contains(err.Error(), "may be the key of a log") {
		t.Errorf("Init over a key: %v", err)
	}
	if string(key) != string(mustRead(t, KeyFile(dir))) {
		t.Error("the key was changed")
	}
	if err := filepath.WalkDir(filepath.Dir(dir), func(path string, _ os.DirEntry, err error) error {
		if strings.HasPrefix(path, dir+"/") && strings.Contains(path, "key") {
			t.Errorf("%s in the folder", path)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := note.NewVerifier(vkey); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"", "two words", "a+b"} {
		dir := filepath.Join(t.TempDir(), "ledger")
		if _, err := Init(dir, bad); err == nil {
			t.Errorf("origin %q is accepted", bad)
		}
		if names, _ := os.ReadDir(filepath.Dir(dir)); len(names) > 0 {
			t.Errorf("origin %q left %v", bad, names)
		}
	}
}

func TestEmptyLogIsSigned(t *testing.T) {
	dir, vkey := newLog(t)
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	n, err := note.Open(mustRead(t, filepath.Join(dir, "checkpoint")), note.VerifierList(verifier))
	if err != nil || n.Text != origin+"\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n" {
		t.Errorf("%q, %v", n.Text, err)
	}
	l := openLog(t, dir, quick())
	if l.VerifierKey() != vkey || l.Size() != 0 {
		t.Errorf("key %s, size %d", l.VerifierKey(), l.Size())
	}
	closeLog(t, l)
}

func TestOneWriter(t *testing.T) {
	dir, _ := newLog(t)
	l := openLog(t, dir, quick())
	if _, err := Open(context.Background(), dir, "", quick()); err == nil || !strings.Contains(err.Error(), "another process writes to it") {
		t.Errorf("a second writer: %v", err)
	}
	closeLog(t, l)
	closeLog(t, openLog(t, dir, quick()))
	if err := l.Append(context.Background(), policy(t)); !errors.Is(err, ErrClosed) {
		t.Errorf("Append after Close: %v", err)
	}
}

func TestOpenWithoutALog(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ledger")
	if _, err := Open(context.Background(), dir, "", quick()); err == nil || !strings.Contains(err.Error(), "read signer key") {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("Open made the folder")
	}
	dir, _ = newLog(t)
	other, _ := newLog(t)
	if _, err := Open(context.Background(), dir, KeyFile(other), quick()); err == nil || !strings.Contains(err.Error(), "is the key that of this log?") {
		t.Errorf("the key of another log: %v", err)
	}
}

func TestAppendAndResume(t *testing.T) {
	dir, vkey := newLog(t)
	l := openLog(t, dir, quick())
	mustAppend(t, l, policy(t)...)
	mustAppend(t, l, span(t, "events", 0, 0, 10), span(t, "events", 0, 10, 20), span(t, "events", 1, 5, 6))
	mustAppend(t, l, span(t, "events", 0, 5, 20), gap(0, 20, 30))
	mustAppend(t, l)
	wantPosition(t, l, stream(0), 30)
	if _, ok := l.Position(stream(2)); ok {
		t.Error("a position of a partition that nothing was told of")
	}
	closeLog(t, l)
	closeLog(t, l) // a second time is nothing
	want := "policy\npins\nrange events/0 0-10\nrange events/0 10-20\nrange events/1 5-6\nreplay events/0 5-20\ngap events/0 20-30\n"
	wantOutline := func() {
		t.Helper()
		if got := outline(entries(t, dir, vkey)); got != want {
			t.Errorf("got\n%swant\n%s", got, want)
		}
	}
	wantOutline()
	for _, without := range []string{"", stateSuffix} {
		if without != "" {
			if err := os.Remove(dir + without); err != nil {
				t.Fatal(err)
			}
		}
		l = openLog(t, dir, quick())
		if l.Size() != 7 {
			t.Errorf("size %d", l.Size())
		}
		wantPosition(t, l, stream(0), 30)
		wantPosition(t, l, stream(1), 6)
		mustAppend(t, l, policy(t)[0])
		closeLog(t, l)
		wantOutline()
	}
}

func TestAppendRefuses(t *testing.T) {
	dir, vkey := newLog(t)
	l := openLog(t, dir, quick())
	mustAppend(t, l, policy(t)...)
	mustAppend(t, l, span(t, "events", 0, 0, 10))
	bad := span(t, "events", 0, 10, 20)
	bad.Range.Data++
	for name, c := range map[string]struct {
		entry ledger.Entry
		is    error
		says  string
	}{
		"a hole":           {span(t, "events", 0, 11, 20), ledger.ErrRefused, "offsets 10 to 10 are missing"},
		"an overlap":       {span(t, "events", 0, 5, 20), ledger.ErrRefused, "overlaps the range [0, 10)"},
		"what is no entry": {bad, ledger.ErrRefused, "range.data"},
	} {
		if err := l.Append(context.Background(), []ledger.Entry{c.entry}); !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// What precedes the refused one is in, and is not appended twice.
	call := []ledger.Entry{span(t, "events", 1, 0, 10), span(t, "events", 0, 11, 20)}
	for range 2 {
		if err := l.Append(context.Background(), call); err == nil {
			t.Error("a hole is accepted")
		}
	}
	mustAppend(t, l, span(t, "events", 0, 10, 11))
	mustAppend(t, l, call...)
	wantPosition(t, l, stream(0), 20)
	wantPosition(t, l, stream(1), 10)
	closeLog(t, l)
	if got := outline(entries(t, dir, vkey)); strings.Count(got, "events/1") != 1 || strings.Count(got, "range events/0 11-20") != 1 {
		t.Errorf("got\n%s", got)
	}
}

func TestManyLanes(t *testing.T) {
	dir, vkey := newLog(t)
	l := openLog(t, dir, Options{Interval: 5 * time.Millisecond, CheckpointInterval: 100 * time.Millisecond})
	mustAppend(t, l, policy(t)...)
	const lanes, each = 20, 30
	var wait sync.WaitGroup
	for lane := range int32(lanes) {
		wait.Go(func() {
			for i := int64(0); i < each; i += 2 {
				if err := l.Append(context.Background(), []ledger.Entry{
					span(t, "events", lane, i*10, i*10+10), span(t, "events", lane, i*10+10, i*10+20),
				}); err != nil {
					t.Error(err)
				}
				if to, ok := l.Position(stream(lane)); !ok || to != i*10+20 {
					t.Errorf("lane %d: position %d, %v", lane, to, ok)
				}
			}
		})
	}
	wait.Wait()
	closeLog(t, l)
	if got := entries(t, dir, vkey); len(got) != lanes*each+2 || strings.Contains(outline(got), "replay") {
		t.Errorf("%d entries", len(got))
	}
	l = openLog(t, dir, quick())
	for lane := range int32(lanes) {
		wantPosition(t, l, stream(lane), each*10)
	}
	closeLog(t, l)
}

func TestBeforeSign(t *testing.T) {
	dir, vkey := newLog(t)
	refuse := errors.New("another host signs")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	asked := 0
	opts := quick()
	opts.BeforeSign = func(size uint64, root [32]byte) error {
		if size < 3 {
			return nil
		}
		if size != 3 || root == [32]byte{} {
			t.Errorf("asked for size %d, root %x", size, root)
		}
		if asked++; asked == 2 { // the first refusal is behind us
			cancel()
		}
		return refuse
	}
	l := openLog(t, dir, opts)
	mustAppend(t, l, policy(t)...)
	mustAppend(t, l, span(t, "events", 0, 0, 10))
	if err := l.Close(ctx); !errors.Is(err, refuse) {
		t.Errorf("Close = %v", err)
	}
	// Durable all the same, and signed by the next.
	l = openLog(t, dir, quick())
	wantPosition(t, l, stream(0), 10)
	closeLog(t, l)
	if got := entries(t, dir, vkey); len(got) != 3 {
		t.Errorf("%d entries", len(got))
	}
}

func TestDamageIsNamed(t *testing.T) {
	dir, _ := newLog(t)
	l := openLog(t, dir, quick())
	mustAppend(t, l, policy(t)...)
	for i := range int64(4) {
		mustAppend(t, l, span(t, "events", 0, i*10, i*10+10))
	}
	closeLog(t, l)
	for name, c := range map[string]struct {
		path string
		edit func([]byte) []byte
		says string
	}{
		"a byte of an entry": {"tile/entries/000.p/6", replace(`"from":20`, `"from":21`), "entry 4: its hash"},
		"a byte of a tile":   {"tile/0/000.p/6", flip(5 * 32), "entry 5: its hash"},
		"a bundle cut off":   {"tile/entries/000.p/6", func(b []byte) []byte { return b[:len(b)-1] }, "bundle of entry 0"},
		"the tree state":     {".state/treeState", replace(`"size":6`, `"size":5`), "its tree has size 5, and it had 6"},
		"the checkpoint":     {"checkpoint", replace("\n6\n", "\n5\n"), "is the key that of this log?"},
		"no bundle":          {"tile/entries/000.p/6", nil, "bundle of entry 0"},
		"no tree state":      {".state/treeState", nil, "tree state"},
	} {
		copied := filepath.Join(t.TempDir(), "copy")
		if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(copied, c.path)
		if c.edit == nil {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		} else if err := os.WriteFile(path, c.edit(mustRead(t, path)), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(context.Background(), copied, KeyFile(dir), quick()); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
}

func replace(from, to string) func([]byte) []byte {
	return func(b []byte) []byte { return []byte(strings.Replace(string(b), from, to, 1)) }
}

func flip(at int) func([]byte) []byte {
	return func(b []byte) []byte { b[at] ^= 1; return b }
}

func TestStateOfAnotherLogIsNotBelieved(t *testing.T) {
	dir, _ := newLog(t)
	l := openLog(t, dir, quick())
	mustAppend(t, l, policy(t)...)
	mustAppend(t, l, span(t, "events", 0, 0, 10))
	closeLog(t, l)
	own := mustRead(t, dir+stateSuffix)

	other, _ := newLog(t)
	l = openLog(t, other, quick())
	mustAppend(t, l, policy(t)...)
	mustAppend(t, l, span(t, "events", 0, 0, 99))
	closeLog(t, l)
	for name, text := range map[string][]byte{
		"another log's": mustRead(t, other+stateSuffix),
		"damaged":       replace(`"to":10`, `"to":11`)(own),
		"empty":         {},
	} {
		if err := os.WriteFile(dir+stateSuffix, text, 0o600); err != nil {
			t.Fatal(err)
		}
		l = openLog(t, dir, quick())
		wantPosition(t, l, stream(0), 10)
		if l.commits.saved != 0 {
			t.Errorf("%s: the state was believed", name)
		}
		closeLog(t, l)
	}
	l = openLog(t, dir, quick())
	if l.commits.saved != 3 {
		t.Error("the log's own state was not believed")
	}
	closeLog(t, l)
}

func TestSequencedEntries(t *testing.T) {
	dir, vkey := newLog(t)
	l := openLog(t, dir, quick())
	mustAppend(t, l, policy(t)...)
	mustAppend(t, l, via(span(t, "events", 0, 0, 10), 3, 8), via(span(t, "events", 1, 0, 10), 3, 5))
	for range 2 {
		if offset, ok := l.Taken(3); !ok || offset != 8 {
			t.Errorf("taken %d, %v", offset, ok)
		}
		if _, ok := l.Taken(0); ok {
			t.Error("taken from a partition that nothing came from")
		}
		mustAppend(t, l, via(span(t, "events", 0, 0, 10), 3, 8)) // known
		closeLog(t, l)
		l = openLog(t, dir, quick())
	}
	closeLog(t, l)
	if got := entries(t, dir, vkey); len(got) != 4 {
		t.Errorf("got\n%s", outline(got))
	}
}

// A folder that shrinks under its writer is not taken for an empty one.
func TestTreeStateLost(t *testing.T) {
	dir, _ := newLog(t)
	l := openLog(t, dir, quick())
	mustAppend(t, l, policy(t)...)
	if err := os.Remove(filepath.Join(dir, ".state", "treeState")); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := l.Append(context.Background(), []ledger.Entry{span(t, "events", 0, 0, 10)}); err == nil {
			t.Error("appended")
		}
	}
	if _, ok := l.Position(stream(0)); ok {
		t.Error("a position")
	}
	if err := l.Close(context.Background()); err == nil || !strings.Contains(err.Error(), "entries are lost") {
		t.Errorf("Close = %v", err)
	}
}

func TestAppendGivesUpWaiting(t *testing.T) {
	dir, vkey := newLog(t)
	l := openLog(t, dir, quick())
	mustAppend(t, l, policy(t)...)
	under, done := make(chan struct{}), make(chan struct{})
	real := l.store
	l.store = func(batch []*tessera.Entry) (uint64, error) { close(under); <-done; return real(batch) }
	first := make(chan error)
	go func() { first <- l.Append(context.Background(), []ledger.Entry{span(t, "events", 0, 0, 10)}) }()
	<-under
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := l.Append(ctx, []ledger.Entry{span(t, "events", 1, 0, 10)}); !errors.Is(err, context.Canceled) {
		t.Errorf("Append = %v", err)
	}
	close(done)
	if err := <-first; err != nil {
		t.Error(err)
	}
	closeLog(t, l)
	if got := outline(entries(t, dir, vkey)); got != "policy\npins\nrange events/0 0-10\n" {
		t.Errorf("got\n%s", got)
	}
}

func TestPause(t *testing.T) {
	l := &Log{}
	for took, want := range map[time.Duration]time.Duration{
		0: minPause, time.Millisecond: minPause, 5 * time.Millisecond: 50 * time.Millisecond, time.Second: maxPause,
	} {
		if got := l.pause(took); got != want {
			t.Errorf("pause(%v) = %v, want %v", took, got, want)
		}
	}
	l.opts.Interval = time.Second
	if got := l.pause(time.Millisecond); got != time.Second {
		t.Errorf("with an interval of a second: %v", got)
	}
}
