package classifier

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
	"github.com/oschwald/geoip2-golang/v2"
	"github.com/oschwald/maxminddb-golang/v2"
	"go4.org/netipx"

	"github.com/demarc/demarc/internal/record"
)

var testBuilt = time.Date(2026, 6, 1, 20, 0, 0, 0, time.UTC)

// madeNetwork is one network of a database made for a test.
type madeNetwork struct {
	prefix string
	record mmdbtype.DataType
}

func nested(code string) mmdbtype.Map {
	return mmdbtype.Map{"country": mmdbtype.Map{"iso_code": mmdbtype.String(code)}}
}

func flat(code string) mmdbtype.Map {
	return mmdbtype.Map{"country_code": mmdbtype.String(code)}
}

// makeGeo writes a database; change, if given, alters the options.
func makeGeo(t testing.TB, kind string, networks []madeNetwork, change ...func(*mmdbwriter.Options)) []byte {
	t.Helper()
	options := mmdbwriter.Options{
		BuildEpoch:              testBuilt.Unix(),
		DatabaseType:            kind,
		Description:             map[string]string{"en": "made for a test"},
		RecordSize:              24,
		IncludeReservedNetworks: true,
	}
	for _, c := range change {
		c(&options)
	}
	tree, err := mmdbwriter.New(options)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range networks {
		if err := tree.Insert(netipx.PrefixIPNet(netip.MustParsePrefix(n.prefix)), n.record); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if _, err := tree.WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func openMade(t testing.TB, kind string, networks []madeNetwork, change ...func(*mmdbwriter.Options)) *Geo {
	t.Helper()
	g, err := OpenGeo(makeGeo(t, kind, networks, change...))
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// judge answers from the database itself, by the readers of MaxMind's formats.
type judge struct {
	db      *maxminddb.Reader
	answers map[uintptr]answer
}

type answer struct {
	region region
	reason record.Reason
}

func newJudge(t testing.TB, data []byte) *judge {
	t.Helper()
	db, err := maxminddb.OpenBytes(data)
	if err != nil {
		t.Fatal(err)
	}
	return &judge{db, map[uintptr]answer{}}
}

func (j *judge) answer(a netip.Addr) answer {
	a = a.Unmap()
	if noLocation(addressOf(a)) || j.db.Metadata.IPVersion == 4 && !a.Is4() {
		return answer{0, record.NoLocation}
	}
	found := j.db.Lookup(a)
	if !found.Found() {
		return answer{0, record.NoLocation}
	}
	if known, ok := j.answers[found.Offset()]; ok {
		return known
	}
	var got answer
	switch code, anycast := j.read(found); {
	case anycast || code == "":
		got = answer{0, record.NoLocation}
	default:
		c, ok := CountryByAlpha2(code)
		got = answer{region(c), record.Decided}
		if !ok {
			got = answer{0, record.UnknownCode}
		}
	}
	j.answers[found.Offset()] = got
	return got
}

func (j *judge) read(found maxminddb.Result) (code string, anycast bool) {
	var plain struct {
		Code string `maxminddb:"country_code"`
	}
	if err := found.Decode(&plain); err == nil && plain.Code != "" {
		return plain.Code, false
	}
	var country geoip2.Country
	if err := found.Decode(&country); err != nil {
		return "", false
	}
	return country.Country.ISOCode, country.Traits.IsAnycast
}

// compare asks both about a.
func (j *judge) compare(t testing.TB, g *Geo, a netip.Addr) {
	t.Helper()
	r, reason := g.country(addressOf(a))
	if got, want := (answer{r, reason}), j.answer(a); got != want {
		t.Fatalf("country(%s) = %v, the database says %v", a, got, want)
	}
}

// compareEdges asks both about the first and last address of every network, those without a record too.
func (j *judge) compareEdges(t testing.TB, g *Geo) {
	t.Helper()
	for network := range j.db.Networks(maxminddb.IncludeNetworksWithoutData()) {
		edges := netipx.RangeOfPrefix(network.Prefix())
		j.compare(t, g, edges.From())
		j.compare(t, g, edges.To())
	}
}

func randomIPv4(rng *rand.Rand) netip.Addr {
	n := rng.Uint32()
	return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
}

// randomWithin is any address of p.
func randomWithin(rng *rand.Rand, p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for bit := p.Bits(); bit < len(b)*8; bit++ {
		b[bit/8] |= byte(rng.Uint32()&1) << (7 - bit%8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}
