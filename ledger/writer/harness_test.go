package writer

import (
	"context"
	"fmt"
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

	"github.com/demarc/demarc/ledger"
)

const origin = "ledger.example/test"

var digest = strings.Repeat("0a", 32)

// policy is what the ranges of the tests cite.
func policy(t testing.TB) []ledger.Entry {
	t.Helper()
	entries, err := ledger.PolicyEntries(3, []byte("version: 3\n"))
	if err != nil {
		t.Fatal(err)
	}
	ref := ledger.PolicyRef{SHA256: entries[0].Policy.SHA256, Version: 3}
	return append(entries, ledger.Entry{Kind: ledger.KindPins, Pins: &ledger.Pins{
		At: 1, Held: true, Unpinned: true, Sink: "us", Policy: ref,
		Location: ledger.Location{Country: "US"}, Place: ledger.Place{Cluster: "us", Topic: "events.us"},
	}})
}

// span is a range of records, all of them stored in the sink "us".
func span(t testing.TB, topic string, partition int32, from, to int64) ledger.Entry {
	t.Helper()
	n := to - from
	return ledger.Entry{Kind: ledger.KindRange, Range: &ledger.Range{
		Data: n, Program: "test", Policy: ledger.PolicyRef{SHA256: policy(t)[0].Policy.SHA256, Version: 3},
		Counts: []ledger.Count{{Bytes: 100 * n, Reason: "decided", Records: n, Set: "US", Sink: "us"}},
		Receipts: []ledger.Receipt{{Counts: []ledger.SetCount{{Records: n, Set: "US"}}, SHA256: digest, Sink: "us",
			Kafka: &ledger.Offsets{Base: from, Cluster: "us", Last: to - 1, Partition: partition, Topic: "events.us"}}},
		Source: ledger.Source{Cluster: "src", From: from, LeaderEpoch: 1, Partition: partition, To: to, Topic: topic},
		Time:   &ledger.Times{First: 1, Last: 2, Type: "create"},
	}}
}

func stream(partition int32) ledger.Stream {
	return ledger.Stream{Cluster: "src", Topic: "events", Partition: partition}
}

// newLog makes a log and returns its folder and verifier key.
func newLog(t testing.TB) (dir, vkey string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "ledger")
	vkey, err := Init(dir, origin)
	if err != nil {
		t.Fatal(err)
	}
	return dir, vkey
}

// quick are settings under which tests need not wait.
func quick() Options {
	return Options{Interval: time.Nanosecond, CheckpointInterval: 100 * time.Millisecond}
}

func openLog(t testing.TB, dir string, opts Options) *Log {
	t.Helper()
	l, err := Open(context.Background(), dir, "", opts)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func closeLog(t testing.TB, l *Log) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := l.Close(ctx); err != nil {
		t.Fatal(err)
	}
}

func mustAppend(t testing.TB, l *Log, entries ...ledger.Entry) {
	t.Helper()
	if err := l.Append(context.Background(), entries); err != nil {
		t.Fatal(err)
	}
}

func wantPosition(t testing.TB, l *Log, s ledger.Stream, want int64) {
	t.Helper()
	if to, ok := l.Position(s); !ok || to != want {
		t.Errorf("position of %v = %d, %v, want %d", s, to, ok, want)
	}
}

// entries reads all entries that the log's checkpoint covers, after Tessera's own checker has accepted the log.
func entries(t testing.TB, dir, vkey string) []ledger.Entry {
	t.Helper()
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	files := client.FileFetcher{Root: dir}
	check := fsck.New(verifier.Name(), verifier, files, leafHashes, fsck.Opts{N: 1})
	if err := check.Check(context.Background()); err != nil {
		t.Fatalf("fsck: %v", err)
	}
	cp, _, _, err := client.FetchCheckpoint(context.Background(), files.ReadCheckpoint, verifier, verifier.Name())
	if err != nil {
		t.Fatal(err)
	}
	var all []ledger.Entry
	for i := uint64(0); uint64(len(all)) < cp.Size; i++ {
		bundle, err := client.GetEntryBundle(context.Background(), files.ReadEntryBundle, i, cp.Size)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range bundle.Entries[:min(uint64(len(bundle.Entries)), cp.Size-uint64(len(all)))] {
			e, err := ledger.Decode(text)
			if err != nil {
				t.Fatalf("entry %d: %v", len(all), err)
			}
			all = append(all, e)
		}
	}
	return all
}

func leafHashes(text []byte) ([][]byte, error) {
	var bundle api.EntryBundle
	if err := bundle.UnmarshalText(text); err != nil {
		return nil, err
	}
	var hashes [][]byte
	for _, e := range bundle.Entries {
		hashes = append(hashes, rfc6962.DefaultHasher.HashLeaf(e))
	}
	return hashes, nil
}

// outline tells the ranges, replays and gaps of a log in a line each.
func outline(all []ledger.Entry) string {
	var b strings.Builder
	for _, e := range all {
		switch e.Kind {
		case ledger.KindRange, ledger.KindReplay:
			fmt.Fprintf(&b, "%s %s/%d %d-%d\n", e.Kind, e.Range.Source.Topic, e.Range.Source.Partition, e.Range.Source.From, e.Range.Source.To)
		case ledger.KindGap:
			fmt.Fprintf(&b, "gap %s/%d %d-%d\n", e.Gap.Source.Topic, e.Gap.Source.Partition, e.Gap.Source.From, e.Gap.Source.To)
		default:
			fmt.Fprintf(&b, "%s\n", e.Kind)
		}
	}
	return b.String()
}

func mustRead(t testing.TB, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
