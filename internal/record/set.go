package record

import (
	"math/bits"
	"strings"
)

// Set is a set of jurisdictions: bit i stands for the i-th jurisdiction of the policy, in policy order.
type Set uint64

// MaxJurisdictions is how many jurisdictions a policy may have.
const MaxJurisdictions = 64

// One is the set that holds only the i-th jurisdiction.
func One(i int) Set { return 1 << uint(i) }

// Has reports whether s holds the i-th jurisdiction.
func (s Set) Has(i int) bool { return s&One(i) != 0 }

// Len is the number of jurisdictions in s.
func (s Set) Len() int { return bits.OnesCount64(uint64(s)) }

// First is the index of the first jurisdiction in s, in policy order; 64 if s is empty.
func (s Set) First() int { return bits.TrailingZeros64(uint64(s)) }

// Join names s: the names in policy order, joined by "+"; "none" if s is empty.
func (s Set) Join(names []string) string {
	if s == 0 {
		return "none"
	}
	var b strings.Builder
	for rest := s; rest != 0; rest &= rest - 1 {
		if b.Len() > 0 {
			b.WriteByte('+')
		}
		b.WriteString(names[rest.First()])
	}
	return b.String()
}
