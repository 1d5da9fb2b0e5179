package classifier

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"strings"
	"time"

	"github.com/oschwald/geoip2-golang/v2"
	"github.com/oschwald/maxminddb-golang/v2"

	"github.com/demarc/demarc/internal/record"
)

// Geo is a snapshot of a geo database: which country an address is in. It is never written after OpenGeo and may be
// used by any number of goroutines.
type Geo struct {
	built  time.Time
	hash   [sha256.Size]byte
	kind   string
	ranges geoTable
}

// OpenGeo reads a MaxMind DB file: GeoIP2 or GeoLite2 Country, City or Enterprise, any other with country.iso_code
// records, or a flat one with country_code records. The whole file is verified and turned into a table of countries, so
// a damaged one is refused here and never shows later, and data is not kept.
func OpenGeo(data []byte) (*Geo, error) {
	g, err := openGeo(data)
	if err != nil {
		return nil, fmt.Errorf("open geo database: %w", err)
	}
	return g, nil
}

func openGeo(data []byte) (*Geo, error) {
	db, err := maxminddb.OpenBytes(data, maxminddb.DisableStringCache())
	if err != nil {
		return nil, fmt.Errorf("%w; is it a whole MaxMind DB file (.mmdb), uncompressed?", err)
	}
	g := &Geo{hash: sha256.Sum256(data), kind: db.Metadata.DatabaseType, built: db.Metadata.BuildTime().UTC()}
	if otherMaxMindType(g.kind) {
		return nil, fmt.Errorf("a %q database tells no countries; give a Country or City one", g.kind)
	}
	if g.built.Unix() <= 0 || g.built.Year() > 9999 {
		return nil, fmt.Errorf("build time %d is none; its age cannot be told", db.Metadata.BuildEpoch)
	}
	if len(db.Metadata.Description) == 0 {
		db.Metadata.Description = map[string]string{"en": g.kind} // Verify insists on one; flat files have none
	}
	if err := db.Verify(); err != nil {
		return nil, fmt.Errorf("%w; the file is damaged, fetch it again", err)
	}
	ipv4 := ipv4Root(data, db.Metadata)
	if sharesNodes(data, db.Metadata, ipv4) {
		return nil, errors.New("its search tree reaches a node twice; the file is damaged, fetch it again")
	}
	var options []maxminddb.NetworksOption
	if ipv4 >= db.Metadata.NodeCount {
		// One record, or none, stands for all of IPv4. The walk would take every network with the same record
		// for an alias of IPv4 and leave it out.
		options = append(options, maxminddb.IncludeAliasedNetworks())
	}
	if err := g.fill(db.Networks(options...), db.Metadata.NodeCount); err != nil {
		return nil, err
	}
	return g, nil
}

// otherMaxMindType reports whether kind is a name that MaxMind reserves for its databases, and not of one with
// countries.
func otherMaxMindType(kind string) bool {
	if !strings.HasPrefix(kind, "GeoIP2-") && !strings.HasPrefix(kind, "GeoLite2-") {
		return false
	}
	return !strings.Contains(kind, "Country") && !strings.Contains(kind, "City") && !strings.Contains(kind, "Enterprise")
}

// ipv4Root is what the record for ::/96 points to, under which a verified search tree has IPv4.
func ipv4Root(data []byte, m maxminddb.Metadata) (node uint) {
	if m.IPVersion == 4 {
		return 0
	}
	for depth := 0; depth < 96 && node < m.NodeCount; depth++ {
		node, _ = treeNode(data, node, m.RecordSize)
	}
	return node
}

// sharesNodes reports whether two records of a verified search tree point to one node. A few bytes of such a tree can
// stand for 2^128 networks. Only the root of IPv4 may have aliases, and a walk does not enter those.
func sharesNodes(data []byte, m maxminddb.Metadata, ipv4 uint) bool {
	reached := make([]bool, m.NodeCount)
	for node := range m.NodeCount {
		left, right := treeNode(data, node, m.RecordSize)
		for _, child := range [...]uint{left, right} {
			if child >= m.NodeCount || child == ipv4 {
				continue
			}
			if reached[child] {
				return true
			}
			reached[child] = true
		}
	}
	return false
}

// treeNode reads the two records of a node, of 24, 28 or 32 bits each. Of 28 bits, the highest four of both share the
// byte in the middle.
func treeNode(data []byte, node, recordSize uint) (left, right uint) {
	b := data[node*recordSize/4:]
	switch recordSize {
	case 24:
		return uint(b[0])<<16 | uint(b[1])<<8 | uint(b[2]), uint(b[3])<<16 | uint(b[4])<<8 | uint(b[5])
	case 28:
		left = uint(b[3]&0xf0)<<20 | uint(b[0])<<16 | uint(b[1])<<8 | uint(b[2])
		return left, uint(b[3]&0x0f)<<24 | uint(b[4])<<16 | uint(b[5])<<8 | uint(b[6])
	default:
		return uint(binary.BigEndian.Uint32(b)), uint(binary.BigEndian.Uint32(b[4:]))
	}
}

// fill makes the table of all networks, which come in ascending order, of a tree of that many nodes.
func (g *Geo) fill(networks iter.Seq[maxminddb.Result], nodes uint) error {
	// Most networks are merged or have no record: this is room for all starts of common databases, once.
	v4 := rangeList{special: special.v4.ranges, starts: make([]rangeStart, 0, nodes/3)}
	v6 := rangeList{special: special.v6.ranges, starts: make([]rangeStart, 0, nodes/3)}
	read := map[uintptr]uint8{}
	named := false
	for network := range networks {
		if err := network.Err(); err != nil {
			return fmt.Errorf("read network: %w; the file is damaged, fetch it again", err)
		}
		value, ok := read[network.Offset()]
		if !ok {
			code, v, err := readCountry(network)
			if err != nil {
				return fmt.Errorf("read record of %s: %w", network.Prefix(), err)
			}
			named = named || code
			value = v
			read[network.Offset()] = v
		}
		r, is4 := prefixRange(network.Prefix())
		switch {
		case is4:
			v4.add(r, value)
		case r.first == uint128{} && !r.last.less(lastIPv4):
			v4.add(addressRange{last: lastIPv4}, value) // a network of ::/96 or wider holds all of IPv4
			v6.add(r, value)
		default:
			v6.add(r, value)
		}
	}
	if !named && !strings.HasPrefix(g.kind, "GeoIP2-") && !strings.HasPrefix(g.kind, "GeoLite2-") {
		return fmt.Errorf("no record of this %q database has country.iso_code or country_code", g.kind)
	}
	g.ranges.v4 = newTable4(v4.finish(lastIPv4))
	g.ranges.v6 = newTable6(v6.finish(lastIPv6))
	return nil
}

// readCountry reads what a record says of a country; named is false if it has neither of the two fields that can
// name one. An anycast address is in many places at once. The countries where an address is registered, or whose
// embassy or army uses it, say nothing of where it is.
func readCountry(network maxminddb.Result) (named bool, value uint8, err error) {
	var code *string
	if err := network.DecodePath(&code, "country_code"); err != nil {
		return false, 0, err
	}
	if code == nil {
		if err := network.DecodePath(&code, "country", "iso_code"); err != nil {
			return false, 0, err
		}
	}
	var traits geoip2.CountryTraits
	if err := network.DecodePath(&traits, "traits"); err != nil {
		return false, 0, err
	}
	anycast := traits.IsAnycast // in a flat file the field stands by itself
	if err := network.DecodePath(&anycast, "is_anycast"); err != nil {
		return false, 0, err
	}
	if code == nil || anycast {
		return code != nil, geoNoLocation, nil
	}
	if c, ok := CountryByAlpha2(*code); ok {
		return true, uint8(c), nil
	}
	return true, geoUnknownCode, nil
}

// Built is when the database was made, in UTC. A rewritten one keeps its original's time.
func (g *Geo) Built() time.Time { return g.built }

// Hash is the SHA-256 of the bytes given to OpenGeo.
func (g *Geo) Hash() [sha256.Size]byte { return g.hash }

// Type is the database's name for its kind, as "GeoLite2-Country".
func (g *Geo) Type() string { return g.kind }

// Supersedes says whether g may take the place of current, which is nil if there is none: nil, or why not. A
// database from the future has a wrong build time or this machine has a wrong clock, and its age could not be told;
// one older than the one in use would silently undo an update.
func (g *Geo) Supersedes(current *Geo, now time.Time) error {
	if g.built.After(now) {
		return fmt.Errorf("use geo database: built in the future, %s; check the file and this machine's clock",
			g.built.Format(time.RFC3339))
	}
	if current != nil && g.built.Before(current.built) {
		return fmt.Errorf("use geo database: built %s, older than the one in use of %s",
			g.built.Format(time.RFC3339), current.built.Format(time.RFC3339))
	}
	return nil
}

// Expired reports whether g is older than maxAge at the time now; never if maxAge is 0.
func (g *Geo) Expired(maxAge time.Duration, now time.Time) bool {
	return maxAge > 0 && now.Sub(g.built) > maxAge
}

// country looks up where a is. The region is good if the reason is Decided; else the reason is NoLocation, also for
// all that noLocation names, or UnknownCode for a code that is no country. Kosovo is region(XK).
func (g *Geo) country(a netip.Addr) (region, record.Reason) {
	var value uint8
	if a = a.Unmap(); a.Is4() {
		value = g.ranges.v4.value(bits4(a))
	} else {
		value = g.ranges.v6.value(bits6(a))
	}
	switch value {
	case geoNoLocation:
		return 0, record.NoLocation
	case geoUnknownCode:
		return 0, record.UnknownCode
	}
	return region(value), record.Decided
}
