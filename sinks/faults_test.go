package sinks

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/demarc/demarc/internal/record"
	"github.com/demarc/demarc/internal/wire"
)

func TestProduceFaults(t *testing.T) {
	produce, init := []kmsg.Key{kmsg.Produce}, []kmsg.Key{kmsg.InitProducerID}
	for _, tc := range []struct {
		name  string
		keys  []kmsg.Key
		err   *kerr.Error
		cause Cause
	}{
		{"leader moved", produce, kerr.NotLeaderForPartition, CauseLeader},
		{"leader election", produce, kerr.LeaderNotAvailable, CauseLeader},
		{"leader epoch", produce, kerr.FencedLeaderEpoch, CauseLeader},
		{"topic not there yet", produce, kerr.UnknownTopicOrPartition, CauseTopic},
		{"timed out, yet persisted", produce, kerr.RequestTimedOut, CauseTimeout},
		{"too few replicas", produce, kerr.NotEnoughReplicas, CauseReplicas},
		{"too few replicas, yet persisted", produce, kerr.NotEnoughReplicasAfterAppend, CauseReplicas},
		{"right taken away", produce, kerr.TopicAuthorizationFailed, CauseACL},
		{"disk of the broker", produce, kerr.KafkaStorageError, CauseBroker},
		{"damaged on the way", produce, kerr.CorruptMessage, CauseBroker},
		{"anything else", produce, kerr.UnknownServerError, CauseBroker},
		{"sequence lost", produce, kerr.OutOfOrderSequenceNumber, CauseProducer},
		{"epoch lost", produce, kerr.InvalidProducerEpoch, CauseProducer},
		{"fenced", produce, kerr.ProducerFenced, CauseProducer},
		{"producer forgotten", produce, kerr.UnknownProducerID, CauseProducer},
		{"producer id: cold coordinator", init, kerr.CoordinatorNotAvailable, CauseCoordinator},
		{"producer id: not this one", init, kerr.NotCoordinator, CauseCoordinator},
		{"producer id: busy", init, kerr.ConcurrentTransactions, CauseCoordinator},
		{"producer id: denied", init, kerr.ClusterAuthorizationFailed, CauseACL},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newCluster(t, kfake.SeedTopics(1, topic))
			cfg := kafkaConfig(c.ListenAddrs()...)
			k := openKafka(t, cfg)
			first := newBatch(t, from(0), wire.Zstd, numbered("a", 3)...)
			if tc.keys[0] == kmsg.Produce { // not the first request of its producer
				k.Deliver(t.Context(), 0, first)
				mustStore(t, first)
			}
			fault := c.Fault(kfake.Fault{Keys: tc.keys, Err: tc.err, Count: 2})
			if tc.keys[0] == kmsg.InitProducerID {
				fault.Remove()
				refuseProducerIDs(c, 2, tc.err.Code)
				k.Deliver(t.Context(), 0, first)
			}
			second, third := newBatch(t, from(0), wire.Zstd, numbered("b", 3)...), newBatch(t, from(0), wire.Zstd, numbered("c", 3)...)
			k.Deliver(t.Context(), 0, second)
			k.Deliver(t.Context(), 0, third)
			mustStore(t, second)
			mustStore(t, third)
			want := slices.Concat(numbered("a", 3), numbered("b", 3), numbered("c", 3))
			if diff := cmp.Diff(want, values(consume(t, c)[0])); diff != "" {
				t.Errorf("stored (-want +got):\n%s", diff)
			}
			if got := retries(cfg.Metrics, tc.cause); got != 2 {
				t.Errorf("retries for %s = %d, want 2", tc.cause, got)
			}
			if got := duplicates(cfg.Metrics); got != 0 {
				t.Errorf("possible duplicates = %d, want 0", got)
			}
			if s := k.State(); s.Status != Ready || s.Err != "" {
				t.Errorf("state = %+v", s)
			}
		})
	}
}

func refuseProducerIDs(c *kfake.Cluster, n int32, code int16) {
	var left atomic.Int32
	left.Store(n)
	c.ControlKey(int16(kmsg.InitProducerID), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if left.Add(-1) < 0 {
			return nil, nil, false
		}
		answer := r.ResponseKind().(*kmsg.InitProducerIDResponse)
		answer.ErrorCode = code
		return answer, nil, true
	})
}

func TestAnswerIsLost(t *testing.T) {
	for _, persisted := range []bool{false, true} {
		t.Run(map[bool]string{false: "failed", true: "failed, yet persisted"}[persisted], func(t *testing.T) {
			wires := &cuttable{}
			c := newCluster(t, kfake.SeedTopics(1, topic), kfake.ListenFn(wires.listen))
			cfg := kafkaConfig(c.ListenAddrs()...)
			k := openKafka(t, cfg)
			batches := []*record.Batch{
				newBatch(t, from(0), wire.LZ4, numbered("a", 3)...),
				newBatch(t, from(0), wire.LZ4, numbered("b", 3)...),
				newBatch(t, from(0), wire.LZ4, numbered("c", 3)...),
			}
			k.Deliver(t.Context(), 0, batches[0])
			mustStore(t, batches[0])
			c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
				if persisted {
					c.DropControl()
					wires.cut.Store(true) // the next answer
					return nil, nil, false
				}
				return nil, errors.New("cut before the broker acts"), true
			})
			for _, b := range batches[1:] {
				k.Deliver(t.Context(), 0, b)
			}
			for _, b := range batches[1:] {
				mustStore(t, b)
			}
			want := slices.Concat(numbered("a", 3), numbered("b", 3), numbered("c", 3))
			if diff := cmp.Diff(want, values(consume(t, c)[0])); diff != "" {
				t.Errorf("stored (-want +got):\n%s", diff)
			}
			if got := retries(cfg.Metrics, CauseNetwork); got != 1 {
				t.Errorf("retries = %d, want 1", got)
			}
			if got := duplicates(cfg.Metrics); got != 0 {
				t.Errorf("possible duplicates = %d, want 0", got)
			}
		})
	}
}

type cuttable struct{ cut atomic.Bool }

func (w *cuttable) listen(network, address string) (net.Listener, error) {
	l, err := net.Listen(network, address)
	return &cuttableListener{l, w}, err
}

type cuttableListener struct {
	net.Listener
	w *cuttable
}

func (l *cuttableListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return &cuttableConn{c, l.w}, err
}

type cuttableConn struct {
	net.Conn
	w *cuttable
}

func (c *cuttableConn) Write(b []byte) (int, error) {
	if c.w.cut.CompareAndSwap(true, false) {
		return 0, errors.Join(errors.New("cut off"), c.Conn.Close())
	}
	return c.Conn.Write(b)
}

func TestForgottenInDoubt(t *testing.T) {
	c := newCluster(t, kfake.SeedTopics(1, topic))
	cfg := kafkaConfig(c.ListenAddrs()...)
	k := openKafka(t, cfg)
	c.Fault(
		kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.RequestTimedOut},
		kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.OutOfOrderSequenceNumber},
	)
	b := newBatch(t, from(0), wire.Zstd, numbered("a", 3)...)
	k.Deliver(t.Context(), 0, b)
	mustStore(t, b)
	if got := duplicates(cfg.Metrics); got != 3 {
		t.Errorf("possible duplicates = %d, want 3", got)
	}
	records := consume(t, c)[0]
	if diff := cmp.Diff(slices.Concat(numbered("a", 3), numbered("a", 3)), values(records)); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
	if records[0].ProducerID == records[5].ProducerID {
		t.Error("the second attempt had the producer id of the first")
	}
}

func TestGivenUpInDoubt(t *testing.T) {
	for _, tc := range []struct {
		name string
		end  func(c *kfake.Cluster, b *record.Batch)
	}{
		{"not live any more", func(_ *kfake.Cluster, b *record.Batch) {
			asked := 0
			b.Live = func(context.Context) error {
				if asked++; asked > 1 {
					return errors.New("session may be over")
				}
				return nil
			}
		}},
		{"refused by now", func(c *kfake.Cluster, _ *record.Batch) {
			c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.MessageTooLarge})
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newCluster(t, kfake.SeedTopics(1, topic))
			cfg := kafkaConfig(c.ListenAddrs()...)
			k := openKafka(t, cfg)
			c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.RequestTimedOut}) // it is stored
			b, next := newBatch(t, from(0), wire.None, "a"), newBatch(t, from(0), wire.None, "b")
			tc.end(c, b)
			k.Deliver(t.Context(), 0, b)
			k.Deliver(t.Context(), 0, next)
			if s := outcome(t, b); s.err == nil && len(s.Refused) != 1 {
				t.Errorf("settled with %+v", s)
			}
			mustStore(t, next)
			if diff := cmp.Diff([]string{"a", "b"}, values(consume(t, c)[0])); diff != "" {
				t.Errorf("stored (-want +got):\n%s", diff)
			}
			if got := duplicates(cfg.Metrics); got != 1 {
				t.Errorf("possible duplicates = %d, want 1", got)
			}
		})
	}
}

func TestRepetitionIsSuccess(t *testing.T) {
	c := newCluster(t, kfake.SeedTopics(1, topic))
	k := openKafka(t, kafkaConfig(c.ListenAddrs()...))
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.DuplicateSequenceNumber})
	b := newBatch(t, from(0), wire.None, "a")
	k.Deliver(t.Context(), 0, b)
	want := record.Receipt{Places: []record.Place{{Topic: topic, BaseOffset: -1, LastOffset: -1, Records: 1}}}
	if diff := cmp.Diff(want, mustStore(t, b)); diff != "" {
		t.Errorf("receipt (-want +got):\n%s", diff)
	}
}

func TestRefusedRecords(t *testing.T) {
	for _, tc := range []struct {
		name   string
		code   int16
		reason record.Reason
	}{
		{"too large", kerr.MessageTooLarge.Code, record.TooLarge},
		{"list too large", kerr.RecordListTooLarge.Code, record.TooLarge},
		{"invalid", kerr.InvalidRecord.Code, record.Refused},
		{"timestamp", kerr.InvalidTimestamp.Code, record.Refused},
	} {
		for _, poison := range [][]int{{0}, {6}, {2, 3}, {0, 1, 2, 3, 4, 5, 6}} {
			t.Run(tc.name, func(t *testing.T) {
				c := newCluster(t, kfake.SeedTopics(1, topic))
				refuseIf(c, "poison", tc.code)
				cfg := kafkaConfig(c.ListenAddrs()...)
				k := openKafka(t, cfg)
				v := numbered("a", 7)
				var want []string
				var refused []record.Refusal
				for i := range v {
					if slices.Contains(poison, i) {
						v[i] = "poison"
						refused = append(refused, record.Refusal{Index: i, Reason: tc.reason})
					} else {
						want = append(want, v[i])
					}
				}
				b, after := newBatch(t, from(0), wire.None, v...), newBatch(t, from(0), wire.None, "after")
				k.Deliver(t.Context(), 0, b)
				k.Deliver(t.Context(), 0, after)
				r := mustStore(t, b)
				mustStore(t, after)
				if diff := cmp.Diff(refused, r.Refused); diff != "" {
					t.Errorf("refused (-want +got):\n%s", diff)
				}
				records := consume(t, c)[0]
				if diff := cmp.Diff(append(want, "after"), values(records)); diff != "" {
					t.Errorf("stored (-want +got):\n%s", diff)
				}
				placed := 0
				for _, p := range r.Places {
					placed += p.Records
				}
				if placed != len(want) {
					t.Errorf("receipt places %d records, want %d", placed, len(want))
				}
				if got := count(cfg.Metrics, `demarc_sink_records_refused_total{sink="us-oci",reason=%q}`, tc.reason); int(got) != len(poison) {
					t.Errorf("refused records counted = %d, want %d", got, len(poison))
				}
			})
		}
	}
}

func refuseIf(c *kfake.Cluster, word string, code int16) {
	c.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		part := r.(*kmsg.ProduceRequest).Topics[0].Partitions[0]
		if !strings.Contains(string(part.Records), word) {
			return nil, nil, false
		}
		return answerProduce(r, code), nil, true
	})
}

func answerProduce(r kmsg.Request, code int16) kmsg.Response {
	answer := r.ResponseKind().(*kmsg.ProduceResponse)
	for _, t := range r.(*kmsg.ProduceRequest).Topics {
		rt := kmsg.NewProduceResponseTopic()
		rt.Topic = t.Topic
		for _, p := range t.Partitions {
			rp := kmsg.NewProduceResponseTopicPartition()
			rp.Partition, rp.ErrorCode, rp.BaseOffset = p.Partition, code, -1
			rt.Partitions = append(rt.Partitions, rp)
		}
		answer.Topics = append(answer.Topics, rt)
	}
	return answer
}

func TestTooLargeForATopic(t *testing.T) {
	c := newCluster(t, kfake.SeedTopics(1, topic), kfake.BrokerConfigs(map[string]string{"message.max.bytes": "2000"}))
	k := openKafka(t, kafkaConfig(c.ListenAddrs()...))
	v := numbered("a", 40)
	v[13] = noise(3000)
	b := newBatch(t, from(0), wire.Zstd, v...)
	k.Deliver(t.Context(), 0, b)
	if diff := cmp.Diff([]record.Refusal{{Index: 13, Reason: record.TooLarge}}, mustStore(t, b).Refused); diff != "" {
		t.Errorf("refused (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(slices.Concat(v[:13], v[14:]), values(consume(t, c)[0])); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
}

func noise(n int) string {
	b := make([]byte, n)
	x := uint32(1)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return string(b)
}
