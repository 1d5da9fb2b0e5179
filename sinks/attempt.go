package sinks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/demarc/demarc/internal/wire"
)

// attempt is one request to one broker for several sink partitions of a lane, with what goes before it (producer
// ids) and after it (reading back). While it runs, its pieces and identities are its own.
type attempt struct {
	k      *Kafka
	broker int32
	tasks  []*task
}

// task is the part of an attempt for one partition.
type task struct {
	stream   *stream
	delivery *delivery
	piece    *piece

	sent    bool  // the bytes may have left
	err     error // of the last step
	notLive error // from Batch.Live: nothing was sent
}

func (a *attempt) run(ctx context.Context) {
	a.identify(ctx)
	a.produce(ctx)
	a.readBack(ctx)
}

// identify gets a producer id for every stream that has none.
func (a *attempt) identify(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, a.k.cfg.RequestTimeout)
	defer cancel()
	for _, t := range a.tasks {
		if t.stream.identity.known || t.piece.stored {
			continue
		}
		if t.stream.identity, t.err = a.k.newProducerID(ctx, a.broker); t.err == nil {
			t.stream.sequence = 0
		}
	}
}

// produce sends one request for all pieces that are not stored yet, and reads the answer into their tasks.
func (a *attempt) produce(ctx context.Context) {
	var tasks []*task
	for _, t := range a.tasks {
		if t.err == nil && !t.piece.stored {
			tasks = append(tasks, t)
		}
	}
	if len(tasks) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, a.k.cfg.RequestTimeout)
	defer cancel()
	request := &wire.Produce{BrokerID: a.broker, ClientID: a.k.cfg.ClientID, Timeout: a.k.cfg.RequestTimeout / 2}
	size := 0
	for _, t := range tasks {
		// The same as in the attempt before, unless the stream was renewed since.
		wire.Seal(t.piece.bytes, t.stream.identity.id, t.stream.identity.epoch, t.stream.sequence)
		size += len(t.piece.bytes)
		request.Partitions = append(request.Partitions, wire.ProducePartition{
			Topic: a.k.cfg.Topic, Partition: t.stream.partition, Batch: t.piece.bytes, Room: t.piece.room,
		})
	}
	x := &exchange{Produce: request, before: func() error { return a.mayWrite(ctx, tasks) }}
	start := time.Now()
	m, err := a.k.transport.RoundTrip(ctx, a.k.addr(), x)
	if err != nil {
		sent := x.revoke()
		for _, t := range tasks {
			t.sent, t.err = sent, err
		}
		if sent {
			a.k.meters.sent(size, start)
		}
		return
	}
	a.k.meters.sent(size, start)
	for _, answer := range m.(*wire.ProduceResponse).Partitions {
		t := tasks[answer.Request]
		t.sent = true
		if answer.Error != 0 {
			t.err = kafka.Error(answer.Error)
		}
		if judge(t.err).action == accept {
			t.accepted(answer.BaseOffset)
		}
	}
}

// accepted notes that the broker has the piece. Crash from here on: the source offset is not committed, and the
// records are delivered again under another producer id.
func (t *task) accepted(base int64) {
	if t.err != nil {
		base = -1 // a repetition that is too old for the broker to know where it is
	}
	t.err = nil
	t.piece.stored, t.piece.base, t.piece.unknown = true, base, false
	// Sequences are 31 bits and begin again at 0 (KIP-98).
	t.stream.sequence = int32((int64(t.stream.sequence) + int64(t.piece.count)) & (1<<31 - 1))
}

// mayWrite is asked on the connection, before its first byte.
func (a *attempt) mayWrite(ctx context.Context, tasks []*task) error {
	var err error
	for _, t := range tasks {
		if t.delivery.Live == nil {
			continue
		}
		if t.notLive = t.delivery.Live(ctx); t.notLive != nil {
			err = errNotLive
		}
	}
	switch {
	case err != nil:
		return err
	case ctx.Err() != nil: // Live may have taken its time
		return ctx.Err()
	}
	return a.k.stopCause()
}

var errNotLive = errors.New("the lane may have lost a partition")

// readBack compares the first batch that this process stores in a partition with what the partition holds. A
// broker may recompress a batch, which leaves the records but not the bytes that receipts speak of.
func (a *attempt) readBack(ctx context.Context) {
	for _, t := range a.tasks {
		if !t.piece.stored || t.piece.base < 0 || a.k.verified[t.stream.partition].Load() {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, a.k.cfg.RequestTimeout)
		held, err := a.fetch(ctx, t.stream.partition, t.piece.base)
		cancel()
		switch {
		case errors.Is(err, kafka.OffsetOutOfRange): // retention was faster; the next batch is compared
		case err != nil:
			t.err = err
		default:
			if refused := a.compare(t, held); refused != nil {
				t.err = refused
				a.k.stop(refused)
				continue
			}
			a.k.verified[t.stream.partition].Store(true)
		}
	}
}

// largest is what reading back accepts of a broker, which may have unpacked the batch.
const largest = 256 << 20

func (a *attempt) fetch(ctx context.Context, partition int32, offset int64) (wire.Batch, error) {
	m, err := a.k.transport.RoundTrip(ctx, a.k.addr(), &wire.Fetch{
		BrokerID: a.broker, ClientID: a.k.cfg.ClientID, MaxWait: a.k.cfg.RequestTimeout / 4, MinBytes: 1, MaxBytes: 1, Limit: largest,
		Partitions: []wire.FetchPartition{{Topic: a.k.cfg.Topic, Partition: partition, Offset: offset, LeaderEpoch: -1, MaxBytes: 1}},
	})
	if err != nil {
		return wire.Batch{}, err
	}
	answer := m.(*wire.FetchResponse)
	if answer.Error != 0 {
		return wire.Batch{}, kafka.Error(answer.Error)
	}
	if len(answer.Partitions) != 1 { // it names none that was not asked for, but it may leave some out
		return wire.Batch{}, fmt.Errorf("broker %d answers for %d partitions instead of 1", a.broker, len(answer.Partitions))
	}
	if code := answer.Partitions[0].Error; code != 0 {
		return wire.Batch{}, kafka.Error(code)
	}
	held, _, err := wire.Next(answer.Partitions[0].Records)
	if err != nil {
		return wire.Batch{}, fmt.Errorf("not readable yet: %w", err)
	}
	return held, nil
}

func (a *attempt) compare(t *task, held wire.Batch) error {
	sent := wire.Batch{Raw: t.piece.bytes}
	if held.BaseOffset() == t.piece.base && held.Codec() == sent.Codec() && held.Count() == sent.Count() &&
		!held.LogAppendTime() && bytes.Equal(held.Section(), sent.Section()) {
		return nil
	}
	describe := func(b wire.Batch, offset int64) string {
		clock := "the producer's"
		if b.LogAppendTime() {
			clock = "the broker's"
		}
		return fmt.Sprintf("%d records at offset %d in %d bytes of %v with %s timestamps", b.Count(), offset, len(b.Section()), b.Codec(), clock)
	}
	return &RefusedError{
		Sink: a.k.cfg.Name, Check: CheckReadBack,
		Expected: fmt.Sprintf("partition %d to hold the bytes that were sent, %s", t.stream.partition, describe(sent, t.piece.base)),
		Seen:     describe(held, held.BaseOffset()),
		Hint:     "the broker rewrites batches: set compression.type=producer and message.timestamp.type=CreateTime on the topic, remove interceptors, and start demarc again",
	}
}
