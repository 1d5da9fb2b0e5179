package tiles

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
)

// Prover computes proofs from a log's tiles. They are as good as the tiles: check them against a signed root.
type Prover struct {
	log  *Log
	size uint64
}

// Prover returns what proves things of the log's tree of size entries; a checkpoint of that size was seen.
func (l *Log) Prover(size uint64) Prover { return Prover{l, size} }

// Inclusion proves that an entry is in the tree: RFC 6962 section 2.1.1. The index is below the size.
func (p Prover) Inclusion(ctx context.Context, index uint64) ([]Hash, error) {
	if index >= p.size {
		return nil, fmt.Errorf("prove inclusion of entry %d: the tree has %d", index, p.size)
	}
	return p.path(ctx, index, 0, p.size)
}

// path is PATH of RFC 6962 for the tree over the entries [from, to).
func (p Prover) path(ctx context.Context, index, from, to uint64) ([]Hash, error) {
	if to-from == 1 {
		return nil, nil
	}
	middle := from + split(to-from)
	near, far := [2]uint64{from, middle}, [2]uint64{middle, to}
	if index >= middle {
		near, far = far, near
	}
	proof, err := p.path(ctx, index, near[0], near[1])
	if err != nil {
		return nil, err
	}
	h, err := p.hash(ctx, far[0], far[1])
	return append(proof, h), err
}

// Consistency proves that the tree begins with the entries of an older one: RFC 6962 section 2.1.2. The older size is
// at least 1 and at most the size.
func (p Prover) Consistency(ctx context.Context, older uint64) ([]Hash, error) {
	if older == 0 || older > p.size {
		return nil, fmt.Errorf("prove consistency with a tree of %d entries: the tree has %d", older, p.size)
	}
	return p.subproof(ctx, older, 0, p.size, true)
}

// subproof is SUBPROOF of RFC 6962 for the tree over the entries [from, to); whole says that its older part began at 0
// and is known to the verifier.
func (p Prover) subproof(ctx context.Context, older, from, to uint64, whole bool) ([]Hash, error) {
	if older == to {
		if whole {
			return nil, nil
		}
		h, err := p.hash(ctx, from, to)
		return []Hash{h}, err
	}
	middle := from + split(to-from)
	if older <= middle {
		proof, err := p.subproof(ctx, older, from, middle, whole)
		if err != nil {
			return nil, err
		}
		h, err := p.hash(ctx, middle, to)
		return append(proof, h), err
	}
	proof, err := p.subproof(ctx, older, middle, to, false)
	if err != nil {
		return nil, err
	}
	h, err := p.hash(ctx, from, middle)
	return append(proof, h), err
}

// hash is the hash of the tree over the entries [from, to), a subtree of the whole one.
func (p Prover) hash(ctx context.Context, from, to uint64) (Hash, error) {
	n := to - from
	if n&(n-1) != 0 {
		middle := from + split(n)
		left, err := p.hash(ctx, from, middle)
		if err != nil {
			return Hash{}, err
		}
		right, err := p.hash(ctx, middle, to)
		return NodeHash(left, right), err
	}
	height := bits.TrailingZeros64(n)
	level := height / tileHeight
	first := from >> (level * tileHeight)       // among the hashes of the level
	count := uint64(1) << (height % tileHeight) // they never cross a tile's end
	inLevel := p.size >> (level * tileHeight)   // hashes of the level
	tile := first / Width                       // its index
	width := min(Width, inLevel-tile*Width)     // as far as the tree fills it
	hashes, err := p.log.Tile(ctx, level, tile, int(width))
	if err != nil {
		return Hash{}, err
	}
	return Root(hashes[first%Width:][:count]), nil
}

var errProofLength = errors.New("proof is too long or too short")

// CheckInclusion says whether a proof shows that the leaf at index is in the tree: RFC 9162 section 2.1.3.2.
func CheckInclusion(proof []Hash, index, size uint64, leaf, root Hash) error {
	if index >= size {
		return fmt.Errorf("entry %d is not in a tree of %d", index, size)
	}
	at, last, h := index, size-1, leaf
	for _, p := range proof {
		if last == 0 {
			return errProofLength
		}
		if at&1 == 1 || at == last {
			h = NodeHash(p, h)
			for at&1 == 0 && at != 0 {
				at, last = at>>1, last>>1
			}
		} else {
			h = NodeHash(h, p)
		}
		at, last = at>>1, last>>1
	}
	if last != 0 {
		return errProofLength
	}
	if h != root {
		return errors.New("proof leads to another root")
	}
	return nil
}

// CheckConsistency says whether a proof shows that the tree begins with the older one: RFC 9162 section 2.1.4.2.
// Every tree begins with the empty one, which needs no proof.
func CheckConsistency(proof []Hash, older, size uint64, olderRoot, root Hash) error {
	switch {
	case older > size:
		return fmt.Errorf("a tree of %d entries does not begin with one of %d", size, older)
	case older == 0 && olderRoot != (&Tree{}).Root():
		return errors.New("the older root is not that of the empty tree")
	case older == 0 || older == size:
		if len(proof) != 0 {
			return errProofLength
		}
		if older == size && olderRoot != root {
			return errors.New("two roots for one size")
		}
		return nil
	case older&(older-1) == 0:
		proof = append([]Hash{olderRoot}, proof...)
	case len(proof) == 0:
		return errProofLength
	}
	at, last := older-1, size-1
	for at&1 == 1 {
		at, last = at>>1, last>>1
	}
	oldHash, newHash := proof[0], proof[0]
	for _, p := range proof[1:] {
		if last == 0 {
			return errProofLength
		}
		if at&1 == 1 || at == last {
			oldHash, newHash = NodeHash(p, oldHash), NodeHash(p, newHash)
			for at&1 == 0 && at != 0 {
				at, last = at>>1, last>>1
			}
		} else {
			newHash = NodeHash(newHash, p)
		}
		at, last = at>>1, last>>1
	}
	switch {
	case last != 0:
		return errProofLength
	case oldHash != olderRoot:
		return errors.New("proof leads to another older root")
	case newHash != root:
		return errors.New("proof leads to another root")
	}
	return nil
}
