package recount

import (
	"errors"
	"fmt"
	"slices"

	"github.com/demarc/demarc/internal/wire"
)

// noReceipt books a batch that no receipt covers, and decides what it holds.
func (w *worker) noReceipt(b wire.Batch, into *NoReceipt) {
	var n NoReceipt
	section, err := w.judge.decoder.Open(b)
	it := wire.Iterate(section, b)
	for rec := (wire.Record{}); err == nil && it.Next(&rec); {
		var where whereabouts
		if where, err = w.whereabouts(&rec); err != nil {
			break
		}
		n.Records++
		switch where {
		case unclear:
			n.Undecided++
		case elsewhere:
			n.Elsewhere++
		default:
			n.Belonging++
			if w.print != nil && into == &w.here.Unreceipted {
				w.run.doubles.expect(w.place, w.print.of(b.Timestamp(&rec), &w.judge.record))
			}
		}
	}
	if err = errors.Join(err, it.Err()); err != nil { // what cannot be read may hold anything
		n.Undecided += int64(b.Count()) - n.Records
		n.Records = int64(b.Count())
	}
	into.add(n)
	if into != &w.here.Unreceipted || len(w.pending) >= w.run.cfg.MaxListed || n.Records == 0 {
		return
	}
	offset := b.BaseOffset()
	w.pending = append(w.pending, Difference{Kind: Unreceipted, Sink: w.firstSink(), Place: w.at.String(), Offset: &offset,
		Cause: fmt.Sprintf("%d records have no receipt; the policy sends %d of them here and %d elsewhere, %d cannot be decided", n.Records, n.Belonging, n.Elsewhere, n.Undecided)})
}

// whereabouts says whether a record without a receipt is where a policy sends it.
type whereabouts uint8

const (
	elsewhere whereabouts = iota
	unclear
	here
)

// whereabouts decides a record by the policy given, and by those of the receipts around it: what a crash left without
// a receipt was stored under the policy of that time.
func (w *worker) whereabouts(rec *wire.Record) (whereabouts, error) {
	found := elsewhere
	tried := make([]*policyUse, 0, 4)
	for _, use := range append([]*policyUse{w.run.given}, w.in...) {
		if use.policy == nil || slices.Contains(tried, use) {
			continue
		}
		tried = append(tried, use)
		if err := rec.Read(&w.judge.record); err != nil {
			return unclear, err
		}
		f := w.judge.decide(basis{use: use, geo: w.judge.geos[w.run.told.newest]})
		switch {
		case f.state == undecided:
			found = unclear
		case f.state != differs && w.run.belongs(use, f.decision.Sink, w.at):
			return here, nil
		}
	}
	return found, nil
}

func (w *worker) firstSink() string {
	if len(w.place.Sinks) == 0 {
		return ""
	}
	return w.place.Sinks[0]
}
