package claim

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/demarc/demarc/ledger"
	"github.com/demarc/demarc/ledger/share"
)

// Text is the claim for a terminal: plain text, at most 100 columns where names allow, a line feed at its end.
func (c *Claim) Text() []byte {
	var w layout
	w.line("%s %s: %s", c.Claimed.Jurisdiction, c.Claimed.Verb, c.verdict())
	w.gap()
	w.wrap("  ", c.Sentence)
	w.gap()
	w.line("ledger      %s", c.Ledger.Origin)
	w.line("            %s, root %s", entries(c.Ledger.Size), c.Ledger.Root)
	w.line("            verified with %s", c.Ledger.Key)
	if s := c.Ledger.Since; s != nil {
		w.line("            continues the checkpoint of %s, root %s", entries(s.Size), s.Root)
	}
	if r := c.Recount; r != nil {
		w.wrap("recount     ", r.String())
		w.line("            sha256 %s", r.SHA256)
		w.fields(r.Numbers())
		for _, text := range r.Remarks() {
			w.wrap("            ", text)
		}
	}
	w.line("period      %s", c.Claimed.period())
	w.line("topics      %s", orAll(c.Claimed.Topics))
	w.line("sinks       %s", strings.Join(c.Claimed.Sinks, ", "))
	w.gap()
	w.wrap("complete    ", answer(c.Complete.Holds, c.Complete.Basis, c.Complete.Note))
	w.fields(c.Complete.Numbers())
	w.wrap("classified  ", answer(c.Classified.Holds, c.Classified.Basis, c.Classified.Note))
	w.fields(c.Classified.Numbers())
	w.wrap("exclusive   ", answer(c.Exclusive.Holds, c.Exclusive.Basis, c.Exclusive.Note))
	w.fields(c.Exclusive.Numbers())
	w.gap()
	c.textFindings(&w)
	c.textTables(&w)
	w.line("what this does not cover")
	for i, limit := range c.Limits {
		w.wrap(fmt.Sprintf("  %2d. ", i+1), limit)
	}
	return []byte(ledger.Visible(w.String()))
}

func (c *Claim) textFindings(w *layout) {
	if len(c.Findings) == 0 {
		w.line("findings: none")
		w.gap()
		return
	}
	w.line("findings")
	for i, f := range c.Findings {
		w.wrap(fmt.Sprintf("  %2d. ", i+1), f.String())
	}
	w.gap()
}

// String is the finding as one line.
func (f Finding) String() string {
	s := f.Predicate + " (" + f.Kind + "): " + f.Message
	return s + f.Where()
}

// Where names the entry of a finding, and of a recount's the receipt; "" if there is none.
func (f Finding) Where() string {
	switch {
	case f.Entry == nil:
		return ""
	case f.Receipt == nil:
		return fmt.Sprintf("; first in entry %d", *f.Entry)
	}
	return fmt.Sprintf("; entry %d, receipt %d", *f.Entry, *f.Receipt)
}

func (c *Claim) textTables(w *layout) {
	rows := [][]string{}
	for _, o := range c.Outcomes {
		rows = append(rows, []string{share.Thousands(o.Records), o.PercentText(), o.Set, o.Reason, ledger.SinkText(o.Sink), o.CountsText()})
	}
	w.table("what became of them", []string{"records", "% of the whole", "set or candidates", "reason", "sink", "counts as"}, 2, rows)
	if c.Total.Others > 0 {
		w.line("  beside these, %s of the population that cannot be %s", share.Plural(c.Total.Others, "record"), c.Claimed.Jurisdiction)
		w.gap()
	}
	rows = nil
	for _, s := range c.Sinks {
		rows = append(rows, []string{share.Thousands(s.Records), ledger.SinkText(s.Name), yesNo(s.Named), s.Pins, s.Where(), s.Place})
	}
	w.table("sinks that hold them", []string{"records", "sink", "in the claim", "pins", "stands in", "place"}, 1, rows)
	if len(c.Exclusions) > 0 {
		w.line("exclusions")
		for _, e := range c.Exclusions {
			w.wrap(fmt.Sprintf("  %2d. ", e.Number), e.String())
		}
		w.gap()
	}
	if len(c.Copies) > 0 {
		w.line("other places that still hold the data, judged at %s", orNone(c.CopiesAt))
		for _, p := range c.Copies {
			w.wrap("  ", fmt.Sprintf("%s: %s; expires %s; deletion due %s", p.Name, p.Purpose, orNone(p.Expires), orNone(p.DeletionDue)))
		}
		w.gap()
	}
	if len(c.Policies) > 0 {
		w.line("what %s means", c.Claimed.Jurisdiction)
		for _, p := range c.Policies {
			w.wrap("  ", fmt.Sprintf("policy %d, sha256 %s: %s", p.Version, p.SHA256, orNone(p.Definition)))
		}
		for _, g := range c.Geo {
			w.line("  geo database built %s, sha256 %s", g.Built, g.SHA256)
		}
		w.gap()
	}
	rows = nil
	for _, b := range c.Bounds {
		rows = append(rows, b.Cells())
	}
	w.table("bounds", BoundColumns(), 0, rows)
}

// verdict is the answer in words.
func (c *Claim) verdict() string {
	if c.Holds {
		return "the claim holds"
	}
	return "the claim does not hold"
}

// period is the period in words.
func (c *Claimed) period() string {
	switch {
	case len(c.Offsets) > 0:
		return "the offsets that the claim names, see bounds"
	case c.From == "" && c.To == "":
		return "from the first span of each topic to its last"
	case c.From == "":
		return "from the first span of each topic to " + c.To
	case c.To == "":
		return c.From + " to the last span of each topic"
	}
	return c.From + " to " + c.To
}

func answer(holds bool, basis Basis, note string) string {
	text := yesNo(holds) + ", as " + string(basis)
	if note != "" {
		text += " (" + note + ")"
	}
	return text
}

// String is the recount in words.
func (r *RecountUse) String() string {
	what := "of the sinks"
	if r.Source {
		what = "of the sinks and the source"
	}
	return fmt.Sprintf("%s, from %s to %s, for the first %s of the ledger: %s", what, r.Begun, r.Ended, entries(r.Size), r.Verdict)
}

// Numbers are what the recount tells of the population.
func (r *RecountUse) Numbers() []Number {
	return []Number{
		{r.Entries, "entries of the population as far as it goes"}, {r.Receipts, "receipts"}, {r.Gone, "of these gone"}, {r.Records, "records"},
		{r.EntriesAbove, "entries above"}, {r.ReceiptsAbove, "receipts above"}, {r.RecordsAbove, "records above"},
		{r.Cleared, "offsets without a receipt cleared"}, {r.ClearedFileBytes, "bytes without a receipt cleared"},
		{r.Unreceipted, "records without a receipt in any sink"}, {r.Differences, "differences"}, {r.Unlisted, "of these not listed"},
		{r.Elsewhere, "listed, and about others"},
	}
}

// Remarks are what else belongs to these numbers: what a sample is worth, and what the recount left open.
func (r *RecountUse) Remarks() []string {
	var list []string
	if s := r.Sample; s != nil {
		list = append(list, fmt.Sprintf("only a sample of %s of all %s was looked at:", share.Thousands(s.Drawn), share.Plural(s.Of, "receipt")))
		list = append(list, s.Confidence...)
	}
	if s := r.Comparison; s != nil {
		list = append(list, fmt.Sprintf("compared with the source: %s of %s equal, %s different; %s gone from the source, %s not whole in the sinks, %s not readable",
			share.Thousands(s.Equal), entries(s.Entries), share.Thousands(s.Different), share.Thousands(s.Gone), share.Thousands(s.Incomplete), share.Thousands(s.Unread)))
	}
	for _, text := range r.Unknown {
		list = append(list, "not found out: "+text)
	}
	return list
}

// Number is a number of a predicate with its name.
type Number struct {
	Value uint64
	Name  string
}

// Numbers are what the predicate rests on, for people.
func (c *Complete) Numbers() []Number {
	return []Number{
		{uint64(c.Topics), "topics"}, {uint64(c.Partitions), "partitions"}, {c.Offsets, "source offsets"}, {c.Data, "records"},
		{c.Control, "control"}, {c.Absent, "absent"}, {c.Gaps, "passed over by an operator"}, {c.Holes, "in no entry"}, {c.Unread, "unread at the end"},
	}
}

// Numbers are what the predicate rests on, for people.
func (c *Classified) Numbers() []Number {
	candidates, anyone := uint64(0), uint64(0)
	for _, r := range c.Candidates {
		candidates += r.Records
	}
	for _, r := range c.Anyone {
		anyone += r.Records
	}
	return []Number{
		{c.Decided, "decided alone"}, {c.Overlap, "decided with others"}, {candidates, "quarantined as a candidate"}, {anyone, "quarantined without a candidate"},
	}
}

// Numbers are what the predicate rests on, for people.
func (x *Exclusive) Numbers() []Number {
	return []Number{
		{x.Inside, "in sinks of the claim"}, {x.NotNamed, "in other sinks"}, {x.Unproved, "without proof of the place"}, {x.Doubted, "not confirmed by a recount"},
		{x.Unpinned, "in unpinned sinks"}, {x.Replayed, "stored once more"}, {uint64(x.SinkPartitions), "sink partitions"},
		{x.SinkOffsets, "sink offsets"}, {x.Unreceipted, "of these without a receipt"}, {x.UnreceiptedFile, "bytes of files without a receipt"}, {x.Twice, "offsets with two receipts"},
	}
}

// PercentText is the share of the whole, "-" of what is no part of it.
func (o Outcome) PercentText() string { return orDash(o.Percent) }

// CountsText says as what the records count.
func (o Outcome) CountsText() string {
	words := map[Part]string{
		Inside: "routed as claimed", Candidates: "quarantined", Anyone: "could be anyone's", Outside: "in a sink not named",
		Unproved: "place not proved", Doubted: "not confirmed by the recount",
	}[o.Counts]
	if o.Counts == Left {
		return fmt.Sprintf("exclusion %d", o.Exclusion)
	}
	return words
}

// String is the exclusion in words.
func (e Excluded) String() string {
	var of []string
	if len(e.Sets) > 0 {
		of = append(of, "sets "+strings.Join(e.Sets, ", "))
	}
	if len(e.Reasons) > 0 {
		of = append(of, "reasons "+strings.Join(e.Reasons, ", "))
	}
	return fmt.Sprintf("%s (%s): %s", e.Words, strings.Join(of, "; "), share.Plural(e.Records, "record"))
}

// Where is where the sink stands, as the policy says.
func (s Sink) Where() string {
	if s.Country == "" {
		return "-"
	}
	return s.Country + ", " + s.Region + ", " + s.Operator
}

// BoundColumns names what Bound.Cells holds.
func BoundColumns() []string {
	return []string{"partition", "covered", "needed", "first span", "last span", "records from", "records to"}
}

// Cells is the bound as a row of a table.
func (b Bound) Cells() []string {
	return []string{
		fmt.Sprintf("%s/%d", b.Topic, b.Partition), fmt.Sprintf("[%d, %d)", b.From, b.To), fmt.Sprintf("[%d, %d)", b.NeedFrom, b.NeedTo),
		orDash(b.SpanFrom), orDash(b.SpanTo), orDash(b.FirstRecord), orDash(b.LastRecord),
	}
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func orNone(s string) string {
	if s == "" {
		return "not said"
	}
	return s
}

func orAll(topics []string) string {
	if len(topics) == 0 {
		return "all of the ledger"
	}
	return strings.Join(topics, ", ")
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}

// layout lays text out.
type layout struct{ strings.Builder }

func (w *layout) line(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }
func (w *layout) gap()                            { w.WriteByte('\n') }

const textWidth = 100

// wrap writes text behind a first indent, and goes on under it.
func (w *layout) wrap(indent, text string) {
	room := textWidth - len(indent)
	lead := indent
	for line := ""; ; {
		word, rest, more := strings.Cut(text, " ")
		if line != "" && len(line)+1+len(word) > room {
			w.line("%s%s", lead, line)
			lead, line = strings.Repeat(" ", len(indent)), ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
		if text = rest; !more {
			w.line("%s%s", lead, line)
			return
		}
	}
}

// fields writes numbers under a predicate, those that are 0 too: they are what was looked for. A number stays on
// the line of its name.
func (w *layout) fields(numbers []Number) {
	const indent = "            "
	line := ""
	for i, n := range numbers {
		text := n.Name + " " + share.Thousands(n.Value)
		if i < len(numbers)-1 {
			text += ","
		}
		if line != "" && len(indent)+len(line)+1+len(text) > textWidth {
			w.line("%s%s", indent, line)
			line = ""
		}
		line = strings.TrimPrefix(line+" "+text, " ")
	}
	w.line("%s%s", indent, line)
}

// table writes rows under a title, the first columns flush right.
func (w *layout) table(title string, columns []string, right int, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	w.line("%s", title)
	all := append([][]string{columns}, rows...)
	width := make([]int, len(columns))
	for _, row := range all {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range all {
		line := " "
		for i, cell := range row {
			if i < right {
				line += fmt.Sprintf(" %*s ", width[i], cell)
			} else {
				line += fmt.Sprintf(" %-*s ", width[i], cell)
			}
		}
		w.line("%s", strings.TrimRight(line, " "))
	}
	w.gap()
}

func entries(n uint64) string {
	if n == 1 {
		return "1 entry"
	}
	return share.Thousands(n) + " entries"
}
