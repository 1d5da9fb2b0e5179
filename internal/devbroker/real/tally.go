package real

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"slices"

	"github.com/demarc/demarc/internal/devbroker"
)

// Tally is a multiset of records by (key, value, headers, timestamp): 128 bits of a hash and the identity of
// each, 32 bytes a record.
type Tally struct {
	items  []item
	hasher hash.Hash
	buf    []byte
}

type item struct {
	sum       [16]byte
	n         int64
	partition int32 // -1: the record has no identity of generated traffic
}

// Add counts a record.
func (t *Tally) Add(r *Read) {
	if t.hasher == nil {
		t.hasher = sha256.New()
	}
	t.buf = binary.BigEndian.AppendUint64(t.buf[:0], uint64(r.Time))
	for _, part := range [][]byte{r.Key, r.Value} {
		size := int64(len(part))
		if part == nil {
			size = -1
		}
		t.buf = binary.BigEndian.AppendUint64(t.buf, uint64(size))
		t.buf = append(t.buf, part...)
	}
	t.buf = append(t.buf, r.Headers...)
	t.hasher.Reset()
	t.hasher.Write(t.buf)
	t.buf = t.hasher.Sum(t.buf[:0])
	it := item{sum: [16]byte(t.buf), partition: -1}
	if p, n, ok := devbroker.Identity(r.Key, r.Value); ok {
		it.partition, it.n = p, n
	}
	t.items = append(t.items, it)
}

// Len is how many records were counted.
func (t *Tally) Len() int { return len(t.items) }

// Difference is what lies between a source and all its sinks together.
type Difference struct {
	Missing    int // in the source only
	Foreign    int // in no source: invented or changed on the way
	Duplicates int // more often in the sinks than in the source
	Examples   []string
}

func (d Difference) String() string {
	return fmt.Sprintf("%d missing, %d foreign, %d duplicates %v", d.Missing, d.Foreign, d.Duplicates, d.Examples)
}

// maxExamples bounds what a difference names.
const maxExamples = 10

func (d *Difference) example(kind string, it item) {
	if len(d.Examples) < maxExamples {
		d.Examples = append(d.Examples, fmt.Sprintf("%s %d-%d", kind, it.partition, it.n))
	}
}

// Compare compares the multisets. It sorts both.
func Compare(source, sinks *Tally) Difference {
	bySum := func(a, b item) int { return bytes.Compare(a.sum[:], b.sum[:]) }
	slices.SortFunc(source.items, bySum)
	slices.SortFunc(sinks.items, bySum)
	var d Difference
	want, got := source.items, sinks.items
	for len(want) > 0 || len(got) > 0 {
		order := 0
		switch {
		case len(want) == 0:
			order = 1
		case len(got) == 0:
			order = -1
		default:
			order = bySum(want[0], got[0])
		}
		if order < 0 {
			d.Missing++
			d.example("missing", want[0])
			want = want[1:]
			continue
		}
		if order > 0 {
			d.Foreign++
			d.example("foreign", got[0])
			got = got[1:]
			continue
		}
		sum := want[0].sum
		w, g := run(want, sum), run(got, sum)
		switch {
		case w > g:
			d.Missing += w - g
			d.example("missing", want[0])
		case g > w:
			d.Duplicates += g - w
			d.example("duplicate", got[0])
		}
		want, got = want[w:], got[g:]
	}
	return d
}

// run is how many items at the front have the sum.
func run(items []item, sum [16]byte) int {
	n := 0
	for n < len(items) && items[n].sum == sum {
		n++
	}
	return n
}

// Order checks that each sink partition holds the records of each source partition in the order of the source.
type Order struct {
	lines map[line]*progress

	Duplicates int      // records met before
	Violations []string // records whose first appearance comes after that of a later one; at most maxExamples
}

type line struct {
	topic        string
	sink, source int32 // partitions
}

type progress struct {
	last int64
	seen []uint64 // a bit for each number
}

// See takes the next record of a sink partition. Records without an identity are none of its business.
func (o *Order) See(r *Read) {
	source, n, ok := devbroker.Identity(r.Key, r.Value)
	if !ok {
		return
	}
	if o.lines == nil {
		o.lines = map[line]*progress{}
	}
	l := line{r.Topic, r.Partition, source}
	p := o.lines[l]
	if p == nil {
		p = &progress{last: -1}
		o.lines[l] = p
	}
	if words := int(n>>6) + 1; words > len(p.seen) {
		p.seen = append(p.seen, make([]uint64, words-len(p.seen))...)
	}
	bit := uint64(1) << (n & 63)
	switch {
	case p.seen[n>>6]&bit != 0:
		o.Duplicates++
	case n < p.last && len(o.Violations) < maxExamples:
		o.Violations = append(o.Violations, fmt.Sprintf("%s/%d: %d-%d after %d-%d", r.Topic, r.Partition, source, n, source, p.last))
	}
	p.seen[n>>6] |= bit
	p.last = max(p.last, n)
}
