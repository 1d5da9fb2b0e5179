//go:build real

package real

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/demarc/demarc/internal/devbroker"
)

func quoted(b []byte) string { return strconv.Quote(string(b)) }

var franzCodecs = map[string]kgo.CompressionCodec{
	"gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
}

// The judge is judged: a plain copy of a topic into three topics passes, each way to spoil the copy is found.
func TestJudgeOfAPlainCopy(t *testing.T) {
	c := startAll(t, Options{})[0]
	create(t, c, 4, nil, "events")
	create(t, c, 2, nil, "US", "EEA", "ROW")

	const each = 5_000
	load := devbroker.Load{Brokers: c.Brokers, Topic: "events", Partitions: 4, Records: each, Traffic: devbroker.Traffic{Seed: 3, Hostile: 200}}
	for _, codec := range slices.Sorted(maps.Keys(franzCodecs)) {
		load.Codec = franzCodecs[codec]
		if err := load.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		load.From += each / 4
	}
	load.Traffic.Bare = true
	for _, codec := range Codecs {
		if err := FillWithKcat(t.Context(), load, codec); err != nil {
			t.Fatal(err)
		}
		load.From += each / 4
	}
	truth := func(r *kgo.Record) (string, int64) {
		p, n, ok := devbroker.Identity(r.Key, r.Value)
		if !ok {
			t.Fatalf("record %s/%d/%d has no identity", r.Topic, r.Partition, r.Offset)
		}
		traffic := load.Traffic
		traffic.Bare = n >= each/4*int64(len(franzCodecs))
		_, truth := traffic.Record(p, n)
		return truth.Home, n
	}
	source, err := devbroker.ReadAll(t.Context(), c.Brokers, "events")
	if err != nil {
		t.Fatal(err)
	}
	copies := make([]*kgo.Record, len(source))
	for i, r := range source {
		home, _ := truth(r)
		copies[i] = &kgo.Record{Topic: home, Partition: r.Partition % 2, Key: r.Key, Value: r.Value, Headers: r.Headers, Timestamp: r.Timestamp}
	}
	if err := devbroker.Produce(t.Context(), c.Brokers, copies); err != nil {
		t.Fatal(err)
	}
	judge := func(read func(context.Context, []string, string, func(*Read) error) error) (Difference, Order, int) {
		var want, got Tally
		var order Order
		if err := read(t.Context(), c.Brokers, "events", func(r *Read) error { want.Add(r); return nil }); err != nil {
			t.Fatal(err)
		}
		for _, topic := range []string{"US", "EEA", "ROW"} {
			err := read(t.Context(), c.Brokers, topic, func(r *Read) error { got.Add(r); order.See(r); return nil })
			if err != nil {
				t.Fatal(err)
			}
		}
		return Compare(&want, &got), order, want.Len()
	}
	readers := map[string]func(context.Context, []string, string, func(*Read) error) error{"kcat": Kcat, "franz-go": Franz}
	for name, read := range readers {
		diff, order, n := judge(read)
		if n != 8*each || diff.Missing+diff.Foreign+diff.Duplicates+order.Duplicates+len(order.Violations) > 0 {
			t.Errorf("%s finds in an honest copy of %d records: %v, order %v", name, n, diff, order.Violations)
		}
	}

	// Now one record once more, one changed in a header, one that no source holds.
	changed := *copies[1]
	changed.Headers = append(slices.Clone(changed.Headers), kgo.RecordHeader{Key: "x"})
	spoiled := []*kgo.Record{
		{Topic: copies[0].Topic, Partition: copies[0].Partition, Key: copies[0].Key, Value: copies[0].Value, Headers: copies[0].Headers, Timestamp: copies[0].Timestamp},
		{Topic: changed.Topic, Partition: changed.Partition, Key: changed.Key, Value: changed.Value, Headers: changed.Headers, Timestamp: changed.Timestamp},
		{Topic: "US", Value: []byte("from nowhere")},
	}
	if err := devbroker.Produce(t.Context(), c.Brokers, spoiled); err != nil {
		t.Fatal(err)
	}
	for name, read := range readers {
		diff, order, _ := judge(read)
		if diff.Missing != 0 || diff.Foreign != 2 || diff.Duplicates != 1 || order.Duplicates != 2 {
			t.Errorf("%s finds in a spoiled copy: %v, %d repeated", name, diff, order.Duplicates)
		}
	}
}
