package claim

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/demarc/demarc/ledger/share"
)

// limits says what the claim does not cover: what no ledger can, and what this one leaves open.
func (j *judge) limits() []string {
	c, subject := j.claim, j.claim.Claimed.Jurisdiction
	list := []string{
		"Signals that were wrong before demarc read them: a false country in a header or a masked address is taken as it is.",
		"Copies that bypass demarc: the source topics themselves, their mirrors and backups, and what producers send elsewhere. Other copies than those listed here are not known.",
		"What happens to records in a sink later: who reads, copies, moves or deletes them.",
		"Where a sink really stands: pins prove that it is the cluster, key or address that the policy names; that these are in the country is the operator's word.",
	}
	list = append(list, j.basisLimits()...)
	if c.Ledger.Since == nil {
		list = append(list, "Another ledger under the same key: no earlier checkpoint was given that this one has to continue.")
	}
	list = append(list, j.periodLimits()...)
	if c.Exclusive.Unpinned > 0 {
		var names []string
		for _, s := range c.Sinks {
			if s.Pins == "unpinned" && !slices.Contains(names, s.Name) {
				names = append(names, s.Name)
			}
		}
		list = append(list, fmt.Sprintf("Unpinned sinks: nothing proves that %s is the place that the policy describes; %s there.",
			strings.Join(names, ", "), are(c.Exclusive.Unpinned, "record")))
	}
	if c.Exclusive.UnreceiptedFile == 0 && j.directories() {
		list = append(list, "Files that were put into a sink's directory beside those of demarc: receipts tile inside a file, not over a directory.")
	}
	for _, p := range c.Policies {
		told := j.Accumulator.policies[p.SHA256]
		switch {
		case told == nil || told.definition == "":
		case !told.looksUp:
			list = append(list, fmt.Sprintf("Addresses: policy %d consults none for %s; where a user's device is plays no part.", p.Version, subject))
		case !told.maxAge:
			list = append(list, fmt.Sprintf("The age of the geo database: policy %d sets no max_age, so that any may have decided.", p.Version))
		}
	}
	if j.definitions() > 1 {
		list = append(list, fmt.Sprintf("One meaning of %s: the policies of the period define it differently, as listed.", subject))
	}
	return list
}

// basisLimits says what the numbers rest on beside the ledger, and who vouches for that.
func (j *judge) basisLimits() []string {
	r := j.recount
	if r == nil {
		return []string{"What the signer of the ledger did not write into it truthfully: every number here is stated by the ledger, none was recounted in a sink or compared with the source."}
	}
	list := []string{
		"Who ran the recount: nothing signs its document; it is the one with the SHA-256 given here. Who does not trust it runs another.",
		fmt.Sprintf("What sinks held before or after the recount, which ended at %s.", j.claim.Recount.Ended),
		"What the signer of the ledger did not write into it truthfully and no recount can see: how far partitions reached at a time, which pins held, and what gaps are for.",
	}
	if r.Source == nil {
		list = append(list, "Timestamps of records, and what the source holds beside the ranges' records: the recount did not compare with the source.")
	}
	if n := r.Records.Stated; n > 0 {
		list = append(list, fmt.Sprintf("Why sinks or the geo database's age sent %s to quarantine: too_large, refused and geo_expired are told, and cannot be decided again.", share.Plural(uint64(n), "record")))
	}
	before := int64(0)
	for _, p := range r.Places {
		before += p.Before.Records
	}
	if before > 0 {
		list = append(list, fmt.Sprintf("What lay in sink partitions before their first receipt: the recount found %s there.", share.Plural(uint64(before), "record")))
	}
	if n := j.claim.Recount.Elsewhere; n > 0 {
		list = append(list, fmt.Sprintf("Other records: the recount lists %s about entries that are not of the population, in sinks that the claim does not name.", share.Plural(n, "difference")))
	}
	return list
}

func (j *judge) periodLimits() []string {
	period := j.spec.Population
	var list []string
	switch {
	case period.Offsets != nil:
		list = append(list, "Offsets beside those that the claim's author chose.")
	case period.From != nil || period.To != nil:
		list = append(list, "Times of records: the period goes by when records had come to the source, as spans tell, extended to whole entries; a record's own timestamp may lie outside.")
	default:
		list = append(list, "What was in the source topics and gone from them before the first span.")
	}
	if later := j.later(); len(later) > 0 {
		list = append(list, "Topics of which the ledger tells only from a time after the period on: "+strings.Join(later, ", ")+".")
	}
	if j.before > 0 {
		list = append(list, fmt.Sprintf("What lay in the source topics already when the first span looked: %s in no entry.", are(j.before, "offset")))
	}
	if len(j.others) > 0 {
		list = append(list, "Other topics of the ledger: "+strings.Join(slices.Sorted(maps.Keys(j.others)), ", ")+".")
	}
	return list
}

// later names the topics whose first span is later than the period's end, with its time.
func (j *judge) later() []string {
	var list []string
	for key, p := range j.partitions {
		if name := fmt.Sprintf("%s (from %s)", key.topic, timeText(p.lower.at)); p.after && !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}

func (j *judge) directories() bool {
	return slices.ContainsFunc(j.claim.Sinks, func(s Sink) bool { return strings.HasPrefix(s.Place, "directory ") })
}

func (j *judge) definitions() int {
	seen := map[string]bool{}
	for _, p := range j.claim.Policies {
		seen[p.Definition] = true
	}
	return len(seen)
}
