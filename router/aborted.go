package router

import (
	"cmp"
	"slices"

	"github.com/demarc/demarc/internal/wire"
)

// abortedFilter knows whose transactions are aborted at the point of a chunk that is being read. A fetch
// response under read_committed lists the aborted transactions that touch it (KIP-98), so nothing is carried
// from one chunk to the next.
type abortedFilter struct {
	pending []wire.AbortedTxn // by first offset
	active  []int64           // producer ids, each once: one abort marker ends all that was aborted of a producer
}

func (f *abortedFilter) reset(aborted []wire.AbortedTxn) {
	slices.SortFunc(aborted, func(a, b wire.AbortedTxn) int { return cmp.Compare(a.FirstOffset, b.FirstOffset) })
	f.pending, f.active = aborted, f.active[:0]
}

// reach is called before a batch that ends at lastOffset is read.
func (f *abortedFilter) reach(lastOffset int64) {
	for len(f.pending) > 0 && f.pending[0].FirstOffset <= lastOffset {
		if id := f.pending[0].ProducerID; !f.has(id) {
			f.active = append(f.active, id)
		}
		f.pending = f.pending[1:]
	}
}

// has reports whether a transactional batch of this producer belongs to an aborted transaction.
func (f *abortedFilter) has(producer int64) bool { return slices.Contains(f.active, producer) }

// end is called at an abort marker: the producer's next transaction is another one.
func (f *abortedFilter) end(producer int64) {
	if i := slices.Index(f.active, producer); i >= 0 {
		f.active = slices.Delete(f.active, i, i+1)
	}
}
