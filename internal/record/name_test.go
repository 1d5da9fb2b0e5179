package record

import (
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	for _, c := range []struct {
		rule      func(string) bool
		good, bad []string
	}{
		{
			IsJurisdiction,
			[]string{"A", "Z", "US", "EEA_2", "A0", "A_", "A9Z"},
			[]string{"", "none", "us", "Us", "0A", "_A", "9", "A-B", "A+B", "A B", "A.B", "A@", "A[", "A/", "A:", "Ä", "A\x00", "US\n"},
		},
		{
			IsTopic,
			[]string{"a", "Z", "0", "_", "-", "...", ".a", "events.us-1_A9", strings.Repeat("a", 249)},
			[]string{"", ".", "..", "a b", "a/b", "../a", "a\\b", "a:b", "a\x00", "a\n", "é", "a@", "a[", "a`", "a{", strings.Repeat("a", 250)},
		},
	} {
		for _, name := range c.good {
			if !c.rule(name) {
				t.Errorf("%q is refused", name)
			}
		}
		for _, name := range c.bad {
			if c.rule(name) {
				t.Errorf("%q is taken", name)
			}
		}
	}
}
