package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
)

// Config says how to reach the cluster that entries go through.
type Config struct {
	Brokers  []string
	Topic    string                                                               // of the entries
	Dial     func(ctx context.Context, network, address string) (net.Conn, error) // with TLS done; nil: plain TCP
	SASL     sasl.Mechanism
	ClientID string
	Log      *slog.Logger // nil: discarded
}

// cluster is that cluster.
type cluster struct {
	cfg    Config
	log    *slog.Logger
	addr   net.Addr
	rt     kafka.RoundTripper
	client *kafka.Client
	close  func()
}

func newCluster(cfg Config, topics ...string) *cluster {
	if cfg.Dial == nil {
		cfg.Dial = (&net.Dialer{Timeout: 5 * time.Second}).DialContext
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	transport := &kafka.Transport{
		Dial: cfg.Dial, SASL: cfg.SASL, ClientID: cfg.ClientID, MetadataTopics: topics,
		MetadataTTL: 3 * time.Second, IdleTimeout: time.Minute,
	}
	c := &cluster{cfg: cfg, log: cfg.Log, addr: kafka.TCP(cfg.Brokers...), close: transport.CloseIdleConnections}
	c.through(transport)
	return c
}

// through sends all requests by rt from now on.
func (c *cluster) through(rt kafka.RoundTripper) {
	c.rt = rt
	c.client = &kafka.Client{Addr: c.addr, Transport: rt}
}

// requestLimit is how long one request may take.
const requestLimit = 10 * time.Second

// tellAfter is after how many failures, a second or more, a request that is repeated is told of.
const tellAfter = 10

// persist repeats a request until it succeeds, fails for a reason that stays, or ctx ends. A coordinator that cannot be
// had, for want of brokers, is not had for hours: it says what it waits for.
func (c *cluster) persist(ctx context.Context, request func(context.Context) error) error {
	for failures := 0; ; failures++ {
		attempt, cancel := context.WithTimeout(ctx, requestLimit)
		err := request(attempt)
		cancel()
		if err == nil || !passes(err) {
			return err
		}
		if failures+1 == tellAfter {
			c.log.Warn("the ledger's cluster does not do what it is asked for, trying again", "brokers", c.cfg.Brokers, "error", err)
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(pause(failures)):
		}
	}
}

// pause grows from 2 ms, about what a transaction takes to complete, to 2 s.
func pause(failures int) time.Duration { return 2 * time.Millisecond << min(failures, 10) }

// passes reports whether an error may go away by itself: nobody answered, or the cluster is busy with itself.
func passes(err error) bool {
	code, told := errors.AsType[kafka.Error](err)
	if !told {
		return !errors.Is(err, errForGood)
	}
	switch code {
	case kafka.ConcurrentTransactions, kafka.GroupLoadInProgress, kafka.GroupCoordinatorNotAvailable, kafka.NotCoordinatorForGroup,
		kafka.UnknownTopicOrPartition, kafka.LeaderNotAvailable, kafka.NotLeaderForPartition, kafka.RequestTimedOut,
		kafka.BrokerNotAvailable, kafka.ReplicaNotAvailable, kafka.NetworkException,
		kafka.NotEnoughReplicas, kafka.NotEnoughReplicasAfterAppend, kafka.KafkaStorageError,
		kafka.FencedLeaderEpoch, kafka.UnknownLeaderEpoch, kafka.OffsetNotAvailable:
		return true
	}
	return false
}

// errForGood is in the chain of errors of our own that no repetition mends.
var errForGood = errors.New("trying again does not help")

// leaders is the number of partitions of a topic, and the broker that leads each; one without a leader is left out.
func (c *cluster) leaders(ctx context.Context, topic string) (count int32, leaders map[int32]int32, err error) {
	meta, err := c.client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
	if err != nil {
		return 0, nil, fmt.Errorf("ask for topic %s: %w", topic, err)
	}
	if len(meta.Topics) != 1 || meta.Topics[0].Name != topic {
		return 0, nil, fmt.Errorf("ask for topic %s: the broker answers for %d others", topic, len(meta.Topics))
	}
	if err := meta.Topics[0].Error; err != nil {
		return 0, nil, fmt.Errorf("ask for topic %s: %w", topic, err)
	}
	leaders = map[int32]int32{}
	for _, p := range meta.Topics[0].Partitions {
		if p.Leader.Host != "" {
			leaders[int32(p.ID)] = int32(p.Leader.ID)
		}
	}
	return int32(len(meta.Topics[0].Partitions)), leaders, nil
}

// offsets asks for the first (kafka.FirstOffset) or the end offset (kafka.LastOffset) of partitions. The end is the
// high watermark: what is committed may lie below it and still above the last stable offset, behind somebody's open
// transaction.
func (c *cluster) offsets(ctx context.Context, topic string, partitions []int32, at int64) (map[int32]int64, error) {
	return c.offsetsSeen(ctx, topic, partitions, at, kafka.ReadUncommitted)
}

// offsetsSeen is the same by an isolation level: with kafka.ReadCommitted the end is the last stable offset.
func (c *cluster) offsetsSeen(ctx context.Context, topic string, partitions []int32, at int64, level kafka.IsolationLevel) (map[int32]int64, error) {
	found := map[int32]int64{}
	err := c.persist(ctx, func(ctx context.Context) error {
		var ask []kafka.OffsetRequest
		for _, p := range partitions {
			ask = append(ask, kafka.OffsetRequest{Partition: int(p), Timestamp: at})
		}
		res, err := c.client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{topic: ask}, IsolationLevel: level})
		if err != nil {
			return fmt.Errorf("list offsets of %s: %w", topic, err)
		}
		for _, p := range res.Topics[topic] {
			if p.Error != nil {
				return fmt.Errorf("list offsets of %s/%d: %w", topic, p.Partition, p.Error)
			}
			if found[int32(p.Partition)] = p.FirstOffset; at == kafka.LastOffset {
				found[int32(p.Partition)] = p.LastOffset
			}
		}
		for _, p := range partitions {
			if offset, ok := found[p]; !ok || offset < 0 {
				return fmt.Errorf("list offsets of %s/%d: no answer from its leader", topic, p)
			}
		}
		return nil
	})
	return found, err
}
