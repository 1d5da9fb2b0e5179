package router

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/demarc/demarc/ledger"
)

// scribe takes the chunks of one generation to the ledger, those of a partition in their order. While one append is
// under way the next chunks gather: a ledger's commit costs about the same whatever it holds, and no partition waits
// for its own chunk before to be durable.
type scribe struct {
	witness *witness

	window int // chunks of one partition in flight

	mu    sync.Mutex
	queue []*filing
	of    map[*partition]int // chunks in queue
	wake  chan struct{}      // holds one token when there is something in queue
	full  chan struct{}      // holds one token when a partition can bring no more before an append
	over  bool               // nothing more is taken
}

// filing is a chunk on its way into the ledger.
type filing struct {
	statement *statement
	done      chan struct{}
	err       error // once done is closed
}

func newScribe(w *witness, window int) *scribe {
	return &scribe{
		witness: w, window: window, of: map[*partition]int{}, wake: make(chan struct{}, 1), full: make(chan struct{}, 1),
	}
}

// hand takes what a chunk of a partition has to say. The chunks of a partition are handed in their order.
func (s *scribe) hand(p *partition, st *statement) *filing {
	f := &filing{statement: st, done: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		f.settle(context.Canceled)
		return f
	}
	s.queue = append(s.queue, f)
	s.of[p]++
	signal(s.wake)
	if s.of[p] >= s.window {
		signal(s.full)
	}
	return f
}

// signal leaves a token in a channel that holds one.
func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

func (f *filing) settle(err error) {
	f.err = err
	close(f.done)
}

// rest is the least time between the begins of two appends, unless a partition waits with all that it may have in
// flight. A chunk that comes after a pause is appended at once.
const rest = 200 * time.Millisecond

// run appends what is handed over until ctx ends.
func (s *scribe) run(ctx context.Context) {
	rested := time.NewTimer(0)
	defer rested.Stop()
	for {
		select {
		case <-rested.C:
		case <-s.full:
		case <-ctx.Done():
			s.end(ctx.Err())
			return
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
			s.end(ctx.Err())
			return
		}
		group := s.take(false)
		if len(group) == 0 { // the token was for chunks that went with the group before
			rested.Reset(0)
			continue
		}
		rested.Reset(rest)
		s.append(ctx, group)
	}
}

// end gives up what is left.
func (s *scribe) end(err error) {
	for _, f := range s.take(true) {
		f.settle(err)
	}
}

func (s *scribe) take(last bool) []*filing {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = last
	taken := s.queue
	s.queue = nil
	clear(s.of)
	return taken
}

// append appends a group at once. If the ledger refuses something in it, each chunk stands for itself: a partition
// whose entries contradict the ledger does not hold the others.
func (s *scribe) append(ctx context.Context, group []*filing) {
	statements := make([]*statement, len(group))
	for i, f := range group {
		statements[i] = f.statement
	}
	err := s.witness.append(ctx, statements...)
	if (errors.Is(err, ledger.ErrRefused) || errors.Is(err, ledger.ErrTakenOver)) && len(group) > 1 {
		for _, f := range group {
			f.settle(s.witness.append(ctx, f.statement))
		}
		return
	}
	for _, f := range group {
		f.settle(err)
	}
}
