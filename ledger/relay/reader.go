package relay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/demarc/demarc/internal/record"
	"github.com/demarc/demarc/internal/wire"
)

// stored is one committed record of a topic.
type stored struct {
	partition  int32
	offset     int64
	key, value []byte
}

// run is what a fetch brought of one partition.
type run struct {
	records []stored
	next    int64 // first offset that was not looked at: there may be more, or it is the last stable offset
	end     int64 // high watermark: what lies below and is not stable yet is behind an open transaction
}

const (
	fetchBytes     = 8 << 20
	partitionBytes = 1 << 20
	fetchLimit     = 128 << 20 // a batch that is larger than asked for comes whole
	batchLimit     = 64 << 20  // of a batch when it is expanded
	longPoll       = 250 * time.Millisecond
)

// read fetches committed records of several partitions, each from an offset on, with one request to each leader. It
// returns what came even if some did not answer.
func (c *cluster) read(ctx context.Context, topic string, from map[int32]int64, wait time.Duration) (map[int32]run, error) {
	ctx, cancel := context.WithTimeout(ctx, requestLimit+wait)
	defer cancel()
	_, leaders, err := c.leaders(ctx, topic)
	if err != nil {
		return nil, err
	}
	var failed []error
	byBroker := map[int32][]wire.FetchPartition{}
	for p, offset := range from {
		broker, ok := leaders[p]
		if !ok {
			failed = append(failed, fmt.Errorf("read %s/%d: %w", topic, p, kafka.LeaderNotAvailable))
			continue
		}
		byBroker[broker] = append(byBroker[broker], wire.FetchPartition{
			Topic: topic, Partition: p, Offset: offset, LeaderEpoch: -1, MaxBytes: partitionBytes,
		})
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	runs := map[int32]run{}
	for broker, parts := range byBroker {
		all.Go(func() {
			got, err := c.readFrom(ctx, broker, parts, wait)
			mu.Lock()
			defer mu.Unlock()
			for p, r := range got {
				runs[p] = r
			}
			if err != nil {
				failed = append(failed, err)
			}
		})
	}
	all.Wait()
	return runs, errors.Join(failed...)
}

func (c *cluster) readFrom(ctx context.Context, broker int32, parts []wire.FetchPartition, wait time.Duration) (map[int32]run, error) {
	slices.SortFunc(parts, func(a, b wire.FetchPartition) int { return cmp.Compare(a.Partition, b.Partition) })
	m, err := c.rt.RoundTrip(ctx, c.addr, &wire.Fetch{
		BrokerID: broker, ClientID: c.cfg.ClientID, MaxWait: wait, MinBytes: 1, MaxBytes: fetchBytes, Limit: fetchLimit, Partitions: parts,
	})
	if err != nil {
		return nil, fmt.Errorf("read %s from broker %d: %w", parts[0].Topic, broker, err)
	}
	answer := m.(*wire.FetchResponse)
	if answer.Error != 0 {
		return nil, fmt.Errorf("read %s from broker %d: %w", parts[0].Topic, broker, kafka.Error(answer.Error))
	}
	d := wire.NewDecompressor(batchLimit)
	runs := map[int32]run{}
	var failed []error
	for i := range answer.Partitions {
		got := &answer.Partitions[i]
		r, err := unpack(got, parts[got.Request].Offset, d)
		if err != nil {
			failed = append(failed, fmt.Errorf("read %s/%d: %w", got.Topic, got.Partition, err))
			continue
		}
		runs[got.Partition] = r
	}
	return runs, errors.Join(failed...)
}

// unpack takes the committed records out of an answer, from an offset on. They share no memory with it.
func unpack(got *wire.FetchedPartition, from int64, d *wire.Decompressor) (run, error) {
	if got.Error != 0 {
		return run{}, kafka.Error(got.Error)
	}
	r := run{next: from, end: got.HighWatermark}
	var filter wire.Aborted
	filter.Reset(got.Aborted)
	for rest := got.Records; len(rest) > 0; {
		b, tail, err := wire.Next(rest)
		if errors.Is(err, wire.ErrPartial) {
			break // the next fetch brings it whole
		}
		if err == nil {
			err = b.Check()
		}
		if err != nil {
			return r, fmt.Errorf("batch after offset %d: %w: %w", r.next, errForGood, err)
		}
		rest = tail
		aborted, err := filter.Next(b)
		if err == nil && b.Count() > 0 && !b.Control() && !aborted {
			err = r.open(b, got.Partition, from, d)
		}
		if err != nil {
			return r, fmt.Errorf("batch at offset %d: %w: %w", b.BaseOffset(), errForGood, err)
		}
		r.next = max(r.next, b.LastOffset()+1)
	}
	return r, nil
}

// open adds the records of a batch.
func (r *run) open(b wire.Batch, partition int32, from int64, d *wire.Decompressor) error {
	section, err := d.Open(b)
	if err != nil {
		return err
	}
	it := wire.Iterate(section, b)
	var rec wire.Record
	var fields record.Record
	for it.Next(&rec) {
		offset := b.BaseOffset() + int64(rec.OffsetDelta)
		if offset < from {
			continue
		}
		if err := rec.Read(&fields); err != nil {
			return err
		}
		r.records = append(r.records, stored{partition, offset, slices.Clone(fields.Key), slices.Clone(fields.Value)})
	}
	return it.Err()
}

// readTo reads a partition from an offset up to another, which must be committed or aborted some day: it waits for the
// transactions of others that are open below it. Each answer is handed on as it comes.
func (c *cluster) readTo(ctx context.Context, topic string, partition int32, from, to int64, each func([]stored) error) error {
	for still := 0; from < to; {
		var r run
		err := c.persist(ctx, func(ctx context.Context) error {
			runs, err := c.read(ctx, topic, map[int32]int64{partition: from}, longPoll)
			r = runs[partition]
			return err
		})
		if err != nil {
			return err
		}
		n, _ := slices.BinarySearchFunc(r.records, to, func(s stored, to int64) int { return cmp.Compare(s.offset, to) })
		if err := each(r.records[:n]); err != nil {
			return err
		}
		if still++; r.next > from {
			still = 0
		}
		if still == tellAfter {
			c.log.Warn("waiting for the end of a transaction of another process; its coordinator ends it after a minute", "topic", topic, "partition", partition, "offset", from)
		}
		from = max(from, r.next)
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// Windows of a search from the end, in offsets: a transaction of one entry takes two.
const (
	firstWindow = 2_000
	widen       = 4
)

// finder is who looks for something in a partition from its end on.
type finder interface {
	// see takes committed records of a window, in their order and in pieces: a window may be larger than memory.
	see(records []stored) error
	// enough ends a window, and reports whether nothing is looked for any more.
	enough() bool
}

// backwards reads a partition's committed records below end in windows, each four times the one before it, until f has
// enough or the partition's first record was read. So the cost is at most about five times what lies between the end and
// what was looked for, and all of the partition if it is not there.
func (c *cluster) backwards(ctx context.Context, topic string, partition int32, start, end int64, f finder) error {
	for size := int64(firstWindow); end > start; size *= widen {
		from := max(start, end-size)
		err := c.readTo(ctx, topic, partition, from, end, f.see)
		if errors.Is(err, kafka.OffsetOutOfRange) { // retention was faster
			return fmt.Errorf("%w; retention deletes records of %s while they are read, set retention.ms=-1", err, topic)
		}
		if err != nil || f.enough() {
			return err
		}
		end = from
	}
	return nil
}
