package recount

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/metadata"

	"github.com/demarc/demarc/internal/wire"
)

// How a topic is read. A request that fails is repeated after a pause that doubles: a leader moves within seconds.
const (
	attempts       = 7
	firstPause     = 100 * time.Millisecond
	requestTimeout = 30 * time.Second
	fetchBytes     = 4 << 20   // of one answer, about
	responseLimit  = 256 << 20 // a batch of this size is refused by every broker
)

// topicReader reads the partitions of one topic. It belongs to one goroutine.
type topicReader struct {
	transport kafka.RoundTripper
	addr      net.Addr
	topic     string
	clientID  string
	refusal   func() error // of a pin, after the opening: no further attempt helps
	fetch     *wire.Fetch  // reused; nil after one that failed
}

// extent is how far a partition reaches.
type extent struct {
	start  int64 // log start
	stable int64 // last stable offset: all below is committed or aborted
	high   int64 // high watermark
}

// errPartitionGone says that the topic has no such partition.
var errPartitionGone = errors.New("the topic has no such partition")

// extent asks how far a partition reaches.
func (t *topicReader) extent(ctx context.Context, partition int32) (found extent, err error) {
	err = t.retry(ctx, func(ctx context.Context) error {
		if _, err := t.leader(ctx, partition); err != nil {
			return err
		}
		for _, level := range []kafka.IsolationLevel{kafka.ReadUncommitted, kafka.ReadCommitted} {
			client := &kafka.Client{Addr: t.addr, Transport: t.transport}
			res, err := client.ListOffsets(ctx, &kafka.ListOffsetsRequest{IsolationLevel: level, Topics: map[string][]kafka.OffsetRequest{
				t.topic: {kafka.FirstOffsetOf(int(partition)), kafka.LastOffsetOf(int(partition))},
			}})
			if err != nil {
				return fmt.Errorf("list offsets: %w", err)
			}
			if len(res.Topics[t.topic]) != 1 {
				return fmt.Errorf("list offsets: %d answers", len(res.Topics[t.topic]))
			}
			p := res.Topics[t.topic][0]
			if p.Error != nil {
				return fmt.Errorf("list offsets: %w", p.Error)
			}
			if p.FirstOffset < 0 || p.LastOffset < p.FirstOffset {
				return fmt.Errorf("list offsets: the first is %d, the last %d", p.FirstOffset, p.LastOffset)
			}
			found.start, found.stable = p.FirstOffset, p.LastOffset
			if level == kafka.ReadUncommitted {
				found.high = p.LastOffset
			}
		}
		return nil
	})
	return found, err
}

// leader finds the broker that leads a partition.
func (t *topicReader) leader(ctx context.Context, partition int32) (int32, error) {
	m, err := t.transport.RoundTrip(ctx, t.addr, &metadata.Request{TopicNames: []string{t.topic}})
	if err != nil {
		return 0, fmt.Errorf("ask for the leader: %w", err)
	}
	topics := m.(*metadata.Response).Topics
	i := slices.IndexFunc(topics, func(found metadata.ResponseTopic) bool { return found.Name == t.topic })
	if i < 0 {
		return 0, fmt.Errorf("ask for the leader: %w", kafka.UnknownTopicOrPartition)
	}
	if code := topics[i].ErrorCode; code != 0 {
		return 0, fmt.Errorf("ask for the leader: %w", kafka.Error(code))
	}
	for _, p := range topics[i].Partitions {
		switch {
		case p.PartitionIndex != partition:
		case p.LeaderID < 0:
			return 0, fmt.Errorf("ask for the leader: %w", kafka.LeaderNotAvailable)
		default:
			return p.LeaderID, nil
		}
	}
	return 0, errPartitionGone
}

// retry calls fn until it succeeds, a further attempt cannot help, or there were enough.
func (t *topicReader) retry(ctx context.Context, fn func(context.Context) error) error {
	pause := firstPause
	for attempt := 1; ; attempt++ {
		limited, cancel := context.WithTimeout(ctx, requestTimeout)
		err := fn(limited)
		cancel()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if refused := t.refusal(); refused != nil {
			return refused
		}
		if attempt == attempts || final(err) {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
		pause *= 2
	}
}

// final reports whether an error stays the same however often one asks.
func final(err error) bool {
	for _, code := range []error{
		errPartitionGone, kafka.OffsetOutOfRange, kafka.TopicAuthorizationFailed, kafka.ClusterAuthorizationFailed,
		kafka.SASLAuthenticationFailed, kafka.UnsupportedSASLMechanism, kafka.InvalidMessage,
	} {
		if errors.Is(err, code) {
			return true
		}
	}
	return false
}

// each calls fn with every batch of a partition that has an offset in [from, to), in order, and whether it is of an
// aborted transaction. What it gives is borrowed until fn returns. start is the log start, which rises if retention is
// faster than the reading: then the reading goes on behind it. An error of fn ends the reading.
func (t *topicReader) each(ctx context.Context, partition int32, from, to int64, start *int64, fn func(b wire.Batch, aborted bool) error) error {
	for next := max(from, *start); next < to; {
		var page wire.FetchedPartition
		err := t.retry(ctx, func(ctx context.Context) (err error) {
			page, err = t.page(ctx, partition, next, fetchBytes)
			return err
		})
		if errors.Is(err, kafka.OffsetOutOfRange) {
			now, err := t.extent(ctx, partition)
			if err != nil {
				return err
			}
			if now.start <= next {
				return fmt.Errorf("read offset %d: the partition reaches from %d to %d now: was the topic created anew meanwhile?", next, now.start, now.stable)
			}
			*start, next = now.start, now.start
			continue
		}
		if err != nil {
			return fmt.Errorf("read offset %d: %w", next, err)
		}
		if next, err = eachInPage(page, next, to, fn); err != nil {
			return err
		}
	}
	return nil
}

// page fetches from an offset on. There is one batch in it at least.
func (t *topicReader) page(ctx context.Context, partition int32, offset int64, size int32) (wire.FetchedPartition, error) {
	none := wire.FetchedPartition{}
	leader, err := t.leader(ctx, partition)
	if err != nil {
		return none, err
	}
	f := t.fetch
	if t.fetch = nil; f == nil { // one that fails may still be written to
		f = &wire.Fetch{ClientID: t.clientID, MaxWait: time.Second, MinBytes: 1, Limit: responseLimit}
	}
	f.BrokerID, f.MaxBytes = leader, size
	f.Partitions = append(f.Partitions[:0], wire.FetchPartition{Topic: t.topic, Partition: partition, Offset: offset, LeaderEpoch: -1, MaxBytes: size})
	m, err := t.transport.RoundTrip(ctx, t.addr, f)
	if err != nil {
		return none, err
	}
	answer := m.(*wire.FetchResponse)
	t.fetch = f
	switch {
	case answer.Error != 0:
		return none, fmt.Errorf("fetch: %w", kafka.Error(answer.Error))
	case len(answer.Partitions) != 1:
		return none, fmt.Errorf("fetch: the broker answers for %d partitions instead of 1", len(answer.Partitions))
	case answer.Partitions[0].Error != 0:
		return none, fmt.Errorf("fetch: %w", kafka.Error(answer.Partitions[0].Error))
	}
	b, _, err := wire.Next(answer.Partitions[0].Records)
	if errors.Is(err, wire.ErrPartial) {
		return none, fmt.Errorf("fetch: the answer holds no whole batch, though the offset is below the end")
	}
	if err == nil && b.LastOffset() < offset {
		return none, fmt.Errorf("fetch: the answer begins with a batch that ends at %d, below the offset", b.LastOffset())
	}
	return answer.Partitions[0], err
}

// eachInPage gives the batches of one answer to fn. It returns the offset to go on with.
func eachInPage(page wire.FetchedPartition, next, to int64, fn func(wire.Batch, bool) error) (int64, error) {
	var aborted wire.Aborted
	aborted.Reset(page.Aborted)
	for rest := page.Records; ; {
		b, tail, err := wire.Next(rest)
		if errors.Is(err, wire.ErrPartial) {
			return next, nil
		}
		if err != nil {
			return next, fmt.Errorf("read offset %d: %w", next, err)
		}
		rest = tail
		if b.BaseOffset() >= to {
			return to, nil
		}
		out, err := aborted.Next(b)
		if err != nil {
			return next, fmt.Errorf("read offset %d: %w", b.BaseOffset(), err)
		}
		if b.LastOffset() < next { // before the offset asked for: brokers answer with whole segments' slices
			continue
		}
		if err := fn(b, out); err != nil {
			return next, err
		}
		next = b.LastOffset() + 1
	}
}
