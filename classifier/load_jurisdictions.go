package classifier

import (
	"fmt"

	"github.com/demarc/demarc/internal/record"
	"github.com/demarc/demarc/internal/yaml"
)

// verbs are the words of `when`.
var verbs = map[string]Verb{"first": First, "any": Any, "agree": Agree}

func (l *loader) readJurisdictions(section []yaml.Member) {
	l.policy.Jurisdictions = make([]Jurisdiction, len(section))
	l.jurisdictionPlaces = make([]jurisdictionPlaces, len(section))
	storeIn := make([]yaml.Member, len(section)) // read when all countries are known
	rest := -1
	for i, m := range section {
		name := m.Key.Text
		l.policy.Jurisdictions[i].Name = name
		l.jurisdictionPlaces[i] = jurisdictionPlaces{at: m.Key.At, route: ref{to: -1}, quarantine: ref{to: -1}}
		if !record.IsJurisdiction(name) {
			l.Fault(m.Key.At, "jurisdiction name %q: want an upper-case letter, then upper-case letters, digits and underscores", name)
		}
		fields, ok := l.Fields(m.Value, "jurisdiction "+name, "countries", "rest", "store_in", "when")
		if !ok {
			l.countriesUnknown, l.whenUnknown = true, true
			l.jurisdictionPlaces[i].storeInUnknown = true
			continue
		}
		storeIn[i] = fields["store_in"]
		l.readCountries(i, fields)
		if r, ok := fields["rest"]; ok && l.policy.Jurisdictions[i].Rest {
			if rest >= 0 {
				l.Fault(r.Key.At, "rest of jurisdiction %s: %s is the rest already, there can be one", name, section[rest].Key.Text)
			} else {
				rest = i
			}
		}
		l.readWhen(i, m, fields)
	}
	l.readStoreIn(rest, storeIn)
}

// readCountries reads what a jurisdiction is: its countries, or the rest.
func (l *loader) readCountries(i int, fields map[string]yaml.Member) {
	j, places := &l.policy.Jurisdictions[i], &l.jurisdictionPlaces[i]
	rest, isRest := fields["rest"]
	listed, lists := fields["countries"]
	if isRest {
		j.Rest = l.isTrue(rest.Value, "rest of jurisdiction "+j.Name)
		places.storeInUnknown = true // until all countries are known
	}
	switch {
	case lists && j.Rest:
		l.Fault(rest.Key.At, "jurisdiction %s has both countries and rest: want one", j.Name)
	case !lists && !isRest:
		l.Fault(places.at, "jurisdiction %s has no countries: list them, or write rest: true", j.Name)
		l.countriesUnknown, places.storeInUnknown = true, true
	}
	if !lists {
		return
	}
	// Whatever is listed is a country here, XK included.
	xk := l.listed
	l.listed.Add(XK)
	var ok bool
	j.Countries, places.countries, ok = l.countries(listed.Value, "countries of "+j.Name)
	l.listed = xk.Union(j.Countries)
	if !ok {
		l.countriesUnknown = true
		places.storeInUnknown = j.Countries == (Countries{}) // what is left of the list is still held against sinks
	}
}

// readWhen reads the one verb of a jurisdiction and the signals that it consults.
func (l *loader) readWhen(i int, m yaml.Member, fields map[string]yaml.Member) {
	j, places := &l.policy.Jurisdictions[i], &l.jurisdictionPlaces[i]
	when, ok := fields["when"]
	if !ok {
		l.Fault(m.Key.At, "jurisdiction %s has no when: write the signals that it consults", j.Name)
		l.whenUnknown = true
		return
	}
	what := "when of " + j.Name
	if !l.Mapping(when.Value, what) {
		l.whenUnknown = true
		return
	}
	written := ""
	for _, v := range when.Value.Members {
		word := v.Key.Text
		verb, known := verbs[word]
		switch {
		case !known:
			l.Fault(v.Key.At, "%s has the unknown verb %q: known are first, any, agree", what, word)
		case written != "":
			l.Fault(v.Key.At, "%s has both %s and %s: want one", what, written, word)
		default:
			written = word
			j.Verb = verb
		}
		items, ok := l.TextList(v.Value, what)
		l.whenUnknown = l.whenUnknown || !ok
		for _, item := range items {
			if s, ok := l.resolve(item, l.signals, what); ok {
				j.When = append(j.When, s.to)
				places.when = append(places.when, s)
			}
		}
	}
}

// readStoreIn reads where each jurisdiction's records may be kept: if nothing is written, its own countries. rest
// is the jurisdiction that stands for the countries that no other lists, -1 if none does.
func (l *loader) readStoreIn(rest int, storeIn []yaml.Member) {
	if rest >= 0 {
		unlisted := isoCountries()
		for c := range unlisted {
			unlisted[c] &^= l.listed[c]
		}
		l.policy.Jurisdictions[rest].Countries = unlisted
		l.jurisdictionPlaces[rest].storeInUnknown = l.countriesUnknown
	}
	for i, m := range storeIn {
		j, places := &l.policy.Jurisdictions[i], &l.jurisdictionPlaces[i]
		what := "store_in of " + j.Name
		switch {
		case m.Key.Text == "":
			j.StoreIn = j.Countries
		case m.Value.Kind == yaml.Text && m.Value.Text == "any":
			j.StoreAny = true
		case m.Value.Kind == yaml.Text:
			l.Fault(m.Value.At, "%s is %q: want a list of countries, or any", what, m.Value.Text)
			places.storeInUnknown = true
		default:
			var ok bool
			j.StoreIn, _, ok = l.countries(m.Value, what)
			places.storeInUnknown = !ok
		}
	}
}

// mayStore reports whether a jurisdiction's records may lie in a sink. What could not be read is no fault here.
func (l *loader) mayStore(jurisdiction, sink int) bool {
	j := l.policy.Jurisdictions[jurisdiction]
	if j.StoreAny || l.jurisdictionPlaces[jurisdiction].storeInUnknown || !l.sinkPlaces[sink].located {
		return true
	}
	return j.StoreIn.Has(l.policy.Sinks[sink].Location.Country)
}

// outside says for messages that a sink lies outside a jurisdiction's store_in.
func (l *loader) outside(jurisdiction, sink int) string {
	s := l.policy.Sinks[sink]
	return fmt.Sprintf("sink %s lies in %s, outside store_in of %s", s.Name, s.Location.Country, l.jurisdictionName(jurisdiction))
}
