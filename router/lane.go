package router

import (
	"context"
	"errors"
	"fmt"

	"github.com/demarc/demarc/internal/record"
	"github.com/demarc/demarc/ledger"
)

// Sink is one pinned place, as the lanes see it. A sink keeps, per lane and sink partition, the order in which
// Deliver was called, over all retries.
type Sink interface {
	// Open proves that the sink is the place that the policy says and is fit to be written to. Nothing is
	// written before it has returned nil.
	Open(ctx context.Context) error
	// Deliver takes a batch and returns at once; the batch is settled once it is durable. A sink that is down
	// keeps it. When ctx ends, the sink settles all it holds of it with an error.
	Deliver(ctx context.Context, lane int, b *record.Batch)
	// Close ends the sink after all its batches are settled.
	Close() error
	// Proof is what the sink has found out about its place so far.
	Proof() record.Proof
}

// lane owns all source partitions with one number modulo the count of lanes, for one generation. Its chunks
// pass one after another through extract, decide and split, and are handed to the sinks in that order; then
// they wait for the sinks side by side, and settle in the order of their partition.
type lane struct {
	id     int
	in     chan *chunk // has room for every chunk that may be in flight
	router *Router
	gen    *generation
}

func (l *lane) run(ctx context.Context) {
	for {
		select {
		case c := <-l.in:
			go l.process(ctx, c)
			<-c.handedOver
		case <-ctx.Done():
			l.dropQueued()
			return
		}
	}
}

// dropQueued gives up the chunks that have not begun.
func (l *lane) dropQueued() {
	for {
		select {
		case c := <-l.in:
			l.gen.fetcher.drop(c)
		default:
			return
		}
	}
}

// process carries one chunk from fetched bytes to a committed position.
func (l *lane) process(ctx context.Context, c *chunk) {
	defer l.gen.fetcher.finished(c.p)
	defer close(c.fate.known)

	parts, err := l.split(c) // extract, decide, split
	c.buffer.release()
	if err != nil {
		c.p.broken = true
		l.gen.fetcher.stopPartition(c.p, err)
	}
	if c.p.broken {
		close(c.handedOver)
		c.fate.file(false)
		l.abandon(c)
		return
	}
	delivery := l.deliver(ctx, parts)
	close(c.handedOver) // the next chunk may follow: the order at every sink is fixed
	// A crash up to here, or while the sinks work, costs nothing that a restart does not fetch again; what a
	// sink had already stored is then stored twice.

	receipts, err := l.receipts(ctx, c, delivery)
	// All of it is durable at the sinks. A crash from here on still delivers the chunk twice.

	if err != nil && ctx.Err() == nil && !errors.Is(err, errFenced) {
		l.gen.fetcher.hold(ctx, c.p, err)
	}
	l.gen.fetcher.await(c.p, c.before.filed) // what lies below this chunk is with the ledger, or never will be
	filed, err := l.file(ctx, receipts, err)
	evidence, err := l.evidence(ctx, filed, err)
	// With a ledger, a crash from here on costs nothing: whoever owns the partition next begins where it ends.

	l.gen.fetcher.await(c.p, c.before.known) // what lies below this chunk has settled or was given up
	if err != nil || c.before.givenUp {
		l.abandon(c)
		return
	}
	l.commit(l.settle(evidence))
	// From the next offset commit on, a crash costs nothing without a ledger either.
}

// part is one batch on its way to one sink.
type part struct {
	sink    int
	batch   *record.Batch
	segment *segment
	first   int64        // source offset of the first record
	offsets []int64      // source offset of each record; nil when they follow first without a hole
	sets    []record.Set // of each record; nil without a ledger
	newest  int64        // the batch's largest timestamp, ms since the epoch
}

func (p *part) offset(i int) int64 {
	if p.offsets == nil {
		return p.first + int64(i)
	}
	return p.offsets[i]
}

// delivery is what the sinks have been given and have not answered for.
type delivery []part

// receipts says that every record of a chunk is durable at its sink or at its quarantine, and what to book for it.
// Only lane.receipts makes one; file needs one.
type receipts struct {
	chunk *chunk
}

// filed says that a chunk is on its way into the ledger, if there is one. Only lane.file makes one; evidence needs
// one.
type filed struct {
	chunk  *chunk
	filing *filing // nil without a ledger
}

// evidence says that the ledger, if there is one, holds what became of a chunk. Only lane.evidence makes one;
// settle needs one.
type evidence struct {
	chunk *chunk
}

// position is an offset below which everything has settled. Only lane.settle makes one; commit needs one.
type position struct {
	tp     record.TopicPartition
	offset int64
}

func (l *lane) deliver(ctx context.Context, parts []part) delivery {
	for i := range parts {
		l.router.sinks[parts[i].sink].Deliver(ctx, l.id, parts[i].batch)
	}
	return parts
}

// receipts waits for the sinks and sends what they refuse to quarantine.
func (l *lane) receipts(ctx context.Context, c *chunk, d delivery) (receipts, error) {
	var failed error
	for i := range d {
		p := &d[i]
		receipt, err := p.batch.Wait()
		if err != nil {
			failed = err // the chunk is over once all its batches are settled, so the rest is waited for too
			continue
		}
		l.router.stats.acknowledged(p)
		p.segment.stored(p, receipt.Places)
		if failed == nil && len(receipt.Refused) > 0 {
			failed = l.divert(ctx, c, p, receipt.Refused)
		}
		if failed == nil {
			l.router.outputs.put(p.batch)
		}
	}
	return receipts{c}, failed
}

// file hands a chunk to the ledger, and lets the next one of its partition follow. After one that was not handed
// over none is.
func (l *lane) file(ctx context.Context, r receipts, failed error) (filed, error) {
	f := filed{chunk: r.chunk}
	if failed == nil && r.chunk.before.unfiled {
		failed = errGivenUpBefore
	}
	if failed == nil && l.gen.scribe != nil {
		var st *statement
		st, failed = l.router.witness.state(r.chunk)
		switch {
		case failed == nil:
			f.filing = l.gen.scribe.hand(r.chunk.p, st)
		case errors.Is(failed, errTooManyPlaces):
			l.router.refine(r.chunk.p.tp)
			l.gen.fetcher.beginAnew()
		case ctx.Err() == nil:
			l.gen.fetcher.hold(ctx, r.chunk.p, failed)
		}
	}
	r.chunk.fate.file(failed == nil)
	return f, failed
}

// evidence waits until the ledger has a chunk: one that cannot be written is tried until the generation ends, and
// the partition waits. One that refuses what it is told holds the partition.
func (l *lane) evidence(ctx context.Context, f filed, failed error) (evidence, error) {
	if failed != nil || f.filing == nil {
		return evidence{f.chunk}, failed
	}
	<-f.filing.done
	err := f.filing.err
	switch {
	case err == nil || ctx.Err() != nil:
	case errors.Is(err, ledger.ErrTakenOver):
		l.gen.vitality.lose(err) // the next generation, if the lane is ours in it, takes it over again
	default:
		l.gen.fetcher.hold(ctx, f.chunk.p, err)
	}
	return evidence{f.chunk}, err
}

// errGivenUpBefore is why a chunk is given up whose own sinks have settled it.
var errGivenUpBefore = errors.New("the chunk before it was given up")

// settle books a chunk in its partition's account.
func (l *lane) settle(e evidence) position {
	p := e.chunk.p
	for _, s := range e.chunk.segments {
		p.account.settle(&s.result, s.to)
		l.router.stats.settled(p.tp.Topic, &s.result)
	}
	return position{tp: p.tp, offset: e.chunk.to}
}

func (l *lane) commit(p position) { l.gen.commits.advance(p) }

// abandon gives a chunk up: the generation is over, or the chunk cannot be read whole. No later chunk of the
// partition may settle after it, whatever its sinks have said: its commit would pass over this one. Whoever owns
// the partition next begins at the committed offset.
func (l *lane) abandon(c *chunk) {
	c.fate.givenUp = true
	c.p.account.abandon(c.to - c.from)
}

// divert quarantines the records of a delivered part that their sink refused for good. They are decided once
// more, from the same bytes and by the same snapshot, for what quarantine wants to know of them.
func (l *lane) divert(ctx context.Context, c *chunk, p *part, refused []record.Refusal) error {
	w := l.router.newWorkspace()
	w.begin(l, c)
	w.segment = p.segment
	again, err := w.requeue(p, refused)
	if err != nil {
		return fmt.Errorf("quarantine what sink %s refused: %w", l.router.sinkName(p.sink), err)
	}
	delivered := l.deliver(ctx, again)
	for i := range delivered {
		q := &delivered[i]
		receipt, err := q.batch.Wait()
		if err != nil {
			return err
		}
		q.segment.stored(q, receipt.Places)
		if len(receipt.Refused) > 0 {
			return fmt.Errorf("quarantine sink %s refuses the record at offset %d: %s", l.router.sinkName(q.sink),
				q.offset(receipt.Refused[0].Index), receipt.Refused[0].Reason)
		}
	}
	return nil
}
