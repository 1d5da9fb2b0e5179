package zstd

import (
	"bytes"
	"fmt"
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
	} {
		var e Encoder
		if got := blocks(e.Append(nil, c.src)); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// TestKeptTables: blocks of other kinds, one behind the other in every order, are read as they were.
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
			src := slices.Concat(first, second, first, first[:blockSize/3], second, second[:1000])
			out := e.Append(nil, src)
			if got, err := r.DecodeAll(out, nil); err != nil || !bytes.Equal(got, src) {
				t.Errorf("%s: %v, the same: %t", fmt.Sprint(a, " and ", b), err, bytes.Equal(got, src))
			}
		}
	}
}
