package claim

import (
	"encoding/json"
	"fmt"

	"github.com/demarc/demarc/ledger"
)

// Format names the form of a claim's JSON document; it changes when a field changes its meaning or goes.
const Format = "demarc-claim/1"

// Claim is a judged claim, and its own JSON document. Lists are sorted, and nothing in it depends on when or where
// it was judged. Records are counts; percentages are texts as share.Percent writes them; times are RFC 3339 in UTC.
type Claim struct {
	Format     string       `json:"format"`
	Holds      bool         `json:"holds"` // there is no finding
	Sentence   string       `json:"sentence"`
	Ledger     Ledger       `json:"ledger"`
	Recount    *RecountUse  `json:"recount,omitempty"` // what was found in the sinks, if a recount was given
	Claimed    Claimed      `json:"claimed"`
	Total      Total        `json:"total"`
	Complete   Complete     `json:"complete"`
	Classified Classified   `json:"classified"`
	Exclusive  Exclusive    `json:"exclusive"`
	Findings   []Finding    `json:"findings"`
	Outcomes   []Outcome    `json:"outcomes"`
	Exclusions []Excluded   `json:"exclusions"`
	Copies     []JudgedCopy `json:"copies"`
	CopiesAt   string       `json:"copies_judged_at,omitempty"` // the latest time that the ledger or the claim knows
	Sinks      []Sink       `json:"sinks"`
	Policies   []Policy     `json:"policies"`
	Geo        []Geo        `json:"geo"`
	Bounds     []Bound      `json:"bounds"`
	Limits     []string     `json:"limits"` // what this does not cover
}

// Ledger is the verified ledger that a claim was judged on.
type Ledger struct {
	Origin string `json:"origin"`
	Size   uint64 `json:"size"`            // entries
	Root   string `json:"root"`            // base64, as in the checkpoint
	Key    string `json:"key"`             // the verifier key that its checkpoint was checked with
	Since  *Since `json:"since,omitempty"` // an earlier checkpoint of which it is a continuation
}

// Since is an earlier checkpoint.
type Since struct {
	Size uint64 `json:"size"`
	Root string `json:"root"`
}

// Claimed is what the claim file asks.
type Claimed struct {
	Jurisdiction string           `json:"jurisdiction"`
	Policies     []string         `json:"policies"` // SHA-256 each; empty: those of the period
	Verb         string           `json:"verb"`
	Topics       []string         `json:"topics"` // empty: all
	From         string           `json:"from,omitempty"`
	To           string           `json:"to,omitempty"`
	Offsets      []ClaimedOffsets `json:"offsets,omitempty"`
	Sinks        []string         `json:"sinks"`
}

// ClaimedOffsets are source offsets [From, To) that a claim file names.
type ClaimedOffsets struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	From      int64  `json:"from"`
	To        int64  `json:"to"`
}

// Total is the whole that the percentages are of, and its parts: Inside + Candidates + Anyone + Outside + Unproved
// + Doubted + Uncovered = Whole.
type Total struct {
	Whole      uint64 `json:"whole"`
	Inside     uint64 `json:"inside"`     // decided, and in a sink of the claim whose pins held
	Candidates uint64 `json:"candidates"` // quarantined with the jurisdiction as a candidate
	Anyone     uint64 `json:"anyone"`     // quarantined without any candidate
	Outside    uint64 `json:"outside"`    // decided, and in a sink that the claim does not name
	Unproved   uint64 `json:"unproved"`   // decided, and in a sink of the claim that was not proved to be the place
	Doubted    uint64 `json:"doubted"`    // decided, and by the ledger in a sink of the claim, which the recount does not confirm
	Uncovered  uint64 `json:"uncovered"`  // source offsets that no range tells of: each may be such a record
	Percent    string `json:"percent"`    // Inside of Whole
	Excluded   uint64 `json:"excluded"`   // left out by the exclusions, no part of Whole
	Others     uint64 `json:"others"`     // records of the population that are not and cannot be the subject's
}

// Basis is what a predicate rests on.
type Basis string

// The bases. A note beside one says why it is no better.
const (
	Stated    Basis = "stated"                   // what the ledger says, verified to be what its key signed
	Recounted Basis = "recounted"                // the sinks hold the bytes of every receipt, and every record of them was decided again
	Compared  Basis = "compared with the source" // and they are the records that the source holds
)

// The verbs: where the ledger says that records went, and what sinks held when they were recounted.
const (
	Routed = "routed"
	Stored = "stored"
)

// Complete is whether the ledger tells of every source offset of the period.
type Complete struct {
	Holds      bool   `json:"holds"`
	Basis      Basis  `json:"basis"`
	Note       string `json:"basis_note,omitempty"`
	Topics     int    `json:"topics"`
	Partitions int    `json:"partitions"`
	Offsets    uint64 `json:"offsets"` // from each partition's first to its last entry, gaps and holes included
	Data       uint64 `json:"data"`
	Control    uint64 `json:"control"`
	Absent     uint64 `json:"absent"`
	Gaps       uint64 `json:"gap_offsets"`
	Holes      uint64 `json:"hole_offsets"`
	Unread     uint64 `json:"unread_offsets"`
}

// Classified is whether every record that may be the subject's was decided.
type Classified struct {
	Holds      bool     `json:"holds"`
	Basis      Basis    `json:"basis"`
	Note       string   `json:"basis_note,omitempty"`
	Decided    uint64   `json:"decided"`    // one jurisdiction
	Overlap    uint64   `json:"overlap"`    // several
	Candidates []Reason `json:"candidates"` // quarantined with the jurisdiction as a candidate
	Anyone     []Reason `json:"anyone"`     // quarantined without any candidate
}

// Reason is how many records were quarantined for a reason.
type Reason struct {
	Reason  string `json:"reason"`
	Records uint64 `json:"records"`
}

// Exclusive is whether all of the subject's records lie in the claim's sinks, and nothing else is in any sink.
type Exclusive struct {
	Holds           bool   `json:"holds"`
	Basis           Basis  `json:"basis"`
	Note            string `json:"basis_note,omitempty"`
	Inside          uint64 `json:"inside"`
	NotNamed        uint64 `json:"not_named"`       // the subject's, quarantined ones among them, in sinks that the claim does not name
	Doubted         uint64 `json:"doubted"`         // in named sinks by the ledger, which the recount does not confirm
	Unproved        uint64 `json:"unproved"`        // in named sinks whose pins did not hold, or at another place
	Unpinned        uint64 `json:"unpinned"`        // of Inside, in sinks that the policy pins to nothing
	Replayed        uint64 `json:"replayed"`        // of the subject, stored once more; counted nowhere else
	SinkPartitions  int    `json:"sink_partitions"` // that hold records of the population
	SinkOffsets     uint64 `json:"sink_offsets"`    // from their first to their last receipt
	Unreceipted     uint64 `json:"unreceipted_offsets"`
	UnreceiptedFile uint64 `json:"unreceipted_file_bytes"`
	Twice           uint64 `json:"offsets_receipted_twice"`
}

// Finding is a reason why a claim does not hold.
type Finding struct {
	Predicate string  `json:"predicate"` // complete, classified, exclusive, subject or copies
	Kind      string  `json:"kind"`      // one of those in CLAIMS.md
	Entry     *uint64 `json:"entry,omitempty"`
	Receipt   *int    `json:"receipt,omitempty"` // of a recount's finding: index in the entry
	Message   string  `json:"message"`           // Entry is the index of the first entry that shows it
	Counted   bool    `json:"-"`                 // what it is about is in the numbers of the sentence
}

// Outcome is how many of the subject's records, or of those that could be, had one outcome.
type Outcome struct {
	Set       string `json:"set"`
	Reason    string `json:"reason"`
	Sink      string `json:"sink"`
	Records   uint64 `json:"records"`
	Bytes     uint64 `json:"bytes"`
	Counts    Part   `json:"counts"`              // as which part of the total
	Percent   string `json:"percent,omitempty"`   // of the whole
	Exclusion int    `json:"exclusion,omitempty"` // the number of the exclusion that leaves it out
}

// Part is one of the total's parts.
type Part string

// The parts of the total, and beside it what is excluded.
const (
	Inside     Part = "inside"
	Candidates Part = "candidates"
	Anyone     Part = "anyone"
	Outside    Part = "outside"
	Unproved   Part = "unproved"
	Doubted    Part = "doubted"
	Left       Part = "excluded"
)

// Excluded is one numbered exclusion with what it leaves out.
type Excluded struct {
	Number  int      `json:"number"`
	Words   string   `json:"words"`
	Policy  bool     `json:"by_policy"` // the policy's overlap makes it, not the claim's author
	Sets    []string `json:"sets"`
	Reasons []string `json:"reasons"`
	Records uint64   `json:"records"`
}

// JudgedCopy is another place that still holds the data.
type JudgedCopy struct {
	Name        string `json:"name"`
	Purpose     string `json:"purpose"`
	Expires     string `json:"expires,omitempty"`
	DeletionDue string `json:"deletion_due,omitempty"`
}

// Sink is one state in which a sink took records of the subject, or records that could be the subject's.
type Sink struct {
	Name     string `json:"name"`
	Named    bool   `json:"named"` // by the claim
	Pins     string `json:"pins"`  // held, not held, unpinned, unknown, held elsewhere, not of the policy
	Country  string `json:"country"`
	Region   string `json:"region"`
	Operator string `json:"operator"`
	Place    string `json:"place"` // a topic of a cluster, or a directory
	Records  uint64 `json:"records"`
}

// Policy is one that ranges of the population cite.
type Policy struct {
	Version    int64  `json:"version"`
	SHA256     string `json:"sha256"`
	Definition string `json:"definition"` // what it takes the jurisdiction for
}

// Geo is a geo database that ranges of the population were decided with.
type Geo struct {
	SHA256 string `json:"sha256"`
	Built  string `json:"built"`
}

// Bound is the real extent of the population in one source partition.
type Bound struct {
	Cluster     string `json:"cluster"`
	Topic       string `json:"topic"`
	TopicID     string `json:"topic_id,omitempty"`
	Partition   int32  `json:"partition"`
	From        int64  `json:"from"` // whole entries cover [From, To)
	To          int64  `json:"to"`
	NeedFrom    int64  `json:"need_from"` // what the claim needs to be covered
	NeedTo      int64  `json:"need_to"`
	SpanFrom    string `json:"span_from,omitempty"` // when that was so
	SpanTo      string `json:"span_to,omitempty"`
	FirstRecord string `json:"first_record,omitempty"` // least and greatest timestamp of the records
	LastRecord  string `json:"last_record,omitempty"`
}

// JSON is the claim's document: indented with two blanks, in UTF-8, what does not print escaped, a line feed at its end.
func (c *Claim) JSON() ([]byte, error) {
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode claim: %w", err)
	}
	return append([]byte(ledger.Visible(string(text))), '\n'), nil
}
