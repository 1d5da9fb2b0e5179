package verify

import (
	"github.com/demarc/demarc/internal/record"
	"github.com/demarc/demarc/ledger"
)

// lastMillisecond is the end of the year 9999, the last that RFC 3339 can write.
const lastMillisecond = 253402300799999

// sane checks what an entry says by itself beyond its form. Timestamps of records are not looked at: producers write
// what they like.
func sane(e *ledger.Entry, say sayer) {
	at := int64(0)
	switch {
	case e.Span != nil:
		at = e.Span.At
	case e.Pins != nil:
		at = e.Pins.At
	case e.Gap != nil:
		at = e.Gap.At
	case e.Range != nil && e.Range.Geo == nil:
		for _, n := range e.Range.Counts {
			if n.Reason == record.GeoExpired.String() {
				say("geo", "is absent, and %d records were quarantined because the geo database was too old", n.Records)
			}
		}
	}
	if at > lastMillisecond {
		say("at", "is %d, which is no time in milliseconds since 1970", at)
	}
}
