package devbroker

import "github.com/demarc/demarc/internal/record"

// Fault is what is wrong with a hostile record.
type Fault uint8

// Each fault is one rule of what hostile and broken input must do.
const (
	NoFault           Fault = iota
	RepeatedKey             // /user/verified_region twice, with two countries
	FoldedKey               // beside it a twin that differs by case only
	EscapedKey              // beside it a twin spelled with an escape
	TrailingBytes           // a second document after the first
	DeepNesting             // deeper than any honest document
	BadUTF8                 // in the string that is read
	ReservedHeader          // a header that only demarc may write
	RepeatedHeader          // account-country twice
	Truncated               // the document ends in its middle
	ByteOrderMark           // before the document
	EmptyValue              // zero bytes, not null
	NotAvailable            // "N/A" for a country
	BlankCountry            // ""
	LookAlike               // two Cyrillic letters
	WrongType               // the SIM code is a number
	LeadingZeros            // an address that two readers read differently
	UnassignedCountry       // ZZ
	TestNetwork             // SIM code 001
	PrivateAddress          // 10.0.0.0/8
	SharedAddress           // 100.64.0.0/10, of carriers' NAT
	Tombstone               // a null value and no header
	faultCount
)

var faults = [faultCount]struct {
	name   string
	reason record.Reason
}{
	NoFault:           {"", record.Decided},
	RepeatedKey:       {"repeated key", record.Ambiguous},
	FoldedKey:         {"key differs by case", record.Ambiguous},
	EscapedKey:        {"key spelled with an escape", record.Ambiguous},
	TrailingBytes:     {"trailing bytes", record.Ambiguous},
	DeepNesting:       {"deep nesting", record.Ambiguous},
	BadUTF8:           {"invalid UTF-8", record.Ambiguous},
	ReservedHeader:    {"demarc- header", record.Ambiguous},
	RepeatedHeader:    {"repeated header", record.Ambiguous},
	Truncated:         {"truncated document", record.Unreadable},
	ByteOrderMark:     {"byte-order mark", record.Unreadable},
	EmptyValue:        {"empty value", record.Unreadable},
	NotAvailable:      {"N/A for a country", record.Malformed},
	BlankCountry:      {"empty country", record.Malformed},
	LookAlike:         {"look-alike letters", record.Malformed},
	WrongType:         {"number for a text", record.Malformed},
	LeadingZeros:      {"address with leading zeros", record.Malformed},
	UnassignedCountry: {"unassigned country", record.UnknownCode},
	TestNetwork:       {"test network", record.UnknownCode},
	PrivateAddress:    {"private address", record.NoLocation},
	SharedAddress:     {"shared address", record.NoLocation},
	Tombstone:         {"tombstone", record.NoSignal},
}

// Faults lists all faults.
func Faults() []Fault {
	list := make([]Fault, 0, faultCount-1)
	for f := NoFault + 1; f < faultCount; f++ {
		list = append(list, f)
	}
	return list
}

func (f Fault) String() string { return faults[f].name }

// Reason is why a record with this fault is quarantined under a policy that consults the header
// account-country and, as written in the record, /user/verified_region, /device/mcc and /network/ip, without
// `map` and `if_no_location`. Decided for NoFault, where it may be Overlap if the record is roaming.
func (f Fault) Reason() record.Reason { return faults[f].reason }

// bare reports whether a line-based producer without headers can write a record with this fault.
func (f Fault) bare() bool {
	return f != ReservedHeader && f != RepeatedHeader && f != EmptyValue && f != Tombstone
}

// Never written after start.
var allFaults, bareFaults = Faults(), filterBare(Faults())

func filterBare(list []Fault) []Fault {
	var bare []Fault
	for _, f := range list {
		if f.bare() {
			bare = append(bare, f)
		}
	}
	return bare
}
