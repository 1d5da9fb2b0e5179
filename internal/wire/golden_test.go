package wire

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/demarc/demarc/internal/record"
)

const testLimit = 8 << 20

// stamped is a record with its place and time, owning its bytes.
type stamped struct {
	Offset    int64
	Timestamp int64
	record.Record
}

const sampleTime = 1700000000000

func event(i int) []byte {
	return fmt.Appendf(nil, `{"user":{"id":%d,"verified_region":"DE"},"device":{"mcc":"262"},"network":{"ip":"81.2.69.%d"}}`, i, i)
}

// sample is what the golden batches of the Java client and of franz-go hold: nulls, empty fields, a repeated
// header and a timestamp before the first one.
func sample(baseOffset int64) []stamped {
	header := func(k string, v []byte) record.Header { return record.Header{Key: []byte(k), Value: v} }
	all := []stamped{
		{Timestamp: sampleTime, Record: record.Record{Key: []byte("k0"), Value: event(0), Headers: []record.Header{
			header("account-country", []byte("US")), header("empty", []byte{})}}},
		{Timestamp: sampleTime + 1, Record: record.Record{Value: []byte{}}},
		{Timestamp: sampleTime + 2, Record: record.Record{Key: []byte{}, Headers: []record.Header{header("null", nil)}}},
		{Timestamp: sampleTime - 5000, Record: record.Record{Key: []byte{0, 0xff}, Value: bytes.Repeat([]byte("a"), 2000),
			Headers: []record.Header{header("twice", []byte("1")), header("twice", []byte("2"))}}},
	}
	for i := 4; i < 40; i++ {
		all = append(all, stamped{Timestamp: sampleTime + int64(i), Record: record.Record{Key: fmt.Appendf(nil, "k%d", i), Value: event(i)}})
	}
	for i := range all {
		all[i].Offset = baseOffset + int64(i)
	}
	return all
}

// golden reads a file of testdata.
func golden(t testing.TB, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// one takes the one batch off raw.
func one(t testing.TB, raw []byte) Batch {
	t.Helper()
	b, rest, err := Next(raw)
	if err != nil || len(rest) > 0 {
		t.Fatalf("Next: %v, %d bytes left", err, len(rest))
	}
	if err := b.Check(); err != nil {
		t.Fatal(err)
	}
	return b
}

// readAll reads the records of b, copied.
func readAll(t testing.TB, b Batch) []stamped {
	t.Helper()
	d := NewDecompressor(testLimit)
	section, err := d.Open(b)
	if err != nil {
		t.Fatal(err)
	}
	var all []stamped
	var r Record
	it := Iterate(section, b)
	for it.Next(&r) {
		s := stamped{Offset: b.BaseOffset() + int64(r.OffsetDelta), Timestamp: b.Timestamp(&r)}
		r.Tail = bytes.Clone(r.Tail)
		if err := r.Read(&s.Record); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	if err := it.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// wholeBytes compares byte slices at once; null and empty differ.
var wholeBytes = cmp.Comparer(func(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) })

// same fails unless the records are equal. cmp only explains: it is slow.
func same(t testing.TB, got, want []stamped) {
	t.Helper()
	if slices.EqualFunc(got, want, func(a, b stamped) bool {
		return a.Offset == b.Offset && a.Timestamp == b.Timestamp && bytes.Equal(tail(a.Record), tail(b.Record))
	}) {
		return
	}
	if diff := cmp.Diff(want, got, wholeBytes); diff != "" {
		t.Fatalf("records differ (-want +got):\n%s", diff)
	}
	t.Fatal("records differ as bytes only")
}

var codecs = []Codec{None, Gzip, Snappy, LZ4, Zstd}

func TestGoldenOfJavaAndFranz(t *testing.T) {
	for _, writer := range []struct {
		name string
		base int64
	}{{"java", 100}, {"franz", 0}} {
		for _, c := range codecs {
			t.Run(fmt.Sprintf("%s-%v", writer.name, c), func(t *testing.T) {
				b := one(t, golden(t, fmt.Sprintf("%s-%v.bin", writer.name, c)))
				if b.Codec() != c || b.Magic() != 2 || b.Count() != 40 || !Passable(b) || b.LastOffset() != writer.base+39 {
					t.Errorf("codec %v, magic %d, count %d, passable %v, last offset %d", b.Codec(), b.Magic(), b.Count(), Passable(b), b.LastOffset())
				}
				if b.BaseTimestamp() != sampleTime || b.MaxTimestamp() != sampleTime+39 {
					t.Errorf("timestamps %d to %d", b.BaseTimestamp(), b.MaxTimestamp())
				}
				same(t, readAll(t, b), sample(writer.base))
			})
		}
	}
}

func TestGoldenOfLibrdkafka(t *testing.T) {
	for _, c := range codecs {
		t.Run(c.String(), func(t *testing.T) {
			b := one(t, golden(t, fmt.Sprintf("kcat-%v.bin", c)))
			if b.Codec() != c || b.Count() != 40 || !Passable(b) {
				t.Errorf("codec %v, count %d, passable %v", b.Codec(), b.Count(), Passable(b))
			}
			got := readAll(t, b)
			for i, r := range got {
				want := record.Record{Key: fmt.Appendf(nil, "k%d", i), Value: event(i), Headers: []record.Header{
					{Key: []byte("account-country"), Value: []byte("US")}, {Key: []byte("empty"), Value: []byte{}}}}
				switch i {
				case 1:
					want.Key = nil
				case 2:
					want.Value = nil
				case 3:
					want.Value = bytes.Repeat([]byte("a"), 2000)
				}
				if diff := cmp.Diff(want, r.Record, wholeBytes); diff != "" {
					t.Errorf("record %d (-want +got):\n%s", i, diff)
				}
			}
			if got[0].Timestamp != b.BaseTimestamp() || got[39].Timestamp != b.MaxTimestamp() {
				t.Errorf("timestamps %d to %d, header says %d to %d", got[0].Timestamp, got[39].Timestamp, b.BaseTimestamp(), b.MaxTimestamp())
			}
		})
	}
}

func TestGoldenWithWideWindow(t *testing.T) {
	same(t, readAll(t, one(t, golden(t, "java-zstd-level22.bin"))), sample(100))
}

func TestGoldenLogAppendTime(t *testing.T) {
	b := one(t, golden(t, "java-logappendtime.bin"))
	if !b.LogAppendTime() || Passable(b) {
		t.Errorf("log append time %v, passable %v", b.LogAppendTime(), Passable(b))
	}
	want := sample(200)
	for i := range want {
		want[i].Timestamp = sampleTime + 99
	}
	same(t, readAll(t, b), want)
}

func TestGoldenTransactional(t *testing.T) {
	b := one(t, golden(t, "java-transactional.bin"))
	if !b.Transactional() || b.Control() || b.ProducerID() != 4001 || b.ProducerEpoch() != 7 || b.BaseSequence() != 12 || b.LeaderEpoch() != 5 {
		t.Errorf("transactional %v, control %v, producer %d/%d/%d, leader epoch %d",
			b.Transactional(), b.Control(), b.ProducerID(), b.ProducerEpoch(), b.BaseSequence(), b.LeaderEpoch())
	}
	same(t, readAll(t, b), sample(300))

	passed := PassThrough(nil, b)
	Seal(passed, 9, 1, 100)
	p := one(t, passed)
	if p.Attributes() != 0 || p.BaseOffset() != 0 || p.LeaderEpoch() != -1 || p.ProducerID() != 9 || p.ProducerEpoch() != 1 || p.BaseSequence() != 100 {
		t.Errorf("passed through: attributes %#x, base offset %d, leader epoch %d, producer %d/%d/%d",
			p.Attributes(), p.BaseOffset(), p.LeaderEpoch(), p.ProducerID(), p.ProducerEpoch(), p.BaseSequence())
	}
	same(t, readAll(t, p), sample(0))
}

func TestGoldenControl(t *testing.T) {
	for name, want := range map[string]int16{"java-commit.bin": ControlCommit, "java-abort.bin": ControlAbort} {
		b := one(t, golden(t, name))
		got, err := b.ControlType()
		if err != nil || got != want || !b.Control() || Passable(b) || b.ProducerID() != 4001 {
			t.Errorf("%s: type %d, %v; control %v, passable %v, producer %d", name, got, err, b.Control(), Passable(b), b.ProducerID())
		}
	}
	if _, err := one(t, golden(t, "java-none.bin")).ControlType(); err == nil {
		t.Error("a data batch has a control type")
	}
}

func TestGoldenCompacted(t *testing.T) {
	b := one(t, golden(t, "java-compacted.bin"))
	if !b.DeleteHorizon() || b.Count() != 4 || b.LastOffset() != 439 || Passable(b) {
		t.Errorf("delete horizon %v, count %d, last offset %d, passable %v", b.DeleteHorizon(), b.Count(), b.LastOffset(), Passable(b))
	}
	all := sample(400)
	same(t, readAll(t, b), []stamped{all[2], all[5], all[6], all[30]})
}

func TestGoldenEmptied(t *testing.T) {
	b := one(t, golden(t, "java-emptied.bin"))
	if b.Count() != 0 || b.LastOffset() != 539 || Passable(b) {
		t.Errorf("count %d, last offset %d, passable %v", b.Count(), b.LastOffset(), Passable(b))
	}
	same(t, readAll(t, b), nil)
}

func TestGoldenOldFormats(t *testing.T) {
	for _, name := range []string{"java-magic0.bin", "java-magic1.bin"} {
		if _, _, err := Next(golden(t, name)); !errors.Is(err, ErrMagic) {
			t.Errorf("%s: %v, want %v", name, err, ErrMagic)
		}
	}
}
