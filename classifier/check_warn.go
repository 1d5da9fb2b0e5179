package classifier

import (
	"path"
	"slices"
	"strings"

	"github.com/demarc/demarc/internal/yaml"
)

// warn reports what a policy may well mean, but often does not. Only a policy without faults gets here:
// each fault noted from now on is a warning.
func (l *loader) warn() {
	for i, j := range l.policy.Jurisdictions {
		if j.Rest {
			l.warnRest(i)
		}
	}
	l.warnTerritories()
	places := map[string]string{}
	for i, s := range l.policy.Sinks {
		l.warnPinned(i, s)
		l.warnSamePlace(i, s, places)
	}
	for i, o := range l.policy.Overlaps {
		l.warnOverlap(l.overlapPlaces[i], o)
	}
}

// warnRest names the signals that make the rest hold where another jurisdiction looks elsewhere: a user of a listed
// country whom only such a signal shows is routed nowhere.
func (l *loader) warnRest(rest int) {
	for _, s := range l.jurisdictionPlaces[rest].when {
		var without []string
		for i, j := range l.policy.Jurisdictions {
			if i != rest && !slices.Contains(j.When, s.to) {
				without = append(without, j.Name)
			}
		}
		if without != nil {
			l.Fault(s.at, "rest %s consults signal %s, which is not consulted by %s: records of users there whom only it shows are quarantined",
				l.jurisdictionName(rest), l.signalName(s.to), strings.Join(without, ", "))
		}
	}
}

// warnTerritories names, at the first listing of a country, its territories that no jurisdiction lists.
func (l *loader) warnTerritories() {
	var seen Countries
	for _, j := range l.jurisdictionPlaces {
		for _, c := range j.countries {
			country := Country(c.to)
			if seen.Has(country) {
				continue
			}
			seen.Add(country)
			var missing []string
			for _, t := range territoryTable[country].All() {
				if !l.listed.Has(t) {
					missing = append(missing, t.String())
				}
			}
			if missing != nil {
				l.Fault(c.at, "%s is listed, but of its territories %s are in no list", country, strings.Join(missing, ", "))
			}
		}
	}
}

// warnPinned names a sink that says unpinned, though its pins are complete.
func (l *loader) warnPinned(sink int, s Sink) {
	complete := s.Pins.ClusterID != "" && (s.Pins.TLSSPKISHA256 != nil || s.Pins.Addresses != nil)
	if s.Unpinned && complete {
		l.Fault(l.sinkPlaces[sink].at, "sink %s has all pins and says unpinned: true: every claim will show it as unpinned", s.Name)
	}
}

// warnSamePlace names a sink that is the place of another: one place has one location, and one stream of records.
// first holds the sinks seen so far by their places.
func (l *loader) warnSamePlace(sink int, s Sink, first map[string]string) {
	var places []string
	if s.File != nil {
		places = append(places, "dir "+path.Clean(s.File.Dir))
	} else {
		for _, b := range s.Kafka.Brokers {
			places = append(places, "topic "+s.Kafka.Topic+" of "+b)
		}
	}
	for _, place := range places {
		if other, taken := first[place]; taken {
			l.Fault(l.sinkPlaces[sink].at, "sink %s is the same place as sink %s: %s", s.Name, other, place)
			return
		}
		first[place] = s.Name
	}
}

// warnOverlap names a set that never comes up.
func (l *loader) warnOverlap(at yaml.Pos, o Overlap) {
	for i, j := range l.policy.Jurisdictions {
		if j.Rest && o.Set.Has(i) {
			l.Fault(at, "overlap %s never comes up: %s is the rest and holds only when no other does",
				o.Set.Join(l.policy.JurisdictionNames()), j.Name)
		}
	}
}
