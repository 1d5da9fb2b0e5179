package classifier

import (
	"strings"

	"github.com/demarc/demarc/internal/record"
	"github.com/demarc/demarc/internal/yaml"
)

func (l *loader) readRoutes(section []yaml.Member) {
	l.policy.Routes = make([]int, len(l.policy.Jurisdictions))
	l.routesKnown = section != nil
	l.sinkUsesUnknown = section == nil
	for _, m := range section {
		j, ok := l.resolveText(m.Key.Text, m.Key.At, l.jurisdictions, "routes")
		sink, okSink := l.resolve(m.Value, l.sinks, "route of "+m.Key.Text)
		if okSink {
			l.sinkPlaces[sink.to].used = true
		} else if m.Value.Kind != yaml.Text {
			l.sinkUsesUnknown = true
		}
		switch {
		case !ok:
		case !okSink:
			// The route is there, if unreadable: it is not missing.
			l.jurisdictionPlaces[j.to].route = ref{-1, m.Value.At}
		default:
			l.policy.Routes[j.to] = sink.to
			l.jurisdictionPlaces[j.to].route = sink
		}
	}
}

func (l *loader) readQuarantine(top map[string]yaml.Member) {
	p := l.policy
	p.Quarantine = make([]int, len(p.Jurisdictions))
	p.QuarantineDefault = -1
	section := l.section(top, "quarantine")
	l.sinkUsesUnknown = l.sinkUsesUnknown || section == nil
	said := false
	for _, m := range section {
		name := m.Key.Text
		isDefault := m.Value.Kind == yaml.Text && m.Value.Text == "default"
		switch {
		case name == "default" && isDefault:
			said = true
			l.Fault(m.Value.At, "quarantine default is default: name the sink")
		case name == "default":
			said = true
			if sink, ok := l.resolve(m.Value, l.sinks, "quarantine default"); ok {
				p.QuarantineDefault = sink.to
				l.sinkPlaces[sink.to].used = true
			}
		default:
			l.readQuarantineEntry(m, isDefault)
		}
	}
	if section != nil && !said {
		l.Fault(top["quarantine"].Key.At, "quarantine has no default: name the sink for what has no jurisdiction")
	}
	for i, j := range l.jurisdictionPlaces {
		p.Quarantine[i] = p.QuarantineDefault
		if j.quarantine.to >= 0 {
			p.Quarantine[i] = j.quarantine.to
		}
	}
}

func (l *loader) readQuarantineEntry(m yaml.Member, isDefault bool) {
	name := m.Key.Text
	j, ok := l.resolveText(name, m.Key.At, l.jurisdictions, "quarantine")
	if ok {
		l.jurisdictionPlaces[j.to].quarantineSaid = true
	}
	if isDefault {
		return
	}
	sink, okSink := l.resolve(m.Value, l.sinks, "quarantine of "+name)
	if okSink {
		l.sinkPlaces[sink.to].used = true
	} else if m.Value.Kind != yaml.Text {
		l.sinkUsesUnknown = true
	}
	if ok && okSink {
		l.jurisdictionPlaces[j.to].quarantine = sink
	}
}

func (l *loader) readOverlap(section []yaml.Member) {
	first := map[record.Set]string{}
	for _, m := range section {
		name := m.Key.Text
		set, ok := l.overlapSet(m.Key)
		member, okMember := l.resolve(m.Value, l.jurisdictions, "overlap "+name)
		if !ok {
			continue
		}
		if other, twice := first[set]; twice {
			l.Fault(m.Key.At, "overlap %s: %s names the same set", name, other)
			continue
		}
		first[set] = name
		if !okMember {
			continue
		}
		if !set.Has(member.to) {
			l.Fault(m.Value.At, "overlap %s is routed as %s, which is not in the set", name, m.Value.Text)
		}
		l.policy.Overlaps = append(l.policy.Overlaps, Overlap{Set: set, Member: member.to})
		l.overlapPlaces = append(l.overlapPlaces, m.Key.At)
	}
}

// overlapSet reads a set of jurisdictions, joined by + in any order.
func (l *loader) overlapSet(key yaml.Node) (record.Set, bool) {
	var set record.Set
	ok := true
	for name := range strings.SplitSeq(key.Text, "+") {
		j, known := l.resolveText(name, key.At, l.jurisdictions, "overlap "+key.Text)
		switch {
		case !known:
			ok = false
		case set.Has(j.to):
			l.Fault(key.At, "overlap %s names %s twice", key.Text, name)
			ok = false
		default:
			set |= record.One(j.to)
		}
	}
	if ok && set.Len() < 2 {
		l.Fault(key.At, "overlap %s is one jurisdiction: its route decides, leave the entry out", key.Text)
		ok = false
	}
	return set, ok
}
