package relay

import (
	"errors"
	"fmt"
	"hash/fnv"
	"strconv"

	"github.com/demarc/demarc/ledger"
)

// commons is the partition of the entries topic for what is of no source partition: policies, pins, spans. It is 0, that
// of a message that names none.
const commons = 0

// streamOf is the source partition that an entry tells of; the others tell of none.
func streamOf(e ledger.Entry) (ledger.Stream, bool) {
	switch e.Kind {
	case ledger.KindRange, ledger.KindReplay:
		return e.Range.Source.Stream(), true
	case ledger.KindGap:
		return e.Gap.Source.Stream(), true
	}
	return ledger.Stream{}, false
}

// extentOf is the range of an entry of a source partition.
func extentOf(e ledger.Entry) (from, to int64) {
	if e.Kind == ledger.KindGap {
		return e.Gap.Source.From, e.Gap.Source.To
	}
	return e.Range.Source.From, e.Range.Source.To
}

// keyOf is the key of an entry's record.
func keyOf(e ledger.Entry) string {
	if s, ok := streamOf(e); ok {
		return streamKey(s)
	}
	switch e.Kind {
	case ledger.KindPolicy:
		return "policy/" + strconv.FormatInt(e.Policy.Version, 10)
	case ledger.KindPins:
		return "pins/" + e.Pins.Sink
	case ledger.KindSpan:
		return "span/" + e.Span.Cluster + "/" + e.Span.Topic
	}
	return ""
}

// streamKey leaves out a topic's id: what was deleted and created again stays in one partition.
func streamKey(s ledger.Stream) string {
	return s.Cluster + "/" + s.Topic + "/" + strconv.Itoa(int(s.Partition))
}

// home is the partition of the entries topic that holds all entries of a source partition, in order.
func home(s ledger.Stream, partitions int32) int32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(streamKey(s))) // never fails
	return int32(h.Sum32() % uint32(partitions))
}

// errForeign says of a record only that it is no entry: it may be a record of users, of which no log may quote anything.
var errForeign = errors.New("its bytes are not those of an entry")

// decode reads the entry of a record of the entries topic, which must be what an Appender puts there.
func decode(r stored) (ledger.Entry, error) {
	e, err := ledger.Decode(r.value)
	switch {
	case err != nil:
		return e, errForeign
	case e.Via != nil:
		return e, fmt.Errorf("the entry names a place that it came from, which only the sequencer writes")
	case e.Kind == ledger.KindReplay:
		return e, fmt.Errorf("the entry is a replay, which only the sequencer tells")
	case keyOf(e) != string(r.key):
		return e, fmt.Errorf("the record's key is not that of its entry, %q", keyOf(e))
	}
	return e, nil
}
