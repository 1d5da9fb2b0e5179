package recount

import (
	"context"
	"crypto/sha256"
	"fmt"

	"github.com/demarc/demarc/internal/wire"
	"github.com/demarc/demarc/ledger"
)

// worker reads one place after the other.
type worker struct {
	run   *run
	judge *judge
	print *printer // nil without a source

	// Of the group that is being read.
	at      group
	place   *foundPlace // shared by the files of a directory: only merged into
	here    Place
	pending []Difference
	sinks   map[uint32]*sinkReport
	current receipt
	in      []*policyUse // in force where the reading is: of the current receipt, of the one before, and the ledger's one before
	cursor  *cursor
	scratch []byte
}

func newWorker(r *run) *worker {
	w := &worker{run: r, judge: newJudge(r.told, r.geos)}
	if r.cfg.Source != nil {
		w.print = r.doubles.printer()
	}
	return w
}

// group compares one place with its receipts. An error is of this machine, not of the place.
func (w *worker) group(ctx context.Context, g group) error {
	w.at, w.place = g, w.run.place(g)
	w.here, w.pending, w.sinks, w.in = Place{}, nil, map[uint32]*sinkReport{}, nil
	number, known := w.run.told.groups.by[g]
	w.cursor = &cursor{}
	if known {
		w.cursor = w.run.told.receipts.group(number)
	}
	var err error
	if g.topic != "" {
		err = w.partition(ctx)
	} else {
		err = w.file()
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		w.run.unreadable(g.String(), err)
		if err := w.rest((*Receipts).unread); err != nil {
			return err
		}
	}
	w.merge()
	return w.cursor.err
}

// merge hands in what was counted.
func (w *worker) merge() {
	for sink, s := range w.sinks {
		w.run.report.sink(w.run.told.names.list[sink], s)
		w.here.Receipts.add(s.receipts)
	}
	r, p := w.run, w.place
	r.mu.Lock()
	defer r.mu.Unlock()
	p.Receipts.add(w.here.Receipts)
	p.Unreceipted.add(w.here.Unreceipted)
	p.Before.add(w.here.Before)
	p.Control += w.here.Control
	p.LogStart, p.End = w.here.LogStart, w.here.End
	if room := r.cfg.MaxListed - len(p.pending); room > 0 {
		p.pending = append(p.pending, w.pending[:min(room, len(w.pending))]...)
	}
}

func (r *Receipts) equal()     { r.Read++; r.Equal++ }
func (r *Receipts) rewritten() { r.Read++; r.Rewritten++ }
func (r *Receipts) missing()   { r.Read++; r.Missing++ }
func (r *Receipts) gone()      { r.Read++; r.Gone++ }
func (r *Receipts) unread()    { r.Unread++ }
func (r *Receipts) left()      { r.Left++ }

// next takes the next receipt of the group; false at the end.
func (w *worker) next() (bool, error) {
	if w.cursor.in == nil || !w.cursor.next() {
		return false, w.cursor.err
	}
	err := w.current.read(w.cursor.key, w.cursor.payload)
	now := w.current.policy
	w.in = append([]*policyUse{w.judge.policies[now], w.judge.policies[max(now, 1)-1]}, w.in[:min(len(w.in), 1)]...)
	return true, err
}

// rest counts the receipts that are left as one thing, none of which can be compared.
func (w *worker) rest(as func(*Receipts)) error {
	for {
		more, err := w.next()
		if !more || err != nil {
			return err
		}
		if err := w.count(as, nil); err != nil {
			return err
		}
	}
}

// count books the current receipt. seen is what its records were decided to be; nil if they could not all be.
func (w *worker) count(as func(*Receipts), seen *tallied) error {
	r := &w.current
	s := w.sinks[r.sink]
	if s == nil {
		s = &sinkReport{outcomes: map[outcome]amount{}}
		w.sinks[r.sink] = s
	}
	s.receipts.Total++
	as(&s.receipts)
	w.run.progress()
	if seen != nil {
		s.records.add(seen.records)
		for o, n := range seen.outcomes {
			sum := s.outcomes[o]
			s.outcomes[o] = amount{sum.records + n.records, sum.bytes + n.bytes}
		}
	}
	w.run.tallies.add(r, seen)
	if w.run.told.ranges == nil {
		return nil
	}
	return w.run.partial(r, seen, &w.scratch)
}

// differ notes a difference in the current receipt.
func (w *worker) differ(kind Kind, offset *int64, format string, args ...any) {
	entry, index := w.current.entry, w.current.index
	w.run.report.differ(Difference{
		Kind: kind, Entry: &entry, Receipt: &index, Sink: w.run.told.names.list[w.current.sink], Place: w.at.String(), Offset: offset,
		Cause: fmt.Sprintf(format, args...),
	})
}

// compare holds the current receipt against the batch that stands where it says. digested is what the receipt's
// digest is over. Also of a batch that was rewritten every record is decided.
func (w *worker) compare(b wire.Batch, digested []byte) error {
	r := &w.current
	as := (*Receipts).equal
	switch {
	case sha256.Sum256(digested) != r.digest:
		as = (*Receipts).rewritten
		w.differ(Rewritten, nil, "its SHA-256 is %x: these are not the bytes that were stored", sha256.Sum256(digested))
	case b.Check() != nil: // for a partition the digest does not cover the header
		as = (*Receipts).rewritten
		w.differ(Rewritten, nil, "%v", b.Check())
	}
	seen, err := w.decide(b)
	if err != nil {
		w.differ(Damaged, nil, "%v", err)
	} else if seen.whole {
		w.compareSets(seen)
	}
	return w.count(as, seen)
}

// streamless is a stream without its topic id.
func streamless(s ledger.Stream) ledger.Stream {
	s.TopicID = ""
	return s
}
