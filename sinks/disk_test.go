package sinks

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/demarc/demarc/internal/record"
	"github.com/demarc/demarc/internal/wire"
)

var operations = []operation{opMkdir, opCreate, opWrite, opSync, opTruncate, opRename, opRemove, opSyncDir, opClose}

var errBroken = errors.New("broken")

// fault breaks the nth call of one operation, before or after it takes effect.
type fault struct {
	op        operation
	nth       int32
	persisted bool
	err       error
	then      func() // called when it breaks
	seen      atomic.Int32
}

func (f *fault) around(op operation, _ string, do func() error) error {
	if op != f.op || f.seen.Add(1) != f.nth {
		return do()
	}
	if f.persisted {
		if err := do(); err != nil {
			return err
		}
	}
	if f.then != nil {
		f.then()
	}
	return f.err
}

func (f *fault) name() string {
	return fmt.Sprintf("%s %d %s", f.op, f.nth, map[bool]string{false: "failed", true: "failed, yet persisted"}[f.persisted])
}

// eachFault runs a test for every call that the workload makes, until the workload makes no such call any more.
func eachFault(t *testing.T, test func(t *testing.T, f *fault)) {
	for _, op := range operations {
		broke := false
		for _, persisted := range []bool{false, true} {
			for nth := int32(1); ; nth++ {
				f := &fault{op: op, nth: nth, persisted: persisted, err: errBroken}
				t.Run(f.name(), func(t *testing.T) { test(t, f) })
				if f.seen.Load() < nth {
					break
				}
				broke = true
			}
		}
		if !broke && op != opTruncate && op != opRemove { // these are only called after another fault
			t.Errorf("the workload never calls %s", op)
		}
	}
}

// fileWorkload delivers twelve batches of two source partitions into files that are soon full.
type fileWorkload struct {
	batches []*record.Batch
	values  [][]string
}

func (w *fileWorkload) deliver(t *testing.T, f *File) {
	for i := range 6 {
		for p := range int32(2) {
			v := numbered(fmt.Sprintf("%d.%d", i, p), 3)
			b := newBatch(t, from(p), wire.LZ4, v...)
			w.batches, w.values = append(w.batches, b), append(w.values, v)
			f.Deliver(t.Context(), int(p), b)
			if i%2 == 0 {
				_, _ = b.Wait() // one commit for it alone; who calls looks at the outcome
			}
		}
	}
}

// TestFileFaults: whatever fails once, every record is stored once, in order, and every receipt is true.
func TestFileFaults(t *testing.T) {
	eachFault(t, func(t *testing.T, broken *fault) {
		cfg := fileConfig(filepath.Join(t.TempDir(), "sink"))
		cfg.RollSize = 250
		f := NewFile(cfg)
		if err := f.Open(t.Context()); err != nil { // the faults of Open have their own test
			t.Fatal(err)
		}
		f.disk.around = broken.around
		var w fileWorkload
		w.deliver(t, f)
		want := map[string][]string{}
		for i, b := range w.batches {
			mustStore(t, b)
			want[b.Source.String()] = append(want[b.Source.String()], w.values[i]...)
		}
		err := f.Close()
		if err != nil && broken.seen.Load() < broken.nth {
			t.Errorf("Close = %v without a fault", err)
		}
		if err != nil { // the next start seals what is left
			mustClose(t, openFile(t, cfg))
		}
		if diff := cmp.Diff(want, readAll(t, cfg.Dir)); diff != "" {
			t.Errorf("stored (-want +got):\n%s", diff)
		}
		for i, b := range w.batches {
			checkPlaces(t, cfg.Dir, mustStore(t, b), w.values[i])
		}
	})
}

// TestDiskFull: batches wait, the sink says so, and goes on when there is room again.
func TestDiskFull(t *testing.T) {
	cfg := fileConfig(t.TempDir())
	f := openFile(t, cfg)
	var full atomic.Bool
	f.disk.around = func(op operation, path string, do func() error) error {
		if full.Load() && (op == opWrite || op == opCreate) {
			return &fs.PathError{Op: string(op), Path: path, Err: syscall.ENOSPC}
		}
		return do()
	}
	first, second := newBatch(t, from(0), wire.Zstd, "a"), newBatch(t, from(0), wire.Zstd, "b")
	f.Deliver(t.Context(), 0, first)
	mustStore(t, first)
	full.Store(true)
	f.Deliver(t.Context(), 0, second)
	until(t, "the sink is retrying", func() bool { return f.State().Status == Retrying })
	until(t, "it tries again", func() bool { return retries(cfg.Metrics, CauseDiskFull) > 2 })
	if !strings.Contains(f.State().Err, "no space left") {
		t.Errorf("state = %+v", f.State())
	}
	full.Store(false)
	mustStore(t, second)
	until(t, "the sink is ready", func() bool { return f.State().Status == Ready })
	mustClose(t, f)
	if diff := cmp.Diff(map[string][]string{"events/0": {"a", "b"}}, readAll(t, cfg.Dir)); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
}

// TestOnePartitionFails: another one goes on.
func TestOnePartitionFails(t *testing.T) {
	f := openFile(t, fileConfig(t.TempDir()))
	f.disk.around = func(op operation, path string, do func() error) error {
		if op == opSync && strings.Contains(path, "events-0") {
			return syscall.EIO
		}
		return do()
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	bad, good := newBatch(t, from(0), wire.None, "a"), newBatch(t, from(1), wire.None, "b")
	f.Deliver(ctx, 0, bad)
	until(t, "the sink is retrying", func() bool { return f.State().Status == Retrying })
	f.Deliver(ctx, 1, good)
	mustStore(t, good)
	over := errors.New("over")
	cancel(over)
	if s := outcome(t, bad); !errors.Is(s.err, over) {
		t.Errorf("settled with %v", s.err)
	}
	until(t, "the sink is ready, as nothing waits and batches are stored", func() bool {
		more := newBatch(t, from(1), wire.None, "c")
		f.Deliver(t.Context(), 1, more)
		mustStore(t, more)
		return f.State().Status == Ready
	})
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

// TestFileDamagedBatch: a batch that was damaged in memory is not acknowledged, nor what follows it in its partition.
func TestFileDamagedBatch(t *testing.T) {
	cfg := fileConfig(t.TempDir())
	f := openFile(t, cfg)
	before := newBatch(t, from(0), wire.None, "a")
	f.Deliver(t.Context(), 0, before)
	mustStore(t, before)
	ctx, cancel := context.WithCancelCause(t.Context())
	damaged, behind := newBatch(t, from(0), wire.None, "b"), newBatch(t, from(0), wire.None, "c")
	damaged.Bytes[len(damaged.Bytes)-2] ^= 1
	f.Deliver(ctx, 0, damaged)
	f.Deliver(ctx, 0, behind)
	until(t, "the sink says why it retries", func() bool {
		s := f.State()
		return s.Status == Retrying && strings.Contains(s.Err, wire.ErrCRC.Error())
	})
	if n := retries(cfg.Metrics, CauseDisk); n == 0 {
		t.Error("no retry is counted")
	}
	over := errors.New("over")
	cancel(over)
	for _, b := range []*record.Batch{damaged, behind} {
		if s := outcome(t, b); !errors.Is(s.err, over) {
			t.Errorf("settled with %v", s.err)
		}
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(map[string][]string{"events/0": {"a"}}, readAll(t, cfg.Dir)); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
}

// TestEmptyFileThatCannotBeRemoved: what a failed sync leaves with nothing in it is taken away in the end.
func TestEmptyFileThatCannotBeRemoved(t *testing.T) {
	for _, persisted := range []bool{false, true} {
		dir := t.TempDir()
		f := openFile(t, fileConfig(dir))
		unsynced := &fault{op: opSync, nth: 1, err: errBroken}
		stays := &fault{op: opRemove, nth: 1, persisted: persisted, err: errBroken}
		f.disk.around = func(op operation, path string, do func() error) error {
			return unsynced.around(op, path, func() error { return stays.around(op, path, do) })
		}
		b := newBatch(t, from(0), wire.None, "a")
		f.Deliver(t.Context(), 0, b)
		mustStore(t, b)
		mustClose(t, f)
		files, err := StoredFiles(dir)
		if err != nil || len(files) != 1 || stays.seen.Load() != 2 {
			t.Errorf("%s: %d attempts to remove, left are %v, %v", stays.name(), stays.seen.Load(), files, err)
		}
	}
}

// TestFailedSyncGivesTheFileUp: the kernel may have dropped the pages, so nothing follows in that file, not even
// under a name that it had before.
func TestFailedSyncGivesTheFileUp(t *testing.T) {
	for nth, want := range map[int32]string{1: "events-0/00000000000000000000.", 2: "events-0/00000000000000000001."} {
		f := openFile(t, fileConfig(t.TempDir()))
		broken := &fault{op: opSync, nth: nth, persisted: true, err: errBroken}
		var creations atomic.Int32
		f.disk.around = func(op operation, path string, do func() error) error {
			if op == opCreate {
				creations.Add(1)
			}
			return broken.around(op, path, do)
		}
		var last record.Receipt
		for range nth {
			b := newBatch(t, from(0), wire.None, "a")
			f.Deliver(t.Context(), 0, b)
			last = mustStore(t, b)
		}
		if p := last.Places[0]; !strings.HasPrefix(p.File, want) || p.From != 0 || creations.Load() != 2 {
			t.Errorf("sync %d fails: %d files, the batch is at %+v", nth, creations.Load(), p)
		}
		mustClose(t, f)
	}
}
