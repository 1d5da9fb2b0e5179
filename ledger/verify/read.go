package verify

import (
	"context"
	"errors"
	"fmt"

	"github.com/demarc/demarc/ledger"
	"github.com/demarc/demarc/ledger/tiles"
)

// bundle is up to 256 entries as far as they can be judged on their own.
type bundle struct {
	index      uint64
	first      uint64 // index of its first entry
	hashes     []tiles.Hash
	entries    []readEntry
	mismatches []mismatch
	broken     error // the bundle or its tile cannot be read; the rest is not set
}

// mismatch is an entry that its tile of hashes does not know.
type mismatch struct {
	about about
	cause string
}

// readEntry is one entry: decoded, or why not.
type readEntry struct {
	entry *ledger.Entry
	err   error
	size  int
}

// eachBundle reads the entries of a tree and calls fn for each bundle in order. Bundles are read, hashed and decoded
// at once, as many as the source likes; that many are in memory.
func eachBundle(ctx context.Context, log *tiles.Log, size uint64, fn func(*bundle) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	queue := make(chan chan *bundle, log.Concurrency())
	go func() {
		defer close(queue)
		for index := uint64(0); index*tiles.Width < size; index++ {
			slot := make(chan *bundle, 1)
			select {
			case queue <- slot:
			case <-ctx.Done():
				return
			}
			width := int(min(tiles.Width, size-index*tiles.Width))
			go func() { slot <- readBundle(ctx, log, index, width) }()
		}
	}()
	for slot := range queue {
		if err := fn(<-slot); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// readBundle reads a bundle and the tile of its hashes, and does all that needs no other bundle.
func readBundle(ctx context.Context, log *tiles.Log, index uint64, width int) *bundle {
	b := &bundle{index: index, first: index * tiles.Width}
	raw, err := log.Entries(ctx, index, width)
	if err != nil {
		return &bundle{broken: err}
	}
	tile, err := log.Tile(ctx, 0, index, width)
	if err != nil {
		return &bundle{broken: err}
	}
	b.hashes = make([]tiles.Hash, width)
	b.entries = make([]readEntry, width)
	for i, data := range raw {
		b.hashes[i] = tiles.LeafHash(data)
		r := readEntry{size: len(data)}
		if e, err := ledger.Decode(data); err == nil {
			r.entry = &e
		} else {
			r.err = err
		}
		b.entries[i] = r
		if b.hashes[i] != tile[i] {
			a := about{entry: b.first + uint64(i), isEntry: true}
			if r.entry != nil {
				a.what = describe(r.entry)
			}
			b.mismatches = append(b.mismatches, mismatch{a,
				fmt.Sprintf("its bytes are not those whose hash is in %s", tiles.TilePath(0, index, width))})
		}
	}
	return b
}

// hashCheck rebuilds the Merkle tree from the entries and holds it against the tiles and signed roots.
type hashCheck struct {
	walk   *walk
	signed *tiles.Checkpoint
	tree   tiles.Tree
	levels [][]tiles.Hash // of the tile that is being filled on each level from 1 on
	filled []uint64       // how many tiles of the level are full
}

func newHashCheck(w *walk, c *tiles.Checkpoint) *hashCheck { return &hashCheck{walk: w, signed: c} }

// bundle adds the entries of a bundle.
func (h *hashCheck) bundle(ctx context.Context, b *bundle) error {
	if since := h.walk.opts.Since; since != nil && since.Size >= b.first && since.Size-b.first < uint64(len(b.hashes)) {
		h.since(b.hashes[:since.Size-b.first])
	}
	if len(b.hashes) < tiles.Width {
		for _, leaf := range b.hashes {
			h.tree.Append(leaf, 0)
		}
		return nil
	}
	root := tiles.Root(b.hashes)
	h.tree.Append(root, 8)
	return h.push(ctx, 0, root)
}

// push adds a hash on a level, counted from the one above the leaves.
func (h *hashCheck) push(ctx context.Context, level int, hash tiles.Hash) error {
	if level == len(h.levels) {
		h.levels = append(h.levels, make([]tiles.Hash, 0, tiles.Width))
		h.filled = append(h.filled, 0)
	}
	h.levels[level] = append(h.levels[level], hash)
	if len(h.levels[level]) < tiles.Width {
		return nil
	}
	if err := h.compare(ctx, level); err != nil {
		return err
	}
	root := tiles.Root(h.levels[level])
	h.levels[level] = h.levels[level][:0]
	h.filled[level]++
	return h.push(ctx, level+1, root)
}

// compare holds the served tile against the hashes that the entries give. A tile that lies fools other readers.
func (h *hashCheck) compare(ctx context.Context, level int) error {
	want := h.levels[level]
	served, err := h.walk.log.Tile(ctx, level+1, h.filled[level], len(want))
	if err != nil {
		return err
	}
	for i := range want {
		if served[i] != want[i] {
			leaves := uint64(1) << (8 * (level + 1))
			from := (h.filled[level]*tiles.Width + uint64(i)) * leaves
			h.walk.fault(about{what: tiles.TilePath(level+1, h.filled[level], len(want))},
				"hash %d is not that of the entries [%d,%d)", i, from, from+leaves)
		}
	}
	return nil
}

// since compares the tree so far and some more leaves with the earlier checkpoint.
func (h *hashCheck) since(more []tiles.Hash) {
	then := h.tree.Clone()
	for _, leaf := range more {
		then.Append(leaf, 0)
	}
	if got := then.Root(); got != h.walk.opts.Since.Root {
		h.walk.fault(aboutCheckpoint, "does not continue the earlier one: the first %d entries have the root %s, and had %s: the log was forked or rewritten",
			then.Size(), got, h.walk.opts.Since.Root)
	}
}

// finish compares what is left: partial tiles and the signed root.
func (h *hashCheck) finish(ctx context.Context) error {
	if since := h.walk.opts.Since; since != nil && since.Size == h.tree.Size() {
		h.since(nil)
	}
	if got := h.tree.Root(); got != h.signed.Root {
		h.walk.fault(aboutCheckpoint, "is signed for the root %s, but the %d entries have %s", h.signed.Root, h.tree.Size(), got)
	}
	var first error
	for level := range h.levels {
		if len(h.levels[level]) == 0 {
			continue
		}
		if err := h.compare(ctx, level); err != nil {
			var broken *tiles.Broken
			if !errors.As(err, &broken) {
				return err
			}
			first = errors.Join(first, err)
		}
	}
	return first
}
