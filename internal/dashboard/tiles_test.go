package dashboard

import (
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// newLedger makes a folder with public files and with everything that must not be served.
func newLedger(t *testing.T) string {
	t.Helper()
	outside := t.TempDir()
	dir := filepath.Join(outside, "ledger")
	for _, name := range []string{
		"checkpoint", "tile/0/000", "tile/0/001.p/7", "tile/1/000.p/1", "tile/entries/000", "tile/entries/001.p/7", "tile/entries/x001/x234/067", "tile/63/000",
		".state/treeState", ".state/000", "key", "ledger.key", "tile/key", "tile/0/000.tmp", "tile/64/000", "tile/0/002.p/256", "tile/0/002.p/0", "tile/0/002.p/07",
		"tile/0/0000", "tile/00/000", "tile/-1/000", "../secret", "tile/5/000/000",
	} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("content of "+name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{
		"tile/2/000": "../../../secret", "tile/2/001": filepath.Join(outside, "secret"), "tile/2/002": "../../key",
		"tile/3": "../.state", "tile/entries/002": "000",
	} {
		path := filepath.Join(dir, link)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, path); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "tile/2/003"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "tile/2/004"), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestTilesServesALedger(t *testing.T) {
	h := Tiles(newLedger(t))
	const (
		bytes     = "application/octet-stream"
		forever   = "public, max-age=31536000, immutable"
		askAgain  = "no-cache"
		plainText = "text/plain; charset=utf-8"
	)
	for _, tc := range []struct{ path, kind, cache string }{
		{"checkpoint", plainText, askAgain},
		{"tile/0/000", bytes, forever},
		{"tile/63/000", bytes, forever},
		{"tile/0/001.p/7", bytes, askAgain},
		{"tile/1/000.p/1", bytes, askAgain},
		{"tile/entries/000", bytes, forever},
		{"tile/entries/x001/x234/067", bytes, forever},
		{"tile/entries/001.p/7", bytes, askAgain},
	} {
		for _, method := range []string{"GET", "HEAD"} {
			w := ask(h, method, "/ledger/"+tc.path)
			want := "content of " + tc.path
			if method == "HEAD" {
				want = ""
			}
			if w.Code != 200 || w.Body.String() != want || w.Header().Get("Content-Type") != tc.kind || w.Header().Get("Cache-Control") != tc.cache {
				t.Errorf("%s %s: %d %q %v", method, tc.path, w.Code, w.Body, w.Header())
			}
		}
	}
}

func TestTilesServesNothingElse(t *testing.T) {
	dir := newLedger(t)
	h := Tiles(dir)
	for _, path := range []string{
		"", "/", ".", "tile", "tile/", "tile/0", "tile/0/", "checkpoint/", "/checkpoint", "Checkpoint", "checkpoint.txt", "checkpoint\x00", "checkpoint\n",
		"key", "ledger.key", "tile/key", ".state/treeState", "tile/../key", "tile/0/../../key", "../secret", "../../secret", "..", "./checkpoint", "tile//0/000", "tile/./0/000",
		`..\secret`, `tile\0\000`, "tile/0/000.tmp", "tile/64/000", "tile/00/000", "tile/-1/000", "tile/0/0000", "tile/0/00", "tile/0/000.p", "tile/0/000.p/", "tile/0/001.p/07",
		"tile/0/002.p/256", "tile/0/002.p/0", "tile/0/002.p/07", "tile/5/000/000", "tile/0/x000", "tile/0/999", "tile/entries/x1/000", "tile/entries/000.p/1/2",
		"tile/2/000", "tile/2/001", "tile/2/002", "tile/2/003", "tile/2/004", "tile/3/000", "tile/entries/002",
	} {
		r := httptest.NewRequest("GET", "/ledger/", nil)
		r.URL = &url.URL{Path: "/ledger/" + path} // as it is, with nothing cleaned before
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != 404 || strings.Contains(w.Body.String(), "content of") || strings.Count(w.Body.String(), "\n") != 1 || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%q: %d %q", path, w.Code, w.Body)
		}
	}
	for _, target := range []string{"/ledger/%2e%2e/secret", "/ledger/..%2fsecret", "/ledger/tile%2f..%2fkey", "/ledger/%2e%2e%2f%2e%2e%2fsecret"} {
		if w := ask(h, "GET", target); w.Code != 404 {
			t.Errorf("%s: %d %q", target, w.Code, w.Body)
		}
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS", "CONNECT"} {
		if w := ask(h, method, "/ledger/checkpoint"); w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: %d", method, w.Code)
		}
	}
	if text, err := os.ReadFile(filepath.Join(dir, "checkpoint")); err != nil || string(text) != "content of checkpoint" {
		t.Errorf("the ledger has changed: %q, %v", text, err)
	}
}

// TestTilesTellsAHoleFromAFault: a verifier takes what is not there for damage, and tries again what cannot be read.
func TestTilesTellsAHoleFromAFault(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ledger")
	h := Tiles(dir)
	if w := ask(h, "GET", "/ledger/checkpoint"); w.Code != 404 {
		t.Errorf("no folder yet: %d", w.Code)
	}
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if w := ask(h, "GET", "/ledger/checkpoint"); w.Code != 503 || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("a file in place of the folder: %d", w.Code)
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "checkpoint"), []byte("signed"), 0o600); err != nil {
		t.Fatal(err)
	}
	if w := ask(h, "GET", "/ledger/checkpoint"); w.Code != 200 || w.Body.String() != "signed" {
		t.Errorf("a folder that was begun later: %d %q", w.Code, w.Body)
	}
}
