package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/segmentio/kafka-go"

	"github.com/demarc/demarc/ledger"
	"github.com/demarc/demarc/ledger/writer"
)

// SequencerConfig is what a sequencer needs to know.
type SequencerConfig struct {
	Config
	Checkpoints string       // the topic in which it says what it signs
	UntilEnd    bool         // stop at the end that the entries topic has at the start
	Metrics     *metrics.Set // nil: a set of its own
}

// Sequencer puts the entries of the entries topic into the log, in an order that keeps FORMAT.md's promises. Give
// BeforeSign to the log that Run writes to.
type Sequencer struct {
	cfg     SequencerConfig
	cluster *cluster
	guard   *guard
	log     *slog.Logger
	ready   atomic.Bool

	ledger *writer.Log
	order  *order
	next   map[int32]int64 // first offset of each partition that was not read
	heads  map[int32]int64 // where each ended when it was read last
	ends   map[int32]int64 // with UntilEnd
	partly bool            // some of it could not be read last
	vigil  *vigil
	stuck  map[ledger.Stream]bool // of those it was told

	entered, refused, failed *metrics.Counter
	waiting, lag             atomic.Int64
}

// vigil is what waited at some time, and where the topic ended then. What still waits once all of that was read is
// stuck.
type vigil struct {
	waits []ledger.Via
	ends  map[int32]int64
}

// NewSequencer connects to nothing: Run does.
func NewSequencer(cfg SequencerConfig) *Sequencer {
	if cfg.Metrics == nil {
		cfg.Metrics = metrics.NewSet()
	}
	c := newCluster(cfg.Config, cfg.Topic, cfg.Checkpoints)
	s := &Sequencer{
		cfg: cfg, cluster: c, guard: newGuard(c, cfg.Checkpoints), log: c.log,
		next: map[int32]int64{}, heads: map[int32]int64{}, stuck: map[ledger.Stream]bool{},
		entered: cfg.Metrics.NewCounter("demarc_sequence_entries_total"),
		refused: cfg.Metrics.NewCounter("demarc_sequence_refused_total"),
		failed:  cfg.Metrics.NewCounter("demarc_sequence_errors_total"),
	}
	cfg.Metrics.NewGauge("demarc_sequence_waiting_partitions", func() float64 { return float64(s.waiting.Load()) })
	cfg.Metrics.NewGauge("demarc_sequence_lag", func() float64 { return float64(s.lag.Load()) })
	return s
}

// BeforeSign is for writer.Options: no checkpoint is signed without it.
func (s *Sequencer) BeforeSign(size uint64, root [32]byte) error {
	err := s.guard.beforeSign(size, root)
	if err != nil {
		s.failed.Inc()
	}
	return err
}

// Ready reports whether entries are read.
func (s *Sequencer) Ready() bool { return s.ready.Load() }

// ErrIncomplete is in the chain of Run's error if entries were refused or, with UntilEnd, still wait: they are not in
// the log, and the next start meets them again.
var ErrIncomplete = errors.New("entries are not in the log")

// Run sequences until ctx ends, which is no error, or with UntilEnd until the end. The log must be open with BeforeSign,
// and is closed by the caller, before Close. Errors: ErrUnfit and ErrOtherLog before anything is written, ErrTakenOver
// when another sequencer of this log was started, ErrIncomplete.
func (s *Sequencer) Run(ctx context.Context, log *writer.Log) error {
	s.ledger = log
	if err := s.begin(ctx); err != nil {
		return err
	}
	s.ready.Store(true)
	defer s.ready.Store(false)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-s.guard.lost:
			cancel()
		case <-ctx.Done():
		}
	}()
	err := s.sequence(ctx)
	select {
	case <-s.guard.lost:
		return fmt.Errorf("sign checkpoints: %w: another sequencer of log %s was started; stop one of them (if there is none, this one was held up for more than a minute while it recorded a checkpoint: start it again)", ErrTakenOver, log.Origin())
	default:
	}
	if err != nil && ctx.Err() == nil {
		return err
	}
	return s.verdict()
}

// Close ends all connections.
func (s *Sequencer) Close() error {
	s.cluster.close()
	return nil
}

// askLimit is how long the cluster may take to answer at the start.
const askLimit = 30 * time.Second

// begin finds out whether this log is the one to write to, and where to read on.
func (s *Sequencer) begin(ctx context.Context) error {
	asking, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	count, err := s.cluster.preflight(asking, s.cfg.Topic, entriesTopic)
	if err != nil {
		return err
	}
	if _, err := s.cluster.preflight(asking, s.cfg.Checkpoints, checkpointsTopic); err != nil {
		return err
	}
	newest, err := s.guard.enter(ctx, s.ledger.Origin(), s.ledger)
	if err != nil {
		return err
	}
	known, err := s.ledger.Admission(ctx)
	if err != nil {
		return err
	}
	s.order = newOrder(known)
	if newest == nil && s.ledger.Size() > 0 {
		s.log.Warn("no checkpoint record of this log: reading the entries topic from its beginning; if this folder is an older copy, nothing shows it", "topic", s.cfg.Checkpoints, "origin", s.ledger.Origin())
	}
	if err := s.place(ctx, count, newest); err != nil {
		return err
	}
	if s.cfg.UntilEnd {
		if s.ends, err = s.cluster.offsets(ctx, s.cfg.Topic, slices.Collect(maps.Keys(s.next)), kafka.LastOffset); err != nil {
			return err
		}
	}
	s.log.Info("sequencing", "topic", s.cfg.Topic, "partitions", count, "log", s.ledger.Origin(), "size", s.ledger.Size())
	return nil
}

// place says where each partition is read from: where the newest vow says that nothing below is left to do, else from
// its first record. What the log holds already is recognised. What retention has deleted before it was read is missed.
func (s *Sequencer) place(ctx context.Context, count int32, newest *vow) error {
	var partitions []int32
	for p := range count {
		partitions = append(partitions, p)
	}
	starts, err := s.cluster.offsets(ctx, s.cfg.Topic, partitions, kafka.FirstOffset)
	if err != nil {
		return err
	}
	ends, err := s.cluster.offsets(ctx, s.cfg.Topic, partitions, kafka.LastOffset)
	if err != nil {
		return err
	}
	var gone []error
	for _, p := range partitions {
		var due, had int64
		if taken, ok := s.ledger.Taken(p); ok {
			due, had = taken+1, taken+1
		}
		s.next[p] = starts[p]
		if newest != nil {
			if mark, ok := newest.Next[p]; ok {
				due, had, s.next[p] = mark, max(had, mark), mark
			}
		}
		switch {
		case had > ends[p]:
			gone = append(gone, unfit("%s/%d ends at offset %d, and the log has taken what lay below %d: %s", s.cfg.Topic, p, ends[p], had, anew))
		case due < starts[p]:
			gone = append(gone, fmt.Errorf("%w: offsets %d to %d of %s/%d were deleted before they were sequenced: source ranges are missing for ever; keep what the topic has (retention.ms=-1), begin a new ledger with a new topic, and record why",
				ErrIncomplete, due, starts[p]-1, s.cfg.Topic, p))
		}
	}
	return errors.Join(gone...)
}

// anew is what to do about a topic that is another than the log tells of.
const anew = "the topic was created anew, or its brokers have lost records; a log takes the entries of one topic: begin a new ledger with this one, the old one still verifies, and record why"

// sequence reads and appends until ctx ends or the end is reached.
func (s *Sequencer) sequence(ctx context.Context) error {
	for failures := 0; ctx.Err() == nil && !s.atEnd(); {
		err := s.grow(ctx)
		if err == nil {
			err = s.cycle(ctx)
		}
		if err == nil {
			failures = 0
			continue
		}
		if ctx.Err() == nil {
			s.failed.Inc()
		}
		switch {
		case errors.Is(err, kafka.OffsetOutOfRange):
			return fmt.Errorf("sequence %s: %w (retention was faster, or %s)", s.cfg.Topic, err, anew)
		case errors.Is(err, errForGood), errors.Is(err, ledger.ErrRefused):
			return fmt.Errorf("sequence %s: %w", s.cfg.Topic, err)
		case failures == 0 && ctx.Err() == nil:
			s.log.Warn("entries cannot be read, retrying", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause(failures + 5)):
		}
		failures++
	}
	return nil
}

// cycle takes in what there is. The common partition comes first, up to where it ended when the others had been read:
// so a policy and pins that were appended before a range enter the log before it.
func (s *Sequencer) cycle(ctx context.Context) error {
	runs, err := s.cluster.read(ctx, s.cfg.Topic, s.next, longPoll)
	if err != nil && (len(runs) == 0 || errors.Is(err, errForGood) || errors.Is(err, kafka.OffsetOutOfRange)) {
		return err
	}
	if err != nil {
		s.failed.Inc()
		if !s.partly { // else it has been said
			s.log.Warn("part of the entries cannot be read, retrying", "error", err)
		}
	}
	s.partly = err != nil
	var others []int32
	for p, r := range runs {
		s.heads[p] = r.end
		if p != commons && r.next > s.next[p] {
			others = append(others, p)
		}
	}
	end := s.next[commons]
	if len(others) > 0 {
		ends, err := s.cluster.offsets(ctx, s.cfg.Topic, []int32{commons}, kafka.LastOffset)
		if err != nil {
			return err
		}
		end = ends[commons]
	}
	if r, ok := runs[commons]; ok {
		if err := s.enter(ctx, commons, r.records, r.next); err != nil {
			return err
		}
	}
	for s.next[commons] < end {
		more, err := s.cluster.read(ctx, s.cfg.Topic, map[int32]int64{commons: s.next[commons]}, longPoll)
		if err != nil {
			return err
		}
		if err := s.enter(ctx, commons, more[commons].records, more[commons].next); err != nil {
			return err
		}
	}
	slices.Sort(others)
	for _, p := range others {
		if err := s.enter(ctx, p, runs[p].records, runs[p].next); err != nil {
			return err
		}
	}
	s.settle()
	s.watch()
	return nil
}

// enter takes in records of one partition, and returns once what of them enters the log is durable. Crash from here on:
// they are read again, and known.
func (s *Sequencer) enter(ctx context.Context, partition int32, records []stored, next int64) error {
	var ready []ledger.Entry
	for _, r := range records {
		some, err := s.order.take(r)
		if err != nil {
			s.refused.Inc()
			s.log.Error("entry refused, it is not in the log; nothing more of its source partition is", "topic", s.cfg.Topic, "error", err)
		}
		ready = append(ready, some...)
	}
	for failures := 0; len(ready) > 0; failures++ {
		err := s.ledger.Append(ctx, ready)
		if err == nil {
			s.entered.Add(len(ready))
			break
		}
		if errors.Is(err, ledger.ErrRefused) || errors.Is(err, writer.ErrClosed) {
			return fmt.Errorf("the log does not take what should follow: %w: %w", errForGood, err)
		}
		s.failed.Inc()
		if failures == 0 {
			s.log.Error("ledger cannot be written, entries wait", "error", err)
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause(failures + 5)):
		}
	}
	s.next[partition] = max(s.next[partition], next)
	return nil
}

// settle is the end of a cycle: all that could enter is durable.
func (s *Sequencer) settle() {
	for p, offset := range s.order.rewind {
		s.next[p] = min(s.next[p], offset)
	}
	clear(s.order.rewind)
	marks := map[int32]int64{}
	for p, next := range s.next {
		marks[p] = s.order.mark(p, next)
	}
	s.guard.setMark(s.ledger.Size(), marks)
	s.waiting.Store(int64(s.order.pending()))
	var lag int64
	for p, head := range s.heads {
		lag += max(0, head-s.next[p])
	}
	s.lag.Store(lag)
}

// grow finds partitions that the topic was given since. The answer is of the transport's cache.
func (s *Sequencer) grow(ctx context.Context) error {
	count, _, err := s.cluster.leaders(ctx, s.cfg.Topic)
	for p := int32(len(s.next)); p < count; p++ {
		s.next[p] = 0
		s.log.Warn("entries topic has another partition; running instances refuse to take lanes over until all are restarted", "topic", s.cfg.Topic, "partition", p)
	}
	return err
}

func (s *Sequencer) atEnd() bool {
	for p, end := range s.ends {
		if s.next[p] < end {
			return false
		}
	}
	return s.ends != nil
}

// watch tells once of each source partition whose entries wait although all that the topic had when they began to has
// been read: those before them are not on their way. The topic may never be quiet.
func (s *Sequencer) watch() {
	maps.DeleteFunc(s.stuck, func(stream ledger.Stream, _ bool) bool { return !s.order.waits(stream) })
	if s.vigil == nil {
		if s.order.pending() > 0 {
			s.vigil = &vigil{waits: slices.Collect(maps.Keys(s.order.open)), ends: maps.Clone(s.heads)}
		}
		return
	}
	for p, end := range s.vigil.ends {
		if s.next[p] < end {
			return
		}
	}
	for _, via := range s.vigil.waits {
		o, open := s.order.open[via]
		if !open || o.refused || s.stuck[o.stream] {
			continue
		}
		s.stuck[o.stream] = true
		s.log.Error("entries wait for others that are not in the topic", "topic", s.cfg.Topic, "partition", via.Partition, "offset", via.Offset, "error", o.cause)
	}
	s.vigil = nil
}

// verdict says what is not in the log.
func (s *Sequencer) verdict() error {
	var faults []error
	for via, o := range s.order.open {
		if !o.refused && !s.cfg.UntilEnd {
			continue
		}
		if len(faults) == 10 {
			return errors.Join(append(faults, fmt.Errorf("%w: and others", ErrIncomplete))...)
		}
		faults = append(faults, fmt.Errorf("%w: %d/%d of %s: %w", ErrIncomplete, via.Partition, via.Offset, s.cfg.Topic, o.cause))
	}
	return errors.Join(faults...)
}
