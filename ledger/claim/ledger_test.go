package claim

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/demarc/demarc/ledger"
)

// book writes the entries of a test's ledger.
type book struct {
	entries []*ledger.Entry
	policy  ledger.PolicyRef
	stored  map[string]int64 // next offset of each sink
}

const testPolicy = `version: 3
geo: {max_age: 720h}
signals:
  account: {header: account-country, as: alpha2}
  ip: {json: /ip, as: ip}
jurisdictions:
  US: {countries: [US, PR], when: {any: [account, ip]}}
  EEA: {countries: [DE, FR], when: {any: [account, ip]}}
  ROW: {rest: true, store_in: any, when: {any: [account, ip]}}
overlap: {US+EEA: EEA}
routes: {US: us-oci, EEA: eu-fra, ROW: eu-fra}
quarantine: {default: us-quarantine}
sinks:
  us-oci: {location: {country: US, region: us-ashburn-1, operator: oracle}, accepts: [US], kafka: {brokers: [a:9092], topic: events.us}, pins: {cluster_id: c-us, addresses: [10.0.0.0/8]}}
  us-two: {location: {country: US, region: us-phoenix-1, operator: oracle}, accepts: [US], kafka: {brokers: [b:9092], topic: events.us}, pins: {cluster_id: c-us2, addresses: [10.0.0.0/8]}}
  eu-fra: {location: {country: DE, region: eu-central-1, operator: aws}, accepts: [EEA, ROW], kafka: {brokers: [c:9092], topic: events.eu}, pins: {cluster_id: c-eu, addresses: [10.0.0.0/8]}}
  us-quarantine: {location: {country: US, region: us-ashburn-1, operator: oracle}, file: {dir: /var/lib/q}}
`

// day is 2026-07-01T00:00:00Z, hour an hour, in milliseconds.
const (
	day  = 1_782_864_000_000
	hour = 3_600_000
)

var testSinks = map[string]struct {
	place    ledger.Place
	location ledger.Location
}{
	"us-oci":        {ledger.Place{Cluster: "c-us", Topic: "events.us"}, ledger.Location{Country: "US", Region: "us-ashburn-1", Operator: "oracle"}},
	"us-two":        {ledger.Place{Cluster: "c-us2", Topic: "events.us"}, ledger.Location{Country: "US", Region: "us-phoenix-1", Operator: "oracle"}},
	"eu-fra":        {ledger.Place{Cluster: "c-eu", Topic: "events.eu"}, ledger.Location{Country: "DE", Region: "eu-central-1", Operator: "aws"}},
	"us-quarantine": {ledger.Place{Directory: "/var/lib/q"}, ledger.Location{Country: "US", Region: "us-ashburn-1", Operator: "oracle"}},
}

func newBook() *book {
	b := &book{stored: map[string]int64{}}
	b.tellPolicy(3, testPolicy)
	for _, sink := range []string{"us-oci", "us-two", "eu-fra", "us-quarantine"} {
		b.pins(sink, true)
	}
	return b
}

func (b *book) add(e *ledger.Entry) { b.entries = append(b.entries, e) }

// tellPolicy tells a policy in two parts; ranges from here on cite it.
func (b *book) tellPolicy(version int64, text string) {
	hash := sha256.Sum256([]byte(text))
	b.policy = ledger.PolicyRef{SHA256: hex.EncodeToString(hash[:]), Version: version}
	for i, part := range []string{text[:20], text[20:]} {
		b.add(&ledger.Entry{Kind: ledger.KindPolicy, Policy: &ledger.Policy{
			Part: int32(i + 1), Parts: 2, SHA256: b.policy.SHA256, Text: part, Version: version,
		}})
	}
}

func (b *book) pins(sink string, held bool) *ledger.Pins {
	at := testSinks[sink].place
	checks := []ledger.Check{
		{Expected: []string{"10.0.0.0/8"}, Held: true, Pin: "address", Seen: "10.1.2.3"},
		{Expected: []string{at.Cluster}, Held: held, Pin: "cluster_id", Seen: at.Cluster},
	}
	if at.Directory != "" {
		checks = []ledger.Check{{Expected: []string{at.Directory}, Held: held, Pin: "directory", Seen: at.Directory}}
	}
	p := &ledger.Pins{At: day, Checks: checks, Held: held, Location: testSinks[sink].location, Place: testSinks[sink].place, Policy: b.policy, Sink: sink}
	b.add(&ledger.Entry{Kind: ledger.KindPins, Pins: p})
	return p
}

// span tells how far each partition of the topic events reaches.
func (b *book) span(at int64, stable ...int64) { b.spanOf("events", at, stable...) }

func (b *book) spanOf(topic string, at int64, stable ...int64) {
	b.add(&ledger.Entry{Kind: ledger.KindSpan, Span: &ledger.Span{
		At: at, Cluster: "src", Count: int32(len(stable)), First: make([]int64, len(stable)), Stable: stable, Topic: topic, Why: "hour",
	}})
}

func source(partition int32, from, to int64) ledger.Source {
	return ledger.Source{Cluster: "src", Topic: "events", Partition: partition, From: from, To: to}
}

// count is one outcome of a range, as "US decided us-oci".
type count struct {
	outcome string
	records int64
}

// route tells of a range that begins at an offset: its records, and one receipt for each of the outcomes.
func (b *book) route(partition int32, from int64, counts ...count) *ledger.Range {
	r := &ledger.Range{Policy: b.policy, Program: "test"}
	for _, c := range counts {
		words := strings.Fields(c.outcome)
		r.Counts = append(r.Counts, ledger.Count{Set: words[0], Reason: words[1], Sink: words[2], Records: c.records, Bytes: 100 * c.records})
		r.Data += c.records
		receipt := ledger.Receipt{Sink: words[2], SHA256: strings.Repeat("0b", 32), Counts: []ledger.SetCount{{Set: words[0], Records: c.records}}}
		place, key := testSinks[words[2]].place, words[2]
		if place.Directory != "" {
			key = fmt.Sprintf("%s/%d", key, partition) // a file has the records of one source partition
		}
		base := b.stored[key]
		if place.Topic != "" {
			receipt.Kafka = &ledger.Offsets{Cluster: place.Cluster, Topic: place.Topic, Base: base, Last: base + c.records - 1}
			b.stored[key] += c.records
		} else {
			receipt.File = &ledger.FilePlace{Name: fmt.Sprintf("events/%d/1.batches", partition), From: base, To: base + 100*c.records}
			b.stored[key] += 100 * c.records
		}
		r.Receipts = append(r.Receipts, receipt)
	}
	slices.SortStableFunc(r.Receipts, func(a, b ledger.Receipt) int { return strings.Compare(a.Sink, b.Sink) })
	r.Source = source(partition, from, from+r.Data)
	if r.Data > 0 {
		r.Time = &ledger.Times{First: day + from, Last: day + from + r.Data, Type: "create"}
	}
	r.Geo = &ledger.Geo{Built: day/1000 - 86400, SHA256: strings.Repeat("ab", 32)}
	b.add(&ledger.Entry{Kind: ledger.KindRange, Range: r})
	return r
}

func (b *book) gap(partition int32, from, to int64, reason string) {
	b.add(&ledger.Entry{Kind: ledger.KindGap, Gap: &ledger.Gap{At: day, Reason: reason, Source: source(partition, from, to)}})
}

const testClaim = `subject: {jurisdiction: US}
verb: routed
sinks: [us-oci]
`

func parse(t testing.TB, text string) *Spec {
	t.Helper()
	spec, faults := Parse("claim.yaml", []byte(text))
	if spec == nil {
		t.Fatal(faults)
	}
	return spec
}

// judge judges a claim on the book.
func (b *book) judge(t testing.TB, claim string) *Claim {
	t.Helper()
	c, err := b.judgeWith(t, claim, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// judgeWith judges a claim on the book with a recount.
func (b *book) judgeWith(t testing.TB, claim string, recount *Recount) (*Claim, error) {
	t.Helper()
	a := New(parse(t, claim), recount)
	for i, e := range b.entries {
		a.Add(uint64(i), e)
	}
	return a.Claim(Ledger{
		Origin: testOrigin, Size: uint64(len(b.entries)), Root: "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
		Key: testOrigin + "+1234abcd+AQ==",
	})
}

const testOrigin = "demarc.example/ledger"
