package router

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/demarc/demarc/classifier"
	"github.com/demarc/demarc/internal/record"
	"github.com/demarc/demarc/internal/wire"
)

// noEnd is the end of a partition that is read for ever.
const noEnd = math.MaxInt64

// partition is one assigned source partition in one generation.
type partition struct {
	tp      record.TopicPartition
	topicID string // with a ledger, if the cluster tells it
	fine    bool   // with a ledger: see fineRecords
	lane    *lane
	account *account
	end     int64 // not read from here on; noEnd without --until-end

	halted atomic.Pointer[error] // why nothing more is fetched
	held   atomic.Pointer[error] // why a chunk can never be delivered: none after it may settle
	broken bool                  // the lane's own: a chunk cannot be read, so the sinks get none after it

	// The rest belongs to the fetcher, under its lock.
	leader    int32
	refused   kafka.Error // what its last fetch was refused for
	missing   int         // how often in a row the metadata did not name it
	next      int64       // the offset to fetch
	inFlight  int         // chunks handed to the lane and not finished
	waiting   int         // of those: delivered, or never to be, and waiting for the one before
	busy      bool        // part of a request under way
	notBefore time.Time   // backs off until then
	last      *fate       // of the newest chunk
}

func (p *partition) halt() error {
	if err := p.halted.Load(); err != nil {
		return *err
	}
	return nil
}

// stopped is why the partition cannot reach its end.
func (p *partition) stopped() error {
	if err := p.held.Load(); err != nil {
		return *err
	}
	return p.halt()
}

// done reports whether nothing more will happen to a partition: it is at its end with nothing in flight, or it
// has stopped and what is in flight waits for a chunk that cannot be delivered. The fetcher's lock is held.
func (p *partition) done(over bool, window int) bool {
	noMore := over || p.next >= p.end || p.halt() != nil
	if p.held.Load() != nil {
		return p.waiting == p.inFlight && (noMore || p.inFlight >= window)
	}
	return noMore && p.inFlight == 0
}

// chunk is a run of whole record batches of one partition, as fetched.
type chunk struct {
	p        *partition
	from, to int64  // source offsets [from, to)
	records  []byte // borrowed from buffer until release
	aborted  []wire.AbortedTxn
	buffer   *fetchBuffer
	snapshot classifier.Snapshot // what all its records are decided by
	segments []*segment          // what it was split into; together they cover it

	before     *fate // of the chunk before it in its partition
	fate       *fate
	handedOver chan struct{} // closed when the sinks have this one's batches in their order
}

// fate is what became of a chunk. A chunk that is given up takes along all that follow it in its partition, and
// none that came before.
type fate struct {
	filed   chan struct{} // closed when the chunk has been handed to the ledger, or never will be
	unfiled bool          // never; to be read after that
	known   chan struct{} // closed when the chunk has finished
	givenUp bool          // to be read after that
}

func newFate() *fate { return &fate{filed: make(chan struct{}), known: make(chan struct{})} }

// file says whether the chunk was handed to the ledger.
func (f *fate) file(handed bool) {
	f.unfiled = !handed
	close(f.filed)
}

// fetchBuffer holds one fetch response for the chunks that borrow from it.
type fetchBuffer struct {
	bytes []byte
	users atomic.Int32
	pool  chan []byte
}

func (b *fetchBuffer) release() {
	if b.users.Add(-1) == 0 {
		b.pool <- b.bytes
	}
}

// fetcher reads the assigned partitions of one generation: one request at a time to each source broker, for all
// partitions that it leads and that have room for more. A partition has room while fewer than window chunks of
// it are in flight.
type fetcher struct {
	transport kafka.RoundTripper
	client    *kafka.Client
	addr      net.Addr
	topics    []string
	log       *slog.Logger
	stats     *stats

	window         int
	requestBytes   int32 // of one response, about
	partitionBytes int32 // of one partition in it
	responseLimit  int   // a response larger than this is an error
	buffers        chan []byte

	mu       sync.Mutex
	parts    []*partition
	rotation int
	wake     map[int32]chan struct{} // per broker: a partition may have become eligible
	over     bool                    // nothing more is fetched

	known    map[record.TopicPartition]bool // all partitions of the topics, when the generation began
	grown    chan struct{}                  // closed when there are others, or a partition is to be read again
	growOnce sync.Once

	complete, idle   chan struct{} // see checkComplete
	completed, idled bool
}

func (f *fetcher) run(ctx context.Context) {
	var brokers sync.WaitGroup
	defer brokers.Wait()
	f.mu.Lock()
	f.checkComplete()
	f.mu.Unlock()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		for _, id := range f.refreshLeaders(ctx) {
			f.buffers <- nil // has room: see maxFetchBuffers
			brokers.Go(func() { f.serve(ctx, id) })
		}
		f.refreshEnds(ctx, time.Now())
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// refreshLeaders takes the leaders from the transport's cached metadata and returns brokers that it has not
// seen before.
func (f *fetcher) refreshLeaders(ctx context.Context) (fresh []int32) {
	meta, err := f.client.Metadata(ctx, &kafka.MetadataRequest{Addr: f.addr, Topics: f.topics})
	if err != nil {
		if !ended(err) {
			f.stats.fetchError("metadata")
			f.log.Warn("source metadata unavailable", "error", err)
		}
		return nil
	}
	leaders, there := map[record.TopicPartition]int32{}, map[record.TopicPartition]bool{}
	for _, t := range meta.Topics {
		for _, p := range t.Partitions {
			tp := record.TopicPartition{Topic: t.Name, Partition: int32(p.ID)}
			there[tp] = true
			if p.Error == nil {
				leaders[tp] = int32(p.Leader.ID)
			}
		}
	}
	for _, p := range f.watch(there) {
		f.stopPartition(p, errGone)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.parts {
		id, ok := leaders[p.tp]
		if !ok {
			continue
		}
		p.leader = id
		if f.wake[id] == nil {
			f.wake[id] = make(chan struct{}, 1)
			fresh = append(fresh, id)
		}
		f.nudge(id)
	}
	return fresh
}

// nudge tells a broker's loop to look again. The lock is held.
func (f *fetcher) nudge(broker int32) { signal(f.wake[broker]) }

// claim picks the partitions for the next request to a broker. heldBack says that others wait for room, so the
// request must not poll for long. The order rotates: a response that is full serves the first partitions first.
func (f *fetcher) claim(broker int32, now time.Time) (claimed []*partition, heldBack bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rotation++
	for i := range f.parts {
		p := f.parts[(i+f.rotation)%len(f.parts)]
		switch {
		case p.leader != broker || p.busy || p.next >= p.end || p.halt() != nil:
		case p.inFlight >= f.window || now.Before(p.notBefore):
			heldBack = true
		default:
			p.busy = true
			claimed = append(claimed, p)
		}
	}
	return claimed, heldBack
}

const (
	longPoll    = 250 * time.Millisecond // an idle source is asked this often
	shortPoll   = 5 * time.Millisecond   // when partitions that are not part of the request wait for room
	requestTime = 30 * time.Second       // a broker that does not answer for so long is given up on
)

func (f *fetcher) serve(ctx context.Context, broker int32) {
	f.mu.Lock()
	wake := f.wake[broker]
	f.mu.Unlock()
	failures := 0
	for ctx.Err() == nil {
		claimed, heldBack := f.claim(broker, time.Now())
		if len(claimed) == 0 {
			select {
			case <-ctx.Done():
			case <-wake:
			case <-time.After(longPoll): // a back-off may have ended
			}
			continue
		}
		wait := longPoll
		if heldBack {
			wait = shortPoll
		}
		if err := f.fetch(ctx, broker, claimed, wait); err != nil && ctx.Err() == nil {
			f.stats.fetchError("request")
			if failures == 0 {
				f.log.Warn("fetch from source broker failed, retrying", "broker", broker, "error", err)
			}
			f.unclaim(claimed, time.Now().Add(backoff(failures)))
			failures++
		} else {
			failures = 0
		}
	}
}

// backoff grows from 100 ms to 5 s.
func backoff(failures int) time.Duration {
	return min(100*time.Millisecond<<min(failures, 6), 5*time.Second)
}

func (f *fetcher) unclaim(parts []*partition, notBefore time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range parts {
		if p.busy {
			p.busy, p.notBefore = false, notBefore
		}
	}
}

// fetch sends one request and hands what comes back to the lanes. After an error the buffer is not used again:
// a connection may still be writing into it.
func (f *fetcher) fetch(ctx context.Context, broker int32, claimed []*partition, wait time.Duration) error {
	var buffer []byte
	select {
	case buffer = <-f.buffers:
	case <-ctx.Done():
		return ctx.Err()
	}
	req := &wire.Fetch{
		BrokerID: broker, MaxWait: wait, MinBytes: 1, MaxBytes: f.requestBytes, Buffer: buffer, Limit: f.responseLimit,
		Partitions: make([]wire.FetchPartition, 0, len(claimed)),
	}
	for _, p := range claimed {
		req.Partitions = append(req.Partitions, wire.FetchPartition{
			Topic: p.tp.Topic, Partition: p.tp.Partition, Offset: p.next, LeaderEpoch: -1, MaxBytes: f.partitionBytes,
		})
	}
	reqCtx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	msg, err := f.transport.RoundTrip(reqCtx, f.addr, req)
	if err != nil {
		f.buffers <- nil
		return err
	}
	res := msg.(*wire.FetchResponse)
	if res.Error != 0 {
		f.buffers <- res.Buffer
		return fmt.Errorf("fetch: %w", kafka.Error(res.Error))
	}
	shared := &fetchBuffer{bytes: res.Buffer, pool: f.buffers}
	shared.users.Store(1)
	defer shared.release()
	for i := range res.Partitions {
		got := &res.Partitions[i]
		f.receive(claimed[got.Request], got, shared)
		claimed[got.Request] = nil // it may be part of another request by now
	}
	left := slices.DeleteFunc(claimed, func(p *partition) bool { return p == nil })
	f.unclaim(left, time.Time{}) // the response left them out
	return nil
}

// receive hands one partition's batches to its lane.
func (f *fetcher) receive(p *partition, got *wire.FetchedPartition, shared *fetchBuffer) {
	if code := kafka.Error(got.Error); code != 0 {
		f.refused(p, code)
		return
	}
	p.refused = 0
	p.account.see(got.LastStableOffset, time.Now())
	c, err := f.cut(p, got)
	if err != nil {
		f.stopPartition(p, err)
		return
	}
	f.mu.Lock()
	if c == nil || f.over {
		p.busy = false
		f.mu.Unlock()
		return
	}
	c.buffer = shared
	shared.users.Add(1)
	c.before, p.last = p.last, c.fate
	p.next = c.to
	p.inFlight++
	p.busy = false
	f.mu.Unlock()
	p.account.consume(c.to - c.from)
	p.lane.in <- c // has room: see lane.in
}

// cut walks over the headers of the batches that arrived whole and makes them one chunk; nil if there is none.
func (f *fetcher) cut(p *partition, got *wire.FetchedPartition) (*chunk, error) {
	next := p.next
	rest := got.Records
	for len(rest) > 0 {
		b, tail, err := wire.Next(rest)
		if errors.Is(err, wire.ErrPartial) {
			break // the response ended before the batch: it comes again
		}
		if err != nil {
			return nil, fmt.Errorf("read batch after offset %d: %w", next, err)
		}
		if b.BaseOffset() >= p.end { // the end may lie in a hole that compaction has left: nothing is there up to it
			next = max(next, p.end)
			break
		}
		if after := b.LastOffset() + 1; after > next {
			next = after
		}
		rest = tail
	}
	if next == p.next {
		return nil, nil
	}
	return &chunk{
		p: p, from: p.next, to: next, records: got.Records[:len(got.Records)-len(rest)],
		aborted: append([]wire.AbortedTxn(nil), got.Aborted...),
		fate:    newFate(), handedOver: make(chan struct{}),
	}, nil
}

// refused handles an error code of one partition.
func (f *fetcher) refused(p *partition, code kafka.Error) {
	f.stats.fetchError(errorLabel(code))
	if judge(code) == stop {
		f.stopPartition(p, partitionError(code))
		return
	}
	if p.refused != code { // else it has been said
		f.log.Warn("fetch refused, retrying", "partition", p.tp.String(), "error", partitionError(code))
	}
	p.refused = code
	f.unclaim([]*partition{p}, time.Now().Add(backoff(2)))
}

// stopPartition ends the fetching of a partition. What is in flight of it goes on.
func (f *fetcher) stopPartition(p *partition, err error) {
	if !p.halted.CompareAndSwap(nil, &err) {
		return
	}
	f.report(p, err)
	f.mu.Lock()
	defer f.mu.Unlock()
	p.busy = false
	f.checkComplete()
}

func (f *fetcher) report(p *partition, err error) {
	f.stats.halted(p.tp, err)
	f.log.Error("partition stopped; nothing of it is skipped, it holds until the cause is removed and the process restarted",
		"partition", p.tp.String(), "error", err)
}

// hold keeps a chunk that can never be delivered in its place until the generation ends. Later chunks go on to
// their sinks as far as the window allows, so that other sinks get what is theirs; they cannot settle.
func (f *fetcher) hold(ctx context.Context, p *partition, err error) {
	if p.held.CompareAndSwap(nil, &err) {
		f.report(p, err)
	}
	f.await(p, ctx.Done())
}

// await waits for what a chunk needs to settle, and lets the fetcher know that it waits.
func (f *fetcher) await(p *partition, turn <-chan struct{}) {
	add := func(n int) {
		f.mu.Lock()
		defer f.mu.Unlock()
		p.waiting += n
		f.checkComplete()
	}
	add(1)
	<-turn
	add(-1)
}

// drop gives up a chunk that no lane took.
func (f *fetcher) drop(c *chunk) {
	c.fate.givenUp = true
	c.fate.file(false)
	c.buffer.release()
	c.p.account.abandon(c.to - c.from)
	close(c.fate.known)
	f.finished(c.p)
}

// finished makes room for the next chunk of a partition.
func (f *fetcher) finished(p *partition) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p.inFlight--
	f.nudge(p.leader)
	f.checkComplete()
}

// stopFetching keeps later responses from reaching the lanes.
func (f *fetcher) stopFetching() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.over = true
	f.checkComplete()
}

// checkComplete closes complete when every partition is done, and idle when nothing is in flight and nothing
// more will be fetched. The lock is held.
func (f *fetcher) checkComplete() {
	complete, idle := true, f.over
	for _, p := range f.parts {
		complete = complete && p.done(f.over, f.window)
		idle = idle && p.inFlight == 0
	}
	if complete && !f.completed {
		f.completed = true
		close(f.complete)
	}
	if idle && !f.idled {
		f.idled = true
		close(f.idle)
	}
}
