package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/segmentio/kafka-go"

	"github.com/demarc/demarc/classifier"
	"github.com/demarc/demarc/ledger/relay"
	"github.com/demarc/demarc/ledger/writer"
	"github.com/demarc/demarc/router"
	"github.com/demarc/demarc/sinks"
)

// sink is what this package asks of a sink; the router asks the rest.
type sink interface {
	router.Sink
	State() sinks.State
}

// service is one router with its sinks, wired from a policy and the settings. Nothing runs before start.
type service struct {
	policy   *classifier.Policy
	config   *configuration
	untilEnd bool
	log      *slog.Logger
	metrics  *metrics.Set
	source   credentials
	sourceID string // cluster id, known from openSource on
	sinks    []sink // in policy order
	late     late
	ledger   *writer.Log     // nil: this process writes no log
	relay    *relay.Appender // nil: this process is not one of several
	geo      *router.Geo     // nil: the policy reads no address
	router   *router.Router
	started  time.Time
}

func newService(p *classifier.Policy, c *configuration, untilEnd bool, evidence *writer.Log, log *slog.Logger) (*service, error) {
	s := &service{
		policy: p, config: c, untilEnd: untilEnd, ledger: evidence, log: log, metrics: metrics.NewSet(), started: time.Now(),
	}
	var err error
	if s.source, err = c.Source.open(envPrefix); err != nil {
		return nil, err
	}
	for i := range p.Sinks {
		built, err := s.newSink(&p.Sinks[i])
		if err != nil {
			return nil, err
		}
		s.sinks = append(s.sinks, built)
	}
	if p.ReadsIP() {
		if s.geo, err = router.OpenGeo(c.GeoDB, p.GeoMaxAge, time.Now(), log); err != nil {
			return nil, usageError(fmt.Errorf("%w; the policy reads an address, so demarc does not start without a database: set DEMARC_GEO_DB to a good one", err))
		}
	}
	start := kafka.FirstOffset
	if c.Start == "latest" {
		start = kafka.LastOffset
	}
	routed := make([]router.Sink, len(s.sinks))
	for i, built := range s.sinks {
		routed[i] = built
	}
	var keeper router.Ledger
	if evidence != nil {
		keeper = folder{evidence}
		showLedger(s.metrics, evidence)
	}
	if s.relay, err = c.newAppender(log); err != nil {
		return nil, err
	}
	if s.relay != nil {
		keeper = s.relay
	}
	s.router, err = router.New(router.Config{
		Brokers: c.Brokers, Topics: c.Topics, Group: c.Group, Start: start,
		Dial: s.source.dial, SASL: s.source.sasl, ClientID: clientID, UntilEnd: untilEnd,
		Lanes: c.Lanes, Window: c.Window, FetchBytes: int(c.FetchBytes), PartitionBytes: int(c.PartitionBytes),
		Memory: int(c.Memory), MaxBatchBytes: int(c.MaxBatchBytes),
		SessionTimeout: c.SessionTimeout, DrainLimit: c.DrainLimit, CommitInterval: c.CommitInterval,
		Ledger: keeper, Program: version(), Metrics: s.metrics, Log: log,
	}, classifier.New(p), s.geo, routed)
	if err != nil {
		return nil, usageError(fmt.Errorf("build router: %w", err))
	}
	return s, nil
}

// clientID is how brokers' logs and quotas name demarc's connections.
const clientID = "demarc"

func (s *service) newSink(p *classifier.Sink) (sink, error) {
	if p.File != nil {
		return sinks.NewFile(sinks.FileConfig{Name: p.Name, Dir: p.File.Dir, Metrics: s.metrics, Log: s.log}), nil
	}
	cfg, err := s.config.kafkaSink(p)
	if err != nil {
		return nil, err
	}
	cfg.Metrics, cfg.Log = s.metrics, s.log
	return sinks.NewKafka(cfg), nil
}

// kafkaSink is how to reach a Kafka sink of a policy.
func (c *configuration) kafkaSink(p *classifier.Sink) (sinks.KafkaConfig, error) {
	pins, err := readPins(p)
	if err != nil {
		return sinks.KafkaConfig{}, err
	}
	conn := c.Sinks[p.Name]
	prefix := sinkPrefix + sinkVariable(p.Name) + "_"
	if len(pins.TLSSPKISHA256) > 0 && !conn.TLS {
		return sinks.KafkaConfig{}, usageError(fmt.Errorf("sink %s: the policy pins its TLS key, but TLS is off; set %sTLS=true", p.Name, prefix))
	}
	access, err := conn.open(prefix)
	if err != nil {
		return sinks.KafkaConfig{}, err
	}
	return sinks.KafkaConfig{
		Name: p.Name, Brokers: p.Kafka.Brokers, Topic: p.Kafka.Topic, Partitions: p.Kafka.Partitions,
		Pins: pins, TLS: access.tls, SASL: access.sasl, ClientID: clientID,
	}, nil
}

func readPins(p *classifier.Sink) (sinks.Pins, error) {
	pins := sinks.Pins{ClusterID: p.Pins.ClusterID}
	for _, text := range p.Pins.TLSSPKISHA256 {
		pin, err := sinks.ParseSPKIPin(text)
		if err != nil {
			return pins, usageError(fmt.Errorf("sink %s: %w", p.Name, err))
		}
		pins.TLSSPKISHA256 = append(pins.TLSSPKISHA256, pin)
	}
	for _, text := range p.Pins.Addresses {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return pins, usageError(fmt.Errorf("sink %s: read address pin: %w", p.Name, err))
		}
		pins.Addresses = append(pins.Addresses, prefix)
	}
	return pins, nil
}

// openSource makes sure that the source cluster can be reached and has the topics.
func (s *service) openSource(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	transport := &kafka.Transport{Dial: s.source.dial, SASL: s.source.sasl, ClientID: clientID, MetadataTopics: s.config.Topics}
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(s.config.Brokers...), Transport: transport}
	meta, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: s.config.Topics})
	if err != nil {
		return &exit{code: sourceCode(err), cause: fmt.Errorf("reach source %s: %w; look at DEMARC_BROKERS and its TLS and SASL settings", strings.Join(s.config.Brokers, ","), err)}
	}
	var faults []error
	for _, t := range meta.Topics {
		if t.Error != nil {
			faults = append(faults, fmt.Errorf("source topic %s: %w; create it, or look at DEMARC_TOPICS and the ACLs of the topic", t.Name, t.Error))
		}
	}
	if len(faults) > 0 {
		return usageError(errors.Join(faults...))
	}
	s.sourceID = meta.ClusterID
	return nil
}

// sourceCode tells a source that refuses demarc, or that demarc refuses, from one that could not be asked.
func sourceCode(err error) int {
	_, certificate := errors.AsType[*tls.CertificateVerificationError](err)
	if certificate || errors.Is(err, kafka.SASLAuthenticationFailed) || errors.Is(err, kafka.UnsupportedSASLMechanism) {
		return exitUsage
	}
	return exitUnknown
}

// close ends the sinks and the way to the ledger.
func (s *service) close() error {
	var failed []error
	if s.relay != nil {
		if err := s.relay.Close(); err != nil {
			failed = append(failed, fmt.Errorf("close the ledger's topic: %w", err))
		}
	}
	for i, built := range s.sinks {
		if err := built.Close(); err != nil {
			failed = append(failed, fmt.Errorf("close sink %s: %w", s.policy.Sinks[i].Name, err))
		}
	}
	return errors.Join(failed...)
}

// ready is what /readyz answers: every sink takes batches, the group has assigned and no partition holds.
func (s *service) ready() readiness {
	r := readiness{Ready: true}
	for i, built := range s.sinks {
		state := built.State()
		name := s.policy.Sinks[i].Name
		cause := state.Err
		if cause == "" {
			cause = s.late.cause(i)
		}
		r.Sinks = append(r.Sinks, sinkState{Name: name, State: state.Status.String(), Reason: cause})
		if state.Status != sinks.Ready {
			r.Ready = false
			r.Reasons = append(r.Reasons, "sink "+name+" is "+state.Status.String())
		}
	}
	if why := s.router.Apart(); why != "" {
		r.Ready = false
		r.Reasons = append(r.Reasons, "waiting for the group to assign partitions: "+why)
	}
	for source, err := range s.router.Stopped() {
		r.Ready = false
		r.Reasons = append(r.Reasons, fmt.Sprintf("partition %s holds: %v", source, err))
	}
	return r
}

// place says where a sink is, for the log.
func place(p *classifier.Sink) string {
	where := p.Location.Country.String() + "/" + p.Location.Region
	if p.File != nil {
		return where + " directory " + p.File.Dir
	}
	return where + " topic " + p.Kafka.Topic + " at " + strings.Join(p.Kafka.Brokers, ",")
}

// describePins says what a sink is recognised by.
func describePins(p *classifier.Sink) string {
	var parts []string
	if p.Pins.ClusterID != "" {
		parts = append(parts, "cluster_id="+p.Pins.ClusterID)
	}
	if len(p.Pins.TLSSPKISHA256) > 0 {
		parts = append(parts, "tls_spki_sha256="+strings.Join(p.Pins.TLSSPKISHA256, ","))
	}
	if len(p.Pins.Addresses) > 0 {
		parts = append(parts, "addresses="+strings.Join(p.Pins.Addresses, ","))
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, " ")
}

// kafkaSinks names the sinks that have settings of their own.
func kafkaSinks(p *classifier.Policy) []string {
	names := []string{}
	for i := range p.Sinks {
		if p.Sinks[i].Kafka != nil {
			names = append(names, p.Sinks[i].Name)
		}
	}
	return names
}

// stopped is a partition that holds, as the exit code tells it.
func (s *service) stopped(err error) error {
	if err != nil && len(s.router.Stopped()) > 0 {
		return &exit{code: exitNo, cause: err}
	}
	return err
}

// logTotals says what became of everything that was read.
func (s *service) logTotals(message string) {
	var consumed, delivered, quarantined, inFlight, control, absent, givenUp int64
	for _, a := range s.router.Accounts() {
		consumed, delivered, quarantined = consumed+a.Consumed, delivered+a.Delivered, quarantined+a.Quarantined
		inFlight, control, absent = inFlight+a.InFlight, control+a.Control, absent+a.Absent
		givenUp += a.GivenUp
	}
	s.log.Info(message, "consumed", consumed, "delivered", delivered, "quarantined", quarantined,
		"in_flight", inFlight, "control", control, "absent", absent, "given_up", givenUp)
}
