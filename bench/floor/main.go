// Command floor is the least that a correct router can do, as a measure for those that do more: it copies a topic
// batch by batch, decides nothing, and writes all of it to one sink. It checks every batch's CRC, produces with
// acks=all and commits offsets only of what is acknowledged. Each batch is decompressed, its records are walked
// over and it is compressed again; with -same the bytes go on as they came.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/segmentio/kafka-go"
)

func main() {
	var c copier
	broker := flag.String("broker", "", "broker of source and sinks; there must be no other")
	flag.StringVar(&c.topic, "topic", "", "source topic")
	flag.StringVar(&c.group, "group", "", "consumer group whose offsets are committed")
	sinks := flag.String("sinks", "", "prefix of the sink topics, of which .us is written to")
	flag.Int64Var(&c.records, "records", 0, "stop after so many; default: those that are there at the start")
	flag.BoolVar(&c.same, "same", false, "do not decompress")
	flag.String("geo", "", "not used; peers have it")
	flag.Parse()
	c.sink = *sinks + ".us"
	if err := c.run(context.Background(), *broker); err != nil {
		fmt.Fprintln(os.Stderr, "floor:", err)
		os.Exit(1)
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	fmt.Fprintf(os.Stderr, "mallocs %d\n", m.Mallocs)
}

// copier copies one topic.
type copier struct {
	topic, group, sink string
	same               bool
	records            int64 // to be copied

	addr           net.Addr
	transport      *kafka.Transport
	client         *kafka.Client
	leader         int32
	partitions     int32 // of the source
	sinkPartitions int32
	copied         atomic.Int64
}

// maxWorkers bounds the workers, each of which waits for one request at a time.
const maxWorkers = 8

func (c *copier) run(ctx context.Context, broker string) error {
	if err := c.connect(ctx, broker); err != nil {
		return err
	}
	ctx, done := context.WithCancelCause(ctx)
	defer done(nil)
	var all sync.WaitGroup
	for i := range min(maxWorkers, c.partitions) {
		all.Go(func() {
			if err := c.newWorker(i, min(maxWorkers, c.partitions)).run(ctx); err != nil {
				done(err)
			} else {
				done(errAll)
			}
		})
	}
	all.Wait()
	if err := context.Cause(ctx); !errors.Is(err, errAll) {
		return err
	}
	return nil
}

// errAll says that all records are copied.
var errAll = errors.New("all records are copied")

// connect asks for the topics.
func (c *copier) connect(ctx context.Context, broker string) error {
	addr, err := net.ResolveTCPAddr("tcp", broker)
	if err != nil {
		return fmt.Errorf("resolve broker: %w", err)
	}
	c.addr, c.transport = addr, &kafka.Transport{ClientID: "floor", MetadataTopics: []string{c.topic, c.sink}}
	c.client = &kafka.Client{Addr: addr, Transport: c.transport}
	meta, err := c.client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{c.topic, c.sink}})
	if err != nil {
		return fmt.Errorf("ask for the topics: %w", err)
	}
	if len(meta.Brokers) != 1 {
		return fmt.Errorf("the cluster has %d brokers, want one", len(meta.Brokers))
	}
	c.leader = int32(meta.Brokers[0].ID)
	for _, t := range meta.Topics {
		if t.Error != nil {
			return fmt.Errorf("topic %s: %w", t.Name, t.Error)
		}
		if t.Name == c.topic {
			c.partitions = int32(len(t.Partitions))
		} else {
			c.sinkPartitions = int32(len(t.Partitions))
		}
	}
	if c.records == 0 {
		return c.countRecords(ctx)
	}
	return nil
}

// countRecords takes the records that are there now for those to be copied.
func (c *copier) countRecords(ctx context.Context) error {
	var asked []kafka.OffsetRequest
	for p := range c.partitions {
		asked = append(asked, kafka.LastOffsetOf(int(p)))
	}
	ends, err := c.client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{c.topic: asked}})
	if err != nil {
		return fmt.Errorf("list end offsets: %w", err)
	}
	for _, p := range ends.Topics[c.topic] {
		if p.Error != nil {
			return fmt.Errorf("list end offset of partition %d: %w", p.Partition, p.Error)
		}
		c.records += p.LastOffset
	}
	return nil
}
