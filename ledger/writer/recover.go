package writer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"path/filepath"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/api/layout"
	"github.com/transparency-dev/tessera/client"

	"github.com/demarc/demarc/ledger"
)

// recover reads from the log what the committer has to know: at Open, and after an error that left it unsure. It reads
// the entries behind the saved state, all of them if there is none that matches, and checks what it reads: leaves
// against tiles, entries against the format and the order, roots against tree state and checkpoint.
func (l *Log) recover(ctx context.Context) error {
	// A process that was killed, or an error, may have left the tree state renamed into place, but not its name on
	// disk. What is believed from here on must be durable.
	if err := syncDir(filepath.Join(l.dir, ".state")); err != nil {
		return err
	}
	tree, cp, err := l.readHeads()
	if err != nil {
		return err
	}
	tail, err := l.startOfTail(ctx, tree.Size)
	if err != nil {
		return err
	}
	from := tail.roots.End()
	if cp.Size < from {
		if err := l.checkRoot(ctx, cp); err != nil {
			return err
		}
	}
	if cp.Size == from {
		if err := tail.matches(cp.Size, cp.Root[:], "checkpoint"); err != nil {
			return err
		}
	}
	for info := range layout.Range(from, tree.Size-from, tree.Size) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := tail.bundle(ctx, info, cp); err != nil {
			return err
		}
	}
	if err := tail.matches(tree.Size, tree.Root, "tree state"); err != nil {
		return err
	}
	if tail.other > 0 {
		return fmt.Errorf("its first %d entries are not those that were written here: the folder is of another history of the log, put the right one back, or begin a new ledger (%s tells the two apart)", tail.other, l.stateFile)
	}
	if err := l.sweep(tree.Size); err != nil {
		return err
	}
	l.recovered(tree.Size, from, tail)
	return nil
}

// readHeads reads what is durable and what is signed of it. It refuses a tree that is smaller than what was signed, or
// was durable in this process.
func (l *Log) readHeads() (treeState, Checkpoint, error) {
	tree, err := l.readTreeState()
	if err != nil {
		return tree, Checkpoint{}, err
	}
	cp, err := l.Checkpoint()
	if err != nil {
		return tree, cp, err
	}
	if had := max(cp.Size, l.Size()); tree.Size < had {
		return tree, cp, fmt.Errorf("its tree has size %d, and it had %d: entries are lost, restore the folder", tree.Size, had)
	}
	return tree, cp, nil
}

// recovered puts what was read into force.
func (l *Log) recovered(size, from uint64, t *tail) {
	c := &l.commits
	if c.there == nil {
		c.there = map[[32]byte]bool{}
	}
	for sum := range t.there {
		c.there[sum] = true
	}
	c.admission, c.unsure, c.saved = t.admission, false, from
	c.added = map[[32]byte][32]byte{}
	l.signer.grown(size)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.size = size
	l.positions = make(map[ledger.Stream]int64, len(t.admission.streams))
	for s, x := range t.admission.streams {
		l.positions[s] = x.to
	}
	l.taken = maps.Clone(t.admission.via)
}

// startOfTail begins at the saved state, if it is of this log: the root that it names must be that of the tiles.
func (l *Log) startOfTail(ctx context.Context, size uint64) (*tail, error) {
	t := &tail{log: l, admission: NewAdmission(), there: map[[32]byte]bool{}}
	var err error
	if saved, ok := l.loadState(); ok {
		if saved.Size > size {
			return nil, fmt.Errorf("it has %d entries, and %d were written here: the folder is an older copy, and a log that goes on from it would tell another history than the one that was signed: put the newest copy back, or begin a new ledger (%s tells the size)", size, saved.Size, l.stateFile)
		}
		if t.roots, err = l.rangeOf(ctx, saved.Size); err != nil {
			return nil, err
		}
		root, err := rootOf(t.roots)
		if err != nil {
			return nil, err
		}
		if bytes.Equal(root, saved.Root) {
			t.admission = saved.admission()
			return t, nil
		}
		t.other = saved.Size // unless the entries turn out to be damaged
	}
	t.roots, err = l.rangeOf(ctx, 0)
	return t, err
}

// rangeOf is the left edge of the tree of some size, as the tiles have it.
func (l *Log) rangeOf(ctx context.Context, size uint64) (*compact.Range, error) {
	factory := compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}
	if size == 0 {
		return factory.NewEmptyRange(0), nil
	}
	nodes, err := client.FetchRangeNodes(ctx, size, l.files.ReadTile)
	if err != nil {
		return nil, fmt.Errorf("read tiles of the tree of size %d: %w", size, err)
	}
	return factory.NewRange(0, size, nodes)
}

func rootOf(r *compact.Range) ([]byte, error) {
	if r.End() == 0 {
		return rfc6962.DefaultHasher.EmptyRoot(), nil
	}
	return r.GetRootHash(nil)
}

// checkRoot compares a checkpoint behind which all entries were read before with the tiles.
func (l *Log) checkRoot(ctx context.Context, cp Checkpoint) error {
	roots, err := l.rangeOf(ctx, cp.Size)
	if err != nil {
		return err
	}
	return (&tail{roots: roots}).matches(cp.Size, cp.Root[:], "checkpoint")
}

// tail is what is read of a log's end.
type tail struct {
	log       *Log
	admission *Admission
	roots     *compact.Range
	there     map[[32]byte]bool // of committer.added, those that were met
	other     uint64            // the size at which this writer had another root
}

func (t *tail) matches(size uint64, want []byte, whose string) error {
	root, err := rootOf(t.roots)
	if err != nil {
		return err
	}
	if t.roots.End() != size || !bytes.Equal(root, want) {
		return fmt.Errorf("the %s has size %d and root %x, the entries have size %d and root %x: the log is damaged, restore the folder", whose, size, want, t.roots.End(), root)
	}
	return nil
}

// bundle reads the entries of one bundle, or a part of it.
func (t *tail) bundle(ctx context.Context, info layout.RangeInfo, cp Checkpoint) error {
	text, err := t.log.files.ReadEntryBundle(ctx, info.Index, info.Partial)
	if err != nil {
		return fmt.Errorf("read bundle of entry %d: %w", info.Index*layout.EntryBundleWidth+uint64(info.First), err)
	}
	var bundle api.EntryBundle
	if err := bundle.UnmarshalText(text); err != nil {
		return fmt.Errorf("read bundle of entry %d: %w", info.Index*layout.EntryBundleWidth, err)
	}
	text, err = t.log.files.ReadTile(ctx, 0, info.Index, info.Partial)
	if err != nil {
		return fmt.Errorf("read tile of entry %d: %w", info.Index*layout.TileWidth, err)
	}
	if end := int(info.First + info.N); len(bundle.Entries) < end || len(text) < end*sha256.Size {
		return fmt.Errorf("bundle of entry %d: it has %d entries, its tile %d, want %d", info.Index*layout.EntryBundleWidth, len(bundle.Entries), len(text)/sha256.Size, end)
	}
	for i := int(info.First); i < int(info.First+info.N); i++ {
		if err := t.entry(bundle.Entries[i], text[i*sha256.Size:(i+1)*sha256.Size]); err != nil {
			return fmt.Errorf("entry %d: %w", info.Index*layout.EntryBundleWidth+uint64(i), err)
		}
		if t.roots.End() == cp.Size {
			if err := t.matches(cp.Size, cp.Root[:], "checkpoint"); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *tail) entry(text, leaf []byte) error {
	hash := rfc6962.DefaultHasher.HashLeaf(text)
	if !bytes.Equal(hash, leaf) {
		return fmt.Errorf("its hash is %x, the tile has %x: the log is damaged, restore the folder", hash, leaf)
	}
	if sum, ok := t.log.commits.added[[32]byte(hash)]; ok {
		t.there[sum] = true
	}
	e, err := ledger.Decode(text)
	if err != nil {
		return err
	}
	if err := t.admission.Follow(e); err != nil {
		return err
	}
	return t.roots.Append(hash, nil)
}
