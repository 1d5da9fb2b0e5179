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
	counts [3][64]uint32 // of codes
	tables [3]fseTable
}

// Kinds of codes, in the order of their descriptions.
const (
	ofLiterals = iota
	ofDistances
	ofLengths
)

// sequence is as it is written: the codes, and the extra bits of all three.
type sequence struct {
	extra uint64
	bits  uint8
	codes [3]uint8
}

func (q *sequences) reset() {
	q.list = q.list[:0]
	q.counts = [3][64]uint32{}
}

// grow returns a new last sequence.
func (q *sequences) grow() *sequence {
	n := len(q.list)
	if n == cap(q.list) {
		q.list = slices.Grow(q.list, max(n, 1<<10))
	}
	q.list = q.list[:n+1]
	return &q.list[n]
}

// code is the code of numbers from base on, with so many extra bits (RFC 8878, 3.1.1.3.2.1.1).
type code struct {
	base       uint32
	code, bits uint8
}

// Codes of small numbers, with the extra bits that they have; above them a code has twice as many numbers as the one
// before.
var (
	literalsCodes = [64]code(codesOf(0, []uint8{16: 1, 1, 1, 1, 2, 2, 3, 3, 4}))
	lengthCodes   = [131]code(codesOf(leastMatch, []uint8{32: 1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5}))
)

// leastMatch is the shortest match that the format can tell.
const leastMatch = 3

func codesOf(base uint32, extra []uint8) []code {
	t := make([]code, base)
	for c, n := range extra {
		for range 1 << n {
			t = append(t, code{base, uint8(c), n})
		}
		base += 1 << n
	}
	return t
}

func literalsCode(n uint32) code {
	if n < uint32(len(literalsCodes)) {
		return literalsCodes[n]
	}
	k := uint8(bits.Len32(n) - 1)
	return code{1 << (k & 31), k + 19, k}
}

func lengthCode(n uint32) code {
	if n < uint32(len(lengthCodes)) {
		return lengthCodes[n]
	}
	k := uint8(bits.Len32(n-3) - 1)
	return code{1<<(k&31) + 3, k + 36, k}
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

// Modes of tables.
const (
	modeStandard = 0
	modeOne      = 1
	modeFit      = 2
)

// fewSequences are not worth tables of their own.
const fewSequences = 48

// append appends the sequences section (RFC 8878, 3.1.1.3.2).
func (q *sequences) append(dst []byte) []byte {
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
	modes := len(dst)
	dst = append(dst, 0)
	for kind := range q.tables {
		var mode byte
		dst, mode = q.prepare(dst, kind)
		dst[modes] |= mode << (6 - 2*kind)
	}
	return q.appendBits(dst)
}

// prepare makes the table of one kind of codes and appends its description.
func (q *sequences) prepare(dst []byte, kind int) ([]byte, byte) {
	n, t := uint32(len(q.list)), &q.tables[kind]
	if n < fewSequences {
		t.build(standard[kind], standardLog[kind])
		return dst, modeStandard
	}
	if s := slices.Index(q.counts[kind][:], n); s >= 0 {
		t.only(s)
		return append(dst, byte(s)), modeOne
	}
	return t.fit(dst, q.counts[kind][:], n, mostLog[kind]), modeFit
}

// sequenceBits is the most that one sequence takes: three states and the extra bits.
const sequenceBits = 9 + 8 + 9 + 16 + 16 + windowLog + 1

// appendBits appends the sequences, the last one first. No store reaches further than 8 bytes behind what they can
// take.
func (q *sequences) appendBits(dst []byte) []byte {
	dst = slices.Grow(dst, len(q.list)*sequenceBits/8+16)
	out := dst[len(dst):cap(dst)]
	last := &q.list[len(q.list)-1]
	literals, distances, lengths := &q.tables[ofLiterals], &q.tables[ofDistances], &q.tables[ofLengths]
	l, d, m := literals.first(last.codes[ofLiterals]), distances.first(last.codes[ofDistances]), lengths.first(last.codes[ofLengths])
	acc, used, at := last.extra, uint(last.bits), 0
	for i := len(q.list) - 2; i >= 0; i-- {
		s := &q.list[i]
		store64(out, at, acc)
		at += int(used >> 3)
		acc >>= used & 56
		used &= 7

		next, n := distances.put(d, s.codes[ofDistances])
		acc |= uint64(d&(1<<(n&31)-1)) << (used & 63)
		d, used = next, used+uint(n)
		next, n = lengths.put(m, s.codes[ofLengths])
		acc |= uint64(m&(1<<(n&31)-1)) << (used & 63)
		m, used = next, used+uint(n)
		next, n = literals.put(l, s.codes[ofLiterals])
		acc |= uint64(l&(1<<(n&31)-1)) << (used & 63)
		l, used = next, used+uint(n)

		if s.bits > 64-7-26 { // seldom
			store64(out, at, acc)
			at += int(used >> 3)
			acc >>= used & 56
			used &= 7
		}
		acc |= s.extra << (used & 63)
		used += uint(s.bits)
	}
	w := bitWriter{dst: dst[:len(dst)+at], acc: acc, used: used}
	w.flush()
	w.add(uint64(m&(1<<lengths.log-1)), lengths.log)
	w.add(uint64(d&(1<<distances.log-1)), distances.log)
	w.add(uint64(l&(1<<literals.log-1)), literals.log)
	return w.close()
}
