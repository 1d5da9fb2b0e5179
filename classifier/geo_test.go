package classifier

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"

	"github.com/demarc/demarc/internal/record"
)

func TestOpenGeoRefuses(t *testing.T) {
	country := []madeNetwork{{"1.0.0.0/24", nested("AU")}}
	whole := makeGeo(t, "GeoLite2-Country", country)
	marker := bytes.LastIndex(whole, []byte("\xab\xcd\xefMaxMind.com"))
	epoch := func(n int64) func(*mmdbwriter.Options) {
		return func(o *mmdbwriter.Options) { o.BuildEpoch = n }
	}
	separator := slices.Clone(whole)
	nodes := bytes.Index(whole, make([]byte, 16))
	separator[nodes+8] = 1
	text := mmdbtype.Map{"country": mmdbtype.String("AU")}
	number := mmdbtype.Map{"country": mmdbtype.Map{"iso_code": mmdbtype.Uint16(36)}}
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"empty":                     {nil, "uncompressed?"},
		"text":                      {[]byte("network,country\n1.0.0.0/24,AU\n"), "uncompressed?"},
		"compressed":                {embeddedGeo, "uncompressed?"},
		"metadata only":             {whole[marker:], "open geo database: "},
		"damaged separator":         {separator, "damaged"},
		"node cut off":              {cutOffNode(makeGeo(t, "GeoLite2-Country", append(country, madeNetwork{"8000::/3", nested("US")}))), "reaches a node twice"},
		"subtrees shared":           {sharedSubtrees(whole[marker:]), "reaches a node twice"},
		"tells networks":            {makeGeo(t, "GeoLite2-ASN", []madeNetwork{{"1.0.0.0/24", mmdbtype.Map{"autonomous_system_number": mmdbtype.Uint32(13335)}}}), `"GeoLite2-ASN" database tells no countries`},
		"tells anonymizers":         {makeGeo(t, "GeoIP2-Anonymous-IP", []madeNetwork{{"1.0.0.0/24", nested("AU")}}), `"GeoIP2-Anonymous-IP" database tells no countries`},
		"a type that is no text":    {makeGeo(t, "GeoIP2-\x1b[2J\n\xff", []madeNetwork{{"1.0.0.0/24", nested("AU")}}), `"GeoIP2-\x1b[2J\n\xff" database tells no countries`},
		"another's, no countries":   {makeGeo(t, "Acme-Threats", []madeNetwork{{"1.0.0.0/24", mmdbtype.Map{"score": mmdbtype.Uint16(7)}}}), `no record of this "Acme-Threats" database`},
		"another's, empty":          {makeGeo(t, "Acme-Country", nil), `no record of this "Acme-Country" database`},
		"no build time":             {withoutEpoch(makeGeo(t, "GeoLite2-Country", country, epoch(0x01020304))), "build time 0 is none"},
		"build time out of range":   {makeGeo(t, "GeoLite2-Country", country, epoch(1<<60)), "is none; its age cannot be told"},
		"a record is no map":        {makeGeo(t, "Acme-Country", []madeNetwork{{"1.0.0.0/24", mmdbtype.String("AU")}}), "read record of 1.0.0.0/24"},
		"a country is text":         {makeGeo(t, "Acme-Country", []madeNetwork{{"1.0.0.0/24", text}}), "read record of 1.0.0.0/24"},
		"a code is a number":        {makeGeo(t, "GeoLite2-Country", []madeNetwork{{"1.0.0.0/24", number}}), "read record of 1.0.0.0/24"},
		"a flat code is a number":   {makeGeo(t, "Acme", []madeNetwork{{"1.0.0.0/24", mmdbtype.Map{"country_code": mmdbtype.Uint16(36)}}}), "read record of 1.0.0.0/24"},
		"an anycast mark is a text": {makeGeo(t, "GeoLite2-Country", []madeNetwork{{"1.0.0.0/24", mmdbtype.Map{"traits": mmdbtype.Map{"is_anycast": mmdbtype.String("no")}}}}), "read record of 1.0.0.0/24"},
	} {
		t.Run(name, func(t *testing.T) {
			g, err := OpenGeo(c.data)
			if err == nil || g != nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "open geo database: ") {
				t.Errorf("OpenGeo = %v, %v; want an error with %q", g, err, c.want)
			}
		})
	}
}

// withoutEpoch sets the build time 0x01020304 of a database to 0.
func withoutEpoch(data []byte) []byte {
	return bytes.Replace(data, []byte{1, 2, 3, 4}, make([]byte, 4), 1)
}

// cutOffNode leads the way to the second half of all addresses past its first node, so that a /3 becomes a /2.
func cutOffNode(data []byte) []byte {
	half := int(data[3])<<16 | int(data[4])<<8 | int(data[5])
	copy(data[3:6], data[6*half:])
	return data
}

// sharedSubtrees is a database whose hundred nodes make 2^100 networks, with the metadata of another.
func sharedSubtrees(metadata []byte) []byte {
	const nodes = 100
	var data []byte
	for n := range nodes {
		next := uint32(n + 1)
		if next == nodes {
			next += 16
		}
		child := binary.BigEndian.AppendUint32(nil, next)[1:]
		data = append(append(data, child...), child...)
	}
	data = append(data, make([]byte, 16)...)
	data = append(data, "\xe1\x4ccountry_code\x42AU"...)
	count := bytes.Index(metadata, []byte("\x4anode_count")) + len("\x4anode_count")
	size := int(metadata[count] & 0x1f) // an unsigned integer of this many bytes
	data = append(data, metadata[:count]...)
	data = append(data, metadata[count]&^0x1f|1, nodes)
	if metadata[count]&0xe0 == 0 { // an extended type: its number is in the next byte
		panic("node_count is an extended type")
	}
	return append(data, metadata[count+1+size:]...)
}

func TestOpenGeoRefusesTruncated(t *testing.T) {
	data := makeGeo(t, "GeoIP2-Country", []madeNetwork{{"1.0.0.0/24", nested("AU")}, {"2a00::/16", nested("FR")}})
	for n := range data {
		if _, err := OpenGeo(data[:n]); err == nil {
			t.Fatalf("the first %d of %d bytes are opened", n, len(data))
		}
	}
	for n := 1; n < len(data); n++ {
		if g, err := OpenGeo(data[n:]); err == nil {
			newJudge(t, data[n:]).compareEdges(t, g)
		}
	}
}

func TestOpenGeoFlippedBits(t *testing.T) {
	data := makeGeo(t, "GeoIP2-Country", []madeNetwork{
		{"1.0.0.0/24", nested("AU")}, {"1.0.1.0/24", nested("CN")}, {"2a00::/16", nested("FR")}, {"2a01::/17", flat("DE")},
	})
	refused := 0
	for i := range data {
		damaged := slices.Clone(data)
		damaged[i] ^= 1 << (i % 8)
		g, err := OpenGeo(damaged)
		if err != nil {
			refused++
			continue
		}
		newJudge(t, damaged).compareEdges(t, g)
	}
	if refused < len(data)/4 {
		t.Errorf("only %d of %d damaged files are refused", refused, len(data))
	}
}

func TestGeoAnswers(t *testing.T) {
	registered := mmdbtype.Map{
		"continent":          mmdbtype.Map{"code": mmdbtype.String("EU")},
		"registered_country": mmdbtype.Map{"iso_code": mmdbtype.String("DE")},
	}
	represented := mmdbtype.Map{"represented_country": mmdbtype.Map{"iso_code": mmdbtype.String("US")}}
	anycast := mmdbtype.Map{
		"country": mmdbtype.Map{"iso_code": mmdbtype.String("US")},
		"traits":  mmdbtype.Map{"is_anycast": mmdbtype.Bool(true)},
	}
	unicast := mmdbtype.Map{
		"country": mmdbtype.Map{"iso_code": mmdbtype.String("US"), "geoname_id": mmdbtype.Uint32(6252001)},
		"traits":  mmdbtype.Map{"is_anycast": mmdbtype.Bool(false)},
	}
	both := mmdbtype.Map{"country": mmdbtype.String("Australia"), "country_code": mmdbtype.String("AU")}
	for name, c := range map[string]struct {
		kind   string
		record mmdbtype.DataType
		want   string
	}{
		"GeoIP2-Country":             {"GeoIP2-Country", nested("US"), "US decided"},
		"GeoLite2-Country":           {"GeoLite2-Country", nested("FR"), "FR decided"},
		"GeoLite2-City":              {"GeoLite2-City", unicast, "US decided"},
		"GeoIP2-Enterprise":          {"GeoIP2-Enterprise", unicast, "US decided"},
		"DBIP-Country-Lite":          {"DBIP-Country-Lite", nested("DE"), "DE decided"},
		"flat":                       {"country ipvAll", flat("DE"), "DE decided"},
		"flat with a name":           {"acme_lite.mmdb", both, "AU decided"},
		"Kosovo":                     {"GeoLite2-Country", nested("XK"), "XK decided"},
		"anycast, flat":              {"flat", mmdbtype.Map{"country_code": mmdbtype.String("US"), "is_anycast": mmdbtype.Bool(true)}, "no_location"},
		"anycast":                    {"GeoIP2-Country", anycast, "no_location"},
		"registered only":            {"GeoIP2-Country", registered, "no_location"},
		"represented only":           {"GeoIP2-Country", represented, "no_location"},
		"empty record":               {"GeoIP2-Country", mmdbtype.Map{}, "no_location"},
		"country without a code":     {"GeoIP2-Country", mmdbtype.Map{"country": mmdbtype.Map{"geoname_id": mmdbtype.Uint32(1)}}, "no_location"},
		"EU is no country":           {"GeoIP2-Country", nested("EU"), "unknown_code"},
		"AP is no country":           {"GeoIP2-Country", nested("AP"), "unknown_code"},
		"A1 is no country":           {"GeoIP2-Country", nested("A1"), "unknown_code"},
		"lower case is no country":   {"GeoIP2-Country", nested("us"), "unknown_code"},
		"alpha-3 is no country":      {"GeoIP2-Country", nested("USA"), "unknown_code"},
		"no code is no country":      {"GeoIP2-Country", nested(""), "unknown_code"},
		"flat UK is no country":      {"flat", flat("UK"), "unknown_code"},
		"flat ZZ is no country":      {"flat", flat("ZZ"), "unknown_code"},
		"flat dash is no country":    {"flat", flat("-"), "unknown_code"},
		"flat no code is no country": {"flat", flat(""), "unknown_code"},
	} {
		t.Run(name, func(t *testing.T) {
			g := openMade(t, c.kind, []madeNetwork{{"81.2.69.0/24", c.record}, {"2a02:1::/32", c.record}})
			for _, a := range []string{"81.2.69.0", "81.2.69.142", "::ffff:81.2.69.255", "2a02:1::", "2a02:1:ffff:ffff:ffff:ffff:ffff:ffff"} {
				if got := sayCountry(g, a); got != c.want {
					t.Errorf("country(%s) = %s, want %s", a, got, c.want)
				}
			}
			for _, a := range []string{"81.2.68.255", "81.2.70.0", "2a02:2::", "2a02:0:ffff::", "8.8.8.8", "::", "255.255.255.255"} {
				if got := sayCountry(g, a); got != "no_location" {
					t.Errorf("country(%s) = %s, want no_location", a, got)
				}
			}
			if g.Type() != c.kind || !g.Built().Equal(testBuilt) {
				t.Errorf("type %q, built %v", g.Type(), g.Built())
			}
		})
	}
}

func sayCountry(g *Geo, a string) string {
	r, reason := g.country(addressOf(netip.MustParseAddr(a)))
	if reason != record.Decided {
		return reason.String()
	}
	return Country(r).String() + " " + reason.String()
}

func TestGeoSpecialBlocksWin(t *testing.T) {
	all := []madeNetwork{{"::/0", nested("US")}}
	noAliases := func(o *mmdbwriter.Options) { o.DisableIPv4Aliasing = true }
	g := openMade(t, "GeoIP2-Country", all, noAliases)
	for _, a := range []string{"9.255.255.255", "11.0.0.0", "192.0.1.0", "223.255.255.255", "2001:200::", "2003::", "3ffe::", "fbff::", "fec0::", "2001:db9::"} {
		if got := sayCountry(g, a); got != "US decided" {
			t.Errorf("country(%s) = %s, want US", a, got)
		}
	}
	for _, ranges := range [][]addressRange{special.v4.ranges, special.v6.ranges} {
		for _, r := range ranges {
			for _, at := range []uint128{r.first, r.last} {
				value := g.ranges.v6.value(at)
				if ranges[0] == special.v4.ranges[0] {
					value = g.ranges.v4.value(uint32(at.lo))
				}
				if value != geoNoLocation {
					t.Errorf("%x has value %d", at, value)
				}
			}
		}
	}
}

// TestGeoAgreesOnOddTrees holds the table to the reader's answers where the tree has an unusual shape.
func TestGeoAgreesOnOddTrees(t *testing.T) {
	noAliases := func(o *mmdbwriter.Options) { o.DisableIPv4Aliasing = true }
	v4 := func(o *mmdbwriter.Options) { o.IPVersion = 4 }
	size := func(n int) func(*mmdbwriter.Options) { return func(o *mmdbwriter.Options) { o.RecordSize = n } }
	us, de, fr := nested("US"), nested("DE"), nested("FR")
	for name, c := range map[string]struct {
		networks []madeNetwork
		options  func(*mmdbwriter.Options)
	}{
		"one record for all":            {[]madeNetwork{{"::/0", us}}, noAliases},
		"one record for all of IPv4":    {[]madeNetwork{{"0.0.0.0/0", us}, {"2a00::/16", us}}, noAliases},
		"IPv4 inside a wider network":   {[]madeNetwork{{"::/8", us}, {"2a00::/16", us}, {"2b00::/16", de}}, noAliases},
		"no IPv4":                       {[]madeNetwork{{"2a00::/16", us}}, noAliases},
		"IPv4 only":                     {[]madeNetwork{{"1.0.0.0/8", us}, {"223.255.255.255/32", de}}, v4},
		"no networks":                   {nil, v4},
		"mapped networks of their own":  {[]madeNetwork{{"1.0.0.0/8", us}, {"::ffff:0:0/96", de}}, noAliases},
		"first and last address":        {[]madeNetwork{{"::/128", us}, {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128", de}}, noAliases},
		"a split at the end of a /24":   {[]madeNetwork{{"2a00:1ff:ffff:ff80::/57", us}, {"2a00:200::/24", de}}, noAliases},
		"a split begins a page":         {[]madeNetwork{{"2a00::/127", us}, {"2a00::2/127", de}, {"2a00:0:0:100::/56", fr}}, noAliases},
		"splits side by side":           {[]madeNetwork{{"2a00::/64", us}, {"2a00:0:0:100::/64", de}, {"2a00:0:0:1ff::/64", fr}}, noAliases},
		"records of 28 bits":            {[]madeNetwork{{"1.0.0.0/8", us}, {"2a00::/16", de}}, size(28)},
		"records of 32 bits":            {[]madeNetwork{{"1.0.0.0/8", us}, {"2a00::/16", de}}, size(32)},
		"no description":                {[]madeNetwork{{"1.0.0.0/8", us}}, func(o *mmdbwriter.Options) { o.Description = nil }},
		"holes beside the same country": {[]madeNetwork{{"1.0.0.0/16", us}, {"1.2.0.0/16", us}, {"2a00::/32", us}, {"2a00:2::/32", us}}, noAliases},
	} {
		t.Run(name, func(t *testing.T) {
			data := makeGeo(t, "GeoIP2-Country", c.networks, c.options)
			g, err := OpenGeo(data)
			if err != nil {
				t.Fatal(err)
			}
			newJudge(t, data).compareEdges(t, g)
		})
	}
}

// TestGeoAgreesOnRandomTrees crowds networks of all lengths together, so that /16, /24, /56 and /64 are divided in
// every way.
func TestGeoAgreesOnRandomTrees(t *testing.T) {
	codes := []string{"US", "DE", "FR", "XK", "EU"}
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var networks []madeNetwork
		for range 150 {
			at := [16]byte{0x2a, byte(rng.IntN(2)), byte(rng.IntN(2)) * 255, byte(rng.IntN(2)), 0, 0, byte(rng.IntN(2)) * 255, byte(rng.IntN(4)) * 85, 0, 15: byte(rng.IntN(3))}
			p := netip.PrefixFrom(netip.AddrFrom16(at), 8+rng.IntN(121)).Masked()
			if rng.IntN(3) == 0 {
				at := [4]byte{byte(20 + rng.IntN(2)), byte(rng.IntN(2)) * 255, byte(rng.IntN(4)), byte(rng.IntN(256))}
				p = netip.PrefixFrom(netip.AddrFrom4(at), 6+rng.IntN(27)).Masked()
			}
			networks = append(networks, madeNetwork{p.String(), nested(codes[rng.IntN(len(codes))])})
		}
		data := makeGeo(t, "GeoIP2-Country", networks)
		g, err := OpenGeo(data)
		if err != nil {
			t.Fatal(err)
		}
		newJudge(t, data).compareEdges(t, g)
	}
}

// TestTable4WithoutTwoPagesAlike gives each /16 a page of its own, as many as there can be, with one /24 divided.
func TestTable4WithoutTwoPagesAlike(t *testing.T) {
	var starts []rangeStart
	for head := range uint64(1 << 16) {
		starts = append(starts,
			rangeStart{uint128{lo: head << 16}, uint8(head % 250)},
			rangeStart{uint128{lo: head<<16 | 0x8001}, uint8((head + 7) % 250)},
			rangeStart{uint128{lo: head<<16 | 0xff00}, uint8((head + 9) % 250)})
	}
	table := newTable4(starts)
	for i, start := range starts {
		end := uint64(1<<32 - 1)
		if i+1 < len(starts) {
			end = starts[i+1].at.lo - 1
		}
		for _, at := range []uint64{start.at.lo, end} {
			if got := table.value(uint32(at)); got != start.value {
				t.Fatalf("value(%08x) = %d, want %d", at, got, start.value)
			}
		}
	}
}

// embeddedForTest is the embedded database, opened and as bytes.
func embeddedForTest(t testing.TB) (*Geo, []byte) {
	t.Helper()
	data, err := decompressed(embeddedGeo)
	if err != nil {
		t.Fatal(err)
	}
	g, err := EmbeddedGeo()
	if err != nil {
		t.Fatal(err)
	}
	return g, data
}

func TestEmbeddedGeo(t *testing.T) {
	g, data := embeddedForTest(t)
	if g.Type() != "DBIP-Country-Lite" || g.Hash() != sha256.Sum256(data) {
		t.Errorf("type %q, hash %x", g.Type(), g.Hash())
	}
	if g.Built().Before(testBuilt) {
		t.Errorf("built %v", g.Built())
	}
	if len(embeddedGeo) > 4<<20 {
		t.Errorf("it takes %d bytes", len(embeddedGeo))
	}
	if _, err := OpenGeo(data); err != nil {
		t.Errorf("as a file, verified: %v", err)
	}
	var header zstd.Header
	if err := header.Decode(embeddedGeo); err != nil || !header.HasCheckSum {
		t.Errorf("its compressed form has no checksum: %v", err)
	}
	j := newJudge(t, data)
	j.compareEdges(t, g)

	rng := rand.New(rand.NewPCG(1, 2))
	var prefixes []netip.Prefix
	for network := range j.db.Networks() {
		prefixes = append(prefixes, network.Prefix())
	}
	for range 350_000 {
		j.compare(t, g, randomIPv4(rng))
		j.compare(t, g, randomWithin(rng, prefixes[rng.IntN(len(prefixes))]))
		j.compare(t, g, randomWithin(rng, netip.MustParsePrefix("2000::/3")))
	}
}

func TestEmbeddedGeoIsChecked(t *testing.T) {
	for _, at := range []int{20, len(embeddedGeo) / 2, len(embeddedGeo) - 5, len(embeddedGeo) - 1} {
		damaged := slices.Clone(embeddedGeo)
		damaged[at] ^= 1
		if _, err := decompressed(damaged); err == nil {
			t.Errorf("it is decompressed with byte %d damaged", at)
		}
	}
}

func TestGeoSupersedes(t *testing.T) {
	at := func(built time.Time) *Geo {
		return openMade(t, "GeoIP2-Country", []madeNetwork{{"1.0.0.0/24", nested("AU")}}, func(o *mmdbwriter.Options) {
			o.BuildEpoch = built.Unix()
		})
	}
	older, current, newer := at(testBuilt.Add(-time.Second)), at(testBuilt), at(testBuilt.Add(time.Hour))
	for _, c := range []struct {
		g, current *Geo
		now        time.Time
		want       string
	}{
		{current, nil, testBuilt, ""},
		{current, current, testBuilt, ""},
		{newer, current, testBuilt.Add(2 * time.Hour), ""},
		{newer, current, testBuilt.Add(time.Minute), "built in the future, 2026-06-01T21:00:00Z"},
		{newer, nil, testBuilt.Add(time.Minute), "built in the future"},
		{older, current, testBuilt.Add(time.Hour), "built 2026-06-01T19:59:59Z, older than the one in use of 2026-06-01T20:00:00Z"},
	} {
		got := fmt.Sprint(c.g.Supersedes(c.current, c.now))
		if c.want == "" && got != "<nil>" || !strings.Contains(got, c.want) {
			t.Errorf("Supersedes = %s, want %q", got, c.want)
		}
	}
}

func TestGeoExpired(t *testing.T) {
	g := openMade(t, "GeoIP2-Country", []madeNetwork{{"1.0.0.0/24", nested("AU")}})
	for _, c := range []struct {
		maxAge, age time.Duration
		want        bool
	}{
		{0, 1000 * time.Hour, false},
		{720 * time.Hour, 720 * time.Hour, false},
		{720 * time.Hour, 720*time.Hour + 1, true},
		{720 * time.Hour, -time.Hour, false},
	} {
		if got := g.Expired(c.maxAge, testBuilt.Add(c.age)); got != c.want {
			t.Errorf("at age %v, Expired(%v) = %v", c.age, c.maxAge, got)
		}
	}
}

func FuzzOpenGeo(f *testing.F) {
	f.Add(makeGeo(f, "GeoIP2-Country", []madeNetwork{{"1.0.0.0/24", nested("AU")}, {"2a00::/57", nested("FR")}}))
	f.Add(makeGeo(f, "flat", []madeNetwork{{"1.0.0.0/24", flat("AU")}}, func(o *mmdbwriter.Options) { o.IPVersion = 4 }))
	f.Add([]byte("\xab\xcd\xefMaxMind.com\xe0"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if g, err := OpenGeo(data); err == nil {
			newJudge(t, data).compareEdges(t, g)
		}
	})
}
