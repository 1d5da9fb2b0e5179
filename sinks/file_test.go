package sinks

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/google/go-cmp/cmp"

	"github.com/demarc/demarc/internal/record"
	"github.com/demarc/demarc/internal/wire"
)

func fileConfig(dir string) FileConfig {
	return FileConfig{
		Name: "us-oci", Dir: dir, RetryBackoff: time.Millisecond, MaxRetryBackoff: 2 * time.Millisecond,
		Metrics: metrics.NewSet(), Log: slog.New(slog.DiscardHandler),
	}
}

func openFile(t *testing.T, cfg FileConfig) *File {
	t.Helper()
	f := NewFile(cfg)
	if err := f.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	return f
}

func mustClose(t *testing.T, f *File) {
	t.Helper()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// readAll gives the values of each source partition, and checks that they are numbered without a gap.
func readAll(t *testing.T, dir string) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	if err := ReadDir(dir, func(r StoredRecord) error {
		name := r.Source.String()
		if r.Number != int64(len(all[name])) {
			t.Errorf("record %d of %s has number %d", len(all[name]), name, r.Number)
		}
		all[name] = append(all[name], string(r.Value))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// checkPlaces reads the bytes that a receipt speaks of.
func checkPlaces(t *testing.T, dir string, r record.Receipt, want []string) {
	t.Helper()
	var got []string
	for _, p := range r.Places {
		raw, err := os.ReadFile(filepath.Join(dir, p.File))
		if err != nil {
			t.Fatalf("receipt %+v: %v", p, err)
		}
		b, rest, err := wire.Next(raw[p.From:p.To])
		if err != nil || len(rest) > 0 || b.Check() != nil || b.BaseOffset() != p.BaseOffset || b.LastOffset() != p.LastOffset || int(b.Count()) != p.Records {
			t.Fatalf("receipt %+v does not name a batch: %v", p, err)
		}
		d := wire.NewDecompressor(1 << 20)
		out := StoredRecord{}
		if err := eachRecord(b, d, &out, func(r StoredRecord) error {
			got = append(got, string(r.Value))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("bytes of the receipt (-want +got):\n%s", diff)
	}
}

func TestFileKeepsOrderAndPlaces(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "by", "open")
	cfg := fileConfig(dir)
	cfg.RollSize = 400
	want := map[string][]string{}
	receipts := map[*record.Batch]record.Receipt{}
	contents := map[*record.Batch][]string{}
	for run := range 3 { // each goes on where the one before ended
		f := openFile(t, cfg)
		var batches []*record.Batch
		for i, codec := range []wire.Codec{wire.None, wire.Gzip, wire.Snappy, wire.LZ4, wire.Zstd} {
			for p := range int32(3) {
				v := numbered(fmt.Sprintf("%d.%d.%d", run, i, p), 4)
				b := newBatch(t, from(p), codec, v...)
				f.Deliver(t.Context(), int(p), b)
				batches, contents[b] = append(batches, b), v
				want[from(p).String()] = append(want[from(p).String()], v...)
			}
		}
		for _, b := range batches {
			receipts[b] = mustStore(t, b)
		}
		if diff := cmp.Diff(want, readAll(t, dir)); diff != "" {
			t.Errorf("while it is being written (-want +got):\n%s", diff)
		}
		mustClose(t, f)
	}
	if diff := cmp.Diff(want, readAll(t, dir)); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
	for b, r := range receipts {
		checkPlaces(t, dir, r, contents[b])
	}
	if parts, err := filepath.Glob(filepath.Join(dir, "*", "*"+partSuffix)); err != nil || len(parts) > 0 {
		t.Errorf("unsealed files after Close: %v %v", parts, err)
	}
}

func TestFileRefusesADirectory(t *testing.T) {
	dir := t.TempDir()
	first := openFile(t, fileConfig(dir))
	if err := NewFile(fileConfig(dir)).Open(t.Context()); !slices.Equal(refusedFor(err), []Check{CheckDirectory}) || !strings.Contains(err.Error(), "another process") {
		t.Errorf("a second writer: %v", err)
	}
	mustClose(t, first)
	mustClose(t, openFile(t, fileConfig(dir)))

	denied := NewFile(fileConfig(filepath.Join(dir, "none")))
	denied.disk.around = func(operation, string, func() error) error { return &fs.PathError{Op: "mkdir", Err: fs.ErrPermission} }
	if err := denied.Open(t.Context()); !slices.Equal(refusedFor(err), []Check{CheckDirectory}) {
		t.Errorf("no permission: %v", err)
	}
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, nil, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := NewFile(fileConfig(plain)).Open(t.Context()); err == nil || refusedFor(err) != nil {
		t.Errorf("a file in place of the directory: %v", err)
	}
}

// TestNoTwoFilesHaveOneName, be they in directories of one path on two hosts, or in one that was emptied: receipts
// tell them apart by their names.
func TestNoTwoFilesHaveOneName(t *testing.T) {
	seen := map[string]bool{}
	for _, dir := range []string{t.TempDir(), t.TempDir()} {
		for range 2 {
			f := openFile(t, fileConfig(dir))
			b := newBatch(t, from(0), wire.None, "a")
			f.Deliver(t.Context(), 0, b)
			p := mustStore(t, b).Places[0]
			mustClose(t, f)
			if seen[p.File] || p.BaseOffset != 0 {
				t.Errorf("%s was there before, record %d", p.File, p.BaseOffset)
			}
			seen[p.File] = true
			if err := os.RemoveAll(filepath.Join(dir, "events-0")); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestCommitsAreShared: what comes in while a sync is under way waits for one more, not for one each.
func TestCommitsAreShared(t *testing.T) {
	f := openFile(t, fileConfig(t.TempDir()))
	var syncs atomic.Int32
	reached, release := make(chan struct{}), make(chan struct{})
	f.disk.around = func(op operation, _ string, do func() error) error {
		if op == opSync && syncs.Add(1) == 1 {
			close(reached)
			<-release
		}
		return do()
	}
	batches := []*record.Batch{newBatch(t, from(0), wire.None, "first")}
	f.Deliver(t.Context(), 0, batches[0])
	<-reached
	for _, v := range numbered("a", 20) {
		b := newBatch(t, from(0), wire.None, v)
		f.Deliver(t.Context(), 0, b)
		batches = append(batches, b)
	}
	close(release)
	for _, b := range batches {
		mustStore(t, b)
	}
	if got := syncs.Load(); got != 2 {
		t.Errorf("%d syncs for 21 batches, want 2", got)
	}
	mustClose(t, f)
}

func TestFileEndsAndIsNotLive(t *testing.T) {
	f := NewFile(fileConfig(t.TempDir()))
	early := newBatch(t, from(0), wire.None, "early")
	f.Deliver(t.Context(), 0, early)
	if s := outcome(t, early); !errors.Is(s.err, ErrClosed) {
		t.Errorf("before Open: %v", s.err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	dir := t.TempDir()
	f = openFile(t, fileConfig(dir))
	reached, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	f.disk.around = func(op operation, _ string, do func() error) error {
		if op == opSync {
			once.Do(func() { close(reached); <-release })
		}
		return do()
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	flying, queued := newBatch(t, from(0), wire.None, "a"), newBatch(t, from(0), wire.None, "b")
	f.Deliver(ctx, 0, flying)
	<-reached
	f.Deliver(ctx, 0, queued)
	over := errors.New("over")
	cancel(over)
	for _, b := range []*record.Batch{flying, queued} { // the sync is still under way
		if s := outcome(t, b); !errors.Is(s.err, over) {
			t.Errorf("settled with %v", s.err)
		}
	}
	zombie := errors.New("session may be over")
	dead, alive := newBatch(t, from(1), wire.None, "dead"), newBatch(t, from(1), wire.None, "alive")
	dead.Live = func(context.Context) error { return zombie }
	f.Deliver(t.Context(), 1, dead)
	f.Deliver(t.Context(), 1, alive)
	close(release)
	if s := outcome(t, dead); !errors.Is(s.err, zombie) {
		t.Errorf("settled with %v", s.err)
	}
	mustStore(t, alive)
	bad := newBatch(t, record.TopicPartition{Topic: "../up"}, wire.None, "a")
	f.Deliver(t.Context(), 0, bad)
	if s := outcome(t, bad); s.err == nil {
		t.Error("a topic that leads out of the directory is taken")
	}
	cut := newBatch(t, from(0), wire.None, "a")
	cut.Bytes = cut.Bytes[:30]
	f.Deliver(t.Context(), 0, cut)
	if s := outcome(t, cut); s.err == nil {
		t.Error("half a batch is taken")
	}
	mustClose(t, f)
	mustClose(t, f)
	got := readAll(t, dir)
	if diff := cmp.Diff([]string{"alive"}, got["events/1"]); diff != "" || slices.Contains(got["events/0"], "b") {
		t.Errorf("stored %v", got)
	}
}

func TestFilesAreSealedByAge(t *testing.T) {
	cfg := fileConfig(t.TempDir())
	cfg.RollAge = time.Millisecond
	f := openFile(t, cfg)
	b := newBatch(t, from(0), wire.None, "a")
	f.Deliver(t.Context(), 0, b)
	p := mustStore(t, b).Places[0]
	until(t, "the file is sealed", func() bool {
		_, err := os.Stat(filepath.Join(cfg.Dir, p.File))
		return err == nil
	})
	mustClose(t, f)
}
