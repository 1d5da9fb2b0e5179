package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/segmentio/kafka-go"

	"github.com/demarc/demarc/internal/dashboard"
	"github.com/demarc/demarc/ledger"
	"github.com/demarc/demarc/ledger/relay"
	"github.com/demarc/demarc/ledger/writer"
)

type sequenceCmd struct {
	UntilEnd bool `help:"Stop at the end that the entries topic has at the start; exit 1 if an entry up to there is not in the ledger."`
}

func (sequenceCmd) Help() string {
	return `With several instances of demarc run, each appends to the topic DEMARC_LEDGER_TOPIC instead of a folder. This command puts what it finds there into the folder DEMARC_LEDGER, in order. Run one of it. It says in DEMARC_LEDGER_CHECKPOINTS_TOPIC what it is about to sign, so that no older copy of the folder, and no second process, can sign another history. It can be stopped and killed at any time; the instances do not need it to go on.

Exit code 1: entries contradict each other, or another process took over; the log names which.

Example:

    DEMARC_LEDGER=/var/lib/demarc/ledger DEMARC_LEDGER_BROKERS=kafka-1:9092 DEMARC_LEDGER_TOPIC=demarc.entries DEMARC_LEDGER_CHECKPOINTS_TOPIC=demarc.checkpoints demarc sequence`
}

func (cmd sequenceCmd) Run(s *streams) (err error) {
	c, err := configure(s.environ, nil)
	if err := errors.Join(err, c.completeSequence()); err != nil {
		return err
	}
	log := newLogger(newTerminal(s.err), &c.settings)
	config, err := c.ledgerCluster(log)
	if err != nil {
		return err
	}
	set := metrics.NewSet()
	seq := relay.NewSequencer(relay.SequencerConfig{Config: config, Checkpoints: c.LedgerCheckpoints, UntilEnd: cmd.UntilEnd, Metrics: set})
	defer func() { err = errors.Join(err, seq.Close()) }()
	evidence, err := openFolder(context.Background(), &c.settings, log, writer.Options{BeforeSign: seq.BeforeSign})
	if err != nil {
		return err
	}
	showLedger(set, evidence)
	web, err := listen(c.Listen, set, func() readiness { return sequencing(seq) }, tilesOnly(c.Ledger))
	if err != nil {
		return errors.Join(err, abandonFolder(evidence))
	}
	defer web.close()
	go func() {
		if err := web.serve(); err != nil {
			log.Error("metrics and readiness are gone, entries are still sequenced", "error", err)
		}
	}()
	log.Info("starting", "version", version(), "ledger", c.Ledger, "topic", c.LedgerTopic, "listen", web.listener.Addr().String())
	ctx, release := untilSignal(log, func() {})
	defer release()
	err = seq.Run(ctx, evidence)
	if errors.Is(err, relay.ErrTakenOver) || errors.Is(err, relay.ErrOtherLog) || errors.Is(err, relay.ErrUnfit) {
		return errors.Join(sequenceExit(err), abandonFolder(evidence))
	}
	return sequenceExit(errors.Join(err, closeFolder(evidence)))
}

// sequenceExit gives a sequencer's error its exit code.
func sequenceExit(err error) error {
	switch {
	case errors.Is(err, relay.ErrUnfit), errors.Is(err, relay.ErrOtherLog):
		return usageError(err)
	case errors.Is(err, relay.ErrIncomplete), errors.Is(err, relay.ErrTakenOver):
		return &exit{code: exitNo, cause: err}
	case err != nil && sourceCode(err) == exitUsage:
		return usageError(fmt.Errorf("%w; look at DEMARC_LEDGER_BROKERS and its TLS and SASL settings", err))
	}
	return err
}

func sequencing(s *relay.Sequencer) readiness {
	if s.Ready() {
		return readiness{Ready: true}
	}
	return readiness{Reasons: []string{"the ledger's topics have not been read yet"}}
}

// tilesOnly serves a ledger's public files and nothing else.
func tilesOnly(dir string) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /ledger/", dashboard.Tiles(dir))
	return mux
}

// abandonFolder gives a folder back whose checkpoint this process is not to sign.
func abandonFolder(log *writer.Log) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Nanosecond)
	defer cancel()
	_ = log.Close(ctx) // says that the last checkpoint is missing
	return nil
}

// completeSequence refuses settings without which there is nothing to sequence.
func (c *configuration) completeSequence() error {
	var faults []error
	for _, s := range []struct{ value, name, meaning string }{
		{c.Ledger, "LEDGER", "the folder to write, made by demarc ledger init"},
		{c.LedgerTopic, "LEDGER_TOPIC", "the topic that the instances append to"},
		{c.LedgerCheckpoints, "LEDGER_CHECKPOINTS_TOPIC", "the topic to say in what is signed"},
		{strings.Join(c.ledgerBrokers(), ","), "LEDGER_BROKERS", "the cluster of both topics; DEMARC_BROKERS will do if that is the source's"},
	} {
		if s.value == "" {
			faults = append(faults, fmt.Errorf("%s%s is not set: %s", envPrefix, s.name, s.meaning))
		}
	}
	if len(faults) > 0 {
		return usageError(errors.Join(faults...))
	}
	return nil
}

// oneLedger refuses two places for the evidence of one process.
func (c *configuration) oneLedger() error {
	if c.Ledger == "" || c.LedgerTopic == "" {
		return nil
	}
	return usageError(fmt.Errorf("%sLEDGER and %sLEDGER_TOPIC are both set: an instance writes a folder of its own or appends to the topic of several; the folder belongs to demarc sequence", envPrefix, envPrefix))
}

func (c *configuration) ledgerBrokers() []string {
	if len(c.LedgerBrokers) > 0 {
		return c.LedgerBrokers
	}
	return c.Brokers
}

// ledgerCluster is how to reach the ledger's topics: by settings of their own, or as the source.
func (c *configuration) ledgerCluster(log *slog.Logger) (relay.Config, error) {
	access, err := c.LedgerConnection.open(ledgerPrefix)
	if len(c.LedgerBrokers) == 0 {
		access, err = c.Source.open(envPrefix)
	}
	return relay.Config{
		Brokers: c.ledgerBrokers(), Topic: c.LedgerTopic, Dial: access.dial, SASL: access.sasl, ClientID: clientID, Log: log,
	}, err
}

// newAppender is this instance's end of the entries topic; nil if there is none.
func (c *configuration) newAppender(log *slog.Logger) (*relay.Appender, error) {
	if c.LedgerTopic == "" {
		return nil, nil
	}
	config, err := c.ledgerCluster(log)
	if err != nil {
		return nil, err
	}
	return relay.NewAppender(relay.AppenderConfig{Config: config, Group: c.Group, Lanes: c.Lanes}), nil
}

func openAppender(ctx context.Context, a *relay.Appender) error {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	err := a.Open(ctx)
	switch {
	case errors.Is(err, relay.ErrUnfit):
		return usageError(err)
	case err != nil:
		return &exit{code: sourceCode(err), cause: fmt.Errorf("open the ledger's topic: %w; look at DEMARC_LEDGER_BROKERS and its TLS and SASL settings", err)}
	}
	return nil
}

// keeper is where gap writes to: a folder, or the topic of several instances.
type keeper interface {
	Resume(ctx context.Context, partitions []ledger.Stream) (map[ledger.Stream]int64, error)
	Append(ctx context.Context, entries []ledger.Entry) error
}

// openKeeper opens what the settings name. The topic's lane is taken over from whoever has it: the group must be empty.
func (c *configuration) openKeeper(ctx context.Context, source *kafka.Client, log *slog.Logger) (keeper, func() error, error) {
	if c.LedgerTopic == "" {
		evidence, err := openFolder(ctx, &c.settings, log, writer.Options{})
		return folder{evidence}, func() error { return closeFolder(evidence) }, err
	}
	groups, err := source.DescribeGroups(ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{c.Group}})
	if err != nil {
		return nil, nil, fmt.Errorf("ask who is in group %s: %w", c.Group, err)
	}
	for _, g := range groups.Groups {
		if len(g.Members) > 0 {
			return nil, nil, usageError(fmt.Errorf("group %s has %d members: stop all instances first", c.Group, len(g.Members)))
		}
	}
	a, err := c.newAppender(log)
	if err == nil {
		err = openAppender(ctx, a)
	}
	if err != nil {
		return nil, nil, err
	}
	return a, a.Close, nil
}
