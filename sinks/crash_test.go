package sinks

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/demarc/demarc/internal/record"
	"github.com/demarc/demarc/internal/wire"
)

// TestFileCrashes ends the process, or the machine, at every call that a file sink makes. What was acknowledged
// is there after the next start, the receipts are true, and what is delivered again follows it.
func TestFileCrashes(t *testing.T) {
	for name, power := range map[string]bool{"kill": false, "power": true} {
		t.Run(name, func(t *testing.T) {
			eachFault(t, func(t *testing.T, broken *fault) { crashAt(t, broken, power) })
		})
	}
}

func crashAt(t *testing.T, broken *fault, power bool) {
	cfg := fileConfig(filepath.Join(t.TempDir(), "sink"))
	cfg.RollSize = 250
	f := openFile(t, cfg)
	died, die := context.WithCancel(t.Context())
	defer die()
	var dead atomic.Bool
	broken.then = func() { dead.Store(true) }
	machine := &machine{synced: map[string]int64{}, undo: map[string][]func() error{}}
	f.disk.around = func(op operation, path string, do func() error) error {
		if dead.Load() {
			return errBroken // nothing takes effect any more
		}
		err := broken.around(op, path, func() error { return machine.note(op, path, do) })
		if dead.Load() {
			die()
		}
		return err
	}
	acknowledged := map[string][]string{}
	receipts, contents := []record.Receipt{}, [][]string{}
	for i := range 6 {
		for p := range int32(2) {
			v := numbered(fmt.Sprintf("%d.%d", i, p), 3)
			b := newBatch(t, from(p), wire.LZ4, v...)
			f.Deliver(died, int(p), b)
			if r, err := b.Wait(); err == nil {
				acknowledged[b.Source.String()] = append(acknowledged[b.Source.String()], v...)
				receipts, contents = append(receipts, r), append(contents, v)
			}
		}
	}
	_ = f.Close() // fails where the disk is dead; it gives the lock back, as the kernel does
	if power && dead.Load() {
		machine.losePower(t)
	}

	f = openFile(t, cfg)
	for name, want := range acknowledged {
		got := readAll(t, cfg.Dir)[name]
		if len(got) < len(want) || !slices.Equal(got[:len(want)], want) || len(got) > len(want)+3 {
			t.Errorf("%s holds %q, acknowledged were %q and one more batch may be there", name, got, want)
		}
	}
	for i, r := range receipts {
		checkPlaces(t, cfg.Dir, r, contents[i])
	}
	again := newBatch(t, from(0), wire.None, "again")
	f.Deliver(t.Context(), 0, again)
	mustStore(t, again)
	mustClose(t, f)
	if got := readAll(t, cfg.Dir)["events/0"]; got[len(got)-1] != "again" {
		t.Errorf("events/0 ends with %q", got[len(got)-1])
	}
}

// machine knows what of the changes to a file system would outlive the loss of power: bytes that were synced,
// names whose directory was.
type machine struct {
	mu     sync.Mutex
	synced map[string]int64
	undo   map[string][]func() error // by directory
}

func (m *machine) note(op operation, path string, do func() error) error {
	if op != opSync && op != opSyncDir { // these are simulated: the disk of the tests has other things to do
		if err := do(); err != nil {
			return err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	dir := filepath.Dir(path)
	switch op {
	case opMkdir:
		m.undo[dir] = append(m.undo[dir], func() error { return os.RemoveAll(path) })
	case opCreate:
		m.synced[path] = 0
		m.undo[dir] = append(m.undo[dir], func() error { return os.RemoveAll(path) })
	case opRename:
		sealed := strings.TrimSuffix(path, partSuffix) + sealedSuffix
		m.undo[dir] = append(m.undo[dir], func() error { return os.Rename(sealed, path) })
	case opSync:
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		m.synced[path] = info.Size()
	case opSyncDir:
		m.undo[path] = nil
	}
	return nil
}

func (m *machine) losePower(t *testing.T) {
	t.Helper()
	for _, undo := range m.undo {
		for _, back := range slices.Backward(undo) {
			if err := back(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for path, size := range m.synced {
		if info, err := os.Stat(path); err != nil || info.Size() <= size {
			continue // sealed, taken away or durable
		}
		if err := os.Truncate(path, size); err != nil {
			t.Fatal(err)
		}
	}
}

const killedWriter = "DEMARC_TEST_KILLED_WRITER"

// TestMain also is the process that TestKilledWriter kills.
func TestMain(m *testing.M) {
	if dir := os.Getenv(killedWriter); dir != "" {
		if err := writeForEver(dir, os.Getenv(killedWriter+"_FROM")); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func writeForEver(dir, first string) error {
	from0, err := strconv.Atoi(first)
	if err != nil {
		return err
	}
	cfg := fileConfig(dir)
	cfg.RollSize = 2000
	f := NewFile(cfg)
	if err := f.Open(context.Background()); err != nil {
		return err
	}
	for n := from0; ; n++ {
		var build wire.Builder
		build.Add(1, tail("key", strconv.Itoa(n)))
		raw, err := build.Build(nil, wire.None, nil)
		if err != nil {
			return err
		}
		b := record.NewBatch(from(int32(n%2)), raw, 1, nil)
		f.Deliver(context.Background(), 0, b)
		if _, err := b.Wait(); err != nil {
			return err
		}
		fmt.Println(n)
	}
}

// TestKilledWriter kills a process that writes, again and again. What it acknowledged is there, in order; what
// it had not acknowledged yet may be there too, once for each kill.
func TestKilledWriter(t *testing.T) {
	const kills = 6
	dir := t.TempDir()
	next := 0
	for kill := range kills {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), killedWriter+"="+dir, fmt.Sprintf("%s_FROM=%d", killedWriter, next))
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for range 20 + 7*kill {
			if !lines.Scan() {
				t.Fatal("the writer has ended by itself")
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		last := lines.Text()
		for lines.Scan() { // what it said before it died
			last = lines.Text()
		}
		_ = cmd.Wait() // it was killed
		n, err := strconv.Atoi(last)
		if err != nil {
			t.Fatal(err)
		}
		next = n + 1
	}
	mustClose(t, openFile(t, fileConfig(dir)))
	for p, held := range readAll(t, dir) {
		var distinct []string
		for _, v := range held {
			if len(distinct) == 0 || distinct[len(distinct)-1] != v {
				distinct = append(distinct, v)
			}
		}
		if twice := len(held) - len(distinct); twice > kills {
			t.Errorf("%s: %d records twice after %d kills", p, twice, kills)
		}
		if len(distinct) > 0 && len(distinct) < next/2 {
			t.Errorf("%s holds %d records of %d acknowledged", p, len(distinct), next/2)
		}
		for i, v := range distinct {
			if want := strconv.Itoa(2*i + map[string]int{"events/1": 1}[p]); v != want {
				t.Fatalf("%s: record %d is %s, want %s", p, i, v, want)
			}
		}
	}
	if got := len(readAll(t, dir)); got != 2 {
		t.Errorf("%d source partitions, want 2", got)
	}
}
