package zstd

import (
	"encoding/binary"
	"math/bits"
)

// huffmanDecoder decodes literals, one or two of them at a time (RFC 8878, 4.2).
type huffmanDecoder struct {
	known   bool // a block before has left a code
	shift   uint // a word with its next bit at the top, moved down by it, is a place in table
	table   [1 << mostBits]literalEntry
	streams [4]literalStream

	lengths [256]uint8 // in bits, by byte
	weights [256]uint8
	states  decodeTable // of weights
	norm    [mostBits + 1]int16
	room    []byte // for literals, and literalsMargin
}

// literalEntry is what the next bits mean: in byte 0 how many of them, in byte 1 how many literals that is, in byte 2 a
// literal, in byte 3 the one behind it if the bits tell that too.
type literalEntry uint32

const (
	oneLiteral  literalEntry = 1 << 8
	twoLiterals literalEntry = 2 << 8
)

// literalStream is how far one of four streams has been decoded: which word of the block holds the next bit, how many bits
// on top of it were read, up to 7, and where the next literal goes. Then where it ends, in both.
type literalStream struct {
	in, used, out   int
	start, end, top int // of the bytes, and of the literals
}

// readCode reads a code (RFC 8878, 4.2.1) and returns what follows it.
func (d *huffmanDecoder) readCode(b []byte) (rest []byte, ok bool) {
	n, b, ok := d.readWeights(b)
	if !ok {
		return b, false
	}
	// Of each weight how many there are; of every other one beside it, since counting up waits for the count before.
	var count, beside [16]int
	for i, w := range d.weights[:n] {
		if i&1 == 0 {
			count[w&15]++
		} else {
			beside[w&15]++
		}
	}
	sum := 0
	for w := range count {
		count[w] += beside[w]
		sum += count[w] * (1 << w >> 1)
	}
	// The last weight is what the others leave over.
	log := bits.Len(uint(sum))
	left := 1<<log - sum
	if sum == 0 || log > mostBits || left&(left-1) != 0 {
		return b, false
	}
	last := bits.Len(uint(left))
	d.weights[n] = uint8(last)
	count[last]++
	return b, d.makeTable(d.weights[:n+1], &count, log)
}

// readWeights reads the weights of all bytes but the last that has one: as they are, or encoded by two states that take
// turns (RFC 8878, 4.2.1.1 and 4.2.1.2).
func (d *huffmanDecoder) readWeights(b []byte) (n int, rest []byte, ok bool) {
	if len(b) == 0 {
		return 0, b, false
	}
	size := int(b[0])
	b = b[1:]
	if size > mostWeights {
		n = size - mostWeights
		if size = (n + 1) / 2; size > len(b) {
			return 0, b, false
		}
		for i := range n {
			d.weights[i] = b[i/2] >> (4 - 4*(i&1)) & 0xf
		}
		return n, b[size:], true
	}
	if size > len(b) {
		return 0, b, false
	}
	norm, log, coded, err := readNorm(d.norm[:], b[:size], weightsLog)
	var r backward
	if err != nil || !r.start(coded) {
		return 0, b, false
	}
	d.states.fit(norm, log, weightEntries[:])
	states := [2]symbolEntry{d.states[r.take(uint8(log))], d.states[r.take(uint8(log))]}
	if r.left < 0 {
		return 0, b, false
	}
	for r.left > 56 && n+8 <= len(d.weights)-2 { // each takes 6 bits at most
		w, left := r.peek(), r.left
		for i := n; i < n+8; i += 2 {
			for j := range states {
				e := states[j]
				d.weights[i+j] = uint8(e.base())
				more := e >> entryBits & 63
				states[j] = d.states[(uint64(e>>entryState)+w>>1>>(63-more))&(1<<weightsLog-1)]
				w <<= more
				left -= int(more)
			}
		}
		n, r.left = n+8, left
	}
	for ; r.left >= 0; n++ {
		if n >= len(d.weights)-2 {
			return 0, b, false
		}
		state := &states[n&1]
		d.weights[n] = uint8(state.base())
		*state = d.states[(uint64(*state>>entryState)+r.take(uint8(*state>>entryBits)))&(1<<weightsLog-1)]
	}
	d.weights[n] = uint8(states[n&1].base()) // the last of the other state, for whose next one there are no bits
	return n + 1, b[size:], true
}

// weightsLog is the largest of tables of weights.
const weightsLog = 6

var weightEntries = func() (t [mostBits + 1]symbolEntry) {
	for w := range t {
		t[w] = symbolEntry(w) << entryBase
	}
	return t
}()

// makeTable makes the table of a code whose longest have log bits (RFC 8878, 4.2.1.3). In it stand the codes in the order
// of their weights, each as often as what may follow it: these are the entries of the code behind it, as far as there are
// bits for one. That is the same for all of a length, so it is made once and then added to.
func (d *huffmanDecoder) makeTable(weights []uint8, count *[16]int, log int) bool {
	if count[1] == 0 { // there is a longest code, and with it another, or all would be shorter
		return false
	}
	var first [mostBits + 2]int // by weight, and the end
	for w := 1; w <= log; w++ {
		first[w+1] = first[w] + count[w]
	}
	var ordered [256]uint8
	next := first
	for s, w := range weights {
		if w > 0 {
			ordered[next[w]] = uint8(s)
			next[w]++
			d.lengths[s] = uint8(log + 1 - int(w))
		}
	}
	d.shift = uint(64 - log)
	at := 0
	for w := 1; w <= log; w++ {
		kinds := ordered[first[w]:first[w+1]]
		if len(kinds) == 0 {
			continue
		}
		n, size := log+1-w, 1<<(w-1)
		same := d.table[at : at+size]
		behind := 0 // entries
		for second := log; second > n; second-- {
			run := 1 << (second - 1 - n)
			for i := first[second+1] - 1; i >= first[second]; i-- {
				behind += run
				e := literalEntry(n+log+1-second) | literalEntry(ordered[i])<<24 | twoLiterals
				to := same[size-behind:]
				for j := range to[:run] {
					to[j] = e
				}
			}
		}
		for j := range size - behind {
			same[j] = literalEntry(n) | oneLiteral
		}
		for i := len(kinds) - 1; i >= 0; i-- { // the first one last, since it stands where all are made from
			of, kind := d.table[at+i*size:][:len(same)], literalEntry(kinds[i])<<16
			for j, e := range same {
				of[j] = e + kind
			}
		}
		at += len(kinds) * size
	}
	return true
}

// decode decodes b, which is one stream or four behind the sizes of the first three, into out, to its end.
func (d *huffmanDecoder) decode(out, b []byte, oneStream bool) bool {
	if oneStream {
		var r backward
		return r.start(b) && d.stream(out, r)
	}
	const sizes = 6
	each := (len(out) + 3) / 4
	if len(b) < sizes || len(out) < 3*each {
		return false
	}
	start, from := sizes, 0
	for i := range d.streams {
		s := &d.streams[i]
		s.start, s.end, s.out, s.top = start, len(b), from, len(out)
		if i < 3 {
			s.end = start + int(binary.LittleEndian.Uint16(b[2*i:]))
			s.top = from + each
		}
		if s.end > len(b) {
			return false
		}
		var r backward
		if !r.start(b[start:s.end]) {
			return false
		}
		s.in = start + (r.left+7)>>3 - 8
		s.used = -r.left & 7
		start, from = s.end, s.top
	}
	if useAssembly {
		d.streamsFast(out, b)
	}
	for i := range d.streams {
		s := &d.streams[i]
		if !d.stream(out[s.out:s.top], backward{b[s.start:s.end], 8*(s.in+8-s.start) - s.used}) {
			return false
		}
	}
	return true
}

// What a round of lookups takes at most.
const (
	roundLookups  = 5
	roundBytes    = (roundLookups*mostBits + 7) / 8
	roundLiterals = 2 * roundLookups
)

// stream decodes what is left of a stream, which has to be as much as out takes.
func (d *huffmanDecoder) stream(out []byte, r backward) bool {
	at := 0
	for at+roundLiterals <= len(out) && r.left > 56 {
		w, used := r.peek(), 0
		for range roundLookups {
			e := d.table[w<<(used&63)>>(d.shift&63)&(1<<mostBits-1)]
			used += int(e & 63)
			out[at], out[at+1] = byte(e>>16), byte(e>>24)
			at += int(e >> 8 & 0xff)
		}
		r.left -= used
	}
	for at < len(out) {
		e := d.table[r.peek()>>(d.shift&63)&(1<<mostBits-1)]
		out[at] = byte(e >> 16)
		if at++; at == len(out) || e&twoLiterals == 0 {
			r.left -= int(d.lengths[byte(e>>16)])
			continue
		}
		out[at] = byte(e >> 24)
		at++
		r.left -= int(e & 63)
	}
	return r.left == 0
}
