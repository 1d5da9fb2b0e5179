package router

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/demarc/demarc/internal/record"
)

// generation is the work of this process between two rebalances of the group.
type generation struct {
	router   *Router
	group    *kafka.Generation
	fetcher  *fetcher
	lanes    map[int]*lane
	commits  *commits
	scribe   *scribe // nil without a ledger
	vitality *vitality
	lacking  map[record.TopicPartition]error // partitions that cannot begin without a gap in the evidence
}

// stopLacking holds the partitions that cannot begin.
func (g *generation) stopLacking() {
	for _, p := range g.fetcher.parts {
		if err := g.lacking[p.tp]; err != nil {
			g.fetcher.stopPartition(p, err)
		}
	}
}

// live is the fence that a sink asks before every produce.
func (g *generation) live(ctx context.Context) error { return g.vitality.live(ctx, time.Now()) }

// newGeneration lays out the assigned partitions in lanes and finds where each begins.
func (r *Router) newGeneration(ctx context.Context, group *kafka.Generation) (*generation, error) {
	starts, found, err := r.startOffsets(ctx, group.Assignments)
	if err != nil {
		return nil, err
	}
	var known resumption
	if r.witness != nil {
		if known, err = r.witness.resume(ctx, starts); err != nil {
			return nil, err
		}
		if found = append(found, known.moved...); len(known.moved) > 0 {
			r.log.Info("beginning where the ledger ends, which is ahead of the group's offset", "partitions", len(known.moved))
		}
	}
	ends, err := r.endsFor(ctx, starts)
	if err != nil {
		return nil, err
	}
	g := &generation{router: r, group: group, lanes: map[int]*lane{}, lacking: known.lacking}
	g.commits = newCommits(group.CommitOffsets, starts, found...)
	// Not committed, "latest" is another offset for the next owner, beyond what this one could not deliver.
	if err := g.commits.flush(); err != nil {
		return nil, fmt.Errorf("commit where to begin: %w", err)
	}
	if r.witness != nil {
		g.scribe = newScribe(r.witness, r.cfg.Window)
	}
	g.vitality = newVitality(r.cfg.SessionTimeout/2, time.Now(), g.commits.confirm)
	g.fetcher = r.newFetcher(len(starts))
	perLane := map[int]int{}
	for tp := range starts {
		perLane[int(tp.Partition)%r.cfg.Lanes]++
	}
	for id, partitions := range perLane {
		g.lanes[id] = &lane{id: id, in: make(chan *chunk, partitions*r.cfg.Window), router: r, gen: g}
	}
	for _, tp := range slices.SortedFunc(maps.Keys(starts), compareTP) {
		p := &partition{
			tp: tp, topicID: known.ids[tp.Topic], fine: r.fine(tp), lane: g.lanes[int(tp.Partition)%r.cfg.Lanes], account: r.account(tp),
			next: starts[tp], end: noEnd, leader: -1, last: nothingBefore(),
		}
		if ends != nil {
			p.end = ends[tp] // a partition that appeared after the start has no end to reach: 0
		}
		p.account.begin(p.next)
		g.fetcher.parts = append(g.fetcher.parts, p)
	}
	return g, nil
}

// nothingBefore is what the first chunk of a partition follows.
func nothingBefore() *fate {
	f := newFate()
	f.file(true)
	close(f.known)
	return f
}

func compareTP(a, b record.TopicPartition) int {
	if a.Topic != b.Topic {
		if a.Topic < b.Topic {
			return -1
		}
		return 1
	}
	return int(a.Partition) - int(b.Partition)
}

// run works until over fires (the group rebalances), quit fires (the process is to end), every partition has
// reached its end, or the coordinator no longer knows this generation. Then it drains: it waits for what is in
// flight, at most for the drain limit, commits, and gives up the rest. It reports whether all ends were reached.
func (g *generation) run(over, quit <-chan struct{}) (complete bool, err error) {
	work, cancel := context.WithCancel(context.Background())
	defer cancel()
	fetching, stopFetching := context.WithCancel(work)
	var lanes, fetcher, background sync.WaitGroup
	for _, l := range g.lanes {
		lanes.Go(func() { l.run(work) })
	}
	fetcher.Go(func() { g.fetcher.run(fetching) })
	background.Go(func() { g.beat(work) })
	if g.scribe != nil {
		background.Go(func() { g.scribe.run(work) })
	}

	complete, err = g.untilOver(over, quit)
	lost := err != nil // the coordinator takes no more commits of ours
	g.fetcher.stopFetching()
	stopFetching()
	fetcher.Wait() // every fetched chunk is with its lane now
	var gaveUp error
	if !lost {
		gaveUp = g.drain()
	}
	cancel()
	lanes.Wait()
	<-g.fetcher.idle // every chunk has settled or was given up
	background.Wait()
	if !lost {
		err = g.commits.flush()
	}
	if err != nil {
		g.router.stats.commitFailed()
		return false, fmt.Errorf("commit offsets at the end of generation %d: %w", g.group.ID, err)
	}
	return complete && gaveUp == nil, gaveUp
}

// ErrGivenUp says that a drain ended with batches that their sinks had not acknowledged. Nothing is lost: their
// offsets are not committed, and whoever owns their partitions next delivers them.
var ErrGivenUp = errors.New("what was in flight is given up and will be delivered again")

// untilOver commits what settles until the generation must end. An error means that it is over already.
func (g *generation) untilOver(over, quit <-chan struct{}) (complete bool, err error) {
	var reached <-chan struct{}
	if g.router.cfg.UntilEnd {
		reached = g.fetcher.complete
	}
	ticks := time.NewTicker(g.router.cfg.CommitInterval)
	defer ticks.Stop()
	failing := false
	for {
		select {
		case <-reached:
			select {
			case <-g.fetcher.grown: // a chunk was given up to be read again
				return false, nil
			default:
				return true, nil
			}
		case <-over:
			return false, nil
		case <-g.fetcher.grown: // the group has to assign anew, or a partition is to begin anew
			return false, nil
		case <-quit:
			return false, nil
		case <-g.vitality.lost:
			return false, errFenced
		case <-ticks.C:
			if err := g.commits.flush(); generationOver(err) {
				return false, err
			} else if err != nil {
				g.router.stats.commitFailed()
				if !failing { // else it has been said
					g.router.log.Warn("offset commit failed, retrying", "error", err)
				}
				failing = true
			} else {
				failing = false
			}
		}
	}
}

// drain waits until nothing is in flight that can still settle. No heartbeat is sent meanwhile, so the limit stays below the session
// timeout. What a sink that is down still holds at the limit is given up.
func (g *generation) drain() error {
	limit := time.NewTimer(g.router.cfg.DrainLimit)
	defer limit.Stop()
	ticks := time.NewTicker(g.router.cfg.CommitInterval)
	defer ticks.Stop()
	for {
		select {
		case <-g.fetcher.complete:
			return nil
		case <-limit.C:
			return fmt.Errorf("drain limit of %s reached: %w", g.router.cfg.DrainLimit, ErrGivenUp)
		case <-g.router.abort:
			return fmt.Errorf("drain was cut short: %w", ErrGivenUp)
		case <-ticks.C:
			// Commits go on while draining, so that a crash in a long drain costs little. The last flush reports.
			_ = g.commits.flush()
		}
	}
}

// beat keeps the fence's clock.
func (g *generation) beat(ctx context.Context) {
	tick := time.NewTicker(g.router.cfg.SessionTimeout / 20)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			g.vitality.beat(now)
		}
	}
}

// halted lists the partitions that had to stop.
func (g *generation) halted() (list []error) {
	for _, p := range g.fetcher.parts {
		if err := p.stopped(); err != nil {
			list = append(list, fmt.Errorf("partition %s stopped: %w", p.tp, err))
		}
	}
	return list
}

// commits gathers positions and sends them to the group's coordinator together.
type commits struct {
	send func(map[string]map[int]int64) error

	sending sync.Mutex // one request at a time, so that an older position never follows a newer one

	mu      sync.Mutex
	newest  map[record.TopicPartition]int64
	pending map[record.TopicPartition]bool // newest has not been sent
}

// newCommits begins at starts, of which the group does not know those that found lists.
func newCommits(send func(map[string]map[int]int64) error, starts map[record.TopicPartition]int64, found ...record.TopicPartition) *commits {
	c := &commits{send: send, newest: maps.Clone(starts), pending: map[record.TopicPartition]bool{}}
	for _, tp := range found {
		c.pending[tp] = true
	}
	return c
}

func (c *commits) advance(p position) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.newest[p.tp] = p.offset
	c.pending[p.tp] = true
}

// flush sends what has been gathered. After an error it is kept for the next flush.
func (c *commits) flush() error {
	c.sending.Lock()
	defer c.sending.Unlock()
	c.mu.Lock()
	batch := slices.Collect(maps.Keys(c.pending))
	offsets := c.offsets(batch)
	clear(c.pending)
	c.mu.Unlock()
	if len(batch) == 0 {
		return nil
	}
	err := c.send(offsets)
	if err != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, tp := range batch {
			c.pending[tp] = true
		}
	}
	return err
}

// confirm asks the coordinator whether this generation is still the group's, by committing one position again.
// (A Heartbeat would be the plain question, but kafka-go's Client sends it to any broker and misreads the answer.)
func (c *commits) confirm(context.Context) error {
	c.sending.Lock()
	defer c.sending.Unlock()
	c.mu.Lock()
	var one []record.TopicPartition
	for tp := range c.newest {
		one = append(one, tp)
		break
	}
	offsets := c.offsets(one)
	c.mu.Unlock()
	return c.send(offsets)
}

// offsets lays positions out as kafka-go wants them. The lock is held.
func (c *commits) offsets(list []record.TopicPartition) map[string]map[int]int64 {
	out := map[string]map[int]int64{}
	for _, tp := range list {
		if out[tp.Topic] == nil {
			out[tp.Topic] = map[int]int64{}
		}
		out[tp.Topic][int(tp.Partition)] = c.newest[tp]
	}
	return out
}

// startOffsets turns the group's committed offsets into offsets to fetch. A partition without one begins where
// Config.Start says; found lists those. One that appeared after this process had started begins at its first
// record whatever Config.Start says: what was written before it was noticed is news.
func (r *Router) startOffsets(ctx context.Context, assigned map[string][]kafka.PartitionAssignment) (starts map[record.TopicPartition]int64, found []record.TopicPartition, err error) {
	starts = map[record.TopicPartition]int64{}
	for topic, partitions := range assigned {
		for _, p := range partitions {
			tp := record.TopicPartition{Topic: topic, Partition: int32(p.ID)}
			starts[tp] = p.Offset
			if p.Offset < 0 {
				found = append(found, tp)
			}
		}
	}
	asked := map[int64][]record.TopicPartition{}
	for _, tp := range found {
		at := kafka.FirstOffset
		if r.atStart[tp] {
			at = r.cfg.Start
		}
		asked[at] = append(asked[at], tp)
	}
	for at, partitions := range asked {
		listed, err := listOffsets(ctx, r.client, r.addr, partitions, at)
		if err != nil {
			return nil, nil, err
		}
		maps.Copy(starts, listed)
	}
	return starts, found, nil
}

// endsFor is how far partitions that begin at starts are read; nil for ever. One that begins beyond the end that
// was seen at the start has been read further by another member since. Or its log is not the one that the
// offset was committed for: then one fetch is due, which the broker answers with why it cannot go on.
func (r *Router) endsFor(ctx context.Context, starts map[record.TopicPartition]int64) (map[record.TopicPartition]int64, error) {
	if r.ends == nil {
		return nil, nil
	}
	ends := maps.Clone(r.ends)
	var beyond []record.TopicPartition
	for tp, start := range starts {
		if end, ok := ends[tp]; ok && start > end {
			beyond = append(beyond, tp)
		}
	}
	now, err := listOffsets(ctx, r.client, r.addr, beyond, kafka.LastOffset)
	if err != nil {
		return nil, err
	}
	for tp, end := range now {
		if starts[tp] > end {
			ends[tp] = starts[tp] + 1
		}
	}
	return ends, nil
}

// listOffsets asks for the first or the last stable offset of partitions.
func listOffsets(ctx context.Context, client *kafka.Client, addr net.Addr, partitions []record.TopicPartition, at int64) (map[record.TopicPartition]int64, error) {
	found := map[record.TopicPartition]int64{}
	if len(partitions) == 0 {
		return found, nil
	}
	topics := map[string][]kafka.OffsetRequest{}
	for _, tp := range partitions {
		topics[tp.Topic] = append(topics[tp.Topic], kafka.OffsetRequest{Partition: int(tp.Partition), Timestamp: at})
	}
	res, err := client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Addr: addr, Topics: topics, IsolationLevel: kafka.ReadCommitted})
	if err != nil {
		return nil, fmt.Errorf("list offsets: %w", err)
	}
	for topic, list := range res.Topics {
		for _, p := range list {
			tp := record.TopicPartition{Topic: topic, Partition: int32(p.Partition)}
			if p.Error != nil {
				return nil, fmt.Errorf("list offsets of %s: %w", tp, p.Error)
			}
			if found[tp] = p.FirstOffset; at == kafka.LastOffset {
				found[tp] = p.LastOffset
			}
		}
	}
	for _, tp := range partitions {
		if offset, ok := found[tp]; !ok || offset < 0 {
			return nil, fmt.Errorf("list offsets of %s: %w", tp, errors.New("no answer from its leader"))
		}
	}
	return found, nil
}
