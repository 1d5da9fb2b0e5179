package zstd

import "math/bits"

// symbolEntry is what a state of a decoding table says: in byte 0 how many extra bits its number has, in byte 1 how
// many bits lead to the next state, in bits 16 to 47 the number without its extra bits, and in bits 48 to 63 the next
// state without the bits that lead to it.
type symbolEntry uint64

const (
	entryBits  = 8
	entryBase  = 16
	entryState = 48
)

func (e symbolEntry) base() uint32 { return uint32(e >> entryBase) }

// decodeTable decodes numbers with finite state entropy (RFC 8878, 4.1).
type decodeTable [1 << fseMostLog]symbolEntry

// What the codes of each kind stand for: number and extra bits.
var codeEntries = [3][]symbolEntry{
	ofLiterals:  entriesOf(literalsCodes[:], 0, codeKinds[ofLiterals], largeLiterals),
	ofDistances: distanceEntries(mostDistanceCode),
	ofLengths:   entriesOf(lengthCodes[:], leastMatch, codeKinds[ofLengths], largeLengths),
}

const mostDistanceCode = 31

// entriesOf are the entries of n codes, of which the first are those of small numbers; all numbers are larger by add.
func entriesOf(small []code, add, n, large int) []symbolEntry {
	list := make([]symbolEntry, n)
	for number := len(small) - 1; number >= 0; number-- { // the least that a code has is the last that is set
		c := small[number]
		list[c.code] = symbolEntry(c.bits) | symbolEntry(number+add)<<entryBase
	}
	for c := int(small[len(small)-1].code) + 1; c < n; c++ {
		k := c - large
		list[c] = symbolEntry(k) | symbolEntry(1<<k+add)<<entryBase
	}
	return list
}

// distanceEntries are the entries of codes up to most, less 3: numbers are distances then, and those below 1, which wrap,
// choose one of the recent ones.
func distanceEntries(most int) (list []symbolEntry) {
	for c := range most + 1 {
		list = append(list, symbolEntry(c)|symbolEntry(uint32(1)<<c-3)<<entryBase)
	}
	return list
}

// fit makes the table for a distribution of codes, in which -1 stands for less than 1 (RFC 8878, 4.1.1). The sum is
// 1<<log.
func (t *decodeTable) fit(norm []int16, log uint, codes []symbolEntry) {
	size := 1 << log
	// A symbol of n states has, from the lowest on, such as another bit leads on from, and then the others. What both
	// lead to lies one behind the other, up to size and then from 0 on.
	var symbols [1 << fseMostLog]uint8
	var next, step [64]symbolEntry
	high := size - 1
	for s, n := range norm {
		if n == 0 {
			continue
		}
		states := uint(max(n, -n))
		more := log + 1 - uint(bits.Len(states))
		next[s&63] = codes[s] | symbolEntry(more)<<entryBits | symbolEntry(states<<more-uint(size))<<entryState
		step[s&63] = 1 << more << entryState
		if n < 0 {
			symbols[high] = uint8(s)
			high--
		}
	}
	by, at := size>>1+size>>3+3, 0
	for s, n := range norm {
		for range max(n, 0) {
			symbols[at] = uint8(s)
			for at = (at + by) & (size - 1); at > high; at = (at + by) & (size - 1) {
			}
		}
	}
	end := symbolEntry(size) << entryState
	for i, s := range symbols[:size] {
		e := next[s&63]
		t[i] = e
		if e += step[s&63]; e >= end {
			e = e&(1<<entryState-1) - 1<<entryBits
			step[s&63] >>= 1
		}
		next[s&63] = e
	}
}

// readNorm reads the description of a distribution of at most so many symbols (RFC 8878, 4.1.1), whose sum is 1<<log.
func readNorm(norm []int16, b []byte, most uint) (_ []int16, log uint, rest []byte, err error) {
	r := forward{b: b}
	log = uint(r.take(4)) + fseLeastLog
	if log > most {
		return nil, 0, b, errTable
	}
	left := 1<<log + 1 // and 1
	threshold, width := 1<<log, log+1
	s := 0
	for left > 1 {
		if s == len(norm) {
			return nil, 0, b, errTable
		}
		short := 2*threshold - 1 - left // so many values take a bit less
		v := r.peek()
		n := int(v) & (threshold - 1)
		if n < short {
			r.at += width - 1
		} else {
			if n = int(v) & (2*threshold - 1); n >= threshold {
				n -= short
			}
			r.at += width
		}
		n--
		left -= max(n, -n)
		norm[s] = int16(n)
		s++
		for more := 3; n == 0 && more == 3; { // how many of them follow, three at a time
			more = int(r.take(2))
			if more > len(norm)-s {
				return nil, 0, b, errTable
			}
			clear(norm[s : s+more])
			s += more
		}
		for ; left < threshold; width-- {
			threshold >>= 1
		}
	}
	used := int(r.at+7) >> 3
	if used > len(b) {
		return nil, 0, b, errTable
	}
	return norm[:s], log, b[used:], nil
}

// forward reads bits from the start of b on, the lowest of a byte first, and zeros behind its end.
type forward struct {
	b  []byte
	at uint
}

// peek returns the next 25 bits.
func (r *forward) peek() uint32 {
	v := uint32(0)
	for i, at := uint(0), r.at>>3; i < 4 && at+i < uint(len(r.b)); i++ {
		v |= uint32(r.b[at+i]) << (8 * i)
	}
	return v >> (r.at & 7)
}

func (r *forward) take(n uint) uint32 {
	v := r.peek() & (1<<n - 1)
	r.at += n
	return v
}
