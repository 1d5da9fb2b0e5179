package sinks

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/demarc/demarc/internal/record"
	"github.com/demarc/demarc/internal/wire"
)

const (
	topic     = "events.us"
	clusterID = "cluster-us"
)

// patience ends a test that would wait for ever; no test takes it for a measure of time.
const patience = 20 * time.Second

func newCluster(t *testing.T, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{
		kfake.NumBrokers(1), kfake.ClusterID(clusterID), kfake.SeedTopics(2, topic),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// kafkaConfig has short pauses, and pins that hold.
func kafkaConfig(brokers ...string) KafkaConfig {
	return KafkaConfig{
		Name: "us-oci", Brokers: brokers, Topic: topic, Pins: Pins{ClusterID: clusterID}, ClientID: "demarc",
		RequestTimeout: 5 * time.Second, RetryBackoff: time.Millisecond, MaxRetryBackoff: 200 * time.Millisecond,
		Metrics: metrics.NewSet(), Log: slog.New(slog.DiscardHandler),
	}
}

func openKafka(t *testing.T, cfg KafkaConfig) *Kafka {
	t.Helper()
	k := NewKafka(cfg)
	if err := k.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	})
	return k
}

// newBatch makes an unsealed batch, as a lane does. A value of "-" is null.
func newBatch(t testing.TB, source record.TopicPartition, codec wire.Codec, values ...string) *record.Batch {
	t.Helper()
	var build wire.Builder
	for i, v := range values {
		build.Add(1_700_000_000_000+int64(i), tail("key", v))
	}
	c := wire.NewCompressor()
	raw, err := build.Build(nil, codec, c)
	if err != nil {
		t.Fatal(err)
	}
	return record.NewBatch(source, raw, len(values), func(context.Context) error { return nil })
}

func tail(key, value string) []byte {
	b := binary.AppendVarint(nil, int64(len(key)))
	b = append(b, key...)
	if value == "-" {
		b = binary.AppendVarint(b, -1)
	} else {
		b = binary.AppendVarint(b, int64(len(value)))
		b = append(b, value...)
	}
	return binary.AppendVarint(b, 0)
}

func from(partition int32) record.TopicPartition {
	return record.TopicPartition{Topic: "events", Partition: partition}
}

func numbered(prefix string, n int) []string {
	var values []string
	for i := range n {
		values = append(values, fmt.Sprintf("%s-%d", prefix, i))
	}
	return values
}

type settled struct {
	record.Receipt
	err error
}

// outcome waits for the sink to settle b.
func outcome(t *testing.T, b *record.Batch) settled {
	t.Helper()
	ch := make(chan settled, 1)
	go func() {
		r, err := b.Wait()
		ch <- settled{r, err}
	}()
	select {
	case s := <-ch:
		return s
	case <-time.After(patience):
		t.Fatalf("batch of %v is not settled", b.Source)
		panic("unreachable")
	}
}

func mustStore(t *testing.T, b *record.Batch) record.Receipt {
	t.Helper()
	s := outcome(t, b)
	if s.err != nil {
		t.Fatalf("batch of %v: %v", b.Source, s.err)
	}
	return s.Receipt
}

// until polls a condition that another goroutine makes true.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never came true that %s", what)
		}
	}
}

func count(set *metrics.Set, name string, labels ...any) uint64 {
	return set.GetOrCreateCounter(fmt.Sprintf(name, labels...)).Get()
}

func retries(set *metrics.Set, c Cause) uint64 {
	return count(set, `demarc_sink_retries_total{sink="us-oci",error=%q}`, c)
}

func duplicates(set *metrics.Set) uint64 {
	return count(set, `demarc_sink_duplicates_possible_total{sink="us-oci"}`)
}

// consume reads all that a topic holds, by partition and in order.
func consume(t *testing.T, c *kfake.Cluster) map[int32][]*kgo.Record {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(10*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ends, err := kadm.NewClient(client).ListEndOffsets(t.Context(), topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
	left := int64(0)
	ends.Each(func(o kadm.ListedOffset) { left += o.Offset })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	all := map[int32][]*kgo.Record{}
	for left > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			all[r.Partition] = append(all[r.Partition], r)
			left--
		})
	}
	return all
}

func values(records []*kgo.Record) []string {
	var out []string
	for _, r := range records {
		out = append(out, string(r.Value))
	}
	return out
}

// refusedFor gives the checks that err names, in order.
func refusedFor(err error) []Check {
	if refused, ok := err.(*RefusedError); ok {
		return []Check{refused.Check}
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []Check
		for _, e := range joined.Unwrap() {
			all = append(all, refusedFor(e)...)
		}
		return all
	}
	if inner := errors.Unwrap(err); inner != nil {
		return refusedFor(inner)
	}
	return nil
}

func atoi(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
