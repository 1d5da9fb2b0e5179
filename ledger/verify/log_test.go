package verify_test

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/demarc/demarc/ledger"
	"github.com/demarc/demarc/ledger/tiles"
	"github.com/demarc/demarc/ledger/verify"
	"github.com/demarc/demarc/ledger/writer"
)

const origin = "demarc.test/log"

// key is a log's key, made from its name so that tests repeat.
type key struct{ secret, public string }

func newKey(t testing.TB, name, seed string) key {
	t.Helper()
	secret, public, err := note.GenerateKey(strings.NewReader(strings.Repeat(seed, 32)[:32]), name)
	if err != nil {
		t.Fatal(err)
	}
	return key{secret, public}
}

// sign returns a checkpoint over leaves, with the signatures of more signers after the log's.
func (k key) sign(t testing.TB, leaves [][]byte, more ...note.Signer) []byte {
	t.Helper()
	return k.signTree(t, len(leaves), storedHashes(t, leaves), more...)
}

func (k key) signTree(t testing.TB, size int, hashes hashStore, more ...note.Signer) []byte {
	t.Helper()
	root, err := tlog.TreeHash(int64(size), hashes)
	if err != nil {
		t.Fatal(err)
	}
	return k.signText(t, fmt.Sprintf("%s\n%d\n%s\n", origin, size, root), more...)
}

func (k key) signText(t testing.TB, text string, more ...note.Signer) []byte {
	t.Helper()
	signer, err := note.NewSigner(k.secret)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := note.Sign(&note.Note{Text: text}, append([]note.Signer{signer}, more...)...)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func (k key) parse(t testing.TB) tiles.Key {
	t.Helper()
	parsed, err := tiles.ParseKey(k.public)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// cosigner is a witness.
type cosigner struct {
	name   string
	secret ed25519.PrivateKey
}

func newCosigner(name string) cosigner {
	seed := sha256.Sum256([]byte(name))
	return cosigner{name, ed25519.NewKeyFromSeed(seed[:])}
}

func (c cosigner) public() []byte { return append([]byte{4}, c.secret.Public().(ed25519.PublicKey)...) }

func (c cosigner) vkey() string {
	return fmt.Sprintf("%s+%08x+%s", c.name, c.KeyHash(), base64.StdEncoding.EncodeToString(c.public()))
}

func (c cosigner) Name() string { return c.name }

func (c cosigner) KeyHash() uint32 {
	sum := sha256.Sum256([]byte(c.name + "\n" + string(c.public())))
	return binary.BigEndian.Uint32(sum[:])
}

func (c cosigner) Sign(text []byte) ([]byte, error) {
	const at = 1700000000
	sig := binary.BigEndian.AppendUint64(nil, at)
	return append(sig, ed25519.Sign(c.secret, fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", at, text))...), nil
}

// hashStore holds the hashes of a tree as golang.org/x/mod/sumdb/tlog numbers them.
type hashStore []tlog.Hash

func (s hashStore) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	all := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		all[i] = s[x]
	}
	return all, nil
}

func storedHashes(t testing.TB, leaves [][]byte) hashStore {
	t.Helper()
	var all hashStore
	for i, leaf := range leaves {
		more, err := tlog.StoredHashes(int64(i), leaf, all)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, more...)
	}
	return all
}

// write makes the folder of a log, signed, whatever its leaves say. The tiles are those of another implementation.
func write(t testing.TB, dir string, k key, leaves [][]byte, more ...note.Signer) {
	t.Helper()
	hashes := storedHashes(t, leaves)
	for _, tile := range tlog.NewTiles(8, 0, int64(len(leaves))) {
		if newest := int64(len(leaves)) >> (8 * tile.L); tile.N*256+int64(tile.W) > newest || tile.W < 256 && tile.N*256+int64(tile.W) < newest {
			continue // of an older size
		}
		data, err := tlog.ReadTileData(tile, hashes)
		if err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(dir, tiles.TilePath(tile.L, uint64(tile.N), tile.W)), data)
	}
	for from := 0; from < len(leaves); from += 256 {
		var data []byte
		part := leaves[from:min(from+256, len(leaves))]
		for _, leaf := range part {
			data = binary.BigEndian.AppendUint16(data, uint16(len(leaf)))
			data = append(data, leaf...)
		}
		put(t, filepath.Join(dir, tiles.EntriesPath(uint64(from/256), len(part))), data)
	}
	put(t, filepath.Join(dir, "checkpoint"), k.signTree(t, len(leaves), hashes, more...))
}

func put(t testing.TB, name string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func encode(t testing.TB, entries []ledger.Entry) [][]byte {
	t.Helper()
	leaves := make([][]byte, len(entries))
	for i, e := range entries {
		leaf, err := writer.Encode(e)
		if err != nil {
			t.Fatalf("entry %d: %v", i, err)
		}
		leaves[i] = leaf
	}
	return leaves
}

func walk(t testing.TB, dir string, k key, opts verify.Options) *verify.Result {
	t.Helper()
	r, err := verify.Walk(context.Background(), tiles.New(tiles.Folder(dir)), k.parse(t), opts, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const (
	cluster     = "source-cluster"
	topic       = "events"
	topicID     = "5b2b3c0e-6a5e-4f4e-8c0a-0d3f5a6b7c8d"
	now         = 1700000000000
	policyText  = "version: 3\n# a policy\n"
	perRange    = 100
	inUS, inEEA = 60, 35 // of the records of a range; the rest is quarantined
)

func sha(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func ref() ledger.PolicyRef { return ledger.PolicyRef{SHA256: sha(policyText), Version: 3} }

// story writes the entries of an honest service, one after the other.
type story struct {
	entries []ledger.Entry
	next    map[int32]int64  // source partition -> first offset not covered
	stored  map[string]int64 // sink and partition -> first offset or byte not used
}

func newStory() *story { return &story{next: map[int32]int64{}, stored: map[string]int64{}} }

func (s *story) add(e ledger.Entry) { s.entries = append(s.entries, e) }

func (s *story) policy(text string, version int64) {
	middle := len(text) / 2
	for i, part := range []string{text[:middle], text[middle:]} {
		s.add(ledger.Entry{Kind: ledger.KindPolicy, Policy: &ledger.Policy{
			Part: int32(i + 1), Parts: 2, SHA256: sha(text), Text: part, Version: version}})
	}
}

func (s *story) pins(sink string, held bool) {
	p := &ledger.Pins{
		At: now, Held: held, Policy: ref(), Sink: sink,
		Location: ledger.Location{Country: "US", Operator: "op", Region: "region"},
	}
	if sink == "us-quarantine" {
		p.Place = ledger.Place{Directory: "/var/lib/q"}
		p.Checks = []ledger.Check{{Expected: []string{"/var/lib/q"}, Held: held, Pin: "directory", Seen: "/var/lib/q"}}
	} else {
		p.Place = ledger.Place{Cluster: "cluster-of-" + sink, Topic: "events." + sink}
		p.Checks = []ledger.Check{{Expected: []string{"cluster-of-" + sink}, Held: held, Pin: "cluster_id", Seen: "cluster-of-" + sink}}
	}
	s.add(ledger.Entry{Kind: ledger.KindPins, Pins: p})
}

func (s *story) span(why string, stable ...int64) {
	s.add(ledger.Entry{Kind: ledger.KindSpan, Span: &ledger.Span{
		At: now + int64(len(s.entries)), Cluster: cluster, Topic: topic, TopicID: topicID,
		Count: int32(len(stable)), First: make([]int64, len(stable)), Stable: stable, Why: why,
	}})
}

func (s *story) source(partition int32, from, to int64) ledger.Source {
	return ledger.Source{Cluster: cluster, From: from, LeaderEpoch: 1, Partition: partition, To: to, Topic: topic, TopicID: topicID}
}

// read adds the next range of a partition: 100 records, a control batch, three absent offsets.
func (s *story) read(partition int32) {
	from := s.next[partition]
	s.next[partition] = from + perRange + 4
	s.add(ledger.Entry{Kind: ledger.KindRange, Range: s.outcome(s.source(partition, from, from+perRange+4))})
}

// replay adds a range that was stored once more.
func (s *story) replay(partition int32, from int64) {
	s.add(ledger.Entry{Kind: ledger.KindReplay, Range: s.outcome(s.source(partition, from, from+perRange+4))})
}

func (s *story) outcome(source ledger.Source) *ledger.Range {
	const inQuarantine = perRange - inUS - inEEA
	return &ledger.Range{
		Absent: 3, Control: 1, Data: perRange,
		Counts: []ledger.Count{
			{Bytes: 9000, Reason: "decided", Records: inEEA, Set: "EEA", Sink: "eu-fra"},
			{Bytes: 5000, Reason: "decided", Records: inUS, Set: "US", Sink: "us-oci"},
			{Bytes: 200, Reason: "no_signal", Records: inQuarantine, Set: "none", Sink: "us-quarantine"},
		},
		Geo:     &ledger.Geo{Built: 1690000000, SHA256: sha("geo")},
		Policy:  ref(),
		Program: "demarc 0.5.0",
		Receipts: []ledger.Receipt{
			s.inTopic("eu-fra", "EEA", source.Partition, inEEA),
			s.inTopic("us-oci", "US", source.Partition, inUS),
			s.inFile("us-quarantine", "none", source.Partition, inQuarantine),
		},
		Source: source,
		Time:   &ledger.Times{First: now, Last: now + 999, Type: "create"},
	}
}

func (s *story) inTopic(sink, set string, partition int32, n int64) ledger.Receipt {
	at := fmt.Sprint(sink, partition)
	base := s.stored[at]
	s.stored[at] = base + n
	return ledger.Receipt{
		Counts: []ledger.SetCount{{Records: n, Set: set}}, SHA256: sha(at), Sink: sink,
		Kafka: &ledger.Offsets{Base: base, Cluster: "cluster-of-" + sink, Last: base + n - 1, Partition: partition, Topic: "events." + sink},
	}
}

func (s *story) inFile(sink, set string, partition int32, n int64) ledger.Receipt {
	at := fmt.Sprint(sink, partition)
	from := s.stored[at]
	s.stored[at] = from + 700
	return ledger.Receipt{
		Counts: []ledger.SetCount{{Records: n, Set: set}}, SHA256: sha(at), Sink: sink,
		File: &ledger.FilePlace{From: from, Name: fmt.Sprintf("events-%d/00000001.log", partition), To: from + 700},
	}
}

// Entries of honest that the tests name.
const (
	firstRange = 6   // after the policy in two parts, the pins of three sinks, the span at the start
	someRange  = 300 // in the second bundle; of partition 0, as all entries of which firstRange+3k is the index are
	gapEntry   = 596
)

// honest is a log of two full bundles and a partial one, with everything in it.
func honest() *story {
	s := newStory()
	s.policy(policyText, 3)
	s.pins("eu-fra", true)
	s.pins("us-oci", true)
	s.pins("us-quarantine", true)
	s.span("start", 5000, 5000, 5000)
	for len(s.entries) < gapEntry {
		s.read(int32((len(s.entries) - firstRange) % 3))
	}
	s.add(ledger.Entry{Kind: ledger.KindGap, Gap: &ledger.Gap{
		At: now, Reason: "a broker's disk was lost", Source: s.source(2, s.next[2], s.next[2]+50)}})
	s.next[2] += 50
	s.replay(0, 0)
	s.read(2)
	s.span("stop", s.next[0]+7, s.next[1], s.next[2])
	return s
}
