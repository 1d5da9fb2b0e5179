package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/demarc/demarc/ledger/share"
	"github.com/demarc/demarc/ledger/writer"
)

type runCmd struct {
	Policy   string `arg:"" help:"Policy file."`
	UntilEnd bool   `help:"Stop, drained, at the end offsets seen at the start; exit 1 if a partition had to stop before."`
}

func (runCmd) Help() string {
	return `Settings come from the environment; "demarc config" lists them. With DEMARC_LEDGER, a folder that "demarc ledger init" made, or DEMARC_LEDGER_TOPIC, evidence of every record is kept; without them none is. A page at DEMARC_LISTEN follows the process. The first SIGTERM, SIGINT or SIGHUP delivers what is in flight and commits; a second one, a second or more later, gives it up, to be delivered again at the next start.

Example:

    DEMARC_BROKERS=kafka-1:9092 DEMARC_TOPICS=events DEMARC_LEDGER=/var/lib/demarc/ledger demarc run policy.yaml`
}

func (cmd runCmd) Run(s *streams) (err error) {
	p, warnings, err := loadPolicy(cmd.Policy, s)
	if err != nil {
		return err
	}
	c, err := configure(s.environ, kafkaSinks(p))
	if err := errors.Join(err, c.complete(), c.oneLedger()); err != nil {
		return err
	}
	screen := newTerminal(s.err)
	log := newLogger(screen, &c.settings)
	evidence, err := openFolder(context.Background(), &c.settings, log, writer.Options{Interval: time.Nanosecond}) // the router gathers entries itself
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeFolder(evidence)) }()
	if err := refuseVersion(context.Background(), evidence, p); err != nil {
		return err
	}
	svc, err := newService(p, c, cmd.UntilEnd, evidence, log)
	if err != nil {
		return err
	}
	web, err := listen(c.Listen, svc.metrics, svc.ready, svc.pages())
	if err != nil {
		return err
	}
	defer web.close()
	go func() {
		if err := web.serve(); err != nil {
			log.Error("page, metrics and readiness are gone, records still flow", "error", err)
		}
	}()
	log.Info("starting", "version", version(), "policy", p.ID(),
		"topics", c.Topics, "group", c.Group, "ledger", cmp.Or(c.Ledger, c.LedgerTopic, "none"), "listen", web.listener.Addr().String())

	for _, w := range warnings {
		log.Warn("policy", "at", fmt.Sprintf("%s:%d:%d", w.File, w.Line, w.Col), "warning", w.Message)
	}

	var gaveUp atomic.Bool
	ctx, release := untilSignal(log, func() {
		gaveUp.Store(true)
		svc.router.Abort()
	})
	defer release()
	begun := time.Now()
	err = svc.serve(ctx, screen)
	switch {
	case err != nil:
		return err
	case gaveUp.Load():
		return errors.New("stopped before everything in flight was committed; the next start delivers it again")
	case !cmd.UntilEnd:
		return nil
	case ctx.Err() != nil:
		return errors.New("stopped by a signal before the end was reached; the next start goes on from there")
	}
	counts := readAccounts(svc.router.Accounts(), time.Now()).counts
	fmt.Fprintf(s.out, "%s records in %s\n\n", share.Thousands(counts.total()), time.Since(begun).Round(time.Millisecond))
	return counts.writeRouting(s.out, p)
}

// complete refuses settings without which there is nothing to run.
func (c *configuration) complete() error {
	var faults []error
	if len(c.Brokers) == 0 {
		faults = append(faults, errors.New("DEMARC_BROKERS is not set: the source cluster, such as kafka-1:9092,kafka-2:9092"))
	}
	if len(c.Topics) == 0 {
		faults = append(faults, errors.New("DEMARC_TOPICS is not set: the topics to read, such as events,clicks"))
	}
	if len(faults) > 0 {
		return usageError(errors.Join(faults...))
	}
	return nil
}

// serve opens source and sinks, routes until ctx or the work ends, and closes the sinks.
func (s *service) serve(ctx context.Context, screen *terminal) (err error) {
	if err := s.openSource(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if s.relay != nil {
		if err := openAppender(ctx, s.relay); err != nil {
			return err
		}
	}
	if err := s.refuseLoops(); err != nil {
		return err
	}
	if err := s.openSinks(ctx); err != nil {
		return err
	}
	defer s.openLate()() // before the sinks are closed
	showing, hide := context.WithCancel(context.Background())
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		s.showProgress(showing, screen)
	}()
	s.log.Info("joining group; after a crash it waits for the lost member as long as its session lasts", "group", s.config.Group, "session_timeout", s.config.SessionTimeout)
	err = s.router.Run(ctx)
	hide()
	<-shown
	s.logTotals("stopped")
	return s.stopped(err)
}
