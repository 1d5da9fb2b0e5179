package sinks

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/demarc/demarc/internal/wire"
)

// TestOpenFaults: recovery fails at every call, and the next start makes good.
func TestOpenFaults(t *testing.T) {
	for _, op := range []operation{opTruncate, opSync, opRename, opSyncDir, opClose} {
		for _, persisted := range []bool{false, true} {
			broken := &fault{op: op, nth: 1, persisted: persisted, err: errBroken}
			t.Run(broken.name(), func(t *testing.T) {
				cfg := fileConfig(t.TempDir())
				whole := unfinished(t, cfg.Dir, "a", "b")
				appendTo(t, filepath.Join(cfg.Dir, "events-0", testFile.file(partSuffix)), whole[:20])
				f := NewFile(cfg)
				f.disk.around = broken.around
				err := f.Open(t.Context())
				if (err == nil) != (op == opClose) || refusedFor(err) != nil {
					t.Errorf("Open = %v", err)
				}
				if err := f.Close(); err != nil {
					t.Error(err)
				}
				mustClose(t, openFile(t, cfg))
				if diff := cmp.Diff(map[string][]string{"events/0": {"a", "b"}}, readAll(t, cfg.Dir)); diff != "" {
					t.Errorf("stored (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// testFile is what a crash leaves in these tests.
var testFile = segment{0, 0xabc}

// unfinished leaves a file as a crash does, with one batch, and gives the bytes of a batch that could follow.
func unfinished(t *testing.T, dir string, values ...string) (follows []byte) {
	t.Helper()
	b, next := newBatch(t, from(0), wire.None, values...), newBatch(t, from(0), wire.None, "next")
	wire.SealAt(b.Bytes, 0)
	wire.SealAt(next.Bytes, int64(len(values)))
	if err := os.MkdirAll(filepath.Join(dir, "events-0"), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "events-0", testFile.file(partSuffix)), b.Bytes, 0o640); err != nil {
		t.Fatal(err)
	}
	return next.Bytes
}

func appendTo(t *testing.T, path string, b []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = f.Write(b)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestTornWrite: a crash leaves any part of a batch, or garbage, behind the last whole one.
func TestTornWrite(t *testing.T) {
	torn := newBatch(t, from(0), wire.None, "next")
	wire.SealAt(torn.Bytes, 2)
	tails := map[string][]byte{"zeroes": make([]byte, 100), "text": []byte(strings.Repeat("x", 200)), "damaged": flip(torn.Bytes, 70)}
	for n := range len(torn.Bytes) {
		tails[fmt.Sprintf("%d bytes", n)] = torn.Bytes[:n]
	}
	for name, tail := range tails {
		t.Run(name, func(t *testing.T) {
			cfg := fileConfig(t.TempDir())
			unfinished(t, cfg.Dir, "a", "b")
			appendTo(t, filepath.Join(cfg.Dir, "events-0", testFile.file(partSuffix)), tail)
			if diff := cmp.Diff(map[string][]string{"events/0": {"a", "b"}}, readAll(t, cfg.Dir)); diff != "" {
				t.Errorf("before recovery (-want +got):\n%s", diff)
			}
			f := openFile(t, cfg)
			b := newBatch(t, from(0), wire.Zstd, "c")
			f.Deliver(t.Context(), 0, b)
			mustStore(t, b)
			mustClose(t, f)
			if diff := cmp.Diff(map[string][]string{"events/0": {"a", "b", "c"}}, readAll(t, cfg.Dir)); diff != "" {
				t.Errorf("stored (-want +got):\n%s", diff)
			}
		})
	}
}

func flip(b []byte, at int) []byte {
	b = slices.Clone(b)
	b[at] ^= 1
	return b
}

// TestDamageIsNotCutOff: what a crash cannot have done is for an operator to look at.
func TestDamageIsNotCutOff(t *testing.T) {
	part, sealed := filepath.Join("events-0", testFile.file(partSuffix)), filepath.Join("events-0", testFile.file(sealedSuffix))
	for name, spoil := range map[string]func(t *testing.T, dir string){
		"a damaged batch before a whole one": func(t *testing.T, dir string) {
			next := unfinished(t, dir, "a", "b")
			raw, err := os.ReadFile(filepath.Join(dir, part))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, part), slices.Concat(flip(raw, 70), next), 0o640); err != nil {
				t.Fatal(err)
			}
		},
		"a sealed file that is cut off": func(t *testing.T, dir string) {
			next := unfinished(t, dir, "a", "b")
			if err := os.Rename(filepath.Join(dir, part), filepath.Join(dir, sealed)); err != nil {
				t.Fatal(err)
			}
			appendTo(t, filepath.Join(dir, sealed), next[:50])
		},
		"a file both sealed and not": func(t *testing.T, dir string) {
			unfinished(t, dir, "a", "b")
			if err := os.Rename(filepath.Join(dir, part), filepath.Join(dir, sealed)); err != nil {
				t.Fatal(err)
			}
			unfinished(t, dir, "a", "b")
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := fileConfig(t.TempDir())
			spoil(t, cfg.Dir)
			before := tree(t, cfg.Dir)
			err := NewFile(cfg).Open(t.Context())
			if !slices.Equal(refusedFor(err), []Check{CheckDirectory}) || !strings.Contains(err.Error(), "events-0") {
				t.Errorf("Open = %v", err)
			}
			if diff := cmp.Diff(before, tree(t, cfg.Dir)); diff != "" {
				t.Errorf("Open changed the directory (-before +after):\n%s", diff)
			}
		})
	}
}

// tree gives all files of a directory but the lock.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	if err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || e.Name() == lockName {
			return err
		}
		raw, err := os.ReadFile(path)
		files[path] = string(raw)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return files
}
