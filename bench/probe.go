//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/demarc/demarc/internal/wire"
)

// probe is a consumer of all sinks at once that knows when each record was sent.
type probe struct {
	transport *kafka.Transport
	broker    *broker
	leader    int32
	sinks     map[string]int32
	sent      *sentTable
	first     int // batches before this one warm up

	arrived atomic.Int64
	taken   latencies // of what was sent later; to be read when run has returned
}

// run reads until so many records have arrived or ctx ends.
func (p *probe) run(ctx context.Context, records int64) error {
	fetch := &wire.Fetch{BrokerID: p.leader, MaxWait: 500 * time.Millisecond, MinBytes: 1, MaxBytes: 32 << 20, Limit: 256 << 20}
	var topics []string
	for topic := range p.sinks {
		topics = append(topics, topic)
	}
	slices.Sort(topics)
	for _, topic := range topics {
		for partition := range p.sinks[topic] {
			fetch.Partitions = append(fetch.Partitions, wire.FetchPartition{Topic: topic, Partition: partition, LeaderEpoch: -1, MaxBytes: 8 << 20})
		}
	}
	decoder := wire.NewDecompressor(256 << 20)
	addr := kafka.TCP(p.broker.address)
	for p.arrived.Load() < records {
		limited, cancel := context.WithTimeout(ctx, 30*time.Second)
		msg, err := p.transport.RoundTrip(limited, addr, fetch)
		cancel()
		if err != nil {
			return fmt.Errorf("read sinks: %w", err)
		}
		now := time.Now()
		res := msg.(*wire.FetchResponse)
		if res.Error != 0 {
			return fmt.Errorf("read sinks: %w", kafka.Error(res.Error))
		}
		for i := range res.Partitions {
			got := &res.Partitions[i]
			if got.Error != 0 {
				return fmt.Errorf("read sink %s/%d: %w", got.Topic, got.Partition, kafka.Error(got.Error))
			}
			next, err := p.take(got, now, decoder)
			if err != nil {
				return fmt.Errorf("read sink %s/%d: %w", got.Topic, got.Partition, err)
			}
			at := &fetch.Partitions[got.Request]
			at.Offset = max(at.Offset, next)
		}
	}
	return nil
}

// take books the records of one answer and gives the offset after them.
func (p *probe) take(got *wire.FetchedPartition, now time.Time, decoder *wire.Decompressor) (next int64, err error) {
	for rest := got.Records; len(rest) > 0; {
		b, tail, err := wire.Next(rest)
		if errors.Is(err, wire.ErrPartial) {
			return next, nil
		}
		if err != nil {
			return 0, err
		}
		section, err := decoder.Open(b)
		if err != nil {
			return 0, err
		}
		counts := map[int64]int64{} // records by their timestamp
		it := wire.Iterate(section, b)
		for r := (wire.Record{}); it.Next(&r); {
			counts[b.Timestamp(&r)]++
		}
		if err := it.Err(); err != nil {
			return 0, err
		}
		for timestamp, n := range counts {
			sent, ok := p.sent.get(sentKey{got.Partition, timestamp})
			if !ok {
				return 0, fmt.Errorf("a record has a timestamp that was never sent to its partition: %d", timestamp)
			}
			if sent.number >= p.first {
				p.taken.add(now.Sub(sent.time).Seconds()*1e3, n)
			}
			p.arrived.Add(n)
		}
		next, rest = b.LastOffset()+1, tail
	}
	return next, nil
}
