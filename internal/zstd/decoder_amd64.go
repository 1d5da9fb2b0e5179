//go:build !nounsafe

package zstd

//lint:file-ignore U1000 decoder_amd64.s uses what nothing here does

import "golang.org/x/sys/cpu"

// canReplayFast says whether replayAVX2 can run.
var canReplayFast = cpu.X86.HasAVX2 && cpu.X86.HasBMI2

const tableBytes = 8 << fseMostLog // of a decodeTable, for decoder_amd64.s

// runFast does sequences as run does, and returns how many it leaves to that before it is to be called again: the next
// one, which is the last or seldom or cannot be, or on other processors all.
func (r *replay) runFast() int {
	if !canReplayFast {
		return r.left
	}
	if r.left > 1 {
		literals, content := replayAVX2(r)
		r.literals, r.dst = r.literals[literals:], r.dst[:len(r.dst)+content]
	}
	return 1
}

// replayAVX2 does sequences, and says how many literals it has used and how many bytes it has written behind dst. What
// else stands in r is up to date. There are two sequences or more, and of bits no fewer than none. Such a call is not interrupted; it takes a third of
// a millisecond at most.
//
//go:noescape
func replayAVX2(r *replay) (literals, content int)
