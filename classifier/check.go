package classifier

import "unicode"

// check looks for what no section shows by itself: records that could leave store_in, and parts without a use.
func (l *loader) check() {
	for i := range l.policy.Jurisdictions {
		l.checkRoute(i)
		l.checkQuarantine(i)
	}
	for i := range l.policy.Sinks {
		l.checkSink(i)
	}
	for i, s := range l.signalPlaces {
		if !s.used && l.jurisdictions.known && !l.whenUnknown {
			l.Fault(s.at, "signal %s is not used: consult it in a jurisdiction's when, or remove it", l.signalName(i))
		}
	}
	l.checkFoldedPaths()
}

func (l *loader) checkRoute(jurisdiction int) {
	places := l.jurisdictionPlaces[jurisdiction]
	name := l.jurisdictionName(jurisdiction)
	sink := places.route.to
	if places.route == (ref{to: -1}) && l.routesKnown {
		l.Fault(places.at, "jurisdiction %s has no route: name its sink in routes", name)
	}
	if sink < 0 || l.sinkPlaces[sink].acceptsUnknown {
		return
	}
	for _, accepted := range l.sinkPlaces[sink].accepts {
		if accepted.to == jurisdiction {
			return
		}
	}
	l.Fault(places.route.at, "route of %s goes to sink %s, which does not accept %s: add it to accepts, or correct the route",
		name, l.sinkName(sink), name)
}

// checkQuarantine holds a jurisdiction's quarantine inside its store_in, unless the policy says otherwise in words.
func (l *loader) checkQuarantine(jurisdiction int) {
	places := l.jurisdictionPlaces[jurisdiction]
	name := l.jurisdictionName(jurisdiction)
	fallback := l.policy.QuarantineDefault
	switch {
	case places.quarantine.to >= 0:
		if !l.mayStore(jurisdiction, places.quarantine.to) {
			l.Fault(places.quarantine.at, "quarantine of %s: %s; choose another sink", name, l.outside(jurisdiction, places.quarantine.to))
		}
	case places.quarantineSaid || fallback < 0:
	case !l.mayStore(jurisdiction, fallback):
		l.Fault(places.at, "jurisdiction %s has no quarantine entry, and default will not do: %s; name a sink inside, or write %s: default if that is meant",
			name, l.outside(jurisdiction, fallback), name)
	}
}

func (l *loader) checkSink(sink int) {
	places := l.sinkPlaces[sink]
	for _, j := range places.accepts {
		if !l.mayStore(j.to, sink) {
			l.Fault(j.at, "accepts of sink %s: %s; correct the location, store_in or accepts", l.sinkName(sink), l.outside(j.to, sink))
		}
	}
	if !places.used && len(places.accepts) < 2 && !places.acceptsUnknown && !l.sinkUsesUnknown {
		l.Fault(places.at, "sink %s is not used: name it in routes or quarantine, let it accept two jurisdictions, or remove it", l.sinkName(sink))
	}
}

// pathToken is one key on the way of the policy's JSON pointers.
type pathToken struct {
	next   map[string]*pathToken // by the token
	folded map[string]string     // folded token -> the token that was there first
}

// checkFoldedPaths refuses two keys of one object that differ by case only: a document that has one of them has a
// folded twin of the other, and would always be ambiguous.
func (l *loader) checkFoldedPaths() {
	root := &pathToken{}
	for i, s := range l.policy.Signals {
		at := root
		for _, token := range s.Pointer {
			if at.next == nil {
				at.next, at.folded = map[string]*pathToken{}, map[string]string{}
			}
			if at.next[token] == nil {
				folded := foldCase(token)
				if twin, ok := at.folded[folded]; ok {
					l.Fault(l.signalPlaces[i].pointer, "json of signal %s: key %q differs from %q of another signal by case only, every record would be ambiguous",
						s.Name, token, twin)
				}
				at.folded[folded] = token
				at.next[token] = &pathToken{}
			}
			at = at.next[token]
		}
	}
}

// foldCase maps texts that are equal under Unicode simple case folding, and no others, to one text.
func foldCase(s string) string {
	runes := []rune(s)
	for i, r := range runes {
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			runes[i] = min(runes[i], f)
		}
	}
	return string(runes)
}
