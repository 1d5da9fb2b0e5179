//go:build !nounsafe

package zstd

//lint:file-ignore U1000 entropy_amd64.s uses what nothing here does

import "unsafe"

// lengthBits is how many bits the length of a code has, at the bottom of its word.
const lengthBits = 4

// putFast is put. It does not check that the codes are below 64 and the tables made for them.
func (q *sequences) putFast(out []byte, states *[3]uint32) (acc uint64, used uint32, at int) {
	return putSequencesBMI2(q, &out[0], states)
}

// putFast is put.
func (h *huffman) putFast(out, b []byte) (size int) {
	return putHuffmanBMI2(h, &out[0], unsafe.SliceData(b), len(b))
}

// Neither call is interrupted; it writes one block at most, which takes a fifth of a millisecond.

//go:noescape
func putSequencesBMI2(q *sequences, out *byte, states *[3]uint32) (acc uint64, used uint32, at int)

//go:noescape
func putHuffmanBMI2(h *huffman, out, b *byte, n int) (size int)
