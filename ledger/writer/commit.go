package writer

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
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
	later bool // an item of it was put off to the next round, and so are those behind it
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
	begun     time.Time // when the last commit began
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
	timer := time.NewTimer(time.Until(l.commits.begun.Add(l.opts.Interval)))
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

// commit appends a group in rounds and answers its requests.
func (l *Log) commit(group []*request) {
	c := &l.commits
	c.begun = time.Now()
	var err error
	if c.unsure {
		err = l.recover(context.Background())
	}
	var items []*item
	for _, r := range group {
		r.err = err
		items = append(items, r.items...)
	}
	for len(items) > 0 {
		items = l.round(items)
	}
	for _, r := range group {
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
	if !c.unsure && l.Size()-c.saved >= saveEvery {
		// Without the saved state the next Open reads more of the log, that is all: an error is none of the callers'.
		_ = l.saveState(c.admission)
	}
}

// adding is an entry that was given to Tessera.
type adding struct {
	item   *item
	future tessera.IndexFuture
}

// round adds items to the tree, waits until they are durable, and returns those that it put off. The entries of one
// round do not depend on each other: at most one of a source partition, and none behind a policy or pins. Tessera may
// divide a round into batches of which the first fails and the second does not, and even that must not leave a hole.
func (l *Log) round(items []*item) (later []*item) {
	c := &l.commits
	streams := map[ledger.Stream]bool{}
	var adds []adding
	full := false
	for _, it := range items {
		it.own.later = false
	}
	for _, it := range items {
		stream, streamed := streamOf(it.entry)
		switch {
		case it.own.err != nil:
			continue
		case full || it.own.later || streamed && streams[stream]:
			it.own.later = true
			later = append(later, it)
			continue
		case c.unsure:
			it.own.err = errUnsure
			continue
		}
		if !l.admit(it) {
			continue
		}
		if streamed {
			streams[stream] = true
		}
		it.added = true
		adds = append(adds, adding{it, l.add(context.Background(), tessera.NewEntry(it.text))})
		full = len(adds) == maxBatch || it.entry.Kind == ledger.KindPolicy || it.entry.Kind == ledger.KindPins
	}
	l.settle(adds)
	return later
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
	case Wait, Refuse:
		it.own.err = fmt.Errorf("%w: %w", ledger.ErrRefused, err)
		return false
	case Replay:
		it.entry.Kind = ledger.KindReplay
		if it.text, err = Encode(it.entry); err != nil {
			it.own.err = err
			return false
		}
	}
	// The state runs ahead of the disk from here to settle: with an error it is thrown away and read again.
	if err := c.admission.Follow(it.entry); err != nil {
		it.own.err = err
		return false
	}
	return true
}

// settle waits for the entries of a round.
func (l *Log) settle(adds []adding) {
	c := &l.commits
	size := l.Size()
	for _, a := range adds {
		index, err := a.future()
		if err != nil {
			c.unsure = true
			a.item.own.err = err
			continue
		}
		a.item.there = true
		size = max(size, index.Index+1)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.size = size
	for _, a := range adds {
		switch e := a.item.entry; {
		case !a.item.there:
		case e.Kind == ledger.KindRange:
			l.positions[e.Range.Source.Stream()] = e.Range.Source.To
		case e.Kind == ledger.KindGap:
			l.positions[e.Gap.Source.Stream()] = e.Gap.Source.To
		}
	}
}

// streamOf is the partition that an entry tells of; spans, policies and pins tell of none.
func streamOf(e ledger.Entry) (ledger.Stream, bool) {
	switch e.Kind {
	case ledger.KindRange, ledger.KindReplay:
		return e.Range.Source.Stream(), true
	case ledger.KindGap:
		return e.Gap.Source.Stream(), true
	}
	return ledger.Stream{}, false
}
