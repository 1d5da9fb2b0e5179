package zstd

import "math/bits"

const (
	fseLeastLog = 5
	fseMostLog  = 9
)

// fseTable encodes symbols below 64 with finite state entropy (RFC 8878, 4.1).
type fseTable struct {
	log     uint
	states  [1 << fseMostLog]uint16
	symbols [64]fseSymbol

	norm   [64]int16
	spread [1 << fseMostLog]uint8
}

// fseSymbol says how a symbol changes the state: bits, in the upper half, less 1<<log, tell with the state how many
// of its low bits go out; find and what is left of the state are where the next one stands.
type fseSymbol struct {
	bits uint32
	find int32
}

// fit makes the table for symbols with these counts and appends its description. Two of them occur or more, or with all
// one: then what does not occur has a place too.
func (t *fseTable) fit(dst []byte, counts []uint32, total uint32, mostLog uint, all bool) []byte {
	absent, log := int16(-1), mostLog
	if !all {
		top, kinds := 0, 0
		for s, c := range counts {
			if c > 0 {
				top = s
				kinds++
			}
		}
		counts = counts[:top+1]
		absent, log = 0, min(uint(max(fseLeastLog, bits.Len32(total-1)-3, bits.Len(uint(kinds)))), mostLog)
	}
	norm := t.norm[:len(counts)]
	normalize(norm, counts, total, log, absent)
	t.build(norm, log)
	return appendNorm(dst, norm, log)
}

// normalize scales counts to a sum of 1<<log, with at least 1 for what occurs and absent, 0 or -1, for what does not.
func normalize(norm []int16, counts []uint32, total uint32, log uint, absent int16) {
	left := int16(1) << log
	for _, c := range counts {
		if c == 0 {
			left += absent
		}
	}
	size := uint64(left)
	for s := range norm {
		norm[s] = absent
		if c := counts[s]; c > 0 {
			norm[s] = max(1, int16((uint64(c)*size+uint64(total)/2)/uint64(total)))
			left -= norm[s]
		}
	}
	// What rounding has left over or taken too much is the largest's, as far as it has as much to spare.
	for left != 0 {
		largest := 0
		for s, n := range norm {
			if n > norm[largest] {
				largest = s
			}
		}
		d := max(left, -norm[largest]/2)
		norm[largest] += d
		left -= d
	}
}

// build makes the table for a distribution, in which -1 stands for less than 1 (RFC 8878, 4.1.1).
func (t *fseTable) build(norm []int16, log uint) {
	t.log = log
	size := 1 << log
	high := size - 1
	var next [65]uint16
	for s, n := range norm {
		if n < 0 {
			n = 1
			t.spread[high] = uint8(s)
			high--
		}
		next[s+1] = next[s] + uint16(n)
	}
	step, at := size>>1+size>>3+3, 0
	for s, n := range norm {
		for range max(n, 0) {
			t.spread[at] = uint8(s)
			for at = (at + step) & (size - 1); at > high; at = (at + step) & (size - 1) {
			}
		}
	}
	for i := range size {
		s := t.spread[i]
		t.states[next[s]] = uint16(size + i)
		next[s]++
	}
	total := int32(0)
	for s, n := range norm {
		switch n {
		case 0:
		case -1, 1:
			t.symbols[s] = fseSymbol{uint32(log)<<16 - uint32(size), total - 1}
			total++
		default:
			out := uint32(log) - uint32(bits.Len16(uint16(n-1))-1)
			t.symbols[s] = fseSymbol{out<<16 - uint32(n)<<out, total - int32(n)}
			total += int32(n)
		}
	}
}

// cost is what symbols of these counts take, in parts of 1<<logUnit of a bit, by a table that has a place for all.
func (t *fseTable) cost(counts []uint32) (cost int) {
	for s, c := range counts {
		cost += int(c) * (int(t.log)<<logUnit - logs[max(t.norm[s], 1)])
	}
	return cost
}

// end writes the last state of an encoder, which a decoder begins from.
func (t *fseTable) end(w *bitWriter, state uint32) { w.add(uint64(state&(1<<t.log-1)), t.log) }

// only makes the table of the one symbol that there is: it takes no bits.
func (t *fseTable) only(symbol int) {
	t.log, t.states[0], t.symbols[symbol] = 0, 0, fseSymbol{}
}

// first is the state that the symbol which is encoded first leads to.
func (t *fseTable) first(symbol uint8) uint32 {
	s := t.symbols[symbol]
	n := (s.bits + 1<<15) >> 16
	return uint32(t.states[int32((n<<16-s.bits)>>n)+s.find])
}

// put encodes a symbol: the state after it, and how many low bits of the state before it go out.
func (t *fseTable) put(state uint32, symbol uint8) (next, out uint32) {
	s := &t.symbols[symbol&63]
	n := (state + s.bits) >> 16
	return uint32(t.states[(state>>(n&31)+uint32(s.find))&(1<<fseMostLog-1)]), n
}

// appendNorm appends the description of a distribution (RFC 8878, 4.1.1).
func appendNorm(dst []byte, norm []int16, log uint) []byte {
	w := bitWriter{dst: dst}
	w.add(uint64(log-fseLeastLog), 4)
	left := int32(1)<<log + 1 // and 1
	threshold, width := int32(1)<<log, log+1
	for s := 0; s < len(norm) && left > 1; s++ {
		n := int32(norm[s])
		most := 2*threshold - 1 - left
		left -= max(n, -n)
		v, size := uint64(n+1), width
		if n+1 >= threshold {
			v += uint64(most)
		}
		if int32(v) < most {
			size--
		}
		w.add(v, size)
		for ; left < threshold; width-- {
			threshold >>= 1
		}
		if n == 0 { // how many more of them follow, three at a time
			more := s + 1
			for norm[more] == 0 {
				more++
			}
			for ; more-s-1 >= 3; s += 3 {
				w.add(3, 2)
				w.flush()
			}
			w.add(uint64(more-s-1), 2)
			s = more - 1
		}
		w.flush()
	}
	return w.end()
}

// bitWriter appends bits, the first in the lowest place.
type bitWriter struct {
	dst  []byte
	acc  uint64
	used uint
}

// add adds the low n bits of v, which has no others. Between two flushes there are at most 57.
func (w *bitWriter) add(v uint64, n uint) {
	w.acc |= v << (w.used & 63)
	w.used += n
}

func (w *bitWriter) flush() {
	for ; w.used >= 8; w.used -= 8 {
		w.dst = append(w.dst, byte(w.acc))
		w.acc >>= 8
	}
}

// close ends with the bit that marks the end of a stream, from which a decoder begins.
func (w *bitWriter) close() []byte {
	w.add(1, 1)
	return w.end()
}

// end fills the last byte up.
func (w *bitWriter) end() []byte {
	w.used += 7
	w.flush()
	return w.dst
}
