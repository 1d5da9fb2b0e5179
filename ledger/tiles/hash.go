package tiles

import (
	"crypto/sha256"
	"encoding/base64"
	"math/bits"
)

// HashSize is the length of a hash in bytes.
const HashSize = sha256.Size

// Hash is a hash of the Merkle tree: SHA-256.
type Hash [HashSize]byte

// String is the hash as checkpoints write it.
func (h Hash) String() string { return base64.StdEncoding.EncodeToString(h[:]) }

// LeafHash is the hash of an entry, RFC 6962 section 2.1.
func LeafHash(entry []byte) Hash {
	h := sha256.New()
	h.Write([]byte{0})
	h.Write(entry)
	var sum Hash
	h.Sum(sum[:0])
	return sum
}

// NodeHash is the hash of a tree of two, RFC 6962 section 2.1.
func NodeHash(left, right Hash) Hash {
	var both [1 + 2*HashSize]byte
	both[0] = 1
	copy(both[1:], left[:])
	copy(both[1+HashSize:], right[:])
	return sha256.Sum256(both[:])
}

// Tree is a Merkle tree that grows to the right. It keeps only the hashes of its complete subtrees, one for each bit
// of its size. The zero value is the empty tree.
type Tree struct {
	size     uint64
	subtrees []Hash // the largest first
}

// Size is the number of leaves.
func (t *Tree) Size() uint64 { return t.size }

// Append adds a complete subtree of 2^height leaves; the size so far is a multiple of that.
func (t *Tree) Append(h Hash, height int) {
	for n := t.size >> height; n&1 == 1; n >>= 1 {
		last := len(t.subtrees) - 1
		h = NodeHash(t.subtrees[last], h)
		t.subtrees = t.subtrees[:last]
	}
	t.subtrees = append(t.subtrees, h)
	t.size += 1 << height
}

// Root is the tree's hash.
func (t *Tree) Root() Hash {
	if t.size == 0 {
		return sha256.Sum256(nil)
	}
	return joinRight(t.subtrees)
}

// Clone returns a tree that grows on its own.
func (t *Tree) Clone() *Tree {
	return &Tree{t.size, append(make([]Hash, 0, len(t.subtrees)+1), t.subtrees...)}
}

// joinRight is the hash over complete subtrees, the largest first; there is at least one.
func joinRight(subtrees []Hash) Hash {
	last := len(subtrees) - 1
	h := subtrees[last]
	for i := last - 1; i >= 0; i-- {
		h = NodeHash(subtrees[i], h)
	}
	return h
}

// Root is the root of the tree over some hashes of equal height.
func Root(hashes []Hash) Hash {
	var t Tree
	for _, h := range hashes {
		t.Append(h, 0)
	}
	return t.Root()
}

// split is the largest power of two below n, which is 2 or more.
func split(n uint64) uint64 { return 1 << (bits.Len64(n-1) - 1) }
