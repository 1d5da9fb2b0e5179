package wire

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/demarc/demarc/internal/record"
)

// connect starts a broker and a kafka-go transport to it.
func connect(t *testing.T, topics ...string) (context.Context, string, func(kafka.Request) (kafka.Response, error)) {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topics...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	addr, err := net.ResolveTCPAddr("tcp", cluster.ListenAddrs()[0])
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	transport := &kafka.Transport{ClientID: "demarc"}
	t.Cleanup(transport.CloseIdleConnections)
	return ctx, addr.String(), func(req kafka.Request) (kafka.Response, error) { return transport.RoundTrip(ctx, addr, req) }
}

// TestBrokerTakesOurBatches produces one batch per codec through kafka-go's transport; franz-go and our own
// Fetch read them back.
func TestBrokerTakesOurBatches(t *testing.T) {
	topics := make([]string, len(codecs))
	for i, c := range codecs {
		topics[i] = "topic-" + c.String()
	}
	ctx, addr, roundTrip := connect(t, topics...)
	comp := NewCompressor()
	var b Builder
	for _, r := range sample(0) {
		b.Add(r.Timestamp, tail(r.Record))
	}
	produce, fetch := &Produce{Timeout: 10 * time.Second}, &Fetch{MinBytes: 1, MaxBytes: 1 << 20, MaxWait: time.Second, Limit: 2 << 20}
	for i, c := range codecs {
		raw, err := b.Build(nil, c, comp)
		if err != nil {
			t.Fatal(err)
		}
		Seal(raw, -1, -1, -1)
		produce.Partitions = append(produce.Partitions, ProducePartition{Topic: topics[i], Batch: raw})
		fetch.Partitions = append(fetch.Partitions, FetchPartition{Topic: topics[i], LeaderEpoch: -1, MaxBytes: 1 << 20})
	}
	for round := range 2 {
		res, err := roundTrip(produce)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range res.(*ProduceResponse).Partitions {
			if p.Error != 0 || p.BaseOffset != int64(40*round) {
				t.Errorf("%s: error %d (%s), base offset %d", p.Topic, p.Error, p.Message, p.BaseOffset)
			}
		}
	}

	res, err := roundTrip(fetch)
	if err != nil {
		t.Fatal(err)
	}
	fetched := res.(*FetchResponse)
	if len(fetched.Partitions) != len(codecs) {
		t.Fatalf("%d partitions", len(fetched.Partitions))
	}
	for _, p := range fetched.Partitions {
		if p.Error != 0 || p.HighWatermark != 80 || p.LastStableOffset != 80 {
			t.Errorf("%s: error %d, high watermark %d, last stable offset %d", p.Topic, p.Error, p.HighWatermark, p.LastStableOffset)
		}
		for records, n := p.Records, 0; len(records) > 0; n++ {
			batch, rest, err := Next(records)
			if err != nil || batch.Check() != nil {
				t.Fatalf("%s: %v, %v", p.Topic, err, batch.Check())
			}
			same(t, readAll(t, batch), sample(int64(40*n)))
			records = rest
		}
		readByFranz(t, ctx, addr, p.Topic)
	}
}

func readByFranz(t *testing.T, ctx context.Context, addr, topic string) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.ConsumeTopics(topic))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var got []stamped
	for len(got) < 80 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			s := stamped{Offset: r.Offset, Timestamp: r.Timestamp.UnixMilli(), Record: record.Record{Key: r.Key, Value: r.Value}}
			for _, h := range r.Headers {
				s.Headers = append(s.Headers, record.Header{Key: []byte(h.Key), Value: h.Value})
			}
			got = append(got, s)
		})
	}
	if diff := cmp.Diff(append(sample(0), sample(40)...), got, wholeBytes); diff != "" {
		t.Errorf("%s read by franz-go (-want +got):\n%s", topic, diff)
	}
}

func TestBrokerErrors(t *testing.T) {
	_, _, roundTrip := connect(t, "there")
	raw := built(t)
	damaged := built(t)
	damaged[len(damaged)-1] ^= 1

	res, err := roundTrip(&Produce{Partitions: []ProducePartition{
		{Topic: "there", Partition: 9, Batch: raw}, {Topic: "not-there", Batch: raw}, {Topic: "there", Partition: 0, Batch: damaged}}})
	if err != nil {
		t.Fatal(err)
	}
	want := []int16{kerr.UnknownTopicOrPartition.Code, kerr.UnknownTopicOrPartition.Code, kerr.CorruptMessage.Code}
	for _, p := range res.(*ProduceResponse).Partitions {
		if p.Error != want[p.Request] {
			t.Errorf("produce to %s/%d: error %d, want %d", p.Topic, p.Partition, p.Error, want[p.Request])
		}
	}

	fetch := &Fetch{MaxBytes: 1 << 20, Limit: 1 << 20, Partitions: []FetchPartition{
		{Topic: "there", Partition: 9, LeaderEpoch: -1, MaxBytes: 1}, {Topic: "there", Partition: 0, Offset: 5, LeaderEpoch: -1, MaxBytes: 1}}}
	res, err = roundTrip(fetch)
	if err != nil {
		t.Fatal(err)
	}
	want = []int16{kerr.UnknownTopicOrPartition.Code, kerr.OffsetOutOfRange.Code}
	for _, p := range res.(*FetchResponse).Partitions {
		if p.Error != want[p.Request] {
			t.Errorf("fetch from %s/%d: error %d, want %d", p.Topic, p.Partition, p.Error, want[p.Request])
		}
	}

	fetch.BrokerID = 77
	if _, err := roundTrip(fetch); !errors.Is(err, ErrNoBroker) {
		t.Errorf("unknown broker: %v", err)
	}
	fetch.BrokerID, fetch.Limit = 0, 10
	if _, err := roundTrip(fetch); !errors.Is(err, ErrTooLarge) {
		t.Errorf("limit of 10 bytes: %v", err)
	}
	fetch.Limit = 1 << 20
	if _, err := roundTrip(fetch); err != nil { // on a new connection
		t.Errorf("after an error: %v", err)
	}
}
