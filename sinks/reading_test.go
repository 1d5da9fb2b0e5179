package sinks

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/demarc/demarc/internal/record"
	"github.com/demarc/demarc/internal/wire"
)

func TestReadDirOrderAndNames(t *testing.T) {
	dir := t.TempDir()
	f := openFile(t, fileConfig(dir))
	for _, tp := range []record.TopicPartition{{Topic: "b", Partition: 10}, {Topic: "b", Partition: 2}, {Topic: "a-1", Partition: 0}, {Topic: "a", Partition: 1}} {
		b := newBatch(t, tp, wire.Zstd, "-")
		f.Deliver(t.Context(), 0, b)
		mustStore(t, b)
	}
	for _, foreign := range []string{"notes.txt", "b-x/00000000000000000000.0000000000000abc.log", "b-2/README", "b-2/1.log", "b-2/00000000000000000000.log", "b-2/00000000000000000000.0000000000000ABC.log", "a-01/00000000000000000000.0000000000000abc.log", "b-2/sub/x.log"} {
		path := filepath.Join(dir, foreign)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("foreign"), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	if err := ReadDir(dir, func(r StoredRecord) error {
		if r.Value != nil || string(r.Key) != "key" || r.Timestamp != 1_700_000_000_000 {
			t.Errorf("record = %+v", r)
		}
		got = append(got, r.File)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for i, file := range got { // but for the id
		got[i] = file[:strings.IndexByte(file, '.')]
	}
	const zero = "/00000000000000000000"
	if diff := cmp.Diff([]string{"a-1" + zero, "a-1-0" + zero, "b-2" + zero, "b-10" + zero}, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	mustClose(t, f)
	stop := errors.New("stop")
	if err := ReadDir(dir, func(StoredRecord) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("ReadDir = %v, want the error of the function", err)
	}
	if err := ReadDir(filepath.Join(dir, "none"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("ReadDir of nothing = %v", err)
	}
}

// TestReadDirSaysWhereDamageIs: the records before it are read.
func TestReadDirSaysWhereDamageIs(t *testing.T) {
	for name, at := range map[string]int{"payload": 70, "length": 9, "number": 3, "magic": 16, "count": 60} {
		dir := t.TempDir()
		next := unfinished(t, dir, "a", "b")
		path := filepath.Join(dir, "events-0", testFile.file(sealedSuffix))
		if err := os.Rename(filepath.Join(dir, "events-0", testFile.file(partSuffix)), path); err != nil {
			t.Fatal(err)
		}
		appendTo(t, path, flip(next, at))
		read := 0
		err := ReadDir(dir, func(StoredRecord) error { read++; return nil })
		if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "at byte ") || read != 2 {
			t.Errorf("%s: ReadDir = %v after %d records", name, err, read)
		}
	}
}

func TestAppendJSON(t *testing.T) {
	r := StoredRecord{
		Source: record.TopicPartition{Topic: "events", Partition: 3}, Number: 42, Timestamp: 1_700_000_000_000,
		Record: record.Record{
			Key: nil, Value: []byte("<a>\n\"\u00e9"),
			Headers: []record.Header{{Key: []byte("h"), Value: nil}, {Key: []byte("h"), Value: []byte{}}, {Key: []byte{0xff}, Value: []byte{0xfe}}},
		},
	}
	got, err := r.AppendJSON([]byte("before\n"))
	want := "before\n" + `{"topic":"events","partition":3,"offset":42,"timestamp":1700000000000,"key":null,"value":"<a>\n\"é",` +
		`"headers":[["h",null],["h",""],[{"base64":"/w=="},{"base64":"/g=="}]]}` + "\n"
	if err != nil || string(got) != want {
		t.Errorf("AppendJSON = %s, %v; want %s", got, err, want)
	}
	got, err = StoredRecord{}.AppendJSON(nil)
	want = `{"topic":"","partition":0,"offset":0,"timestamp":0,"key":null,"value":null,"headers":[]}` + "\n"
	if err != nil || string(got) != want {
		t.Errorf("AppendJSON = %s, %v; want %s", got, err, want)
	}
}

func FuzzFileNames(f *testing.F) {
	for _, s := range []string{"events-0", "a-b-10", "-1", "a-01", "a--1", "..-0", "a/b-0", "00000000000000000000.0000000000000abc.log", "00000000000000000042.9f86d081884c7d65.log.part", "+0000000000000000000.0000000000000abc.log", "00000000000000000000.log"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if tp, ok := parsePartitionDir(name); ok {
			if partitionDir(tp) != name || strings.ContainsAny(name, "/\x00") {
				t.Errorf("%q reads as %v", name, tp)
			}
		}
		if n, sealed, ok := parseFileName(name); ok {
			suffix := partSuffix
			if sealed {
				suffix = sealedSuffix
			}
			if n.file(suffix) != name {
				t.Errorf("%q reads as %v", name, n)
			}
		}
	})
}

// FuzzRecovery opens a directory whose unfinished file holds anything. Either it is refused and left as it is,
// or what remains is whole.
func FuzzRecovery(f *testing.F) {
	b := newBatch(f, from(0), wire.None, "a", "b")
	wire.SealAt(b.Bytes, 0)
	next := newBatch(f, from(0), wire.Zstd, "c")
	wire.SealAt(next.Bytes, 2)
	f.Add([]byte(nil))
	f.Add(b.Bytes)
	f.Add(append(b.Bytes[:len(b.Bytes):len(b.Bytes)], next.Bytes...))
	f.Add(append(b.Bytes[:len(b.Bytes):len(b.Bytes)], next.Bytes[:40]...))
	f.Add(append(flip(b.Bytes, 65), next.Bytes...))
	f.Add([]byte("00000000\x00\x00\x0010000\x02" + strings.Repeat("0", 72))) // torn, and longer than what replaces it
	f.Fuzz(func(t *testing.T, raw []byte) {
		dir := t.TempDir()
		unfinished(t, dir, "x")
		path := filepath.Join(dir, "events-0", testFile.file(partSuffix))
		if err := os.WriteFile(path, raw, 0o640); err != nil {
			t.Fatal(err)
		}
		sink := NewFile(fileConfig(dir))
		if err := sink.Open(t.Context()); err != nil {
			if after, err := os.ReadFile(path); err != nil || string(after) != string(raw) {
				t.Errorf("a refused file was changed: %v", err)
			}
			return
		}
		b := newBatch(t, from(0), wire.None, "after")
		sink.Deliver(t.Context(), 0, b)
		kept := mustStore(t, b).Places[0].BaseOffset > 0 // else the name is that of a new file
		mustClose(t, sink)
		sealed, err := os.ReadFile(filepath.Join(dir, "events-0", testFile.file(sealedSuffix)))
		if kept && (err != nil || !strings.HasPrefix(string(raw), string(sealed))) {
			t.Errorf("recovery changed bytes that it kept: %v", err)
		}
		// A batch may be whole by its CRC and hold anything: reading it says so, or works, but does not crash.
		_ = ReadDir(dir, func(StoredRecord) error { return nil })
	})
}
