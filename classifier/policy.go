package classifier

import (
	"fmt"
	"slices"
	"time"

	"github.com/demarc/demarc/internal/record"
)

// Policy is a loaded and checked policy. It is never written after Load. Signals, jurisdictions and sinks are
// named by their index, in the order in which the policy writes them.
type Policy struct {
	Version int
	Hash    [32]byte // SHA-256 of the policy's text
	Text    []byte

	GeoMaxAge time.Duration // 0: no limit

	Signals       []Signal
	Jurisdictions []Jurisdiction
	Overlaps      []Overlap
	Routes        []int // jurisdiction -> sink

	// Quarantine gives each jurisdiction's quarantine sink; where the policy writes `default` or nothing, it
	// is QuarantineDefault.
	Quarantine        []int
	QuarantineDefault int

	Sinks []Sink
}

// Signal is one fact that the policy reads from a record.
type Signal struct {
	Name    string
	From    From
	Header  string   // From == FromHeader: the header's name, matched byte for byte
	Pointer []string // From == FromJSON: the unescaped reference tokens (RFC 6901); none is the whole document
	As      Scheme
	Hops    int // As == ForwardedFor: trusted hops from the right, at least 1

	// Map is looked up first, with the whole value in ASCII upper case. An empty set means absent.
	Map map[string]Countries

	IfNoLocationAbsent bool // an address without a location counts as absent
}

// From says where in a record a signal is.
type From uint8

const (
	FromHeader From = iota
	FromKey         // the whole key as text
	FromJSON        // a string in the value
)

// Scheme says how a signal's text names countries.
type Scheme uint8

const (
	Alpha2       Scheme = iota // ISO 3166-1 alpha-2
	Alpha3                     // ISO 3166-1 alpha-3
	Numeric                    // ISO 3166-1 numeric, three digits
	MCC                        // ITU-T E.212: mobile country code, network code may follow
	E164                       // ITU-T E.164 with its plus sign
	IP                         // an address
	ForwardedFor               // a list of addresses as in X-Forwarded-For
)

// Verb says how a jurisdiction's signals together make it hold.
type Verb uint8

const (
	First Verb = iota
	Any
	Agree
)

// Jurisdiction is a named set of countries and the condition under which it holds.
type Jurisdiction struct {
	Name      string
	Countries Countries // of Rest: the countries that no other jurisdiction lists
	Rest      bool
	StoreIn   Countries // where its records may be kept
	StoreAny  bool      // anywhere
	Verb      Verb
	When      []int // signals, in the order in which they are consulted
}

// Overlap routes one exact set of jurisdictions as one of its members.
type Overlap struct {
	Set    record.Set
	Member int
}

// Sink is one place that stores records, as the policy describes it.
type Sink struct {
	Name     string
	Location Location
	Accepts  record.Set
	Codec    string      // what compresses its batches, a name of [Codecs]; empty: what compressed the source's
	Kafka    *KafkaPlace // either this
	File     *FilePlace  // or this
	Pins     Pins
	Unpinned bool
}

// Codecs are the names that Kafka gives to what compresses batches.
func Codecs() []string { return []string{"none", "gzip", "snappy", "lz4", "zstd"} }

// Location says where a sink is.
type Location struct {
	Country  Country
	Region   string
	Operator string
}

// KafkaPlace is a topic of a Kafka cluster.
type KafkaPlace struct {
	Brokers    []string
	Topic      string
	Partitions int // how many the topic must have; 0: any number
}

// FilePlace is a directory.
type FilePlace struct {
	Dir string
}

// Pins are the checks that a sink is the place that the policy says.
type Pins struct {
	ClusterID     string
	TLSSPKISHA256 []string // base64 of the SHA-256 of a subject public key info (RFC 7469)
	Addresses     []string // CIDR prefixes
}

// signalName is the name for output; empty for -1.
func (p *Policy) signalName(i int16) string {
	if i < 0 {
		return ""
	}
	return p.Signals[i].Name
}

// JurisdictionNames lists the names in policy order, as record.Set.Join wants them.
func (p *Policy) JurisdictionNames() []string {
	names := make([]string, len(p.Jurisdictions))
	for i, j := range p.Jurisdictions {
		names[i] = j.Name
	}
	return names
}

// ID names the policy in headers and logs: its version and the whole SHA-256 of its text, in hex.
func (p *Policy) ID() string {
	return fmt.Sprintf("version %d sha256:%x", p.Version, p.Hash)
}

// ReadsIP reports whether a signal is an address, so that the policy needs a geo database.
func (p *Policy) ReadsIP() bool {
	return slices.ContainsFunc(p.Signals, func(s Signal) bool { return s.As == IP || s.As == ForwardedFor })
}
