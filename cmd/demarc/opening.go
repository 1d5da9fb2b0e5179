package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/demarc/demarc/classifier"
	"github.com/demarc/demarc/sinks"
)

// openTimeout is how long the source and all sinks may take to answer at the start, and a sink that comes late
// at each attempt.
const openTimeout = 30 * time.Second

// openSinks proves every sink before the first record is read, all side by side, and reports all that fail. A
// sink that is another place than its pins say stays stopped while the others work, as it would on a later
// connection. A Kafka sink that cannot be reached comes late: its records wait, as for one that goes down later.
// Anything else, and no sink left to work with, ends the start. A sink that is refused outweighs one that could
// not be asked.
func (s *service) openSinks(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	answers := make([]error, len(s.sinks))
	var asked sync.WaitGroup
	for i := range s.sinks {
		asked.Go(func() { answers[i] = s.open(ctx, i) })
	}
	asked.Wait()
	var failed, stopped []error
	open, code := 0, exitUnknown
	for i, err := range answers {
		refused, ok := errors.AsType[*sinks.RefusedError](err)
		_, loop := errors.AsType[*exit](err)
		switch {
		case err == nil:
			open++
		case ok && refused.Pinned():
			stopped = append(stopped, err)
		case ok || loop:
			code = exitUsage
			failed = append(failed, err)
		case s.mayComeLate(i):
			s.late.set(i, err)
		default:
			failed = append(failed, err)
		}
	}
	if len(failed) == 0 && open > 0 {
		return nil
	}
	if len(stopped) == len(s.sinks) {
		code = exitUsage
	}
	return &exit{code: code, cause: errors.Join(slices.Concat(failed, s.late.causes(), stopped)...)}
}

// open opens one sink and makes sure that it does not lead back into the source.
func (s *service) open(ctx context.Context, i int) error {
	if err := s.sinks[i].Open(ctx); err != nil {
		return err
	}
	p := &s.policy.Sinks[i]
	if k, ok := s.sinks[i].(*sinks.Kafka); ok && s.isLoop(p, k.ClusterID()) {
		return s.loopError(p)
	}
	s.log.Info("sink is open", "sink", p.Name, "place", place(p), "pins", describePins(p))
	return nil
}

// refuseLoops finds sinks that the policy itself names as a source topic, before anything is opened.
func (s *service) refuseLoops() error {
	var faults []error
	for i := range s.policy.Sinks {
		if p := &s.policy.Sinks[i]; p.Pins.ClusterID != "" && s.isLoop(p, p.Pins.ClusterID) {
			faults = append(faults, s.loopError(p))
		}
	}
	return errors.Join(faults...)
}

// isLoop reports whether what is written to a sink of the given cluster would be read again.
func (s *service) isLoop(p *classifier.Sink, cluster string) bool {
	return s.readsTopicOf(p) && cluster == s.sourceID
}

// readsTopicOf reports whether a sink's topic has the name of a source topic.
func (s *service) readsTopicOf(p *classifier.Sink) bool {
	return p.Kafka != nil && slices.Contains(s.config.Topics, p.Kafka.Topic)
}

func (s *service) loopError(p *classifier.Sink) error {
	return usageError(fmt.Errorf("sink %s writes to topic %s of cluster %s, which DEMARC_TOPICS reads: every record would go round without end; give the sink a topic of its own",
		p.Name, p.Kafka.Topic, s.sourceID))
}

// mayComeLate reports whether the service can start without a sink that cannot be reached. Until the end
// something has to be there. A sink that has the name of a source topic and no pinned cluster could turn out to
// be that topic.
func (s *service) mayComeLate(i int) bool {
	p := &s.policy.Sinks[i]
	return !s.untilEnd && p.Kafka != nil && (p.Pins.ClusterID != "" || !s.readsTopicOf(p))
}

// late holds the sinks that could not be reached at the start, by their index, and why.
type late struct {
	mu    sync.Mutex
	sinks map[int]error
}

func (l *late) set(i int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sinks == nil {
		l.sinks = map[int]error{}
	}
	if l.sinks[i] = err; err == nil {
		delete(l.sinks, i)
	}
}

// cause says why a sink is not open yet; empty when it is.
func (l *late) cause(i int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.sinks[i]; err != nil {
		return err.Error()
	}
	return ""
}

// causes lists what the sinks wait for, in policy order.
func (l *late) causes() []error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []error
	for _, i := range l.indexes() {
		list = append(list, l.sinks[i])
	}
	return list
}

func (l *late) indexes() []int {
	var list []int
	for i := range l.sinks {
		list = append(list, i)
	}
	slices.Sort(list)
	return list
}

// openLate goes on trying to open the sinks that could not be reached. The function it returns ends that.
func (s *service) openLate() (end func()) {
	ctx, cancel := context.WithCancel(context.Background()) // a drain still wants the sink
	var opening sync.WaitGroup
	for _, i := range s.late.indexes() {
		s.log.Error("sink cannot be reached, starting without it: its records wait", "sink", s.policy.Sinks[i].Name, "error", s.late.cause(i))
		opening.Go(func() { s.keepOpening(ctx, i) })
	}
	return func() {
		cancel()
		opening.Wait()
	}
}

// Pauses between attempts to open a sink that comes late.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
)

// keepOpening tries until the sink is open or proves to be another place, for which it has stopped itself. Any
// other refusal can be mended on the sink's side, as at the start, but only the next attempt shows it.
func (s *service) keepOpening(ctx context.Context, i int) {
	name := s.policy.Sinks[i].Name
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		attempt, cancel := context.WithTimeout(ctx, openTimeout)
		err := s.open(attempt, i)
		cancel()
		if ctx.Err() != nil {
			return
		}
		refused, ok := errors.AsType[*sinks.RefusedError](err)
		if err == nil || ok && refused.Pinned() {
			s.late.set(i, nil)
			return
		}
		if before := s.late.cause(i); err.Error() != before {
			s.log.Error("sink cannot be opened, its records wait; trying again", "sink", name, "refused", ok, "error", err)
		}
		s.late.set(i, err)
	}
}
