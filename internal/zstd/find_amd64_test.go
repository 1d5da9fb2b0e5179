//go:build !nounsafe && unix

package zstd

import (
	"bytes"
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// matchTwins has both ways find the matches of src and fails where anything of what they leave behind differs.
func matchTwins(t *testing.T, fast, slow *Encoder, src []byte) {
	t.Helper()
	if !canMatchFast {
		t.Skip("this processor has no AVX2, BMI2 or LZCNT: only match is used")
	}
	for _, e := range []*Encoder{fast, slow} {
		clear(e.table[:])
		e.recent = recent{1, 4, 8}
		e.pace.reset()
	}
	for from := 0; from < len(src); from += blockSize {
		to := min(from+blockSize, len(src))
		fast.find(src, from, to)
		slow.literals.reset()
		slow.sequences.reset()
		slow.literals.rest(src[slow.match(src, max(from, 1), from, to):to])
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
	page, all := os.Getpagesize(), shapes()
	for _, name := range []string{"JSON", "packed", "noise", "zeros", "marks", "period 5"} {
		for _, n := range []int{1, 63, 64, 65, 96, 97, 1000, page - 1, page, blockSize, blockSize + 1} {
			src := all[name][:n]
			room := (n + page - 1) / page * page
			mem, err := unix.Mmap(-1, 0, page+room+page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
			if err != nil {
				t.Fatal(err)
			}
			for _, wall := range [][]byte{mem[:page], mem[page+room:]} {
				if err := unix.Mprotect(wall, unix.PROT_NONE); err != nil {
					t.Fatal(err)
				}
			}
			for _, at := range []int{page, page + room - n} {
				copy(mem[at:at+n], src)
				matchTwins(t, new(Encoder), new(Encoder), mem[at:at+n:at+n])
			}
			if err := unix.Munmap(mem); err != nil {
				t.Fatal(err)
			}
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
