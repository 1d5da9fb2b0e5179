package dashboard

import (
	"encoding/json"
	"html"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/demarc/demarc/internal/record"
)

func ask(h http.Handler, method, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w
}

// text is what a reader of the page sees, one line for each element.
func text(page string) string {
	page = regexp.MustCompile(`(?s)<template.*?</template>`).ReplaceAllString(page, "")
	page = regexp.MustCompile(`<(?:/td|/th|/p|/li|/dd|/dt)>`).ReplaceAllString(page, "\n")
	page = html.UnescapeString(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(page, ""))
	return regexp.MustCompile(`\n+`).ReplaceAllString(page, "\n")
}

func TestPageShowsEverything(t *testing.T) {
	v := everything(t)
	w := ask(New(func() View { return v }), "GET", "/")
	got := text(w.Body.String())
	if w.Code != 200 {
		t.Fatalf("%d %s", w.Code, got)
	}
	for _, reason := range record.Reasons() {
		if !strings.Contains(got, "\n"+reason.String()+" "+reason.Cause()+"\n") {
			t.Errorf("the page lacks %v", reason)
		}
	}
	for _, want := range []string{
		"Not ready", "partition clicks/0 holds: read batch: its CRC is wrong",
		"\nUS\n100.0000 %\nof 402,118 US records\n→ us-oci\n",
		"\nEEA\n-\nof 0 EEA records\n→ eu-fra\n",
		"retrying produce to partition 2: connection refused",
		`stopped check sink sg-main: cluster_id: expected sg, seen "<b>other</b>"`,
		"unpinned", "cluster id us-cluster; addresses 10.1.0.0/16", "TLS key AAAA",
		"1,234,567 entries, last checkpoint 2026-06-02 11:59:59 UTC", "30 hours old", "too old", "limit: 24 hours",
		"\nevents/1\nreading ", "\nclicks/0\nstopped read batch: its CRC is wrong\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(w.Body.String(), "<b>other") {
		t.Error("the error of a sink is not escaped")
	}
	if strings.Contains(got, "events/2") {
		t.Error("the page lists a partition of another process")
	}
}

func TestPageBeforeTheFirstRecord(t *testing.T) {
	v := everything(t)
	v.Accounts, v.Stopped, v.NotReady, v.Geo, v.Ledger = nil, nil, nil, nil, nil
	page := ask(New(func() View { return v }), "GET", "/").Body.String()
	for _, want := range []string{`data-empty="quarantine">Nothing is in quarantine`, `data-optional="geo" hidden`, `data-optional="ledger" hidden`, `data-value="true">Ready`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
}

func TestStatusHandler(t *testing.T) {
	v := everything(t)
	w := ask(New(func() View { return v }), "GET", "/status.json")
	var got Status
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("%v, %s", err, w.Header())
	}
	if diff := cmp.Diff(v.Status(), got); diff != "" {
		t.Error(diff)
	}
}

func TestAnswersAreHardened(t *testing.T) {
	v := everything(t)
	for _, tc := range []struct {
		h            http.Handler
		method, path string
		code         int
		kind         string
	}{
		{New(func() View { return v }), "GET", "/", 200, "text/html; charset=utf-8"},
		{New(func() View { return v }), "HEAD", "/", 200, "text/html; charset=utf-8"},
		{New(func() View { return v }), "GET", "/status.json", 200, "application/json"},
		{New(func() View { return v }), "GET", "/page.css", 200, "text/css; charset=utf-8"},
		{New(func() View { return v }), "GET", "/page.js", 200, "text/javascript; charset=utf-8"},
		{New(func() View { return v }), "GET", "/page.html", 404, "text/plain; charset=utf-8"},
		{New(func() View { return v }), "GET", "/favicon.ico", 404, "text/plain; charset=utf-8"},
		{Tiles(t.TempDir()), "GET", "/ledger/checkpoint", 404, "text/plain; charset=utf-8"},
	} {
		w := ask(tc.h, tc.method, tc.path)
		h := w.Header()
		if w.Code != tc.code || h.Get("Content-Type") != tc.kind || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") != "no-store" {
			t.Errorf("%s %s: %d %v", tc.method, tc.path, w.Code, h)
		}
		csp := h.Get("Content-Security-Policy")
		if !strings.HasPrefix(csp, "default-src 'none'; ") || strings.Contains(csp, "unsafe") || strings.Contains(csp, "http") || strings.Contains(csp, "*") {
			t.Errorf("%s: Content-Security-Policy %q", tc.path, csp)
		}
		if tc.code == 404 && strings.Count(w.Body.String(), "\n") != 1 {
			t.Errorf("%s: %q is not one sentence", tc.path, w.Body)
		}
	}
}

// TestNothingComesFromElsewhere looks for other hosts, and for what the Content-Security-Policy would refuse.
func TestNothingComesFromElsewhere(t *testing.T) {
	v := everything(t)
	h := New(func() View { return v })
	for _, path := range []string{"/", "/page.css", "/page.js"} {
		body := ask(h, "GET", path).Body.String()
		for _, never := range []string{
			`(?i)https?:`, `(?i)wss?:`, `(?i)["'(=]\s*//`, `(?i)@import`, `(?i)\burl\(`, // another host
			`(?i)<[^>]*\son[a-z]+\s*=`, `(?i)<[^>]*\sstyle\s*=`, `(?i)<style`, `(?i)javascript:`, `(?i)<script[^>]*>[^<]`, // inline
			`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function`, // text that becomes code
		} {
			if found := regexp.MustCompile(never).FindString(body); found != "" {
				t.Errorf("%s holds %q", path, found)
			}
		}
	}
	for _, link := range regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(ask(h, "GET", "/").Body.String(), -1) {
		if !slices.Contains([]string{"data:,", "page.css", "page.js", "status.json", "metrics", "readyz", "ledger/checkpoint"}, link[1]) {
			t.Errorf("the page refers to %q", link[1])
		}
	}
}

// TestPageIsOfTheStatus holds each field that JavaScript fills to the fields that /status.json has, and each form
// to page.js.
func TestPageIsOfTheStatus(t *testing.T) {
	page, _ := files.ReadFile("page.html")
	script, _ := files.ReadFile("page.js")
	rows := map[string]reflect.Type{
		"reason": reflect.TypeFor[string](), "route": reflect.TypeFor[Route](), "quarantine": reflect.TypeFor[Quarantine](),
		"sink": reflect.TypeFor[Sink](), "partition": reflect.TypeFor[Partition](), "": reflect.TypeFor[Status](),
	}
	defined := regexp.MustCompile(`(?s){{define "([a-z]+)"}}(.*?){{end ?-?}}\n`).FindAllStringSubmatch(string(page), -1)
	rest := string(page)
	for _, d := range defined {
		rest = strings.Replace(rest, d[0], "", 1)
	}
	if len(defined) != len(rows)-1 {
		t.Fatalf("%d rows are defined", len(defined))
	}
	found := 0
	for _, d := range append(defined, []string{"", "", rest}) {
		for _, m := range regexp.MustCompile(`data-(?:field|rate|list|empty|optional)="([^"]*)"`).FindAllStringSubmatch(d[2], -1) {
			found++
			if !has(rows[d[1]], m[1]) {
				t.Errorf("row %q shows %q, which is no field of %v", d[1], m[1], rows[d[1]])
			}
		}
		for _, m := range regexp.MustCompile(`data-key="([^"]*)"`).FindAllStringSubmatch(d[2], -1) {
			for _, key := range strings.Fields(m[1]) {
				if !has(rows[d[1]], key) {
					t.Errorf("row %q is known by %q, which is no field", d[1], key)
				}
			}
		}
	}
	if found < 60 {
		t.Errorf("found only %d fields", found)
	}
	_, forms, _ := strings.Cut(string(script), "const forms = {")
	forms, _, _ = strings.Cut(forms, "\n};")
	for _, m := range regexp.MustCompile(`data-as="([a-z]+)"`).FindAllStringSubmatch(string(page), -1) {
		if !regexp.MustCompile(`\b` + m[1] + `[:,]`).MatchString(forms) {
			t.Errorf("page.js has no form %q", m[1])
		}
	}
	for _, m := range regexp.MustCompile(`data-row="([a-z]+)"`).FindAllStringSubmatch(rest, -1) {
		if !strings.Contains(rest, `<template id="row-`+m[1]+`">{{template "`+m[1]+`"`) {
			t.Errorf("the page has no blank row %q", m[1])
		}
	}
}

// has reports whether the JSON form of a type has a path such as "totals.records".
func has(in reflect.Type, path string) bool {
	if path == "" {
		return true
	}
	for name := range strings.SplitSeq(path, ".") {
		for in.Kind() == reflect.Pointer {
			in = in.Elem()
		}
		if in.Kind() != reflect.Struct {
			return false
		}
		i := slices.IndexFunc(reflect.VisibleFields(in), func(f reflect.StructField) bool {
			tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			return tag == name
		})
		if i < 0 {
			return false
		}
		in = in.Field(i).Type
	}
	return true
}

func TestForms(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 1999: "1.9 kB", 999_999: "999.9 kB", 1_000_000: "1.0 MB", 23_900_000: "23.9 MB", 5e15: "5.0 PB", 9e18: "9,000.0 PB"} {
		if got := inBytes(n); got != want {
			t.Errorf("inBytes(%d) = %q, want %q", n, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0 s", 119: "119 s", 120: "2 minutes", 7199: "119 minutes", 7200: "2 hours", 172_799: "47 hours", 172_800: "2 days"} {
		if got := inWords(n); got != want {
			t.Errorf("inWords(%d) = %q, want %q", n, got, want)
		}
	}
	for want, p := range map[string]Pins{"none": {}, "": {Unpinned: true}, "cluster id a; addresses b, c; TLS key d or e": {ClusterID: "a", Addresses: []string{"b", "c"}, TLSSPKISHA256: []string{"d", "e"}}} {
		if got := inPins(p); got != want {
			t.Errorf("inPins(%+v) = %q, want %q", p, got, want)
		}
	}
}
