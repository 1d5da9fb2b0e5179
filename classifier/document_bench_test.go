package classifier

import (
	"bytes"
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

func BenchmarkScan(b *testing.B) {
	small := []byte(`{"id":"u_48213377","country":"DE","ip":"93.184.216.34","ts":1767225600123,"ok":true,"note":"hello"}`)
	long := []byte(`{"first":"` + strings.Repeat("A long line of text, as in a log. ", 100) + `","middle":"DE","last":"` + strings.Repeat("More of it, up to ten kilobytes... ", 180) + `"}`)
	pretty := bytes.ReplaceAll(bytes.ReplaceAll(realisticEvent, []byte(`,"`), []byte(",\n    \"")), []byte(`":`), []byte(`": `))
	cyrillic := []byte(`{"имя":"Екатерина Алексеевна","город":"Санкт-Петербург","страна":"RU","улица":"Невский проспект","note":"доставка до двери"}`)
	for _, c := range []struct {
		name     string
		doc      []byte
		pointers string
		found    docKind
	}{
		{"760B/first", realisticEvent, "/event_id", docString},
		{"760B/middle", realisticEvent, "/network/ip", docString},
		{"760B/last", realisticEvent, "/tail", docString},
		{"760B/absent", realisticEvent, "/nothing", docAbsent},
		{"760B/four", realisticEvent, "/user/verified_region /device/mcc /network/ip /items/1/sku", docString},
		{"100B", small, "/country", docString},
		{"10KB", long, "/middle", docString},
		{"pretty", pretty, "/network/ip", docString},
		{"cyrillic", cyrillic, "/страна", docString},
	} {
		b.Run(c.name, func(b *testing.B) {
			d := newDocument(pointers(strings.Split(c.pointers, " ")...))
			var s docScratch
			b.SetBytes(int64(len(c.doc)))
			b.ReportAllocs()
			for b.Loop() {
				if d.scan(c.doc, &s) != record.Decided || s.values[0].kind != c.found {
					b.Fatal("not read")
				}
			}
		})
	}
}
