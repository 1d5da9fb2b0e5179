package zstd

import "math/bits"

const (
	tableLog = 14 // 64 KiB
	tagBits  = 32 - windowLog
	hashed   = 7 // bytes
	prime    = 0x9E3779B185EBCA87

	// sameEnd is how many of the next eight bytes have to be those of the last match's place, at their end, so that
	// what differs before them is passed over.
	sameEnd = 5
	// margin is how near to its end a block is no longer looked at.
	margin = 32
)

// find makes literals and sequences of src[from:to]. What lies before is what they may refer to.
func (e *Encoder) find(src []byte, from, to int) {
	e.literals.reset()
	e.sequences.reset()
	ip, anchor := max(from, 1), from
	if useAssembly {
		ip, anchor = e.matchFast(src, ip, anchor, to)
	}
	anchor = e.match(src, ip, anchor, to)
	e.literals.rest(src[anchor:to])
}

// match finds matches from ip on. What lies before anchor is told; it returns what is told then.
//
// matchFast does the same for most of a block, and has to be changed with it.
//
// The table keeps, for each hash, where its bytes stood last, up to a multiple of the window, and below that twelve
// other bits of the hash. The difference of two such words, turned so that the positions come down, is the distance if
// those bits are the same, and else no less than the window: most of what would not match is seen without a look at
// memory that is no longer near.
//
// Its loads are unchecked, see memory_fast.go. At the head of the loop ip is at most to-32, and it grows by three at
// most before a match is told; so all that is loaded from there on, 16 bytes behind ip or behind literals that
// precede it, lies below to. A candidate always lies below ip, and not below 0: the last distance fitted before, and
// while ip is within the first window all that the table can tell is what it was given, or 0.
func (e *Encoder) match(src []byte, ip, anchor, to int) int {
	last := int(e.recent[0])
	for limit := to - margin; ip <= limit; {
		next := load64(src, ip)
		hash := next << (64 - 8*hashed) * prime
		slot := &e.table[hash>>(64-tableLog)]
		entry := uint32(ip)<<tagBits | uint32(hash>>(64-tableLog-tagBits))&(1<<tagBits-1)
		distance := bits.RotateLeft32(entry-*slot, windowLog)
		*slot = entry
		candidate, end := ip-last, ip+8
		if x := next ^ load64(src, candidate); x < 1<<(64-8*sameEnd) {
			differ := (bits.Len32(uint32(x)) + 7) / 8
			ip += differ
			candidate += differ
			if differ > 0 {
				goto forward // what lies before differs
			}
		} else if candidate = ip - int(distance); distance-1 < windowSize-1 && load32(src, candidate) == uint32(next) {
			end = ip + 4
		} else if e.pace.gap <= 0 {
			ip += 1 + (ip-anchor)>>7 // faster, the longer nothing is found
			continue
		} else {
			ip = e.pace.next(src, ip, limit)
			continue
		}
		for ip > anchor && candidate > 0 && load8(src, ip-1) == load8(src, candidate-1) {
			ip--
			candidate--
		}
	forward:
		last = ip - candidate
		for end <= to-8 {
			if x := load64(src, end) ^ load64(src, end-last); x != 0 {
				end += bits.TrailingZeros64(x) / 8
				goto ended // the loop below has nothing to do, but to jump is cheaper than to ask
			}
			end += 8
		}
		for end < to && src[end] == src[end-last] {
			end++
		}
	ended:
		// What follows stands here, though it is long, since calls take a twentieth of the encoder's time.
		n, length := uint32(ip-anchor), uint32(end-ip)-leastMatch
		if room, at := e.literals.room, e.literals.size; n <= 32 {
			store64(room, at, load64(src, anchor))
			store64(room, at+8, load64(src, anchor+8))
			if n > 16 {
				store64(room, at+16, load64(src, anchor+16))
				store64(room, at+24, load64(src, anchor+24))
			}
		} else {
			copy(room[at:], src[anchor:ip])
		}
		e.literals.size += int(n)
		told := uint32(1)
		if uint32(last) != e.recent[0] || n == 0 {
			told = e.recent.tell(uint32(last), n == 0)
		}
		l, m, d := literalsCode(n), lengthCode(length), uint8(bits.Len32(told)-1)
		// Written in its place: to append a value that was put together byte by byte would wait for its bytes.
		s := e.sequences.grow()
		s.extra = extraOf(n, length, told, l.bits, m.bits, d)
		s.bits = l.bits + m.bits + d
		s.codes[ofLiterals] = l.code
		s.codes[ofDistances] = d
		s.codes[ofLengths] = m.code
		e.pace.found(load32(src, ip), load8(src, end-1))
		anchor, ip = end, end
	}
	return anchor
}

// recent is the last three distances, the newest first, which the format tells in few bits (RFC 8878, 3.1.1.5).
type recent [3]uint32

// tell is how the format tells a distance, and makes it the newest: 1 to 3 are recent ones, others the distance and
// 3. Directly behind another match the newest is none of them, and the others are less by 1.
func (r *recent) tell(distance uint32, direct bool) uint32 {
	less := uint32(0)
	if direct {
		less = 1
	}
	switch distance {
	case r[0]:
		if !direct {
			return 1
		}
	case r[1]:
		r[0], r[1] = r[1], r[0]
		return 2 - less
	case r[2]:
		r[0], r[1], r[2] = r[2], r[0], r[1]
		return 3 - less
	}
	r[0], r[1], r[2] = distance, r[0], r[1]
	return distance + 3
}

// pace decides what is passed over where nothing is found: gap bytes, about, up to a quotation mark. It begins with
// patience after each match, which grows while matches begin at quotation marks and shrinks while they do not. At
// none every byte is looked at.
type pace struct{ gap, patience int }

const (
	mostPatience  = 40
	patienceSteps = 8
)

const (
	marks = '"' * ones
	ones  = 0x0101010101010101
	tops  = 0x80 * ones
)

func (p *pace) reset() { p.gap, p.patience = mostPatience, mostPatience }

// next goes to the next quotation mark behind ip, or as far as the gap.
func (p *pace) next(src []byte, ip, limit int) int {
	for ; ip <= limit && p.gap > 0; ip, p.gap = ip+8, p.gap-8 {
		w := load64(src, ip+1) ^ marks
		if mark := (w - ones) &^ w & tops; mark != 0 {
			return ip + 1 + bits.TrailingZeros64(mark)/8
		}
	}
	return ip + 1
}

// found takes in how a match begins and ends.
func (p *pace) found(first uint32, last byte) {
	const ones, tops = ones & 0xffffffff, tops & 0xffffffff
	w := first ^ '"'*ones
	if (w-ones)&^w&tops != 0 {
		p.patience = min(p.patience+patienceSteps, mostPatience)
	} else {
		p.patience = max(p.patience-patienceSteps, 0)
	}
	p.gap = p.patience
	if last == '}' {
		p.gap = 0 // a document may have ended: headers and the next key are no JSON
	}
}
