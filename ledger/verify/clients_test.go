package verify_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/demarc/demarc/ledger"
	"github.com/demarc/demarc/ledger/tiles"
	"github.com/demarc/demarc/ledger/verify"
	"github.com/demarc/demarc/ledger/writer"
)

// written makes a log with the real writer.
func written(t *testing.T, entries []ledger.Entry) (dir string, k key) {
	t.Helper()
	ctx := t.Context()
	dir = filepath.Join(t.TempDir(), "ledger")
	vkey, err := writer.Init(dir, origin)
	if err != nil {
		t.Fatal(err)
	}
	log, err := writer.Open(ctx, dir, "", writer.Options{Interval: time.Nanosecond, CheckpointInterval: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Append(ctx, entries); err != nil {
		t.Fatal(err)
	}
	if err := log.Close(ctx); err != nil {
		t.Fatal(err)
	}
	return dir, key{public: vkey}
}

func TestALogOfTheWriterVerifies(t *testing.T) {
	s := honest()
	dir, k := written(t, s.entries)
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer server.Close()
	web, err := tiles.Web(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	for name, source := range map[string]tiles.Source{"folder": tiles.Folder(dir), "web": web} {
		next := uint64(0)
		r, err := verify.Walk(t.Context(), tiles.New(source), k.parse(t), verify.Options{}, func(index uint64, e *ledger.Entry) error {
			if index != next || e.Kind != s.entries[index].Kind {
				return fmt.Errorf("entry %d is %s, want entry %d, %s", index, e.Kind, next, s.entries[next].Kind)
			}
			next++
			return nil
		})
		if err != nil || r.FaultCount != 0 || r.Entries != uint64(len(s.entries)) || next != r.Entries {
			t.Errorf("%s: %d of %d entries, %v, %+v", name, next, len(s.entries), err, r)
		}
	}
}

func TestAnEmptyLogOfTheWriterVerifies(t *testing.T) {
	dir, k := written(t, nil)
	if r := walk(t, dir, k, verify.Options{}); r.FaultCount != 0 || r.Checkpoint.Size != 0 {
		t.Errorf("%+v", r)
	}
}

// Tessera's own check and its client, Go's sumdb note and tlog: they read what our writer wrote.
func TestOtherClientsReadALog(t *testing.T) {
	s := honest()
	dir, k := written(t, s.entries)
	verifier, err := note.NewVerifier(k.public)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	opened, err := note.Open(text, note.VerifierList(verifier))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(opened.Text, "\n")
	if lines[0] != origin || lines[1] != fmt.Sprint(len(s.entries)) {
		t.Fatalf("checkpoint %q", opened.Text)
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		t.Fatal(err)
	}

	fetcher := client.FileFetcher{Root: dir}
	hashLeaves := func(data []byte) ([][]byte, error) {
		var bundle api.EntryBundle
		if err := bundle.UnmarshalText(data); err != nil {
			return nil, err
		}
		var hashes [][]byte
		for _, e := range bundle.Entries {
			hashes = append(hashes, rfc6962.DefaultHasher.HashLeaf(e))
		}
		return hashes, nil
	}
	if err := fsck.New(origin, verifier, fetcher, hashLeaves, fsck.Opts{N: 2}).Check(t.Context()); err != nil {
		t.Errorf("Tessera's fsck: %v", err)
	}

	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer server.Close()
	address, err := url.Parse(server.URL + "/")
	if err != nil {
		t.Fatal(err)
	}
	overHTTP, err := client.NewHTTPFetcher(address, nil)
	if err != nil {
		t.Fatal(err)
	}
	hashes := tlog.TileHashReader(tlog.Tree{N: int64(len(s.entries)), Hash: root}, sumdbReader{t.Context(), overHTTP})
	for _, index := range []int64{0, 255, 256, someRange, int64(len(s.entries)) - 1} {
		bundle, err := client.GetEntryBundle(t.Context(), overHTTP.ReadEntryBundle, uint64(index/256), uint64(len(s.entries)))
		if err != nil {
			t.Fatal(err)
		}
		proof, err := tlog.ProveRecord(int64(len(s.entries)), index, hashes)
		if err != nil {
			t.Fatal(err)
		}
		entry := bundle.Entries[index%256]
		if err := tlog.CheckRecord(proof, int64(len(s.entries)), root, index, tlog.RecordHash(entry)); err != nil {
			t.Errorf("entry %d: %v", index, err)
		}
		want, err := writer.Encode(s.entries[index])
		if err != nil || string(entry) != string(want) {
			t.Errorf("entry %d is %s, want %s", index, entry, want)
		}
	}
}

// sumdbReader gives sumdb's reader of tiles what Tessera's client reads.
type sumdbReader struct {
	ctx  context.Context
	from *client.HTTPFetcher
}

func (sumdbReader) Height() int { return 8 }

func (r sumdbReader) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	all := make([][]byte, len(wanted))
	for i, tile := range wanted {
		data, err := r.from.ReadTile(r.ctx, uint64(tile.L), uint64(tile.N), uint8(tile.W))
		if err != nil {
			return nil, err
		}
		all[i] = data[:tile.W*tlog.HashSize]
	}
	return all, nil
}

func (sumdbReader) SaveTiles([]tlog.Tile, [][]byte) {}

// A walk reads the tree of the checkpoint that it saw, whatever the log becomes meanwhile.
func TestALogMayGrowMeanwhile(t *testing.T) {
	k, dir := newKey(t, origin, "k"), t.TempDir()
	s := honest()
	leaves := encode(t, s.entries)
	write(t, dir, k, leaves[:590])
	older, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	for s.next[0] < 40_000 {
		s.read(0)
	}
	write(t, dir, k, encode(t, s.entries))
	for _, path := range []string{tiles.EntriesPath(2, 78), tiles.TilePath(0, 2, 78)} {
		if err := os.RemoveAll(filepath.Dir(filepath.Join(dir, path))); err != nil {
			t.Fatal(err)
		}
	}
	put(t, filepath.Join(dir, "checkpoint"), older)
	if r := walk(t, dir, k, verify.Options{}); r.FaultCount != 0 || r.Entries != 590 {
		t.Errorf("%d entries, %v", r.Entries, r.Faults)
	}
}

// Whatever is in a bundle, there is no panic, and no yes but to the bytes that were signed.
func FuzzWalk(f *testing.F) {
	k, dir := newKey(f, origin, "k"), f.TempDir()
	leaves := encode(f, honest().entries[:40])
	write(f, dir, k, leaves)
	var whole []byte
	for _, leaf := range leaves {
		whole = binary.BigEndian.AppendUint16(whole, uint16(len(leaf)))
		whole = append(whole, leaf...)
	}
	tile, err := os.ReadFile(filepath.Join(dir, tiles.TilePath(0, 0, 40)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(0, 0, byte(1), false)
	f.Add(len(whole)-1, 3, byte('"'), false)
	f.Add(33, 7, byte(0), true)
	f.Fuzz(func(t *testing.T, at, cut int, with byte, signed bool) {
		damaged := []byte(string(whole))
		if at < 0 || at >= len(damaged) || cut < 0 || cut > len(damaged) {
			return
		}
		damaged[at] = with
		damaged = damaged[:len(damaged)-cut]
		here := t.TempDir()
		put(t, filepath.Join(here, tiles.EntriesPath(0, 40)), damaged)
		put(t, filepath.Join(here, tiles.TilePath(0, 0, 40)), tile)
		put(t, filepath.Join(here, "checkpoint"), k.sign(t, leaves))
		if signed && cut == 0 { // by an operator whose log it is
			var lied [][]byte
			for rest := damaged; len(rest) > 2; {
				n := min(int(binary.BigEndian.Uint16(rest)), len(rest)-2)
				lied = append(lied, rest[2:2+n])
				rest = rest[2+n:]
			}
			here = t.TempDir()
			write(t, here, k, lied)
		}
		r := walk(t, here, k, verify.Options{})
		if string(damaged) == string(whole) != (r.FaultCount == 0) && !signed {
			t.Errorf("faults %v", r.Faults)
		}
	})
}

// BenchmarkWalk reads a log of entries of 1.5 KB from a folder.
func BenchmarkWalk(b *testing.B) {
	k, dir, s := newKey(b, origin, "k"), b.TempDir(), newStory()
	s.policy(policyText, 3)
	s.pins("eu-fra", true)
	s.pins("us-oci", true)
	s.pins("us-quarantine", true)
	const n = 40_000
	for len(s.entries) < n {
		s.read(int32(len(s.entries) % 64))
	}
	leaves := encode(b, s.entries)
	write(b, dir, k, leaves)
	bytes := 0
	for _, leaf := range leaves {
		bytes += len(leaf)
	}
	b.SetBytes(int64(bytes))
	for b.Loop() {
		if r := walk(b, dir, k, verify.Options{}); r.FaultCount != 0 {
			b.Fatal(r.Faults)
		}
	}
	b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
	b.ReportMetric(float64(bytes)/n, "bytes/entry")
}
