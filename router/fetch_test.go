package router

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/metadata"

	"github.com/demarc/demarc/internal/record"
	"github.com/demarc/demarc/internal/wire"
)

// answers stands for a cluster: it answers what a function says.
type answers func(kafka.Request) (kafka.Response, error)

func (a answers) RoundTrip(_ context.Context, _ net.Addr, req kafka.Request) (kafka.Response, error) {
	return a(req)
}

func newTestFetcher(cluster answers, parts ...*partition) *fetcher {
	f := &fetcher{
		transport: cluster, client: &kafka.Client{Transport: cluster}, addr: kafka.TCP("none:1"), topics: []string{"events"},
		log: slog.New(slog.DiscardHandler), stats: &stats{set: metrics.NewSet()}, window: 4, buffers: make(chan []byte, 1),
		parts: parts, wake: map[int32]chan struct{}{}, complete: make(chan struct{}), idle: make(chan struct{}), grown: make(chan struct{}),
	}
	f.buffers <- nil
	return f
}

func newTestPartition(number int32) *partition {
	tp := record.TopicPartition{Topic: "events", Partition: number}
	return &partition{
		tp: tp, lane: &lane{in: make(chan *chunk, 4)}, account: newAccount(tp), end: noEnd, leader: 1, last: nothingBefore(),
	}
}

// A broker that has vanished without closing its connections keeps a request for half a minute.
func TestLeaderChangesWhileARequestToTheOldOneHangs(t *testing.T) {
	p := newTestPartition(0)
	f := newTestFetcher(func(kafka.Request) (kafka.Response, error) {
		return &metadata.Response{
			Brokers: []metadata.ResponseBroker{{NodeID: 1}, {NodeID: 2}},
			Topics: []metadata.ResponseTopic{{Name: "events", Partitions: []metadata.ResponsePartition{
				{PartitionIndex: 0, LeaderID: 2},
			}}},
		}, nil
	}, p)
	p.busy = true
	f.refreshLeaders(t.Context())
	if p.leader != 2 {
		t.Errorf("leader is %d, want 2: the next request goes to the broker that hangs", p.leader)
	}
}

// Between the hand-over of a chunk and the end of its response another broker's loop may ask for the partition.
func TestResponseReleasesNoPartitionThatAnotherRequestHas(t *testing.T) {
	p, second := newTestPartition(0), newTestPartition(1)
	f := newTestFetcher(func(req kafka.Request) (kafka.Response, error) {
		fetch, ok := req.(*wire.Fetch)
		if !ok {
			return nil, errors.ErrUnsupported
		}
		return &wire.FetchResponse{Partitions: []wire.FetchedPartition{
			{Request: 0, Topic: fetch.Partitions[0].Topic, Records: rawBatch(t, 0, 1, wire.None, nil)},
			{Request: 1, Topic: fetch.Partitions[1].Topic, Partition: 1, Records: rawBatch(t, 0, 1, wire.None, nil)},
		}}, nil
	}, p, second)
	second.lane.in = make(chan *chunk) // the response is held up at its second partition
	p.busy, second.busy = true, true
	done := make(chan error)
	go func() { done <- f.fetch(t.Context(), 1, []*partition{p, second}, 0) }()
	<-p.lane.in
	if claimed, _ := f.claim(1, time.Now()); !slices.Contains(claimed, p) {
		t.Fatal("a partition whose chunk was handed over has room for the next request")
	}
	<-second.lane.in
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if !p.busy {
		t.Error("a partition is free although another request for it is under way: it is fetched twice at once")
	}
}
