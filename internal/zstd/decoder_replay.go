package zstd

// replay decodes the sequences of a block and does what they tell: so many literals, then so many bytes from so far
// back.
type replay struct {
	tables  [3]decodeTable
	entries [3]symbolEntry // of the states
	recent  [4]uint32      // the last three distances, the latest first
	bits    backward
	window  int
	known   [3]bool // a block before has left a table
	logs    [3]uint

	// Of the block: what is yet to come, and where it ends.
	literals []byte
	dst      []byte
	start    int // of the frame's content in dst
	most     int // what the length of dst may become
	left     int // sequences

	norm [64]int16
}

// replayMargin is how much more room than the content of a block dst has: literals and matches are copied in steps of
// up to 64 bytes, so that 63 are written at most.
const replayMargin = 64

// begin makes the next block the first of a frame, whose matches may be so far back.
func (r *replay) begin(window int) {
	r.window, r.recent, r.known = window, [4]uint32{1, 4, 8}, [3]bool{}
}

// readTables reads how the codes of a block are encoded (RFC 8878, 3.1.1.3.2.1).
func (r *replay) readTables(b []byte) (rest []byte, err error) {
	if len(b) == 0 {
		return b, errShort
	}
	all := b[0]
	if all&3 != 0 {
		return b, errReserved
	}
	b = b[1:]
	for kind := range r.tables {
		t, codes := &r.tables[kind], codeEntries[kind]
		switch all >> (6 - 2*kind) & 3 {
		case modeStandard:
			r.logs[kind] = standardLog[kind]
			t.fit(standard[kind], standardLog[kind], codes)
		case modeOne:
			if len(b) == 0 || int(b[0]) >= len(codes) {
				return b, errTable
			}
			r.logs[kind], t[0] = 0, codes[b[0]]
			b = b[1:]
		case modeFit:
			var norm []int16
			if norm, r.logs[kind], b, err = readNorm(r.norm[:len(codes)], b, mostLog[kind]); err != nil {
				return b, err
			}
			t.fit(norm, r.logs[kind], codes)
		case modeAgain:
			if !r.known[kind] {
				return b, errRepeated
			}
		}
		r.known[kind] = true
	}
	return b, nil
}

// append appends the content of a block: n sequences in the bits of b, with literals, behind which literalsMargin
// bytes may be read. dst has room for the most bytes that it may have, and replayMargin.
func (r *replay) append(dst, b, literals []byte, n, start, most int) ([]byte, error) {
	if !r.bits.start(b) {
		return dst, errSequences
	}
	for kind, log := range r.logs {
		r.entries[kind] = r.tables[kind][r.bits.take(uint8(log))]
	}
	r.literals, r.dst, r.start, r.most, r.left = literals, dst, start, len(dst)+most, n
	var err error
	if r.bits.left < 0 {
		err = errSequences
	}
	for err == nil && r.left > 0 {
		n := r.left
		if useAssembly {
			r.runFast()
			n = 1
		}
		err = r.run(n)
	}
	dst, literals = r.dst, r.literals
	r.literals, r.dst, r.bits.b = nil, nil, nil
	if err == nil && (r.bits.left != 0 || len(literals) > r.most-len(dst)) {
		err = errSequences
	}
	if err != nil {
		return dst, err
	}
	return append(dst, literals...), nil
}

// run does so many sequences, of those that are left.
func (r *replay) run(sequences int) error {
	literals, distances, lengths := r.entries[ofLiterals], r.entries[ofDistances], r.entries[ofLengths]
	in, dst, rest := r.bits, r.dst, r.literals
	for range sequences {
		w := in.peek()
		told := distances.base() + uint32(w>>1>>(63-distances&63))
		w <<= distances & 63
		length := int(lengths.base() + uint32(w>>1>>(63-lengths&63)))
		in.left -= int(distances&63 + lengths&63)
		n := int(literals.base()) + int(in.take(uint8(literals)))

		distance := r.distance(told, n == 0)
		if distance == 0 {
			return errDistance
		}
		far := uint(min(r.window, len(dst)+n-r.start))
		if n > len(rest) || n+length > r.most-len(dst) || uint(distance) > far { // which is below 0 in 32 bits
			return errSequences
		}
		if r.left--; r.left > 0 {
			w = in.peek()
			literals, w = r.after(ofLiterals, literals, w, &in)
			lengths, w = r.after(ofLengths, lengths, w, &in)
			distances, _ = r.after(ofDistances, distances, w, &in)
		}
		if in.left < 0 {
			return errSequences
		}

		at := len(dst)
		dst = dst[:at+n+length]
		copyShort(dst, at, rest[:n])
		rest = rest[n:]
		copyMatch(dst, at+n, distance)
	}
	r.entries = [3]symbolEntry{ofLiterals: literals, ofDistances: distances, ofLengths: lengths}
	r.bits, r.dst, r.literals = in, dst, rest
	return nil
}

// after reads the state behind that of e, for which there are bits at the top of w, and returns its entry and w without
// them.
func (r *replay) after(kind int, e symbolEntry, w uint64, in *backward) (symbolEntry, uint64) {
	e >>= entryBits
	in.left -= int(e & 63)
	return r.tables[kind][(uint64(e>>(entryState-entryBits))+w>>1>>(63-e&63))&(1<<fseMostLog-1)], w << (e & 63)
}

// distance is what a number less 3 tells, which becomes the latest of the recent ones (RFC 8878, 3.1.1.5). It is 0 where
// that cannot be.
func (r *replay) distance(told uint32, noLiterals bool) int {
	which := told + 2
	if which > 2 {
		r.recent = [4]uint32{told, r.recent[0], r.recent[1]}
		return int(told)
	}
	if noLiterals {
		which++
	}
	d := r.recent[0]
	switch which {
	case 0:
		return int(d)
	case 1:
		d = r.recent[1]
	case 2:
		d, r.recent[2] = r.recent[2], r.recent[1]
	default:
		d, r.recent[2] = d-1, r.recent[1]
	}
	r.recent[0], r.recent[1] = d, r.recent[0]
	return int(d)
}

// copyShort copies src, behind which literalsMargin bytes may be read, to b[at:], behind which replayMargin bytes may be
// written.
func copyShort(b []byte, at int, src []byte) {
	if len(src) > 16 {
		copy(b[at:], src)
		return
	}
	b, src = b[:at+16], src[:16]
	store64(b, at, load64(src, 0))
	store64(b, at+8, load64(src, 8))
}

// copyMatch fills b from at on with what stands so far before it. Behind b replayMargin bytes may be written.
func copyMatch(b []byte, at, distance int) {
	if distance < 8 || len(b)-at > 32 {
		for from := at - distance; at < len(b); { // twice as much each time
			at += copy(b[at:], b[from:at])
		}
		return
	}
	room := b[:len(b)+8]
	for ; at < len(b); at += 8 {
		store64(room, at, load64(room, at-distance))
	}
}
