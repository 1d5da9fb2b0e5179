package verify

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

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
		sanePins(e.Pins, say)
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

// sanePins checks that a pin which is said to have held saw what it expects, in a place that can have such a pin.
func sanePins(p *ledger.Pins, say sayer) {
	for i := range p.Checks {
		c := &p.Checks[i]
		sayHere := func(field, format string, args ...any) {
			say(fmt.Sprintf("checks[%d].%s", i, field), format, args...)
		}
		if (c.Pin == pinDirectory) != (p.Place.Directory != "") {
			sayHere("pin", "is %s, which says nothing of the place", c.Pin)
		}
		if !c.Held {
			continue
		}
		if !sawExpected(c) {
			sayHere("held", "is true, and %q was seen where one of %q is expected", c.Seen, c.Expected)
		}
		if c.Pin == pinCluster && p.Place.Cluster != "" && c.Seen != p.Place.Cluster {
			sayHere("seen", "is %q, but the place is in cluster %q", c.Seen, p.Place.Cluster)
		}
	}
}

// The pins that are looked at more closely than as words.
const (
	pinAddress   = "address"
	pinCluster   = "cluster_id"
	pinDirectory = "directory"
)

// sawExpected reports whether what was seen is expected, as far as the entry tells what is.
func sawExpected(c *ledger.Check) bool {
	if slices.Contains(c.Expected, c.Seen) || moreInPolicy(c.Expected) {
		return true
	}
	seen, err := netip.ParseAddr(c.Seen)
	return err == nil && c.Pin == pinAddress && slices.ContainsFunc(c.Expected, func(text string) bool {
		prefix, err := netip.ParsePrefix(text)
		return err == nil && prefix.Contains(seen)
	})
}

// moreInPolicy reports whether a list is too long for an entry, so that the policy holds the rest.
func moreInPolicy(expected []string) bool {
	last := expected[len(expected)-1]
	return strings.HasPrefix(last, "and ") && strings.HasSuffix(last, " more in the policy")
}
