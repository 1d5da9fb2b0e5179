//go:build (amd64 || arm64) && !nounsafe

package zstd

import "unsafe"

// Loads and stores are not checked against the bounds of their slice: that would take a third of the time. Who calls
// them keeps the bounds. On other machines, and with the tag nounsafe, which the tests are run with too, those of
// memory_checked.go take their place.

func load64(b []byte, i int) uint64 {
	return *(*uint64)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(b)), i))
}

func load32(b []byte, i int) uint32 {
	return *(*uint32)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(b)), i))
}

func store64(b []byte, i int, v uint64) {
	*(*uint64)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(b)), i)) = v
}

func load8(b []byte, i int) uint8 {
	return *(*uint8)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(b)), i))
}
