package record

import "fmt"

// Reason says why a record went where it went. The enumeration is closed: metric labels, log keys, the
// quarantine header and the documentation all read it from here.
type Reason uint8

// Decided and Overlap are the reasons of delivered records; all others are reasons of quarantine.
const (
	Decided     Reason = iota // one jurisdiction holds; its route
	Overlap                   // several hold; a sink that may take them all
	NoSignal                  // no consulted signal was present
	Malformed                 // a consulted signal is not in the form that `as` asks for
	UnknownCode               // well-formed, but not a country
	NoLocation                // an address without a location
	Conflict                  // `agree`: one signal says yes, another no
	Ambiguous                 // two readers could read the record differently
	Unreadable                // the document cannot be read
	GeoExpired                // the geo database is past `max_age`
	NoRoute                   // something was present, but no lawful sink follows from it
	TooLarge                  // the sink refuses a record of this size
	Refused                   // the sink refuses the record for good
	reasonCount
)

var reasonNames = [reasonCount]string{
	"decided", "overlap", "no_signal", "malformed", "unknown_code", "no_location", "conflict",
	"ambiguous", "unreadable", "geo_expired", "no_route", "too_large", "refused",
}

// Reasons lists all reasons in their order.
func Reasons() []Reason {
	all := make([]Reason, reasonCount)
	for i := range all {
		all[i] = Reason(i)
	}
	return all
}

// Quarantines reports whether r is a reason of quarantine.
func (r Reason) Quarantines() bool { return r >= NoSignal }

func (r Reason) String() string {
	if r >= reasonCount {
		return fmt.Sprintf("reason(%d)", uint8(r))
	}
	return reasonNames[r]
}

// reasonCauses are the reasons in a few words, for people.
var reasonCauses = [reasonCount]string{
	"one jurisdiction holds: its route",
	"several hold: a sink that may take them all",
	"nothing in it says where its user belongs",
	"a signal is not in the form that it has to be",
	"a code that is no country",
	"an address without a location",
	"signals that must agree do not",
	"two readers could read it differently",
	"its document cannot be read",
	"the geo database is too old",
	"no lawful sink follows from its signals",
	"its sink does not take records of its size",
	"its sink refuses it for good",
}

// LongestCause is how many bytes the longest text of Cause has, for a column of them.
const LongestCause = 45

// Cause says r in a few words, for people: why the record went where it went.
func (r Reason) Cause() string {
	if r >= reasonCount {
		return r.String()
	}
	return reasonCauses[r]
}

// ParseReason is the inverse of String.
func ParseReason(s string) (Reason, bool) {
	for i, name := range reasonNames {
		if name == s {
			return Reason(i), true
		}
	}
	return 0, false
}
