//go:build !nounsafe && unix

package zstd

import (
	"bytes"
	"slices"
	"testing"

	"github.com/demarc/demarc/internal/fence"
)

// matchTwins has both ways find the matches of src and fails where anything of what they leave behind differs.
func matchTwins(t *testing.T, fast, slow *Encoder, src []byte) {
	t.Helper()
	if !useAssembly {
		t.Skip("this processor has no AVX2, BMI2 or LZCNT: no assembly is used")
	}
	fast.begin()
	slow.begin()
	for from := 0; from < len(src); from += blockSize {
		to := min(from+blockSize, len(src))
		fast.find(src, from, to)
		inGoAlone(func() { slow.find(src, from, to) })
		for what, same := range map[string]bool{
			"literals":         bytes.Equal(fast.literals.room[:fast.literals.size], slow.literals.room[:slow.literals.size]),
			"sequences":        slices.Equal(fast.sequences.list, slow.sequences.list),
			"recent distances": fast.recent == slow.recent,
			"pace":             fast.pace == slow.pace,
			"table":            fast.table == slow.table,
		} {
			if !same {
				t.Errorf("block of %d bytes from %d on: other %s", to-from, from, what)
			}
		}
	}
}

func TestMatchFast(t *testing.T) {
	all := shapes()
	for name, src := range all {
		t.Run(name, func(t *testing.T) { matchTwins(t, new(Encoder), new(Encoder), src) })
	}
	var fast, slow Encoder
	src := all["JSON"]
	for n := range 3000 {
		matchTwins(t, &fast, &slow, src[n%700:n%700+n])
	}
}

// TestMatchFastStaysInside: before src and behind it is memory that may not be read.
func TestMatchFastStaysInside(t *testing.T) {
	all := shapes()
	for _, name := range []string{"JSON", "packed", "noise", "zeros", "marks", "period 5"} {
		for _, n := range []int{1, 63, 64, 65, 96, 97, 1000, 4095, 4096, blockSize, blockSize + 1} {
			fence.Around(t, all[name][:n], func(src []byte) { matchTwins(t, new(Encoder), new(Encoder), src) })
		}
	}
}

func FuzzMatch(f *testing.F) {
	for _, b := range shapes() {
		f.Add(b[:min(len(b), 3000)], uint16(3), uint16(200))
	}
	var fast, slow Encoder
	f.Fuzz(func(t *testing.T, b []byte, times, moved uint16) {
		matchTwins(t, &fast, &slow, recurringly(b, times, moved))
	})
}
