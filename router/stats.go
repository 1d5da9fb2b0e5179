package router

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/segmentio/kafka-go"

	"github.com/demarc/demarc/internal/record"
)

// stats are the router's metrics. Labels come from closed lists: topics of the configuration, jurisdictions,
// reasons and sinks of the policy, error codes of the protocol. Nothing here runs per record.
type stats struct {
	router        *Router
	set           *metrics.Set
	jurisdictions []string
	signalNames   [][]byte

	mu       sync.Mutex
	outcomes map[outcomeKey][2]*metrics.Counter // records, bytes
	stopped  map[record.TopicPartition]error
	current  *generation
}

type outcomeKey struct {
	topic   string
	outcome record.Outcome
}

func newStats(r *Router) *stats {
	p := r.classifier.Policy()
	s := &stats{
		router: r, set: r.cfg.Metrics, jurisdictions: p.JurisdictionNames(),
		outcomes: map[outcomeKey][2]*metrics.Counter{}, stopped: map[record.TopicPartition]error{},
	}
	for _, signal := range p.Signals {
		s.signalNames = append(s.signalNames, []byte(signal.Name))
	}
	s.set.GetOrCreateGauge(fmt.Sprintf(`demarc_policy_info{version="%d",hash="%x"}`, p.Version, p.Hash), func() float64 { return 1 })
	s.set.GetOrCreateGauge(`demarc_policy_version`, func() float64 { return float64(p.Version) })
	s.set.GetOrCreateGauge(`demarc_in_flight_chunks`, s.inFlight)
	s.set.GetOrCreateGauge(`demarc_assigned_partitions`, s.assigned)
	if r.geo != nil {
		s.set.GetOrCreateGauge(`demarc_geo_age_seconds`, func() float64 { return r.now().Sub(r.geo.Current().Built()).Seconds() })
		s.set.GetOrCreateGauge(`demarc_geo_max_age_seconds`, func() float64 { return r.geo.maxAge.Seconds() })
		s.set.GetOrCreateGauge(`demarc_geo_expired`, func() float64 { return r.geo.expired(r.now()) })
		s.set.GetOrCreateGauge(`demarc_geo_refused_total`, func() float64 { return float64(r.geo.Refused()) })
	}
	return s
}

// settled counts the records of a chunk.
func (s *stats) settled(topic string, r *result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range r.outcomes {
		key := outcomeKey{topic, o.outcome}
		c, ok := s.outcomes[key]
		if !ok {
			labels := fmt.Sprintf(`{topic=%q,jurisdictions=%q,reason=%q,sink=%q}`, topic,
				o.outcome.Set.Join(s.jurisdictions), o.outcome.Reason, s.router.sinkName(int(o.outcome.Sink)))
			c = [2]*metrics.Counter{s.set.GetOrCreateCounter("demarc_records_total" + labels), s.set.GetOrCreateCounter("demarc_bytes_total" + labels)}
			s.outcomes[key] = c
		}
		c[0].Add(int(o.tally.Records))
		c[1].Add(int(o.tally.Bytes))
	}
	s.set.GetOrCreateCounter(fmt.Sprintf(`demarc_offsets_total{topic=%q,kind="control"}`, topic)).Add(int(r.control))
	s.set.GetOrCreateCounter(fmt.Sprintf(`demarc_offsets_total{topic=%q,kind="absent"}`, topic)).Add(int(r.absent))
}

// split counts source batches by how they went on: purity is the share of those that passed through.
func (s *stats) split(topic string, passed, rewritten int64) {
	s.set.GetOrCreateCounter(fmt.Sprintf(`demarc_source_batches_total{topic=%q,path="passed"}`, topic)).Add(int(passed))
	s.set.GetOrCreateCounter(fmt.Sprintf(`demarc_source_batches_total{topic=%q,path="rewritten"}`, topic)).Add(int(rewritten))
}

// acknowledged observes the time from the newest record's timestamp to the sink's acknowledgement.
func (s *stats) acknowledged(p *part) {
	name := fmt.Sprintf(`demarc_append_to_ack_seconds{sink=%q}`, s.router.sinkName(p.sink))
	s.set.GetOrCreateSummary(name).Update(max(0, s.router.now().Sub(time.UnixMilli(p.newest)).Seconds()))
}

func (s *stats) fetchError(label string) {
	s.set.GetOrCreateCounter(fmt.Sprintf(`demarc_fetch_errors_total{error=%q}`, label)).Inc()
}

func (s *stats) commitFailed() { s.set.GetOrCreateCounter(`demarc_commit_errors_total`).Inc() }

// ledgerAppended observes entries that are durable, and how long that took.
func (s *stats) ledgerAppended(entries int, took time.Duration) {
	s.set.GetOrCreateCounter(`demarc_ledger_entries_total`).Add(entries)
	s.set.GetOrCreateSummary(`demarc_ledger_append_seconds`).Update(took.Seconds())
}

func (s *stats) ledgerFailed() { s.set.GetOrCreateCounter(`demarc_ledger_errors_total`).Inc() }

func (s *stats) memberDiffers() { s.set.GetOrCreateCounter(`demarc_member_mismatch_total`).Inc() }

func (s *stats) rejoined() { s.set.GetOrCreateCounter(`demarc_group_join_errors_total`).Inc() }

// halted notes that a partition stopped.
func (s *stats) halted(tp record.TopicPartition, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped[tp] = err
	s.partitionGauge("demarc_partition_stopped", tp, func() float64 {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.stopped[tp] != nil {
			return 1
		}
		return 0
	})
}

// generation begins to report on newly assigned partitions. A partition that stopped gets another try.
func (s *stats) generation(g *generation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = g
	s.set.GetOrCreateCounter(`demarc_generations_total`).Inc()
	clear(s.stopped)
	for _, p := range g.fetcher.parts {
		s.partitionGauge("demarc_lag_offsets", p.tp, func() float64 { return s.lag(p.tp) })
	}
}

func (s *stats) partitionGauge(name string, tp record.TopicPartition, f func() float64) {
	s.set.GetOrCreateGauge(fmt.Sprintf(`%s{topic=%q,partition="%d"}`, name, tp.Topic, tp.Partition), f)
}

// lag is how many offsets lie between what has settled and the last stable offset; 0 for partitions that
// another process has now.
func (s *stats) lag(tp record.TopicPartition) float64 {
	s.mu.Lock()
	g := s.current
	s.mu.Unlock()
	for _, p := range g.fetcher.parts {
		if p.tp == tp {
			a := p.account.snapshot()
			a.Assigned = true
			return float64(a.Lag())
		}
	}
	return 0
}

func (s *stats) inFlight() float64 {
	s.mu.Lock()
	g := s.current
	s.mu.Unlock()
	if g == nil {
		return 0
	}
	g.fetcher.mu.Lock()
	defer g.fetcher.mu.Unlock()
	n := 0
	for _, p := range g.fetcher.parts {
		n += p.inFlight
	}
	return float64(n)
}

// reads says which partitions this process reads now.
func (s *stats) reads() map[record.TopicPartition]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil {
		return nil
	}
	all := make(map[record.TopicPartition]bool, len(s.current.fetcher.parts))
	for _, p := range s.current.fetcher.parts {
		all[p.tp] = true
	}
	return all
}

func (s *stats) assigned() float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil {
		return 0
	}
	return float64(len(s.current.fetcher.parts))
}

// Stopped says which partitions hold and why.
func (r *Router) Stopped() map[record.TopicPartition]error {
	r.stats.mu.Lock()
	defer r.stats.mu.Unlock()
	out := make(map[record.TopicPartition]error, len(r.stats.stopped))
	for tp, err := range r.stats.stopped {
		out[tp] = err
	}
	return out
}

// errorLabel is a protocol error as a metric label.
func errorLabel(code kafka.Error) string {
	return strings.ReplaceAll(strings.ToLower(code.Title()), " ", "_")
}
