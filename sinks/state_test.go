package sinks

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/VictoriaMetrics/metrics"
)

func TestStateIsSaidOncePerChange(t *testing.T) {
	var log, prom bytes.Buffer
	tr := newTracker(slog.New(slog.NewTextHandler(&log, nil)), "us-oci")
	set := metrics.NewSet()
	newMeters(set, "us-oci", tr.State)
	expect := func(s Status, err string) {
		t.Helper()
		if got := tr.State(); got.Status != s || got.Err != err || got.Since.IsZero() {
			t.Errorf("state = %+v, want %v %q", got, s, err)
		}
		prom.Reset()
		set.WritePrometheus(&prom)
		for other := range statusCount {
			line := fmt.Sprintf("demarc_sink_state{sink=\"us-oci\",state=%q} %d\n", other, map[bool]int{true: 1}[other == s])
			if !strings.Contains(prom.String(), line) {
				t.Errorf("metrics lack %q", line)
			}
		}
	}
	expect(Opening, "")
	tr.opened()
	expect(Ready, "")
	tr.fails(errors.New("first"), false)
	tr.fails(errors.New("second"), false)
	tr.fails(errors.New("third"), true)
	expect(Retrying, "third")
	tr.recovers()
	expect(Retrying, "third")
	tr.recovers()
	expect(Ready, "")
	tr.stop(errors.New("pin"))
	tr.stop(errors.New("another"))
	tr.fails(errors.New("fourth"), false)
	tr.recovers()
	tr.opened()
	expect(Stopped, "pin")
	if got := strings.Count(log.String(), "\n"); got != 3 {
		t.Errorf("%d log lines, want down, back and stopped:\n%s", got, &log)
	}
}

// TestMetricsAreDocumented: doc.go names every metric, and the causes are a closed list of distinct words.
func TestMetricsAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	set := metrics.NewSet()
	newMeters(set, "us-oci", func() State { return State{} })
	names := set.ListMetricNames()
	for _, name := range names {
		family, _, _ := strings.Cut(name, "{")
		if !strings.Contains(string(doc), "\t"+family) {
			t.Errorf("doc.go does not name %s", family)
		}
	}
	if want := len(Causes()) + int(statusCount) + 2 + 4; len(names) != want {
		t.Errorf("%d metrics, want %d: is a cause there twice?", len(names), want)
	}
}

func TestSequenceBeginsAgain(t *testing.T) {
	tk := &task{stream: &stream{sequence: math.MaxInt32 - 1}, piece: &piece{count: 3}}
	tk.accepted(7)
	if tk.stream.sequence != 1 || !tk.piece.stored || tk.piece.base != 7 {
		t.Errorf("after the last sequence numbers: %+v %+v", tk.stream, tk.piece)
	}
}
