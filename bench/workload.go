//go:build linux

package main

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/demarc/demarc/internal/devbroker"
)

// workload is a source topic.
type workload struct {
	name       string // of the topic
	traffic    devbroker.Traffic
	partitions int32
	batch      int // records of a batch
	codec      string
	part       float64 // of the run's records that it holds
}

// batchRecords is how many records a batch usually holds.
const batchRecords = 800

// Homes change from record to record in mixed traffic, with batches in pure traffic. Clean is mixed without
// hostile and roaming records.
var (
	mixedTraffic = devbroker.Traffic{Seed: 1, Hostile: 50, Roaming: 100, Tagged: true}
	pureTraffic  = devbroker.Traffic{Seed: 2, Run: batchRecords, Tagged: true}
	cleanTraffic = devbroker.Traffic{Seed: 3, Tagged: true}
)

var (
	mixed = workload{"mixed", mixedTraffic, 4, batchRecords, "zstd", 1}
	pure  = workload{"pure", pureTraffic, 4, batchRecords, "zstd", 1}
)

// inCodec is a workload in another codec. Half of the records show the steady state as well, unless gzip makes so
// little of them that too large a part would be in flight.
func (w workload) inCodec(codec string) workload {
	w.name, w.codec = w.name+"-"+codec, codec
	if codec != "gzip" {
		w.part /= 2
	}
	return w
}

// inPartitions is mixed traffic in batches of 100: with the usual ones 1,000 partitions would hold a batch each.
func inPartitions(n int32) workload {
	return workload{fmt.Sprintf("partitions-%d", n), mixedTraffic, n, 100, "zstd", 1}
}

// ofSize is traffic with records of about so many bytes, in batches that brokers take as they are configured. What a
// subject may have in flight is counted in bytes, and the topic has to be much longer than that.
func ofSize(bytes int) workload {
	traffic := cleanTraffic
	traffic.Size = bytes
	part := min(4, max(0.1, 760/float64(bytes)))
	return workload{fmt.Sprintf("size-%d", bytes), traffic, 4, min(batchRecords, 800_000/bytes), "zstd", part}
}

// records is how many records the topic holds in a run of so many: whole batches, the same in each partition.
func (w *workload) records(run int64) int64 {
	unit := int64(w.partitions) * int64(w.batch)
	return max(int64(float64(run)*w.part)/unit, 1) * unit
}

// maxSinkPartitions bounds the partitions of the sink topics, of which a run has up to seventeen.
const maxSinkPartitions = 64

func (w *workload) sinkPartitions() int32 { return min(w.partitions, maxSinkPartitions) }

// kgoCodecs are franz-go's, which fills the topics: what a subject reads is compressed by another encoder than any
// subject's but that of franz-go's own.
var kgoCodecs = map[string]kgo.CompressionCodec{
	"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
	"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
}

func (w *workload) fill(ctx context.Context, b *broker, run int64) error {
	if err := b.create(ctx, w.name, w.partitions); err != nil {
		return err
	}
	return devbroker.Load{
		Brokers: []string{b.address}, Topic: w.name, Partitions: w.partitions, Records: w.records(run),
		Batch: w.batch, Traffic: w.traffic, Codec: kgoCodecs[w.codec],
	}.Run(ctx)
}
