package zstd

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// sequences are what the matches of a block are told by: so many literals, then so many bytes from so far back. Each
// of the three numbers has a code, which is entropy coded, and extra bits.
type sequences struct {
	list   []sequence
	tables [3]fseTable

	kept bool // the tables of a block before may serve this one
}

// Kinds of codes, in the order of their descriptions.
const (
	ofLiterals = iota
	ofDistances
	ofLengths
)

// sequence is as it is written: the codes, and the extra bits of all three at the top of extra. Its lowest five bits
// may be anything: numbers without extra bits, all of which are below 32.
type sequence struct {
	extra uint64
	bits  uint8
	codes [3]uint8
}

// extraOf is the extra of a sequence whose three numbers have so many extra bits, their lowest ones.
func extraOf(n, length, told uint32, nBits, lengthBits, toldBits uint8) uint64 {
	of := uint64(n) << (-nBits & 63)
	of = of>>(lengthBits&63) | uint64(length)<<(-lengthBits&63)
	return of>>(toldBits&63) | uint64(told)<<(-toldBits&63)
}

func (q *sequences) reset() {
	q.list = q.list[:0]
}

// grow returns a new last sequence.
func (q *sequences) grow() *sequence {
	n := len(q.list)
	if n == cap(q.list) {
		q.enlarge()
	}
	q.list = q.list[:n+1]
	return &q.list[n]
}

func (q *sequences) enlarge() { q.list = slices.Grow(q.list, max(len(q.list), 1<<10)) }

// code stands for the numbers that differ in so many low bits, which are its extra bits (RFC 8878, 3.1.1.3.2.1.1).
type code struct{ code, bits uint8 }

// Codes of small numbers; above them a code has twice as many numbers as the one before.
var (
	literalsCodes = [64]code(codesOf([]uint8{16: 1, 1, 1, 1, 2, 2, 3, 3, 4}))
	lengthCodes   = [128]code(codesOf([]uint8{32: 1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5}))
)

// leastMatch is the shortest match that the format can tell; lengths are told without it.
const leastMatch = 3

func codesOf(extra []uint8) (t []code) {
	for c, n := range extra {
		for range 1 << n {
			t = append(t, code{uint8(c), n})
		}
	}
	return t
}

// What the codes of larger numbers are above the bits that they have.
const (
	largeLiterals = 19
	largeLengths  = 36
)

func literalsCode(n uint32) code {
	if n < uint32(len(literalsCodes)) {
		return literalsCodes[n]
	}
	k := uint8(bits.Len32(n) - 1)
	return code{k + largeLiterals, k}
}

func lengthCode(n uint32) code {
	if n < uint32(len(lengthCodes)) {
		return lengthCodes[n]
	}
	k := uint8(bits.Len32(n) - 1)
	return code{k + largeLengths, k}
}

// The distributions that need no description (RFC 8878, 3.1.1.3.2.2), by kind of code, and their logarithms.
var (
	standard = [3][]int16{
		{4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1},
		{1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1},
		{1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
			1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1},
	}
	standardLog = [3]uint{6, 5, 6}
	mostLog     = [3]uint{9, 8, 9}
)

// codeKinds is how many codes there are of each kind that a block and a window can need.
var codeKinds = [3]int{36, windowLog + 1, 53}

// Modes of tables.
const (
	modeStandard = 0
	modeOne      = 1
	modeFit      = 2
	modeAgain    = 3 // the table of the block before
)

// modes is one mode for all kinds of codes.
const modes = 1<<6 | 1<<4 | 1<<2

const (
	fewSequences  = 48      // are not worth tables of their own
	manySequences = 1 << 10 // from so many on tables are made for the next blocks too
)

// append appends the sequences section (RFC 8878, 3.1.1.3.2). If more blocks follow, its tables are to serve them too.
func (q *sequences) append(dst []byte, more bool) []byte {
	n := len(q.list)
	const oneByte, twoBytes = 0x80, 0x7f00
	switch {
	case n == 0:
		return append(dst, 0)
	case n < oneByte:
		dst = append(dst, byte(n))
	case n < twoBytes:
		dst = append(dst, byte(n>>8|oneByte), byte(n))
	default:
		dst = binary.LittleEndian.AppendUint16(append(dst, 0xff), uint16(n-twoBytes))
	}
	if n < fewSequences {
		q.kept = false
		q.standard()
		return q.appendBits(append(dst, modeStandard*modes))
	}
	if q.kept && q.serve() {
		return q.appendBits(append(dst, modeAgain*modes))
	}
	q.kept = more && n >= manySequences
	return q.appendBits(q.fit(dst, q.kept))
}

// standard makes the tables that need no description.
func (q *sequences) standard() {
	for kind := range q.tables {
		q.tables[kind].build(standard[kind], standardLog[kind])
	}
}

// serve reports whether the tables, which were made for other sequences, are near to what these could have for their own.
func (q *sequences) serve() bool {
	counts, n := q.count(len(q.list)/sampledSequences + 1)
	cost, entropy := 0, 0
	for kind := range q.tables {
		cost += q.tables[kind].cost(counts[kind][:])
		entropy += entropyOf(counts[kind][:], n)
	}
	return near(cost, entropy)
}

// count counts the codes of n sequences, so many steps apart.
func (q *sequences) count(step int) (counts [3][64]uint32, n int) {
	for i := 0; i < len(q.list); i += step {
		s := &q.list[i]
		counts[ofLiterals][s.codes[ofLiterals]&63]++
		counts[ofDistances][s.codes[ofDistances]&63]++
		counts[ofLengths][s.codes[ofLengths]&63]++
		n++
	}
	return counts, n
}

// fit makes the tables and appends their modes and descriptions. With all, they can tell every code.
func (q *sequences) fit(dst []byte, all bool) []byte {
	counts, total := q.count(1)
	n, at := uint32(total), len(dst)
	dst = append(dst, 0)
	for kind := range q.tables {
		mode, t, c := byte(modeFit), &q.tables[kind], counts[kind][:codeKinds[kind]]
		if s := slices.Index(c, n); s >= 0 && !all {
			mode = modeOne
			t.only(s)
			dst = append(dst, byte(s))
		} else {
			dst = t.fit(dst, c, n, mostLog[kind], all)
		}
		dst[at] |= mode << (6 - 2*kind)
	}
	return dst
}

const (
	stateBits    = 9 + 8 + 9                       // the most that a sequence takes of three states
	sequenceBits = stateBits + 16 + 16 + windowLog // and of all, with the extra bits
	extraGarbage = 5                               // the lowest bits of extra, see sequence
)

// appendBits appends the sequences, the last one first.
func (q *sequences) appendBits(dst []byte) []byte {
	dst = slices.Grow(dst, sequencesRoom(len(q.list)))
	out, states := dst[len(dst):cap(dst)], q.first()
	var acc uint64
	var used uint32
	var at int
	if useAssembly {
		acc, used, at = q.putFast(out, &states)
	} else {
		acc, used, at = q.put(out, &states)
	}
	w := bitWriter{dst: dst[:len(dst)+at], acc: acc >> 1 >> (63 - used), used: uint(used)}
	w.flush()
	for _, kind := range [...]int{ofLengths, ofDistances, ofLiterals} {
		q.tables[kind].end(&w, states[kind])
	}
	return w.close()
}

// sequencesRoom is the most that n sequences take, and what put stores behind it.
func sequencesRoom(n int) int { return n*sequenceBits/8 + 16 }

// first is the states that the last sequence leads to.
func (q *sequences) first() (states [3]uint32) {
	last := &q.list[len(q.list)-1]
	for kind := range states {
		states[kind] = q.tables[kind].first(last.codes[kind])
	}
	return states
}

// put stores the sequences at the beginning of out, but for what the states are in the end and for used bits at the
// top of acc. No store reaches further than 8 bytes behind what they can take.
//
// putFast does the same, and has to be changed with it.
func (q *sequences) put(out []byte, states *[3]uint32) (acc uint64, used uint32, at int) {
	literals, distances, lengths := &q.tables[ofLiterals], &q.tables[ofDistances], &q.tables[ofLengths]
	l, d, m := states[ofLiterals], states[ofDistances], states[ofLengths]
	last := &q.list[len(q.list)-1]
	acc, used = last.extra, uint32(last.bits)
	for list := q.list[:len(q.list)-1]; len(list) > 0; list = list[:len(list)-1] {
		s := &list[len(list)-1]
		store64(out, at, acc>>(-used&63))
		at += int(used >> 3)
		used &= 7

		next, n := distances.put(d, s.codes[ofDistances])
		acc, used, d = acc>>(n&63)|uint64(d)<<(-n&63), used+n, next
		next, n = lengths.put(m, s.codes[ofLengths])
		acc, used, m = acc>>(n&63)|uint64(m)<<(-n&63), used+n, next
		next, n = literals.put(l, s.codes[ofLiterals])
		acc, used, l = acc>>(n&63)|uint64(l)<<(-n&63), used+n, next

		if s.bits > 64-extraGarbage-7-stateBits { // seldom
			store64(out, at, acc>>(-used&63))
			at += int(used >> 3)
			used &= 7
		}
		acc = acc>>(s.bits&63) | s.extra
		used += uint32(s.bits)
	}
	*states = [3]uint32{ofLiterals: l, ofDistances: d, ofLengths: m}
	return acc, used, at
}
