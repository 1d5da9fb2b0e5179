package relay

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/demarc/demarc/ledger"
	"github.com/demarc/demarc/ledger/writer"
)

// AppenderConfig is what an instance's end of the entries topic needs to know.
type AppenderConfig struct {
	Config
	Group string // of the source; part of the transactional ids
	Lanes int    // the router's; another number means other transactional ids, and no fence between old and new
}

// Appender is the ledger of one instance among several: a router.Ledger that appends to the entries topic. It is safe
// for concurrent use.
type Appender struct {
	cfg     AppenderConfig
	cluster *cluster
	count   int32 // partitions of the entries topic, from Open on

	mu    sync.Mutex
	own   *lane         // for what is of no source partition
	lanes map[int]*lane // those that Resume has taken over
}

// transactionTimeout is after what time the coordinator aborts a transaction that nobody ends. Until then, or until
// somebody takes its lane over, nobody can read what was committed behind its begin.
const transactionTimeout = time.Minute

// NewAppender connects to nothing: Open does.
func NewAppender(cfg AppenderConfig) *Appender {
	return &Appender{cfg: cfg, cluster: newCluster(cfg.Config, cfg.Topic), lanes: map[int]*lane{}}
}

// Open makes sure that the topic is one for entries, and that this process may write transactions to it.
func (a *Appender) Open(ctx context.Context) error {
	count, err := a.cluster.preflight(ctx, a.cfg.Topic, entriesTopic)
	if err != nil {
		return err
	}
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails
	p := newProducer(a.cluster, a.cfg.Topic, "demarc-"+a.cfg.Group+"-process-"+hex.EncodeToString(id[:]), transactionTimeout)
	if err := p.take(ctx); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.count, a.own = count, newLane(p, true, nil)
	return nil
}

// laneID is the transactional id of a lane of a source cluster. Groups of the same name read other clusters, and other
// ledgers have their topics beside this one: they have lanes of their own.
func (a *Appender) laneID(source string, lane int) string {
	return fmt.Sprintf("demarc-%s-lane-%d-%s-%s", a.cfg.Group, lane, a.cfg.Topic, source)
}

// Resume takes over the lanes of source partitions, all of one cluster, which must be asked for in one call. When it
// returns, nobody who owned one before can append for it, and the answer says where the entries of each partition end;
// one without entries is left out. It may be called again at any time, for the same lanes too.
//
// It waits for transactions that others have open in the same partitions of the entries topic, for a minute at most. See
// find for what it reads.
func (a *Appender) Resume(ctx context.Context, partitions []ledger.Stream) (map[ledger.Stream]int64, error) {
	var count int32
	err := a.cluster.persist(ctx, func(ctx context.Context) (err error) {
		count, _, err = a.cluster.leaders(ctx, a.cfg.Topic)
		return err
	})
	if err != nil {
		return nil, err
	}
	if count != a.count {
		return nil, fmt.Errorf("topic %s has %d partitions, and had %d when this process started: entries of one source partition would lie in two; stop all instances, then start them", a.cfg.Topic, count, a.count)
	}
	byLane := map[int][]ledger.Stream{}
	for _, s := range partitions {
		n := int(s.Partition) % a.cfg.Lanes
		byLane[n] = append(byLane[n], s)
	}
	taken, err := a.take(ctx, byLane)
	if err != nil {
		return nil, err
	}
	// From here on no entry of these partitions can be committed but by this process.
	found, err := a.cluster.find(ctx, a.cfg.Topic, count, partitions)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for n, p := range taken {
		ends := map[ledger.Stream]int64{}
		for _, s := range byLane[n] {
			if to, ok := found[s]; ok {
				ends[s] = to
			}
		}
		a.lanes[n] = newLane(p, false, ends)
	}
	return found, nil
}

// take ends this process's own work on lanes, and everybody else's.
func (a *Appender) take(ctx context.Context, byLane map[int][]ledger.Stream) (map[int]*producer, error) {
	taken := map[int]*producer{}
	for n, streams := range byLane {
		taken[n] = newProducer(a.cluster, a.cfg.Topic, a.laneID(streams[0].Cluster, n), transactionTimeout)
	}
	a.mu.Lock()
	var old []*lane
	for n := range byLane {
		if l := a.lanes[n]; l != nil {
			old = append(old, l)
			delete(a.lanes, n)
		}
	}
	a.mu.Unlock()
	for _, l := range old {
		l.end()
	}
	errs := make(chan error, len(taken))
	slots := make(chan struct{}, searches)
	for _, p := range taken {
		go func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			errs <- p.take(ctx)
		}()
	}
	var failed error
	for range taken {
		if err := <-errs; err != nil && failed == nil {
			failed = err
		}
	}
	return taken, failed
}

// Append puts entries into the topic and returns once they are committed, in this order as far as they are of one
// source partition. An error that is ledger.ErrRefused is final; ledger.ErrTakenOver says that the lane was taken over, by whoever
// owns it now. After any other the same entries may be appended again; none of them is in the topic twice.
//
// ctx bounds the wait, not what is under way: the entries may be committed all the same.
func (a *Appender) Append(ctx context.Context, entries []ledger.Entry) error {
	items := make([]item, len(entries))
	for i, e := range entries {
		text, err := writer.Encode(e)
		if err == nil && (e.Via != nil || e.Kind == ledger.KindReplay) {
			err = errors.New("places and replays are the sequencer's to tell")
		}
		if err != nil {
			return fmt.Errorf("append entry %d of %d: %w: %w", i+1, len(entries), ledger.ErrRefused, err)
		}
		items[i] = item{entry: e, message: message{key: []byte(keyOf(e)), value: text, at: time.Now().UnixMilli()}}
	}
	var done []part
	for len(items) > 0 {
		n, lane := 1, a.laneOf(items[0].entry)
		for n < len(items) && a.laneOf(items[n].entry) == lane {
			n++
		}
		l, err := a.append(ctx, lane, items[:n])
		if err != nil {
			for _, p := range done { // they come again with the rest
				p.lane.frontier.remember(p.items)
			}
			return err
		}
		done, items = append(done, part{l, items[:n]}), items[n:]
	}
	return nil
}

// part is what of a call one lane has committed.
type part struct {
	lane  *lane
	items []item
}

// noLane is what is of no source partition.
const noLane = -1

func (a *Appender) laneOf(e ledger.Entry) int {
	if s, ok := streamOf(e); ok {
		return int(s.Partition) % a.cfg.Lanes
	}
	return noLane
}

func (a *Appender) append(ctx context.Context, n int, items []item) (*lane, error) {
	a.mu.Lock()
	l, count := a.own, a.count
	if n != noLane {
		l = a.lanes[n]
	}
	a.mu.Unlock()
	if l == nil {
		return nil, fmt.Errorf("append for lane %d: %w: this process does not own it", n, ledger.ErrRefused)
	}
	for i := range items {
		if s, ok := streamOf(items[i].entry); ok {
			items[i].message.partition = home(s, count)
		}
	}
	return l, l.append(ctx, &request{items: items, done: make(chan error, 1)})
}

// Close ends all work. What is under way may be committed or not.
func (a *Appender) Close() error {
	a.mu.Lock()
	all := slices.Collect(func(yield func(*lane) bool) {
		for _, l := range a.lanes {
			if !yield(l) {
				return
			}
		}
	})
	if a.own != nil {
		all = append(all, a.own)
	}
	a.own, a.lanes = nil, map[int]*lane{}
	a.mu.Unlock()
	for _, l := range all {
		l.end()
	}
	a.cluster.close()
	return nil
}
