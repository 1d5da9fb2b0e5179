//go:build unix

// Package fence is for tests of code whose loads and stores are not checked: memory between two pages that nobody may
// touch.
package fence

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// Around calls f with b at the beginning of memory before which nothing may be read, and again with b at the end of
// memory behind which nothing may be. What reads there ends the test binary. The slices are only for f.
func Around(t *testing.T, b []byte, f func([]byte)) {
	t.Helper()
	page := os.Getpagesize()
	room := (len(b) + page - 1) / page * page
	mem, err := unix.Mmap(-1, 0, page+room+page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Munmap(mem); err != nil {
			t.Error(err)
		}
	}()
	for _, wall := range [][]byte{mem[:page], mem[page+room:]} {
		if err := unix.Mprotect(wall, unix.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	for _, at := range []int{page, page + room - len(b)} {
		copy(mem[at:at+len(b)], b)
		f(mem[at : at+len(b) : at+len(b)])
	}
}
