package recount

import (
	"context"
	"errors"
	"fmt"

	"github.com/demarc/demarc/internal/wire"
)

// partition compares a partition of a topic with its receipts.
func (w *worker) partition(ctx context.Context) error {
	t, elsewhere, err := w.run.topicOf(w.at)
	switch {
	case elsewhere:
		w.run.report.differ(Difference{Kind: PinFault, Place: w.at.String(), Cause: err.Error()})
		return w.rest((*Receipts).unread)
	case err != nil:
		return err
	case t.absent():
		return w.restMissing("the topic is not there")
	case t.stored == nil:
		return w.rest((*Receipts).unread) // said when it was opened
	}
	in := &topicReader{transport: t.stored.Transport, addr: t.stored.Addr, topic: t.topic, clientID: w.run.cfg.ClientID, refusal: t.stored.Refusal}
	reach, err := in.extent(ctx, w.at.partition)
	if errors.Is(err, errPartitionGone) {
		return w.restMissing("the partition is not there")
	}
	if err != nil {
		return err
	}
	w.here.LogStart, w.here.End = reach.start, reach.stable
	if reach.high > reach.stable {
		w.run.report.unknown("%s: the offsets from %d to %d are of an open transaction and cannot be read yet", w.at, reach.stable, reach.high)
	}
	m := &matching{worker: w, in: in}
	if err := m.advance(); err != nil {
		return err
	}
	if w.run.drawn != nil {
		return m.sampled(ctx)
	}
	if err := in.each(ctx, w.at.partition, 0, reach.stable, &w.here.LogStart, m.batch); err != nil {
		return m.failed(err)
	}
	return m.end()
}

func (w *worker) restMissing(cause string) error {
	for {
		more, err := w.next()
		if !more || err != nil {
			return err
		}
		w.differ(Missing, nil, "%s", cause)
		if err := w.count((*Receipts).missing, nil); err != nil {
			return err
		}
	}
}

// matching walks the batches of a partition and its receipts side by side, both by offset.
type matching struct {
	*worker
	in      *topicReader
	have    bool  // current is a receipt that was not counted yet
	any     bool  // there was a receipt, so that what follows is not before the first one
	foreign int64 // behind the last offset of batches that are no receipt's
}

// advance goes on to the next receipt.
func (m *matching) advance() (err error) {
	m.have, err = m.next()
	return err
}

// batch takes in the next batch of the partition.
func (m *matching) batch(b wire.Batch, _ bool) error {
	for m.have && m.current.end <= b.BaseOffset() {
		if err := m.unmatched(); err != nil {
			return err
		}
	}
	if m.have && m.matches(b) {
		m.any = true
		if err := m.compare(b, b.Section()); err != nil {
			return err
		}
		return m.advance()
	}
	m.foreign = b.LastOffset() + 1
	m.without(b, m.have && m.current.base > b.LastOffset() && !m.any)
	return nil
}

// matches reports whether b has the coordinates of the current receipt.
func (m *matching) matches(b wire.Batch) bool {
	return !b.Control() && b.BaseOffset() == m.current.base && b.LastOffset()+1 == m.current.end &&
		int64(b.Count()) == m.current.end-m.current.base
}

// without books a batch that has no receipt.
func (m *matching) without(b wire.Batch, before bool) {
	switch {
	case b.Control():
		m.here.Control += int64(b.LastOffsetDelta()) + 1
	case before:
		m.noReceipt(b, &m.here.Before)
	default:
		m.noReceipt(b, &m.here.Unreceipted)
	}
}

// unmatched books the current receipt, which no batch has the coordinates of.
func (m *matching) unmatched() error {
	m.any = true
	as := (*Receipts).missing
	switch r := &m.current; {
	case r.base < m.here.LogStart:
		as = (*Receipts).gone
	case r.base < m.foreign:
		as = (*Receipts).rewritten
		m.differ(Rewritten, nil, "no batch has the offsets %d to %d: others lie there", r.base, r.end-1)
	case r.base >= m.here.End:
		m.differ(Missing, nil, "says the offsets %d to %d, but the partition ends at %d", r.base, r.end-1, m.here.End)
	default:
		m.differ(Missing, nil, "no batch lies at the offsets %d to %d", r.base, r.end-1)
	}
	if err := m.count(as, nil); err != nil {
		return err
	}
	return m.advance()
}

// end books the receipts behind the last batch.
func (m *matching) end() error {
	for m.have {
		if err := m.unmatched(); err != nil {
			return err
		}
	}
	return nil
}

// failed counts the current receipt among those that could not be read, whose rest the caller counts.
func (m *matching) failed(cause error) error {
	if m.have {
		if err := m.count((*Receipts).unread, nil); err != nil {
			return err
		}
	}
	return cause
}

// sampled looks at the receipts of the sample only, but at every offset that no receipt covers.
func (m *matching) sampled(ctx context.Context) error {
	at, first := m.here.LogStart, true
	for m.have {
		r := &m.current
		if err := m.hole(ctx, at, min(r.base, m.here.End), first); err != nil {
			return m.failed(err)
		}
		at, first = max(at, r.end), false
		if !m.run.wants(r) {
			if err := m.count((*Receipts).left, nil); err != nil {
				return err
			}
			if err := m.advance(); err != nil {
				return err
			}
			continue
		}
		if err := m.drawn(ctx); err != nil {
			return err
		}
	}
	return m.hole(ctx, at, m.here.End, false)
}

// hole reads offsets that no receipt covers.
func (m *matching) hole(ctx context.Context, from, to int64, before bool) error {
	return m.in.each(ctx, m.at.partition, from, to, &m.here.LogStart, func(b wire.Batch, _ bool) error {
		m.without(b, before)
		return nil
	})
}

// drawn compares the current receipt with the batch that lies there.
func (m *matching) drawn(ctx context.Context) error {
	r := &m.current
	matched := false
	if r.end > m.here.LogStart && r.base < m.here.End {
		err := m.in.each(ctx, m.at.partition, r.base, min(r.end, m.here.End), &m.here.LogStart, func(b wire.Batch, _ bool) error {
			if matched || !m.matches(b) {
				m.foreign = b.LastOffset() + 1
				return nil
			}
			matched = true
			return m.compare(b, b.Section())
		})
		if err != nil && !matched {
			return m.failed(err)
		}
		if err != nil {
			return fmt.Errorf("behind receipt %d of entry %d: %w", r.index, r.entry, err)
		}
	}
	if matched {
		return m.advance()
	}
	return m.unmatched()
}
