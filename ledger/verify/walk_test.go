package verify_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/demarc/demarc/ledger"
	"github.com/demarc/demarc/ledger/tiles"
	"github.com/demarc/demarc/ledger/verify"
)

// failing is a source that breaks at one path.
type failing struct {
	tiles.Source
	path string
	err  error
}

func (f failing) Get(ctx context.Context, path string, limit int64) ([]byte, error) {
	if path == f.path {
		return nil, f.err
	}
	return f.Source.Get(ctx, path, limit)
}

// A disk or a network that fails is no answer about the log.
func TestWhatCannotBeReadIsNoAnswer(t *testing.T) {
	k, dir, broken := newKey(t, origin, "k"), t.TempDir(), errors.New("input/output error")
	write(t, dir, k, encode(t, honest().entries))
	for _, path := range []string{"checkpoint", "tile/entries/000", "tile/entries/002.p/88", "tile/0/001", "tile/1/000.p/2"} {
		log := tiles.New(failing{tiles.Folder(dir), path, broken})
		r, err := verify.Walk(t.Context(), log, k.parse(t), verify.Options{}, nil)
		if !errors.Is(err, broken) || r != nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, %v", path, r, err)
		}
	}
}

func TestAWalkEndsWithItsContext(t *testing.T) {
	k, dir := newKey(t, origin, "k"), t.TempDir()
	write(t, dir, k, encode(t, honest().entries))
	ctx, cancel := context.WithCancel(t.Context())
	_, err := verify.Walk(ctx, tiles.New(tiles.Folder(dir)), k.parse(t), verify.Options{}, func(index uint64, _ *ledger.Entry) error {
		if index == 10 {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestAVisitorEndsAWalk(t *testing.T) {
	k, dir, enough := newKey(t, origin, "k"), t.TempDir(), errors.New("enough")
	write(t, dir, k, encode(t, honest().entries))
	visited := 0
	_, err := verify.Walk(t.Context(), tiles.New(tiles.Folder(dir)), k.parse(t), verify.Options{}, func(uint64, *ledger.Entry) error {
		if visited++; visited == 3 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || visited != 3 {
		t.Errorf("%v after %d entries", err, visited)
	}
}

func TestFaultsAreCountedBeyondThoseThatAreKept(t *testing.T) {
	k, dir, s := newKey(t, origin, "k"), t.TempDir(), honest()
	write(t, dir, k, encode(t, s.entries[2:])) // without the policy
	r := walk(t, dir, k, verify.Options{MaxFaults: 7})
	// every range, replay and pins entry cites it
	if want := len(s.entries) - 2 - 3; len(r.Faults) != 7 || r.FaultCount != want {
		t.Errorf("%d faults kept, %d counted, want 7 of %d", len(r.Faults), r.FaultCount, want)
	}
}

func TestProgressReachesTheEnd(t *testing.T) {
	k, dir, s := newKey(t, origin, "k"), t.TempDir(), honest()
	write(t, dir, k, encode(t, s.entries))
	var seen []uint64
	walk(t, dir, k, verify.Options{Progress: func(done, size uint64) {
		if size != uint64(len(s.entries)) {
			t.Errorf("%d of %d", done, size)
		}
		seen = append(seen, done)
	}})
	if want := []uint64{256, 512, 600}; !slices.Equal(seen, want) {
		t.Errorf("progress %v, want %v", seen, want)
	}
}

// A partition that was left out is no lie of the log: it is told as not covered, for claims to count.
func TestWhatTheLogLeavesOpenIsListed(t *testing.T) {
	k, dir, s := newKey(t, origin, "k"), t.TempDir(), newStory()
	s.policy(policyText, 3)
	s.pins("eu-fra", true)
	s.pins("us-oci", true)
	s.pins("us-quarantine", true)
	s.next[1] = 30
	s.read(0)
	s.read(1)
	s.span("stop", 104, 200, 50, 0)
	write(t, dir, k, encode(t, s.entries))
	r := walk(t, dir, k, verify.Options{})
	want := [][]verify.Interval{nil, {{From: 0, To: 30}, {From: 134, To: 200}}, {{From: 0, To: 50}}, nil}
	for i := range r.Partitions {
		if got := r.Partitions[i].Uncovered(); r.Partitions[i].Partition != int32(i) || !slices.Equal(got, want[i]) {
			t.Errorf("partition %d is uncovered in %v, want %v", i, got, want[i])
		}
	}
	if r.FaultCount != 0 || len(r.Partitions) != 4 || len(r.Topics) != 1 || r.Topics[0].Partitions != 4 {
		t.Errorf("%+v", r)
	}
}

// Entries of several processes pass each other on their way through a sequencer: a partition may come back to a
// process that has not loaded the new policy yet.
func TestVersionsFallOnlyBetweenProcesses(t *testing.T) {
	older := ledger.PolicyRef{SHA256: sha("version: 2\n"), Version: 2}
	k := newKey(t, origin, "k")
	for _, sequenced := range []bool{true, false} {
		s := newStory()
		s.policy("version: 2\n", 2)
		s.policy(policyText, 3)
		for _, sink := range []string{"eu-fra", "us-oci", "us-quarantine"} {
			s.pins(sink, true)
			again := *s.entries[len(s.entries)-1].Pins
			again.Policy = older
			s.add(ledger.Entry{Kind: ledger.KindPins, Pins: &again})
		}
		s.read(0)
		s.read(0)
		s.entries[len(s.entries)-1].Range.Policy = older
		for i := range s.entries {
			if sequenced {
				s.entries[i].Via = &ledger.Via{Offset: int64(1000 - i), Partition: 1}
			}
		}
		dir := t.TempDir()
		write(t, dir, k, encode(t, s.entries))
		r := walk(t, dir, k, verify.Options{})
		if sequenced && r.FaultCount != 0 {
			t.Errorf("sequenced: %v", r.Faults)
		}
		if !sequenced {
			wantFault(t, r, "entry 11 (range events/0 [104,208)): policy.version: is 2 after 3 in entry 10")
		}
	}
}

// What a receipt tells of may have been stored before the pins failed; who claims something has to count it.
func TestReceiptsAfterPinsThatDidNotHoldAreCounted(t *testing.T) {
	k, dir, s := newKey(t, origin, "k"), t.TempDir(), honest()
	s.pins("us-oci", false)
	s.read(0)
	s.read(1)
	s.pins("us-oci", true)
	s.read(0)
	write(t, dir, k, encode(t, s.entries))
	r := walk(t, dir, k, verify.Options{})
	if r.FaultCount != 0 || len(r.Sinks) != 3 {
		t.Fatalf("%v, sinks %v", r.Faults, r.Sinks)
	}
	us := r.Sinks[1]
	if us.Name != "us-oci" || us.UnvouchedReceipts != 2 || us.UnvouchedRecords != 2*inUS || us.UnvouchedEntry != 601 || !us.Newest.Held || us.Entry != 603 {
		t.Errorf("%+v", us)
	}
	if eu := r.Sinks[0]; eu.UnvouchedReceipts != 0 || eu.Records != us.Records/inUS*inEEA || eu.Receipts != us.Receipts {
		t.Errorf("%+v", eu)
	}
}

// The tiles of a tree of three levels are all looked at.
func TestTilesAboveAreChecked(t *testing.T) {
	const size = 65536 + 600
	k, dir, s := newKey(t, origin, "k"), t.TempDir(), newStory()
	for range size {
		s.span("hour", 5)
	}
	write(t, dir, k, encode(t, s.entries))
	if r := walk(t, dir, k, verify.Options{}); r.FaultCount != 0 || r.Entries != size {
		t.Fatalf("%d entries, %v", r.Entries, r.Faults)
	}
	var want []string
	for _, c := range []struct {
		path string
		at   int
		want string
	}{
		{"tile/1/000", 255 * 32, "tile/1/000: hash 255 is not that of the entries [65280,65536)"},
		{"tile/1/001.p/2", 32, "tile/1/001.p/2: hash 1 is not that of the entries [65792,66048)"},
		{"tile/2/000.p/1", 31, "tile/2/000.p/1: hash 0 is not that of the entries [0,65536)"},
	} {
		name := filepath.Join(dir, c.path)
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		data[c.at] ^= 1
		put(t, name, data)
		want = append(want, c.want)
	}
	var got []string
	for _, f := range walk(t, dir, k, verify.Options{}).Faults {
		got = append(got, f.String())
	}
	if !slices.Equal(got, want) {
		t.Errorf("faults %q, want %q", got, want)
	}
}
