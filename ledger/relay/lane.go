package relay

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/demarc/demarc/ledger"
)

// lane writes the entries of one lane, as long as this process owns it: one transaction at a time, with all that has
// come meanwhile in the next.
type lane struct {
	producer *producer
	frontier *frontier
	alone    bool // nobody else has its transactional id
	requests chan *request
	stop     context.CancelFunc
	stopped  chan struct{}
}

// request is one call of Append.
type request struct {
	items []item
	done  chan error  // takes the one answer
	left  atomic.Bool // the caller waits no longer
}

// item is one entry of it.
type item struct {
	entry   ledger.Entry
	message message
}

func newLane(p *producer, alone bool, ends map[ledger.Stream]int64) *lane {
	ctx, cancel := context.WithCancel(context.Background())
	l := &lane{producer: p, alone: alone, frontier: newFrontier(ends), requests: make(chan *request), stop: cancel, stopped: make(chan struct{})}
	go l.run(ctx)
	return l
}

// end stops the work and waits until it has stopped. A transaction that is not committed yet is aborted if that takes
// no time, or by whoever takes the lane over.
func (l *lane) end() {
	l.stop()
	<-l.stopped
}

var errEnded = errors.New("the lane was given up by this process")

func (l *lane) append(ctx context.Context, r *request) error {
	select {
	case l.requests <- r:
	case <-ctx.Done():
		return fmt.Errorf("append entries: %w", ctx.Err())
	case <-l.stopped:
		return fmt.Errorf("append entries: %w: %w", ledger.ErrRefused, errEnded)
	}
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
	}
	r.left.Store(true)
	select {
	case err := <-r.done:
		return err
	default:
		return fmt.Errorf("append entries: whether they are committed is not known: %w", ctx.Err())
	}
}

// maxGroup bounds the bytes of one transaction, but for its first request.
const maxGroup = 4 << 20

func (l *lane) run(ctx context.Context) {
	defer close(l.stopped)
	for {
		select {
		case r := <-l.requests:
			l.transaction(ctx, l.company(r))
		case <-ctx.Done():
			return
		}
	}
}

// company is a request with all that wait beside it.
func (l *lane) company(first *request) []*request {
	group, size := []*request{first}, first.size()
	for size < maxGroup {
		select {
		case r := <-l.requests:
			group, size = append(group, r), size+r.size()
		default:
			return group
		}
	}
	return group
}

func (r *request) size() (bytes int) {
	for _, it := range r.items {
		bytes += len(it.message.value)
	}
	return bytes
}

// transaction writes a group and answers it.
func (l *lane) transaction(ctx context.Context, group []*request) {
	var list []message
	var written []*request
	for _, r := range group {
		fresh, err := l.frontier.admit(r.items)
		if err != nil || len(fresh) == 0 {
			l.answer(r, err)
			continue
		}
		for _, it := range fresh {
			list = append(list, it.message)
		}
		written = append(written, r)
	}
	if len(written) == 0 {
		return
	}
	err := l.producer.write(ctx, list)
	switch {
	case err == nil:
		l.frontier.keep()
	case errors.Is(err, ErrTakenOver) && l.alone:
		// The coordinator was away for longer than a transaction may last, and has aborted it.
		err = fmt.Errorf("append entries: %w", errors.Join(errAborted, l.producer.take(ctx)))
	case errors.Is(err, ErrTakenOver):
		err = fmt.Errorf("append entries: %w: %w", ledger.ErrTakenOver, err)
	default:
		err = fmt.Errorf("append entries: %w", err)
	}
	l.frontier.drop()
	for _, r := range written {
		l.answer(r, err)
	}
}

// answer ends a request. What it had is remembered if it may come again although it is there, and else not any more.
func (l *lane) answer(r *request, err error) {
	if err == nil {
		l.frontier.forget(r.items)
	}
	r.done <- err
	if err == nil && r.left.Load() {
		l.frontier.remember(r.items)
	}
}

// frontier makes sure that what a lane appends goes on where the entries of a partition end, whatever its callers do.
type frontier struct {
	ends map[ledger.Stream]int64 // as far as committed
	open map[ledger.Stream]int64 // as far as the transaction under way goes

	mu sync.Mutex
	// there are entries that were committed, and whose caller does not know it, or was told of another lane's failure in
	// the same call: they may come again.
	there map[[sha256.Size]byte]bool
}

func newFrontier(ends map[ledger.Stream]int64) *frontier {
	if ends == nil {
		ends = map[ledger.Stream]int64{}
	}
	return &frontier{ends: ends, open: map[ledger.Stream]int64{}, there: map[[sha256.Size]byte]bool{}}
}

// admit takes the entries of one request into the transaction, all that are not in the topic already, or none.
func (f *frontier) admit(items []item) (fresh []item, err error) {
	own := map[ledger.Stream]int64{}
	for _, it := range items {
		if f.holds(it) {
			continue
		}
		fresh = append(fresh, it)
		stream, ok := streamOf(it.entry)
		if !ok {
			continue
		}
		from, to := extentOf(it.entry)
		end, known := own[stream]
		if !known {
			end, known = f.open[stream]
		}
		if !known {
			end, known = f.ends[stream]
		}
		if known && from != end {
			return nil, fmt.Errorf("append entries: %w: offsets [%d, %d) of %v do not go on where its entries end, at %d", ledger.ErrRefused, from, to, stream, end)
		}
		own[stream] = to
	}
	for stream, to := range own {
		f.open[stream] = to
	}
	return fresh, nil
}

// keep says that the transaction is committed.
func (f *frontier) keep() {
	for stream, to := range f.open {
		f.ends[stream] = to
	}
	f.drop()
}

// drop says that it is over.
func (f *frontier) drop() { clear(f.open) }

func (f *frontier) holds(it item) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.there) > 0 && f.there[sha256.Sum256(it.message.value)]
}

func (f *frontier) remember(items []item) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, it := range items {
		f.there[sha256.Sum256(it.message.value)] = true
	}
}

func (f *frontier) forget(items []item) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.there) == 0 {
		return
	}
	for _, it := range items {
		delete(f.there, sha256.Sum256(it.message.value))
	}
}
