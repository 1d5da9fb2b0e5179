package zstd

import "slices"

// huffman encodes bytes with a prefix code (RFC 8878, 4.2).
type huffman struct {
	codes [256]uint64 // at the top the code, in the lowest bits its length
	all   bool        // every byte has one

	counts  [4][256]uint32 // of every fourth byte: one table would wait for its own stores
	kinds   [256]uint32    // all bytes, the rarest first, below their counts
	nodes   [2*256 - 1]huffmanNode
	weights [256]uint8
	table   fseTable // of weights
}

// huffmanNode is a byte, or the sum of two others.
type huffmanNode struct {
	count  uint32
	parent uint16
	depth  uint8
}

const (
	mostBits         = 11  // of a code
	mostWeights      = 127 // bytes of encoded weights; above it is the number of plain ones
	mostPlainWeights = 128
)

// fit makes the code for bytes like those of b and appends its description. With all, what does not occur in b gets a
// code too, unless that makes what b takes longer by more than a twenty-fourth. It reports false, and appends nothing,
// where no code makes b shorter.
func (h *huffman) fit(dst, b []byte, all bool) ([]byte, bool) {
	h.count(b)
	kinds, absent := h.order()
	own := kinds[absent:]
	if len(own) < 2 {
		return dst, false
	}
	lengths := h.lengths(own)
	h.all = false
	if all {
		wide, most := h.lengths(kinds), bitsOf(own, &lengths)
		if bitsOf(kinds, &wide) <= most+most/24 {
			h.all, own, lengths = true, kinds, wide
		}
	}
	return h.describe(dst, h.assign(own, &lengths))
}

// bitsOf is what the bytes that were counted take.
func bitsOf(kinds []uint32, lengths *[mostBits + 1]int) (bits int) {
	for n := mostBits; n > 0; n-- {
		for _, k := range kinds[:lengths[n]] {
			bits += n * int(k>>8)
		}
		kinds = kinds[lengths[n]:]
	}
	return bits
}

// serves reports whether the code, which was made for other bytes, is near to what b could have for its own.
func (h *huffman) serves(b []byte) bool {
	var counts [256]uint32
	n, step := 0, len(b)/sampledLiterals+1
	for i := 0; i < len(b); i += step {
		counts[b[i]]++
		n++
	}
	bits := 0
	for s, c := range counts {
		bits += int(c) * int(h.codes[s]&63)
	}
	return near(bits<<logUnit, entropyOf(counts[:], n))
}

// count counts the bytes of b, into the first table.
func (h *huffman) count(b []byte) {
	h.counts = [4][256]uint32{}
	c0, c1, c2, c3 := &h.counts[0], &h.counts[1], &h.counts[2], &h.counts[3]
	for ; len(b) >= 8; b = b[8:] {
		w := load64(b, 0)
		c0[uint8(w)]++
		c1[uint8(w>>8)]++
		c2[uint8(w>>16)]++
		c3[uint8(w>>24)]++
		c0[uint8(w>>32)]++
		c1[uint8(w>>40)]++
		c2[uint8(w>>48)]++
		c3[uint8(w>>56)]++
	}
	for _, s := range b {
		c0[s]++
	}
	for s := range c0 {
		c0[s] += c1[s] + c2[s] + c3[s]
	}
}

// order returns all bytes, the rarest first; so many of them do not occur.
func (h *huffman) order() (kinds []uint32, absent int) {
	kinds = h.kinds[:]
	for s, c := range h.counts[0] {
		if c == 0 {
			kinds[absent] = uint32(s)
			absent++
		}
	}
	at := absent
	for s, c := range h.counts[0] {
		if c > 0 {
			kinds[at] = c<<8 | uint32(s)
			at++
		}
	}
	slices.Sort(kinds[absent:])
	return kinds, absent
}

// lengths is how many codes there are of each length: Huffman's, and the longest cut to what the format has.
func (h *huffman) lengths(kinds []uint32) (lengths [mostBits + 1]int) {
	leaf, inner, n := 0, len(kinds), len(kinds)
	for i, k := range kinds {
		h.nodes[i].count = max(k>>8, 1)
	}
	for next := n; next < 2*n-1; next++ {
		sum := uint32(0)
		for range 2 {
			at := leaf
			if leaf == n || inner < next && h.nodes[inner].count < h.nodes[leaf].count {
				at = inner
				inner++
			} else {
				leaf++
			}
			sum += h.nodes[at].count
			h.nodes[at].parent = uint16(next)
		}
		h.nodes[next].count = sum
	}
	h.nodes[2*n-2].depth = 0
	for i := 2*n - 3; i >= 0; i-- {
		h.nodes[i].depth = h.nodes[h.nodes[i].parent].depth + 1
		if i < n {
			lengths[min(h.nodes[i].depth, mostBits)]++
		}
	}
	taken := 0 // of the room that codes have, in places of the longest
	for l, c := range lengths {
		if l > 0 {
			taken += c << (mostBits - l)
		}
	}
	for ; taken > 1<<mostBits; taken-- { // two of the longest take the place of a shorter one, whose byte is one of them
		l := mostBits - 1
		for lengths[l] == 0 {
			l--
		}
		lengths[mostBits]--
		lengths[l]--
		lengths[l+1] += 2
	}
	return lengths
}

// assign gives the codes out, the longest to the rarest, and returns the weights of all bytes but the last that has
// one (RFC 8878, 4.2.1.3).
func (h *huffman) assign(kinds []uint32, lengths *[mostBits + 1]int) []uint8 {
	longest := mostBits
	for lengths[longest] == 0 {
		longest--
	}
	h.weights = [256]uint8{}
	var next [mostBits + 1]uint64
	code, at := 0, 0
	for n := longest; n > 0; n-- {
		for range lengths[n] {
			h.weights[uint8(kinds[at])] = uint8(longest + 1 - n)
			at++
		}
		next[n] = uint64(code)
		code = (code + lengths[n]) >> 1
	}
	top := 0
	for s, w := range h.weights {
		h.codes[s] = 0
		if w > 0 {
			n := uint64(longest + 1 - int(w))
			h.codes[s] = next[n]<<(64-n) | n
			next[n]++
			top = s
		}
	}
	return h.weights[:top]
}

// describe appends weights: encoded by two states that take turns (RFC 8878, 4.2.1.2), or where they are all alike or
// just one, as they are. It reports false for more of them that are alike, which is the code of noise.
func (h *huffman) describe(dst []byte, weights []uint8) ([]byte, bool) {
	var counts [mostBits + 1]uint32
	for _, w := range weights {
		counts[w]++
	}
	last, start := len(weights)-1, len(dst)
	if last < 1 || slices.Contains(counts[:], uint32(len(weights))) {
		if len(weights) > mostPlainWeights {
			return dst, false
		}
		dst = append(dst, uint8(mostWeights+len(weights)))
		for i, w := range weights {
			if i%2 == 0 {
				dst = append(dst, w<<4)
			} else {
				dst[len(dst)-1] |= w
			}
		}
		return dst, true
	}
	w := bitWriter{dst: h.table.fit(append(dst, 0), counts[:], uint32(len(weights)), fseLeastLog, false)}
	var states [2]uint32
	states[last&1] = h.table.first(weights[last])
	states[^last&1] = h.table.first(weights[last-1])
	for i := last - 2; i >= 0; i-- {
		state := &states[i&1]
		next, n := h.table.put(*state, weights[i])
		w.add(uint64(*state)&(1<<n-1), uint(n))
		w.flush()
		*state = next
	}
	h.table.end(&w, states[1])
	h.table.end(&w, states[0])
	dst = w.close()
	dst[start] = uint8(len(dst) - start - 1) // below mostWeights: 255 weights of twelve kinds take less
	return dst, true
}

// huffmanRoom is the most that a stream of n bytes takes, and what put stores behind it.
func huffmanRoom(n int) int { return n*mostBits/8 + 9 }

// append appends the codes of b, the last byte's first, as one stream; dst has room for it.
func (h *huffman) append(dst, b []byte) []byte {
	out := dst[len(dst):cap(dst)]
	if useAssembly {
		return dst[:len(dst)+h.putFast(out, b)]
	}
	return dst[:len(dst)+h.put(out, b)]
}

// put stores a stream and returns its size. The code of a byte is put on top of those before, which it moves down:
// nothing has to be masked, and nothing to be moved after a store, since what is stored already lies below what
// counts. Of used the low six bits count: what is added to it are codes with their lengths.
//
// putFast does the same, and has to be changed with it.
func (h *huffman) put(out, b []byte) (size int) {
	codes := &h.codes
	acc, used, at := uint64(0), uint64(0), 0 // used bits at the top of acc count
	i := len(b)
	for ; i >= 4; i -= 4 {
		c := codes[load8(b, i-1)]
		acc, used = acc>>(c&63)|c, used+c
		c = codes[load8(b, i-2)]
		acc, used = acc>>(c&63)|c, used+c
		c = codes[load8(b, i-3)]
		acc, used = acc>>(c&63)|c, used+c
		c = codes[load8(b, i-4)]
		acc, used = acc>>(c&63)|c, used+c
		store64(out, at, acc>>(-used&63))
		at += int(used >> 3 & 7)
		used &= 7
	}
	for ; i > 0; i-- {
		c := codes[b[i-1]]
		acc = acc>>(c&63) | c
		used = (used + c) & 63
	}
	store64(out, at, acc>>1>>(63-used)|1<<used)
	return at + int(used>>3) + 1
}
