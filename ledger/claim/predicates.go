package claim

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/demarc/demarc/ledger"
	"github.com/demarc/demarc/ledger/share"
)

func (j *judge) find(predicate, kind string, entry *uint64, format string, args ...any) {
	j.claim.Findings = append(j.claim.Findings, Finding{Predicate: predicate, Kind: kind, Entry: entry, Message: fmt.Sprintf(format, args...)})
}

// findCounted is find for what the numbers of the sentence hold.
func (j *judge) findCounted(predicate, kind string, entry *uint64, format string, args ...any) {
	j.find(predicate, kind, entry, format, args...)
	j.claim.Findings[len(j.claim.Findings)-1].Counted = true
}

// complete judges whether entries cover every source offset of the period, and adds up all partitions.
func (j *judge) complete() {
	c := &j.claim.Complete
	keys := slices.SortedFunc(maps.Keys(j.topics), compareTopics)
	for _, name := range j.spec.Population.Topics {
		if !slices.ContainsFunc(keys, func(k topicKey) bool { return k.topic == name }) {
			j.find("complete", "no_such_topic", nil, "topic %s: the ledger does not tell of it", name)
		}
	}
	c.Topics = len(keys)
	for _, key := range keys {
		for n := range j.spec.Population.Offsets[key.topic] {
			j.partition(partitionKey{key, n}) // what the claim names is judged, whether it is there or not
		}
	}
	known := map[topicKey][]int32{}
	for key := range j.partitions {
		known[key.topicKey] = append(known[key.topicKey], key.partition)
	}
	for _, key := range keys {
		t := j.topics[key]
		if !t.told {
			j.find("complete", "no_span", nil, "topic %s: no span says how many partitions it has and how far they reach", key.topic)
		}
		slices.Sort(known[key])
		j.reached(key, known[key])
		j.missing(key, t.count, known[key])
	}
	for _, key := range slices.SortedFunc(maps.Keys(j.partitions), comparePartitions) {
		p := j.partitions[key]
		if j.topics[key.topicKey].told && !p.told && p.started {
			j.find("complete", "not_told", nil, "%s: ranges tell of it, but no span of the period does", name(key))
		}
		c.Partitions++
		j.covered(key, p)
		j.all.merge(p.a)
	}
	c.Data, c.Control, c.Absent = uint64(j.all.data), uint64(j.all.control), uint64(j.all.absent)
}

func compareTopics(a, b topicKey) int {
	return cmp.Or(strings.Compare(a.topic, b.topic), strings.Compare(a.cluster, b.cluster), strings.Compare(a.id, b.id))
}

func comparePartitions(a, b partitionKey) int {
	return cmp.Or(compareTopics(a.topicKey, b.topicKey), cmp.Compare(a.partition, b.partition))
}

func name(key partitionKey) string { return fmt.Sprintf("%s/%d", key.topic, key.partition) }

// missing judges whether there are partitions that nothing tells of.
func (j *judge) missing(key topicKey, count int32, known []int32) {
	missing, first := count, int32(0)
	for _, n := range known {
		if n < count {
			missing--
		}
		if n == first {
			first++
		}
	}
	if missing > 0 {
		j.find("complete", "left_out", nil, "topic %s: it has %s, and nothing tells of %s, the first is %d",
			key.topic, share.Plural(int64(count), "partition"), share.Thousands(uint64(missing)), first)
	}
}

// reached judges whether the spans of a topic reach as far as the times that the claim asks for.
func (j *judge) reached(key topicKey, known []int32) {
	period := j.spec.Population
	late, open, untold := 0, 0, 0
	for _, n := range known {
		p := j.partition(partitionKey{key, n})
		if period.To == nil && period.Offsets == nil && p.told && p.latest < j.topics[key].latest {
			untold++
		}
		if period.From != nil && p.told && !p.begun && !p.fresh {
			late++
		}
		if period.To != nil && p.told && !p.closed {
			open++
		}
	}
	if late > 0 {
		j.find("complete", "begins_late", nil, "topic %s: no span at or before %s tells of %s: what there was before the first one is not known",
			key.topic, timeText(*period.From), share.Plural(late, "partition"))
	}
	if open > 0 {
		j.find("complete", "ends_early", nil, "topic %s: no span at or after %s tells of %s: what came until then is not known",
			key.topic, timeText(*period.To), share.Plural(open, "partition"))
	}
	if untold > 0 {
		j.find("complete", "ends_early", nil, "topic %s: its last span, at %s, does not tell of %s: what came until then is not known",
			key.topic, timeText(j.topics[key].latest), share.Plural(untold, "partition"))
	}
}

// covered judges one partition.
func (j *judge) covered(key partitionKey, p *partition) {
	c, t := &j.claim.Complete, p.a
	needFrom, needTo := p.lower.offset, p.upper.offset
	if j.spec.Population.From == nil && j.spec.Population.Offsets == nil && p.told && !p.fresh {
		end := needFrom
		if p.started {
			end = min(end, t.mark)
		}
		j.before += uint64(max(end-p.first, 0))
	}
	if j.spec.Population.Offsets != nil {
		within, written := j.spec.Population.Offsets[key.topic][key.partition]
		if !written {
			j.find("complete", "left_out", nil, "%s: the claim's offsets leave it out: write [N, N] if nothing of it is meant", name(key))
		}
		needFrom, needTo = within.From, within.To
		if !t.reached {
			t.mark, t.to = needFrom, needFrom
		}
	}
	j.bound(key, p, needFrom, needTo)
	c.Offsets += uint64(t.to - t.mark)
	c.Holes += uint64(t.hole.n)
	c.Gaps += uint64(t.gap.n)
	if t.hole.n > 0 {
		j.findCounted("complete", "hole", &t.hole.entry, "%s: %s are in no entry, the first is %d", name(key), share.Plural(t.hole.n, "offset"), t.hole.from)
	}
	if t.gap.n > 0 {
		j.findCounted("complete", "gap", &t.gap.entry, "%s: an operator passed over %s, the first is %d: %s", name(key), share.Plural(t.gap.n, "offset"), t.gap.from, t.gap.why)
	}
	if p.late.n > 0 {
		c.Holes += uint64(p.late.n)
		j.findCounted("complete", "told_late", nil, "%s: it had reached offset %d before %s, says a span that the ledger tells after one that ended the period: %s, from %d on, were not judged",
			name(key), p.upper.offset, timeText(*j.spec.Population.To), share.Plural(p.late.n, "offset"), p.late.from)
	}
	if p.overlap.n > 0 {
		j.find("complete", "overlap", &p.overlap.entry, "%s: %s are in two ranges, the first is %d", name(key), share.Plural(p.overlap.n, "offset"), p.overlap.from)
	}
	if needTo <= needFrom {
		return
	}
	switch unread := needTo - max(t.to, needFrom); {
	case !p.started:
		c.Unread += uint64(unread)
		j.findCounted("complete", "left_out", nil, "%s: no entry tells of it, it has %s from %d to %d", name(key), share.Plural(unread, "offset"), needFrom, needTo)
		return
	case unread > 0:
		c.Unread += uint64(unread)
		j.findCounted("complete", "unread_tail", nil, "%s: no entry tells of the last %s, from %d on", name(key), share.Plural(unread, "offset"), max(t.to, needFrom))
	}
	if head := min(t.mark, needTo) - needFrom; head > 0 && t.to > t.mark {
		c.Holes += uint64(head)
		j.findCounted("complete", "unread_head", nil, "%s: no entry tells of the first %s, from %d on", name(key), share.Plural(head, "offset"), needFrom)
	}
}

func (j *judge) bound(key partitionKey, p *partition, needFrom, needTo int64) {
	b := Bound{
		Cluster: key.cluster, Topic: key.topic, TopicID: key.id, Partition: key.partition,
		From: p.a.mark, To: p.a.to, NeedFrom: needFrom, NeedTo: needTo,
	}
	if p.told {
		b.SpanFrom, b.SpanTo = timeText(p.lower.at), timeText(p.upper.at)
	}
	if times := p.a.times; times != nil {
		b.FirstRecord, b.LastRecord = timeText(times.First), timeText(times.Last)
	}
	j.claim.Bounds = append(j.claim.Bounds, b)
}

// classified judges whether every record that may be the subject's was decided.
func (j *judge) classified() {
	subject := j.spec.Jurisdiction
	for _, r := range j.claim.Classified.Candidates {
		j.findCounted("classified", "quarantined", j.first(func(key outcome) bool { return j.part(key) == Candidates && key.reason == r.Reason }),
			"%s with %s as a candidate: %s", share.Plural(r.Records, "record"), subject, quarantinedFor(r))
	}
	for _, r := range j.claim.Classified.Anyone {
		j.findCounted("classified", "unknown", j.first(func(key outcome) bool { return j.part(key) == Anyone && key.reason == r.Reason }),
			"%s without any candidate: %s, and could be anyone's", share.Plural(r.Records, "record"), quarantinedFor(r))
	}
}

func quarantinedFor(r Reason) string {
	if r.Records == 1 {
		return "it is quarantined for " + r.Reason
	}
	return "they are quarantined for " + r.Reason
}

// first finds the first entry that tells of an outcome which no exclusion leaves out.
func (j *judge) first(match func(outcome) bool) *uint64 {
	var entry *uint64
	for key, s := range j.all.counts {
		if !key.replay && j.concerns(key) && j.exclusion(key) == 0 && match(key) && (entry == nil || s.first < *entry) {
			entry = &s.first
		}
	}
	return entry
}

// misplaced is one way in which a sink holds records of the subject that a claim cannot rest on.
type misplaced struct {
	sink, kind  string
	replay      bool
	contradicts string // of not_described
}

// exclusive judges where the subject's records lie, the quarantined ones among them.
func (j *judge) exclusive() {
	found := map[misplaced]sum{}
	type state struct {
		sink      string
		fact      int
		elsewhere bool
	}
	states := map[state]uint64{}
	x := &j.claim.Exclusive
	for key, s := range j.all.counts {
		if !j.concerns(key) || key.set == noSet || j.exclusion(key) > 0 {
			continue
		}
		kind := j.misplaced(key)
		if kind != "" {
			m := misplaced{sink: key.sink, kind: kind, replay: key.replay}
			if kind == "not_described" {
				m.contradicts = j.facts[key.fact].contradicts
			}
			found[m] = found[m].with(s)
		}
		if key.replay {
			continue
		}
		states[state{key.sink, key.fact, key.elsewhere}] += s.records
		switch {
		case kind == "foreign_sink":
			x.NotNamed += s.records
		case kind != "":
			x.Unproved += s.records
		case key.doubted:
			x.Doubted += s.records
		default:
			x.Inside += s.records
			if j.facts[key.fact].unpinned {
				x.Unpinned += s.records
			}
		}
	}
	for st, n := range states {
		j.claim.Sinks = append(j.claim.Sinks, j.sink(st.sink, st.fact, st.elsewhere, n))
	}
	slices.SortFunc(j.claim.Sinks, func(a, b Sink) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Pins, b.Pins), strings.Compare(a.Place, b.Place),
			strings.Compare(a.Country, b.Country), strings.Compare(a.Region, b.Region), strings.Compare(a.Operator, b.Operator), cmp.Compare(a.Records, b.Records))
	})
	for _, m := range slices.SortedFunc(maps.Keys(found), func(a, b misplaced) int {
		return cmp.Or(strings.Compare(a.kind, b.kind), strings.Compare(a.sink, b.sink), cmp.Compare(btoi(a.replay), btoi(b.replay)),
			strings.Compare(a.contradicts, b.contradicts))
	}) {
		s := found[m]
		what := share.Plural(s.records, "record") + " of " + j.spec.Jurisdiction
		if m.replay {
			what += ", stored once more,"
		}
		why := ""
		if m.contradicts != "" {
			why = ": " + m.contradicts
		}
		find := j.findCounted
		if m.replay {
			find = j.find
		}
		find("exclusive", m.kind, &s.first, "sink %s: %s %s%s", ledger.SinkText(m.sink), what, misplacedWords[m.kind], why)
	}
}

var misplacedWords = map[string]string{
	"foreign_sink":  "went there, and the claim does not name it",
	"pins_unknown":  "were stored there before the ledger says that its pins held",
	"pins_not_held": "were stored there while its pins did not hold",
	"other_place":   "have receipts from another place than the one whose pins were checked",
	"not_described": "were stored there while the ledger told of another sink than its policy",
}

// misplaced says what is wrong with where records lie, "" if nothing is.
func (j *judge) misplaced(key outcome) string {
	switch {
	case !j.named(key.sink):
		return "foreign_sink"
	case key.fact < 0:
		return "pins_unknown"
	case !j.facts[key.fact].held:
		return "pins_not_held"
	case key.elsewhere:
		return "other_place"
	case j.facts[key.fact].contradicts != "":
		return "not_described"
	}
	return ""
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (j *judge) sink(sink string, index int, elsewhere bool, records uint64) Sink {
	s := Sink{Name: sink, Named: j.named(sink), Pins: "unknown", Records: records}
	if index < 0 {
		return s
	}
	f := j.facts[index]
	s.Country, s.Region, s.Operator = f.location.Country, f.location.Region, f.location.Operator
	s.Place = "directory " + f.place.Directory
	if f.place.Topic != "" {
		s.Place = "topic " + f.place.Topic + " of cluster " + f.place.Cluster
	}
	switch {
	case !f.held:
		s.Pins = "not held"
	case elsewhere:
		s.Pins = "held elsewhere"
	case f.contradicts != "":
		s.Pins = "not of the policy"
	case f.unpinned:
		s.Pins = "unpinned"
	default:
		s.Pins = "held"
	}
	return s
}

// stored judges whether receipts cover the sinks from their first receipt of the population to the last.
func (j *judge) stored() {
	x := &j.claim.Exclusive
	places := slices.SortedFunc(maps.Keys(j.all.stored), func(a, b place) int {
		return cmp.Or(strings.Compare(a.topic, b.topic), strings.Compare(a.cluster, b.cluster), cmp.Compare(a.partition, b.partition))
	})
	for _, at := range places {
		e, c := j.all.stored[at], j.places[at]
		x.SinkPartitions++
		x.SinkOffsets += uint64(e.hi - e.lo)
		cleared := j.cleared(at, e, c)
		if cleared > 0 {
			j.claim.Recount.Cleared += uint64(cleared)
		}
		if n := c.missing(e) - cleared; n > 0 {
			x.Unreceipted += uint64(n)
			j.findCounted("exclusive", kindUnreceipted, nil, "%s: %s of %s between the first and the last receipt have none: %s",
				at, share.Thousands(uint64(n)), share.Plural(e.hi-e.lo, "offset"), j.untilRecount())
		}
		if c.twice > 0 {
			x.Twice += uint64(c.twice)
			j.find("exclusive", "receipted_twice", &c.first, "%s: %s have two receipts", at, share.Plural(c.twice, "offset"))
		}
	}
	for _, at := range slices.SortedFunc(maps.Keys(j.all.fileHoles), func(a, b fileHole) int {
		return cmp.Or(strings.Compare(a.sink, b.sink), cmp.Compare(btoi(a.above), btoi(b.above)))
	}) {
		l := j.all.fileHoles[at]
		if !at.above && j.clearedFiles(at.sink) {
			j.claim.Recount.ClearedFileBytes += uint64(l.n)
			continue
		}
		x.UnreceiptedFile = min(x.UnreceiptedFile, maxLoss) + uint64(l.n)
		j.findCounted("exclusive", kindUnreceipted, &l.entry, "sink %s: %s of its files lie between receipts and have none: %s", ledger.SinkText(at.sink), share.Plural(l.n, "byte"), j.untilRecount())
	}
}

// untilRecount says what a hole between receipts needs.
func (j *judge) untilRecount() string {
	if j.recount == nil {
		return "whose they are is not known until a recount"
	}
	return "the recount does not show that they hold only copies of records that belong there"
}

// copies judges the other places that still hold the data, at the latest time that the ledger or the claim knows.
func (j *judge) copies() {
	var at int64
	known := false
	for _, t := range []*int64{j.lastSpan, j.spec.Population.To} {
		if t != nil && (!known || *t > at) {
			at, known = *t, true
		}
	}
	for _, c := range j.spec.Copies {
		j.claim.Copies = append(j.claim.Copies, JudgedCopy(c))
		due, hasDue := endOf(c.DeletionDue)
		expires, hasExpires := endOf(c.Expires)
		switch {
		case !hasDue:
			j.find("copies", "no_due_date", nil, "copy %s: nothing says when it has to be deleted", c.Name)
		case known && due <= at:
			j.find("copies", "past_due", nil, "copy %s: it had to be deleted by %s, and still holds the data at %s", c.Name, c.DeletionDue, timeText(at))
		case hasExpires && expires > due:
			j.find("copies", "kept_too_long", nil, "copy %s: it expires on %s, after it has to be deleted by %s", c.Name, c.Expires, c.DeletionDue)
		}
	}
	if known && len(j.spec.Copies) > 0 {
		j.claim.CopiesAt = timeText(at)
	}
}
