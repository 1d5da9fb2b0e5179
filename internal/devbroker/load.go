package devbroker

import (
	"cmp"
	"context"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Load writes generated traffic into a topic.
type Load struct {
	Brokers    []string
	Topic      string
	Partitions int32 // of the topic
	Traffic    Traffic

	// From is the number of the first record in each partition. Records go to the partitions in turn.
	From    int64
	Records int64

	// Batch is how many records a Kafka batch holds, 800 if zero, as long as it stays under the client's limit
	// of 1 MB; only the first of a partition may arrive in parts. With Traffic.Run of the same length (and From
	// a multiple of it) every batch is pure.
	Batch int
	Codec kgo.CompressionCodec // the zero codec is none
	Opts  []kgo.Opt            // for TLS and SASL

	Progress func(written int64) // called after each round of batches, if not nil
}

// Run writes the records and returns when all are stored.
func (l Load) Run(ctx context.Context) error {
	batch := int64(cmp.Or(l.Batch, 800))
	perRound := batch * int64(l.Partitions)
	client, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(l.Brokers...), kgo.DefaultProduceTopic(l.Topic), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(l.Codec), kgo.MaxBufferedRecords(int(perRound) + 1), kgo.ManualFlushing(),
	}, l.Opts...)...)
	if err != nil {
		return fmt.Errorf("fill %s: %w", l.Topic, err)
	}
	defer client.Close()

	var once sync.Once
	var failed error
	done := func(_ *kgo.Record, err error) {
		if err != nil {
			once.Do(func() { failed = err })
		}
	}
	parts := int64(l.Partitions)
	for round := int64(0); round < l.Records; round += perRound {
		for i := round; i < min(round+perRound, l.Records); i++ {
			p := int32(i % parts)
			r, _ := l.Traffic.Record(p, l.From+i/parts)
			r.Partition = p
			client.Produce(ctx, r, done)
		}
		if err := client.Flush(ctx); err != nil {
			return fmt.Errorf("fill %s: %w", l.Topic, err)
		}
		if failed != nil {
			return fmt.Errorf("fill %s: %w", l.Topic, failed)
		}
		if l.Progress != nil {
			l.Progress(min(round+perRound, l.Records))
		}
	}
	return nil
}

// Share is how many of the records go to a partition.
func (l Load) Share(partition int32) int64 {
	parts := int64(l.Partitions)
	return (l.Records + parts - 1 - int64(partition)) / parts
}
