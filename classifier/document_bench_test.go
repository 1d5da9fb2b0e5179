package classifier

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/demarc/demarc/internal/record"
)

// realisticEvent is 760 bytes of many small members, as a producer in an application writes them.
var realisticEvent = []byte(`{"event_id":"018f3c2a-7d1e-7c3b-9a54-2f6b1d0c9e77","event":"checkout.completed","ts":1767225600123,"v":3,` +
	`"user":{"id":"u_48213377","verified_region":"DE","locale":"de-DE","plan":"pro","age_days":412,"consent":{"ads":false,"stats":true}},` +
	`"device":{"os":"android","os_version":"14","model":"Pixel 8","mcc":"262","mnc":"01","app":"7.4.1","rooted":false,"lat":null},` +
	`"network":{"ip":"93.184.216.34","asn":3320,"type":"wifi","rtt":38},` +
	`"items":[{"sku":"A-10023","qty":2,"price":19.99},{"sku":"B-99","qty":1,"price":5.5},{"sku":"C-7","qty":12,"price":0.25}],` +
	`"currency":"EUR","total":48.48,"coupon":null,"utm":{"source":"mail","medium":"crm","campaign":"sale"},` +
	`"session":"s-77f01c2e99ab","referrer":"https://shop.example/cart?step=3","ab":["x1","c2","n0"],"tail":"e"}`)

// placed is a document of size bytes, made of members like unit, with the member "country" in the first, the middle or
// the last place, or without it.
func placed(size int, unit, place string) []byte {
	const country = `"country":"DE"`
	var members []string
	for n := len(country) + 2; n+len(unit)+1 <= size; n += len(unit) + 1 {
		members = append(members, unit)
	}
	at := map[string]int{"first": 0, "middle": len(members) / 2, "last": len(members)}
	if i, ok := at[place]; ok {
		members = slices.Insert(members, i, country)
	}
	doc := "{" + strings.Join(members, ",") + "}"
	return []byte(doc[:len(doc)-1] + strings.Repeat(" ", max(size-len(doc), 0)) + "}")
}

// BenchmarkExtract reads one signal of a record.
func BenchmarkExtract(b *testing.B) {
	b.Run("header", func(b *testing.B) {
		e := New(benchPolicy(1, Signal{Header: "account-country", As: Alpha2})).Evaluator()
		r := benchRecord()
		b.ReportAllocs()
		for b.Loop() {
			e.findHeaders(r)
			if _, st, _ := e.headerText(&e.c.signals[0], r.Headers); st != present {
				b.Fatal("not read")
			}
		}
	})
	for _, c := range []struct {
		name string
		size int
		unit string
	}{
		{"100B", 100, `"event":"page_view"`},
		{"760B", 760, `"event":"page_view","ts":1767225600123,"device":{"os":"android","rooted":false}`},
		{"10KB", 10 << 10, `"log":"` + strings.Repeat("A long line of text, as in a log. ", 14) + `"`},
	} {
		for _, place := range []string{"first", "middle", "last", "absent"} {
			b.Run("json/"+c.name+"/"+place, func(b *testing.B) {
				want := docString
				if place == "absent" {
					want = docAbsent
				}
				benchmarkScan(b, placed(c.size, c.unit, place), "/country", want)
			})
		}
	}
}

// BenchmarkScan reads documents of other kinds.
func BenchmarkScan(b *testing.B) {
	pretty := bytes.ReplaceAll(bytes.ReplaceAll(realisticEvent, []byte(`,"`), []byte(",\n    \"")), []byte(`":`), []byte(`": `))
	cyrillic := []byte(`{"имя":"Екатерина Алексеевна","город":"Санкт-Петербург","страна":"RU","улица":"Невский проспект","note":"доставка до двери"}`)
	for _, c := range []struct {
		name     string
		doc      []byte
		pointers string
	}{
		{"event", realisticEvent, "/network/ip"},
		{"event/four", realisticEvent, "/user/verified_region /device/mcc /network/ip /items/1/sku"},
		{"event/pretty", pretty, "/network/ip"},
		{"cyrillic", cyrillic, "/страна"},
	} {
		b.Run(c.name, func(b *testing.B) { benchmarkScan(b, c.doc, c.pointers, docString) })
	}
}

func benchmarkScan(b *testing.B, doc []byte, list string, want docKind) {
	d := newDocument(pointers(strings.Split(list, " ")...))
	var s docScratch
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		if d.scan(doc, &s) != record.Decided || s.values[0].kind != want {
			b.Fatal("not read")
		}
	}
}
