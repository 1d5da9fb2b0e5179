package sinks

import (
	"fmt"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/demarc/demarc/internal/record"
)

// meters are the metrics of one sink; doc.go describes them.
type meters struct {
	retries    map[Cause]*metrics.Counter
	refused    map[record.Reason]*metrics.Counter
	requests   *metrics.Counter
	bytes      *metrics.Counter
	seconds    *metrics.Summary
	duplicates *metrics.Counter
}

func newMeters(set *metrics.Set, sink string, state func() State) *meters {
	m := &meters{
		retries:    map[Cause]*metrics.Counter{},
		refused:    map[record.Reason]*metrics.Counter{},
		requests:   set.GetOrCreateCounter(fmt.Sprintf("demarc_sink_produce_requests_total{sink=%q}", sink)),
		bytes:      set.GetOrCreateCounter(fmt.Sprintf("demarc_sink_produce_bytes_total{sink=%q}", sink)),
		seconds:    set.GetOrCreateSummary(fmt.Sprintf("demarc_sink_produce_seconds{sink=%q}", sink)),
		duplicates: set.GetOrCreateCounter(fmt.Sprintf("demarc_sink_duplicates_possible_total{sink=%q}", sink)),
	}
	for _, c := range Causes() {
		m.retries[c] = set.GetOrCreateCounter(fmt.Sprintf("demarc_sink_retries_total{sink=%q,error=%q}", sink, c))
	}
	for _, r := range []record.Reason{record.TooLarge, record.Refused} {
		m.refused[r] = set.GetOrCreateCounter(fmt.Sprintf("demarc_sink_records_refused_total{sink=%q,reason=%q}", sink, r))
	}
	for s := range statusCount {
		set.GetOrCreateGauge(fmt.Sprintf("demarc_sink_state{sink=%q,state=%q}", sink, s), func() float64 {
			if state().Status == s {
				return 1
			}
			return 0
		})
	}
	return m
}

// sent counts one request of n bytes that began at start and has been answered.
func (m *meters) sent(n int, start time.Time) {
	m.requests.Inc()
	m.bytes.Add(n)
	m.seconds.UpdateDuration(start)
}
