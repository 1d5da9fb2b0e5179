package writer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/client"

	"github.com/demarc/demarc/ledger"
)

// Options are a log's settings. The zero value is what a service wants.
type Options struct {
	// Interval is the least time between the begins of two commits. An entry that comes after a pause is committed
	// at once, others wait for company: a commit costs about the same whatever it holds, a few files and their
	// syncs. 0 lets the log choose by what the last commit took, from 20 to 250 ms, so that commits take a tenth of
	// the time, and of a processor less.
	Interval time.Duration
	// CheckpointInterval is the least time between two checkpoints; 0 stands for a second, less than 100 ms is refused.
	CheckpointInterval time.Duration
	// BeforeSign is asked before a checkpoint is signed, if it is set. With an error the checkpoint is not signed,
	// and asked for again after CheckpointInterval. It is called from a goroutine of the log.
	BeforeSign func(size uint64, root [32]byte) error
}

const (
	defaultCheckpointInterval = time.Second

	minPause       = 20 * time.Millisecond
	maxPause       = 250 * time.Millisecond
	pausePerCommit = 10

	// maxBatch is how many entries a batch has at most: a bundle's worth.
	maxBatch = 256
)

// Log appends to a log in a folder. What is durable when:
//
//   - Append returns nil: the entries lie in their bundle, the tiles above them are written, and Tessera's tree state
//     (size and root, in .state) names them; every file was synced before the next was written, the tree state last,
//     and each one's directory with it. A crash from here on costs nothing.
//   - A crash before the tree state is renamed into place leaves files beyond the tree's edge, which nothing refers
//     to and the next commit overwrites. The entries are not in the log.
//   - A crash between the tree state and the answer of Append leaves entries in the log that nobody was told of: Open
//     finds them, and the router goes on behind them.
//   - The checkpoint follows within CheckpointInterval, signed over the tree state. A crash before it costs only
//     time: the next process signs a checkpoint over the tree that it finds.
//
// All methods are safe for concurrent use.
type Log struct {
	dir       string
	stateFile string
	opts      Options
	signer    *signer
	lock      *os.File
	files     client.FileFetcher
	driver    tessera.Driver
	cancel    context.CancelFunc // of the publisher

	// store makes a batch durable, whole or not at all, and returns the log's new size. With an error nothing is
	// known of the batch.
	store func([]*tessera.Entry) (size uint64, err error)

	requests chan *request
	closing  chan struct{}
	close    sync.Once
	closed   error         // what Close returned
	stopped  chan struct{} // closed once the committer ended

	commits committer // owned by the committer's goroutine, and by Close once that ended

	mu        sync.Mutex
	size      uint64
	positions map[ledger.Stream]int64 // of durable entries only
	taken     map[int32]int64         // as well
}

// Open opens a log for writing: the only writer at any time, which a lock in the folder sees to. It reads what it has
// to know from the log itself, and verifies what it reads; a log that is damaged is refused, with the entry named.
// keyFile may be "", for KeyFile(dir). The context bounds the reading; Close ends the log.
func Open(ctx context.Context, dir, keyFile string, opts Options) (*Log, error) {
	l, err := open(ctx, filepath.Clean(dir), keyFile, opts)
	if err != nil {
		return nil, fmt.Errorf("open ledger %s: %w", dir, err)
	}
	return l, nil
}

func open(ctx context.Context, dir, keyFile string, opts Options) (_ *Log, err error) {
	if keyFile == "" {
		keyFile = KeyFile(dir)
	}
	if opts.CheckpointInterval == 0 {
		opts.CheckpointInterval = defaultCheckpointInterval
	}
	key, err := readSigner(keyFile)
	if err != nil {
		return nil, err
	}
	key.before = opts.BeforeSign
	lock, err := lockFolder(dir)
	if err != nil {
		return nil, err
	}
	l := &Log{
		dir: dir, stateFile: dir + stateSuffix, opts: opts, signer: key, lock: lock, files: client.FileFetcher{Root: dir},
		requests: make(chan *request), closing: make(chan struct{}), stopped: make(chan struct{}),
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, lock.Close())
		}
	}()
	// Nothing of Tessera runs yet: it signs whatever its tree state says.
	if err := l.recover(ctx); err != nil {
		return nil, err
	}
	if err := l.startPublisher(); err != nil {
		return nil, err
	}
	l.store = l.storeBatch
	go l.run()
	return l, nil
}

// lockFolder makes sure that this is the only writer. The kernel gives the lock back when the process ends.
func lockFolder(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, ".state", "writer.lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("%w (demarc ledger init makes a log)", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = errors.New("another process writes to it: a log has one writer, stop the other first")
		}
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// VerifierKey is the key that the log's checkpoints are verified with, in the form of golang.org/x/mod/sumdb/note.
func (l *Log) VerifierKey() string { return l.signer.vkey }

// Origin is the log's name in its checkpoints.
func (l *Log) Origin() string { return l.signer.Name() }

// Position returns the first offset of a partition that durable entries do not cover; false if they tell nothing
// of it. A router goes on there, or at its committed offset if that is greater.
func (l *Log) Position(s ledger.Stream) (to int64, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	to, ok = l.positions[s]
	return to, ok
}

// Taken returns the last offset of a partition of the entries topic that a durable entry came from; false if none did.
// A sequencer goes on behind it, or at the first entry that waited when it stopped: those in between are known again.
func (l *Log) Taken(partition int32) (offset int64, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	offset, ok = l.taken[partition]
	return offset, ok
}

// Size is the number of durable entries.
func (l *Log) Size() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.size
}

// RootAt is the root of the tree of the first size entries, as the tiles have it.
func (l *Log) RootAt(ctx context.Context, size uint64) (root [32]byte, err error) {
	if own := l.Size(); size > own {
		return root, fmt.Errorf("read the root of size %d: the log has %d entries", size, own)
	}
	r, err := l.rangeOf(ctx, size)
	if err != nil {
		return root, err
	}
	sum, err := rootOf(r)
	copy(root[:], sum)
	return root, err
}

// Close refuses new entries, waits for those under way and for a checkpoint that covers all of the log, and gives the
// folder back. If the context ends before the checkpoint, nothing is lost but that: the next process signs it. Further
// calls return what the first did.
func (l *Log) Close(ctx context.Context) error {
	l.close.Do(func() {
		close(l.closing)
		<-l.stopped
		err := l.lastCheckpoint(ctx)
		l.cancel()
		if !l.commits.unsure {
			err = errors.Join(err, l.saveState(l.commits.admission))
		}
		if err := errors.Join(err, l.lock.Close()); err != nil {
			l.closed = fmt.Errorf("close ledger %s: %w", l.dir, err)
		}
	})
	return l.closed
}

// lastCheckpoint waits until the published checkpoint covers the tree. Tessera publishes at its own pace, so the file
// is looked at.
func (l *Log) lastCheckpoint(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		tree, cp, err := l.readHeads()
		if err != nil {
			return err
		}
		if cp.Size >= tree.Size {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for the checkpoint of size %d, the last has %d: %w", tree.Size, cp.Size, errors.Join(ctx.Err(), l.signer.lastError()))
		}
	}
}
