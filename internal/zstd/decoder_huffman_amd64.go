//go:build !nounsafe

package zstd

// streamsFast decodes from all four streams alike, as long as none of them is near its end.
func (d *huffmanDecoder) streamsFast(out, b []byte) {
	for {
		rounds := len(out)
		for i := range d.streams {
			s := &d.streams[i]
			rounds = min(rounds, (s.in-s.start)/roundBytes, (s.top-s.out)/roundLiterals)
		}
		if rounds <= 0 {
			return
		}
		literalsBMI2(d, &out[0], &b[0], rounds)
	}
}

// literalsBMI2 decodes so many rounds of lookups from each stream, for which there are bytes and room. What stands in d is
// up to date before and behind. Such a call is not interrupted; it takes a tenth of a millisecond at most.
//
//go:noescape
func literalsBMI2(d *huffmanDecoder, out, b *byte, rounds int)
