package dashboard

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/demarc/demarc/ledger/share"
)

//go:embed page.html page.css page.js
var files embed.FS

// blank has one row of each list, of which the page makes the rows that JavaScript fills.
var blank = Status{
	Reasons: []string{""}, Routes: []Route{{}}, Quarantine: []Quarantine{{}}, Sinks: []Sink{{}},
	Partitions: Partitions{Worst: []Partition{{}}},
}

var page = template.Must(template.New("page.html").Funcs(template.FuncMap{
	"count":   func(n int64) string { return share.Thousands(uint64(n)) },
	"entries": share.Thousands,
	"percent": withSign, "bytes": inBytes, "time": inUTC, "age": inWords, "counts": inList, "pins": inPins, "unpinned": inWarning,
	"limit": inLimit, "expired": inExpiry,
	"geo":    func(g *Geo) Geo { return orZero(g) },
	"ledger": func(l *Ledger) Ledger { return orZero(l) },
	"blank":  func() Status { return blank },
	"join":   func(list []string) string { return strings.Join(list, ", ") },
}).ParseFS(files, "page.html"))

// policyOfContent lets a browser load what this handler serves and nothing else, and run no script that came as text.
const policyOfContent = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// New serves the page at /, its parts beside it and its numbers at /status.json. read is called at each request to
// one of the two, from several goroutines. Mount it at "GET /".
func New(read func() View) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		var text bytes.Buffer
		if err := page.Execute(&text, read().Status()); err != nil {
			say(w, http.StatusInternalServerError, "The page cannot be made; its numbers are at /status.json.")
			return
		}
		answer(w, "text/html; charset=utf-8", text.Bytes())
	})
	mux.HandleFunc("GET /status.json", func(w http.ResponseWriter, _ *http.Request) {
		var text bytes.Buffer
		enc := json.NewEncoder(&text)
		enc.SetEscapeHTML(false)
		_ = enc.Encode(read().Status()) // of a type that has a JSON form, into memory
		answer(w, "application/json", text.Bytes())
	})
	for name, kind := range map[string]string{"page.css": "text/css; charset=utf-8", "page.js": "text/javascript; charset=utf-8"} {
		mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, _ *http.Request) {
			text, _ := files.ReadFile(name) // it is in the binary
			answer(w, kind, text)
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		say(w, http.StatusNotFound, "There is nothing here: the page is at /, its numbers are at /status.json.")
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		harden(w.Header())
		mux.ServeHTTP(w, r)
	})
}

// harden sets what every answer has.
func harden(h http.Header) {
	h.Set("Content-Security-Policy", policyOfContent)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

func answer(w http.ResponseWriter, kind string, text []byte) {
	w.Header().Set("Content-Type", kind)
	_, _ = w.Write(text) // the client has gone
}

// say answers with one sentence.
func say(w http.ResponseWriter, code int, sentence string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = fmt.Fprintln(w, sentence) // the client has gone
}

func orZero[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// What follows writes values for people; page.js has the same forms under the same names.

func withSign(percent string) string {
	if percent == "-" {
		return "-"
	}
	return percent + " %"
}

// inBytes writes a number of bytes with one decimal, cut off.
func inBytes(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	tenths, unit := n/100, 0
	for ; tenths >= 10_000 && unit < 4; unit++ {
		tenths /= 1000
	}
	return fmt.Sprintf("%s.%d %cB", share.Thousands(uint64(tenths/10)), tenths%10, "kMGTP"[unit])
}

func inUTC(t time.Time) string {
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// inWords writes a number of seconds in the largest unit of which there are two.
func inWords(seconds int64) string {
	switch {
	case seconds >= 2*86400:
		return fmt.Sprintf("%d days", seconds/86400)
	case seconds >= 2*3600:
		return fmt.Sprintf("%d hours", seconds/3600)
	case seconds >= 2*60:
		return fmt.Sprintf("%d minutes", seconds/60)
	}
	return fmt.Sprintf("%d s", seconds)
}

func inWarning(unpinned bool) string {
	if unpinned {
		return "unpinned"
	}
	return ""
}

func inLimit(seconds int64) string {
	if seconds == 0 {
		return "none"
	}
	return inWords(seconds)
}

func inExpiry(expired bool) string {
	if expired {
		return "too old"
	}
	return "in use"
}

func inList(list []Count) string {
	var parts []string
	for _, c := range list {
		parts = append(parts, c.Name+" "+share.Thousands(uint64(c.Records)))
	}
	return strings.Join(parts, ", ")
}

func inPins(p Pins) string {
	var parts []string
	if p.ClusterID != "" {
		parts = append(parts, "cluster id "+p.ClusterID)
	}
	if len(p.Addresses) > 0 {
		parts = append(parts, "addresses "+strings.Join(p.Addresses, ", "))
	}
	if len(p.TLSSPKISHA256) > 0 {
		parts = append(parts, "TLS key "+strings.Join(p.TLSSPKISHA256, " or "))
	}
	if len(parts) == 0 && !p.Unpinned { // a directory
		return "none"
	}
	return strings.Join(parts, "; ")
}
