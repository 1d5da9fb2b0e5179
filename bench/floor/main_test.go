package main

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/demarc/demarc/internal/devbroker"
)

// TestCopiesEveryRecord reads the copy back with another client, and looks at the committed offsets.
func TestCopiesEveryRecord(t *testing.T) {
	for name, same := range map[string]bool{"floor": false, "wire-floor": true} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cluster, err := devbroker.Start("floor", []devbroker.Topic{{Name: "source", Partitions: 10}, {Name: "sinks.us", Partitions: 10}})
			if err != nil {
				t.Fatal(err)
			}
			defer cluster.Close()
			load := devbroker.Load{
				Brokers: cluster.Brokers(), Topic: "source", Partitions: 10, Records: 5_000, Batch: 30,
				Traffic: devbroker.Traffic{Hostile: 500}, Codec: kgo.ZstdCompression(),
			}
			if err := load.Run(ctx); err != nil {
				t.Fatal(err)
			}
			c := &copier{topic: "source", group: "group", sink: "sinks.us", same: same}
			if err := c.run(ctx, cluster.Brokers()[0]); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(read(t, ctx, cluster, "source"), read(t, ctx, cluster, "sinks.us")); diff != "" {
				t.Errorf("the copy differs: %s", diff)
			}
			client, err := kgo.NewClient(kgo.SeedBrokers(cluster.Brokers()...))
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			committed, err := kadm.NewClient(client).FetchOffsets(ctx, "group")
			if err != nil {
				t.Fatal(err)
			}
			var sum int64
			committed.Each(func(o kadm.OffsetResponse) { sum += o.At })
			if sum != load.Records {
				t.Errorf("%d offsets are committed, want %d", sum, load.Records)
			}
		})
	}
}

// stored is what a copy must keep of a record.
type stored struct {
	Key, Value, Headers string
	Time, Offset        int64
}

// read gives the records of each partition in order.
func read(t *testing.T, ctx context.Context, cluster *devbroker.Cluster, topic string) [][]stored {
	t.Helper()
	all, err := devbroker.ReadAll(ctx, cluster.Brokers(), topic)
	if err != nil {
		t.Fatal(err)
	}
	found := make([][]stored, 10)
	for _, r := range all {
		found[r.Partition] = append(found[r.Partition], stored{
			fmt.Sprintf("%q %t", r.Key, r.Key == nil), string(r.Value), fmt.Sprintf("%q", r.Headers), r.Timestamp.UnixMilli(), r.Offset,
		})
	}
	if i := slices.IndexFunc(found, func(p []stored) bool { return len(p) != 500 }); i >= 0 {
		t.Fatalf("%s/%d holds %d records", topic, i, len(found[i]))
	}
	return found
}

func TestRefusesTopicsThatAreNotThere(t *testing.T) {
	cluster, err := devbroker.Start("floor", []devbroker.Topic{{Name: "source", Partitions: 1}})
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	c := &copier{topic: "source", group: "group", sink: "sinks.us"}
	if err := c.run(t.Context(), cluster.Brokers()[0]); err == nil {
		t.Error("copied into a topic that is not there")
	}
}
