package router

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/demarc/demarc/internal/wire"
)

func TestUntilEndReachesAnEndInsideACompactedRange(t *testing.T) {
	for name, c := range map[string]struct {
		raw               []byte
		delivered, absent int64
	}{
		"nothing is left before it": {rawBatch(t, 20, 10, wire.None, nil), 0, 5},
		"two records are left":      {slices.Concat(rawBatch(t, 0, 2, wire.None, nil), rawBatch(t, 20, 10, wire.None, nil)), 2, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, 1)
			for i := range 5 {
				b.produceToAll(1, i)
			}
			b.serveBatchesAt(map[int64][]byte{0: c.raw, 2: rawBatch(t, 20, 10, wire.None, nil)})
			r := b.router(b.config())
			if err := b.run(b.context(), r); err != nil {
				t.Fatal(err)
			}
			if a := r.Accounts()[0]; a.Consumed != 5 || a.Delivered != c.delivered || a.Absent != c.absent {
				t.Errorf("account %+v", a)
			}
			if at := b.committed()[0]; at != 5 {
				t.Errorf("committed %d", at)
			}
		})
	}
}

func TestStartLatestLosesNothingWhenTheFirstRecordsCouldNotBeDelivered(t *testing.T) {
	b := newBench(t, 1)
	for i := range 5 {
		b.produceToAll(1, i)
	}
	b.sinks[us].setDown(true)
	cfg := b.config()
	cfg.UntilEnd, cfg.Start = false, kafka.LastOffset
	ctx, cancel := context.WithCancel(b.context())
	r := b.router(cfg)
	done := make(chan error)
	go func() { done <- r.Run(ctx) }()
	waitFor(t, "its partition", func() bool { return r.stats.assigned() == 1 })
	for i := 5; i < 8; i++ {
		b.produceToAll(1, i)
	}
	b.sinks[us].until(t, "a record at the sink that is down", func(m *memory) bool { return len(m.waiting) > 0 })
	cancel()
	if err := <-done; !errors.Is(err, ErrGivenUp) {
		t.Fatalf("Run = %v", err)
	}
	b.sinks[us].setDown(false)
	cfg.UntilEnd = true
	if err := b.run(b.context(), b.router(cfg)); err != nil {
		t.Fatal(err)
	}
	if got := keys(b.sinks[us].snapshot(), 0); !slices.Equal(got, []string{"0/5", "0/6", "0/7"}) {
		t.Errorf("the sink holds %v", got)
	}
}

func TestUntilEndStopsAtAnOffsetBeyondTheLog(t *testing.T) {
	b := newBench(t, 1)
	b.produce(mixed(0, 8))
	b.commit(0, 100) // as after the topic was created anew
	err := b.run(b.context(), b.router(b.config()))
	if !errors.Is(err, kafka.OffsetOutOfRange) || !strings.Contains(err.Error(), "partition events/0 stopped") {
		t.Fatalf("Run = %v: 8 records were not delivered", err)
	}
}

func TestUntilEndAcceptsAnOffsetBeyondTheEndsThatItSaw(t *testing.T) {
	b := newBench(t, 1)
	b.produce(mixed(0, 8))
	b.commit(0, 8)
	b.cluster.ControlKey(int16(kmsg.ListOffsets), func(request kmsg.Request) (kmsg.Response, error, bool) {
		req := request.(*kmsg.ListOffsetsRequest)
		return answerListOffsets(req, 0, 3), nil, true // another member went on to 8 since
	})
	if err := b.run(b.context(), b.router(b.config())); err != nil {
		t.Fatal(err)
	}
}

func TestGenerationThatCannotBeginTriesAgainWithoutARebalance(t *testing.T) {
	b := newBench(t, 1)
	b.produce(mixed(0, 8))
	var joins atomic.Int32
	b.cluster.ControlKey(int16(kmsg.JoinGroup), func(kmsg.Request) (kmsg.Response, error, bool) {
		b.cluster.KeepControl()
		joins.Add(1)
		return nil, nil, false
	})
	failures := 0
	b.cluster.ControlKey(int16(kmsg.ListOffsets), func(request kmsg.Request) (kmsg.Response, error, bool) {
		b.cluster.KeepControl()
		req := request.(*kmsg.ListOffsetsRequest)
		const earliest = -2
		if failures == 2 || req.Topics[0].Partitions[0].Timestamp != earliest {
			return nil, nil, false
		}
		failures++
		return answerListOffsets(req, kafka.LeaderNotAvailable, -1), nil, true
	})
	r := b.router(b.config())
	if err := b.run(b.context(), r); err != nil {
		t.Fatal(err)
	}
	if got := metric(r, "demarc_generations_total"); got != 1 {
		t.Errorf("%d generations, want 1", got)
	}
	if n := joins.Load(); n > 2 { // the first one may be sent back for a member id
		t.Errorf("joined the group %d times: each disturbs all members", n)
	}
}

// answerListOffsets answers for the one partition that a request of kafka-go asks for.
func answerListOffsets(req *kmsg.ListOffsetsRequest, code kafka.Error, offset int64) kmsg.Response {
	res := req.ResponseKind().(*kmsg.ListOffsetsResponse)
	rt := kmsg.NewListOffsetsResponseTopic()
	rt.Topic = req.Topics[0].Topic
	rp := kmsg.NewListOffsetsResponseTopicPartition()
	rp.Partition, rp.ErrorCode, rp.Offset = req.Topics[0].Partitions[0].Partition, int16(code), offset
	rt.Partitions = append(rt.Partitions, rp)
	res.Topics = append(res.Topics, rt)
	return res
}
