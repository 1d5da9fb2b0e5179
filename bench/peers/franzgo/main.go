// Command franzgo is a peer of the comparison: the same work as demarc's, written with franz-go's group consumer
// and asynchronous Produce as its documentation recommends, and tuned. Consumed records are produced as they are,
// with another topic; a poll's offsets are marked for the background commit once all its records are acknowledged.
// It has no quarantine of hostile input, no pins and no accounts.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"github.com/oschwald/maxminddb-golang/v2"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

func main() {
	broker := flag.String("broker", "", "broker of source and sinks")
	topic := flag.String("topic", "", "source topic")
	group := flag.String("group", "", "consumer group")
	sinks := flag.String("sinks", "", "prefix of the sink topics")
	geo := flag.String("geo", "", "geo database")
	records := flag.Int64("records", 0, "stop after so many; default: those that are there at the start")
	flag.Parse()
	debug.SetGCPercent(400)
	if err := run(*broker, *topic, *group, *sinks, *geo, *records); err != nil {
		log.Fatal(err)
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	fmt.Fprintf(os.Stderr, "mallocs %d\n", m.Mallocs)
}

const (
	// chunk is how many records a poll returns at most, inFlight how many polls wait for acknowledgements.
	chunk    = 4000
	inFlight = 4
)

func run(broker, topic, group, sinks, geo string, todo int64) error {
	ctx := context.Background()
	db, err := maxminddb.Open(geo)
	if err != nil {
		return err
	}
	defer db.Close()
	client, err := kgo.NewClient(
		kgo.SeedBrokers(broker),
		kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),
		kgo.AutoCommitMarks(), kgo.AutoCommitInterval(time.Second), kgo.BlockRebalanceOnPoll(),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerBatchCompression(kgo.ZstdCompression().WithLevel(1)),
		kgo.ProducerLinger(50*time.Millisecond), kgo.MaxBufferedRecords(2*chunk*inFlight),
	)
	if err != nil {
		return err
	}
	defer client.Close()
	if todo == 0 {
		if todo, err = available(ctx, client, topic); err != nil {
			return err
		}
	}
	s := steady{total: todo}
	sent, done := make(chan *poll, inFlight), make(chan struct{})
	go func() {
		defer close(done)
		for p := range sent {
			p.acked.Wait()
			client.MarkCommitOffsets(p.next)
			s.add(p.records)
		}
	}()
	decide := decider{db: db, prefix: sinks + ".", countries: map[uintptr]uint8{}}
	for todo > 0 {
		p, err := route(ctx, client, &decide)
		if err != nil {
			return err
		}
		todo -= p.records
		sent <- p
	}
	close(sent)
	<-done
	if err := client.CommitMarkedOffsets(ctx); err != nil {
		return err
	}
	s.print()
	return nil
}

// poll is what one call returned and sent on.
type poll struct {
	records int64
	acked   sync.WaitGroup
	next    map[string]map[int32]kgo.EpochOffset // to be committed when all is acknowledged
}

// route takes the next records and produces each to its sink topic, into the partition that it came from.
func route(ctx context.Context, client *kgo.Client, decide *decider) (*poll, error) {
	fetches := client.PollRecords(ctx, chunk)
	defer client.AllowRebalance()
	if err := fetches.Err(); err != nil {
		return nil, err
	}
	p := &poll{records: int64(fetches.NumRecords()), next: map[string]map[int32]kgo.EpochOffset{}}
	p.acked.Add(int(p.records))
	promise := func(_ *kgo.Record, err error) {
		if err != nil {
			log.Fatal(err)
		}
		p.acked.Done()
	}
	fetches.EachPartition(func(part kgo.FetchTopicPartition) {
		if len(part.Records) == 0 {
			return
		}
		last := part.Records[len(part.Records)-1]
		if p.next[part.Topic] == nil {
			p.next[part.Topic] = map[int32]kgo.EpochOffset{}
		}
		p.next[part.Topic][part.Partition] = kgo.EpochOffset{Epoch: last.LeaderEpoch, Offset: last.Offset + 1}
		for _, r := range part.Records {
			r.Topic = decide.topic(r.Value)
			client.Produce(ctx, r, promise)
		}
	})
	return p, nil
}

// available is how many records the topic holds.
func available(ctx context.Context, client *kgo.Client, topic string) (int64, error) {
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, topic)
	if err != nil {
		return 0, err
	}
	if err := ends.Error(); err != nil {
		return 0, err
	}
	var n int64
	ends.Each(func(o kadm.ListedOffset) { n += o.Offset })
	return n, nil
}
