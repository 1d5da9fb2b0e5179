package relay

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/demarc/demarc/ledger"
	"github.com/demarc/demarc/ledger/writer"
)

// order decides what becomes of the records of the entries topic, as a pure state machine: it knows the log by its
// admission, and what waits. Records of one partition come in their order, and may come again from an earlier offset
// on; that changes nothing. It is not safe for concurrent use.
type order struct {
	admission *writer.Admission
	waiting   map[ledger.Stream][]ledger.Entry // with their via; what is of no source partition under the zero Stream
	bytes     int                              // about what waiting holds
	// left are the first places of entries that would wait but for which there is no room: they are read again.
	left    map[ledger.Stream]map[int32]int64
	stopped map[ledger.Stream]*halt // their entries go no further until a restart
	foreign map[int32]places        // what is no entry, by partition
	open    map[ledger.Via]open     // places without their entry in the log; of what never enters it, the first ones
	rewind  map[int32]int64         // where to read on, if that is before the reader's place
}

// halt is why a source partition is stopped, and the first place of it in each partition that is not in the log.
type halt struct {
	cause error
	first map[int32]int64
}

type places struct{ first, last int64 }

// open is why an entry is not in the log.
type open struct {
	stream  ledger.Stream
	refused bool
	cause   error
}

const (
	maxWaiting      = 1_000    // entries of one source partition
	maxWaitingBytes = 64 << 20 // of all
	entryCost       = 4 << 10  // about what a decoded entry takes, whatever its length
)

func newOrder(a *writer.Admission) *order {
	return &order{
		admission: a, waiting: map[ledger.Stream][]ledger.Entry{}, left: map[ledger.Stream]map[int32]int64{},
		stopped: map[ledger.Stream]*halt{}, foreign: map[int32]places{}, open: map[ledger.Via]open{}, rewind: map[int32]int64{},
	}
}

// take judges the next record and returns the entries that enter the log now, in their order: none, or the record's and
// those that waited for it. An error says why a record, or one that waited, is refused; the entries are good all the
// same, and each refusal is told once.
func (o *order) take(r stored) (ready []ledger.Entry, refused error) {
	via := ledger.Via{Offset: r.offset, Partition: r.partition}
	e, err := decode(r)
	if err != nil {
		return nil, o.refuseForeign(via, fmt.Errorf("it is no entry of demarc: %w", err))
	}
	e.Via = &via
	if stream, _ := streamOf(e); o.held(stream, via) {
		return nil, nil
	}
	refused = o.judge(e, &ready)
	for n := 0; n < len(ready); n++ { // each may let others in, behind it
		refused = errors.Join(refused, o.release(ready[n], &ready))
	}
	return ready, refused
}

// judge puts an entry where it belongs.
func (o *order) judge(e ledger.Entry, ready *[]ledger.Entry) error {
	stream, streamed := streamOf(e)
	if h := o.stopped[stream]; streamed && h != nil {
		o.passBy(h, *e.Via, stream)
		return nil
	}
	asked := e
	if before, ok := o.open[*e.Via]; ok && !before.refused {
		asked.Via = nil // it waited, so the log does not hold it, whatever of the places behind it was taken
	}
	verdict, err := o.admission.Judge(asked)
	switch verdict {
	case writer.Wait:
		o.wait(stream, e, err)
		return nil
	case writer.Refuse:
		if streamed {
			o.stop(stream, *e.Via, err)
		}
		return o.refuse(*e.Via, stream, err)
	case writer.Known:
		delete(o.open, *e.Via)
		return nil
	case writer.Replay:
		e.Kind = ledger.KindReplay
	}
	if err := o.admission.Follow(e); err != nil {
		return o.refuse(*e.Via, stream, err)
	}
	delete(o.open, *e.Via)
	*ready = append(*ready, e)
	return nil
}

// release judges again what may have waited for an entry that is ready now.
func (o *order) release(e ledger.Entry, ready *[]ledger.Entry) (refused error) {
	stream, streamed := streamOf(e)
	lists := []ledger.Stream{stream}
	if !streamed {
		lists = slices.AppendSeq(slices.Collect(maps.Keys(o.waiting)), maps.Keys(o.left))
	}
	for _, s := range lists {
		list := o.waiting[s]
		delete(o.waiting, s)
		o.bytes -= len(list) * entryCost
		for _, e := range list {
			refused = errors.Join(refused, o.judge(e, ready))
		}
		if o.left[s] != nil && len(o.waiting[s]) < maxWaiting {
			o.readAgain(s)
		}
	}
	return refused
}

// wait keeps an entry for later, or leaves it in the topic.
func (o *order) wait(stream ledger.Stream, e ledger.Entry, cause error) {
	o.open[*e.Via] = open{stream: stream, cause: cause}
	if len(o.waiting[stream]) < maxWaiting && o.bytes < maxWaitingBytes {
		o.waiting[stream] = append(o.waiting[stream], e)
		o.bytes += entryCost
		return
	}
	if o.left[stream] == nil {
		o.left[stream] = map[int32]int64{}
	}
	first, ok := o.left[stream][e.Via.Partition]
	if ok && first < e.Via.Offset {
		delete(o.open, *e.Via) // the first place is enough to come back to
		return
	}
	o.left[stream][e.Via.Partition] = e.Via.Offset
}

// readAgain has the reader go back to what of a source partition was left in the topic.
func (o *order) readAgain(stream ledger.Stream) {
	for partition, offset := range o.left[stream] {
		if at, ok := o.rewind[partition]; !ok || offset < at {
			o.rewind[partition] = offset
		}
	}
	delete(o.left, stream)
}

func (o *order) held(stream ledger.Stream, via ledger.Via) bool {
	for _, e := range o.waiting[stream] {
		if *e.Via == via {
			return true
		}
	}
	return false
}

func (o *order) refuse(via ledger.Via, stream ledger.Stream, cause error) error {
	if before, ok := o.open[via]; ok && before.refused {
		return nil // it was read again
	}
	o.open[via] = open{stream: stream, refused: true, cause: cause}
	return fmt.Errorf("entry at %d/%d: %w", via.Partition, via.Offset, cause)
}

// refuseForeign tells of each record that is no entry, and keeps the place of the first: somebody who writes them may
// write many.
func (o *order) refuseForeign(via ledger.Via, cause error) error {
	seen, ok := o.foreign[via.Partition]
	switch {
	case !ok:
		o.foreign[via.Partition] = places{via.Offset, via.Offset}
		return o.refuse(via, ledger.Stream{}, cause)
	case via.Offset <= seen.last:
		return nil // it was read again
	}
	o.foreign[via.Partition] = places{seen.first, via.Offset}
	return fmt.Errorf("entry at %d/%d: %w", via.Partition, via.Offset, cause)
}

// stop ends a source partition's way into the log. What waits of it stays open, so that a restart reads it again.
func (o *order) stop(stream ledger.Stream, via ledger.Via, cause error) {
	o.stopped[stream] = &halt{cause: cause, first: map[int32]int64{via.Partition: via.Offset}}
	o.bytes -= len(o.waiting[stream]) * entryCost
	delete(o.waiting, stream)
	delete(o.left, stream)
}

// passBy leaves an entry of a stopped source partition out. The first place is enough to come back to: the instances go
// on, and there may be millions behind it before somebody looks.
func (o *order) passBy(h *halt, via ledger.Via, stream ledger.Stream) {
	first, ok := h.first[via.Partition]
	switch {
	case !ok || via.Offset < first:
		h.first[via.Partition] = via.Offset
		o.open[via] = open{stream: stream, refused: true, cause: h.cause}
	case first < via.Offset:
		delete(o.open, via)
	}
}

// mark is the first place of a partition whose entry is not in the log, if all that is ready is, and the reader is at
// next. A sequencer that begins there misses nothing.
func (o *order) mark(partition int32, next int64) int64 {
	first := int64(math.MaxInt64)
	for via := range o.open {
		if via.Partition == partition {
			first = min(first, via.Offset)
		}
	}
	return min(first, next)
}

// pending counts the source partitions with entries that wait.
func (o *order) pending() (streams int) { return len(o.waiting) + len(o.left) }

// waits reports whether entries of a source partition wait.
func (o *order) waits(stream ledger.Stream) bool {
	return len(o.waiting[stream]) > 0 || len(o.left[stream]) > 0
}
