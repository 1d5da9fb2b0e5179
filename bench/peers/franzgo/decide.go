package main

import (
	"net/netip"
	"strings"

	"github.com/oschwald/maxminddb-golang/v2"
	"github.com/tidwall/gjson"
)

// A record's homes, as bits.
const (
	us uint8 = 1 << iota
	eea
	row
)

type decider struct {
	db        *maxminddb.Reader
	prefix    string
	countries map[uintptr]uint8 // by database record
}

// topic takes the decision of testdata/policy.yaml.
func (d *decider) topic(value []byte) string {
	found := gjson.GetManyBytes(value, "user.verified_region", "network.ip")
	var homes uint8
	if found[0].Exists() {
		homes = home(found[0].Str)
	}
	addr, err := netip.ParseAddr(found[1].Str)
	if err != nil {
		return d.prefix + "quarantine"
	}
	seen, ok := d.look(addr.Unmap())
	if !ok {
		return d.prefix + "quarantine"
	}
	switch homes |= seen; {
	case homes&us != 0:
		return d.prefix + "us"
	case homes&eea != 0:
		return d.prefix + "eea"
	}
	return d.prefix + "row"
}

func (d *decider) look(addr netip.Addr) (uint8, bool) {
	result := d.db.Lookup(addr)
	if !result.Found() {
		return 0, false
	}
	if h, ok := d.countries[result.Offset()]; ok {
		return h, true
	}
	var code string
	if err := result.DecodePath(&code, "country", "iso_code"); err != nil || code == "" {
		return 0, false
	}
	h := home(code)
	d.countries[result.Offset()] = h
	return h, true
}

var (
	usCountries  = strings.Fields("US PR GU VI AS MP UM")
	eeaCountries = strings.Fields("AT BE BG HR CY CZ DK EE FI AX FR GF GP MQ YT RE MF DE GR HU IE IT LV LT LU MT " +
		"NL PL PT RO SK SI ES SE IS LI NO")
	homes = func() map[string]uint8 {
		m := map[string]uint8{}
		for _, c := range usCountries {
			m[c] = us
		}
		for _, c := range eeaCountries {
			m[c] = eea
		}
		return m
	}()
)

func home(country string) uint8 {
	if h, ok := homes[country]; ok {
		return h
	}
	return row
}
