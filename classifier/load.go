package classifier

import (
	"bytes"
	"crypto/sha256"

	"github.com/demarc/demarc/internal/record"
	"github.com/demarc/demarc/internal/yaml"
)

// Load reads a policy and checks it. file is the name that faults carry. It returns all faults at once, in the
// order in which they stand in the text; the policy is nil if any of them is not a warning. The policy keeps a
// copy of text.
func Load(file string, text []byte) (*Policy, []Fault) {
	l := newLoader(file, text)
	if root, ok := l.Parse(text); ok {
		l.read(root)
	}
	if found := l.Faults(); len(found) > 0 {
		return nil, faults(found, false)
	}
	l.warn()
	return l.policy, faults(l.Faults(), true)
}

// What a policy may be at most. A list of every country for each of 64 jurisdictions takes a third of the bytes. The
// keys also keep signals and sinks within the 16 bits that record.Decision has for them.
const (
	maxPolicyBytes = 256 << 10
	maxPolicyKeys  = 10_000
)

// loader fills in a policy and remembers where its parts stand, for the checks that need several of them. What
// could not be read is left out and marked, so that one mistake is one fault.
type loader struct {
	yaml.Reader
	policy *Policy

	signals       names
	jurisdictions names
	sinks         names

	listed           Countries // by any jurisdiction
	countriesUnknown bool      // some jurisdiction's countries could not be read
	whenUnknown      bool      // some jurisdiction's when could not be read
	routesKnown      bool      // routes could be read: a jurisdiction that is not there has none
	sinkUsesUnknown  bool      // some route or quarantine entry could not be read

	// Parallel to the policy's slices.
	signalPlaces       []signalPlaces
	jurisdictionPlaces []jurisdictionPlaces
	sinkPlaces         []sinkPlaces
	overlapPlaces      []yaml.Pos
}

func newLoader(file string, text []byte) *loader {
	return &loader{
		Reader: yaml.Reader{
			File: file, What: "policy", Needs: "version, signals, jurisdictions, routes, quarantine and sinks",
			MaxBytes: maxPolicyBytes, MaxKeys: maxPolicyKeys,
		},
		policy: &Policy{Text: bytes.Clone(text), Hash: sha256.Sum256(text)},
	}
}

type signalPlaces struct {
	at, pointer yaml.Pos
	used        bool
}

type jurisdictionPlaces struct {
	at             yaml.Pos
	countries      []ref // to countries
	when           []ref // to signals
	storeInUnknown bool
	route          ref
	quarantine     ref
	quarantineSaid bool // an entry is written, `default` included
}

type sinkPlaces struct {
	at      yaml.Pos
	located bool
	accepts []ref // to jurisdictions
	used    bool

	acceptsUnknown bool
}

// ref is a use of something by its index, -1 for none, and where it stands.
type ref struct {
	to int
	at yaml.Pos
}

// names are the definitions of one section of the policy.
type names struct {
	noun  string
	known bool // the section could be read: what it does not define is undefined
	index map[string]int
}

// read takes the sections in the order in which they need each other: definitions before uses, countries before
// all codes, since a jurisdiction's list decides whether XK is one.
func (l *loader) read(root yaml.Node) {
	top, ok := l.Fields(root, "policy",
		"version", "geo", "signals", "jurisdictions", "overlap", "routes", "quarantine", "sinks")
	if !ok {
		return
	}
	for _, key := range []string{"version", "signals", "jurisdictions", "routes", "quarantine", "sinks"} {
		if _, written := top[key]; !written {
			l.Fault(root.At, "policy has no %s: write it", key)
		}
	}
	if m, ok := top["version"]; ok {
		l.policy.Version, _ = l.integer(m.Value, "version")
	}
	if m, ok := top["geo"]; ok {
		l.geo(m.Value)
	}

	signals := l.section(top, "signals")
	jurisdictions := l.section(top, "jurisdictions")
	sinks := l.section(top, "sinks")
	l.signals = l.define("signal", signals)
	l.jurisdictions = l.define("jurisdiction", jurisdictions)
	l.sinks = l.define("sink", sinks)
	if n := len(jurisdictions); n > record.MaxJurisdictions {
		at := jurisdictions[record.MaxJurisdictions].Key.At
		l.Fault(at, "jurisdiction %s is one of %d: a policy has at most %d",
			jurisdictions[record.MaxJurisdictions].Key.Text, n, record.MaxJurisdictions)
	}

	l.readJurisdictions(jurisdictions)
	l.readSignals(signals)
	l.readSinks(sinks)
	l.readRoutes(l.section(top, "routes"))
	l.readQuarantine(top)
	if overlap := l.section(top, "overlap"); len(jurisdictions) <= record.MaxJurisdictions {
		l.readOverlap(overlap) // of more, a set does not hold all
	}
	l.check()
}

func (l *loader) geo(n yaml.Node) {
	fields, ok := l.Fields(n, "geo", "max_age")
	if !ok {
		return
	}
	if m, ok := fields["max_age"]; ok {
		l.policy.GeoMaxAge, _ = l.duration(m.Value, "geo.max_age")
	}
}

// section is a mapping of the policy whose keys are names. A missing one has been reported, or need not be there.
func (l *loader) section(top map[string]yaml.Member, name string) []yaml.Member {
	m, written := top[name]
	if !written || !l.Mapping(m.Value, name) {
		return nil
	}
	return m.Value.Members
}

// define takes the names that a section defines.
func (l *loader) define(noun string, section []yaml.Member) names {
	defined := names{noun: noun, known: section != nil, index: make(map[string]int, len(section))}
	for i, m := range section {
		defined.index[m.Key.Text] = i
	}
	return defined
}

// resolve finds what a name stands for; use says where it is used, for the message.
func (l *loader) resolve(n yaml.Node, defined names, use string) (ref, bool) {
	name, ok := l.Text(n, use)
	if !ok {
		return ref{}, false
	}
	return l.resolveText(name, n.At, defined, use)
}

func (l *loader) resolveText(name string, at yaml.Pos, defined names, use string) (ref, bool) {
	i, ok := defined.index[name]
	if !ok && defined.known {
		l.Fault(at, "%s names %s %q, which is not defined: define it or correct the name", use, defined.noun, name)
	}
	return ref{i, at}, ok
}

func (l *loader) signalName(i int) string       { return l.policy.Signals[i].Name }
func (l *loader) jurisdictionName(i int) string { return l.policy.Jurisdictions[i].Name }
func (l *loader) sinkName(i int) string         { return l.policy.Sinks[i].Name }
