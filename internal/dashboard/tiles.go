package dashboard

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"regexp"
	"strings"
	"time"
)

// ledgerPath is where Tiles is mounted.
const ledgerPath = "/ledger/"

// resource is every path that tlog-tiles (https://c2sp.org/tlog-tiles) defines, and no other: the checkpoint, tiles
// of the levels 0 to 63 and bundles of entries. The second group is the width of a partial tile or bundle.
var resource = regexp.MustCompile(`^(?:checkpoint|tile/(?:entries|[0-9]|[1-5][0-9]|6[0-3])/(?:x[0-9]{3}/){0,6}[0-9]{3}(\.p/(?:[1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5]))?)$`)

// errNotPublic says that there is something else than a file where a resource should be.
var errNotPublic = errors.New("is not a regular file")

// Tiles serves the public files of the ledger in dir below /ledger/, read-only: what tlog-tiles defines and nothing
// else, so neither the log's state nor a key that lies beside it. Links are not followed, also not inside dir. Mount
// it with a method, for http.ServeMux refuses "/ledger/" beside "GET /":
//
//	mux.Handle("GET /ledger/", dashboard.Tiles(dir))
//
// dir is looked for at each request: the ledger may be begun later.
func Tiles(dir string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		harden(w.Header())
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			say(w, http.StatusMethodNotAllowed, "The ledger can only be read.")
			return
		}
		path, _ := strings.CutPrefix(r.URL.Path, ledgerPath)
		match := resource.FindStringSubmatch(path)
		if match == nil {
			say(w, http.StatusNotFound, "A ledger has a checkpoint, tiles and bundles of entries, and nothing else is served here.")
			return
		}
		f, err := openPublic(dir, path)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNotPublic) {
			say(w, http.StatusNotFound, "This ledger has no such file.")
			return
		}
		if err != nil { // a verifier must not take this for a hole
			say(w, http.StatusServiceUnavailable, "The ledger cannot be read now.")
			return
		}
		defer f.Close() // only read
		h := w.Header()
		h.Set("Content-Type", "application/octet-stream")
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
		if path == "checkpoint" {
			h.Set("Content-Type", "text/plain; charset=utf-8")
		}
		if path == "checkpoint" || match[1] != "" { // the log may grow, or take a partial tile away
			h.Set("Cache-Control", "no-cache")
		}
		// No modification time: it has seconds only, within which there are several checkpoints.
		http.ServeContent(w, r, "", time.Time{}, f)
	})
}

// openPublic opens a regular file below dir that is reached through directories alone.
func openPublic(dir, path string) (*os.File, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close() // only read
	for end := 0; end < len(path); end++ {
		if path[end] != '/' {
			continue
		}
		if info, err := root.Lstat(path[:end]); err != nil {
			return nil, err
		} else if !info.IsDir() {
			return nil, fmt.Errorf("open %s: %w", path, errNotPublic)
		}
	}
	if info, err := root.Lstat(path); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("open %s: %w", path, errNotPublic)
	}
	return root.Open(path)
}
