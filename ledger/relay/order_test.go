package relay

import (
	"fmt"
	"strings"
	"testing"

	"github.com/demarc/demarc/ledger"
	"github.com/demarc/demarc/ledger/writer"
)

// ordered is an order with a log behind it.
type ordered struct {
	t testing.TB
	*order
	next map[int32]int64
	log  []ledger.Entry
}

func newOrdered(t testing.TB) *ordered {
	o := &ordered{t: t, order: newOrder(writer.NewAdmission()), next: map[int32]int64{}}
	for _, e := range preamble(t) {
		o.put(commons, e)
	}
	return o
}

// put appends an entry to a partition of the topic and takes it in.
func (o *ordered) put(p int32, e ledger.Entry) error {
	o.t.Helper()
	text, err := writer.Encode(e)
	if err != nil {
		o.t.Fatal(err)
	}
	o.next[p]++
	return o.putAgain(stored{partition: p, offset: o.next[p] - 1, key: []byte(keyOf(e)), value: text})
}

func (o *ordered) putAgain(r stored) error {
	ready, err := o.take(r)
	o.log = append(o.log, ready...)
	return err
}

// tail tells what is in the log behind the preamble.
func (o *ordered) tail() string {
	var b strings.Builder
	for _, e := range o.log[min(2, len(o.log)):] {
		s, _ := streamOf(e)
		from, to := extentOf(e)
		fmt.Fprintf(&b, "%s %d %d-%d @%d/%d\n", e.Kind, s.Partition, from, to, e.Via.Partition, e.Via.Offset)
	}
	return b.String()
}

func (o *ordered) want(tail string) {
	o.t.Helper()
	if got := o.tail(); got != tail {
		o.t.Errorf("got\n%swant\n%s", got, tail)
	}
}

func (o *ordered) good(err error) {
	o.t.Helper()
	if err != nil {
		o.t.Error(err)
	}
}

func TestOrderWaitsForWhatIsMissing(t *testing.T) {
	o := newOrdered(t)
	o.good(o.put(1, span(t, 7, 0, 10)))
	o.good(o.put(1, span(t, 7, 20, 30)))
	o.good(o.put(1, span(t, 7, 30, 40)))
	o.good(o.put(1, span(t, 8, 0, 5))) // others go on
	if got := o.mark(1, 4); got != 1 || o.pending() != 1 {
		t.Errorf("mark %d, %d wait", got, o.pending())
	}
	o.want("range 7 0-10 @1/0\nrange 8 0-5 @1/3\n")
	o.good(o.put(2, span(t, 7, 10, 20)))
	o.want("range 7 0-10 @1/0\nrange 8 0-5 @1/3\nrange 7 10-20 @2/0\nrange 7 20-30 @1/1\nrange 7 30-40 @1/2\n")
	if got := o.mark(1, 4); got != 4 || o.pending() != 0 || o.bytes != 0 {
		t.Errorf("mark %d, %d wait, %d bytes", got, o.pending(), o.bytes)
	}
}

func TestOrderTellsReplays(t *testing.T) {
	o := newOrdered(t)
	o.good(o.put(1, span(t, 7, 0, 10)))
	o.good(o.put(1, span(t, 7, 10, 20)))
	o.good(o.put(1, span(t, 7, 5, 15)))
	o.want("range 7 0-10 @1/0\nrange 7 10-20 @1/1\nreplay 7 5-15 @1/2\n")
}

func TestOrderRefusesOverlaps(t *testing.T) {
	o := newOrdered(t)
	o.good(o.put(1, span(t, 7, 0, 10)))
	if err := o.put(1, span(t, 7, 5, 15)); err == nil || !strings.Contains(err.Error(), "1/1") || !strings.Contains(err.Error(), "overlaps") {
		t.Errorf("an overlap: %v", err)
	}
	o.good(o.put(1, span(t, 7, 10, 20))) // not said again
	o.good(o.put(1, span(t, 8, 0, 5)))
	o.want("range 7 0-10 @1/0\nrange 8 0-5 @1/3\n")
	if got := o.mark(1, 4); got != 1 {
		t.Errorf("mark %d: a restart would not see it again", got)
	}
}

// TestOrderRefusesWhatWaited and is an overlap once it need not wait any more.
func TestOrderRefusesWhatWaited(t *testing.T) {
	o := newOrdered(t)
	o.good(o.put(1, span(t, 7, 0, 10)))
	o.good(o.put(1, span(t, 7, 15, 30)))
	o.good(o.put(1, span(t, 7, 30, 40)))
	if err := o.put(2, span(t, 7, 10, 20)); err == nil {
		t.Error("no word of the overlap")
	}
	o.want("range 7 0-10 @1/0\nrange 7 10-20 @2/0\n")
	if got := o.mark(1, 3); got != 1 || o.pending() != 0 {
		t.Errorf("mark %d, %d wait", got, o.pending())
	}
}

func TestOrderRefusesForeignRecords(t *testing.T) {
	good := span(t, 7, 0, 10)
	text, err := writer.Encode(good)
	if err != nil {
		t.Fatal(err)
	}
	placed, replay := good, good
	placed.Via, replay.Kind = &ledger.Via{}, ledger.KindReplay
	encode := func(e ledger.Entry) []byte {
		text, err := writer.Encode(e)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	for name, r := range map[string]stored{
		"no entry":     {key: []byte("src/events/7"), value: []byte("{}")},
		"a tombstone":  {key: []byte("src/events/7")},
		"another key":  {key: []byte("src/events/8"), value: text},
		"with a place": {key: []byte("src/events/7"), value: encode(placed)},
		"a replay":     {key: []byte("src/events/7"), value: encode(replay)},
		"of users":     {key: []byte("jane@example.com"), value: []byte(`{"jane@example.com":1}`)},
	} {
		o := newOrdered(t)
		r.partition, r.offset = 1, 0
		if err := o.putAgain(r); err == nil || strings.Contains(err.Error(), "jane") {
			t.Errorf("%s: %v; want a refusal that quotes nothing", name, err)
		}
		o.good(o.putAgain(r)) // said once
		o.next[1] = 1
		o.good(o.put(1, good))
		o.want("range 7 0-10 @1/1\n")
		if got := o.mark(1, 2); got != 0 {
			t.Errorf("%s: mark %d", name, got)
		}
	}
}

// TestOrderLeavesInTheTopicWhatItHasNoRoomFor and has it read again.
func TestOrderLeavesInTheTopicWhatItHasNoRoomFor(t *testing.T) {
	o := newOrdered(t)
	var topic []stored
	add := func(e ledger.Entry) {
		text, err := writer.Encode(e)
		if err != nil {
			t.Fatal(err)
		}
		topic = append(topic, stored{partition: 1, offset: int64(len(topic)), key: []byte(keyOf(e)), value: text})
	}
	const more = 3*maxWaiting + 7
	add(span(t, 7, 0, 5))
	for i := range int64(more) {
		add(span(t, 7, 10+i, 11+i))
	}
	add(span(t, 7, 5, 10))
	reads := 0
	for next := int64(0); next < int64(len(topic)); {
		o.good(o.putAgain(topic[next]))
		reads++
		next++
		if at, ok := o.rewind[1]; ok {
			next = min(next, at)
			clear(o.rewind)
		}
		if got := len(o.waiting[stream(7)]); got > maxWaiting {
			t.Fatalf("%d entries wait", got)
		}
		if got := o.mark(1, next); reads > 1 && reads <= more && got != 1 {
			t.Fatalf("mark %d at %d", got, next)
		}
	}
	if to, _ := o.admission.Position(stream(7)); to != 10+more || len(o.open) != 0 || len(o.log) != 2+more+2 {
		t.Errorf("covered to %d, %d open, %d entries", to, len(o.open), len(o.log))
	}
	if reads > 3*len(topic) {
		t.Errorf("%d records read for %d", reads, len(topic))
	}
}

// TestOrderWaitsForPolicyAndPins, wherever they come from.
func TestOrderWaitsForPolicyAndPins(t *testing.T) {
	o := &ordered{t: t, order: newOrder(writer.NewAdmission()), next: map[int32]int64{}}
	words := preamble(t)
	o.good(o.put(1, span(t, 7, 0, 10)))
	o.good(o.put(1, span(t, 8, 0, 10)))
	o.good(o.put(commons, words[1]))
	if len(o.log) != 0 || o.pending() != 3 {
		t.Errorf("%d in the log, %d wait", len(o.log), o.pending())
	}
	o.good(o.put(commons, words[0]))
	if len(o.log) != 4 || o.pending() != 0 || o.mark(1, 2) != 2 || o.mark(commons, 2) != 2 {
		t.Errorf("%d in the log, %d wait", len(o.log), o.pending())
	}
}

// TestOrderIsBoundedWhateverIsRefused: instances go on for weeks behind an overlap that nobody looks at, or a stranger
// writes to the topic.
func TestOrderIsBoundedWhateverIsRefused(t *testing.T) {
	o := newOrdered(t)
	o.good(o.put(1, span(t, 7, 0, 10)))
	if err := o.put(1, span(t, 7, 5, 15)); err == nil {
		t.Error("no word of the overlap")
	}
	for i := range int64(3_000) {
		o.good(o.put(1, span(t, 7, 10+i, 11+i)))
	}
	told := 0
	for i := range int64(3_000) {
		for range 2 { // read again
			if o.putAgain(stored{partition: 2, offset: i, key: []byte("k"), value: []byte("no entry")}) != nil {
				told++
			}
		}
	}
	if told != 3_000 {
		t.Errorf("%d of 3000 records that are no entries are told of", told)
	}
	if len(o.open) != 2 || o.mark(1, 3_002) != 1 || o.mark(2, 3_000) != 0 {
		t.Errorf("%d open places, marks %d and %d", len(o.open), o.mark(1, 3_002), o.mark(2, 3_000))
	}
}

// TestOrderKeepsWhatWaitedAndIsCovered by what came later: it was delivered a second time, and its receipts are in the
// log as those of a replay, although places behind it were taken meanwhile.
func TestOrderKeepsWhatWaitedAndIsCovered(t *testing.T) {
	o := newOrdered(t)
	o.good(o.put(1, span(t, 7, 0, 10)))
	o.good(o.put(1, span(t, 7, 20, 30)))
	o.good(o.put(1, span(t, 8, 0, 5)))
	o.good(o.put(1, span(t, 7, 10, 30)))
	o.want("range 7 0-10 @1/0\nrange 8 0-5 @1/2\nrange 7 10-30 @1/3\nreplay 7 20-30 @1/1\n")
	if got := o.mark(1, 4); got != 4 || o.pending() != 0 {
		t.Errorf("mark %d, %d wait", got, o.pending())
	}
	log := writer.NewAdmission() // as the folder judges it
	for _, e := range o.log {
		if verdict, err := log.Judge(e); verdict != writer.Accept {
			t.Errorf("%s @%v: verdict %v, %v", e.Kind, *e.Via, verdict, err)
		}
		o.good(log.Follow(e))
	}
}
