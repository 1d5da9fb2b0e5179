package claim

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/demarc/demarc/internal/record"
	"github.com/demarc/demarc/internal/yaml"
	"github.com/demarc/demarc/ledger"
)

// Spec is what a claim file says: CLAIMS.md describes its form.
type Spec struct {
	Jurisdiction string
	Verb         string   // Routed or Stored; the latter is only judged with a recount
	Policies     []string // SHA-256 of each policy that defines the jurisdiction, lower-case hex, sorted; none: every one of the period
	Population   Population
	Sinks        []string // in which the subject's records may lie, in the file's order
	Copies       []Copy
	Exclusions   []Exclusion
}

// Population is the records that a claim is about. Without a time and without offsets it is everything from a
// topic's first span to its last.
type Population struct {
	Topics  []string // sorted; none: every topic of the ledger
	From    *int64   // milliseconds since the epoch
	To      *int64
	Offsets map[string]map[int32]Offsets // by topic and partition; nil if the period is not given by offsets
}

// Offsets are the source offsets [From, To).
type Offsets struct{ From, To int64 }

// Copy is another place that still holds the data.
type Copy struct {
	Name        string
	Purpose     string
	Expires     string // a date or time as the file has it, "" if it does not say
	DeletionDue string
}

// Exclusion is what a claim leaves out, in its author's words: the records that have one of Sets, if there are
// any, and one of Reasons, if there are any.
type Exclusion struct {
	Words   string
	Sets    []string // names joined by "+", sorted inside
	Reasons []string
}

// What a claim file may be at most.
const (
	maxBytes = 256 << 10
	maxKeys  = 10_000
)

// Parse reads a claim file. file is the name that faults carry. It returns all faults at once, in the order in
// which they stand in the text; the claim is nil if there is one.
func Parse(file string, text []byte) (*Spec, []yaml.Fault) {
	p := &specReader{Reader: yaml.Reader{
		File: file, What: "claim", Needs: "subject, verb and sinks", MaxBytes: maxBytes, MaxKeys: maxKeys,
	}}
	if root, ok := p.Parse(text); ok {
		p.printable(root)
		p.read(root)
	}
	if faults := p.Faults(); len(faults) > 0 {
		return nil, faults
	}
	return &p.spec, nil
}

type specReader struct {
	yaml.Reader
	spec Spec
}

func (p *specReader) read(root yaml.Node) {
	top, ok := p.Fields(root, "claim", "subject", "verb", "population", "sinks", "copies", "exclusions")
	if !ok {
		return
	}
	for _, key := range []string{"subject", "verb", "sinks"} {
		if _, written := top[key]; !written {
			p.Fault(root.At, "claim has no %s: write it", key)
		}
	}
	if m, ok := top["subject"]; ok {
		p.subject(m.Value)
	}
	if m, ok := top["verb"]; ok {
		p.verb(m.Value)
	}
	if m, ok := top["population"]; ok {
		p.population(m.Value)
	}
	if m, ok := top["sinks"]; ok {
		p.spec.Sinks = p.texts(m.Value, "sinks")
		for _, name := range p.spec.Sinks {
			if !ledger.IsPlainName(name) {
				p.Fault(m.Value.At, "sinks name %q: want names as policies have them, of letters, digits and . _ -", name)
			}
		}
	}
	if m, ok := top["copies"]; ok {
		p.copies(m.Value)
	}
	if m, ok := top["exclusions"]; ok {
		p.exclusions(m.Value)
	}
}

// printable refuses characters that an escape in quotes hides: what a claim says ends up on terminals and paper.
func (p *specReader) printable(n yaml.Node) {
	if strings.ContainsFunc(n.Text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		p.Fault(n.At, "text %q holds a character that does not print: leave it out", n.Text)
	}
	for _, item := range n.Items {
		p.printable(item)
	}
	for _, m := range n.Members {
		p.printable(m.Key)
		p.printable(m.Value)
	}
}

func (p *specReader) subject(n yaml.Node) {
	fields, ok := p.Fields(n, "subject", "jurisdiction", "policies")
	if !ok {
		return
	}
	j, ok := fields["jurisdiction"]
	if !ok {
		p.Fault(n.At, "subject has no jurisdiction: write the name that the policy gives it")
	} else if name, ok := p.Text(j.Value, "jurisdiction"); ok {
		if p.spec.Jurisdiction = name; !record.IsJurisdiction(name) {
			p.Fault(j.Value.At, "jurisdiction name %q: want an upper-case letter, then upper-case letters, digits and underscores", name)
		}
	}
	m, ok := fields["policies"]
	if !ok {
		return
	}
	items, _ := p.TextList(m.Value, "policies")
	for _, item := range items {
		if len(item.Text) != 64 || strings.Trim(item.Text, "0123456789abcdef") != "" {
			p.Fault(item.At, "entry of policies is %q: want a SHA-256 in lower-case hex, as `demarc check` prints it", item.Text)
		}
		p.spec.Policies = append(p.spec.Policies, item.Text)
	}
	slices.Sort(p.spec.Policies)
}

func (p *specReader) verb(n yaml.Node) {
	switch verb, ok := p.Text(n, "verb"); {
	case !ok:
	case verb == Routed, verb == Stored:
		p.spec.Verb = verb
	default:
		p.Fault(n.At, "verb is %q: want routed, or stored, which takes a recount", verb)
	}
}

func (p *specReader) population(n yaml.Node) {
	fields, ok := p.Fields(n, "population", "topics", "from", "to", "offsets")
	if !ok {
		return
	}
	pop := &p.spec.Population
	if m, ok := fields["topics"]; ok {
		pop.Topics = p.texts(m.Value, "topics")
		slices.Sort(pop.Topics)
	}
	pop.From, pop.To = p.time(fields, "from"), p.time(fields, "to")
	if pop.From != nil && pop.To != nil && *pop.From >= *pop.To {
		p.Fault(fields["to"].Value.At, "to is not after from")
	}
	m, ok := fields["offsets"]
	if !ok {
		return
	}
	for _, key := range []string{"topics", "from", "to"} {
		if other, both := fields[key]; both {
			p.Fault(other.Key.At, "population has both offsets and %s: want one", key)
		}
	}
	p.offsets(m.Value)
}

// time reads an RFC 3339 time as milliseconds since the epoch, the unit of spans. It is nil if it is not there.
func (p *specReader) time(fields map[string]yaml.Member, key string) *int64 {
	m, ok := fields[key]
	if !ok {
		return nil
	}
	t, err := time.Parse(time.RFC3339, m.Value.Text)
	if m.Value.Kind != yaml.Text || err != nil || t.Nanosecond()%int(time.Millisecond) != 0 {
		p.Fault(m.Value.At, "%s is %s: want an RFC 3339 time of at most milliseconds such as 2026-07-01T00:00:00Z", key, m.Value.Describe())
		return nil
	}
	ms := t.UnixMilli()
	return &ms
}

func (p *specReader) offsets(n yaml.Node) {
	if !p.Mapping(n, "offsets") {
		return
	}
	p.spec.Population.Offsets = map[string]map[int32]Offsets{}
	for _, topic := range n.Members {
		name := topic.Key.Text
		if !p.Mapping(topic.Value, "offsets of "+name) {
			continue
		}
		partitions := map[int32]Offsets{}
		for _, m := range topic.Value.Members {
			partition, err := strconv.ParseInt(m.Key.Text, 10, 32)
			if err != nil || partition < 0 || strconv.FormatInt(partition, 10) != m.Key.Text {
				p.Fault(m.Key.At, "key %q in offsets of %s: want the number of a partition", m.Key.Text, name)
				continue
			}
			partitions[int32(partition)] = p.offsetPair(m.Value, name+"/"+m.Key.Text)
		}
		p.spec.Population.Offsets[name] = partitions
		p.spec.Population.Topics = append(p.spec.Population.Topics, name)
	}
	slices.Sort(p.spec.Population.Topics)
}

func (p *specReader) offsetPair(n yaml.Node, what string) Offsets {
	var pair [2]int64
	ok := n.Kind == yaml.List && len(n.Items) == 2
	for i := 0; ok && i < 2; i++ {
		item := n.Items[i]
		v, err := strconv.ParseInt(item.Text, 10, 64)
		ok = item.Kind == yaml.Number && err == nil && v >= 0 && strconv.FormatInt(v, 10) == item.Text
		pair[i] = v
	}
	if !ok || pair[0] > pair[1] {
		p.Fault(n.At, "offsets of %s: want [FROM, TO], the first offset and the first one after the last", what)
	}
	return Offsets{pair[0], pair[1]}
}

func (p *specReader) copies(n yaml.Node) {
	items, _ := p.List(n, "copies")
	names := map[string]bool{}
	for _, item := range items {
		fields, ok := p.Fields(item, "copy", "name", "purpose", "expires", "deletion_due")
		if !ok {
			continue
		}
		c := Copy{Name: p.needed(item, fields, "copy", "name"), Purpose: p.needed(item, fields, "copy", "purpose")}
		if names[c.Name] {
			p.Fault(item.At, "copy %q is listed twice", c.Name)
		}
		names[c.Name] = true
		c.Expires, c.DeletionDue = p.date(fields, "expires"), p.date(fields, "deletion_due")
		p.spec.Copies = append(p.spec.Copies, c)
	}
}

// needed reads a text that has to be there.
func (p *specReader) needed(n yaml.Node, fields map[string]yaml.Member, what, key string) string {
	m, ok := fields[key]
	if !ok {
		p.Fault(n.At, "%s has no %s: write it", what, key)
		return ""
	}
	text, _ := p.Text(m.Value, key+" of a "+what)
	return text
}

// date reads a date or an RFC 3339 time, and keeps it as it is written.
func (p *specReader) date(fields map[string]yaml.Member, key string) string {
	m, ok := fields[key]
	if !ok {
		return ""
	}
	if _, ok := endOf(m.Value.Text); m.Value.Kind != yaml.Text || !ok {
		p.Fault(m.Value.At, "%s of a copy is %s: want a date such as 2026-12-31 or an RFC 3339 time", key, m.Value.Describe())
	}
	return m.Value.Text
}

// endOf is the first millisecond after a date, which ends at midnight UTC, or the moment of a time.
func endOf(text string) (int64, bool) {
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		return day.AddDate(0, 0, 1).UnixMilli(), true
	}
	t, err := time.Parse(time.RFC3339, text)
	return t.UnixMilli(), err == nil
}

func (p *specReader) exclusions(n yaml.Node) {
	items, _ := p.List(n, "exclusions")
	for _, item := range items {
		fields, ok := p.Fields(item, "exclusion", "words", "sets", "reasons")
		if !ok {
			continue
		}
		e := Exclusion{Words: p.needed(item, fields, "exclusion", "words")}
		sets, hasSets := fields["sets"]
		reasons, hasReasons := fields["reasons"]
		if !hasSets && !hasReasons {
			p.Fault(item.At, "exclusion has neither sets nor reasons: write what it leaves out")
		}
		if hasSets {
			for _, set := range p.texts(sets.Value, "sets") {
				e.Sets = append(e.Sets, p.set(set, sets.Value))
			}
		}
		if hasReasons {
			e.Reasons = p.texts(reasons.Value, "reasons")
			for _, reason := range e.Reasons {
				if _, known := record.ParseReason(reason); !known {
					p.Fault(reasons.Value.At, "reasons name %q, which is none: known are %s", reason, reasonList())
				}
			}
		}
		p.spec.Exclusions = append(p.spec.Exclusions, e)
	}
}

// set checks a set's form and sorts its names: a policy's order is not known here.
func (p *specReader) set(set string, n yaml.Node) string {
	if set == noSet {
		return set
	}
	for name := range strings.SplitSeq(set, "+") {
		if !record.IsJurisdiction(name) {
			p.Fault(n.At, "sets name %q: want names of jurisdictions joined by +, or %s", set, noSet)
			break
		}
	}
	return sortedSet(set)
}

// noSet is how entries write the empty set.
const noSet = "none"

func sortedSet(set string) string {
	if !strings.Contains(set, "+") {
		return set
	}
	names := strings.Split(set, "+")
	slices.Sort(names)
	return strings.Join(names, "+")
}

func reasonList() string {
	var names []string
	for _, r := range record.Reasons() {
		names = append(names, r.String())
	}
	return strings.Join(names, ", ")
}

// texts reads a list of different texts.
func (p *specReader) texts(n yaml.Node, what string) []string {
	items, _ := p.TextList(n, what)
	texts := make([]string, len(items))
	for i, item := range items {
		texts[i] = item.Text
	}
	return texts
}
