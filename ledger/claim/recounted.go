package claim

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/demarc/demarc/ledger"
	"github.com/demarc/demarc/ledger/share"
)

// RecountUse is what a recount says for a claim.
type RecountUse struct {
	SHA256           string         `json:"sha256"` // of the recount's document
	Begun            string         `json:"begun"`  // the sinks were what they were in between
	Ended            string         `json:"ended"`
	Size             uint64         `json:"size"`   // entries of the ledger that were recounted
	Source           bool           `json:"source"` // the source was compared too
	Verdict          string         `json:"verdict"`
	Sample           *Sample        `json:"sample,omitempty"`
	Entries          uint64         `json:"entries"`  // of the population, below Size: ranges, and what was stored once more
	Records          uint64         `json:"records"`  // of the ranges among them
	Receipts         uint64         `json:"receipts"` // of these entries
	EntriesAbove     uint64         `json:"entries_above"`
	RecordsAbove     uint64         `json:"records_above"`
	ReceiptsAbove    uint64         `json:"receipts_above"`
	Gone             uint64         `json:"gone"` // of Receipts: their records lie below the log start
	Differences      uint64         `json:"differences"`
	Unlisted         uint64         `json:"unlisted"`                    // of Differences: it is not known what they concern
	Elsewhere        uint64         `json:"elsewhere"`                   // of those listed: they concern neither the population nor the claim's sinks
	Unreceipted      uint64         `json:"unreceipted_records"`         // in any sink, without a receipt, and not known to be duplicates
	Cleared          uint64         `json:"cleared_offsets"`             // without a receipt, between receipts of the population, and known to hold no record that does not belong there
	ClearedFileBytes uint64         `json:"cleared_file_bytes"`          // likewise
	Unknown          []string       `json:"unknown"`                     // what the recount could not find out
	Comparison       *SourceEntries `json:"source_comparison,omitempty"` // with Source: of all entries below Size
}

// Sample is how many receipts a recount drew, and what that is worth.
type Sample struct {
	Drawn      uint64   `json:"drawn"`
	Of         uint64   `json:"of"`
	Confidence []string `json:"confidence"`
}

// SourceEntries is what became of the entries that were compared with the source.
type SourceEntries struct {
	Entries    uint64 `json:"entries"`
	Equal      uint64 `json:"equal"`
	Different  uint64 `json:"different"`
	Gone       uint64 `json:"gone"`
	Incomplete uint64 `json:"incomplete"`
	Unread     uint64 `json:"unread"`
}

// checked is what a recount covers of a run of entries, and what it does not.
type checked struct {
	below, above amount
	gone         map[string]gone // by sink
	listed       map[uint64]bool // entries of which the recount lists a difference
}

type amount struct{ entries, records, receipts uint64 }

func (n *amount) add(m amount) {
	n.entries += m.entries
	n.records += m.records
	n.receipts += m.receipts
}

// gone is receipts below the log start, and the first of them.
type gone struct {
	n       uint64
	entry   uint64
	receipt int
}

func (g gone) with(o gone) gone {
	if g.n == 0 || o.n > 0 && o.entry < g.entry {
		g.entry, g.receipt = o.entry, o.receipt
	}
	g.n += o.n
	return g
}

func newChecked() checked { return checked{gone: map[string]gone{}, listed: map[uint64]bool{}} }

func (c *checked) add(s seen) {
	n := amount{entries: 1, receipts: uint64(len(s.Receipts))}
	if !s.replay {
		n.records = uint64(s.Data)
	}
	if s.above {
		c.above.add(n)
		return
	}
	c.below.add(n)
	for sink, g := range s.gone {
		c.gone[sink] = c.gone[sink].with(g)
	}
	if s.listed {
		c.listed[s.index] = true
	}
}

func (c *checked) merge(o checked) {
	c.below.add(o.below)
	c.above.add(o.above)
	for sink, g := range o.gone {
		c.gone[sink] = c.gone[sink].with(g)
	}
	for entry := range o.listed {
		c.listed[entry] = true
	}
}

// note takes over what the recount says of one entry before it is tallied.
func (a *Accumulator) note(s *seen) {
	s.above = s.index >= a.doubts.size
	if s.above {
		return
	}
	if list, known := a.listed[s.index]; known {
		s.listed = true
		if !slices.ContainsFunc(list, func(d difference) bool { return !d.fits(s.Range) }) {
			delete(a.listed, s.index)
		}
	}
	a.outcomes++
	for i := range s.Receipts {
		r := &s.Receipts[i]
		a.receipts[r.Sink]++
		for _, n := range r.Counts {
			a.stored += n.Records
		}
		if a.doubts.gone(s.index, r) {
			if s.gone == nil {
				s.gone = map[string]gone{}
			}
			s.gone[r.Sink] = s.gone[r.Sink].with(gone{1, s.index, i})
		}
	}
}

// fits reports whether an entry has the receipt that a difference is about.
func (d *difference) fits(e *ledger.Range) bool {
	return d.Receipt == nil || *d.Receipt < len(e.Receipts) && e.Receipts[*d.Receipt].Sink == d.Sink
}

// doubted reports whether the recount does not confirm the records of an entry in a sink.
func (a *Accumulator) doubted(s *seen, sink string) bool {
	return a.doubts.about(s.index, sink) || s.gone[sink].n > 0
}

// recounted judges what a recount found, and says what each predicate rests on with it.
func (j *judge) recounted() {
	r, c := j.recount, j.claim
	if r == nil {
		return
	}
	n := &j.all.checked
	u := RecountUse{
		SHA256: fmt.Sprintf("%x", r.hash), Begun: timeText(r.Begun.UnixMilli()), Ended: timeText(r.Ended.UnixMilli()),
		Size: r.Ledger.Size, Source: r.Source != nil, Verdict: r.Verdict, Unlisted: r.unlisted(), Unknown: []string{},
		Entries: n.below.entries, Records: n.below.records, Receipts: n.below.receipts,
		EntriesAbove: n.above.entries, RecordsAbove: n.above.records, ReceiptsAbove: n.above.receipts,
	}
	for _, text := range r.Unknown {
		u.Unknown = append(u.Unknown, printable(text))
	}
	for _, count := range r.Differences {
		u.Differences += uint64(count)
	}
	if s := r.Sample; s != nil {
		u.Sample = &Sample{s.Drawn, s.Of, []string{}}
		for _, chance := range s.Confidence {
			u.Sample.Confidence = append(u.Sample.Confidence, chance.String())
		}
	}
	if s := r.Source; s != nil {
		u.Comparison = &SourceEntries{uint64(s.Entries), uint64(s.Equal), uint64(s.Different), uint64(s.Gone), uint64(s.Incomplete), uint64(s.Unread)}
	}
	c.Recount = &u
	j.differences()
	j.gone()
	j.withoutReceipt()
	j.bases()
}

// differences lists those that concern the population or the sinks of the claim. One that names no entry may be
// about anyone's records, and concerns every claim; so does a ledger that did not verify where the recount ran.
func (j *judge) differences() {
	u := j.claim.Recount
	for _, d := range j.recount.Listed {
		switch {
		case d.Kind == kindUnreceipted: // told for each place, with all numbers
		case d.Entry == nil || d.Kind == kindLedger || j.all.checked.listed[*d.Entry] || j.named(d.Sink):
			j.claim.Findings = append(j.claim.Findings, Finding{against[d.Kind], d.Kind, d.Entry, d.Receipt, "recount: " + d.message(), false})
		default:
			u.Elsewhere++
		}
	}
	if u.Unlisted > 0 {
		j.findCounted("exclusive", "unlisted", nil, "recount: it counts %s more than it lists: whose records they concern is not known", share.Plural(u.Unlisted, "difference"))
	}
}

// message is a difference without its entry and receipt.
func (d *difference) message() string {
	var at []string
	if d.Sink != "" {
		at = append(at, "sink "+d.Sink)
	}
	if d.Place != "" {
		at = append(at, d.Place)
	}
	if d.Offset != nil {
		at = append(at, fmt.Sprintf("offset %d", *d.Offset))
	}
	text := strings.Join(at, ", ")
	if text != "" {
		text += ": "
	}
	return printable(text + d.Cause)
}

// gone judges receipts of the population below the log start. Retention may have done that lawfully; but what is not
// there proves nothing.
func (j *judge) gone() {
	for _, sink := range slices.Sorted(maps.Keys(j.all.checked.gone)) {
		g := j.all.checked.gone[sink]
		j.claim.Recount.Gone += g.n
		entry, receipt := g.entry, g.receipt
		j.claim.Findings = append(j.claim.Findings, Finding{"exclusive", "gone", &entry, &receipt, fmt.Sprintf(
			"recount: sink %s: %s of the population lie below the log start: their records are gone, and prove nothing", sink, share.Plural(g.n, "receipt")), true})
	}
}

// withoutReceipt judges the records in all sinks that no receipt covers.
func (j *judge) withoutReceipt() {
	for i := range j.recount.Places {
		p := &j.recount.Places[i]
		n := p.Unreceipted
		if n.Records == n.Duplicates {
			continue
		}
		j.claim.Recount.Unreceipted += uint64(n.Records - n.Duplicates)
		first := ""
		for _, d := range j.recount.Listed {
			if d.Kind == kindUnreceipted && d.Offset != nil && p.holds(d.Place) {
				first = fmt.Sprintf("; the first listed lie at offset %d", *d.Offset)
				if p.Topic == "" {
					first = "; the first listed are in " + printable(d.Place)
				}
				break
			}
		}
		j.findCounted("exclusive", kindUnreceipted, nil, "recount: %s: %s without a receipt: the policy sends %s there and %s elsewhere, %s cannot be decided; %s are copies of records of the source%s",
			p, share.Plural(n.Records, "record"), share.Thousands(uint64(n.Belonging)), share.Thousands(uint64(n.Elsewhere)), share.Thousands(uint64(n.Undecided)),
			share.Thousands(uint64(n.Duplicates)), first)
	}
}

// holds reports whether the place that a difference names is p, or a file in it.
func (p *recountPlace) holds(named string) bool {
	if p.Topic == "" {
		return strings.HasPrefix(named, strings.TrimSuffix(p.Directory, "/")+"/")
	}
	return named == p.key().place.String()
}

// cleared counts the offsets of a place without a receipt, between lo and hi, of which the recount tells that they
// hold transaction markers, nothing, or copies of records of the ledger that belong there.
func (j *judge) cleared(at place, e extent, c *coverage) int64 {
	if j.recount == nil || j.recount.Sample != nil {
		return 0
	}
	p := j.doubts.places[at]
	if p == nil || !p.clean() || e.lo < p.LogStart || e.lo >= p.End {
		return 0
	}
	n := c.missing(e)
	if p.End < e.hi {
		n -= c.missing(extent{p.End, e.hi})
	}
	return max(n, 0)
}

// clearedFiles reports whether all that lies in the directories of a sink without a receipt are such copies.
func (j *judge) clearedFiles(sink string) bool {
	if j.recount == nil || j.recount.Sample != nil || j.recount.Differences[kindDamaged] > 0 {
		return false
	}
	found := false
	for i := range j.recount.Places {
		p := &j.recount.Places[i]
		if p.Topic != "" || !slices.Contains(p.Sinks, sink) {
			continue
		}
		if found = p.clean(); !found {
			return false
		}
	}
	return found
}

// clean reports whether the place was read whole, and holds nothing without a receipt but copies.
func (p *recountPlace) clean() bool {
	return p.Receipts.Unread == 0 && p.Unreceipted.Records == p.Unreceipted.Duplicates
}

// confirmed judges whether a recount says of all records that they are where the ledger states. That it finds a
// difference is a finding by itself.
func (j *judge) confirmed() {
	n, stored := j.claim.Total.Doubted, j.claim.Claimed.Verb == Stored
	switch note := j.claim.Exclusive.Note; {
	case stored && note != "":
		find := j.find
		if n > 0 {
			find = j.findCounted
		}
		find("exclusive", "not_recounted", nil, "recount: it does not say of all records that they are stored: %s", note)
	case stored && j.recount == nil:
		j.find("exclusive", "not_recounted", nil, "what is stored only a recount tells, and none was given")
	case n > 0 && len(j.claim.Findings) == 0:
		j.findCounted("exclusive", "not_recounted", nil, "recount: it does not confirm where %s are", share.Plural(n, "record"))
	}
}

// bases says what each predicate rests on. The weakest part decides.
func (j *judge) bases() {
	r, c, u := j.recount, j.claim, j.claim.Recount
	short := r.shortfall()
	if short == "" && u.EntriesAbove > 0 {
		short = fmt.Sprintf("the first %s of the ledger were recounted, but not %s of the population above them, with %s", entries(r.Ledger.Size), entries(u.EntriesAbove), share.Plural(u.RecordsAbove, "record"))
	}
	if short != "" {
		c.Complete.Note, c.Classified.Note, c.Exclusive.Note = short, short, short
		return
	}
	c.Classified.Basis, c.Exclusive.Basis = Recounted, Recounted
	s := r.Source
	switch {
	case s == nil:
		c.Complete.Note = "the sinks were recounted, the source was not compared"
	case s.Equal+s.Different < s.Entries:
		c.Complete.Note = fmt.Sprintf("%s of %s were compared with the source: of the others it or the sinks did not hold all", share.Thousands(uint64(s.Equal+s.Different)), entries(uint64(s.Entries)))
	default:
		c.Complete.Basis, c.Classified.Basis, c.Exclusive.Basis = Compared, Compared, Compared
	}
}
