package classifier

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/demarc/demarc/internal/record"
)

// TestNothingAllocates covers everything here that runs for each record, refusals included.
func TestNothingAllocates(t *testing.T) {
	g := openMade(t, "GeoIP2-Country", []madeNetwork{{"81.2.69.0/24", nested("GB")}, {"2a02:1::/64", nested("US")}})
	address4, address6, zoned := []byte("81.2.69.142"), []byte("2a02:1::8a2e:370:7334"), []byte("fe80::1%eth0")
	codes := [][]byte{[]byte("us"), []byte("usa"), []byte("840"), []byte("310260"), []byte("+12025550123"), []byte("\xff?")}
	list := [][]byte{[]byte("1.1.1.1, 2.2.2.2"), nil, []byte("3.3.3.3")}
	for name, run := range map[string]func(){
		"addresses": func() {
			for _, b := range [][]byte{address4, address6, zoned, nil} {
				if a, ok := parseAddress(b); ok {
					noLocation(a)
					g.country(a)
				}
			}
		},
		"codes": func() {
			for _, b := range codes {
				parseAlpha2(b)
				parseAlpha3(b)
				parseNumeric(b)
				parseMCC(b)
				parseE164(b)
			}
		},
		"forwarded": func() {
			forwardedEntry(list, 3)
			forwardedEntry(list, 9)
		},
	} {
		if n := testing.AllocsPerRun(100, run); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// BenchmarkParseAddress reads different addresses in turn: one alone would teach the processor where its dots are.
func BenchmarkParseAddress(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct {
		name string
		make func() string
	}{
		{"ipv4", func() string { return randomIPv4(rng).String() }},
		{"ipv6", func() string { return randomWithin(rng, netip.MustParsePrefix("2000::/3")).String() }},
		{"zone", func() string { return "fe80::1%eth0" }},
	} {
		b.Run(c.name, func(b *testing.B) {
			var texts [1 << 14][]byte
			for i := range texts {
				texts[i] = append(make([]byte, 0, 64), c.make()...)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				parseAddress(texts[i%len(texts)])
			}
		})
	}
}

func BenchmarkParseCode(b *testing.B) {
	for _, c := range []struct {
		text  string
		parse func([]byte) (region, record.Reason)
	}{{"US", parseAlpha2}, {"USA", parseAlpha3}, {"840", parseNumeric}, {"310260", parseMCC}, {"+12025550123", parseE164}} {
		b.Run(c.text, func(b *testing.B) {
			in := []byte(c.text)
			b.ReportAllocs()
			for b.Loop() {
				c.parse(in)
			}
		})
	}
}

// BenchmarkCountry looks up few addresses again and again (hot), and addresses of networks from all over the
// database (cold).
func BenchmarkCountry(b *testing.B) {
	g, data := embeddedForTest(b)
	rng := rand.New(rand.NewPCG(1, 2))
	var v4, v6 []netip.Prefix
	for network := range newJudge(b, data).db.Networks() {
		if p := network.Prefix(); p.Addr().Is4() {
			v4 = append(v4, p)
		} else {
			v6 = append(v6, p)
		}
	}
	within := func(prefixes []netip.Prefix, n int) []address {
		list := make([]address, n)
		for i := range list {
			list[i] = addressOf(randomWithin(rng, prefixes[rng.IntN(len(prefixes))]))
		}
		return list
	}
	uniform := make([]address, 1<<20)
	for i := range uniform {
		uniform[i] = addressOf(randomIPv4(rng))
	}
	for _, c := range []struct {
		name      string
		addresses []address
	}{
		{"ipv4 hot", within(v4, 64)}, {"ipv4 cold", within(v4, 1<<20)}, {"ipv4 uniform", uniform},
		{"ipv6 hot", within(v6, 64)}, {"ipv6 cold", within(v6, 1<<20)},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				g.country(c.addresses[i&(len(c.addresses)-1)])
			}
		})
	}
	b.Run("noLocation", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			noLocation(uniform[i&(len(uniform)-1)])
		}
	})
}

func BenchmarkEmbeddedGeo(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := EmbeddedGeo(); err != nil {
			b.Fatal(err)
		}
	}
}
