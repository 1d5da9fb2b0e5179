package devbroker

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Topic is a topic to create.
type Topic struct {
	Name       string
	Partitions int32
}

// Cluster is an embedded Kafka cluster of one broker on a free port of the loopback address.
type Cluster struct {
	*kfake.Cluster
	ID string
}

// Start starts a cluster with the given cluster id and topics. Further options are kfake's. Close ends it.
func Start(id string, topics []Topic, opts ...kfake.Opt) (*Cluster, error) {
	all := []kfake.Opt{kfake.NumBrokers(1), kfake.ClusterID(id)}
	for _, t := range topics {
		all = append(all, kfake.SeedTopics(t.Partitions, t.Name))
	}
	fake, err := kfake.NewCluster(append(all, opts...)...)
	if err != nil {
		return nil, fmt.Errorf("start embedded broker %s: %w", id, err)
	}
	return &Cluster{Cluster: fake, ID: id}, nil
}

// Brokers are the addresses to connect to.
func (c *Cluster) Brokers() []string { return c.ListenAddrs() }

// Produce writes the records, each to the topic and partition that it names, and waits until all are stored.
func Produce(ctx context.Context, brokers []string, records []*kgo.Record, opts ...kgo.Opt) error {
	client, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()),
	}, opts...)...)
	if err != nil {
		return fmt.Errorf("produce: %w", err)
	}
	defer client.Close()
	if err := client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return fmt.Errorf("produce to %v: %w", brokers, err)
	}
	return nil
}

// ReadAll returns every committed record of a topic, of each partition in order.
func ReadAll(ctx context.Context, brokers []string, topic string) ([]*kgo.Record, error) {
	var all []*kgo.Record
	err := Each(ctx, brokers, topic, func(r *kgo.Record) error {
		all = append(all, r)
		return nil
	})
	return all, err
}

// Each calls fn with every committed record of a topic up to the end at the time of the call, of each partition
// in order.
func Each(ctx context.Context, brokers []string, topic string, fn func(*kgo.Record) error) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), kgo.ConsumePartitions(nil))
	if err != nil {
		return fmt.Errorf("read %s: %w", topic, err)
	}
	defer client.Close()
	ends, err := unread(ctx, kadm.NewClient(client), topic)
	if err != nil {
		return err
	}
	start := map[int32]kgo.Offset{}
	for p := range ends {
		start[p] = kgo.NewOffset().AtStart()
	}
	client.AddConsumePartitions(map[string]map[int32]kgo.Offset{topic: start})
	for len(ends) > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			return fmt.Errorf("read %s: %w", topic, err)
		}
		for _, e := range fetches.Errors() {
			return fmt.Errorf("read %s/%d: %w", e.Topic, e.Partition, e.Err)
		}
		for it := fetches.RecordIter(); !it.Done(); {
			r := it.Next()
			end, open := ends[r.Partition]
			if !open {
				continue
			}
			if r.Offset < end && !r.Attrs.IsControl() {
				if err := fn(r); err != nil {
					return err
				}
			}
			if r.Offset+1 >= end {
				delete(ends, r.Partition)
			}
		}
	}
	return nil
}

// unread gives the last stable offset of each partition that is not empty.
func unread(ctx context.Context, admin *kadm.Client, topic string) (map[int32]int64, error) {
	first, err := admin.ListStartOffsets(ctx, topic)
	if err != nil {
		return nil, fmt.Errorf("list offsets of %s: %w", topic, err)
	}
	last, err := admin.ListCommittedOffsets(ctx, topic)
	if err != nil {
		return nil, fmt.Errorf("list offsets of %s: %w", topic, err)
	}
	if err := last.Error(); err != nil {
		return nil, fmt.Errorf("list offsets of %s: %w", topic, err)
	}
	ends := map[int32]int64{}
	last.Each(func(o kadm.ListedOffset) {
		if from, ok := first.Lookup(topic, o.Partition); ok && o.Offset > from.Offset {
			ends[o.Partition] = o.Offset
		}
	})
	return ends, nil
}
