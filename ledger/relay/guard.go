package relay

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
)

// ErrOtherLog is in the chain of errors that say that a folder is not the newest one of its log.
var ErrOtherLog = errors.New("this folder is not the newest of its log")

// vow is a record of the checkpoints topic: what a sequencer is about to sign. Whoever signs another tree of that size,
// or goes on from a smaller one, breaks it.
type vow struct {
	Origin string          `json:"origin"`
	Size   uint64          `json:"size"`
	Root   string          `json:"root"` // lower-case hex
	Next   map[int32]int64 `json:"next"` // by partition of the entries topic: all entries below are among these, or known to them
	At     int64           `json:"at"`   // milliseconds since the epoch
}

// tree is what the guard asks of a log.
type tree interface {
	Size() uint64
	RootAt(ctx context.Context, size uint64) ([32]byte, error)
}

// guard sees to it that of all processes with the key of a log one signs, and only what follows from what was signed.
type guard struct {
	cluster *cluster
	topic   string
	origin  string
	lost    chan struct{} // closed when another process has taken over

	mu       sync.Mutex // held while a vow is made
	producer *producer  // nil until enter has succeeded
	size     uint64     // of the newest vow

	next  sync.Mutex
	mark  map[int32]int64 // of the next vow
	marks []mark          // later ones, in their order
}

// mark is what a log of some size has done with the entries topic.
type mark struct {
	size uint64
	next map[int32]int64
}

// maxMarks bounds those that wait for a checkpoint.
const maxMarks = 100

// signLimit is how long a checkpoint waits for its vow. Without it, it is asked for again.
const signLimit = 20 * time.Second

func newGuard(c *cluster, topic string) *guard {
	return &guard{cluster: c, topic: topic, lost: make(chan struct{}), mark: map[int32]int64{}}
}

// enter makes this process the one that signs, if its log is fit for it, and returns the newest vow, if there is one.
// It looks before it takes over, so that an old copy that is started by mistake does not end the sequencer that runs;
// not behind a transaction that is open, which a sequencer that was killed leaves for a minute, or until it is taken over.
func (g *guard) enter(ctx context.Context, origin string, log tree) (newest *vow, err error) {
	g.origin = origin
	if _, err := g.check(ctx, log, kafka.ReadCommitted); err != nil {
		return nil, err
	}
	p := newProducer(g.cluster, g.topic, "demarc-sequencer-"+origin, transactionTimeout)
	if err := p.take(ctx); err != nil {
		return nil, err
	}
	// From here on nobody else can make a vow; one that was made meanwhile counts.
	if newest, err = g.check(ctx, log, kafka.ReadUncommitted); err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.producer = p
	if newest != nil {
		g.size = newest.Size
		g.mark = newest.Next
	}
	return newest, nil
}

// check compares the newest vow with the log.
func (g *guard) check(ctx context.Context, log tree, level kafka.IsolationLevel) (*vow, error) {
	v, err := g.newest(ctx, level)
	if err != nil || v == nil {
		return nil, err
	}
	if own := log.Size(); own < v.Size {
		return nil, fmt.Errorf("%w: it has %d entries, and a checkpoint of size %d was about to be signed at %s: this is an older copy; use the folder of the sequencer that ran last",
			ErrOtherLog, own, v.Size, time.UnixMilli(v.At).UTC().Format(time.RFC3339))
	}
	root, err := log.RootAt(ctx, v.Size)
	if err != nil {
		return nil, err
	}
	if hex.EncodeToString(root[:]) != v.Root {
		return nil, fmt.Errorf("%w: its first %d entries have the root %x, and a checkpoint of that size was about to be signed with root %s at %s: entries were written to a copy of the folder; use the folder of the sequencer that ran last",
			ErrOtherLog, v.Size, root, v.Root, time.UnixMilli(v.At).UTC().Format(time.RFC3339))
	}
	return v, nil
}

// newest reads the last vow of this log; nil if there is none. With kafka.ReadUncommitted it waits for transactions that
// are open, and misses none that is committed.
func (g *guard) newest(ctx context.Context, level kafka.IsolationLevel) (*vow, error) {
	const partition = 0
	var bounds [2]int64
	for i, at := range []int64{kafka.FirstOffset, kafka.LastOffset} {
		offsets, err := g.cluster.offsetsSeen(ctx, g.topic, []int32{partition}, at, level)
		if err != nil {
			return nil, err
		}
		bounds[i] = offsets[partition]
	}
	last := &lastOf{key: g.origin}
	err := g.cluster.backwards(ctx, g.topic, partition, bounds[0], bounds[1], last)
	if err != nil {
		return nil, fmt.Errorf("read the newest checkpoint record in %s: %w", g.topic, err)
	}
	if !last.found {
		return nil, nil
	}
	v := &vow{}
	d := json.NewDecoder(bytes.NewReader(last.record.value))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil || v.Origin != g.origin {
		return nil, fmt.Errorf("read the newest checkpoint record in %s: the record at offset %d is none of a sequencer: %w", g.topic, last.record.offset, errors.Join(errForGood, err))
	}
	return v, nil
}

// lastOf looks for the last record with a key, as a finder.
type lastOf struct {
	key    string
	record stored
	found  bool
}

func (l *lastOf) see(records []stored) error {
	for _, r := range records {
		if string(r.key) == l.key {
			l.record, l.found = r, true
		}
	}
	return nil
}

func (l *lastOf) enough() bool { return l.found }

// setMark says below which places of the entries topic a log of some size leaves nothing to do.
func (g *guard) setMark(size uint64, next map[int32]int64) {
	g.next.Lock()
	defer g.next.Unlock()
	if len(g.marks) == maxMarks { // nothing is signed; the last one is replaced
		g.marks = g.marks[:maxMarks-1]
	}
	g.marks = append(g.marks, mark{size, next})
}

// markOf is the newest mark that the first entries of the log bear out. The log may have grown since: what a vow says of
// the topic must hold for a copy of the folder that is no larger than the vow.
func (g *guard) markOf(size uint64) map[int32]int64 {
	g.next.Lock()
	defer g.next.Unlock()
	for len(g.marks) > 0 && g.marks[0].size <= size {
		g.mark, g.marks = g.marks[0].next, g.marks[1:]
	}
	return g.mark
}

// beforeSign makes the vow. Crash from here on, before the checkpoint is signed: the next start finds the vow kept, as
// the log holds all of the tree.
func (g *guard) beforeSign(size uint64, root [32]byte) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.producer == nil {
		return errors.New("the checkpoints topic was not asked yet")
	}
	if size < g.size {
		return fmt.Errorf("%w: size %d is below %d, which was about to be signed", ErrOtherLog, size, g.size)
	}
	v := vow{Origin: g.origin, Size: size, Root: hex.EncodeToString(root[:]), Next: g.markOf(size), At: time.Now().UnixMilli()}
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), signLimit)
	defer cancel()
	err = g.producer.write(ctx, []message{{key: []byte(g.origin), value: text, at: v.At}})
	if errors.Is(err, ErrTakenOver) {
		select {
		case <-g.lost:
		default:
			close(g.lost)
		}
	}
	if err != nil {
		return fmt.Errorf("record size and root in topic %s: %w", g.topic, err)
	}
	g.size = size
	return nil
}
