package recount

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/demarc/demarc/classifier"
	"github.com/demarc/demarc/internal/devbroker"
	"github.com/demarc/demarc/internal/record"
	"github.com/demarc/demarc/internal/wire"
	"github.com/demarc/demarc/ledger"
	"github.com/demarc/demarc/ledger/tiles"
	"github.com/demarc/demarc/ledger/writer"
	"github.com/demarc/demarc/sinks"
)

const worldPolicy = `version: %d
geo: {max_age: 720h}
signals:
  account: {header: account-country, as: alpha2}
  ip: {header: client-ip, as: ip}
jurisdictions:
  US:  {countries: [US, PR, GU, VI, AS, MP, UM], when: {first: [account, ip]}}
  EEA: {countries: [DE, FR], store_in: [DE], when: {first: [account, ip]}}
routes: {US: us-main, EEA: eu-main}
quarantine: {default: hold, US: hold, EEA: eu-main}
sinks:
  us-main:
    location: {country: US, region: us-east-1, operator: aws}
    accepts: [US]
    kafka: {brokers: [%q], topic: events.us}
    pins: {cluster_id: us-cluster, addresses: [127.0.0.0/8]}
  eu-main:
    location: {country: DE, region: eu-central-1, operator: aws}
    accepts: [EEA]
    kafka: {brokers: [%q], topic: events.eu}
    pins: {cluster_id: eu-cluster, addresses: [127.0.0.0/8]}
  hold: {location: {country: US, region: us-east-1, operator: aws}, file: {dir: %q}}
`

// Sinks of worldPolicy.
const (
	usMain = iota
	euMain
	hold
)

// world is a source, two clusters and a directory, with a service that has routed between them and kept a ledger.
type world struct {
	t              *testing.T
	source, us, eu *devbroker.Cluster
	holdDir        string
	ledgerDir      string
	vkey           string
	text           string
	policy         *classifier.Policy
	geo            *classifier.Geo
	opened         []sinkUnderTest
	entries        []ledger.Entry
	reading        *topicReader // of the source
	usCluster      string       // id of the cluster of us-main

	// misroute sends records elsewhere than decided, by source offset; what is booked stays as decided.
	misroute map[int64]int
	// refuse sends records to quarantine as refused by their sink.
	refuse map[int64]record.Reason
	// change writes another tail.
	change map[int64]func([]byte) []byte
}

type sinkUnderTest interface {
	Open(context.Context) error
	Deliver(context.Context, int, *record.Batch)
	Close() error
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, misroute: map[int64]int{}, refuse: map[int64]record.Reason{}, change: map[int64]func([]byte) []byte{}, holdDir: filepath.Join(t.TempDir(), "hold")}
	w.source = w.start("source", "events")
	w.us, w.eu = w.start("us-cluster", "events.us"), w.start("eu-cluster", "events.eu")
	var err error
	if w.geo, err = classifier.EmbeddedGeo(); err != nil {
		t.Fatal(err)
	}
	w.usePolicy(3)
	w.reading = &topicReader{transport: w.transport(), addr: kafka.TCP(w.source.Brokers()...), topic: "events", refusal: func() error { return nil }}
	return w
}

func (w *world) start(id, topic string) *devbroker.Cluster {
	w.t.Helper()
	c, err := devbroker.Start(id, []devbroker.Topic{{Name: topic, Partitions: 2}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(c.Close)
	return c
}

func (w *world) transport() *kafka.Transport {
	tr := &kafka.Transport{MetadataTopics: []string{"events"}}
	w.t.Cleanup(tr.CloseIdleConnections)
	return tr
}

// usePolicy tells a policy and the pins of its sinks.
func (w *world) usePolicy(version int) {
	w.t.Helper()
	w.usePolicyText(worldPolicy, version, "us-cluster")
}

func (w *world) usePolicyText(text string, version int, usCluster string) {
	w.t.Helper()
	w.usCluster = usCluster
	w.text = fmt.Sprintf(text, version, w.us.Brokers()[0], w.eu.Brokers()[0], w.holdDir)
	w.policy = loadPolicy(w.t, w.text)
	told, err := ledger.PolicyEntries(int64(version), []byte(w.text))
	if err != nil {
		w.t.Fatal(err)
	}
	w.entries = append(w.entries, told...)
	for i, place := range []ledger.Place{{Cluster: usCluster, Topic: "events.us"}, {Cluster: "eu-cluster", Topic: "events.eu"}, {Directory: w.holdDir}} {
		s := w.policy.Sinks[i]
		w.entries = append(w.entries, ledger.Entry{Kind: ledger.KindPins, Pins: &ledger.Pins{
			At: 1, Held: true, Unpinned: true, Place: place, Policy: w.ref(), Sink: s.Name,
			Location: ledger.Location{Country: s.Location.Country.String(), Operator: s.Location.Operator, Region: s.Location.Region},
		}})
	}
}

func loadPolicy(t *testing.T, text string) *classifier.Policy {
	t.Helper()
	p, faults := classifier.Load("policy.yaml", []byte(text))
	if p == nil {
		t.Fatal(faults)
	}
	return p
}

func (w *world) ref() ledger.PolicyRef {
	return ledger.PolicyRef{SHA256: hex.EncodeToString(w.policy.Hash[:]), Version: int64(w.policy.Version)}
}

// sinkPlaces are the places of the policy as the command would name them.
func (w *world) sinkPlaces() []SinkPlace {
	var all []SinkPlace
	for _, s := range w.policy.Sinks {
		p := SinkPlace{Name: s.Name}
		if s.File != nil {
			p.Dir = s.File.Dir
		} else {
			p.Topic = &sinks.KafkaConfig{
				Name: s.Name, Brokers: s.Kafka.Brokers, Topic: s.Kafka.Topic, Pins: sinks.Pins{ClusterID: s.Pins.ClusterID},
				RequestTimeout: 5 * time.Second, MaxRetryBackoff: 200 * time.Millisecond,
			}
		}
		all = append(all, p)
	}
	return all
}

func (w *world) openSinks() {
	w.t.Helper()
	for _, p := range w.sinkPlaces() {
		var s sinkUnderTest
		if p.Topic == nil {
			s = sinks.NewFile(sinks.FileConfig{Name: p.Name, Dir: p.Dir, Metrics: metrics.NewSet(), Log: slog.New(slog.DiscardHandler)})
		} else {
			p.Topic.Metrics, p.Topic.Log = metrics.NewSet(), slog.New(slog.DiscardHandler)
			s = sinks.NewKafka(*p.Topic)
		}
		if err := s.Open(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
		w.opened = append(w.opened, s)
	}
}

func (w *world) closeSinks() {
	w.t.Helper()
	for _, s := range w.opened {
		if err := s.Close(); err != nil {
			w.t.Fatal(err)
		}
	}
	w.opened = nil
}

// event is a record of the source: its country, and an address in place of one that is empty.
func event(partition int32, n int, country string) *kgo.Record {
	r := &kgo.Record{Topic: "events", Partition: partition, Key: fmt.Appendf(nil, "user-%d", n), Value: fmt.Appendf(nil, "payload-%d", n), Timestamp: time.UnixMilli(1_700_000_000_000 + int64(n))}
	name := "account-country"
	if strings.Contains(country, ".") {
		name = "client-ip"
	}
	if country != "" {
		r.Headers = []kgo.RecordHeader{{Key: name, Value: []byte(country)}}
	}
	return r
}

// produce writes one record to source partition 0 for each word.
func (w *world) produce(words ...string) {
	w.t.Helper()
	var all []*kgo.Record
	for i, country := range words {
		all = append(all, event(0, i, country))
	}
	w.write(w.source, all...)
}

func (w *world) write(c *devbroker.Cluster, all ...*kgo.Record) {
	w.t.Helper()
	if err := devbroker.Produce(w.t.Context(), c.Brokers(), all); err != nil {
		w.t.Fatal(err)
	}
}

// route is what a lane does with the offsets [from, to) of a source partition: it stores the records and returns the
// entry about them.
func (w *world) route(partition int32, from, to int64) ledger.Entry {
	w.t.Helper()
	if w.opened == nil {
		w.openSinks()
	}
	e := &ledger.Range{
		Policy: w.ref(), Program: "test", Time: &ledger.Times{First: 1_700_000_000_000, Last: 1_700_000_000_999, Type: "create"},
		Source: ledger.Source{Cluster: "source", From: from, LeaderEpoch: -1, Partition: partition, To: to, Topic: "events"},
	}
	hash := w.geo.Hash()
	e.Geo = &ledger.Geo{Built: w.geo.Built().Unix(), SHA256: hex.EncodeToString(hash[:])}
	evaluate := classifier.New(w.policy).Evaluator()
	evaluate.Use(classifier.Snapshot{Geo: w.geo})
	var builders [3]wire.Builder
	var sets [3]map[string]int64
	counts := map[ledger.Count]ledger.Count{}
	start := from
	decoder := wire.NewDecompressor(maxSection)
	err := w.reading.each(w.t.Context(), partition, from, to, &start, func(b wire.Batch, aborted bool) error {
		if b.Control() {
			e.Control++
		}
		if b.Control() || aborted {
			return nil
		}
		section, err := decoder.Open(b)
		if err != nil {
			return err
		}
		for it, r := wire.Iterate(section, b), (wire.Record{}); it.Next(&r); {
			offset := b.BaseOffset() + int64(r.OffsetDelta)
			if offset < from || offset >= to {
				continue
			}
			w.one(evaluate, &r, b.Timestamp(&r), offset, e.Source, &builders, &sets, counts)
			e.Data++
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	e.Absent = to - from - e.Data - e.Control
	for _, n := range counts {
		e.Counts = append(e.Counts, n)
	}
	slices.SortFunc(e.Counts, func(a, b ledger.Count) int {
		return cmp.Or(strings.Compare(a.Set, b.Set), strings.Compare(a.Reason, b.Reason), strings.Compare(a.Sink, b.Sink))
	})
	for i := range builders {
		if builders[i].Count() > 0 {
			e.Receipts = append(e.Receipts, w.deliver(i, &builders[i], sets[i], e.Source))
		}
	}
	slices.SortFunc(e.Receipts, func(a, b ledger.Receipt) int { return strings.Compare(a.Sink, b.Sink) })
	return ledger.Entry{Kind: ledger.KindRange, Range: e}
}

func (w *world) one(evaluate *classifier.Evaluator, r *wire.Record, timestamp, offset int64, from ledger.Source, builders *[3]wire.Builder, sets *[3]map[string]int64, counts map[ledger.Count]ledger.Count) {
	w.t.Helper()
	var rec record.Record
	if err := r.Read(&rec); err != nil {
		w.t.Fatal(err)
	}
	d := evaluate.Decide(&rec)
	if reason, refused := w.refuse[offset]; refused {
		if reason == record.GeoExpired {
			evaluate.Use(classifier.Snapshot{Geo: w.geo, Expired: true})
			d = evaluate.Decide(&rec)
			evaluate.Use(classifier.Snapshot{Geo: w.geo})
		} else {
			d = evaluate.Refuse(&rec, reason)
		}
	}
	to := int(d.Sink)
	if elsewhere, ok := w.misroute[offset]; ok {
		to = elsewhere
	}
	if change := w.change[offset]; change != nil {
		r.Tail = change(r.Tail)
	}
	set := d.Set.Join(w.policy.JurisdictionNames())
	key := ledger.Count{Set: set, Reason: d.Reason.String(), Sink: w.policy.Sinks[d.Sink].Name}
	n := counts[key]
	counts[key] = ledger.Count{Set: key.Set, Reason: key.Reason, Sink: key.Sink, Records: n.Records + 1, Bytes: n.Bytes + int64(len(r.Tail))}
	if sets[d.Sink] == nil {
		sets[d.Sink] = map[string]int64{}
	}
	sets[d.Sink][set]++
	if !d.Reason.Quarantines() {
		builders[to].Add(timestamp, r.Tail)
		return
	}
	signal := ""
	if d.Signal >= 0 {
		signal = w.policy.Signals[d.Signal].Name
	}
	err := builders[to].AddWithHeaders(timestamp, r.Tail, []record.Header{
		{Key: []byte(record.HeaderReason), Value: []byte(d.Reason.String())}, {Key: []byte(record.HeaderSignal), Value: []byte(signal)},
		{Key: []byte(record.HeaderSource), Value: fmt.Appendf(nil, "%s/%d/%d", from.Topic, from.Partition, offset)},
		{Key: []byte(record.HeaderPolicy), Value: []byte(w.policy.ID())},
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// deliver stores a batch by the real sink.
func (w *world) deliver(sink int, build *wire.Builder, sets map[string]int64, from ledger.Source) ledger.Receipt {
	w.t.Helper()
	c := wire.NewCompressor()
	raw, err := build.Build(nil, wire.LZ4, c)
	if err != nil {
		w.t.Fatal(err)
	}
	b := record.NewBatch(record.TopicPartition{Topic: from.Topic, Partition: from.Partition}, raw, build.Count(), nil)
	w.opened[sink].Deliver(w.t.Context(), int(from.Partition), b)
	stored, err := b.Wait()
	if err != nil || len(stored.Places) != 1 {
		w.t.Fatalf("deliver: %+v, %v", stored, err)
	}
	out := ledger.Receipt{Sink: w.policy.Sinks[sink].Name}
	for set, n := range sets {
		out.Counts = append(out.Counts, ledger.SetCount{Records: n, Set: set})
	}
	slices.SortFunc(out.Counts, func(a, b ledger.SetCount) int { return strings.Compare(a.Set, b.Set) })
	p := stored.Places[0]
	digest := sha256.Sum256(wire.Batch{Raw: b.Bytes}.Section())
	if p.File != "" {
		digest = sha256.Sum256(b.Bytes)
		out.File = &ledger.FilePlace{From: p.From, Name: filepath.ToSlash(p.File), To: p.To}
	} else {
		cluster := map[int]string{usMain: w.usCluster, euMain: "eu-cluster"}[sink]
		out.Kafka = &ledger.Offsets{Base: p.BaseOffset, Cluster: cluster, Last: p.LastOffset, Partition: p.Partition, Topic: p.Topic}
	}
	out.SHA256 = hex.EncodeToString(digest[:])
	return out
}

// keep routes offsets and books them.
func (w *world) keep(partition int32, from, to int64) *ledger.Range {
	w.t.Helper()
	w.entries = append(w.entries, w.route(partition, from, to))
	return w.entries[len(w.entries)-1].Range
}

// seal writes the ledger by the real writer.
func (w *world) seal() {
	w.t.Helper()
	w.ledgerDir = filepath.Join(w.t.TempDir(), "ledger")
	var err error
	if w.vkey, err = writer.Init(w.ledgerDir, "demarc.test/log"); err != nil {
		w.t.Fatal(err)
	}
	log, err := writer.Open(w.t.Context(), w.ledgerDir, "", writer.Options{Interval: time.Nanosecond, CheckpointInterval: 100 * time.Millisecond})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := log.Append(w.t.Context(), w.entries); err != nil {
		w.t.Fatal(err)
	}
	if err := log.Close(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// config is that of a recount of everything.
func (w *world) config() Config {
	w.t.Helper()
	if w.ledgerDir == "" {
		w.seal()
	}
	key, err := tiles.ParseKey(w.vkey)
	if err != nil {
		w.t.Fatal(err)
	}
	return Config{
		Ledger: tiles.New(tiles.Folder(w.ledgerDir)), Key: key, Policy: w.policy, Sinks: w.sinkPlaces(),
		Geo: []*classifier.Geo{w.geo}, TempDir: w.t.TempDir(),
	}
}

// withSource is config with the source.
func (w *world) withSource() Config {
	cfg := w.config()
	cfg.Source = &Source{Transport: w.transport(), Addr: kafka.TCP(w.source.Brokers()...), ClusterID: "source"}
	return cfg
}

func (w *world) run(cfg Config) *Result {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	r, err := Run(ctx, cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	w.balanced(r)
	return r
}

// balanced checks the sums that README.md promises.
func (w *world) balanced(r *Result) {
	w.t.Helper()
	if r.Differences[LedgerFault]+r.Differences[PolicyFault] > 0 && len(r.Places) == 0 {
		return // nothing was read
	}
	total := int64(0)
	for _, e := range w.entries {
		if e.Range != nil {
			total += int64(len(e.Range.Receipts))
		}
	}
	n, m := r.Receipts, r.Records
	if n.Total != total || n.Total != n.Read+n.Unread+n.Left || n.Read != n.Equal+n.Rewritten+n.Missing+n.Gone {
		w.t.Errorf("receipts do not add up to %d: %+v", total, n)
	}
	if m.Read != m.Agreed+m.Stated+m.Undecided+m.Differing || m.Stated != m.TooLarge+m.Refused+m.GeoExpired {
		w.t.Errorf("records do not add up: %+v", m)
	}
	var inPlaces Receipts
	for _, p := range r.Places {
		inPlaces.add(p.Receipts)
		for _, u := range []NoReceipt{p.Unreceipted, p.Before} {
			if u.Records != u.Belonging+u.Elsewhere+u.Undecided || u.Duplicates > u.Belonging {
				w.t.Errorf("records without a receipt do not add up: %+v", u)
			}
		}
	}
	if inPlaces != n {
		w.t.Errorf("places have %+v, sinks %+v", inPlaces, n)
	}
	if c := r.Source; c != nil && c.Entries != c.Equal+c.Different+c.Gone+c.Incomplete+c.Unread {
		w.t.Errorf("source does not add up: %+v", c)
	}
}

// admin is for what operators do to topics.
func (w *world) admin(c *devbroker.Cluster) *kadm.Client {
	w.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(c.Brokers()...))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(client.Close)
	return kadm.NewClient(client)
}

// edit changes a file.
func (w *world) edit(path string, change func([]byte) []byte) {
	w.t.Helper()
	text, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, change(text), 0o600)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}
