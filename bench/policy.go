//go:build linux

package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/demarc/demarc/internal/devbroker"
)

// signals are what a policy reads.
type signals string

const (
	headerSignal signals = "header"    // the header account-country
	jsonSignal   signals = "JSON"      // one field of the document
	jsonAndIP    signals = "JSON + IP" // and the address in it, looked up whatever the field says
)

// routing is a policy in short.
type routing struct {
	name    string
	signals signals
	homes   []home
	overlap string   // what to do with records of two homes, as the policy writes it
	sinks   []string // beside quarantine
}

// home is one jurisdiction and the sink that it is routed to.
type home struct {
	name      string
	countries []string // none: the rest
	sink      int
}

var (
	usCountries  = strings.Fields("US PR GU VI AS MP UM")
	eeaCountries = strings.Fields("AT BE BG HR CY CZ DK EE FI AX FR GF GP MQ YT RE MF DE GR HU IE IT LV LT LU MT " +
		"NL PL PT RO SK SI ES SE IS LI NO")
)

// threeHomes is what all subjects of the comparison decide: US, EEA and the rest of the world, one sink each.
func threeHomes(s signals) routing {
	return routing{
		name: string(s), signals: s, overlap: "US+EEA: US", sinks: []string{"us", "eea", "row"},
		homes: []home{{"US", usCountries, 0}, {"EEA", eeaCountries, 1}, {"ROW", nil, 2}},
	}
}

// dealt deals the countries of the traffic, and a few more, out to so many jurisdictions, and those to so many
// sinks.
func dealt(jurisdictions, sinks int) routing {
	r := routing{name: fmt.Sprintf("jurisdictions=%d sinks=%d", jurisdictions, sinks), signals: jsonAndIP}
	for i := range jurisdictions {
		r.homes = append(r.homes, home{name: fmt.Sprintf("J%02d", i), sink: i % sinks})
	}
	for i := range sinks {
		r.sinks = append(r.sinks, fmt.Sprintf("s%02d", i))
	}
	countries := append(devbroker.Countries(), strings.Fields("CN RU PK BD ET TZ LK PE")...)
	for i, c := range countries {
		h := &r.homes[i%jurisdictions]
		h.countries = append(h.countries, c)
	}
	return r
}

const quarantine = "quarantine"

// topics are those that the routing writes to, for a run of that name.
func (r *routing) topics(run string) []string {
	all := []string{run + "." + quarantine}
	for _, s := range r.sinks {
		all = append(all, run+"."+s)
	}
	return all
}

// policy is the text of the policy. The sinks are topics of the source's cluster, behind the run's name and a dot.
func (r *routing) policy(run, broker, cluster string) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("version: 1\nsignals:")
	when := "country"
	switch r.signals {
	case headerSignal:
		line("  country: {header: %s, as: alpha2}", devbroker.AccountCountry)
	case jsonSignal:
		line("  country: {json: /user/verified_region, as: alpha2}")
	case jsonAndIP:
		line("  country: {json: /user/verified_region, as: alpha2}\n  ip: {json: /network/ip, as: ip}")
		when = "country, ip"
	}
	line("jurisdictions:")
	for _, h := range r.homes {
		which := "rest: true"
		if h.countries != nil {
			which = "countries: [" + strings.Join(h.countries, ", ") + "]"
		}
		line("  %s: {%s, store_in: any, when: {any: [%s]}}", h.name, which, when)
	}
	if r.overlap != "" {
		line("overlap: {%s}", r.overlap)
	}
	line("routes:")
	for _, h := range r.homes {
		line("  %s: %s", h.name, r.sinks[h.sink])
	}
	line("quarantine: {default: %s}\nsinks:", quarantine)
	for i, s := range append(slices.Clone(r.sinks), quarantine) {
		accepts := ""
		for _, h := range r.homes {
			if h.sink == i {
				accepts += ", " + h.name
			}
		}
		if accepts != "" {
			accepts = "accepts: [" + accepts[2:] + "], "
		}
		line("  %s: {location: {country: US, region: here, operator: nobody}, %skafka: {brokers: [%q], topic: %q}, pins: {cluster_id: %q, addresses: [127.0.0.0/8]}}",
			s, accepts, broker, run+"."+s, cluster)
	}
	return b.String()
}
