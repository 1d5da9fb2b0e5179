// Package share writes counts, and a part of a whole in percent so that the text never says more than the numbers do.
package share

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
)

// Percent is part of whole in percent, without the sign, with four decimals. It is cut off, never rounded up:
// "100.0000" means all of a whole above 0, and "0.0000" means none. A part too small for four decimals is written
// with as many as its first digit needs. Of a whole of 0, or one below its part, there is no percentage, and the
// text is "-".
func Percent(part, whole uint64) string {
	if whole == 0 || part > whole {
		return "-"
	}
	const four = 1_000_000 // 100 percent, in units of the fourth decimal
	units, rest := divide(part, four, whole)
	if units > 0 || part == 0 {
		return fmt.Sprintf("%d.%04d", units/10_000, units%10_000)
	}
	zeros := 4
	for {
		var digit uint64
		digit, rest = divide(rest, 10, whole)
		if digit > 0 {
			return "0." + strings.Repeat("0", zeros) + strconv.FormatUint(digit, 10)
		}
		zeros++
	}
}

// divide is a * b / whole with its remainder, exactly. The quotient fits, as a <= whole and b is small.
func divide(a, b, whole uint64) (quotient, remainder uint64) {
	hi, lo := bits.Mul64(a, b)
	return bits.Div64(hi, lo, whole)
}

// Thousands writes n with a comma between groups of three digits.
func Thousands(n uint64) string {
	s := strconv.FormatUint(n, 10)
	var b strings.Builder
	for i, digit := range s {
		if i > 0 && (len(s)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(digit)
	}
	return b.String()
}

// Plural is a count with its noun: "1 record", "1,024 records".
func Plural[N int | int64 | uint64](n N, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return Thousands(uint64(n)) + " " + noun
}
