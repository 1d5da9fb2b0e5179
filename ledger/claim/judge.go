package claim

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/demarc/demarc/internal/record"
	"github.com/demarc/demarc/ledger"
	"github.com/demarc/demarc/ledger/share"
)

// judge turns what was added up into a claim.
type judge struct {
	*Accumulator
	claim  *Claim
	all    *tally // of the population
	before uint64 // source offsets that were there at the first span, below it, and are in no entry
}

// Claim judges what was added. l is the ledger that the entries came from, verified without a fault. The error says
// why the recount is not one of this ledger.
func (a *Accumulator) Claim(l Ledger) (*Claim, error) {
	if err := a.fits(l); err != nil {
		return nil, err
	}
	j := judge{Accumulator: a, all: newTally(0), claim: &Claim{
		Format: Format, Ledger: l, Claimed: a.spec.claimed(),
		Complete: Complete{Basis: Stated}, Classified: Classified{Basis: Stated}, Exclusive: Exclusive{Basis: Stated},
		// Empty lists are written as such.
		Findings: []Finding{}, Outcomes: []Outcome{}, Exclusions: []Excluded{}, Copies: []JudgedCopy{}, Sinks: []Sink{},
		Policies: []Policy{}, Geo: []Geo{}, Bounds: []Bound{}, Limits: []string{},
	}}
	j.complete()
	j.policies()
	j.outcomes()
	j.recounted()
	j.stored()
	j.confirmed()
	j.copies()
	c := j.claim
	if c.Total.Whole == 0 {
		j.findCounted("subject", "nothing", nil, "no record of the population was decided %s or may be: there is nothing to claim", a.spec.Jurisdiction)
	}
	slices.SortStableFunc(c.Findings, func(a, b Finding) int {
		return cmp.Compare(slices.Index(predicates, a.Predicate), slices.Index(predicates, b.Predicate))
	})
	c.Holds = len(c.Findings) == 0
	c.Complete.Holds, c.Classified.Holds, c.Exclusive.Holds = j.holds("complete"), j.holds("classified"), j.holds("exclusive")
	c.Sentence = c.sentence()
	c.Limits = j.limits()
	return c, nil
}

// predicates in the order in which their findings are printed.
var predicates = []string{"subject", "complete", "classified", "exclusive", "copies"}

func (j *judge) holds(predicate string) bool {
	return !slices.ContainsFunc(j.claim.Findings, func(f Finding) bool { return f.Predicate == predicate })
}

// claimed is the claim file in the words of the document.
func (s *Spec) claimed() Claimed {
	c := Claimed{
		Jurisdiction: s.Jurisdiction, Policies: append([]string{}, s.Policies...), Verb: s.Verb,
		Topics: append([]string{}, s.Population.Topics...), Sinks: s.Sinks,
	}
	if s.Population.From != nil {
		c.From = timeText(*s.Population.From)
	}
	if s.Population.To != nil {
		c.To = timeText(*s.Population.To)
	}
	for _, topic := range slices.Sorted(maps.Keys(s.Population.Offsets)) {
		for _, n := range slices.Sorted(maps.Keys(s.Population.Offsets[topic])) {
			o := s.Population.Offsets[topic][n]
			c.Offsets = append(c.Offsets, ClaimedOffsets{topic, n, o.From, o.To})
		}
	}
	return c
}

// timeText writes milliseconds since the epoch. Timestamps of records are whatever their producers wrote.
func timeText(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.999Z") }

// policies judges whether every range was decided by a policy that defines the jurisdiction, and all by the same
// definition unless the claim names each policy.
func (j *judge) policies() {
	definitions := map[string]bool{}
	hashes := slices.SortedFunc(maps.Keys(j.all.policies), func(a, b string) int {
		return cmp.Or(cmp.Compare(j.all.policies[a], j.all.policies[b]), strings.Compare(a, b))
	})
	named := j.spec.Policies
	for _, hash := range hashes {
		version := j.all.policies[hash]
		told := policy{fault: "its text is not in the ledger before the first range that cites it"}
		if p := j.Accumulator.policies[hash]; p != nil {
			told = *p
		}
		j.claim.Policies = append(j.claim.Policies, Policy{version, hash, told.definition})
		switch {
		case told.fault != "":
			j.find("subject", "policy_unread", nil, "policy %d (%s): %s", version, hash, told.fault)
		case told.definition == "":
			j.find("subject", "not_defined", nil, "policy %d (%s) defines no jurisdiction %s", version, hash, j.spec.Jurisdiction)
		}
		if entry, without := j.all.noGeo[hash]; without && told.reads {
			j.find("subject", "no_geo", &entry, "policy %d (%s) looks addresses up, and ranges under it do not say in which geo database", version, hash)
		}
		if len(named) > 0 && !slices.Contains(named, hash) {
			j.find("subject", "policy_not_named", nil, "policy %d (%s) decided records of the population, and the claim does not name it", version, hash)
		}
		definitions[told.definition] = true
	}
	if len(named) == 0 && len(definitions) > 1 {
		j.find("subject", "meaning_changed", nil, "%s does not mean the same in all %d policies of the period: name their hashes in the claim if all are meant",
			j.spec.Jurisdiction, len(hashes))
	}
	geos := slices.SortedFunc(maps.Keys(j.all.geos), func(a, b ledger.Geo) int {
		return cmp.Or(cmp.Compare(a.Built, b.Built), strings.Compare(a.SHA256, b.SHA256))
	})
	for _, g := range geos {
		j.claim.Geo = append(j.claim.Geo, Geo{g.SHA256, timeText(g.Built * 1000)})
	}
}

// outcomes judges what became of every record that is, or may be, the subject's.
func (j *judge) outcomes() {
	j.listExclusions()
	type row struct {
		set, reason, sink string
		counts            Part
		exclusion         int
	}
	rows := map[row]sum{}
	c := j.claim
	for key, s := range j.all.counts {
		concerns := j.concerns(key)
		if !concerns {
			if !key.replay {
				c.Total.Others += s.records
			}
			continue
		}
		n := j.exclusion(key)
		part := j.part(key)
		if n > 0 {
			part = Left
		}
		if key.replay {
			c.Exclusive.Replayed += s.records
		} else {
			r := row{key.set, key.reason, key.sink, part, n}
			rows[r] = rows[r].with(s)
		}
	}
	order := func(a, b row) int {
		return cmp.Or(cmp.Compare(slices.Index(parts, a.counts), slices.Index(parts, b.counts)), cmp.Compare(rows[b].records, rows[a].records),
			strings.Compare(a.set, b.set), strings.Compare(a.reason, b.reason), strings.Compare(a.sink, b.sink), cmp.Compare(a.exclusion, b.exclusion))
	}
	for _, r := range slices.SortedFunc(maps.Keys(rows), order) {
		s := rows[r]
		c.Outcomes = append(c.Outcomes, Outcome{
			Set: r.set, Reason: r.reason, Sink: r.sink, Records: s.records, Bytes: s.bytes, Counts: r.counts, Exclusion: r.exclusion,
		})
		j.count(r.counts, r.reason, s.records)
		if r.exclusion > 0 {
			c.Exclusions[r.exclusion-1].Records += s.records
		}
	}
	c.Classified.Candidates, c.Classified.Anyone = reasons(c.Outcomes, Candidates), reasons(c.Outcomes, Anyone)
	t := &c.Total
	t.Uncovered = c.Complete.Gaps + c.Complete.Holes + c.Complete.Unread
	t.Whole = t.Inside + t.Candidates + t.Anyone + t.Outside + t.Unproved + t.Doubted + t.Uncovered
	t.Percent = share.Percent(t.Inside, t.Whole)
	for i := range c.Outcomes {
		if o := &c.Outcomes[i]; o.Counts != Left {
			o.Percent = share.Percent(o.Records, t.Whole)
		}
	}
	j.classified()
	j.exclusive()
}

// parts in the order in which outcomes are printed.
var parts = []Part{Inside, Outside, Unproved, Doubted, Candidates, Anyone, Left}

func (s sum) with(o sum) sum {
	if s.records == 0 || o.first < s.first {
		s.first = o.first
	}
	return sum{s.records + o.records, s.bytes + o.bytes, s.first}
}

func (j *judge) count(part Part, reason string, n uint64) {
	t := &j.claim.Total
	switch part {
	case Inside:
		t.Inside += n
	case Candidates:
		t.Candidates += n
	case Anyone:
		t.Anyone += n
	case Outside:
		t.Outside += n
	case Unproved:
		t.Unproved += n
	case Doubted:
		t.Doubted += n
	case Left:
		t.Excluded += n
		return
	}
	switch reason {
	case record.Decided.String():
		j.claim.Classified.Decided += n
	case record.Overlap.String():
		j.claim.Classified.Overlap += n
	}
}

// concerns reports whether records of a set are, or may be, the subject's.
func (j *judge) concerns(key outcome) bool {
	return key.set == noSet || slices.Contains(strings.Split(key.set, "+"), j.spec.Jurisdiction)
}

// part says as which part of the total records count.
func (j *judge) part(key outcome) Part {
	switch {
	case key.set == noSet:
		return Anyone
	case quarantines(key.reason):
		return Candidates
	case !j.named(key.sink):
		return Outside
	case !j.proved(key):
		return Unproved
	case key.doubted:
		return Doubted
	}
	return Inside
}

// quarantines reports whether a reason is one of quarantine; what is unknown is none of delivery.
func quarantines(reason string) bool {
	r, known := record.ParseReason(reason)
	return !known || r.Quarantines()
}

func (j *judge) named(sink string) bool { return slices.Contains(j.spec.Sinks, sink) }

// proved reports whether the sink's pins had last held, or the policy asks for none, and the receipts lie there.
func (j *judge) proved(key outcome) bool {
	return key.fact >= 0 && j.facts[key.fact].held && !key.elsewhere && j.facts[key.fact].contradicts == ""
}

// listExclusions numbers what the policies' overlap routes as another member, and what the claim's author writes.
func (j *judge) listExclusions() {
	seen := map[overlap]bool{}
	var routed []overlap
	for hash := range j.all.policies {
		p := j.Accumulator.policies[hash]
		if p == nil {
			continue
		}
		for _, o := range p.overlaps {
			if o.member != j.spec.Jurisdiction && slices.Contains(strings.Split(o.set, "+"), j.spec.Jurisdiction) && !seen[o] {
				seen[o] = true
				routed = append(routed, o)
			}
		}
	}
	slices.SortFunc(routed, func(a, b overlap) int {
		return cmp.Or(strings.Compare(a.set, b.set), strings.Compare(a.member, b.member))
	})
	for _, o := range routed {
		j.claim.Exclusions = append(j.claim.Exclusions, Excluded{
			Number: len(j.claim.Exclusions) + 1, Policy: true, Sets: []string{o.set}, Reasons: []string{record.Overlap.String()},
			Words: "the policy's overlap routes records of " + o.set + " as " + o.member,
		})
	}
	for _, e := range j.spec.Exclusions {
		j.claim.Exclusions = append(j.claim.Exclusions, Excluded{
			Number: len(j.claim.Exclusions) + 1, Words: e.Words, Sets: append([]string{}, e.Sets...), Reasons: append([]string{}, e.Reasons...),
		})
	}
}

// exclusion is the number of the first exclusion that leaves an outcome out, 0 if none does. One that a policy makes
// leaves out only what that policy decided.
func (j *judge) exclusion(key outcome) int {
	set := sortedSet(key.set)
	for _, e := range j.claim.Exclusions {
		if len(e.Sets) > 0 && !slices.Contains(e.Sets, set) || len(e.Reasons) > 0 && !slices.Contains(e.Reasons, key.reason) {
			continue
		}
		if e.Policy && !j.routedAway(key.policy, set) {
			continue
		}
		return e.Number
	}
	return 0
}

func (j *judge) routedAway(hash, set string) bool {
	p := j.Accumulator.policies[hash]
	return p != nil && slices.ContainsFunc(p.overlaps, func(o overlap) bool { return o.set == set && o.member != j.spec.Jurisdiction })
}

// reasons adds up the outcomes of a part, the most frequent first.
func reasons(outcomes []Outcome, part Part) []Reason {
	by := map[string]uint64{}
	for _, o := range outcomes {
		if o.Counts == part {
			by[o.Reason] += o.Records
		}
	}
	list := []Reason{}
	for reason, n := range by {
		list = append(list, Reason{reason, n})
	}
	slices.SortFunc(list, func(a, b Reason) int {
		return cmp.Or(cmp.Compare(b.Records, a.Records), strings.Compare(a.Reason, b.Reason))
	})
	return list
}
