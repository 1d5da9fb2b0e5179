package devbroker

import (
	"net"
	"strconv"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func start(t *testing.T, id string, topics ...Topic) *Cluster {
	t.Helper()
	c, err := Start(id, topics)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestStartRefusesATakenPort(t *testing.T) {
	c := start(t, "one")
	if _, err := Start("two", nil, portOf(t, c)); err == nil {
		t.Error("two clusters started on one port")
	}
}

func TestClustersKeepTheirIDsAndRecords(t *testing.T) {
	us, eu := start(t, "us", Topic{"events", 3}, Topic{"empty", 2}), start(t, "eu", Topic{"events", 2})
	want := []*kgo.Record{
		{Topic: "events", Partition: 0, Key: []byte("a"), Value: nil, Headers: []kgo.RecordHeader{{Key: "h"}, {Key: "h", Value: []byte{}}}},
		{Topic: "events", Partition: 2, Key: nil, Value: []byte{}},
	}
	if err := Produce(t.Context(), us.Brokers(), want); err != nil {
		t.Fatal(err)
	}
	got, err := ReadAll(t.Context(), us.Brokers(), "events")
	if err != nil {
		t.Fatal(err)
	}
	type part struct {
		Partition  int32
		Key, Value []byte
		Headers    []kgo.RecordHeader
	}
	byPartition := map[int32]part{}
	for _, r := range got {
		byPartition[r.Partition] = part{r.Partition, r.Key, r.Value, r.Headers}
	}
	wanted := map[int32]part{0: {0, want[0].Key, nil, want[0].Headers}, 2: {2, nil, []byte{}, nil}}
	if diff := cmp.Diff(wanted, byPartition); diff != "" {
		t.Errorf("records differ (-want +got):\n%s", diff)
	}
	for cluster, topic := range map[*Cluster]string{us: "empty", eu: "events"} {
		if rest, err := ReadAll(t.Context(), cluster.Brokers(), topic); err != nil || len(rest) != 0 {
			t.Errorf("%s of %s holds %d records, %v", topic, cluster.ID, len(rest), err)
		}
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(eu.Brokers()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	meta, err := kmsg.NewPtrMetadataRequest().RequestWith(t.Context(), client)
	if err != nil || meta.ClusterID == nil || *meta.ClusterID != "eu" {
		t.Errorf("metadata says cluster id %v, %v; want eu", meta.ClusterID, err)
	}
}

func TestReadAllNamesAMissingTopic(t *testing.T) {
	c := start(t, "us")
	if _, err := ReadAll(t.Context(), c.Brokers(), "nowhere"); err == nil {
		t.Error("reading a missing topic succeeds")
	}
}

func TestReadAllLeavesOutWhatWasAborted(t *testing.T) {
	c := start(t, "us", Topic{"events", 1})
	client, err := kgo.NewClient(kgo.SeedBrokers(c.Brokers()...), kgo.TransactionalID("t"), kgo.DefaultProduceTopic("events"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, end := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort} {
		if err := client.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		value := map[kgo.TransactionEndTry]string{kgo.TryCommit: "kept", kgo.TryAbort: "gone"}[end]
		if err := client.ProduceSync(t.Context(), kgo.StringRecord(value)).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := client.EndTransaction(t.Context(), end); err != nil {
			t.Fatal(err)
		}
	}
	got, err := ReadAll(t.Context(), c.Brokers(), "events")
	if err != nil || len(got) != 1 || string(got[0].Value) != "kept" {
		t.Errorf("read %d records, %v; want the committed one", len(got), err)
	}
}

func TestLoadFillsWholeBatches(t *testing.T) {
	c := start(t, "us", Topic{"events", 3})
	var mu sync.Mutex
	batches := map[int32]int{}
	c.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		mu.Lock()
		defer mu.Unlock()
		for _, topic := range req.(*kmsg.ProduceRequest).Topics {
			for _, p := range topic.Partitions {
				var b kmsg.RecordBatch
				if err := b.ReadFrom(p.Records); err != nil {
					t.Error(err)
				}
				batches[b.NumRecords]++
			}
		}
		return nil, nil, false
	})
	load := Load{
		Brokers: c.Brokers(), Topic: "events", Partitions: 3, Records: 2_500, Batch: 400,
		Traffic: Traffic{Run: 400}, Codec: kgo.ZstdCompression(),
	}
	var progress []int64
	load.Progress = func(n int64) { progress = append(progress, n) }
	if err := load.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	stored := int32(0)
	for n, count := range batches {
		stored += n * int32(count)
		if n > 400 {
			t.Errorf("%d batches of %d records, want at most 400 in each", count, n)
		}
	}
	if stored != 2_500 || batches[400] < 3 || batches[34] != 1 || batches[33] != 2 {
		t.Errorf("batches by their length: %v; want 400 in the second round, 34, 33 and 33 in the last", batches)
	}
	if diff := cmp.Diff([]int64{1200, 2400, 2500}, progress); diff != "" {
		t.Errorf("progress differs (-want +got):\n%s", diff)
	}
	next := map[int32]int64{}
	err := Each(t.Context(), c.Brokers(), "events", func(r *kgo.Record) error {
		if p, n, ok := Identity(r.Key, r.Value); !ok || p != r.Partition || n != next[p] {
			t.Errorf("record %d of partition %d is %d-%d", next[r.Partition], r.Partition, p, n)
		}
		next[r.Partition]++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for p := range int32(3) {
		if next[p] != load.Share(p) {
			t.Errorf("partition %d holds %d records, want %d", p, next[p], load.Share(p))
		}
	}
}

func TestLoadReportsAFailedWrite(t *testing.T) {
	c := start(t, "us", Topic{"events", 1})
	load := Load{Brokers: c.Brokers(), Topic: "elsewhere", Partitions: 1, Records: 10, Opts: []kgo.Opt{kgo.UnknownTopicRetries(0)}}
	if err := load.Run(t.Context()); err == nil {
		t.Error("filling a missing topic succeeds")
	}
}

// portOf makes a new cluster listen where c listens.
func portOf(t *testing.T, c *Cluster) kfake.Opt {
	t.Helper()
	_, port, err := net.SplitHostPort(c.Brokers()[0])
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return kfake.Ports(n)
}
