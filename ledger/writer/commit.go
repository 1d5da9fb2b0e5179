package writer

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera"

	"github.com/demarc/demarc/ledger"
)

// ErrClosed is returned by Append after Close.
var ErrClosed = errors.New("the ledger is closed")

// request is one call of Append on its way.
type request struct {
	items []*item
	done  chan error // takes the one answer
	err   error
	look  func(*Admission)
}

// item is one entry of a request.
type item struct {
	entry ledger.Entry
	text  []byte
	sum   [32]byte // of text as the caller gave it
	own   *request
	added bool // it was given to Tessera
	there bool // it is in the log
}

// committer is what the one goroutine that commits knows.
type committer struct {
	admission *Admission
	next      time.Time // when the next commit may begin
	saved     uint64    // size of the log when its state was saved last

	// unsure: Tessera reported an error, so that the tree may or may not hold what was added last. The log is read
	// again before anything else is appended.
	unsure bool
	// added are the entries that an Append with an error had added, by leaf hash: until the log is read, unknown.
	added map[[32]byte][32]byte
	// there are the entries that are in the log although their Append returned an error, by the digest of what the
	// caller gave. The next Append of the same bytes finds them done.
	there map[[32]byte]bool
}

// Append appends entries in their order, and returns once they are durable. Ranges that the log covers already enter
// it as replays; parts of a policy that it holds are passed over. An entry that the log's order does not admit is an
// error; those before it in the call are in the log all the same.
//
// After an error nothing is known of the entries of the call, and nothing may be committed that relies on them. The
// call may be repeated: what is in the log is not appended twice. The context counts until the entries are handed to
// the tree; from there on the answer takes as long as the disk.
func (l *Log) Append(ctx context.Context, entries []ledger.Entry) error {
	r := &request{done: make(chan error, 1)}
	for i, e := range entries {
		text, err := Encode(e)
		if err != nil {
			return fmt.Errorf("append entry %d of %d: %w: %w", i+1, len(entries), ledger.ErrRefused, err)
		}
		r.items = append(r.items, &item{entry: e, text: text, sum: sha256.Sum256(text), own: r})
	}
	if len(r.items) == 0 {
		return nil
	}
	return l.ask(ctx, r)
}

// Admission is a copy of what the log knows of its durable entries. After an Append with an error, the log is read
// for it first.
func (l *Log) Admission(ctx context.Context) (*Admission, error) {
	var a *Admission
	r := &request{done: make(chan error, 1), look: func(own *Admission) { a = own.Clone() }}
	if err := l.ask(ctx, r); err != nil {
		return nil, err
	}
	return a, nil
}

// ask hands a request to the committer and waits for its answer.
func (l *Log) ask(ctx context.Context, r *request) error {
	select {
	case <-l.closing:
		return ErrClosed
	default:
	}
	select {
	case l.requests <- r:
		return <-r.done
	case <-ctx.Done():
		return fmt.Errorf("append entries: %w", ctx.Err())
	case <-l.closing:
		return ErrClosed
	}
}

// run commits until the log is closed.
func (l *Log) run() {
	defer close(l.stopped)
	for {
		select {
		case first := <-l.requests:
			l.commit(l.company(first))
		case <-l.closing:
			return
		}
	}
}

// company waits until the next commit may begin, and returns all requests that came until then.
func (l *Log) company(first *request) []*request {
	group := []*request{first}
	timer := time.NewTimer(time.Until(l.commits.next))
	defer timer.Stop()
	for due := false; len(group) < maxBatch; {
		if due {
			select {
			case r := <-l.requests:
				group = append(group, r)
				continue
			default:
				return group
			}
		}
		select {
		case r := <-l.requests:
			group = append(group, r)
		case <-timer.C:
			due = true
		case <-l.closing:
			due = true
		}
	}
	return group
}

// commit appends a group and answers its requests.
func (l *Log) commit(group []*request) {
	c := &l.commits
	begun := time.Now()
	var err error
	if c.unsure {
		err = l.recover(context.Background())
	}
	var items []*item
	for _, r := range group {
		r.err = err
		if r.look != nil && err == nil {
			r.look(c.admission)
		}
		items = append(items, r.items...)
	}
	for batch := range slices.Chunk(items, maxBatch) {
		l.commitBatch(batch)
	}
	c.next = begun.Add(l.pause(time.Since(begun)))
	for _, r := range group {
		l.answer(r)
	}
	if !c.unsure && l.Size()-c.saved >= saveEvery {
		// Without the saved state the next Open reads more of the log, that is all: an error is none of the callers'.
		_ = l.saveState(c.admission)
	}
}

// pause is the least time from the begin of a commit, which took so long, to that of the next.
func (l *Log) pause(took time.Duration) time.Duration {
	if l.opts.Interval > 0 {
		return l.opts.Interval
	}
	return min(max(minPause, pausePerCommit*took), maxPause)
}

// answer ends a request. Of one that failed it keeps what is, or may be, in the log all the same.
func (l *Log) answer(r *request) {
	c := &l.commits
	if r.err != nil {
		for _, it := range r.items {
			switch {
			case it.there:
				c.there[it.sum] = true
			case it.added:
				c.added[[32]byte(rfc6962.DefaultHasher.HashLeaf(it.text))] = it.sum
			}
		}
		r.err = fmt.Errorf("append entries: %w", r.err)
	}
	r.done <- r.err
}

// commitBatch makes items durable, all or none.
func (l *Log) commitBatch(items []*item) {
	c := &l.commits
	var added []*item
	var batch []*tessera.Entry
	for _, it := range items {
		switch {
		case it.own.err != nil:
		case c.unsure:
			it.own.err = errUnsure
		case l.admit(it):
			it.added = true
			added = append(added, it)
			batch = append(batch, tessera.NewEntry(it.text))
		}
	}
	if len(batch) == 0 {
		return
	}
	size, err := l.store(batch)
	if err != nil {
		c.unsure = true
		for _, it := range added {
			it.own.err = err
		}
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.size = size
	for _, it := range added {
		it.there = true
		switch e := it.entry; e.Kind {
		case ledger.KindRange:
			l.positions[e.Range.Source.Stream()] = e.Range.Source.To
		case ledger.KindGap:
			l.positions[e.Gap.Source.Stream()] = e.Gap.Source.To
		}
		l.take(it.entry.Via)
	}
}

// take notes a place of the entries topic; l.mu is held.
func (l *Log) take(via *ledger.Via) {
	if via == nil {
		return
	}
	if last, ok := l.taken[via.Partition]; !ok || via.Offset > last {
		l.taken[via.Partition] = via.Offset
	}
}

var errUnsure = errors.New("an entry before it could not be written")

// admit decides by the order of the log what becomes of an item, and reports whether it is to be added.
func (l *Log) admit(it *item) bool {
	c := &l.commits
	if c.there[it.sum] {
		delete(c.there, it.sum)
		it.there = true
		return false
	}
	verdict, err := c.admission.Judge(it.entry)
	switch verdict {
	case Known:
		return false
	case Wait, Refuse: // what it waits for is not on its way: a call's entries come in their order
		it.own.err = fmt.Errorf("%w: %w", ledger.ErrRefused, err)
		return false
	case Replay:
		it.entry.Kind = ledger.KindReplay
		if it.text, err = Encode(it.entry); err != nil {
			it.own.err = err
			return false
		}
	}
	// The state runs ahead of the disk from here until the batch is stored: with an error it is thrown away.
	if err := c.admission.Follow(it.entry); err != nil {
		it.own.err = err
		return false
	}
	return true
}
