package verify

import (
	"math"

	"github.com/demarc/demarc/ledger"
)

// maxSum bounds what the numbers of a log may add up to, so that nobody who adds them up counts around: a whole that
// was too large for 64 bits would be a small one, and its parts any share of it.
const maxSum = math.MaxInt64

// volume adds up what no other state bounds. Numbers of one entry are below 2^53 each, and its sums are its own.
type volume struct{ bytes, replayed uint64 }

func (v *volume) add(e *ledger.Range, replay bool, say sayer) {
	for i := range e.Counts {
		v.bytes = sum(v.bytes, e.Counts[i].Bytes)
	}
	if replay {
		v.replayed = sum(v.replayed, e.Source.To-e.Source.From)
	}
	if v.bytes > maxSum || v.replayed > maxSum {
		say("", "bytes or replayed offsets of the entries up to this one are more than %d", int64(maxSum))
	}
}

// sum stops above maxSum.
func sum(n uint64, more int64) uint64 {
	if n > maxSum {
		return n
	}
	return n + uint64(more)
}

// reaches checks what partitions of sources and sinks reach over together.
func (w *walk) reaches() {
	sources, sinks := uint64(0), uint64(0)
	for i := range w.result.Partitions {
		p := &w.result.Partitions[i]
		to := p.To
		if p.Reach != nil {
			to = max(to, p.Reach.Stable)
		}
		sources = sum(sources, to)
	}
	for i := range w.result.Stored {
		sinks = sum(sinks, w.result.Stored[i].covered.end())
	}
	if sources > maxSum {
		w.fault(about{what: "all entries"}, "source partitions reach over more than %d offsets together", int64(maxSum))
	}
	if sinks > maxSum {
		w.fault(about{what: "all entries"}, "receipts reach over more than %d offsets and bytes together", int64(maxSum))
	}
}
