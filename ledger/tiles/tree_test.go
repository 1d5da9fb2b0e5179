package tiles_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/demarc/demarc/ledger/tiles"
)

// oracle is a tree by another implementation, golang.org/x/mod/sumdb/tlog.
type oracle struct {
	size   int64
	stored []tlog.Hash
}

func (o *oracle) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	all := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		all[i] = o.stored[x]
	}
	return all, nil
}

func (o *oracle) add(t testing.TB, entry []byte) {
	t.Helper()
	more, err := tlog.StoredHashes(o.size, entry, o)
	if err != nil {
		t.Fatal(err)
	}
	o.stored = append(o.stored, more...)
	o.size++
}

func (o *oracle) root(t testing.TB, size int64) tiles.Hash {
	t.Helper()
	h, err := tlog.TreeHash(size, o)
	if err != nil {
		t.Fatal(err)
	}
	return tiles.Hash(h)
}

func entry(i int) []byte { return fmt.Appendf(nil, "entry %d", i) }

func newOracle(t testing.TB, size int) *oracle {
	t.Helper()
	o := &oracle{}
	for i := range size {
		o.add(t, entry(i))
	}
	return o
}

// write makes the folder of the oracle's tree.
func (o *oracle) write(t testing.TB, dir string) {
	t.Helper()
	for _, tile := range tlog.NewTiles(8, 0, o.size) {
		data, err := tlog.ReadTileData(tile, o)
		if err != nil {
			t.Fatal(err)
		}
		put(t, dir, tiles.TilePath(tile.L, uint64(tile.N), tile.W), data)
	}
	for from := 0; from < int(o.size); from += tiles.Width {
		var data []byte
		to := min(from+tiles.Width, int(o.size))
		for i := from; i < to; i++ {
			data = binary.BigEndian.AppendUint16(data, uint16(len(entry(i))))
			data = append(data, entry(i)...)
		}
		put(t, dir, tiles.EntriesPath(uint64(from/tiles.Width), to-from), data)
	}
}

func put(t testing.TB, dir, path string, data []byte) {
	t.Helper()
	name := filepath.Join(dir, path)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestRootsAreThoseOfAnotherImplementation(t *testing.T) {
	const n = 1100
	o := newOracle(t, n)
	var tree tiles.Tree
	var leaves []tiles.Hash
	for i := range n {
		if got, want := tree.Root(), o.root(t, int64(i)); got != want || tree.Size() != uint64(i) {
			t.Fatalf("size %d: root %x, want %x", i, got, want)
		}
		leaf := tiles.LeafHash(entry(i))
		leaves = append(leaves, leaf)
		before := tree.Clone()
		tree.Append(leaf, 0)
		if before.Root() != o.root(t, int64(i)) {
			t.Fatalf("size %d: a clone grew with its original", i)
		}
	}
	var byBundles tiles.Tree
	for bundle := range slices.Chunk(leaves[:1024], 256) {
		byBundles.Append(tiles.Root(bundle), 8)
	}
	if got, want := byBundles.Root(), o.root(t, 1024); got != want {
		t.Errorf("root over bundles %x, want %x", got, want)
	}
}

func TestProofsAreThoseOfAnotherImplementation(t *testing.T) {
	const n = 66_000 // three levels of tiles
	o, dir := newOracle(t, n), t.TempDir()
	o.write(t, dir)
	log := tiles.New(tiles.Folder(dir))
	ctx := context.Background()
	r := rand.New(rand.NewPCG(1, 2))
	prover, root := log.Prover(n), o.root(t, n)
	for i := range 200 {
		index := r.Int64N(n)
		if i < 4 {
			index = []int64{0, n - 1, 65535, 65536}[i]
		}
		proof, err := prover.Inclusion(ctx, uint64(index))
		if err != nil {
			t.Fatal(err)
		}
		want, err := tlog.ProveRecord(n, index, o)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.EqualFunc(proof, want, func(a tiles.Hash, b tlog.Hash) bool { return a == tiles.Hash(b) }) {
			t.Fatalf("inclusion of %d: %x, want %x", index, proof, want)
		}
		leaf := tiles.LeafHash(entry(int(index)))
		if err := tiles.CheckInclusion(proof, uint64(index), n, leaf, root); err != nil {
			t.Fatalf("inclusion of %d: %v", index, err)
		}
		refuseDamagedProofs(t, proof, func(p []tiles.Hash) error { return tiles.CheckInclusion(p, uint64(index), n, leaf, root) })
		if tiles.CheckInclusion(proof, uint64(index)^1, n, leaf, root) == nil {
			t.Errorf("the proof of entry %d holds for its neighbour", index)
		}

		older := 1 + r.Int64N(n)
		if i < 5 {
			older = []int64{1, n, 65536, 32768, n - 1}[i]
		}
		proof, err = prover.Consistency(ctx, uint64(older))
		if err != nil {
			t.Fatal(err)
		}
		wantTree, err := tlog.ProveTree(n, older, o)
		if err != nil {
			t.Fatal(err)
		}
		// RFC 6962 leaves out the older root where the verifier can put it in; tlog does too.
		if !slices.EqualFunc(proof, wantTree, func(a tiles.Hash, b tlog.Hash) bool { return a == tiles.Hash(b) }) {
			t.Fatalf("consistency with %d: %x, want %x", older, proof, wantTree)
		}
		olderRoot := o.root(t, older)
		if err := tiles.CheckConsistency(proof, uint64(older), n, olderRoot, root); err != nil {
			t.Fatalf("consistency with %d: %v", older, err)
		}
		refuseDamagedProofs(t, proof, func(p []tiles.Hash) error {
			return tiles.CheckConsistency(p, uint64(older), n, olderRoot, root)
		})
		olderRoot[3] ^= 1
		if tiles.CheckConsistency(proof, uint64(older), n, olderRoot, root) == nil {
			t.Errorf("consistency with another tree of %d", older)
		}
	}
}

func refuseDamagedProofs(t *testing.T, proof []tiles.Hash, check func([]tiles.Hash) error) {
	t.Helper()
	if check(append(slices.Clone(proof), tiles.Hash{})) == nil {
		t.Error("a proof with a hash more holds")
	}
	if len(proof) == 0 {
		return
	}
	if check(proof[:len(proof)-1]) == nil {
		t.Error("a proof with a hash less holds")
	}
	for i := range proof {
		damaged := slices.Clone(proof)
		damaged[i][0] ^= 1
		if check(damaged) == nil {
			t.Errorf("a proof with a damaged hash %d holds", i)
		}
	}
}

func TestProofsOfTheEmptyTree(t *testing.T) {
	empty, some := (&tiles.Tree{}).Root(), tiles.LeafHash(nil)
	if err := tiles.CheckConsistency(nil, 0, 1, empty, some); err != nil {
		t.Errorf("a tree does not begin with the empty one: %v", err)
	}
	for name, err := range map[string]error{
		"an empty tree of another root":  tiles.CheckConsistency(nil, 0, 1, some, some),
		"a proof that nothing needs":     tiles.CheckConsistency([]tiles.Hash{some}, 0, 1, empty, some),
		"a tree that shrinks":            tiles.CheckConsistency(nil, 2, 1, some, some),
		"two roots for one size":         tiles.CheckConsistency(nil, 1, 1, some, empty),
		"no proof":                       tiles.CheckConsistency(nil, 3, 5, some, some),
		"an entry of the empty tree":     tiles.CheckInclusion(nil, 0, 0, some, some),
		"an entry behind the tree's end": tiles.CheckInclusion(nil, 1, 1, some, some),
	} {
		if err == nil {
			t.Errorf("%s passes", name)
		}
	}
	prover := tiles.New(tiles.Folder(t.TempDir())).Prover(5)
	if _, err := prover.Inclusion(context.Background(), 5); err == nil {
		t.Error("proof of an entry behind the end")
	}
	for _, older := range []uint64{0, 6} {
		if _, err := prover.Consistency(context.Background(), older); err == nil {
			t.Errorf("proof of consistency with %d of 5", older)
		}
	}
}
