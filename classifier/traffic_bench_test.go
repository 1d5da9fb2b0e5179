package classifier

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/demarc/demarc/internal/devbroker"
	"github.com/demarc/demarc/internal/record"
)

// trafficPolicy consults a JSON field and an address of every record.
const trafficPolicy = `
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

// traffic is what a lane sees: n different records, which lie one after the other in one buffer as a decompressed
// batch does.
func traffic(n int) []record.Record {
	generated := devbroker.Traffic{Seed: 7}
	records := make([]record.Record, n)
	buffer := make([]byte, 0, n*1024) // never grows: the records are parts of it
	keep := func(b []byte) []byte {
		if b == nil {
			return nil
		}
		from := len(buffer)
		buffer = append(buffer, b...)
		return buffer[from:len(buffer):cap(buffer)]
	}
	for i := range records {
		made, _ := generated.Record(0, int64(i))
		r := &records[i]
		r.Key, r.Value = keep(made.Key), keep(made.Value)
		for _, h := range made.Headers {
			r.Headers = append(r.Headers, record.Header{Key: keep([]byte(h.Key)), Value: keep(h.Value)})
		}
	}
	return records
}

// shuffled is a document of traffic with the members of its objects in another order.
func shuffled(doc []byte, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, seed))
	var write func(v any) []byte
	write = func(v any) []byte {
		object, ok := v.(map[string]any)
		if !ok {
			b, err := json.Marshal(v)
			if err != nil {
				panic(err)
			}
			return b
		}
		keys := slices.Sorted(maps.Keys(object))
		r.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
		b := []byte("{")
		for i, k := range keys {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(append(strconv.AppendQuote(b, k), ':'), write(object[k])...)
		}
		return append(b, '}')
	}
	var v any
	if err := json.Unmarshal(doc, &v); err != nil {
		panic(err)
	}
	return write(v)
}

// BenchmarkTraffic decides records of which no two are equal: unlike one record again and again, they make the
// processor mispredict.
func BenchmarkTraffic(b *testing.B) {
	const n = 2048
	records := traffic(n)
	p, faults := Load("traffic.yml", []byte(trafficPolicy))
	if p == nil {
		b.Fatal(faults)
	}
	bytes := 0
	for i := range records {
		bytes += len(records[i].Value)
	}
	scan := func(b *testing.B, documents [][]byte) {
		d := newDocument(pointers("/user/verified_region", "/network/ip"))
		var s docScratch
		b.SetBytes(int64(bytes / n))
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if d.scan(documents[i&(n-1)], &s) != record.Decided {
				b.Fatal("not read")
			}
		}
	}
	b.Run("scan", func(b *testing.B) {
		var documents [][]byte
		for i := range records {
			documents = append(documents, records[i].Value)
		}
		scan(b, documents)
	})
	b.Run("unlike", func(b *testing.B) { // the least that a scan gains from the documents before
		var documents [][]byte
		for i := range records {
			documents = append(documents, shuffled(records[i].Value, uint64(i)))
		}
		scan(b, documents)
	})
	b.Run("decide", func(b *testing.B) {
		e := New(p).Evaluator()
		e.Use(Snapshot{Geo: testGeo(b)})
		b.SetBytes(int64(bytes / n))
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if e.Decide(&records[i&(n-1)]).Reason.Quarantines() {
				b.Fatal("quarantined")
			}
		}
	})
}
