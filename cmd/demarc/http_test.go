package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/VictoriaMetrics/metrics"
)

// get returns status and body of a path.
func get(t *testing.T, s *server, method, path string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(method, "http://"+s.listener.Addr().String()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestServer(t *testing.T) {
	set := metrics.NewSet()
	set.NewCounter(`demarc_records_total{topic="events"}`).Set(7)
	set.NewSummary(`demarc_seconds{sink="eu"}`).Update(1)
	var answer atomic.Pointer[readiness]
	answer.Store(&readiness{Reasons: []string{"sink eu is retrying"}, Sinks: []sinkState{{Name: "eu", State: "retrying", Reason: "down"}}})
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, "the page")
	})
	s, err := listen("127.0.0.1:0", set, func() readiness { return *answer.Load() }, page)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.serve() }()

	if code, body := get(t, s, "GET", "/metrics"); code != 200 || !strings.Contains(body, `demarc_records_total{topic="events"} 7`) || !strings.Contains(body, "process_resident_memory_bytes") || !strings.Contains(body, "# TYPE demarc_records_total counter\n") || !strings.Contains(body, "# TYPE demarc_seconds summary\n") {
		t.Errorf("/metrics: %d %s", code, body)
	}
	if code, body := get(t, s, "GET", "/healthz"); code != 200 || body != "ok\n" {
		t.Errorf("/healthz: %d %q", code, body)
	}
	code, body := get(t, s, "GET", "/readyz")
	var got readiness
	if err := json.Unmarshal([]byte(body), &got); err != nil || code != 503 || got.Ready || len(got.Sinks) != 1 || got.Sinks[0].Reason != "down" {
		t.Errorf("/readyz: %d %s (%v)", code, body, err)
	}
	answer.Store(&readiness{Reasons: []string{"1 -> 2"}})
	if _, body := get(t, s, "GET", "/readyz"); !strings.Contains(body, "1 -> 2") {
		t.Errorf("/readyz: %s", body)
	}
	answer.Store(&readiness{Ready: true})
	if code, body := get(t, s, "GET", "/readyz"); code != 200 {
		t.Errorf("/readyz: %d %s", code, body)
	}
	if code, body := get(t, s, "GET", "/"); code != 200 || body != "the page" {
		t.Errorf("/: %d %q", code, body)
	}
	for _, path := range []string{"/debug/pprof/", "/metrics/x"} {
		if code, _ := get(t, s, "GET", path); code != 404 {
			t.Errorf("%s: %d, want 404", path, code)
		}
	}
	for _, path := range []string{"/readyz", "/"} {
		if code, _ := get(t, s, "POST", path); code != 405 {
			t.Errorf("POST %s: %d, want 405", path, code)
		}
	}

	if _, err := listen(s.listener.Addr().String(), set, nil, page); err == nil || exitCode(err) != exitUsage || !strings.Contains(err.Error(), "set DEMARC_LISTEN") {
		t.Errorf("taken address: %v", err)
	}
	s.close()
	if err := <-served; err != nil {
		t.Errorf("serve: %v", err)
	}
	if l, err := listen(s.listener.Addr().String(), set, nil, page); err != nil {
		t.Errorf("after close the address is free: %v", err)
	} else {
		l.close()
	}
}
