package zstd

import (
	"bytes"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"
)

// blocks says of each block of a frame where its tables are from: "raw" for a block that has none, and else one word
// for literals and one for sequences.
func blocks(frame []byte) (told []string) {
	const single, two, four, eight = 1 << 5, 1 << 6, 2 << 6, 3 << 6
	at := 5
	switch d := frame[4]; {
	case d == two|single:
		at += 2
	case d == four|single:
		at += 4
	case d&eight == eight:
		at += 9
	default:
		at++
	}
	for last := false; !last; {
		v := int(frame[at]) | int(frame[at+1])<<8 | int(frame[at+2])<<16
		last = v&1 == 1
		kind, size := v>>1&3, v>>3
		b := frame[at+blockRoom : at+blockRoom+size]
		at += blockRoom + size
		if kind == blockRaw {
			told = append(told, "raw")
			continue
		}
		literals := map[byte]string{literalsRaw: "raw", literalsCompressed: "own", literalsAgain: "kept"}[b[0]&3]
		told = append(told, literals+" "+sequencesFrom(b[sectionSize(b):]))
	}
	return told
}

// sectionSize is how long a literals section is, with its header.
func sectionSize(b []byte) int {
	v := 0
	for i := range min(5, len(b)) {
		v |= int(b[i]) << (8 * i)
	}
	if format := v >> 2 & 3; v&3 == literalsRaw {
		switch format {
		case 1:
			return 2 + v>>4&0xfff
		case 3:
			return 3 + v>>4&0xfffff
		}
		return 1 + v>>3&0x1f
	} else if format == 3 {
		return 5 + v>>22
	} else if format == 2 {
		return 4 + v>>18&0x3fff
	}
	return 3 + v>>14&0x3ff
}

func sequencesFrom(b []byte) string {
	at := 1
	switch {
	case b[0] == 0:
		return "none"
	case b[0] == 255:
		at = 3
	case b[0] >= 128:
		at = 2
	}
	switch b[at] {
	case modeStandard * modes:
		return "standard"
	case modeAgain * modes:
		return "kept"
	}
	return "own"
}

// TestTablesServeTheNextBlocks of the same kind, and no others; behind a block that was not compressed there are new
// ones, since its own went with it.
func TestTablesServeTheNextBlocks(t *testing.T) {
	json := traffic(0, 5*blockSize)
	text := lines(2 * blockSize)[:2*blockSize]
	for name, c := range map[string]struct {
		src  []byte
		want []string
	}{
		"one block":                            {json[:blockSize], []string{"own own"}},
		"blocks":                               {json[:3*blockSize], []string{"own own", "kept kept", "kept kept"}},
		"few in the last":                      {json[:blockSize+1000], []string{"own own", "own standard"}},
		"literals of few kinds have their own": {text, []string{"own own", "own kept"}},
		"noise between": {
			slices.Concat(json[:2*blockSize], noise(blockSize), json[2*blockSize:4*blockSize]),
			[]string{"own own", "kept kept", "raw", "own own", "kept kept"},
		},
		"another kind": {
			slices.Concat(json[:2*blockSize], packed(3 * blockSize)[:3*blockSize]),
			[]string{"own own", "kept kept", "own own", "kept kept", "kept kept"},
		},
		"nothing but literals between": {
			slices.Concat(json[:blockSize], drawn(blockSize, base64Alphabet), json[blockSize:2*blockSize]),
			[]string{"own own", "own none", "own kept"},
		},
		"no literals between": {
			slices.Concat(json[:blockSize], make([]byte, blockSize), json[blockSize:2*blockSize]),
			[]string{"own own", "raw standard", "kept own"},
		},
		"fewer kinds": {
			slices.Concat(drawn(blockSize, base64Alphabet), drawn(2*blockSize, digits)),
			[]string{"own none", "own none", "own none"},
		},
	} {
		var e Encoder
		if got := blocks(e.Append(nil, c.src)); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// TestKeptTables: blocks of other kinds, one behind the other in every order and at every place, are read as they were.
func TestKeptTables(t *testing.T) {
	kinds := map[string][]byte{}
	for name, b := range shapes() {
		if len(b) >= blockSize {
			kinds[name] = b[:blockSize]
		}
	}
	var e Encoder
	r := reader(t)
	for a, first := range kinds {
		for b, second := range kinds {
			src := slices.Concat(first, second, first, first, second, second[:blockSize/3], first, second[:1000])
			out := e.Append(nil, src)
			if got, err := r.DecodeAll(out, nil); err != nil || !bytes.Equal(got, src) {
				t.Errorf("%s and %s: %v, the same: %t", a, b, err, bytes.Equal(got, src))
			}
		}
	}
}

// TestAppendBits compares with a writer of one number at a time, of numbers up to the largest.
func TestAppendBits(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	upTo := func(most uint32) uint32 { return min(r.Uint32N(most+1), r.Uint32N(1<<r.IntN(22))) }
	for i := range 3000 {
		var e Encoder
		q := &e.sequences
		n := 1 + r.IntN(300)
		numbers := make([][3]uint32, n)
		for j := range numbers {
			v := &numbers[j]
			*v = largest
			if i > 0 {
				*v = [3]uint32{upTo(v[0]), upTo(v[1]), 1 + upTo(v[2]-1)}
			}
			*q.grow() = sequenceOf(*v)
		}
		if n >= fewSequences {
			q.fit(nil, r.IntN(2) == 0)
		} else {
			q.standard()
		}
		got, want := q.appendBits(nil), slowBits(q, numbers)
		if !bytes.Equal(got, want) {
			t.Fatalf("%v: %x, want %x", numbers, got, want)
		}
	}
}

// largest are the largest numbers of literals, lengths and distances.
var largest = [3]uint32{blockSize - 1, blockSize - leastMatch, windowSize + 2}

// sequenceOf is as many literals, a match longer by so much than leastMatch, and what its distance is told by.
func sequenceOf(v [3]uint32) sequence {
	l, m, d := literalsCode(v[0]), lengthCode(v[1]), uint8(bits.Len32(v[2])-1)
	return sequence{
		extra: extraOf(v[0], v[1], v[2], l.bits, m.bits, d), bits: l.bits + m.bits + d,
		codes: [3]uint8{ofLiterals: l.code, ofDistances: d, ofLengths: m.code},
	}
}

// slowBits writes sequences of numbers of literals, lengths and distances.
func slowBits(q *sequences, numbers [][3]uint32) []byte {
	var w bitWriter
	put := func(v uint32, n uint8) {
		w.add(uint64(v)&(1<<n-1), uint(n))
		w.flush()
	}
	var states [3]uint32
	order := []int{ofDistances, ofLengths, ofLiterals}
	for i, v := range slices.Backward(numbers) {
		l, m, d := literalsCode(v[0]), lengthCode(v[1]), uint8(bits.Len32(v[2])-1)
		codes := [3]uint8{ofLiterals: l.code, ofDistances: d, ofLengths: m.code}
		for _, kind := range order {
			if i == len(numbers)-1 {
				states[kind] = q.tables[kind].first(codes[kind])
				continue
			}
			next, n := q.tables[kind].put(states[kind], codes[kind])
			put(states[kind], uint8(n))
			states[kind] = next
		}
		put(v[0], l.bits)
		put(v[1], m.bits)
		put(v[2], d)
	}
	for _, kind := range []int{ofLengths, ofDistances, ofLiterals} {
		put(states[kind], uint8(q.tables[kind].log))
	}
	return w.close()
}
