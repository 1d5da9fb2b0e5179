package wire

import (
	"cmp"
	"slices"
)

// Aborted tells the batches of aborted transactions in one fetch answer. An answer under read_committed lists the
// aborted transactions that touch it (KIP-98), so nothing is carried from one answer to the next. The zero value knows
// of none; it may be used again after Reset and serves one goroutine.
type Aborted struct {
	pending []AbortedTxn // by first offset
	active  []int64      // producer ids, each once: one abort marker ends all that was aborted of a producer
}

// Reset begins with the transactions of another answer, which it sorts and keeps.
func (f *Aborted) Reset(list []AbortedTxn) {
	slices.SortFunc(list, func(a, b AbortedTxn) int { return cmp.Compare(a.FirstOffset, b.FirstOffset) })
	f.pending, f.active = list, f.active[:0]
}

// Next takes in the next batch of the answer and reports whether its records are of an aborted transaction. The error
// is of a control batch that cannot be read.
func (f *Aborted) Next(b Batch) (bool, error) {
	f.reach(b.LastOffset())
	if !b.Control() {
		return b.Transactional() && f.has(b.ProducerID()), nil
	}
	kind, err := b.ControlType()
	if err == nil && kind == ControlAbort {
		f.end(b.ProducerID())
	}
	return false, err
}

// reach is called before a batch that ends at lastOffset is read.
func (f *Aborted) reach(lastOffset int64) {
	for len(f.pending) > 0 && f.pending[0].FirstOffset <= lastOffset {
		if id := f.pending[0].ProducerID; !f.has(id) {
			f.active = append(f.active, id)
		}
		f.pending = f.pending[1:]
	}
}

// has reports whether a transactional batch of this producer belongs to an aborted transaction.
func (f *Aborted) has(producer int64) bool { return slices.Contains(f.active, producer) }

// end is called at an abort marker: the producer's next transaction is another one.
func (f *Aborted) end(producer int64) {
	if i := slices.Index(f.active, producer); i >= 0 {
		f.active = slices.Delete(f.active, i, i+1)
	}
}
