// Package ledger is the vocabulary of demarc's evidence: what an entry of the transparency log says, and the
// strict reading of its bytes. FORMAT.md beside this file is the whole format, enough to write a verifier from.
// Nothing here writes a log, and nothing here trusts one.
package ledger

import "strconv"

// Version is the format's version, the "v" of every entry.
const Version = 1

// MaxEntryBytes bounds an entry: the length that tlog-tiles can give one.
const MaxEntryBytes = 1<<16 - 1

// Kind says what an entry is about.
type Kind string

// The kinds of entries.
const (
	KindRange  Kind = "range"  // a source range was read, decided and stored
	KindSpan   Kind = "span"   // how far the partitions of a source topic reached at some time
	KindPolicy Kind = "policy" // the text of a policy, before the first entry that cites it
	KindPins   Kind = "pins"   // a sink was found to be, or not to be, the place that the policy says
	KindGap    Kind = "gap"    // an operator's word that a source range is passed over
	KindReplay Kind = "replay" // a source range that the log covers already was stored once more
)

// Entry is one leaf of the log. Of the pointers after Via exactly one is set, that of Kind; a replay is told in Range.
//
// The fields of all types here stand in the order of their JSON names, which is the order of RFC 8785.
type Entry struct {
	Kind   Kind
	Via    *Via // where a sequencer took the entry from; nil if the process that made it wrote the log itself
	Range  *Range
	Span   *Span
	Policy *Policy
	Pins   *Pins
	Gap    *Gap
}

// Via is the place of an entry in the entries topic of several instances.
type Via struct {
	Offset    int64 `json:"offset"`
	Partition int32 `json:"partition"`
}

// Range covers the source offsets [Source.From, Source.To). It carries no key, payload, address or id of a user.
type Range struct {
	Absent   int64     `json:"absent"`  // offsets without a record to deliver: compacted away, or of an aborted transaction
	Control  int64     `json:"control"` // transaction markers
	Counts   []Count   `json:"counts"`  // sorted by Set, Reason, Sink, byte by byte; each triple once
	Data     int64     `json:"data"`    // records; Data + Control + Absent = To - From, and the sum of Counts
	Geo      *Geo      `json:"geo,omitempty"`
	Policy   PolicyRef `json:"policy"`
	Program  string    `json:"program"`  // name and version of the writer
	Receipts []Receipt `json:"receipts"` // sorted by Sink, then those in files by Name and From, then the others by Cluster, Topic, Partition and Base
	Source   Source    `json:"source"`
	Time     *Times    `json:"time,omitempty"` // absent when Data is 0
}

// Stream is one partition of one topic of one cluster: what ranges tile. A topic that was deleted and created
// again has another TopicID, and its partitions are other streams.
type Stream struct {
	Cluster   string
	Topic     string
	TopicID   string
	Partition int32
}

func (s Stream) String() string {
	name := s.Topic + "/" + strconv.Itoa(int(s.Partition)) + " of cluster " + s.Cluster
	if s.TopicID != "" {
		name += " (topic id " + s.TopicID + ")"
	}
	return name
}

// Source is a range of one source partition.
type Source struct {
	Cluster     string `json:"cluster"`      // cluster id as the brokers give it
	From        int64  `json:"from"`         // first offset
	LeaderEpoch int32  `json:"leader_epoch"` // of the range's last batch; -1 if not known
	Partition   int32  `json:"partition"`
	To          int64  `json:"to"` // first offset that is not covered; above From
	Topic       string `json:"topic"`
	TopicID     string `json:"topic_id,omitempty"` // as a UUID in lower-case hex with dashes; absent if the cluster gives none
}

// Stream is the partition that s is a range of.
func (s Source) Stream() Stream { return Stream{s.Cluster, s.Topic, s.TopicID, s.Partition} }

// Times are the least and the greatest timestamp of a range's records, in milliseconds since the epoch. One beyond
// what an entry can hold (2^53 - 1 to either side) is told as that bound: producers write what they like.
type Times struct {
	First int64  `json:"first"`
	Last  int64  `json:"last"`
	Type  string `json:"type"` // "create" or "append"; "mixed" if batches of both are in the range
}

// Count says how many records of a range had one outcome.
type Count struct {
	Bytes   int64  `json:"bytes"` // of keys, values and headers as they lie in a batch
	Reason  string `json:"reason"`
	Records int64  `json:"records"` // above 0
	Set     string `json:"set"`     // names joined by "+" in policy order, "none" for the empty set; candidates if Reason quarantines
	Sink    string `json:"sink"`
}

// Receipt says where a sink stored records of a range, durably. For each sink and set the receipts of a range
// add up to its counts.
type Receipt struct {
	Counts []SetCount `json:"counts"` // sorted by Set
	File   *FilePlace `json:"file,omitempty"`
	Kafka  *Offsets   `json:"kafka,omitempty"`
	SHA256 string     `json:"sha256"` // lower-case hex; see Offsets and FilePlace
	Sink   string     `json:"sink"`
}

// SetCount says how many records of one set a receipt holds.
type SetCount struct {
	Records int64  `json:"records"`
	Set     string `json:"set"`
}

// Offsets are the records [Base, Last] of a Kafka partition, one batch. The receipt's digest is over the records
// section of that batch, compressed as stored: the bytes after the 61 of the batch header.
type Offsets struct {
	Base      int64  `json:"base"`
	Cluster   string `json:"cluster"`
	Last      int64  `json:"last"` // Last - Base + 1 is the number of records
	Partition int32  `json:"partition"`
	Topic     string `json:"topic"`
}

// FilePlace is the bytes [From, To) of a file of a directory sink, one whole record batch. The digest is over these.
type FilePlace struct {
	From int64  `json:"from"`
	Name string `json:"name"` // the file's path inside the sink's directory, with slashes
	To   int64  `json:"to"`
}

// PolicyRef names a policy: its version, and the SHA-256 of its text in lower-case hex.
type PolicyRef struct {
	SHA256  string `json:"sha256"`
	Version int64  `json:"version"`
}

// Geo names the geo database that a range was decided with.
type Geo struct {
	Built  int64  `json:"built"` // build time of the original database, seconds since the epoch
	SHA256 string `json:"sha256"`
}

// Span says how far a source topic reached when a process looked. Several entries with one At tell of a topic
// with many partitions: each holds those from Base on.
type Span struct {
	At      int64   `json:"at"`   // milliseconds since the epoch
	Base    int32   `json:"base"` // number of the first partition told of here
	Cluster string  `json:"cluster"`
	Count   int32   `json:"count"`  // partitions of the topic
	First   []int64 `json:"first"`  // first offset of each partition
	Stable  []int64 `json:"stable"` // last stable offset: all below it is committed or aborted
	Topic   string  `json:"topic"`
	TopicID string  `json:"topic_id,omitempty"`
	Why     string  `json:"why"` // "start", "hour" or "stop"
}

// Policy is a policy's text, in as many parts as it needs.
type Policy struct {
	Part    int32  `json:"part"` // from 1
	Parts   int32  `json:"parts"`
	SHA256  string `json:"sha256"` // of the whole text
	Text    string `json:"text"`   // the parts' texts joined are the policy's bytes, which are UTF-8
	Version int64  `json:"version"`
}

// Pins says what a sink was found to be when its pins were last checked, before anything was written to it.
type Pins struct {
	At       int64     `json:"at"`
	Checks   []Check   `json:"checks"` // sorted by Pin, then Seen; those that the policy pins, each seen place once
	Held     bool      `json:"held"`   // all did; false: nothing is written until a later entry says true
	Location Location  `json:"location"`
	Place    Place     `json:"place"`
	Policy   PolicyRef `json:"policy"`
	Sink     string    `json:"sink"`
	Unpinned bool      `json:"unpinned"` // the policy says in words that nothing proves the place
}

// Check is one pin, what the policy expects and what was seen.
type Check struct {
	Expected []string `json:"expected"`
	Held     bool     `json:"held"`
	Pin      string   `json:"pin"` // "address", "cluster_id", "directory" or "tls_spki_sha256"
	Seen     string   `json:"seen"`
}

// Location is what the policy says of where a sink stands.
type Location struct {
	Country  string `json:"country"`
	Operator string `json:"operator"`
	Region   string `json:"region"`
}

// Place is where a sink writes: a topic of a Kafka cluster, or a directory.
type Place struct {
	// Cluster may be absent from Pins that did not hold: a broker that was refused was not asked.
	Cluster   string `json:"cluster,omitempty"`
	Directory string `json:"directory,omitempty"`
	Topic     string `json:"topic,omitempty"`
}

// Gap is an operator's word that the offsets [Source.From, Source.To) are passed over. They count as not covered.
type Gap struct {
	At     int64  `json:"at"`
	Reason string `json:"reason"`
	Source Source `json:"source"`
}
