package main

import (
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/demarc/demarc/internal/devbroker"
	"github.com/demarc/demarc/internal/record"
	"github.com/demarc/demarc/internal/wire"
	"github.com/demarc/demarc/ledger/claim"
	"github.com/demarc/demarc/router/recount"
)

// twoClusters is a site whose sink in Germany is a topic too, with its ledger.
type twoClusters struct {
	*site
	de           *devbroker.Cluster
	ledger, vkey string
}

func newTwoClusters(t *testing.T) *twoClusters {
	t.Helper()
	s := &twoClusters{site: newSite(t, "us-cluster")}
	de, err := devbroker.Start("de-cluster", []devbroker.Topic{{Name: "events.de", Partitions: 2}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(de.Close)
	s.de = de
	dir := fmt.Sprintf("file: {dir: %s}", filepath.Join(s.dir, "de"))
	topic := fmt.Sprintf("kafka: {brokers: [%q], topic: events.de}, pins: {cluster_id: de-cluster, addresses: [127.0.0.0/8]}", de.Brokers()[0])
	write(t, s.dir, "policy.yaml", strings.Replace(mustRead(t, s.policy), dir, topic, 1))
	s.ledger, s.vkey = s.ledgerOf(t)
	return s
}

func (s *twoClusters) run(t *testing.T) {
	t.Helper()
	call{args: []string{"run", s.policy, "--until-end"}, env: s.env}.run(t).want(t, 0, "records in", "stopped")
}

// recount writes the document of a recount into a file.
func (s *twoClusters) recount(t *testing.T, name string, code int, args ...string) (path string) {
	t.Helper()
	r := call{args: append([]string{"recount", s.ledger, s.policy, "--key", s.vkey, "--format", "json"}, args...), env: s.env}.run(t)
	r.want(t, code, `"verdict"`, "")
	return write(t, s.dir, name, r.out)
}

func (s *twoClusters) claim(t *testing.T, file string, args ...string) result {
	t.Helper()
	r := call{args: append([]string{"claim", s.ledger, file, "--key", s.vkey}, args...)}.run(t)
	r.out = strings.Join(strings.Fields(r.out), " ") // as if no line were broken
	return r
}

// inOneBatch writes records of the given countries as one batch. The first has the key number.
func inOneBatch(t *testing.T, c *devbroker.Cluster, topic string, partition int32, number int, countries ...string) {
	t.Helper()
	var build wire.Builder
	for i, country := range countries {
		var tail []byte
		for _, field := range []string{fmt.Sprint(number + i), "v-" + country} {
			tail = append(append(tail, byte(2*len(field))), field...) // the length as a varint, of one byte as it is short
		}
		tail = append(tail, 0) // no headers yet
		headers := []record.Header{{Key: []byte("account-country"), Value: []byte(country)}}
		if err := build.AddWithHeaders(1_782_864_000_000, tail, headers); err != nil {
			t.Fatal(err)
		}
	}
	batch, err := build.Build(nil, wire.None, nil)
	if err != nil {
		t.Fatal(err)
	}
	wire.Seal(batch, -1, -1, -1)
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	at := kafka.TCP(c.Brokers()...)
	meta, err := (&kafka.Client{Addr: at, Transport: transport}).Metadata(t.Context(), &kafka.MetadataRequest{Topics: []string{topic}})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := transport.RoundTrip(t.Context(), at, &wire.Produce{
		BrokerID: int32(meta.Brokers[0].ID), Timeout: 10 * time.Second,
		Partitions: []wire.ProducePartition{{Topic: topic, Partition: partition, Batch: batch}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if code := answer.(*wire.ProduceResponse).Partitions[0].Error; code != 0 {
		t.Fatal(kafka.Error(code))
	}
}

// emptied deletes a topic and makes it again.
func emptied(t *testing.T, c *devbroker.Cluster, topic string) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(c.Brokers()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	if _, err := admin.DeleteTopic(t.Context(), topic); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.CreateTopic(t.Context(), 2, 1, nil, topic); err != nil {
		t.Fatal(err)
	}
}

const usClaim = "subject: {jurisdiction: US}\nverb: routed\nsinks: [us-main]\n"

// TestClaimWithRecount routes records, recounts them and claims; then one US and one DE record change places.
func TestClaimWithRecount(t *testing.T) {
	s := newTwoClusters(t)
	inOneBatch(t, s.source, "events", 0, 0, "US", "US", "US")
	inOneBatch(t, s.source, "events", 1, 100, "DE", "DE", "DE")
	s.run(t)
	routed := write(t, s.dir, "routed.yaml", usClaim)
	stored := write(t, s.dir, "stored.yaml", strings.Replace(usClaim, "routed", "stored", 1))

	compared := s.recount(t, "compared.json", 0, "--source")
	s.claim(t, routed, "--recount", compared).want(t, 0, "complete yes, as compared with the source", "")
	s.claim(t, routed, "--recount", compared).want(t, 0, "exclusive yes, as compared with the source", "")
	s.claim(t, stored, "--recount", compared).want(t, 0, "100 % of 3 records that were decided US lay byte for byte in us-main (US)", "")
	s.claim(t, stored).want(t, 2, "", "verb stored takes a recount")
	s.claim(t, routed, "--recount", s.recount(t, "sinks.json", 0)).want(t, 0, "exclusive yes, as recounted", "")
	sample := s.recount(t, "sample.json", 0, "--sample", "1")
	s.claim(t, routed, "--recount", sample).want(t, 0, "exclusive yes, as stated (a sample of 1 of 2 receipts was recounted: if 1 in 100 were false, it holds one of them with 49.9 % probability)", "")
	s.claim(t, stored, "--recount", sample).want(t, 1, "not_recounted", "")

	inOneBatch(t, s.source, "events", 0, 3, "US")
	s.run(t)
	s.claim(t, routed, "--recount", compared).want(t, 0, "but not 1 entry of the population above them, with 1 record)", "")
	s.claim(t, stored, "--recount", compared).want(t, 1, "75.0000 % of 4 records that were decided US lay byte for byte", "")

	emptied(t, s.us, "events.us")
	emptied(t, s.de, "events.de")
	inOneBatch(t, s.us, "events.us", 0, 0, "US", "DE", "US")
	inOneBatch(t, s.us, "events.us", 0, 3, "US")
	inOneBatch(t, s.de, "events.de", 1, 100, "DE", "US", "DE")
	swapped := s.recount(t, "swapped.json", 1, "--source")
	r := s.claim(t, routed, "--recount", swapped)
	for _, want := range []string{
		"25.0000 % of 4 known records that were decided US went to us-main (US); 3 went to us-main as the ledger states, which the recount does not confirm",
		"sink us-main, events.us/0 of cluster us-cluster, offset 1: is decided DE (decided), which goes to de-main; entry ",
		"sink de-main, events.de/1 of cluster de-cluster, offset 1: is decided US (decided), which goes to us-main; entry ",
		", receipt 0", "complete no, as", "exclusive no, as",
	} {
		r.want(t, 1, want, "")
	}
}

// TestClaimRefusesRecounts gives what is not a recount of the ledger.
func TestClaimRefusesRecounts(t *testing.T) {
	s := newTwoClusters(t)
	s.run(t)
	inOneBatch(t, s.source, "events", 0, 0, "US", "US")
	s.run(t)
	good := s.recount(t, "good.json", 0)
	text := mustRead(t, good)
	file := write(t, s.dir, "claim.yaml", usClaim)
	s.claim(t, file, "--recount", good).want(t, 0, "exclusive yes, as recounted", "")

	other := newTwoClusters(t)
	inOneBatch(t, other.source, "events", 0, 0, "US", "US")
	other.run(t)
	foreign := other.recount(t, "foreign.json", 0)
	for name, path := range map[string]string{
		"with which this one of":  foreign,
		"want base64 of 32 bytes": write(t, s.dir, "root.json", strings.Replace(text, `"root": "`, `"root": "00`, 1)),
		"with the root 00":        write(t, s.dir, "other-root.json", text[:strings.Index(text, `"root": "`)+9]+"00"+text[strings.Index(text, `"root": "`)+11:]),
		"unexpected EOF":          write(t, s.dir, "cut.json", text[:len(text)/2]),
		"no such file":            filepath.Join(s.dir, "none.json"),
		"its verdict":             write(t, s.dir, "verdict.json", strings.Replace(text, `"verdict": "equal"`, `"verdict": "unknown"`, 1)),
	} {
		s.claim(t, file, "--recount", path).want(t, 2, "", name)
	}
}

// TestClaimClearsDuplicates: a crash leaves records that were stored and not booked, and stores them once more.
func TestClaimClearsDuplicates(t *testing.T) {
	s := newTwoClusters(t)
	inOneBatch(t, s.source, "events", 0, 0, "US", "US")
	s.run(t)
	inOneBatch(t, s.us, "events.us", 0, 2, "US")
	inOneBatch(t, s.source, "events", 0, 2, "US", "US")
	s.run(t)
	file := write(t, s.dir, "claim.yaml", usClaim)
	s.claim(t, file).want(t, 1, "exclusive (unreceipted): events.us/0 of cluster us-cluster: 1 of 5 offsets", "")
	sinks := s.recount(t, "sinks.json", 1)
	s.claim(t, file, "--recount", sinks).want(t, 1, "1 record without a receipt: the policy sends 1 there and 0 elsewhere", "")
	s.claim(t, file, "--recount", s.recount(t, "compared.json", 0, "--source")).want(t, 0, "offsets without a receipt cleared 1", "")

	inOneBatch(t, s.us, "events.us", 0, 9, "US") // of no record of the source
	s.claim(t, file, "--recount", s.recount(t, "foreign.json", 1, "--source")).want(t, 1, "2 records without a receipt", "")
}

// TestClaimReadsWhatRecountPrints holds the two definitions of the document together, field by field.
func TestClaimReadsWhatRecountPrints(t *testing.T) {
	prints, reads := shape(reflect.TypeFor[recount.Result]()), shape(reflect.TypeFor[claim.Recount]())
	if diff := cmp.Diff(prints, reads); diff != "" {
		t.Errorf("recount prints what claim does not read (-prints +reads):\n%s", diff)
	}
	s := newTwoClusters(t)
	inOneBatch(t, s.source, "events", 0, 0, "US", "DE", "US")
	s.run(t)
	inOneBatch(t, s.us, "events.us", 1, 0, "US", "DE") // without a receipt
	for i, args := range [][]string{{}, {"--source"}, {"--sample", "1"}} {
		text := mustRead(t, s.recount(t, fmt.Sprintf("%d.json", i), 1, args...))
		if _, err := claim.ParseRecount([]byte(text)); err != nil {
			t.Errorf("%v: %v\n%s", args, err, text)
		}
	}
}

// shape writes a type as its JSON has it, one field a line.
func shape(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return "time"
	case t.Kind() == reflect.Pointer:
		return "*" + shape(t.Elem())
	case t.Kind() == reflect.Slice:
		return "[]" + shape(t.Elem())
	case t.Kind() == reflect.Map:
		return "map of " + shape(t.Key()) + " to " + shape(t.Elem())
	case t.Kind() != reflect.Struct:
		return t.Kind().String()
	}
	var b strings.Builder
	for field := range t.Fields() {
		if field.IsExported() {
			fmt.Fprintf(&b, "\n%s %s", field.Tag.Get("json"), strings.ReplaceAll(shape(field.Type), "\n", "\n  "))
		}
	}
	return b.String()
}
