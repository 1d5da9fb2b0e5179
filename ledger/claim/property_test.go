package claim

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/demarc/demarc/ledger"
)

// randomBook writes a ledger of random outcomes over three partitions. It returns what of them is US, or could be,
// counted by the test itself.
func randomBook(random *rand.Rand) (b *book, inside, rest, excluded uint64) {
	b = newBook()
	b.span(day, 0, 0, 0)
	outcomes := []string{
		"EEA decided eu-fra", "EEA malformed us-quarantine", "US decided eu-fra", "US decided us-oci", "US no_location us-quarantine",
		"US+EEA overlap eu-fra", "US+ROW overlap us-oci", "none no_signal us-quarantine",
	}
	var next [3]int64
	for range 5 + random.IntN(30) {
		p := random.IntN(3)
		var counts []count
		for _, o := range outcomes {
			if random.IntN(3) > 0 {
				continue
			}
			n := 1 + random.Int64N(1000)
			counts = append(counts, count{o, n})
			switch o {
			case "US decided us-oci", "US+ROW overlap us-oci":
				inside += uint64(n)
			case "US decided eu-fra", "US no_location us-quarantine", "none no_signal us-quarantine":
				rest += uint64(n)
			case "US+EEA overlap eu-fra":
				excluded += uint64(n)
			}
		}
		if len(counts) > 0 {
			next[p] = b.route(int32(p), next[p], counts...).Source.To
		}
	}
	b.span(day+hour, next[:]...)
	return b, inside, rest, excluded
}

func TestSums(t *testing.T) {
	for seed := range uint64(300) {
		b, inside, rest, excluded := randomBook(rand.New(rand.NewPCG(seed, 1)))
		c := b.judge(t, testClaim)
		checkSums(t, c)
		if c.Total.Inside != inside || c.Total.Whole != inside+rest || c.Total.Excluded != excluded {
			t.Fatalf("seed %d: %+v, want %d of %d, %d excluded", seed, c.Total, inside, inside+rest, excluded)
		}
		if c.Holds != (rest == 0 && inside > 0) {
			t.Fatalf("seed %d: holds = %t with %+v", seed, c.Holds, c.Findings)
		}
		if !c.Complete.Holds {
			t.Fatalf("seed %d: %+v", seed, c.Findings)
		}
	}
}

// TestSameBytes judges the same entries twice: no order of a map, no clock shows.
func TestSameBytes(t *testing.T) {
	for seed := range uint64(50) {
		b, _, _, _ := randomBook(rand.New(rand.NewPCG(seed, 2)))
		first := b.judge(t, testClaim)
		for range 5 {
			if !bytes.Equal(document(t, first), document(t, b.judge(t, testClaim))) {
				t.Fatalf("seed %d: other bytes", seed)
			}
		}
	}
}

func document(t *testing.T, c *Claim) []byte {
	t.Helper()
	asJSON, err := c.JSON()
	if err != nil {
		t.Fatal(err)
	}
	page, err := c.HTML()
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Join([][]byte{asJSON, page, c.Text()}, nil)
}

// TestPartitionsCommute interleaves the ranges of partitions in another way: only the numbers of entries change.
func TestPartitionsCommute(t *testing.T) {
	for seed := range uint64(100) {
		random := rand.New(rand.NewPCG(seed, 3))
		b, _, _, _ := randomBook(random)
		want := b.judge(t, testClaim)
		var head, tail []*ledger.Entry
		var byPartition [3][]*ledger.Entry
		for _, e := range b.entries {
			switch {
			case e.Range != nil:
				byPartition[e.Range.Source.Partition] = append(byPartition[e.Range.Source.Partition], e)
			case len(byPartition[0])+len(byPartition[1])+len(byPartition[2]) == 0:
				head = append(head, e)
			default:
				tail = append(tail, e)
			}
		}
		shuffled := &book{entries: head}
		for len(byPartition[0])+len(byPartition[1])+len(byPartition[2]) > 0 {
			if p := random.IntN(3); len(byPartition[p]) > 0 {
				shuffled.add(byPartition[p][0])
				byPartition[p] = byPartition[p][1:]
			}
		}
		shuffled.entries = append(shuffled.entries, tail...)
		got := shuffled.judge(t, testClaim)
		for _, c := range []*Claim{want, got} {
			for i := range c.Findings {
				c.Findings[i].Entry = nil
			}
		}
		if !bytes.Equal(document(t, got), document(t, want)) {
			t.Fatalf("seed %d: another claim", seed)
		}
	}
}

// TestEveryOffsetMatters takes one range out of a good ledger: the claim does not hold any more.
func TestEveryOffsetMatters(t *testing.T) {
	for _, name := range []string{"holds", "period", "offsets"} {
		for _, tc := range claimCases {
			if tc.name != name {
				continue
			}
			whole := tc.book().entries
			for i, e := range whole {
				if e.Range == nil || e.Range.Source.Partition == 1 && name != "holds" {
					continue
				}
				b := &book{}
				b.entries = append(append(b.entries, whole[:i]...), whole[i+1:]...)
				c := b.judge(t, tc.claim)
				outside := name == "period" && (e.Range.Source.To <= 7 || e.Range.Source.From >= 27) || name == "offsets" && (e.Range.Source.To <= 15 || e.Range.Source.From >= 25)
				if c.Holds && !outside {
					t.Errorf("%s: holds without entry %d, %d", name, i, e.Range.Source.From)
				}
			}
		}
	}
}

// TestCoverage holds receipts in any order against a set of offsets.
func TestCoverage(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 4))
		var c coverage
		have, twice := map[int64]bool{}, int64(0)
		for range random.IntN(40) {
			lo := random.Int64N(200)
			e := extent{lo, lo + 1 + random.Int64N(20)}
			c.add(e, 0)
			for o := e.lo; o < e.hi; o++ {
				if have[o] {
					twice++
				}
				have[o] = true
			}
		}
		lo := random.Int64N(200)
		e := extent{lo, lo + random.Int64N(50)}
		want := int64(0)
		for o := e.lo; o < e.hi; o++ {
			if !have[o] {
				want++
			}
		}
		if got := c.missing(e); got != want || c.twice != twice {
			t.Fatalf("seed %d: missing %d of %v, want %d; twice %d, want %d", seed, got, e, want, c.twice, twice)
		}
	}
}

// TestCoverageIsBounded leaves more holes open than are remembered: none of them is lost, and a receipt that comes
// too late does not fill one.
func TestCoverageIsBounded(t *testing.T) {
	var c coverage
	const n = 3 * maxExtents
	for i := range int64(n) {
		c.add(extent{10 * i, 10*i + 9}, uint64(i))
	}
	if len(c.extents) > maxExtents {
		t.Errorf("%d extents are kept", len(c.extents))
	}
	all := extent{0, 10*(n-1) + 9}
	if got := c.missing(all); got != n-1 {
		t.Errorf("missing %d, want %d", got, n-1)
	}
	c.add(extent{9, 10}, 0)
	if got := c.missing(all); got != n-1 || c.twice != 0 {
		t.Errorf("after a late receipt: missing %d, twice %d", got, c.twice)
	}
	if got := c.missing(extent{all.hi - 100, all.hi}); got != 10 {
		t.Errorf("missing %d of the last 100", got)
	}
}

// TestMemory feeds many entries: what is kept does not grow with them.
func TestMemory(t *testing.T) {
	for _, claim := range []string{testClaim, testClaim + "population: {from: 2026-07-02T00:00:00Z}\n"} {
		b := newBook()
		b.span(day, 0)
		a := New(parse(t, claim), nil)
		next := int64(0)
		for i := range uint64(20_000) {
			r := b.route(0, next, count{"EEA malformed us-quarantine", 1}, count{"US decided us-oci", 3})
			next = r.Source.To
			if i%100 == 0 {
				b.span(day+int64(i), next)
			}
			for _, e := range b.entries {
				a.Add(i, e)
			}
			b.entries = b.entries[:0]
		}
		kept := len(a.facts) + len(a.places) + len(a.shelves) + len(a.policies)
		for _, c := range a.places {
			kept += len(c.extents)
		}
		for _, p := range a.partitions {
			for _, tally := range p.tallies() {
				kept += len(tally.counts) + len(tally.stored) + len(tally.fileHoles) + len(tally.geos) + len(tally.policies)
			}
		}
		if kept > 50 {
			t.Errorf("%d things are kept: %s", kept, claim)
		}
	}
}
