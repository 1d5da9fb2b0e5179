package classifier

import (
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
	b.Run("scan", func(b *testing.B) {
		d := newDocument(pointers("/user/verified_region", "/network/ip"))
		var s docScratch
		b.SetBytes(int64(bytes / n))
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if d.scan(records[i&(n-1)].Value, &s) != record.Decided {
				b.Fatal("not read")
			}
		}
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
