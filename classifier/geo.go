package classifier

import (
	"crypto/sha256"
	"fmt"
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
	g, err := openGeo(data, (*maxminddb.Reader).Verify)
	if err != nil {
		return nil, fmt.Errorf("open geo database: %w", err)
	}
	return g, nil
}

// openGeo holds data to verify before it makes a table of it.
func openGeo(data []byte, verify func(*maxminddb.Reader) error) (*Geo, error) {
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
	if err := verify(db); err != nil {
		return nil, fmt.Errorf("%w; the file is damaged, fetch it again", err)
	}
	if err := g.fill(newGeoTree(db, data)); err != nil {
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

// fill makes the table of all networks of tree.
func (g *Geo) fill(tree *geoTree) error {
	// Most networks are merged or have no record: this is room for all starts of common databases, once.
	starts := make([]rangeStart, 0, tree.nodes/3)
	starts, err := tree.walk(tree.ipv4, 96, tree.nodes, rangeList{special.v4.ranges, starts})
	if err != nil {
		return err
	}
	g.ranges.v4 = newTable4(starts)
	starts, err = tree.walk(tree.ipv6, 0, tree.ipv4, rangeList{special.v6.ranges, starts[:0]})
	if err != nil {
		return err
	}
	if err := tree.checkCutOff(); err != nil {
		return err
	}
	if !tree.named && !strings.HasPrefix(g.kind, "GeoIP2-") && !strings.HasPrefix(g.kind, "GeoLite2-") {
		return fmt.Errorf("no record of this %q database has country.iso_code or country_code", g.kind)
	}
	g.ranges.v6 = newTable6(starts)
	return nil
}

// readCountry reads what a record says of a country; named is false if it has neither of the two fields that can
// name one. An anycast address is in many places at once. The countries where an address is registered, or whose
// embassy or army uses it, say nothing of where it is.
func readCountry(found maxminddb.Result) (named bool, value uint8, err error) {
	var code *string
	if err := found.DecodePath(&code, "country_code"); err != nil {
		return false, 0, err
	}
	if code == nil {
		if err := found.DecodePath(&code, "country", "iso_code"); err != nil {
			return false, 0, err
		}
	}
	var traits geoip2.CountryTraits
	if err := found.DecodePath(&traits, "traits"); err != nil {
		return false, 0, err
	}
	anycast := traits.IsAnycast // in a flat file the field stands by itself
	if err := found.DecodePath(&anycast, "is_anycast"); err != nil {
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
func (g *Geo) country(a address) (region, record.Reason) {
	var value uint8
	if a.is4 {
		value = g.ranges.v4.value(uint32(a.bits.lo))
	} else {
		value = g.ranges.v6.value(a.bits)
	}
	switch value {
	case geoNoLocation:
		return 0, record.NoLocation
	case geoUnknownCode:
		return 0, record.UnknownCode
	}
	return region(value), record.Decided
}
