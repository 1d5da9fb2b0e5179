package router

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/demarc/demarc/internal/record"
)

// A broker that does not know a new topic yet makes the group's leader assign nothing.
func TestUntilEndWaitsForPartitionsThatNobodyWasAssigned(t *testing.T) {
	b := newBench(t, 2)
	b.produce([]*kgo.Record{event(0, 0, "US"), event(1, 0, "US")})
	var joined, asked atomic.Bool
	b.cluster.ControlKey(int16(kmsg.JoinGroup), func(kmsg.Request) (kmsg.Response, error, bool) {
		b.cluster.KeepControl()
		joined.Store(true)
		return nil, nil, false
	})
	b.cluster.ControlKey(int16(kmsg.Metadata), func(request kmsg.Request) (kmsg.Response, error, bool) {
		b.cluster.KeepControl()
		req := request.(*kmsg.MetadataRequest)
		if !joined.Load() || req.Version > 6 || asked.Swap(true) { // the group asks in an old version
			return nil, nil, false
		}
		res := req.ResponseKind().(*kmsg.MetadataResponse)
		rt := kmsg.NewMetadataResponseTopic()
		rt.Topic, rt.ErrorCode = kmsg.StringPtr("events"), int16(kafka.UnknownTopicOrPartition)
		res.Topics = append(res.Topics, rt)
		return res, nil, true
	})
	if err := b.run(b.context(), b.router(b.config())); err != nil {
		t.Fatal(err)
	}
	if !asked.Load() {
		t.Fatal("the group's leader has not asked for the partitions as this test expects")
	}
	if n := len(b.sinks[us].snapshot()); n != 2 {
		t.Errorf("%d of 2 records were delivered", n)
	}
}

func TestUntilEndStopsWhenATopicIsDeleted(t *testing.T) {
	b := newBench(t, 1)
	for i := range 20 {
		b.produceToAll(1, i)
	}
	b.sinks[us].setDown(true)
	cfg := b.config()
	cfg.PartitionBytes, cfg.Memory = 1, 1
	done := make(chan error)
	go func() { done <- b.router(cfg).Run(b.context()) }()
	b.sinks[us].until(t, "all that may be in flight", func(m *memory) bool { return len(m.waiting) == 4 })
	client, err := kgo.NewClient(kgo.SeedBrokers(b.cluster.Brokers()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := kadm.NewClient(client).DeleteTopics(b.context(), "events"); err != nil {
		t.Fatal(err)
	}
	b.sinks[us].setDown(false)
	if err := <-done; err == nil || !strings.Contains(err.Error(), "events/0") {
		t.Errorf("Run = %v: the end was not reached", err)
	}
}

func TestDeletedTopicLeavesTheOthersAlone(t *testing.T) {
	b := newBench(t, 1)
	client, err := kgo.NewClient(kgo.SeedBrokers(b.cluster.Brokers()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	if _, err := admin.CreateTopic(b.context(), 1, 1, nil, "deleted"); err != nil {
		t.Fatal(err)
	}
	cfg := b.config()
	cfg.UntilEnd, cfg.Topics = false, []string{"deleted", "events"}
	ctx, cancel := context.WithCancel(b.context())
	r := b.router(cfg)
	done := make(chan error)
	go func() { done <- r.Run(ctx) }()
	waitFor(t, "both partitions", func() bool { return r.stats.assigned() == 2 })
	if _, err := admin.DeleteTopics(b.context(), "deleted"); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the partition to stop", func() bool { return errors.Is(r.Stopped()[record.TopicPartition{Topic: "deleted"}], errGone) })
	b.produceToAll(1, 0)
	b.sinks[us].until(t, "a record of the other topic", func(m *memory) bool { return len(m.records) == 1 })
	if n := metric(r, "demarc_generations_total"); n != 1 {
		t.Errorf("%d generations, want 1", n)
	}
	cancel()
	if err := <-done; !errors.Is(err, errGone) {
		t.Errorf("Run = %v", err)
	}
}

func TestNewPartitionIsRead(t *testing.T) {
	b := newBench(t, 1)
	cfg := b.config()
	cfg.UntilEnd, cfg.Start = false, kafka.LastOffset // "latest" is for what was there at the start
	ctx, cancel := context.WithCancel(b.context())
	r := b.router(cfg)
	done := make(chan error)
	go func() { done <- r.Run(ctx) }()
	waitFor(t, "its partition", func() bool { return r.stats.assigned() == 1 })
	client, err := kgo.NewClient(kgo.SeedBrokers(b.cluster.Brokers()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := kadm.NewClient(client).CreatePartitions(b.context(), 1, "events"); err != nil {
		t.Fatal(err)
	}
	b.produce([]*kgo.Record{event(1, 0, "US")})
	b.sinks[us].until(t, "the record of the new partition", func(m *memory) bool { return len(m.records) == 1 })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
