package classifier

import (
	_ "embed"
	"fmt"
	"math/bits"
	"strings"
)

// Country is one ISO 3166-1 country: its index in alpha-2 order among the officially assigned codes. Kosovo,
// whose code XK is user-assigned but in wide use, comes last; it is a country only in policies that list it.
type Country uint8

// Countries is a set of countries.
type Countries [4]uint64

// XK is Kosovo.
const XK Country = 249

const countryCount = 250

type countryRow struct {
	alpha2, alpha3, numeric string
}

//go:embed data/countries.csv
var countriesCSV string

// countryTable is never written after start.
var countryTable = parseCountries(countriesCSV)

type countryIndex struct {
	rows    [countryCount]countryRow
	alpha2  [26 * 26]uint8 // Country + 1, 0 where the code is not assigned
	alpha3  map[string]Country
	numeric map[string]Country
}

func parseCountries(csv string) *countryIndex {
	idx := &countryIndex{alpha3: map[string]Country{}, numeric: map[string]Country{}}
	c := Country(0)
	add := func(alpha2, alpha3, numeric string) {
		idx.rows[c] = countryRow{alpha2, alpha3, numeric}
		idx.alpha2[int(alpha2[0]-'A')*26+int(alpha2[1]-'A')] = uint8(c) + 1
		if alpha3 != "" {
			idx.alpha3[alpha3] = c
			idx.numeric[numeric] = c
		}
		c++
	}
	for line := range strings.Lines(csv) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		f := strings.Split(line, ",")
		add(f[0], f[1], f[2])
	}
	if c != XK {
		panic(fmt.Sprintf("classifier: countries.csv has %d rows, want %d", c, XK))
	}
	add("XK", "", "")
	return idx
}

// CountryByAlpha2 finds a country by its alpha-2 code in upper case.
func CountryByAlpha2(code string) (Country, bool) {
	if len(code) != 2 || code[0]-'A' > 25 || code[1]-'A' > 25 {
		return 0, false
	}
	c := countryTable.alpha2[int(code[0]-'A')*26+int(code[1]-'A')]
	return Country(c - 1), c != 0
}

// String is the country's alpha-2 code.
func (c Country) String() string { return countryTable.rows[c].alpha2 }

// Add puts c into s.
func (s *Countries) Add(c Country) { s[c>>6] |= 1 << (c & 63) }

// Has reports whether c is in s.
func (s Countries) Has(c Country) bool { return s[c>>6]&(1<<(c&63)) != 0 }

// Union is the set of countries in s or t.
func (s Countries) Union(t Countries) Countries {
	return Countries{s[0] | t[0], s[1] | t[1], s[2] | t[2], s[3] | t[3]}
}

// Intersects reports whether s and t share a country.
func (s Countries) Intersects(t Countries) bool {
	return s[0]&t[0]|s[1]&t[1]|s[2]&t[2]|s[3]&t[3] != 0
}

// Within reports whether every country of s is in t.
func (s Countries) Within(t Countries) bool {
	return s[0]&^t[0]|s[1]&^t[1]|s[2]&^t[2]|s[3]&^t[3] == 0
}

// Len is how many countries s holds.
func (s Countries) Len() int {
	return bits.OnesCount64(s[0]) + bits.OnesCount64(s[1]) + bits.OnesCount64(s[2]) + bits.OnesCount64(s[3])
}

// All lists the countries of s in order.
func (s Countries) All() []Country {
	list := make([]Country, 0, s.Len())
	for c := range Country(countryCount) {
		if s.Has(c) {
			list = append(list, c)
		}
	}
	return list
}

// isoCountries is the set of all officially assigned codes, without XK.
func isoCountries() Countries {
	var all Countries
	for c := range XK {
		all.Add(c)
	}
	return all
}
