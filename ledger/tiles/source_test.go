package tiles

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func TestPaths(t *testing.T) {
	for path, want := range map[string]string{
		TilePath(0, 0, 256):        "tile/0/000",
		TilePath(2, 999, 17):       "tile/2/999.p/17",
		TilePath(0, 1234067, 256):  "tile/0/x001/x234/067",
		EntriesPath(1234067, 8):    "tile/entries/x001/x234/067.p/8",
		EntriesPath(1000, 256):     "tile/entries/x001/000",
		EntriesPath(1<<63, 1):      "tile/entries/x009/x223/x372/x036/x854/x775/808.p/1",
		TilePath(63, 1000000, 255): "tile/63/x001/x000/000.p/255",
	} {
		if path != want {
			t.Errorf("%s, want %s", path, want)
		}
	}
}

// serve is a log of one server that answers as it is told.
func serve(t *testing.T, answer http.HandlerFunc) *web {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	source, err := Web(server.URL + "/log")
	if err != nil {
		t.Fatal(err)
	}
	w := source.(*web)
	w.pause = time.Nanosecond
	return w
}

func TestWebTriesAgain(t *testing.T) {
	for _, code := range []int{http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusTooManyRequests} {
		var tries atomic.Int32
		w := serve(t, func(out http.ResponseWriter, r *http.Request) {
			if tries.Add(1) < attempts {
				out.WriteHeader(code)
				return
			}
			_, _ = out.Write([]byte("good " + r.URL.Path))
		})
		data, err := w.Get(context.Background(), "tile/0/x001/000.p/5", 100)
		if err != nil || string(data) != "good /log/tile/0/x001/000.p/5" || tries.Load() != attempts {
			t.Errorf("%d: %q, %v after %d tries", code, data, err, tries.Load())
		}
	}
}

func TestWebGivesUp(t *testing.T) {
	for _, c := range []struct {
		name  string
		code  int
		tries int32
		gone  bool
	}{
		{"not there", http.StatusNotFound, 1, true},
		{"gone", http.StatusGone, 1, true},
		{"forbidden", http.StatusForbidden, 1, false},
		{"down", http.StatusServiceUnavailable, attempts, false},
	} {
		var tries atomic.Int32
		w := serve(t, func(out http.ResponseWriter, _ *http.Request) { tries.Add(1); out.WriteHeader(c.code) })
		_, err := New(w).Tile(context.Background(), 0, 0, 256)
		var broken *Broken
		if err == nil || errors.Is(err, fs.ErrNotExist) != c.gone || errors.As(err, &broken) != c.gone || tries.Load() != c.tries {
			t.Errorf("%s: %v after %d tries", c.name, err, tries.Load())
		}
	}
}

func TestWebTriesAgainAfterACutAnswer(t *testing.T) {
	var tries atomic.Int32
	w := serve(t, func(out http.ResponseWriter, _ *http.Request) {
		if tries.Add(1) == 1 {
			out.Header().Set("Content-Length", "10")
			_, _ = out.Write([]byte("short"))
			return
		}
		_, _ = out.Write([]byte("0123456789"))
	})
	if data, err := w.Get(context.Background(), "checkpoint", 100); string(data) != "0123456789" || err != nil {
		t.Errorf("%q, %v", data, err)
	}
}

func TestWebReadsNoMoreThanTheFormatAllows(t *testing.T) {
	endless := bytes.Repeat([]byte("x"), 1<<16)
	packed := func(out http.ResponseWriter) {
		out.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(out)
		for range 100 {
			_, _ = z.Write(endless)
		}
		_ = z.Close()
	}
	for name, answer := range map[string]http.HandlerFunc{
		"a length": func(out http.ResponseWriter, _ *http.Request) {
			out.Header().Set("Content-Length", "65536")
			_, _ = out.Write(endless)
		},
		"no length": func(out http.ResponseWriter, _ *http.Request) {
			for range 100 {
				if _, err := out.Write(endless); err != nil {
					return
				}
			}
		},
		"a gzip bomb": func(out http.ResponseWriter, _ *http.Request) { packed(out) },
	} {
		if _, err := serve(t, answer).Get(context.Background(), "checkpoint", 100); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWebReadsCompressedAnswers(t *testing.T) {
	w := serve(t, func(out http.ResponseWriter, _ *http.Request) {
		out.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(out)
		_, _ = z.Write([]byte("text"))
		_ = z.Close()
	})
	if data, err := w.Get(context.Background(), "checkpoint", 100); string(data) != "text" || err != nil {
		t.Errorf("%q, %v", data, err)
	}
}

func TestWebStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	w := serve(t, func(out http.ResponseWriter, _ *http.Request) {
		cancel()
		out.WriteHeader(http.StatusServiceUnavailable)
	})
	w.pause = time.Hour
	if _, err := w.Get(ctx, "checkpoint", 100); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestWebWantsAnAddress(t *testing.T) {
	for _, url := range []string{"", "ledger", "ftp://host/x", "http://", "http:///path", "http://user:secret@host:99999999/%zz"} {
		if _, err := Web(url); err == nil || strings.Contains(err.Error(), "secret@") {
			t.Errorf("%q: %v", url, err)
		}
	}
}

func TestAPartialTileMayHaveBecomeFull(t *testing.T) {
	dir := t.TempDir()
	put := func(path string, data []byte) {
		name := filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	full := make([]byte, 256*32)
	full[32] = 7
	put("tile/0/000", full)
	put("tile/entries/000", bytes.Repeat([]byte{0, 1, 'x'}, 256))
	put("tile/0/001", full[32:])
	log := New(Folder(dir))
	hashes, err := log.Tile(context.Background(), 0, 0, 2)
	if err != nil || len(hashes) != 2 || hashes[1][0] != 7 {
		t.Errorf("%x, %v", hashes, err)
	}
	entries, err := log.Entries(context.Background(), 0, 3)
	if err != nil || len(entries) != 3 || string(entries[2]) != "x" {
		t.Errorf("%q, %v", entries, err)
	}
	if _, err := log.Tile(context.Background(), 0, 1, 2); err == nil || err.Error() != "tile/0/001: has 8160 bytes, want 256 hashes of 32 bytes" {
		t.Errorf("a full tile that is too short: %v", err)
	}
	if _, err := log.Tile(context.Background(), 0, 2, 2); err == nil || err.Error() != "tile/0/002.p/2: is not there" {
		t.Errorf("neither: %v", err)
	}
}

func TestAPipeInAFolderIsNotWaitedFor(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "checkpoint"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Folder(dir)).Checkpoint(context.Background()); err == nil || err.Error() != "checkpoint: is not a regular file" {
		t.Error(err)
	}
}

func FuzzSplitBundle(f *testing.F) {
	f.Add([]byte{0, 1, 'x', 0, 0})
	f.Add([]byte{0, 2, 'x'})
	f.Add(bytes.Repeat([]byte{0, 0}, 257))
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, err := splitBundle(data)
		if err != nil {
			return
		}
		var back []byte
		for _, e := range entries {
			back = append(append(back, byte(len(e)>>8), byte(len(e))), e...)
		}
		if !bytes.Equal(back, data) || len(entries) > Width {
			t.Errorf("%d entries of %x", len(entries), data)
		}
	})
}
