package claim

import (
	"fmt"
	"slices"
	"strings"

	"github.com/demarc/demarc/ledger"
	"github.com/demarc/demarc/ledger/share"
)

// sentence says the claim as far as it holds: the share that went where it should, and everything that did not.
// The numbers in it add up to the whole. It can be quoted alone: what they do not show is named behind them.
func (c *Claim) sentence() string {
	t, subject := c.Total, c.Claimed.Jurisdiction
	if t.Whole == 0 {
		return strings.Join(append([]string{fmt.Sprintf("No record of the population was decided %s or may be", subject)}, c.rest()...), "; ") + "."
	}
	what := "records that were decided " + subject
	if t.Candidates+t.Anyone+t.Uncovered > 0 {
		what += " or may be " + subject
	}
	if t.Uncovered > 0 {
		what = strings.Replace(what, "records", "records and unknown offsets", 1)
	}
	if t.Uncovered == 0 && c.untold() {
		what = strings.Replace(what, "records", "known records", 1)
	}
	percent := t.Percent
	if t.Inside == t.Whole {
		percent = "100"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %% of %s %s", percent, share.Thousands(t.Whole), singular(what, t.Whole))
	where := strings.Join(c.Claimed.Sinks, ", ")
	if t.Inside > 0 {
		where = c.destinations()
	}
	if c.Claimed.Verb == Stored && c.Recount != nil {
		fmt.Fprintf(&b, " lay byte for byte in %s when that was recounted, up to %s", where, c.Recount.Ended)
	} else {
		fmt.Fprintf(&b, " went to %s", where)
	}
	for _, rest := range c.rest() {
		b.WriteString("; " + rest)
	}
	return b.String() + "."
}

func singular(what string, n uint64) string {
	if n == 1 {
		return strings.NewReplacer("records", "record", "offsets", "offset", "were", "was").Replace(what)
	}
	return what
}

// destinations names the sinks that took the part inside, with the countries in which the policy says they stand.
func (c *Claim) destinations() string {
	var names []string
	for _, sink := range c.Claimed.Sinks {
		took := slices.ContainsFunc(c.Outcomes, func(o Outcome) bool { return o.Sink == sink && o.Counts == Inside })
		if !took {
			continue
		}
		var countries []string
		unpinned := ""
		for _, s := range c.Sinks {
			if s.Name != sink || s.Pins != "held" && s.Pins != "unpinned" {
				continue // what it says of the place is not proved
			}
			if !slices.Contains(countries, s.Country) {
				countries = append(countries, s.Country)
			}
			if s.Pins == "unpinned" {
				unpinned = ", unpinned"
			}
		}
		names = append(names, sink+" ("+strings.Join(countries, ", ")+unpinned+")")
	}
	return strings.Join(names, " and ")
}

// rest lists what did not go where it should.
func (c *Claim) rest() []string {
	var list []string
	for _, group := range []struct {
		part  Part
		words string
	}{
		{Outside, "went to %s, which the claim does not name"},
		{Unproved, "went to %s without proof that it is the place"},
		{Doubted, "went to %s as the ledger states, which the recount does not confirm"},
		{Candidates, "BE in %s"},
		{Anyone, "without any candidate BE in %s"},
	} {
		list = append(list, c.group(group.part, group.words)...)
	}
	if n := c.Complete.Gaps; n > 0 {
		list = append(list, fmt.Sprintf("%s passed over by an operator", are(n, "source offset")))
	}
	if n := c.Total.Uncovered - c.Complete.Gaps; n > 0 {
		list = append(list, fmt.Sprintf("%s told of by no entry", are(n, "source offset")))
	}
	if c.untold() {
		list = append(list, "beside these there may be records that the ledger does not tell of")
	}
	if r := c.Recount; r != nil && r.Unreceipted > 0 {
		list = append(list, fmt.Sprintf("beside these, %s in sinks without a receipt", are(r.Unreceipted, "record")))
	} else if n := c.Exclusive.Unreceipted; n > 0 {
		list = append(list, fmt.Sprintf("beside these, %s in sinks without a receipt", are(n, "offset")))
	}
	if n := c.Exclusive.UnreceiptedFile; n > 0 {
		list = append(list, fmt.Sprintf("beside these, %s in files of sinks without a receipt", are(n, "byte")))
	}
	if r := c.Recount; r != nil && r.Unlisted > 0 {
		list = append(list, fmt.Sprintf("the recount found %s that it does not list", share.Plural(r.Unlisted, "difference")))
	}
	if n := c.Total.Excluded; n > 0 {
		var numbers []string
		for _, e := range c.Exclusions {
			if e.Records > 0 {
				numbers = append(numbers, fmt.Sprint(e.Number))
			}
		}
		list = append(list, fmt.Sprintf("%s excluded (%s)", are(n, "record"), strings.Join(numbers, ", ")))
	}
	if also := c.uncounted(); len(also) > 0 {
		list = append(list, "beside that, the claim does not hold: "+strings.Join(also, ", "))
	}
	if len(list) == 0 && len(c.Findings) > 0 && c.Total.Whole > 0 {
		list = append(list, "but the claim does not hold")
	}
	return list
}

// untold reports whether there may be records of which it is not even known how many they are.
func (c *Claim) untold() bool {
	return slices.ContainsFunc(c.Findings, func(f Finding) bool { return f.Predicate == "complete" && !f.Counted })
}

// uncounted names the findings that neither a number of the sentence holds nor the words that go with untold, each once.
func (c *Claim) uncounted() []string {
	var list []string
	for _, f := range c.Findings {
		name := f.Predicate + " (" + f.Kind + ")"
		if !f.Counted && (f.Predicate != "complete" || f.Kind == kindSource) && !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	return list
}

// group words the outcomes of a part, one text for each sink, with its reasons if they are of quarantine.
func (c *Claim) group(part Part, words string) []string {
	var list, sinks []string
	for _, o := range c.Outcomes {
		if o.Counts == part && !slices.Contains(sinks, o.Sink) {
			sinks = append(sinks, o.Sink)
		}
	}
	for _, sink := range sinks {
		total := uint64(0)
		by := reasons(slices.DeleteFunc(slices.Clone(c.Outcomes), func(o Outcome) bool { return o.Sink != sink }), part)
		for _, r := range by {
			total += r.Records
		}
		verb := "are"
		if total == 1 {
			verb = "is"
		}
		text := share.Thousands(total) + " " + fmt.Sprintf(strings.Replace(words, "BE", verb, 1), ledger.SinkText(sink))
		if part == Candidates || part == Anyone {
			text += " (" + reasonText(by) + ")"
		}
		list = append(list, text)
	}
	return list
}

// reasonText names the reasons, with counts if there are several.
func reasonText(by []Reason) string {
	if len(by) == 1 {
		return by[0].Reason
	}
	var texts []string
	for _, r := range by {
		texts = append(texts, r.Reason+" "+share.Thousands(r.Records))
	}
	return strings.Join(texts, ", ")
}

func are(n uint64, noun string) string {
	if n == 1 {
		return "1 " + noun + " is"
	}
	return share.Plural(n, noun) + " are"
}
