package classifier

import (
	"bytes"

	"github.com/demarc/demarc/internal/record"
)

// forwardedEntry picks the entry that stands hops from the right, 1 being the last, of a list of addresses as in
// X-Forwarded-For. The list may be spread over several headers, whose values are given in order and count as
// joined by commas; a null value is an empty entry, as an empty one is. Blanks and tabs around the entry are
// dropped. Entries to the left of it are not looked at: anyone can have written them. Fewer entries than hops are
// Malformed: the record did not come through the proxies that the policy trusts.
func forwardedEntry(values [][]byte, hops int) ([]byte, record.Reason) {
	for i := len(values) - 1; i >= 0; i-- {
		rest := values[i]
		for {
			comma := bytes.LastIndexByte(rest, ',')
			hops--
			if hops == 0 {
				return trimBlanks(rest[comma+1:]), record.Decided
			}
			if comma < 0 {
				break
			}
			rest = rest[:comma]
		}
	}
	return nil, record.Malformed
}

func trimBlanks(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}
