package share

import (
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestPercent(t *testing.T) {
	for _, tc := range []struct {
		part, whole uint64
		want        string
	}{
		{0, 0, "-"},
		{1, 0, "-"},
		{math.MaxUint64, 1, "-"},
		{0, 1, "0.0000"},
		{1, 1, "100.0000"},
		{402_113, 402_118, "99.9987"},
		{999_999, 1_000_000, "99.9999"},
		{9_999_999, 10_000_000, "99.9999"},
		{math.MaxUint64 - 1, math.MaxUint64, "99.9999"},
		{math.MaxUint64, math.MaxUint64, "100.0000"},
		{1, 1_000_000, "0.0001"},
		{1, 1_000_001, "0.00009"},
		{3, 1_000_000_000, "0.0000003"},
		{1, math.MaxUint64, "0.000000000000000005"},
		{1, 3, "33.3333"},
		{2, 3, "66.6666"},
	} {
		if got := Percent(tc.part, tc.whole); got != tc.want {
			t.Errorf("Percent(%d, %d) = %s, want %s", tc.part, tc.whole, got, tc.want)
		}
	}
}

// TestPercentNeverSaysMore compares the text with the fraction itself: it is at most that, and says all or none
// for all or none only.
func TestPercentNeverSaysMore(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		whole := random.Uint64()>>random.IntN(64) | 1
		part := random.Uint64N(whole)
		switch random.IntN(4) {
		case 0:
			part = whole - min(whole, random.Uint64N(3))
		case 1:
			part = min(whole, random.Uint64N(3))
		}
		text := Percent(part, whole)
		if (text == "100.0000") != (part == whole) || (strings.Trim(text, "0.") == "") != (part == 0) {
			t.Fatalf("Percent(%d, %d) = %s", part, whole, text)
		}
		said, ok := new(big.Rat).SetString(text)
		exact := new(big.Rat).SetFrac(new(big.Int).SetUint64(part), new(big.Int).SetUint64(whole))
		if exact.Mul(exact, big.NewRat(100, 1)); !ok || said.Cmp(exact) > 0 {
			t.Fatalf("Percent(%d, %d) = %s, above %s", part, whole, text, exact.FloatString(30))
		}
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[uint64]string{0: "0", 999: "999", 1000: "1,000", 402_118: "402,118", 1_234_567: "1,234,567"} {
		if got := Thousands(n); got != want {
			t.Errorf("Thousands(%d) = %s, want %s", n, got, want)
		}
	}
}

func TestPlural(t *testing.T) {
	for want, got := range map[string]string{"0 records": Plural(0, "record"), "1 record": Plural(uint64(1), "record"), "1,024 records": Plural(int64(1024), "record")} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
