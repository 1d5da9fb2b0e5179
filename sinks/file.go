package sinks

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/demarc/demarc/internal/record"
	"github.com/demarc/demarc/internal/wire"
)

// ErrClosed settles the batches that a sink still holds when it is closed.
var ErrClosed = errors.New("sink is closed")

// FileConfig says which directory a File writes to. Durations and sizes of zero take their defaults.
type FileConfig struct {
	Name            string        // of the sink in the policy
	Dir             string        // made if it is not there; one process at a time writes to it
	RollSize        int64         // bytes from which a file is sealed; default 256 MiB
	RollAge         time.Duration // age from which a file with records is sealed; default 10 min
	RetryBackoff    time.Duration // pause after the first failed commit, doubled with each; default 100 ms
	MaxRetryBackoff time.Duration // longest pause; default 5 s
	Metrics         *metrics.Set
	Log             *slog.Logger
}

// File is a sink that keeps records in a directory, in the layout that segment.go describes. A batch is settled
// when it is on the disk: commits run one after another, and each takes everything that has come in since the
// one before, of all lanes, with one sync per file. An error of the disk is no reason to settle: the file is
// given up behind what it holds for good, and its batches are written to a new one.
type File struct {
	cfg  FileConfig
	disk disk
	*tracker
	proof
	meters *meters

	mu     sync.Mutex
	queue  []*filed
	closed bool
	lock   *os.File
	wake   chan struct{} // holds one token when there is something for run to look at
	done   chan struct{} // closed when run has returned; nil before Open

	logs    map[record.TopicPartition]*shelf // run's own
	failure error                            // of the last sealing, for Close
}

// filed is one batch on its way to the disk.
type filed struct {
	*record.Batch
	ctx    context.Context
	once   sync.Once
	forget func() bool // takes back the watch on ctx
}

func (b *filed) settle(r record.Receipt, err error) {
	b.once.Do(func() { b.Settle(r, err) })
}

// shelf is a partition's log with what waits for it.
type shelf struct {
	log      *partitionLog
	queue    []*filed
	failures int
	due      time.Time // no attempt before
}

// NewFile makes a sink that does nothing before Open.
func NewFile(cfg FileConfig) *File {
	defaults(&cfg.RollSize, 256<<20)
	defaults(&cfg.RollAge, 10*time.Minute)
	defaults(&cfg.RetryBackoff, 100*time.Millisecond)
	defaults(&cfg.MaxRetryBackoff, 5*time.Second)
	f := &File{
		cfg: cfg, tracker: newTracker(cfg.Log, cfg.Name),
		wake: make(chan struct{}, 1), logs: map[record.TopicPartition]*shelf{},
	}
	f.meters = newMeters(cfg.Metrics, cfg.Name, f.State)
	return f
}

func defaults[T int64 | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

// Open takes the directory's lock and finishes what a crash has left unfinished. Unlike a topic, a directory that
// cannot be opened is no reason to wait: before Open has succeeded, Deliver settles with ErrClosed.
func (f *File) Open(ctx context.Context) error {
	if err := f.open(ctx); err != nil {
		if errors.Is(err, fs.ErrPermission) {
			err = &RefusedError{
				Sink: f.cfg.Name, Check: CheckDirectory, Expected: f.cfg.Dir + " to be writable", Seen: err.Error(),
				Hint: "chown or chmod the directory for the user that demarc runs as",
			}
		}
		if refused, ok := errors.AsType[*RefusedError](err); ok {
			return refused
		}
		return fmt.Errorf("open sink %s: %w", f.cfg.Name, err)
	}
	f.done = make(chan struct{})
	go f.run()
	f.proof.checked("directory", []string{f.cfg.Dir}, f.cfg.Dir, true) // its lock is ours
	f.proof.place("")
	f.opened()
	return nil
}

func (f *File) open(ctx context.Context) (err error) {
	if err := f.disk.mkdirAll(f.cfg.Dir); err != nil {
		return err
	}
	f.lock, err = lock(filepath.Join(f.cfg.Dir, lockName))
	if errors.Is(err, errLocked) {
		return &RefusedError{
			Sink: f.cfg.Name, Check: CheckDirectory, Expected: "to be the only writer of " + f.cfg.Dir, Seen: err.Error(),
			Hint: "stop the other process, or give this one another directory",
		}
	}
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.lock.Close())
		}
	}()
	entries, err := os.ReadDir(f.cfg.Dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		tp, ok := parsePartitionDir(e.Name())
		if !ok || !e.IsDir() {
			continue
		}
		if err := f.shelf(tp).log.recover(ctx, f.cfg.Name); err != nil {
			return err
		}
	}
	return nil
}

func (f *File) shelf(tp record.TopicPartition) *shelf {
	s := f.logs[tp]
	if s == nil {
		s = &shelf{log: &partitionLog{
			disk: f.disk, root: f.cfg.Dir, dir: partitionDir(tp), rollSize: f.cfg.RollSize, rollAge: f.cfg.RollAge,
		}}
		f.logs[tp] = s
	}
	return s
}

// Deliver queues b. Batches of one source partition are stored in the order of the calls. The lane is of no
// interest to a directory.
func (f *File) Deliver(ctx context.Context, _ int, b *record.Batch) {
	if err := checkBatch(b); err != nil {
		b.Settle(record.Receipt{}, err)
		return
	}
	if !record.IsTopic(b.Source.Topic) {
		b.Settle(record.Receipt{}, fmt.Errorf("deliver to sink %s: %q is no name of a topic", f.cfg.Name, b.Source.Topic))
		return
	}
	item := &filed{Batch: b, ctx: ctx}
	item.forget = context.AfterFunc(ctx, func() { item.settle(record.Receipt{}, context.Cause(ctx)) })
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || f.done == nil {
		item.forget()
		item.settle(record.Receipt{}, ErrClosed)
		return
	}
	f.queue = append(f.queue, item)
	f.nudge()
}

// checkBatch refuses bytes that are not one whole batch of the records that the lane counts: a sink that stored
// them would make the numbers wrong.
func checkBatch(b *record.Batch) error {
	whole, rest, err := wire.Next(b.Bytes)
	switch {
	case err != nil:
		return fmt.Errorf("take batch of %v: %w", b.Source, err)
	case len(rest) > 0 || int(whole.Count()) != b.Records || whole.Count() != whole.LastOffsetDelta()+1 || b.Records == 0:
		return fmt.Errorf("take batch of %v: its bytes are not one batch of %d records", b.Source, b.Records)
	}
	return nil
}

func (f *File) nudge() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// Close seals all files and gives the lock back. Batches that are not stored yet are settled with ErrClosed.
func (f *File) Close() error {
	f.mu.Lock()
	opened := f.done != nil
	first := !f.closed
	f.closed = true
	f.nudge()
	f.mu.Unlock()
	if !opened || !first {
		return nil
	}
	<-f.done
	if err := errors.Join(f.failure, f.lock.Close()); err != nil {
		return fmt.Errorf("close sink %s: %w; the next start seals what is left", f.cfg.Name, err)
	}
	return nil
}

// run is the one goroutine that touches the disk.
func (f *File) run() {
	defer close(f.done)
	timer := time.NewTimer(0)
	for {
		select {
		case <-f.wake:
		case <-timer.C:
		}
		incoming, closed := f.take()
		for _, b := range incoming {
			s := f.shelf(b.Source)
			s.queue = append(s.queue, b)
		}
		if closed {
			f.finish()
			return
		}
		timer.Reset(time.Until(f.commit()))
	}
}

func (f *File) take() (incoming []*filed, closed bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	incoming, f.queue = f.queue, nil
	return incoming, f.closed
}

// finish seals everything and settles what is left.
func (f *File) finish() {
	for tp, s := range f.logs {
		for _, b := range s.queue {
			b.forget()
			b.settle(record.Receipt{}, ErrClosed)
		}
		if err := s.log.seal(); err != nil {
			f.failure = errors.Join(f.failure, fmt.Errorf("seal the file of %v: %w", tp, err))
		}
	}
}

// syncs is how many files are synced at once: enough for a journal to take them together.
const syncs = 16

// commit writes what is due, file by file at once, and returns when to look again.
func (f *File) commit() (next time.Time) {
	now := time.Now()
	var group sync.WaitGroup
	slots := make(chan struct{}, syncs)
	for _, s := range f.logs {
		if s.due.After(now) || len(s.queue) == 0 && !s.log.due(now) {
			continue
		}
		slots <- struct{}{}
		group.Go(func() {
			f.commitShelf(s)
			<-slots
		})
	}
	group.Wait()
	next = now.Add(f.cfg.RollAge)
	for _, s := range f.logs {
		at := s.due
		if s.failures == 0 {
			at = s.log.sealAt()
		}
		if !at.IsZero() && at.Before(next) {
			next = at
		}
	}
	return next
}

// commitShelf stores all that waits for one partition, or leaves it for later.
func (f *File) commitShelf(s *shelf) {
	s.queue = f.live(s.queue)
	if len(s.queue) == 0 {
		f.judged(s, false, f.roll(s))
		return
	}
	start, size := time.Now(), 0
	batches := make([]*record.Batch, len(s.queue))
	for i, b := range s.queue {
		batches[i] = b.Batch
		size += len(b.Bytes)
	}
	places, err := s.log.store(batches)
	f.meters.sent(size, start)
	stored := err == nil
	if stored {
		for i, b := range s.queue {
			b.forget()
			b.settle(record.Receipt{Places: places[i : i+1 : i+1]}, nil)
		}
		s.queue = nil
		err = f.roll(s)
	}
	f.judged(s, stored, err)
}

// live takes out the batches whose lane has ended or may have lost its partition.
func (f *File) live(queue []*filed) []*filed {
	kept := queue[:0]
	for _, b := range queue {
		err := context.Cause(b.ctx)
		if err == nil && b.Live != nil {
			err = b.Live(b.ctx)
		}
		if err != nil {
			b.forget()
			b.settle(record.Receipt{}, err)
			continue
		}
		kept = append(kept, b)
	}
	return kept
}

func (f *File) roll(s *shelf) error {
	if !s.log.due(time.Now()) {
		return nil
	}
	return s.log.seal()
}

// judged counts how an attempt went and sets when the next one may be. An attempt that had nothing to store, since
// all that waited was given up, may end well on a disk that is as full as before.
func (f *File) judged(s *shelf, stored bool, err error) {
	if err == nil {
		switch failed := s.failures > 0; {
		case stored:
			f.stored(failed)
		case failed:
			f.givenUp()
		}
		s.failures, s.due = 0, time.Time{}
		return
	}
	f.meters.retries[judgeDisk(err)].Inc()
	f.fails(fmt.Errorf("store in %s: %w", s.log.dir, err), s.failures > 0)
	s.due = time.Now().Add(backoff(s.failures, f.cfg.RetryBackoff, f.cfg.MaxRetryBackoff))
	s.failures++
}

// backoff is the pause after one more failure: doubled with each, cut off at limit, the upper half random so
// that many lanes do not knock at once.
func backoff(failures int, first, limit time.Duration) time.Duration {
	pause := limit
	if failures < 30 {
		pause = min(first<<failures, limit)
	}
	return pause/2 + rand.N(pause/2+1)
}
