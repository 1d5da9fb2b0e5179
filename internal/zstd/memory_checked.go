//go:build !(amd64 || arm64) || nounsafe

package zstd

import "encoding/binary"

func load64(b []byte, i int) uint64     { return binary.LittleEndian.Uint64(b[i:]) }
func load32(b []byte, i int) uint32     { return binary.LittleEndian.Uint32(b[i:]) }
func store64(b []byte, i int, v uint64) { binary.LittleEndian.PutUint64(b[i:], v) }

func load8(b []byte, i int) uint8 { return b[i] }
