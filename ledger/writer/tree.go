package writer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"
)

// never is an interval for what is not to happen.
const never = 100 * 365 * 24 * time.Hour

// startPublisher starts the appender that signs and publishes checkpoints and removes outlived partial tiles, and
// appends nothing.
func (l *Log) startPublisher() error {
	ctx, cancel := context.WithCancel(context.Background())
	driver, err := posix.New(ctx, posix.Config{Path: l.dir})
	if err != nil {
		cancel()
		return err
	}
	opts := tessera.NewAppendOptions().
		WithCheckpointSigner(l.signer).
		WithCheckpointInterval(l.opts.CheckpointInterval).
		WithCheckpointRepublishInterval(0)
	if _, _, _, err := tessera.NewAppender(ctx, driver, opts); err != nil {
		cancel()
		return err
	}
	l.driver, l.cancel = driver, cancel
	return nil
}

// storeBatch appends a batch through an appender of its own. An appender's queue divides what it is given by its age,
// and could write the second half when the first failed: a hole. One whose batches have exactly this size, and any
// age, writes all or nothing. It costs some microseconds and reads, a small part of what the files cost.
func (l *Log) storeBatch(batch []*tessera.Entry) (size uint64, err error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	opts := tessera.NewAppendOptions().
		WithCheckpointSigner(l.signer).
		WithBatching(uint(len(batch)), never).
		WithCheckpointInterval(never).
		WithCheckpointRepublishInterval(0).
		WithGarbageCollectionInterval(0)
	appender, _, _, err := tessera.NewAppender(ctx, l.driver, opts)
	if err != nil {
		return 0, err
	}
	futures := make([]tessera.IndexFuture, len(batch))
	for i, e := range batch {
		futures[i] = appender.Add(ctx, e)
	}
	before := l.Size()
	for i, future := range futures {
		index, futureErr := future()
		if futureErr == nil && index.Index != before+uint64(i) {
			futureErr = fmt.Errorf("it became entry %d, want %d: something else writes to the folder", index.Index, before+uint64(i))
		}
		err = errors.Join(err, futureErr)
	}
	return before + uint64(len(batch)), err
}
