package router

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/demarc/demarc/classifier"
	"github.com/demarc/demarc/internal/devbroker"
	"github.com/demarc/demarc/internal/record"
	"github.com/demarc/demarc/internal/wire"
)

const testPolicy = `
version: 3
signals:
  account_country: {header: account-country, as: alpha2}
jurisdictions:
  US:  {countries: [US], store_in: any, when: {first: [account_country]}}
  EEA: {countries: [DE, FR], store_in: any, when: {first: [account_country]}}
routes: {US: us, EEA: eu}
quarantine: {default: held}
sinks:
  us:   {location: {country: US, region: a, operator: o}, accepts: [US], file: {dir: us}}
  eu:   {location: {country: DE, region: b, operator: o}, accepts: [EEA], file: {dir: eu}}
  held: {location: {country: US, region: a, operator: o}, file: {dir: held}}
`

// Sinks of testPolicy.
const (
	us = iota
	eu
	held
)

func testClassifier(t testing.TB) *classifier.Classifier {
	t.Helper()
	p, faults := classifier.Load("test.yml", []byte(testPolicy))
	for _, f := range faults {
		if !f.Warning {
			t.Fatal(f)
		}
	}
	return classifier.New(p)
}

// stored is one record as a sink got it.
type stored struct {
	source  record.TopicPartition
	key     string
	value   []byte // nil is null
	headers []record.Header
	millis  int64
	lane    int
}

// memory is a sink of this test process. It can be down and it can refuse records.
type memory struct {
	mu      sync.Mutex
	down    bool
	stopped error // the sink is not what the policy says
	waiting []parked
	records []stored
	batches [][]byte // as they arrived
	next    int64    // offset of the next record
	refuse  func(stored) (record.Reason, bool)
	proof   func() record.Proof // nil: it is the place
	changed chan struct{}       // closed and renewed when something arrives
}

type parked struct {
	ctx  context.Context
	lane int
	b    *record.Batch
}

func newMemory() *memory { return &memory{changed: make(chan struct{})} }

func (m *memory) Open(context.Context) error { return nil }
func (m *memory) Close() error               { return nil }

func (m *memory) Proof() record.Proof {
	if m.proof != nil {
		return m.proof()
	}
	return record.Proof{Serial: 1, Held: true, Checks: []record.Check{{Pin: "directory", Expected: []string{"memory"}, Seen: "memory", Held: true}}}
}

func (m *memory) Deliver(ctx context.Context, lane int, b *record.Batch) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stopped != nil {
		b.Settle(record.Receipt{}, m.stopped)
		return
	}
	if m.down {
		h := parked{ctx, lane, b}
		m.waiting = append(m.waiting, h)
		context.AfterFunc(ctx, func() { m.giveUp(b, ctx.Err()) })
		m.signal()
		return
	}
	m.store(ctx, lane, b)
}

func (m *memory) signal() {
	close(m.changed)
	m.changed = make(chan struct{})
}

func (m *memory) giveUp(b *record.Batch, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, h := range m.waiting {
		if h.b == b {
			m.waiting = append(m.waiting[:i:i], m.waiting[i+1:]...)
			b.Settle(record.Receipt{}, err)
			return
		}
	}
}

func (m *memory) setDown(down bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.down = down
	if down {
		return
	}
	waiting := m.waiting
	m.waiting = nil
	for _, h := range waiting {
		m.store(h.ctx, h.lane, h.b)
	}
}

func (m *memory) store(ctx context.Context, lane int, batch *record.Batch) {
	if err := batch.Live(ctx); err != nil {
		batch.Settle(record.Receipt{}, err)
		return
	}
	wire.Seal(batch.Bytes, -1, -1, -1)
	b, rest, err := wire.Next(batch.Bytes)
	if err == nil && len(rest) > 0 {
		err = errors.New("bytes after the batch")
	}
	if err == nil {
		err = b.Check()
	}
	if err != nil {
		panic(fmt.Sprintf("sink got a bad batch: %v", err))
	}
	dec := wire.NewDecompressor(1 << 26)
	section, err := dec.Open(b)
	if err != nil {
		panic(err)
	}
	var receipt record.Receipt
	var r wire.Record
	it := wire.Iterate(section, b)
	n := 0
	for ; it.Next(&r); n++ {
		var rec record.Record
		if err := r.Read(&rec); err != nil {
			panic(err)
		}
		s := stored{source: batch.Source, key: string(rec.Key), millis: b.Timestamp(&r), lane: lane}
		if rec.Value != nil {
			s.value = append([]byte{}, rec.Value...)
		}
		for _, h := range rec.Headers {
			s.headers = append(s.headers, record.Header{Key: append([]byte{}, h.Key...), Value: append([]byte{}, h.Value...)})
		}
		if m.refuse != nil {
			if reason, no := m.refuse(s); no {
				receipt.Refused = append(receipt.Refused, record.Refusal{Index: n, Reason: reason})
				continue
			}
		}
		m.records = append(m.records, s)
		receipt.Places = m.place(receipt.Places, n)
	}
	if it.Err() != nil || n != batch.Records {
		panic(fmt.Sprintf("sink got %d records, the batch says %d: %v", n, batch.Records, it.Err()))
	}
	m.batches = append(m.batches, append([]byte(nil), batch.Bytes...))
	m.signal()
	batch.Settle(receipt, nil)
}

// place adds record n of a batch to what is stored of it; every run of records is a place of its own.
func (m *memory) place(places []record.Place, n int) []record.Place {
	if last := len(places) - 1; last >= 0 && places[last].First+places[last].Records == n {
		places[last].Records++
		places[last].To++
		places[last].LastOffset++
	} else {
		places = append(places, record.Place{File: "memory", From: m.next, To: m.next + 1, BaseOffset: m.next, LastOffset: m.next, First: n, Records: 1})
	}
	m.next++
	return places
}

func (m *memory) snapshot() []stored {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]stored(nil), m.records...)
}

// until waits for a condition on the sink.
func (m *memory) until(t *testing.T, what string, ok func(m *memory) bool) {
	t.Helper()
	limit := time.After(30 * time.Second)
	for {
		m.mu.Lock()
		done, changed := ok(m), m.changed
		m.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-limit:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// bench is a source cluster and the sinks of testPolicy.
type bench struct {
	t       *testing.T
	cluster *devbroker.Cluster
	sinks   [3]*memory
}

func newBench(t *testing.T, partitions int32) *bench {
	t.Helper()
	cluster, err := devbroker.Start("source", []devbroker.Topic{{Name: "events", Partitions: partitions}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return &bench{t: t, cluster: cluster, sinks: [3]*memory{newMemory(), newMemory(), newMemory()}}
}

func (b *bench) config() Config {
	return Config{
		Brokers: b.cluster.Brokers(), Topics: []string{"events"}, Group: "demarc", Lanes: 8,
		SessionTimeout: 6 * time.Second, DrainLimit: 500 * time.Millisecond, CommitInterval: 20 * time.Millisecond,
		UntilEnd: true, Log: slog.New(slog.NewTextHandler(b.t.Output(), nil)),
	}
}

func (b *bench) router(cfg Config) *Router {
	b.t.Helper()
	r, err := New(cfg, testClassifier(b.t), nil, []Sink{b.sinks[us], b.sinks[eu], b.sinks[held]})
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

// run runs a router and checks that its accounts balance at the end.
func (b *bench) run(ctx context.Context, r *Router) error {
	b.t.Helper()
	err := r.Run(ctx)
	checkAccounts(b.t, r, 0)
	return err
}

func checkAccounts(t *testing.T, r *Router, inFlight int64) {
	t.Helper()
	for _, a := range r.Accounts() {
		if !a.Balanced() {
			t.Errorf("account does not balance: %+v", a)
		}
		if a.InFlight != inFlight {
			t.Errorf("%s has %d offsets in flight, want %d", a.Source, a.InFlight, inFlight)
		}
	}
}

func (b *bench) context() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	b.t.Cleanup(cancel)
	return ctx
}

func (b *bench) produce(records []*kgo.Record, opts ...kgo.Opt) {
	b.t.Helper()
	if err := devbroker.Produce(b.context(), b.cluster.Brokers(), records, opts...); err != nil {
		b.t.Fatal(err)
	}
}

// event is a record from a country; an empty country leaves the header away.
func event(partition int32, n int, country string) *kgo.Record {
	r := &kgo.Record{
		Topic: "events", Partition: partition, Key: fmt.Appendf(nil, "%d/%d", partition, n),
		Value:     fmt.Appendf(nil, `{"n":%d,"pad":"%064d"}`, n, n*n),
		Timestamp: time.UnixMilli(1_700_000_000_000 + int64(n)),
	}
	if country != "" {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: "account-country", Value: []byte(country)})
	}
	return r
}

func (b *bench) committed() map[int32]int64 {
	b.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(b.cluster.Brokers()...))
	if err != nil {
		b.t.Fatal(err)
	}
	defer client.Close()
	offsets, err := kadm.NewClient(client).FetchOffsets(b.context(), "demarc")
	if errors.Is(err, kerr.GroupIDNotFound) {
		return nil // nobody has joined yet
	}
	if err != nil {
		b.t.Fatal(err)
	}
	at := map[int32]int64{}
	offsets.Each(func(o kadm.OffsetResponse) { at[o.Partition] = o.At })
	return at
}

func (b *bench) commit(partition int32, offset int64) {
	b.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(b.cluster.Brokers()...))
	if err != nil {
		b.t.Fatal(err)
	}
	defer client.Close()
	var o kadm.Offsets
	o.AddOffset("events", partition, offset, -1)
	if err := kadm.NewClient(client).CommitAllOffsets(b.context(), "demarc", o); err != nil {
		b.t.Fatal(err)
	}
}

// recreate deletes the topic and creates it again. A broker forgets a group's offsets of a topic that is deleted.
func (b *bench) recreate(partitions int32) {
	b.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(b.cluster.Brokers()...))
	if err != nil {
		b.t.Fatal(err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	if _, err := admin.DeleteTopic(b.context(), "events"); err != nil {
		b.t.Fatal(err)
	}
	if _, err := admin.DeleteGroup(b.context(), "demarc"); err != nil {
		b.t.Fatal(err)
	}
	if _, err := admin.CreateTopic(b.context(), partitions, 1, nil, "events"); err != nil {
		b.t.Fatal(err)
	}
}

// keys lists the keys of records in the order of the sink, of one source partition.
func keys(records []stored, partition int32) (list []string) {
	for _, r := range records {
		if r.source.Partition == partition {
			list = append(list, r.key)
		}
	}
	return list
}

// waitFor polls a condition that nothing signals.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	limit := time.After(30 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// metric reads a counter or gauge from the router's metrics; -1 if it is not there.
func metric(r *Router, name string) int {
	var text strings.Builder
	r.stats.set.WritePrometheus(&text)
	for line := range strings.Lines(text.String()) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			n, err := strconv.Atoi(strings.TrimSpace(rest))
			if err != nil {
				panic(err)
			}
			return n
		}
	}
	return -1
}

// transaction produces records in one transaction and ends it.
func (b *bench) transaction(id string, end kgo.TransactionEndTry, records ...*kgo.Record) {
	b.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(b.cluster.Brokers()...), kgo.TransactionalID(id), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		b.t.Fatal(err)
	}
	defer client.Close()
	if err := client.BeginTransaction(); err != nil {
		b.t.Fatal(err)
	}
	if err := client.ProduceSync(b.context(), records...).FirstErr(); err != nil {
		b.t.Fatal(err)
	}
	if err := client.EndTransaction(b.context(), end); err != nil {
		b.t.Fatal(err)
	}
}

// produceToAll produces the i-th US event to each of the partitions.
func (b *bench) produceToAll(partitions int32, i int) {
	b.t.Helper()
	var records []*kgo.Record
	for p := range partitions {
		records = append(records, event(p, i, "US"))
	}
	b.produce(records)
}

// failFetches makes the next n fetches answer a code for their partitions.
func (b *bench) failFetches(code kafka.Error, n int) {
	b.cluster.ControlKey(int16(kmsg.Fetch), func(request kmsg.Request) (kmsg.Response, error, bool) {
		if n--; n >= 0 {
			b.cluster.KeepControl()
		}
		if n < 0 {
			return nil, nil, false
		}
		req := request.(*kmsg.FetchRequest)
		res := req.ResponseKind().(*kmsg.FetchResponse)
		for _, t := range req.Topics {
			rt := kmsg.NewFetchResponseTopic()
			rt.Topic = t.Topic
			for _, p := range t.Partitions {
				rp := kmsg.NewFetchResponseTopicPartition()
				rp.Partition, rp.ErrorCode = p.Partition, int16(code)
				rt.Partitions = append(rt.Partitions, rp)
			}
			res.Topics = append(res.Topics, rt)
		}
		return res, nil, true
	})
}

// serveBatches makes fetches of events/0 at offset 0 answer raw batches instead of what the cluster holds.
func (b *bench) serveBatches(raw []byte) { b.serveBatchesAt(map[int64][]byte{0: raw}) }

// serveBatchesAt is serveBatches for several offsets to fetch from.
func (b *bench) serveBatchesAt(raw map[int64][]byte) {
	b.cluster.ControlKey(int16(kmsg.Fetch), func(request kmsg.Request) (kmsg.Response, error, bool) {
		b.cluster.KeepControl()
		req := request.(*kmsg.FetchRequest)
		if len(req.Topics) != 1 || len(req.Topics[0].Partitions) != 1 || raw[req.Topics[0].Partitions[0].FetchOffset] == nil {
			return nil, nil, false
		}
		res := req.ResponseKind().(*kmsg.FetchResponse)
		rt := kmsg.NewFetchResponseTopic()
		rt.Topic = req.Topics[0].Topic
		rp := kmsg.NewFetchResponseTopicPartition()
		rp.HighWatermark, rp.LastStableOffset = 100, 100
		rp.RecordBatches = raw[req.Topics[0].Partitions[0].FetchOffset]
		rt.Partitions = append(rt.Partitions, rp)
		res.Topics = append(res.Topics, rt)
		return res, nil, true
	})
}

// refuseCommitOnce answers one offset commit with a code.
func (b *bench) refuseCommitOnce(code kafka.Error) {
	b.cluster.ControlKey(int16(kmsg.OffsetCommit), func(request kmsg.Request) (kmsg.Response, error, bool) {
		req := request.(*kmsg.OffsetCommitRequest)
		res := req.ResponseKind().(*kmsg.OffsetCommitResponse)
		for _, t := range req.Topics {
			rt := kmsg.NewOffsetCommitResponseTopic()
			rt.Topic = t.Topic
			for _, p := range t.Partitions {
				rp := kmsg.NewOffsetCommitResponseTopicPartition()
				rp.Partition, rp.ErrorCode = p.Partition, int16(code)
				rt.Partitions = append(rt.Partitions, rp)
			}
			res.Topics = append(res.Topics, rt)
		}
		return res, nil, true
	})
}

// fetchRaw reads the batches of a partition as the broker stores them.
func (b *bench) fetchRaw(partition int32) (batches []wire.Batch) {
	b.t.Helper()
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	for next := int64(0); ; {
		msg, err := transport.RoundTrip(b.context(), kafka.TCP(b.cluster.Brokers()...), &wire.Fetch{
			MaxBytes: 1 << 24, Limit: 1 << 26,
			Partitions: []wire.FetchPartition{{Topic: "events", Partition: partition, Offset: next, LeaderEpoch: -1, MaxBytes: 1 << 24}},
		})
		if err != nil {
			b.t.Fatal(err)
		}
		p := msg.(*wire.FetchResponse).Partitions[0]
		if next == p.HighWatermark {
			return batches
		}
		for rest := p.Records; len(rest) > 0; {
			batch, tail, err := wire.Next(rest)
			if err != nil {
				break
			}
			batches = append(batches, batch)
			next, rest = batch.LastOffset()+1, tail
		}
	}
}
