package claim

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestBoundsBreakOnlyBetweenTheirParts: seven columns do not fit a page in one line each, and a date must not break.
func TestBoundsBreakOnlyBetweenTheirParts(t *testing.T) {
	c := &Claim{Bounds: []Bound{{Topic: "Ten T", To: 20000, SpanFrom: "2026-11-28T18:39:27.871Z"}}}
	want := [][]string{{"Ten T/0"}, {"[0, ", "20000)"}, {"[0, ", "0)"}, {"2026-11-28T", "18:39:27.871Z"}, {"-"}, {"-"}, {"-"}}
	if diff := cmp.Diff(want, view{c}.BoundRows()[0]); diff != "" {
		t.Errorf("bounds (-want +got):\n%s", diff)
	}
}
