package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

// readiness is what /readyz answers.
type readiness struct {
	Ready   bool        `json:"ready"`
	Reasons []string    `json:"reasons,omitempty"` // why not
	Sinks   []sinkState `json:"sinks"`
}

// sinkState is one sink's part of the answer.
type sinkState struct {
	Name   string `json:"name"`
	State  string `json:"state"`
	Reason string `json:"reason,omitempty"`
}

// server answers /metrics, /healthz and /readyz, and the page for all else. It serves nothing that changes state and no profiles.
type server struct {
	http     http.Server
	listener net.Listener
}

// listen binds address; serving starts with serve. ready is asked at every request to /readyz; page has every path
// that is not taken.
func listen(address string, set *metrics.Set, ready func() readiness, page http.Handler) (*server, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, usageError(fmt.Errorf("listen on %s: %w; set DEMARC_LISTEN to a free host:port", address, err))
	}
	metrics.ExposeMetadata(true) // Prometheus wants a TYPE with every metric
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		var text bytes.Buffer
		set.WritePrometheus(&text)
		metrics.WriteProcessMetrics(&text)
		// The library has no type for its summaries and writes one that makes Prometheus refuse the whole answer.
		_, _ = w.Write(bytes.ReplaceAll(text.Bytes(), []byte(" unsupported\n"), []byte(" summary\n"))) // the client has gone
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		answer := ready()
		w.Header().Set("Content-Type", "application/json")
		if !answer.Ready {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		_ = enc.Encode(answer) // the client has gone
	})
	mux.Handle("GET /", page)
	s := &server{listener: l}
	s.http.Handler = mux
	s.http.ReadHeaderTimeout = 5 * time.Second
	s.http.WriteTimeout = 30 * time.Second
	s.http.IdleTimeout = 2 * time.Minute
	return s, nil
}

// serve answers until close.
func (s *server) serve() error {
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve http on %s: %w", s.listener.Addr(), err)
	}
	return nil
}

// close ends the server; requests under way get a second.
func (s *server) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		_ = s.http.Close()
	}
	_ = s.listener.Close() // not yet served: Shutdown does not know it
}
