//go:build !nounsafe

package zstd

//lint:file-ignore U1000 decoder_replay_amd64.s uses what nothing here does

// For decoder_replay_amd64.s.
const (
	tableBytes    = 8 << fseMostLog  // of a decodeTable
	mostExtraBits = 56 - (9 + 8 + 9) // of a sequence whose states take as many as they can
)

// runFast does sequences as run does, up to one that it leaves to that: the last, or one that is seldom or cannot be.
func (r *replay) runFast() {
	if r.left > 1 {
		literals, content := replayAVX2(r)
		r.literals, r.dst = r.literals[literals:], r.dst[:len(r.dst)+content]
	}
}

// replayAVX2 does sequences, and says how many literals it has used and how many bytes it has written behind dst. What
// else stands in r is up to date. There are two sequences or more, and not fewer bits than none. Such a call is not
// interrupted; it takes half a millisecond at most.
//
//go:noescape
func replayAVX2(r *replay) (literals, content int)
