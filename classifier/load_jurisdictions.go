package classifier

import "fmt"

// verbs are the words of `when`.
var verbs = map[string]Verb{"first": First, "any": Any, "agree": Agree}

func (l *loader) readJurisdictions(section []member) {
	l.policy.Jurisdictions = make([]Jurisdiction, len(section))
	l.jurisdictionPlaces = make([]jurisdictionPlaces, len(section))
	storeIn := make([]member, len(section)) // read when all countries are known
	rest := -1
	for i, m := range section {
		name := m.key.text
		l.policy.Jurisdictions[i].Name = name
		l.jurisdictionPlaces[i] = jurisdictionPlaces{at: m.key.at, route: ref{to: -1}, quarantine: ref{to: -1}}
		if !jurisdictionName(name) {
			l.fault(m.key.at, "jurisdiction name %q: want an upper-case letter, then upper-case letters, digits and underscores", name)
		}
		fields, ok := l.fields(m.value, "jurisdiction "+name, "countries", "rest", "store_in", "when")
		if !ok {
			l.countriesUnknown, l.whenUnknown = true, true
			l.jurisdictionPlaces[i].storeInUnknown = true
			continue
		}
		storeIn[i] = fields["store_in"]
		l.readCountries(i, fields)
		if r, ok := fields["rest"]; ok && l.policy.Jurisdictions[i].Rest {
			if rest >= 0 {
				l.fault(r.key.at, "rest of jurisdiction %s: %s is the rest already, there can be one", name, section[rest].key.text)
			} else {
				rest = i
			}
		}
		l.readWhen(i, m, fields)
	}
	l.readStoreIn(rest, storeIn)
}

// jurisdictionName reports whether name is [A-Z][A-Z0-9_]*.
func jurisdictionName(name string) bool {
	for i, c := range []byte(name) {
		letter := 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c != '_' && (c < '0' || c > '9')) {
			return false
		}
	}
	return name != ""
}

// readCountries reads what a jurisdiction is: its countries, or the rest.
func (l *loader) readCountries(i int, fields map[string]member) {
	j, places := &l.policy.Jurisdictions[i], &l.jurisdictionPlaces[i]
	rest, isRest := fields["rest"]
	listed, lists := fields["countries"]
	if isRest {
		j.Rest = l.isTrue(rest.value, "rest of jurisdiction "+j.Name)
		places.storeInUnknown = true // until all countries are known
	}
	switch {
	case lists && j.Rest:
		l.fault(rest.key.at, "jurisdiction %s has both countries and rest: want one", j.Name)
	case !lists && !isRest:
		l.fault(places.at, "jurisdiction %s has no countries: list them, or write rest: true", j.Name)
		l.countriesUnknown, places.storeInUnknown = true, true
	}
	if !lists {
		return
	}
	// Whatever is listed is a country here, XK included.
	xk := l.listed
	l.listed.Add(XK)
	var ok bool
	j.Countries, places.countries, ok = l.countries(listed.value, "countries of "+j.Name)
	l.listed = xk.Union(j.Countries)
	if !ok {
		l.countriesUnknown = true
		places.storeInUnknown = j.Countries == (Countries{}) // what is left of the list is still held against sinks
	}
}

// readWhen reads the one verb of a jurisdiction and the signals that it consults.
func (l *loader) readWhen(i int, m member, fields map[string]member) {
	j, places := &l.policy.Jurisdictions[i], &l.jurisdictionPlaces[i]
	when, ok := fields["when"]
	if !ok {
		l.fault(m.key.at, "jurisdiction %s has no when: write the signals that it consults", j.Name)
		l.whenUnknown = true
		return
	}
	what := "when of " + j.Name
	if !l.mapping(when.value, what) {
		l.whenUnknown = true
		return
	}
	written := ""
	for _, v := range when.value.members {
		word := v.key.text
		verb, known := verbs[word]
		switch {
		case !known:
			l.fault(v.key.at, "%s has the unknown verb %q: known are first, any, agree", what, word)
		case written != "":
			l.fault(v.key.at, "%s has both %s and %s: want one", what, written, word)
		default:
			written = word
			j.Verb = verb
		}
		items, ok := l.textList(v.value, what)
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
func (l *loader) readStoreIn(rest int, storeIn []member) {
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
		case m.key.text == "":
			j.StoreIn = j.Countries
		case m.value.kind == textNode && m.value.text == "any":
			j.StoreAny = true
		case m.value.kind == textNode:
			l.fault(m.value.at, "%s is %q: want a list of countries, or any", what, m.value.text)
			places.storeInUnknown = true
		default:
			var ok bool
			j.StoreIn, _, ok = l.countries(m.value, what)
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
