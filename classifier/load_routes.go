package classifier

import (
	"strings"

	"github.com/demarc/demarc/internal/record"
)

func (l *loader) readRoutes(section []member) {
	l.policy.Routes = make([]int, len(l.policy.Jurisdictions))
	l.routesKnown = section != nil
	l.sinkUsesUnknown = section == nil
	for _, m := range section {
		j, ok := l.resolveText(m.key.text, m.key.at, l.jurisdictions, "routes")
		sink, okSink := l.resolve(m.value, l.sinks, "route of "+m.key.text)
		if okSink {
			l.sinkPlaces[sink.to].used = true
		} else if m.value.kind != textNode {
			l.sinkUsesUnknown = true
		}
		switch {
		case !ok:
		case !okSink:
			// The route is there, if unreadable: it is not missing.
			l.jurisdictionPlaces[j.to].route = ref{-1, m.value.at}
		default:
			l.policy.Routes[j.to] = sink.to
			l.jurisdictionPlaces[j.to].route = sink
		}
	}
}

func (l *loader) readQuarantine(top map[string]member) {
	p := l.policy
	p.Quarantine = make([]int, len(p.Jurisdictions))
	p.QuarantineDefault = -1
	section := l.section(top, "quarantine")
	l.sinkUsesUnknown = l.sinkUsesUnknown || section == nil
	said := false
	for _, m := range section {
		name := m.key.text
		isDefault := m.value.kind == textNode && m.value.text == "default"
		switch {
		case name == "default" && isDefault:
			said = true
			l.fault(m.value.at, "quarantine default is default: name the sink")
		case name == "default":
			said = true
			if sink, ok := l.resolve(m.value, l.sinks, "quarantine default"); ok {
				p.QuarantineDefault = sink.to
				l.sinkPlaces[sink.to].used = true
			}
		default:
			l.readQuarantineEntry(m, isDefault)
		}
	}
	if section != nil && !said {
		l.fault(top["quarantine"].key.at, "quarantine has no default: name the sink for what has no jurisdiction")
	}
	for i, j := range l.jurisdictionPlaces {
		p.Quarantine[i] = p.QuarantineDefault
		if j.quarantine.to >= 0 {
			p.Quarantine[i] = j.quarantine.to
		}
	}
}

func (l *loader) readQuarantineEntry(m member, isDefault bool) {
	name := m.key.text
	j, ok := l.resolveText(name, m.key.at, l.jurisdictions, "quarantine")
	if ok {
		l.jurisdictionPlaces[j.to].quarantineSaid = true
	}
	if isDefault {
		return
	}
	sink, okSink := l.resolve(m.value, l.sinks, "quarantine of "+name)
	if okSink {
		l.sinkPlaces[sink.to].used = true
	} else if m.value.kind != textNode {
		l.sinkUsesUnknown = true
	}
	if ok && okSink {
		l.jurisdictionPlaces[j.to].quarantine = sink
	}
}

func (l *loader) readOverlap(section []member) {
	first := map[record.Set]string{}
	for _, m := range section {
		name := m.key.text
		set, ok := l.overlapSet(m.key)
		member, okMember := l.resolve(m.value, l.jurisdictions, "overlap "+name)
		if !ok {
			continue
		}
		if other, twice := first[set]; twice {
			l.fault(m.key.at, "overlap %s: %s names the same set", name, other)
			continue
		}
		first[set] = name
		if !okMember {
			continue
		}
		if !set.Has(member.to) {
			l.fault(m.value.at, "overlap %s is routed as %s, which is not in the set", name, m.value.text)
		}
		l.policy.Overlaps = append(l.policy.Overlaps, Overlap{Set: set, Member: member.to})
		l.overlapPlaces = append(l.overlapPlaces, m.key.at)
	}
}

// overlapSet reads a set of jurisdictions, joined by + in any order.
func (l *loader) overlapSet(key node) (record.Set, bool) {
	var set record.Set
	ok := true
	for name := range strings.SplitSeq(key.text, "+") {
		j, known := l.resolveText(name, key.at, l.jurisdictions, "overlap "+key.text)
		switch {
		case !known:
			ok = false
		case set.Has(j.to):
			l.fault(key.at, "overlap %s names %s twice", key.text, name)
			ok = false
		default:
			set |= record.One(j.to)
		}
	}
	if ok && set.Len() < 2 {
		l.fault(key.at, "overlap %s is one jurisdiction: its route decides, leave the entry out", key.text)
		ok = false
	}
	return set, ok
}
