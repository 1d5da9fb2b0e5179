//go:build linux

package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/demarc/demarc/internal/wire"
)

// pace appends batches to a source topic at a steady rate, whatever becomes of them: batch i is due at i times the
// interval. They are encoded before it begins, so that all it costs the machine is to send them.
type pace struct {
	transport *kafka.Transport
	broker    *broker
	leader    int32
	workload  workload
	interval  time.Duration // between two batches, of whatever partition
	batches   int

	prepared [][][]byte // per partition
	sent     sentTable
	late     time.Duration // the most that a batch was behind its time
}

// sentTable says when the batch with a timestamp was about to be appended. Every batch of a partition has a
// timestamp of its own, that of all its records.
type sentTable struct {
	mu sync.Mutex
	at map[sentKey]sentBatch
}

type sentKey struct {
	partition int32
	timestamp int64 // ms
}

type sentBatch struct {
	time   time.Time
	number int
}

func (s *sentTable) put(k sentKey, b sentBatch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at[k] = b
}

func (s *sentTable) get(k sentKey) (sentBatch, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.at[k]
	return b, ok
}

// preparedBatches is how many batches of a partition differ.
const preparedBatches = 8

func newPace(b *broker, transport *kafka.Transport, leader int32, w workload, interval time.Duration, batches int) (*pace, error) {
	p := &pace{
		transport: transport, broker: b, leader: leader, workload: w, interval: interval, batches: batches,
		sent: sentTable{at: map[sentKey]sentBatch{}},
	}
	codec, err := wire.ParseCodec(w.codec)
	if err != nil {
		return nil, err
	}
	encoder := wire.NewCompressor()
	var builder wire.Builder
	for partition := range w.partitions {
		var own [][]byte
		for i := range int64(preparedBatches) {
			builder.Reset()
			for n := range int64(w.batch) {
				r, _ := w.traffic.Record(partition, i*int64(w.batch)+n)
				builder.Add(0, tail(r))
			}
			raw, err := builder.Build(nil, codec, encoder)
			if err != nil {
				return nil, err
			}
			own = append(own, raw)
		}
		p.prepared = append(p.prepared, own)
	}
	return p, nil
}

// tail is a record from its key on, as a batch holds it.
func tail(r *kgo.Record) []byte {
	t := appendField(appendField(nil, r.Key), r.Value)
	t = binary.AppendVarint(t, int64(len(r.Headers)))
	for _, h := range r.Headers {
		t = appendField(appendField(t, []byte(h.Key)), h.Value)
	}
	return t
}

// appendField appends length and bytes; nil is null.
func appendField(t, f []byte) []byte {
	if f == nil {
		return binary.AppendVarint(t, -1)
	}
	return append(binary.AppendVarint(t, int64(len(f))), f...)
}

// Where a batch header of format v2 has its CRC-32C, which covers all from the attributes on, and the timestamps of its
// first record and of the latest one.
const (
	posCRC           = 17
	posAttributes    = 21
	posBaseTimestamp = 27
	posMaxTimestamp  = 35
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// run sends all batches. A partition has one on its way at most: one that is due meanwhile is late.
func (p *pace) run(ctx context.Context) error {
	begun := time.Now()
	failed := make(chan error, p.workload.partitions)
	var late sync.Mutex
	for partition := range p.workload.partitions {
		go func() {
			most, err := p.send(ctx, begun, partition)
			late.Lock()
			p.late = max(p.late, most)
			late.Unlock()
			failed <- err
		}()
	}
	var first error
	for range p.workload.partitions {
		if err := <-failed; err != nil && first == nil {
			first = err
		}
	}
	return first
}

func (p *pace) send(ctx context.Context, begun time.Time, partition int32) (late time.Duration, err error) {
	req := &wire.Produce{
		BrokerID: p.leader, Timeout: 10 * time.Second,
		Partitions: []wire.ProducePartition{{Topic: p.workload.name, Partition: partition}},
	}
	addr := kafka.TCP(p.broker.address)
	var raw []byte
	last := int64(0)
	for number := int(partition); number < p.batches; number += int(p.workload.partitions) {
		due := begun.Add(time.Duration(number) * p.interval)
		select {
		case <-ctx.Done():
			return late, ctx.Err()
		case <-time.After(time.Until(due)):
		}
		now := time.Now()
		late = max(late, now.Sub(due))
		last = max(last+1, now.UnixMilli())
		p.sent.put(sentKey{partition, last}, sentBatch{now, number})
		raw = append(raw[:0], p.prepared[partition][number%preparedBatches]...)
		binary.BigEndian.PutUint64(raw[posBaseTimestamp:], uint64(last))
		binary.BigEndian.PutUint64(raw[posMaxTimestamp:], uint64(last))
		binary.BigEndian.PutUint32(raw[posCRC:], crc32.Checksum(raw[posAttributes:], castagnoli))
		req.Partitions[0].Batch = raw
		msg, err := p.transport.RoundTrip(ctx, addr, req)
		if err != nil {
			return late, fmt.Errorf("append to the source: %w", err)
		}
		if code := msg.(*wire.ProduceResponse).Partitions[0].Error; code != 0 {
			return late, fmt.Errorf("append to the source: %w", kafka.Error(code))
		}
	}
	return late, nil
}
