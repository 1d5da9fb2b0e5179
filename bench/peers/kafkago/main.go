// Command kafkago is a peer of the comparison: the same work as demarc's, written with kafka-go's Reader and
// Writer as their documentation recommends, and tuned: large fetches and batches, zstd at its fastest level,
// writing and reading at the same time, commits in the background, countries cached by database record.
// It has no quarantine of hostile input, no pins and no accounts.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/oschwald/maxminddb-golang/v2"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/compress"
	"github.com/tidwall/gjson"
)

func main() {
	broker := flag.String("broker", "", "broker of source and sinks")
	topic := flag.String("topic", "", "source topic")
	group := flag.String("group", "", "consumer group")
	sinks := flag.String("sinks", "", "prefix of the sink topics")
	geo := flag.String("geo", "", "geo database")
	records := flag.Int64("records", 0, "stop after so many; default: those that are there at the start")
	defaults := flag.Bool("defaults", false, "leave compression level, batch and fetch sizes at the library's defaults")
	flag.Parse()
	if err := run(*broker, *topic, *group, *sinks, *geo, *records, *defaults); err != nil {
		log.Fatal(err)
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	fmt.Fprintf(os.Stderr, "mallocs %d\n", m.Mallocs)
}

// chunk is how many records are written by one call.
const chunk = 8000

func run(broker, topic, group, sinks, geo string, todo int64, defaults bool) error {
	ctx := context.Background()
	db, err := maxminddb.Open(geo)
	if err != nil {
		return err
	}
	if todo == 0 {
		if todo, err = available(ctx, broker, topic); err != nil {
			return err
		}
	}
	reading := kafka.ReaderConfig{
		Brokers: []string{broker}, GroupID: group, Topic: topic, StartOffset: kafka.FirstOffset, CommitInterval: time.Second,
	}
	writer := &kafka.Writer{
		Addr: kafka.TCP(broker), RequiredAcks: kafka.RequireAll, Compression: kafka.Zstd,
		BatchTimeout: 5 * time.Millisecond, // the default of a second only adds to the time that the last batches wait
		Balancer: kafka.BalancerFunc(func(m kafka.Message, partitions ...int) int {
			return partitions[m.WriterData.(int)%len(partitions)]
		}),
	}
	if !defaults {
		reading.MinBytes, reading.MaxBytes, reading.MaxWait, reading.QueueCapacity = 64<<10, 16<<20, 200*time.Millisecond, 2*chunk
		writer.BatchSize = 2000
		compress.ZstdCodec.Level = 1
	}
	reader := kafka.NewReader(reading)
	decide := decider{db: db, prefix: sinks + ".", countries: map[uintptr]uint8{}}

	s := steady{total: todo}
	full, done := make(chan []kafka.Message, 1), make(chan struct{})
	go func() {
		defer close(done)
		for batch := range full {
			if err := deliver(ctx, reader, writer, batch, &decide); err != nil {
				log.Fatal(err)
			}
			s.add(int64(len(batch)))
		}
	}()
	batch := make([]kafka.Message, 0, chunk)
	for range todo {
		m, err := reader.FetchMessage(ctx)
		if err != nil {
			return err
		}
		if batch = append(batch, m); len(batch) == chunk {
			full <- batch
			batch = make([]kafka.Message, 0, chunk)
		}
	}
	full <- batch
	close(full)
	<-done
	if err := errors.Join(writer.Close(), reader.Close()); err != nil {
		return err
	}
	s.print()
	return nil
}

// deliver writes the records to their topics and then commits them.
func deliver(ctx context.Context, reader *kafka.Reader, writer *kafka.Writer, batch []kafka.Message, decide *decider) error {
	out := make([]kafka.Message, len(batch))
	for i, m := range batch {
		out[i] = kafka.Message{
			Topic: decide.topic(m.Value), Key: m.Key, Value: m.Value, Headers: m.Headers, Time: m.Time, WriterData: m.Partition,
		}
	}
	if err := writer.WriteMessages(ctx, out...); err != nil {
		return err
	}
	return reader.CommitMessages(ctx, batch...)
}

// available is how many records the topic holds.
func available(ctx context.Context, broker, topic string) (int64, error) {
	client := &kafka.Client{Addr: kafka.TCP(broker)}
	meta, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
	if err != nil {
		return 0, err
	}
	var ask []kafka.OffsetRequest
	for _, p := range meta.Topics[0].Partitions {
		ask = append(ask, kafka.LastOffsetOf(p.ID))
	}
	ends, err := client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{topic: ask}})
	if err != nil {
		return 0, err
	}
	var n int64
	for _, p := range ends.Topics[topic] {
		n += p.LastOffset
	}
	return n, nil
}

// A record's homes, as bits.
const (
	us uint8 = 1 << iota
	eea
	row
)

type decider struct {
	db        *maxminddb.Reader
	prefix    string
	countries map[uintptr]uint8 // by database record
}

// topic takes the decision of testdata/policy.yaml.
func (d *decider) topic(value []byte) string {
	found := gjson.GetManyBytes(value, "user.verified_region", "network.ip")
	var homes uint8
	if found[0].Exists() {
		homes = home(found[0].Str)
	}
	addr, err := netip.ParseAddr(found[1].Str)
	if err != nil {
		return d.prefix + "quarantine"
	}
	seen, ok := d.look(addr.Unmap())
	if !ok {
		return d.prefix + "quarantine"
	}
	switch homes |= seen; {
	case homes&us != 0:
		return d.prefix + "us"
	case homes&eea != 0:
		return d.prefix + "eea"
	}
	return d.prefix + "row"
}

func (d *decider) look(addr netip.Addr) (uint8, bool) {
	result := d.db.Lookup(addr)
	if !result.Found() {
		return 0, false
	}
	if h, ok := d.countries[result.Offset()]; ok {
		return h, true
	}
	var code string
	if err := result.DecodePath(&code, "country", "iso_code"); err != nil || code == "" {
		return 0, false
	}
	h := home(code)
	d.countries[result.Offset()] = h
	return h, true
}

var (
	usCountries  = strings.Fields("US PR GU VI AS MP UM")
	eeaCountries = strings.Fields("AT BE BG HR CY CZ DK EE FI AX FR GF GP MQ YT RE MF DE GR HU IE IT LV LT LU MT " +
		"NL PL PT RO SK SI ES SE IS LI NO")
	homes = func() map[string]uint8 {
		m := map[string]uint8{}
		for _, c := range usCountries {
			m[c] = us
		}
		for _, c := range eeaCountries {
			m[c] = eea
		}
		return m
	}()
)

func home(country string) uint8 {
	if h, ok := homes[country]; ok {
		return h
	}
	return row
}
