package sinks

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/demarc/demarc/internal/record"
	"github.com/demarc/demarc/internal/wire"
)

func TestReadBack(t *testing.T) {
	t.Run("recompressed", func(t *testing.T) {
		c := newCluster(t, kfake.SeedTopics(1, topic))
		cfg := kafkaConfig(c.ListenAddrs()...)
		k := openKafka(t, cfg)
		other := newBatch(t, from(0), wire.None, "a", "b") // the same records, not the same bytes
		wire.Seal(other.Bytes, 1, 0, 0)
		answerFetch(c, other.Bytes)
		b, waits := newBatch(t, from(0), wire.Zstd, "a", "b"), newBatch(t, from(0), wire.Zstd, "c")
		k.Deliver(t.Context(), 0, b)
		k.Deliver(t.Context(), 0, waits)
		until(t, "the sink is stopped", func() bool { return k.State().Status == Stopped })
		if err := k.State().Err; !strings.Contains(err, "of none") || !strings.Contains(err, "of zstd") || !strings.Contains(err, "compression.type=producer") {
			t.Errorf("error = %s", err)
		}
		for _, b := range []*record.Batch{b, waits} {
			if s := outcome(t, b); !errors.As(s.err, new(*RefusedError)) {
				t.Errorf("settled with %v", s.err)
			}
		}
		if got := len(consume(t, c)[0]); got != 2 {
			t.Errorf("%d records are stored, want the 2 of the first batch", got)
		}
		if retries(cfg.Metrics, CauseReadBack) != 1 {
			t.Error("not counted")
		}
	})
	t.Run("fails, then works", func(t *testing.T) {
		c := newCluster(t, kfake.SeedTopics(1, topic))
		cfg := kafkaConfig(c.ListenAddrs()...)
		k := openKafka(t, cfg)
		c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: kerr.TopicAuthorizationFailed, Count: 3})
		var produced atomic.Int32
		c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
			c.KeepControl()
			produced.Add(1)
			return nil, nil, false
		})
		b := newBatch(t, from(0), wire.Zstd, "a")
		k.Deliver(t.Context(), 0, b)
		mustStore(t, b)
		if produced.Load() != 1 || retries(cfg.Metrics, CauseReadBack) != 3 {
			t.Errorf("%d produce requests, %d retries; want 1 and 3", produced.Load(), retries(cfg.Metrics, CauseReadBack))
		}
	})
	t.Run("no partition is answered for", func(t *testing.T) {
		c := newCluster(t, kfake.SeedTopics(1, topic))
		cfg := kafkaConfig(c.ListenAddrs()...)
		k := openKafka(t, cfg)
		c.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) { return r.ResponseKind(), nil, true })
		b := newBatch(t, from(0), wire.Zstd, "a")
		k.Deliver(t.Context(), 0, b)
		mustStore(t, b)
		if got := retries(cfg.Metrics, CauseReadBack); got != 1 || !k.verified[0].Load() {
			t.Errorf("%d retries, want 1; verified: %v", got, k.verified[0].Load())
		}
	})
	t.Run("retention was faster", func(t *testing.T) {
		c := newCluster(t, kfake.SeedTopics(1, topic))
		k := openKafka(t, kafkaConfig(c.ListenAddrs()...))
		c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: kerr.OffsetOutOfRange})
		b := newBatch(t, from(0), wire.Zstd, "a")
		k.Deliver(t.Context(), 0, b)
		mustStore(t, b)
		if k.verified[0].Load() {
			t.Error("the partition counts as verified")
		}
	})
}

func answerFetch(c *kfake.Cluster, batch []byte) {
	c.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
		asked := r.(*kmsg.FetchRequest).Topics[0]
		answer := r.ResponseKind().(*kmsg.FetchResponse)
		rt, rp := kmsg.NewFetchResponseTopic(), kmsg.NewFetchResponseTopicPartition()
		rt.Topic, rp.Partition, rp.RecordBatches = asked.Topic, asked.Partitions[0].Partition, batch
		rt.Partitions = append(rt.Partitions, rp)
		answer.Topics = append(answer.Topics, rt)
		return answer, nil, true
	})
}
