package dashboard

import "time"

// Status is what /status.json answers. Counts are since the start of this process and of this process alone: other
// members of its group have pages of their own. Fields are added, not renamed; the words are those of the metrics.
type Status struct {
	At         time.Time    `json:"at"`      // of this reading
	Started    time.Time    `json:"started"` // of the process
	Version    string       `json:"version"`
	Group      string       `json:"group"`
	Topics     []string     `json:"topics"`
	Ready      bool         `json:"ready"`   // as /readyz says
	Reasons    []string     `json:"reasons"` // why not, at most 20; a last one says how many more there are
	Policy     Policy       `json:"policy"`
	Geo        *Geo         `json:"geo"`    // null: the policy reads no address
	Ledger     *Ledger      `json:"ledger"` // null: there is none
	Totals     Totals       `json:"totals"`
	Routes     []Route      `json:"routes"`     // by set: single jurisdictions first, in policy order
	Quarantine []Quarantine `json:"quarantine"` // the most frequent reason first
	Sinks      []Sink       `json:"sinks"`      // in policy order
	Partitions Partitions   `json:"partitions"`
}

// Policy is the policy in force.
type Policy struct {
	Version int    `json:"version"`
	Hash    string `json:"sha256"` // of its text, in hexadecimal
}

// Geo is the geo database in use.
type Geo struct {
	Built   time.Time `json:"built"`
	Age     int64     `json:"age_seconds"`
	MaxAge  int64     `json:"max_age_seconds"` // 0: the policy sets no limit
	Expired bool      `json:"expired"`         // past it: decisions that look an address up are quarantined
	Refused int64     `json:"refused"`         // files that were refused since the start
}

// Ledger is the newest checkpoint of the ledger.
type Ledger struct {
	Origin string    `json:"origin"`
	Size   uint64    `json:"size"` // entries
	Root   string    `json:"root"` // base64, as the checkpoint has it
	At     time.Time `json:"at"`   // when it was published
}

// Totals are sums over all partitions: consumed = delivered + quarantined + in_flight + control + absent.
type Totals struct {
	Records            int64  `json:"records"` // delivered and quarantined
	Bytes              int64  `json:"bytes"`   // of their keys, values and headers
	Consumed           int64  `json:"consumed"`
	Delivered          int64  `json:"delivered"`
	Quarantined        int64  `json:"quarantined"`
	InFlight           int64  `json:"in_flight"`
	Control            int64  `json:"control"`
	Absent             int64  `json:"absent"`
	GivenUp            int64  `json:"given_up"`            // taken back, for the next owner to deliver; in no other sum
	QuarantinedPercent string `json:"quarantined_percent"` // of records; as Route.Percent
}

// Route says how much of what a set of jurisdictions got went to one sink. A jurisdiction that got nothing yet has
// one with its sink and no records.
//
// Percentages have four decimals, more where a share is smaller than that shows. They are cut off, never rounded up:
// "100.0000" means all. "-" means that there is nothing to have a share of.
type Route struct {
	Jurisdictions string `json:"jurisdictions"` // the set, joined by "+" in policy order
	Reason        string `json:"reason"`        // decided or overlap
	Cause         string `json:"cause"`         // the reason in a few words
	Sink          string `json:"sink"`
	Records       int64  `json:"records"`
	Bytes         int64  `json:"bytes"`
	Of            int64  `json:"of"`              // what was delivered of the set, to any sink
	Percent       string `json:"percent"`         // records of that
	PercentOfAll  string `json:"percent_of_all"`  // records of all, delivered and quarantined
	SetHeld       int64  `json:"set_quarantined"` // records in quarantine whose candidates are this set; not in `of`
}

// Quarantine says how much is in quarantine for one reason.
type Quarantine struct {
	Reason       string  `json:"reason"`
	Cause        string  `json:"cause"`
	Records      int64   `json:"records"`
	Bytes        int64   `json:"bytes"`
	PercentOfAll string  `json:"percent_of_all"`
	Sinks        []Count `json:"sinks"`      // where they are
	Candidates   []Count `json:"candidates"` // the sets of jurisdictions that they may belong to; "none" is one
}

// Count is a number of records by name.
type Count struct {
	Name    string `json:"name"`
	Records int64  `json:"records"`
}

// Sink is a sink of the policy, its state and what it took.
type Sink struct {
	Name     string    `json:"name"`
	State    string    `json:"state"`           // opening, ready, retrying or stopped
	Since    time.Time `json:"since"`           // when State began
	Cause    string    `json:"cause,omitempty"` // why it is not ready
	Country  string    `json:"country"`
	Region   string    `json:"region"`
	Operator string    `json:"operator"`
	Place    string    `json:"place"` // topic or directory
	Pins     Pins      `json:"pins"`
	Records  int64     `json:"records"` // acknowledged, quarantined ones included
	Bytes    int64     `json:"bytes"`
}

// Pins are what a sink is recognised by. Each that is given holds on every connection, or the sink is stopped.
type Pins struct {
	ClusterID     string   `json:"cluster_id,omitempty"`
	TLSSPKISHA256 []string `json:"tls_spki_sha256,omitempty"`
	Addresses     []string `json:"addresses,omitempty"`
	Unpinned      bool     `json:"unpinned"` // the policy says so in words; a directory has no pins and is not unpinned
}

// Partitions are the source partitions that this process reads.
type Partitions struct {
	Assigned int64       `json:"assigned"`
	Stopped  int64       `json:"stopped"`
	Lag      int64       `json:"lag"`   // offsets, of all
	Worst    []Partition `json:"worst"` // at most 50: those that stopped, then those with the most lag
}

// Partition is one source partition.
type Partition struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	State     string `json:"state"`           // reading or stopped
	Cause     string `json:"cause,omitempty"` // why it stopped
	Lag       int64  `json:"lag"`             // offsets from position to end
	InFlight  int64  `json:"in_flight"`       // offsets that are with the sinks
	Position  int64  `json:"position"`        // the offset below which all is settled
	End       int64  `json:"end"`             // the newest last stable offset that is known
}
