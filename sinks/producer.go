package sinks

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/demarc/demarc/internal/record"
	"github.com/demarc/demarc/internal/wire"
)

// producer carries the batches of one generation of one lane to one topic. Its run owns everything but the
// inbox. Each sink partition has at most one batch on its way, each broker at most one request of this lane.
type producer struct {
	k          *Kafka
	ctx        context.Context // the generation's; ends with the sink too
	generation <-chan struct{} // Done of the context that the lane gave
	release    func()          // of ctx

	mu    sync.Mutex
	inbox []*delivery
	over  bool // run has settled everything: nothing more is taken
	wake  chan struct{}

	streams  map[int32]*stream
	busy     map[int32]bool // brokers with a request of this lane under way
	arrivals int
	finished chan *attempt
}

// stream is what a lane writes to one sink partition. It has a producer id of its own, so that a fault of one
// partition leaves the others alone; to the broker this costs the same, it keeps state per id and partition.
type stream struct {
	partition int32
	identity  identity
	sequence  int32 // of the next record
	queue     []*delivery
	flying    bool
	failures  int
	due       time.Time // no attempt before
}

// identity is an idempotent producer (KIP-98).
type identity struct {
	known bool
	id    int64
	epoch int16
}

// delivery is a batch with what has become of it so far.
type delivery struct {
	*record.Batch
	arrival int
	pieces  []piece // what is left to store, in order; more than one after a division
	receipt record.Receipt
}

// piece is one batch as it goes to the broker: the lane's own, or a part of it.
type piece struct {
	bytes   []byte
	room    []byte // right before bytes, for the request; may be nil
	first   int    // index of its first record in the lane's batch
	count   int
	unknown bool // an attempt under this identity may have stored it
	stored  bool // the broker has acknowledged it; only reading it back is left
	base    int64
}

func newProducer(ctx context.Context, k *Kafka) *producer {
	inner, cancel := context.WithCancelCause(ctx)
	detach := context.AfterFunc(k.ctx, func() { cancel(context.Cause(k.ctx)) })
	return &producer{
		k: k, ctx: inner, generation: ctx.Done(),
		release: func() { detach(); cancel(nil) },
		wake:    make(chan struct{}, 1), finished: make(chan *attempt),
		streams: map[int32]*stream{}, busy: map[int32]bool{},
	}
}

func (p *producer) deliver(b *record.Batch) {
	p.mu.Lock()
	if p.over {
		p.mu.Unlock()
		b.Settle(record.Receipt{}, context.Cause(p.ctx))
		return
	}
	p.inbox = append(p.inbox, &delivery{Batch: b, pieces: []piece{{bytes: b.Bytes, room: b.Room, count: b.Records}}})
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// run begins when the sink is open; until then all batches stay in the inbox. It ends with the generation, after it
// has settled all that is left.
func (p *producer) run() {
	defer p.release()
	select {
	case <-p.k.ready:
	case <-p.ctx.Done():
	}
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for p.ctx.Err() == nil {
		p.receive()
		timer.Reset(p.dispatch())
		select {
		case <-p.ctx.Done():
		case a := <-p.finished:
			p.finish(a)
		case <-p.wake:
		case <-timer.C:
		}
	}
	p.abandon(context.Cause(p.ctx))
}

func (p *producer) receive() {
	p.mu.Lock()
	incoming := p.inbox
	p.inbox = nil
	p.mu.Unlock()
	for _, d := range incoming {
		partition := d.Source.Partition % p.k.partitions
		s := p.streams[partition]
		if s == nil {
			s = &stream{partition: partition}
			p.streams[partition] = s
		}
		p.arrivals++
		d.arrival = p.arrivals
		s.queue = append(s.queue, d)
	}
}

// maxRequest bounds the batches of one request; brokers take 100 MiB (socket.request.max.bytes). A batch that is
// larger goes alone.
const maxRequest = 16 << 20

// dispatch sends what can be sent and returns how long there is nothing to do but wait. The oldest batches go
// first.
func (p *producer) dispatch() time.Duration {
	const forever = time.Duration(math.MaxInt64)
	if cause := p.k.stopCause(); cause != nil {
		p.giveBack(cause)
		return forever
	}
	now, wait := time.Now(), forever
	var ready []*stream
	for _, s := range p.streams {
		switch {
		case len(s.queue) == 0 || s.flying:
		case s.due.After(now):
			wait = min(wait, s.due.Sub(now))
		default:
			ready = append(ready, s)
		}
	}
	if len(ready) == 0 {
		return wait
	}
	slices.SortFunc(ready, func(a, b *stream) int { return cmp.Compare(a.queue[0].arrival, b.queue[0].arrival) })
	for broker, streams := range p.byLeader(ready) {
		p.busy[broker] = true
		a := &attempt{k: p.k, broker: broker}
		for _, s := range streams {
			s.flying = true
			a.tasks = append(a.tasks, &task{stream: s, delivery: s.queue[0], piece: &s.queue[0].pieces[0]})
		}
		p.k.group.Go(func() {
			a.run(p.ctx)
			select {
			case p.finished <- a:
			case <-p.ctx.Done(): // run has settled everything
			}
		})
	}
	for _, s := range ready { // those without a leader have a time of their next attempt by now
		if !s.flying && s.due.After(now) {
			wait = min(wait, s.due.Sub(now))
		}
	}
	return wait
}

// byLeader divides streams among the brokers that lead their partitions and have no request of this lane.
func (p *producer) byLeader(ready []*stream) map[int32][]*stream {
	ctx, cancel := context.WithTimeout(p.ctx, p.k.cfg.RequestTimeout)
	defer cancel()
	leaders, err := p.k.leaders(ctx)
	requests, sizes := map[int32][]*stream{}, map[int32]int{}
	for _, s := range ready {
		broker, ok := leaders[s.partition]
		if !ok {
			cause := err
			if cause == nil {
				cause = kafka.LeaderNotAvailable
			}
			p.failed(s, judge(cause).cause, fmt.Errorf("find the leader of partition %d: %w", s.partition, cause))
			continue
		}
		size := len(s.queue[0].pieces[0].bytes)
		if p.busy[broker] || sizes[broker] > 0 && sizes[broker]+size > maxRequest {
			continue
		}
		sizes[broker] += size
		requests[broker] = append(requests[broker], s)
	}
	return requests
}

// finish decides about every part of a request that is over.
func (p *producer) finish(a *attempt) {
	p.busy[a.broker] = false
	for _, t := range a.tasks {
		t.stream.flying = false
		p.decide(t)
	}
}

func (p *producer) decide(t *task) {
	s, d, part := t.stream, t.delivery, t.piece
	switch {
	case t.notLive != nil:
		p.drop(s, t.notLive)
		return
	case errors.Is(t.err, errNotLive):
		return // another part of the request was not to be sent; this one goes at once
	}
	v := judge(t.err)
	switch {
	case part.stored && t.err != nil: // acknowledged, but not read back yet
		p.failed(s, CauseReadBack, fmt.Errorf("read back offset %d of partition %d: %w", part.base, s.partition, t.err))
	case v.action == accept && part.base < 0 && d.Digest:
		// The broker has it and no longer knows where. Evidence has to say where, so it is stored once more.
		part.stored, part.unknown = false, true
		p.renew(s, part)
		p.failed(s, CauseReadBack, fmt.Errorf("produce to partition %d: the broker has the batch and does not say where", s.partition))
	case v.action == accept:
		d.receipt.Places = append(d.receipt.Places, p.place(s, d, part))
		p.k.stored(s.failures > 0)
		s.failures = 0
		p.advance(s)
	case v.action == divide:
		p.divide(s, v, t.err)
	default:
		part.unknown = part.unknown || v.unknown && t.sent
		if v.action == renew {
			p.renew(s, part)
		}
		p.failed(s, v.cause, fmt.Errorf("produce to partition %d: %w", s.partition, t.err))
	}
}

// place says where a piece is, now that it is stored.
func (p *producer) place(s *stream, d *delivery, part *piece) record.Place {
	place := record.Place{
		Topic: p.k.cfg.Topic, Partition: s.partition, BaseOffset: part.base, LastOffset: part.base,
		First: part.first, Records: part.count,
	}
	if part.base >= 0 {
		place.LastOffset += int64(part.count) - 1
	}
	if d.Digest {
		place.SHA256 = sha256.Sum256(wire.Batch{Raw: part.bytes}.Section())
	}
	return place
}

// advance goes on behind the first piece of a stream's first batch, which is stored or refused.
func (p *producer) advance(s *stream) {
	d := s.queue[0]
	d.pieces = d.pieces[1:]
	if len(d.pieces) > 0 {
		return
	}
	s.queue[0] = nil
	s.queue = s.queue[1:]
	d.Settle(d.receipt, nil)
}

// divide halves a piece that the broker refuses, until single records are left to be refused.
func (p *producer) divide(s *stream, v verdict, err error) {
	d := s.queue[0]
	part := &d.pieces[0]
	p.k.meters.retries[v.cause].Inc()
	if part.unknown {
		p.renew(s, part) // its sequence may be taken
	}
	if part.count == 1 {
		p.k.meters.refused[v.reason].Inc()
		d.receipt.Refused = append(d.receipt.Refused, record.Refusal{Index: part.first, Reason: v.reason})
		p.giveUp(s)
		p.advance(s)
		return
	}
	halves, sliceErr := part.halves()
	if sliceErr != nil {
		p.failed(s, v.cause, fmt.Errorf("divide a batch for partition %d, which answers %w: %w", s.partition, err, sliceErr))
		return
	}
	d.pieces = append(halves, d.pieces[1:]...)
}

func (part *piece) halves() ([]piece, error) {
	whole, middle := wire.Batch{Raw: part.bytes}, part.count/2
	d, c := wire.NewDecompressor(maxSection), wire.NewCompressor()
	front, err := wire.Slice(nil, whole, 0, middle, d, c)
	if err != nil {
		return nil, err
	}
	back, err := wire.Slice(nil, whole, middle, part.count, d, c)
	if err != nil {
		return nil, err
	}
	return []piece{
		{bytes: front, first: part.first, count: middle},
		{bytes: back, first: part.first + middle, count: part.count - middle},
	}, nil
}

// renew gives a stream another identity before its next attempt. What an earlier attempt may have stored cannot
// be recognised under it.
func (p *producer) renew(s *stream, part *piece) {
	s.identity = identity{}
	if part.unknown {
		p.k.meters.duplicates.Add(part.count)
	}
	part.unknown = false
}

func (p *producer) failed(s *stream, cause Cause, err error) {
	if p.ctx.Err() != nil {
		return // the end of the generation is no fault of the sink; run gives up all that is left
	}
	p.k.meters.retries[cause].Inc()
	p.k.fails(err, s.failures > 0)
	s.due = time.Now().Add(backoff(s.failures, p.k.cfg.RetryBackoff, p.k.cfg.MaxRetryBackoff))
	s.failures++
}

// giveUp forgets the failures of a stream whose first batch, or a part of it, is not tried any more.
func (p *producer) giveUp(s *stream) {
	if s.failures > 0 {
		s.failures = 0
		p.k.givenUp()
	}
}

// drop settles a stream's first batch with an error.
func (p *producer) drop(s *stream, err error) {
	d := s.queue[0]
	p.doubt(d, false)
	if d.pieces[0].unknown {
		s.identity = identity{} // its sequence may be taken
	}
	s.queue[0] = nil
	s.queue = s.queue[1:]
	p.giveUp(s)
	d.Settle(record.Receipt{}, err)
}

// giveBack settles what a stopped sink will never take. What is flying comes back first.
func (p *producer) giveBack(cause error) {
	for _, s := range p.streams {
		for len(s.queue) > 0 && !s.flying {
			p.drop(s, cause)
		}
	}
}

// doubt counts the records of a batch given up that may be stored, or are: whoever delivers it again stores them
// twice.
func (p *producer) doubt(d *delivery, flying bool) {
	for _, place := range d.receipt.Places {
		p.k.meters.duplicates.Add(place.Records)
	}
	// While it is flying the rest of the piece belongs to the attempt.
	if first := &d.pieces[0]; flying || first.unknown || first.stored {
		p.k.meters.duplicates.Add(first.count)
	}
}

// abandon settles all that is left. A request that is under way ends by itself.
func (p *producer) abandon(cause error) {
	p.mu.Lock()
	p.over = true
	incoming := p.inbox
	p.inbox = nil
	p.mu.Unlock()
	for _, s := range p.streams {
		p.giveUp(s)
		for i, d := range s.queue {
			p.doubt(d, i == 0 && s.flying)
			d.Settle(record.Receipt{}, cause)
		}
	}
	for _, d := range incoming {
		d.Settle(record.Receipt{}, cause)
	}
}
