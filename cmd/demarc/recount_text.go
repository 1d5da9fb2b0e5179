package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/demarc/demarc/ledger"
	"github.com/demarc/demarc/ledger/share"
	"github.com/demarc/demarc/router/recount"
)

// mostListed is how many differences the text lists; the JSON document has more.
const mostListed = 50

// writeRecount prints what a recount found, the answer last.
func writeRecount(w io.Writer, r *recount.Result) error {
	var b strings.Builder
	fmt.Fprintf(&b, "ledger    %s, %s entries, root %s\n", r.Ledger.Origin, share.Thousands(r.Ledger.Size), r.Ledger.Root)
	writePolicies(&b, r)
	writeSample(&b, r.Sample)
	writeReceipts(&b, r)
	for _, s := range r.Sinks {
		fmt.Fprintf(&b, "\n%s: %s of %s receipts equal, %s\n", s.Name, number(s.Receipts.Equal), number(s.Receipts.Total-s.Receipts.Left), share.Plural(s.Records.Read, "record"))
		var rows [][]string
		for _, o := range s.Outcomes {
			rows = append(rows, []string{number(o.Records), o.Set, o.Reason})
		}
		if err := writeAligned(&b, rows); err != nil {
			return err
		}
	}
	writeUnreceipted(&b, r)
	writeCompleteness(&b, r.Source)
	writeDifferences(&b, r)
	for _, text := range r.Unknown {
		fmt.Fprintf(&b, "could not be found out: %s\n", text)
	}
	fmt.Fprintf(&b, "\n%s\n", recountAnswer(r))
	_, err := io.WriteString(w, ledger.Visible(b.String()))
	return err
}

// writePolicies names the policies that records were decided by. The ledger says which: it may be another than the one
// given, as long as it tells of that one too.
func writePolicies(b *strings.Builder, r *recount.Result) {
	fmt.Fprintf(b, "policy    version %d sha256:%s\n", r.Policy.Version, r.Policy.SHA256)
	for _, p := range r.Policies {
		if p != r.Policy {
			fmt.Fprintf(b, "          records were decided by another: version %d sha256:%s\n", p.Version, p.SHA256)
		}
	}
	if unused(r) {
		b.WriteString("          no record was decided by the one that was given\n")
	}
}

// unused reports whether records were decided, and none by the policy that was given.
func unused(r *recount.Result) bool {
	return len(r.Policies) > 0 && !slices.Contains(r.Policies, r.Policy)
}

func writeSample(b *strings.Builder, s *recount.Sample) {
	if s == nil {
		return
	}
	fmt.Fprintf(b, "sample    %s of %s receipts, --seed %d\n", share.Thousands(s.Drawn), share.Thousands(s.Of), s.Seed)
	for _, c := range s.Confidence {
		fmt.Fprintf(b, "          if 1 in %s receipts were false (%s), this sample finds one with %s probability\n", share.Thousands(c.In), share.Thousands(c.False), probability(c.Probability))
	}
}

// probability is cut off and never rounded up: 100.0 % means certain.
func probability(p float64) string {
	n := int(p * 1000)
	return fmt.Sprintf("%d.%d %%", n/10, n%10)
}

func writeReceipts(b *strings.Builder, r *recount.Result) {
	n := r.Receipts
	fmt.Fprintf(b, "receipts  %s of %s looked at: %s equal, %s rewritten, %s missing, %s gone below the log start", number(n.Read), number(n.Total), number(n.Equal), number(n.Rewritten), number(n.Missing), number(n.Gone))
	if n.Unread > 0 {
		fmt.Fprintf(b, ", %s in places that could not be read", number(n.Unread))
	}
	m := r.Records
	fmt.Fprintf(b, "\nrecords   %s decided again: %s as the ledger says, %s otherwise", number(m.Read-m.Undecided), number(m.Agreed+m.Stated), number(m.Differing))
	if m.Undecided > 0 {
		fmt.Fprintf(b, "; %s could not be decided", number(m.Undecided))
	}
	if m.Stated > 0 {
		fmt.Fprintf(b, "\n          of these, the reason is only told, not decided: too_large %s, refused %s, geo_expired %s", number(m.TooLarge), number(m.Refused), number(m.GeoExpired))
	}
	b.WriteByte('\n')
}

func writeUnreceipted(b *strings.Builder, r *recount.Result) {
	var since, before recount.NoReceipt
	for _, p := range r.Places {
		addNoReceipt(&since, p.Unreceipted)
		addNoReceipt(&before, p.Before)
	}
	fmt.Fprintf(b, "\nwithout a receipt: %s", share.Plural(since.Records, "record"))
	if since.Records > 0 {
		fmt.Fprintf(b, " (the policy sends %s to where they are and %s elsewhere, %s undecided; %s are copies of records of the source)",
			number(since.Belonging), number(since.Elsewhere), number(since.Undecided), number(since.Duplicates))
	}
	fmt.Fprintf(b, "; below the first receipt of their partition: %s\n", number(before.Records))
}

func addNoReceipt(sum *recount.NoReceipt, n recount.NoReceipt) {
	sum.Records += n.Records
	sum.Belonging += n.Belonging
	sum.Elsewhere += n.Elsewhere
	sum.Undecided += n.Undecided
	sum.Duplicates += n.Duplicates
}

func writeCompleteness(b *strings.Builder, c *recount.Completeness) {
	if c == nil {
		return
	}
	fmt.Fprintf(b, "source    %s entries: %s with the same records in the source and in the sinks, %s not, %s gone from the source, %s not whole in the sinks, %s could not be read; %s records compared\n",
		number(c.Entries), number(c.Equal), number(c.Different), number(c.Gone), number(c.Incomplete), number(c.Unread), number(c.Records))
}

func writeDifferences(b *strings.Builder, r *recount.Result) {
	if len(r.Listed) > 0 {
		b.WriteByte('\n')
	}
	for _, d := range r.Listed[:min(len(r.Listed), mostListed)] {
		fmt.Fprintln(b, describeDifference(d))
	}
	if total := differences(r); total > mostListed {
		fmt.Fprintf(b, "and %s more; --format json lists the first 1,000\n", number(total-min(int64(len(r.Listed)), mostListed)))
	}
}

// describeDifference is a difference as one line, such as
// "misplaced: entry 12 receipt 0: us-main: events.us/0 of cluster X offset 1234: is decided EEA (decided), which goes to eu-main".
func describeDifference(d recount.Difference) string {
	s := string(d.Kind)
	if d.Entry != nil {
		s += fmt.Sprintf(": entry %d", *d.Entry)
	}
	if d.Receipt != nil {
		s += fmt.Sprintf(" receipt %d", *d.Receipt)
	}
	if d.Sink != "" {
		s += ": " + d.Sink
	}
	if d.Place != "" {
		s += ": " + d.Place
	}
	if d.Offset != nil {
		s += fmt.Sprintf(" offset %d", *d.Offset)
	}
	return s + ": " + d.Cause
}

func differences(r *recount.Result) (n int64) {
	for _, of := range r.Differences {
		n += of
	}
	return n
}

func recountAnswer(r *recount.Result) string {
	switch r.Verdict {
	case recount.Different:
		var kinds []string
		for _, kind := range slices.Sorted(maps.Keys(r.Differences)) {
			kinds = append(kinds, fmt.Sprintf("%s %s", kind, number(r.Differences[kind])))
		}
		return "The sinks and the ledger differ: " + strings.Join(kinds, ", ") + "."
	case recount.Unknown:
		return "No difference was found, but not everything could be found out."
	}
	if r.Receipts.Total == 0 {
		return "The ledger has no receipts, so that nothing was compared; no record without one was found."
	}
	what, end := "Every receipt", ""
	if r.Sample != nil {
		what = "Every receipt of the sample"
	}
	if unused(r) {
		end = " But none was made under the policy that was given."
	}
	if r.Receipts.Gone > 0 {
		return what + " whose bytes are still there is equal. What is gone proves nothing." + end
	}
	return what + " is equal." + end
}

func number(n int64) string { return share.Thousands(uint64(n)) }
