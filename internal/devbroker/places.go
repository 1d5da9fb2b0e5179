package devbroker

import (
	_ "embed"
	"net/netip"
	"slices"
	"strings"
)

// The homes that generated traffic distinguishes, each the name of a jurisdiction in the policies used with it.
const (
	US  = "US"
	EEA = "EEA"
	ROW = "ROW"
)

// homes in the order of Mix.
var homes = [3]string{US, EEA, ROW}

//go:embed data/countries.csv
var countriesCSV string

//go:embed data/prefixes.csv
var prefixesCSV string

type place struct {
	country  string
	home     int // index into homes
	mcc      string
	prefixes []netip.Prefix
}

// places is never written after start.
var places = parsePlaces(countriesCSV, prefixesCSV)

type placeTable struct {
	byHome    [3][]*place
	byCountry map[string]*place
}

func parsePlaces(countries, prefixes string) *placeTable {
	t := &placeTable{byCountry: map[string]*place{}}
	for line := range dataLines(countries) {
		f := strings.Split(line, ",")
		p := &place{country: f[0], home: slices.Index(homes[:], f[1]), mcc: f[2]}
		t.byCountry[p.country] = p
		t.byHome[p.home] = append(t.byHome[p.home], p)
	}
	for line := range dataLines(prefixes) {
		country, prefix, _ := strings.Cut(line, ",")
		p := t.byCountry[country]
		p.prefixes = append(p.prefixes, netip.MustParsePrefix(prefix))
	}
	return t
}

// dataLines yields the lines of a data file that are neither blank nor comment.
func dataLines(text string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for line := range strings.Lines(text) {
			line = strings.TrimSpace(line)
			if line != "" && line[0] != '#' && !yield(line) {
				return
			}
		}
	}
}

// Home is the jurisdiction of a country of the generated traffic; empty for any other country.
func Home(country string) string {
	if p := places.byCountry[country]; p != nil {
		return homes[p.home]
	}
	return ""
}

// Countries lists the countries of the generated traffic.
func Countries() []string {
	list := make([]string, 0, len(places.byCountry))
	for c := range places.byCountry {
		list = append(list, c)
	}
	slices.Sort(list)
	return list
}

// Prefixes lists real address prefixes of a country.
func Prefixes(country string) []netip.Prefix {
	if p := places.byCountry[country]; p != nil {
		return p.prefixes
	}
	return nil
}
