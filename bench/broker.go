//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/demarc/demarc/internal/devbroker"
	"github.com/demarc/demarc/internal/devbroker/real"
)

// broker holds the source topics and the sinks.
type broker struct {
	address, id string
	version     string
	client      *kgo.Client
	admin       *kadm.Client
	end         func()
}

// startBroker starts a broker: "real" is Apache Kafka, "embedded" lives in this process and needs Go alone.
func startBroker(ctx context.Context, kind, dir string) (*broker, error) {
	b := &broker{}
	switch kind {
	case "real":
		cluster, err := real.Start(ctx, dir, real.Options{Config: map[string]string{
			"log.segment.delete.delay.ms": "1000", // each run leaves its sinks behind
		}})
		if err != nil {
			return nil, err
		}
		b.address, b.id, b.end = cluster.Brokers[0], cluster.ID, func() { _ = cluster.Kill() }
	case "embedded":
		cluster, err := devbroker.Start(real.RandomID(), nil)
		if err != nil {
			return nil, err
		}
		b.address, b.id, b.end = cluster.Brokers()[0], cluster.ID, cluster.Close
	default:
		return nil, fmt.Errorf("start broker: %q is none of real and embedded", kind)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(b.address), kgo.MetadataMinAge(10*time.Millisecond))
	if err != nil {
		b.end()
		return nil, fmt.Errorf("connect to %s: %w", b.address, err)
	}
	b.client, b.admin = client, kadm.NewClient(client)
	if b.version, err = b.askVersion(ctx, kind); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

func (b *broker) askVersion(ctx context.Context, kind string) (string, error) {
	if kind == "embedded" {
		return "embedded (kfake)", nil
	}
	versions, err := b.admin.ApiVersions(ctx)
	if err != nil {
		return "", fmt.Errorf("ask for the broker's version: %w", err)
	}
	for _, v := range versions.Sorted() {
		return "Apache Kafka " + v.VersionGuess(), nil
	}
	return "", errors.New("ask for the broker's version: no answer")
}

func (b *broker) close() {
	b.client.Close()
	b.end()
}

// create makes a topic and waits until each partition has its leader.
func (b *broker) create(ctx context.Context, topic string, partitions int32) error {
	if _, err := b.admin.CreateTopic(ctx, partitions, 1, nil, topic); err != nil {
		return fmt.Errorf("create topic %s: %w", topic, err)
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		_, err := b.ends(ctx, map[string]int32{topic: partitions})
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("create topic %s: wait for leaders: %w", topic, err)
		case <-tick.C:
		}
	}
}

func (b *broker) remove(ctx context.Context, topics map[string]int32) error {
	for topic := range topics {
		res, err := b.admin.DeleteTopic(ctx, topic)
		if err == nil {
			err = res.Err
		}
		if err != nil {
			return fmt.Errorf("delete topic %s: %w", topic, err)
		}
	}
	return nil
}

// ends is how many offsets the topics hold together, given the partitions of each. Nothing is ever deleted from
// them and nobody writes transactions, so that offsets are records.
func (b *broker) ends(ctx context.Context, topics map[string]int32) (int64, error) {
	each, err := b.endsOf(ctx, topics)
	var sum int64
	for _, n := range each {
		sum += n
	}
	return sum, err
}

// endsOf is the same for each topic.
func (b *broker) endsOf(ctx context.Context, topics map[string]int32) (map[string]int64, error) {
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	for name, partitions := range topics {
		t := kmsg.NewListOffsetsRequestTopic()
		t.Topic = name
		for p := range partitions {
			one := kmsg.NewListOffsetsRequestTopicPartition()
			one.Partition, one.Timestamp = p, -1
			t.Partitions = append(t.Partitions, one)
		}
		req.Topics = append(req.Topics, t)
	}
	res, err := req.RequestWith(ctx, b.client)
	if err != nil {
		return nil, fmt.Errorf("list end offsets: %w", err)
	}
	each := map[string]int64{}
	for _, t := range res.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return nil, fmt.Errorf("list end offset of %s/%d: %w", t.Topic, p.Partition, err)
			}
			each[t.Topic] += p.Offset
		}
	}
	return each, nil
}

// stored is how many bytes of batches the broker keeps of the topics.
func (b *broker) stored(ctx context.Context, topics map[string]int32) (int64, error) {
	set := kadm.TopicsSet{}
	for name, partitions := range topics {
		for p := range partitions {
			set.Add(name, p)
		}
	}
	all, err := b.admin.DescribeAllLogDirs(ctx, set)
	if err != nil {
		return 0, fmt.Errorf("ask for the size of topics: %w", err)
	}
	var sum int64
	for _, dirs := range all {
		if err := dirs.Error(); err != nil {
			return 0, fmt.Errorf("ask for the size of topics: %w", err)
		}
		sum += dirs.Size()
	}
	return sum, nil
}
