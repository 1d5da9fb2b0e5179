package router

import (
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"github.com/demarc/demarc/classifier"
	"github.com/demarc/demarc/internal/devbroker"
	"github.com/demarc/demarc/internal/record"
	"github.com/demarc/demarc/internal/wire"
)

// benchPolicy consults a JSON field and looks an address up for every record, and routes to three sinks.
const benchPolicy = `
version: 1
signals:
  verified: {json: /user/verified_region, as: alpha2}
  ip:       {json: /network/ip, as: ip, if_no_location: absent}
jurisdictions:
  US:  {countries: [US], store_in: any, when: {any: [verified, ip]}}
  EEA: {countries: [AT, BE, BG, HR, CY, CZ, DK, EE, FI, FR, DE, GR, HU, IE, IT, LV, LT, LU, MT, NL, PL, PT, RO, SK, SI, ES, SE, IS, LI, NO], store_in: any, when: {any: [verified, ip]}}
  ROW: {rest: true, store_in: any, when: {any: [verified, ip]}}
routes: {US: us, EEA: eu, ROW: row}
quarantine: {default: held}
sinks:
  us:   {location: {country: US, region: a, operator: o}, accepts: [US], file: {dir: us}}
  eu:   {location: {country: DE, region: b, operator: o}, accepts: [EEA], file: {dir: eu}}
  row:  {location: {country: SG, region: c, operator: o}, accepts: [ROW], file: {dir: row}}
  held: {location: {country: US, region: a, operator: o}, file: {dir: held}}
`

// BenchmarkProcess is the path of a chunk without the network: CRC, decompression, extract, decide, split,
// compression, the batch's own CRC and, with a ledger, its digest. ns/record is what to look at, or cpu-ns/record where
// other work shares the machine.
func BenchmarkProcess(b *testing.B) {
	for _, codec := range []wire.Codec{wire.Zstd, wire.LZ4, wire.Snappy, wire.Gzip, wire.None} {
		for _, run := range []int{0, 800} {
			name := fmt.Sprintf("%v/mixed", codec)
			if run > 0 {
				name = fmt.Sprintf("%v/pure", codec)
			}
			b.Run(name, func(b *testing.B) { benchmarkProcess(b, codec, run, false) })
			b.Run(name+"/digest", func(b *testing.B) { benchmarkProcess(b, codec, run, true) })
		}
	}
}

func benchmarkProcess(b *testing.B, codec wire.Codec, run int, digest bool) {
	split := splitter(b, trafficBatch(b, codec, 800, run), 800, digest)
	b.ReportAllocs()
	used := processorTime()
	for b.Loop() {
		split()
	}
	b.ReportMetric(float64((processorTime()-used).Nanoseconds())/float64(b.N)/800, "cpu-ns/record")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/800, "ns/record")
}

// splitter returns a function that splits one batch of records and gives the results back, as a sink would.
func splitter(t testing.TB, raw []byte, records int64, digest bool) func() {
	t.Helper()
	p, faults := classifier.Load("bench.yml", []byte(benchPolicy))
	if p == nil {
		t.Fatal(faults)
	}
	geo, err := OpenGeo("", 0, time.Now(), nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := New(Config{}, classifier.New(p), geo, []Sink{newMemory(), newMemory(), newMemory(), newMemory()})
	if err != nil {
		t.Fatal(err)
	}
	w := r.newWorkspace()
	r.workspaces <- w
	tp := record.TopicPartition{Topic: "events"}
	l := &lane{router: r, gen: &generation{}}
	c := &chunk{p: &partition{tp: tp, account: newAccount(tp), lane: l}, to: records, records: raw}
	return func() {
		c.segments = c.segments[:0]
		parts, err := l.split(c)
		if err != nil {
			t.Fatal(err)
		}
		for i := range parts {
			wire.Seal(parts[i].batch.Bytes, 1, 0, 0)
			if digest {
				sha256.Sum256(wire.Batch{Raw: parts[i].batch.Bytes}.Section())
			}
			r.outputs.put(parts[i].batch)
		}
	}
}

// TestSplitAllocatesNothingPerRecord: what a chunk costs in allocations does not grow with its records.
func TestSplitAllocatesNothingPerRecord(t *testing.T) {
	few, many := splitter(t, trafficBatch(t, wire.LZ4, 80, 0), 80, false), splitter(t, trafficBatch(t, wire.LZ4, 800, 0), 800, false)
	for range 5 { // buffers reach their size
		few()
		many()
	}
	a, b := testing.AllocsPerRun(20, few), testing.AllocsPerRun(20, many)
	if b > a+10 {
		t.Errorf("80 records cost %v allocations, 800 cost %v", a, b)
	}
}

// trafficBatch is one batch of generated events.
func trafficBatch(t testing.TB, codec wire.Codec, records int64, run int) []byte {
	t.Helper()
	var build wire.Builder
	traffic := devbroker.Traffic{Seed: 7, Run: run}
	for n := range records {
		rec, _ := traffic.Record(0, n)
		headers := make([]record.Header, len(rec.Headers))
		for i, h := range rec.Headers {
			headers[i] = record.Header{Key: []byte(h.Key), Value: h.Value}
		}
		if err := build.AddWithHeaders(rec.Timestamp.UnixMilli(), tail(rec.Key, rec.Value), headers); err != nil {
			t.Fatal(err)
		}
	}
	comp := wire.NewCompressor()
	raw, err := build.Build(nil, codec, comp)
	if err != nil {
		t.Fatal(err)
	}
	wire.SealAt(raw, 0)
	return raw
}
