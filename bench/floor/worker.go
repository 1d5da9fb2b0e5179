package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/demarc/demarc/internal/wire"
)

const (
	fetchBytes     = 4 << 20
	partitionBytes = 1 << 20
	sectionLimit   = 64 << 20
	longPoll       = 250 * time.Millisecond
	commitInterval = 100 * time.Millisecond
	ackTime        = 15 * time.Second
)

// worker copies some of the partitions: fetch, rewrite, produce, commit, one after the other. Workers side by side
// use the time that one waits.
type worker struct {
	c       *copier
	fetch   wire.Fetch
	produce wire.Produce
	queued  [][][]byte // of each of its partitions, batches to be produced, behind wire.ProduceRoom

	decoder *wire.Decompressor
	encoder *wire.Compressor
	builder wire.Builder
	spare   [][]byte // buffers of batches that are acknowledged: wire.ProduceRoom

	uncommitted bool
	committed   time.Time
}

func (c *copier) newWorker(number, workers int32) *worker {
	w := &worker{
		c: c, decoder: wire.NewDecompressor(sectionLimit), encoder: wire.NewCompressor(),
		fetch:   wire.Fetch{BrokerID: c.leader, MaxWait: longPoll, MinBytes: 1, MaxBytes: fetchBytes, Limit: sectionLimit},
		produce: wire.Produce{BrokerID: c.leader, Timeout: ackTime},
	}
	for p := number; p < c.partitions; p += workers {
		w.fetch.Partitions = append(w.fetch.Partitions, wire.FetchPartition{
			Topic: c.topic, Partition: p, LeaderEpoch: -1, MaxBytes: partitionBytes,
		})
	}
	w.queued = make([][][]byte, len(w.fetch.Partitions))
	return w
}

// run copies until all workers together have copied everything, or ctx ends.
func (w *worker) run(ctx context.Context) error {
	for w.c.copied.Load() < w.c.records && ctx.Err() == nil {
		records, err := w.round(ctx)
		if err != nil && ctx.Err() == nil {
			return err
		}
		if err == nil {
			w.c.copied.Add(records)
		}
		if time.Since(w.committed) > commitInterval {
			if err := w.commit(); err != nil {
				return err
			}
		}
	}
	return w.commit()
}

// round copies one answer to a fetch, and takes its offsets for copied.
func (w *worker) round(ctx context.Context) (records int64, err error) {
	msg, err := w.c.transport.RoundTrip(ctx, w.c.addr, &w.fetch)
	if err != nil {
		return 0, err
	}
	res := msg.(*wire.FetchResponse)
	if res.Error != 0 {
		return 0, fmt.Errorf("fetch: %w", kafka.Error(res.Error))
	}
	next := make([]int64, len(w.fetch.Partitions))
	for i := range res.Partitions {
		p := &res.Partitions[i]
		if p.Error != 0 {
			return 0, fmt.Errorf("fetch partition %d: %w", p.Partition, kafka.Error(p.Error))
		}
		n, after, err := w.rewrite(p)
		if err != nil {
			return 0, err
		}
		records += n
		next[p.Request] = after
	}
	if err := w.deliver(ctx); err != nil {
		return 0, err
	}
	for i, after := range next {
		w.fetch.Partitions[i].Offset = max(w.fetch.Partitions[i].Offset, after)
	}
	w.uncommitted = w.uncommitted || records > 0
	return records, nil
}

// rewrite queues the batches of one partition for its sink.
func (w *worker) rewrite(p *wire.FetchedPartition) (records, next int64, err error) {
	for rest := p.Records; len(rest) > 0; {
		b, tail, err := wire.Next(rest)
		if errors.Is(err, wire.ErrPartial) {
			break
		}
		if err == nil {
			err = b.Check()
		}
		var out []byte
		if err == nil {
			out, err = w.rebuild(b)
		}
		if err != nil {
			return 0, 0, fmt.Errorf("partition %d: %w", p.Partition, err)
		}
		wire.Seal(out[wire.ProduceRoom:], -1, -1, -1)
		w.queued[p.Request] = append(w.queued[p.Request], out)
		records, next, rest = records+int64(b.Count()), b.LastOffset()+1, tail
	}
	return records, next, nil
}

func (w *worker) rebuild(b wire.Batch) ([]byte, error) {
	var dst []byte
	if n := len(w.spare); n > 0 {
		dst, w.spare = w.spare[n-1], w.spare[:n-1]
	} else {
		dst = make([]byte, wire.ProduceRoom)
	}
	if w.c.same {
		return wire.PassThrough(dst, b), nil
	}
	section, err := w.decoder.Open(b)
	if err != nil {
		return nil, err
	}
	w.builder.Reset()
	it := wire.Iterate(section, b)
	for r := (wire.Record{}); it.Next(&r); {
		w.builder.Add(b.Timestamp(&r), r.Tail)
	}
	if err := it.Err(); err != nil {
		return nil, err
	}
	return w.builder.Build(dst, b.Codec(), w.encoder)
}

// deliver produces what is queued: in each request one batch of each partition, as brokers want it.
func (w *worker) deliver(ctx context.Context) error {
	for {
		w.produce.Partitions = w.produce.Partitions[:0]
		for i, batches := range w.queued {
			if len(batches) == 0 {
				continue
			}
			w.produce.Partitions = append(w.produce.Partitions, wire.ProducePartition{
				Topic: w.c.sink, Partition: w.fetch.Partitions[i].Partition % w.c.sinkPartitions,
				Batch: batches[0][wire.ProduceRoom:], Room: batches[0][:wire.ProduceRoom],
			})
			w.queued[i] = batches[1:]
		}
		if len(w.produce.Partitions) == 0 {
			return nil
		}
		msg, err := w.c.transport.RoundTrip(ctx, w.c.addr, &w.produce)
		if err != nil {
			return err
		}
		for _, p := range msg.(*wire.ProduceResponse).Partitions {
			if p.Error != 0 {
				return fmt.Errorf("produce to partition %d: %w %s", p.Partition, kafka.Error(p.Error), p.Message)
			}
		}
		for _, p := range w.produce.Partitions {
			w.spare = append(w.spare, p.Room)
		}
	}
}

// commit commits what is copied. The first commit of a group may come before its coordinator is ready.
func (w *worker) commit() error {
	w.committed = time.Now()
	if !w.uncommitted {
		return nil
	}
	for tries := 0; ; tries++ {
		err := w.commitOnce()
		if refused, ok := errors.AsType[kafka.Error](err); ok && refused.Temporary() && tries < 100 {
			time.Sleep(20 * time.Millisecond)
			continue
		}
		w.uncommitted = err != nil
		return err
	}
}

func (w *worker) commitOnce() error {
	var offsets []kafka.OffsetCommit
	for _, p := range w.fetch.Partitions {
		offsets = append(offsets, kafka.OffsetCommit{Partition: int(p.Partition), Offset: p.Offset})
	}
	res, err := w.c.client.OffsetCommit(context.Background(), &kafka.OffsetCommitRequest{
		GroupID: w.c.group, GenerationID: -1, Topics: map[string][]kafka.OffsetCommit{w.c.topic: offsets},
	})
	if err != nil {
		return fmt.Errorf("commit offsets: %w", err)
	}
	for _, p := range res.Topics[w.c.topic] {
		if p.Error != nil {
			return fmt.Errorf("commit offset of partition %d: %w", p.Partition, p.Error)
		}
	}
	return nil
}
