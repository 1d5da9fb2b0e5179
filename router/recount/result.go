package recount

import (
	"time"
)

// Format is the version of Result as JSON.
const Format = 1

// Verdict is what a recount came to.
type Verdict string

// The verdicts. A difference outweighs what could not be found out.
const (
	Equal     Verdict = "equal"     // all that was looked at is as the ledger says
	Different Verdict = "different" // something is not
	Unknown   Verdict = "unknown"   // nothing is, but something could not be found out
)

// Kind says in what the ledger and the world differ. The enumeration is closed.
type Kind string

// The kinds of differences.
const (
	LedgerFault  Kind = "ledger"      // the ledger does not verify
	PolicyFault  Kind = "policy"      // the policy given is not the ledger's, or does not name the place of a receipt
	PinFault     Kind = "pin"         // another place answers than the policy or a receipt says
	Rewritten    Kind = "rewritten"   // other bytes or coordinates than the receipt says
	Missing      Kind = "missing"     // nothing where the receipt says, and not for retention
	Damaged      Kind = "damaged"     // bytes that are no readable batch
	Misplaced    Kind = "misplaced"   // a record that the policy sends elsewhere
	Outcome      Kind = "outcome"     // a record in its place, whose set or quarantine headers are not what is decided
	Counts       Kind = "counts"      // numbers of a receipt or an entry that its records do not add up to
	Unreceipted  Kind = "unreceipted" // records that no receipt covers
	Incompletion Kind = "source"      // the source's records of a range are not those that the sinks hold
)

// Result is what a recount found, in the form of its JSON.
type Result struct {
	Format      int            `json:"format"` // 1
	Verdict     Verdict        `json:"verdict"`
	Begun       time.Time      `json:"begun"`
	Ended       time.Time      `json:"ended"`
	Ledger      LedgerRef      `json:"ledger"`
	Policy      PolicyRef      `json:"policy"`           // that the command was given
	Policies    []PolicyRef    `json:"policies"`         // that records were decided by, in the order of the ledger
	Sample      *Sample        `json:"sample,omitempty"` // absent: every receipt was looked at
	Receipts    Receipts       `json:"receipts"`
	Records     Records        `json:"records"`
	Sinks       []Sink         `json:"sinks"`
	Places      []Place        `json:"places"` // partitions of topics, and directories
	Source      *Completeness  `json:"source,omitempty"`
	Differences map[Kind]int64 `json:"differences"` // how many of each kind there are
	Listed      []Difference   `json:"listed"`      // the first of them
	Unknown     []string       `json:"unknown"`     // what could not be found out, and why
}

// LedgerRef names the tree that was read.
type LedgerRef struct {
	Origin string `json:"origin"`
	Size   uint64 `json:"size"`
	Root   string `json:"root"` // base64, as in the checkpoint
}

// PolicyRef names a policy.
type PolicyRef struct {
	Version int64  `json:"version"`
	SHA256  string `json:"sha256"`
}

// Sample says what was drawn and what that is worth.
type Sample struct {
	Seed       uint64   `json:"seed"`
	Drawn      uint64   `json:"drawn"`
	Of         uint64   `json:"of"`
	Confidence []Chance `json:"confidence"`
}

// Chance is the probability that the sample would hold one of some false receipts.
type Chance struct {
	False       uint64  `json:"false"` // receipts
	In          uint64  `json:"in"`    // "1 in In": False is Of/In, rounded up
	Probability float64 `json:"probability"`
}

// Receipts says what became of the receipts of range and replay entries. Read is Equal, Rewritten, Missing and Gone.
type Receipts struct {
	Total     int64 `json:"total"`
	Read      int64 `json:"read"`
	Equal     int64 `json:"equal"`
	Rewritten int64 `json:"rewritten"`
	Missing   int64 `json:"missing"`
	Gone      int64 `json:"gone"`   // below the log start: no failure, and no proof
	Unread    int64 `json:"unread"` // their place could not be read
	Left      int64 `json:"left"`   // not in the sample
}

func (r *Receipts) add(s Receipts) {
	r.Total += s.Total
	r.Read += s.Read
	r.Equal += s.Equal
	r.Rewritten += s.Rewritten
	r.Missing += s.Missing
	r.Gone += s.Gone
	r.Unread += s.Unread
	r.Left += s.Left
}

// Records says what deciding again came to, for the records of receipts that were found.
type Records struct {
	Read       int64 `json:"read"`
	Agreed     int64 `json:"agreed"`    // decided again, with the same outcome
	Stated     int64 `json:"stated"`    // agreed but for a reason that only the ledger and the record's headers tell
	Undecided  int64 `json:"undecided"` // for want of the geo database or of a policy that can be read
	Differing  int64 `json:"differing"` // misplaced, or of another outcome
	TooLarge   int64 `json:"too_large"` // of Stated, by reason
	Refused    int64 `json:"refused"`
	GeoExpired int64 `json:"geo_expired"`
}

func (r *Records) add(s Records) {
	r.Read += s.Read
	r.Agreed += s.Agreed
	r.Stated += s.Stated
	r.Undecided += s.Undecided
	r.Differing += s.Differing
	r.TooLarge += s.TooLarge
	r.Refused += s.Refused
	r.GeoExpired += s.GeoExpired
}

// Sink is what one sink, by its name in the ledger, was found to hold.
type Sink struct {
	Name     string         `json:"name"`
	Receipts Receipts       `json:"receipts"`
	Records  Records        `json:"records"`
	Outcomes []OutcomeCount `json:"outcomes"` // as decided again, sorted by set and reason
}

// OutcomeCount is how many records of one sink were decided one way.
type OutcomeCount struct {
	Set     string `json:"set"`
	Reason  string `json:"reason"`
	Records int64  `json:"records"`
	Bytes   int64  `json:"bytes"` // of keys, values and headers as they lie in the sink
}

// Place is a partition of a sink's topic, or a directory, as it was read.
type Place struct {
	Sinks       []string  `json:"sinks"` // that store in it, by the policies given
	Cluster     string    `json:"cluster,omitempty"`
	Topic       string    `json:"topic,omitempty"`
	Partition   int32     `json:"partition"`
	Directory   string    `json:"directory,omitempty"`
	LogStart    int64     `json:"log_start"` // of a partition: all receipts below it are gone
	End         int64     `json:"end"`       // of a partition: the last stable offset when it was read
	Receipts    Receipts  `json:"receipts"`
	Control     int64     `json:"control"` // offsets of transaction markers
	Unreceipted NoReceipt `json:"unreceipted"`
	Before      NoReceipt `json:"before"` // below the first receipt of a partition: not counted as a difference
}

// NoReceipt counts records that no receipt covers, and what is decided about them by the policy given.
type NoReceipt struct {
	Records    int64 `json:"records"`
	Belonging  int64 `json:"belonging"`  // the policy sends them to this place
	Elsewhere  int64 `json:"elsewhere"`  // it sends them to another one
	Undecided  int64 `json:"undecided"`  // not readable, or for want of the geo database
	Duplicates int64 `json:"duplicates"` // of Belonging: copies of a record that the source holds in a range of the ledger
}

func (n *NoReceipt) add(m NoReceipt) {
	n.Records += m.Records
	n.Belonging += m.Belonging
	n.Elsewhere += m.Elsewhere
	n.Undecided += m.Undecided
	n.Duplicates += m.Duplicates
}

// Completeness is the comparison of the source's records, entry by entry, with those that the sinks hold.
type Completeness struct {
	Entries    int64 `json:"entries"` // range and replay entries; with a sample, those that it touches
	Equal      int64 `json:"equal"`
	Different  int64 `json:"different"`
	Gone       int64 `json:"gone"`       // from the source, by retention or with a topic that was created anew: no proof
	Incomplete int64 `json:"incomplete"` // the sinks' side could not be read whole, or is a difference already
	Unread     int64 `json:"unread"`     // the source could not be read
	Records    int64 `json:"records"`    // of the source, compared
}

// Difference is one place where the ledger and the world differ. It holds no byte of a record.
type Difference struct {
	Kind    Kind    `json:"kind"`
	Entry   *uint64 `json:"entry,omitempty"`   // index in the ledger
	Receipt *int    `json:"receipt,omitempty"` // index in the entry
	Sink    string  `json:"sink,omitempty"`
	Place   string  `json:"place,omitempty"`  // such as "events.us/0 of cluster X" or "/dir/events-0/0.log"
	Offset  *int64  `json:"offset,omitempty"` // in the place: of a record, or of the first one; in a file, the number of the record
	Cause   string  `json:"cause"`
}
