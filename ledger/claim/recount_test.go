package claim

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/demarc/demarc/ledger"
)

// recount is what a recount of the book's first size entries finds if all is as the ledger says.
func (b *book) recount(size int) *Recount {
	begun := time.UnixMilli(day + 2*hour).UTC()
	r := &Recount{
		Format: 1, Verdict: "equal", Begun: begun, Ended: begun.Add(time.Minute),
		Ledger: recountLedger{testOrigin, uint64(size), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="},
		Policy: recountPolicy{b.policy.Version, b.policy.SHA256}, Policies: []recountPolicy{}, Sinks: []recountSink{}, Places: []recountPlace{},
		Differences: map[string]int64{}, Listed: []difference{}, Unknown: []string{},
	}
	for _, e := range b.entries[:size] {
		if e.Range == nil {
			continue
		}
		for _, one := range e.Range.Receipts {
			n := int64(0)
			for _, c := range one.Counts {
				n += c.Records
			}
			r.found(one, n)
		}
	}
	return r
}

// found adds one receipt that is equal.
func (r *Recount) found(one ledger.Receipt, records int64) {
	i := slices.IndexFunc(r.Sinks, func(s recountSink) bool { return s.Name == one.Sink })
	if i < 0 {
		i = len(r.Sinks)
		r.Sinks = append(r.Sinks, recountSink{Name: one.Sink, Outcomes: []recountOutcome{}})
	}
	key := placeKey{directory: testSinks[one.Sink].place.Directory}
	end := int64(0)
	if k := one.Kafka; k != nil {
		key, end = placeKey{place: place{k.Cluster, k.Topic, k.Partition}}, k.Last+1
	}
	p := slices.IndexFunc(r.Places, func(p recountPlace) bool { return p.key() == key })
	if p < 0 {
		p = len(r.Places)
		r.Places = append(r.Places, recountPlace{Sinks: []string{one.Sink}, Cluster: key.cluster, Topic: key.topic, Partition: key.partition, Directory: key.directory})
	}
	r.Places[p].End = max(r.Places[p].End, end)
	for _, n := range []*recountReceipts{&r.Receipts, &r.Sinks[i].Receipts, &r.Places[p].Receipts} {
		n.add(recountReceipts{Total: 1, Read: 1, Equal: 1})
	}
	for _, n := range []*recountRecords{&r.Records, &r.Sinks[i].Records} {
		n.add(recountRecords{Read: records, Agreed: records})
	}
}

// turn makes n receipts of a sink, which were equal, something else in all sums.
func (r *Recount) turn(sink string, n int64, into func(*recountReceipts) *int64) {
	for i := range r.Sinks {
		if r.Sinks[i].Name == sink {
			r.Sinks[i].Receipts.turn(n, into)
		}
	}
	p := slices.IndexFunc(r.Places, func(p recountPlace) bool { return slices.Contains(p.Sinks, sink) })
	r.Places[p].Receipts.turn(n, into)
	r.Receipts.turn(n, into)
}

func (n *recountReceipts) turn(by int64, into func(*recountReceipts) *int64) {
	n.Equal -= by
	*into(n) += by
	if least(n.Unread, n.Left) == 0 && n.Unread+n.Left > 0 {
		n.Read = n.Total - n.Unread - n.Left
	}
}

func rewritten(n *recountReceipts) *int64 { return &n.Rewritten }
func missing(n *recountReceipts) *int64   { return &n.Missing }
func goneOf(n *recountReceipts) *int64    { return &n.Gone }
func unread(n *recountReceipts) *int64    { return &n.Unread }
func left(n *recountReceipts) *int64      { return &n.Left }

// differ lists a difference in a receipt.
func (r *Recount) differ(kind string, entry uint64, receipt int, sink, place string, offset int64, cause string) {
	r.Verdict = "different"
	r.Differences[kind]++
	r.Listed = append(r.Listed, difference{kind, &entry, &receipt, sink, place, &offset, cause})
	if kind == kindMisplaced {
		for i := range r.Sinks {
			if r.Sinks[i].Name == sink {
				r.Sinks[i].Records.Agreed--
				r.Sinks[i].Records.Differing++
			}
		}
		r.Records.Agreed--
		r.Records.Differing++
	}
}

// comparedWith adds that the source was compared, and equal.
func (r *Recount) comparedWith(entries, records int64) {
	r.Source = &recountSource{Entries: entries, Equal: entries, Records: records}
}

// place finds a partition of a topic.
func (r *Recount) place(topic string) *recountPlace {
	return &r.Places[slices.IndexFunc(r.Places, func(p recountPlace) bool { return p.Topic == topic })]
}

func (r *Recount) document(t testing.TB) []byte {
	t.Helper()
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// holed is a ledger in which seven offsets of us-oci and bytes of us-quarantine have no receipt.
func holed() *book {
	b := newBook()
	b.span(day, 0)
	b.route(0, 0, count{"EEA malformed us-quarantine", 5}, count{"US decided us-oci", 60})
	b.stored["us-oci"] += 7
	b.stored["us-quarantine/0"] += 300
	b.route(0, 65, count{"EEA malformed us-quarantine", 5}, count{"US decided us-oci", 5})
	b.span(day+hour, 75)
	return b
}

var storedClaim = strings.Replace(testClaim, "routed", "stored", 1)

// recountCases has one case for each thing that a recount can say. finds are the kinds of the findings, in their order.
var recountCases = []struct {
	name    string
	rule    string
	claim   string
	book    func() *book
	recount func(b *book) *Recount
	finds   []string
	bases   [3]Basis
}{
	{"recounted", "all receipts are equal: the sinks vouch for what the ledger says", testClaim, simple, func(b *book) *Recount {
		return b.recount(len(b.entries))
	}, nil, [3]Basis{Stated, Recounted, Recounted}},
	{"compared", "the source was compared too", testClaim, simple, func(b *book) *Recount {
		r := b.recount(len(b.entries))
		r.comparedWith(2, 150)
		return r
	}, nil, [3]Basis{Compared, Compared, Compared}},
	{"compared_in_part", "the source no longer holds all", testClaim, simple, func(b *book) *Recount {
		r := b.recount(len(b.entries))
		r.comparedWith(2, 50)
		r.Source.Equal, r.Source.Gone = 1, 1
		return r
	}, nil, [3]Basis{Stated, Recounted, Recounted}},
	{"source_differs", "the source holds other records than the sinks", testClaim, simple, func(b *book) *Recount {
		r := b.recount(len(b.entries))
		r.comparedWith(2, 150)
		r.Source.Equal, r.Source.Different = 1, 1
		entry, offset := uint64(8), int64(0)
		r.Verdict, r.Differences[kindSource] = "different", 1
		r.Listed = append(r.Listed, difference{Kind: kindSource, Entry: &entry, Place: "events/1 of cluster src", Offset: &offset, Cause: "the source holds 50 records of the range, the sinks 49"})
		return r
	}, []string{"source"}, [3]Basis{Compared, Compared, Compared}},
	{"stored", "what a recount saw is stored", storedClaim, simple, func(b *book) *Recount {
		return b.recount(len(b.entries))
	}, nil, [3]Basis{Stated, Recounted, Recounted}},
	{"rewritten", "one receipt is not that of the bytes any more", testClaim, simple, func(b *book) *Recount {
		r := b.recount(len(b.entries))
		r.turn("us-oci", 1, rewritten)
		r.differ(kindRewritten, 8, 0, "us-oci", "events.us/0 of cluster c-us", 60, "its SHA-256 is another")
		return r
	}, []string{"rewritten"}, [3]Basis{Stated, Recounted, Recounted}},
	{"missing", "the bytes of one receipt are not there", storedClaim, simple, func(b *book) *Recount {
		r := b.recount(len(b.entries))
		r.turn("us-oci", 1, missing)
		r.differ(kindMissing, 8, 0, "us-oci", "events.us/0 of cluster c-us", 60, "no batch lies there")
		return r
	}, []string{"missing"}, [3]Basis{Stated, Recounted, Recounted}},
	{"swapped", "one US and one EEA record changed places, and all totals are the same", testClaim, simple, func(b *book) *Recount {
		r := b.recount(len(b.entries))
		for receipt, sink := range []string{"eu-fra", "us-oci"} {
			at := testSinks[sink].place
			place := at.Topic + "/0 of cluster " + at.Cluster
			r.turn(sink, 1, rewritten)
			r.differ(kindRewritten, 7, receipt, sink, place, 0, "its SHA-256 is another")
			set, goes := "EEA", "eu-fra"
			if sink == "eu-fra" {
				set, goes = "US", "us-oci"
			}
			r.differ(kindMisplaced, 7, receipt, sink, place, 17, fmt.Sprintf("is decided %s (decided), which goes to %s", set, goes))
		}
		return r
	}, []string{"rewritten", "misplaced", "rewritten", "misplaced"}, [3]Basis{Stated, Recounted, Recounted}},
	{"duplicates_cleared", "what has no receipt are copies of the ledger's records", testClaim + "exclusions: [{words: none, reasons: [malformed]}]\n", holed, func(b *book) *Recount {
		r := b.recount(len(b.entries))
		r.comparedWith(2, 75)
		r.place("events.us").Unreceipted = noReceipt{Records: 6, Belonging: 6, Duplicates: 6}
		r.place("events.us").Control = 1
		return r
	}, nil, [3]Basis{Compared, Compared, Compared}},
	{"unreceipted_belonging", "without the source nobody knows whether they are copies", testClaim, holed, func(b *book) *Recount {
		r := b.recount(len(b.entries))
		r.place("events.us").Unreceipted = noReceipt{Records: 7, Belonging: 6, Elsewhere: 1}
		r.Verdict, r.Differences[kindUnreceipted] = "different", 7
		offset := int64(60)
		r.Listed = append(r.Listed, difference{Kind: kindUnreceipted, Sink: "us-oci", Place: "events.us/0 of cluster c-us", Offset: &offset, Cause: "7 records have no receipt"})
		return r
	}, []string{"unreceipted", "unreceipted"}, [3]Basis{Stated, Recounted, Recounted}},
	{"gone", "retention proves nothing", testClaim, simple, func(b *book) *Recount {
		r := b.recount(len(b.entries))
		r.turn("us-oci", 1, goneOf)
		r.place("events.us").LogStart = 60
		r.Records.add(recountRecords{Read: -60, Agreed: -60})
		r.Sinks[1].Records.add(recountRecords{Read: -60, Agreed: -60})
		return r
	}, []string{"gone"}, [3]Basis{Stated, Recounted, Recounted}},
	{"sample", "a sample vouches for nothing exactly", testClaim, simple, sampled, nil, [3]Basis{Stated, Stated, Stated}},
	{"sample_stored", "nor can it say that all is stored", storedClaim, simple, sampled, []string{"not_recounted"}, [3]Basis{Stated, Stated, Stated}},
	{"prefix", "what came after the recount stays stated", testClaim, grown, func(b *book) *Recount {
		return b.recount(len(b.entries) - 2)
	}, nil, [3]Basis{Stated, Stated, Stated}},
	{"prefix_stored", "and is not known to be stored", storedClaim, grown, func(b *book) *Recount {
		return b.recount(len(b.entries) - 2)
	}, []string{"not_recounted"}, [3]Basis{Stated, Stated, Stated}},
	{"prefix_of_period", "a recount of all that the population has is enough", testClaim + "population: {to: 2026-07-01T01:00:00Z}\n", grown, func(b *book) *Recount {
		return b.recount(len(b.entries) - 2)
	}, nil, [3]Basis{Stated, Recounted, Recounted}},
	{"unlisted", "more differences than are listed", testClaim, simple, func(b *book) *Recount {
		r := b.recount(len(b.entries))
		r.Verdict, r.Differences[kindCounts] = "different", 2
		return r
	}, []string{"unlisted"}, [3]Basis{Stated, Recounted, Recounted}},
	{"unread", "places that could not be read", testClaim, simple, func(b *book) *Recount {
		r := b.recount(len(b.entries))
		r.turn("eu-fra", 1, unread)
		r.Records.add(recountRecords{Read: -40, Agreed: -40})
		r.Sinks[0].Records.add(recountRecords{Read: -40, Agreed: -40})
		r.Verdict, r.Unknown = "unknown", []string{"sink eu-fra: no broker answers"}
		return r
	}, nil, [3]Basis{Stated, Stated, Stated}},
	{"nothing_compared", "the recount was given a policy that the ledger does not know", testClaim, simple, func(b *book) *Recount {
		r := (&book{policy: b.policy}).recount(0)
		r.Ledger.Size = uint64(len(b.entries))
		r.Verdict, r.Differences[kindPolicy] = "different", 1
		r.Listed = append(r.Listed, difference{Kind: kindPolicy, Cause: "the ledger does not know the policy"})
		return r
	}, []string{"policy"}, [3]Basis{Stated, Stated, Stated}},
	{"pin", "another place answers", testClaim, simple, func(b *book) *Recount {
		r := b.recount(len(b.entries))
		r.turn("us-oci", 2, unread)
		r.Records.add(recountRecords{Read: -110, Agreed: -110})
		r.Sinks[1].Records.add(recountRecords{Read: -110, Agreed: -110})
		r.Verdict, r.Differences[kindPin] = "different", 1
		r.Listed = append(r.Listed, difference{Kind: kindPin, Sink: "us-oci", Cause: "cluster_id: expected c-us, seen \"other\""})
		return r
	}, []string{"pin"}, [3]Basis{Stated, Stated, Stated}},
	{"elsewhere", "a difference in an entry that is not of the population, and in a sink that is not the claim's", testClaim + "population: {topics: [events]}\n", func() *book {
		b := newBook()
		b.span(day, 0)
		b.route(0, 0, count{"US decided us-oci", 10})
		b.route(0, 0, count{"EEA decided eu-fra", 10}).Source.Topic = "audit"
		b.span(day+hour, 10)
		return b
	}, func(b *book) *Recount {
		r := b.recount(len(b.entries))
		r.turn("eu-fra", 1, rewritten)
		r.differ(kindRewritten, 8, 0, "eu-fra", "events.eu/0 of cluster c-eu", 0, "its SHA-256 is another")
		return r
	}, nil, [3]Basis{Stated, Recounted, Recounted}},
}

// grown is simple with five records more after its second span.
func grown() *book {
	b := simple()
	b.route(0, 100, count{"US decided us-oci", 5})
	b.span(day+2*hour, 105, 50)
	return b
}

func sampled(b *book) *Recount {
	r := b.recount(len(b.entries))
	r.turn("us-oci", 1, left)
	r.Records.add(recountRecords{Read: -50, Agreed: -50})
	r.Sinks[1].Records.add(recountRecords{Read: -50, Agreed: -50})
	r.Sample = &recountSample{Seed: 7, Drawn: 2, Of: 3, Confidence: []recountChance{{1, 100, 2.0 / 3}, {1, 1000, 2.0 / 3}}}
	return r
}

func TestRecounts(t *testing.T) {
	for _, tc := range recountCases {
		t.Run(tc.name, func(t *testing.T) {
			b := tc.book()
			recount, err := ParseRecount(tc.recount(b).document(t))
			if err != nil {
				t.Fatal(err)
			}
			c, err := b.judgeWith(t, tc.claim, recount)
			if err != nil {
				t.Fatal(err)
			}
			var kinds []string
			for _, f := range c.Findings {
				if f.Kind != "quarantined" && f.Kind != "foreign_sink" {
					kinds = append(kinds, f.Kind)
				}
			}
			if diff := cmp.Diff(tc.finds, kinds); diff != "" {
				t.Errorf("%s: findings (-want +got):\n%s", tc.rule, diff)
			}
			if diff := cmp.Diff(tc.bases, [3]Basis{c.Complete.Basis, c.Classified.Basis, c.Exclusive.Basis}); diff != "" {
				t.Errorf("%s: bases (-want +got):\n%s", tc.rule, diff)
			}
			checkSums(t, c)
			page, err := c.HTML()
			if err != nil {
				t.Fatal(err)
			}
			wellFormed(t, page)
			text := html.UnescapeString(string(page))
			for _, p := range (view{c}).Predicates() {
				if !strings.Contains(text, "as "+string(p.Basis)+"<") || !strings.Contains(text, p.Note) {
					t.Errorf("the page lacks %q or %q", p.Basis, p.Note)
				}
			}
			for _, f := range c.Findings {
				if !strings.Contains(text, f.Message) || !strings.Contains(text, f.Where()) {
					t.Errorf("the page lacks %q", f)
				}
			}
			asJSON, err := c.JSON()
			if err != nil {
				t.Fatal(err)
			}
			golden(t, "recount_"+tc.name+".txt", append([]byte("# "+tc.rule+"\n\n"), c.Text()...))
			golden(t, "recount_"+tc.name+".json", asJSON)
		})
	}
}

// TestAnotherLedgersRecount gives recounts that cannot be of this ledger.
func TestAnotherLedgersRecount(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(r *Recount)
		want   string
	}{
		{"another origin", func(r *Recount) { r.Ledger.Origin = "other.example" }, `of the ledger "other.example"`},
		{"a longer ledger", func(r *Recount) { r.Ledger.Size++ }, "the ledger has 10 entries"},
		{"another root", func(r *Recount) { r.Ledger.Root = strings.Repeat("ab", 21) + "Y=" }, "another ledger of this size"},
		{"a receipt less", func(r *Recount) {
			n := recountReceipts{Total: -1, Read: -1, Equal: -1}
			r.Receipts.add(n)
			r.Sinks[1].Receipts.add(n)
			r.place("events.us").Receipts.add(n)
		}, "it counts 1 receipt of sink us-oci, and the ledger has 2"},
		{"a receipt in another place", func(r *Recount) {
			n := recountReceipts{Total: 1, Read: 1, Equal: 1}
			r.place("events.eu").Receipts.add(n)
			n = recountReceipts{Total: -1, Read: -1, Equal: -1}
			r.place("events.us").Receipts.add(n)
		}, "it counts 2 receipts in events.eu/0"},
		{"a difference in a receipt that is not there", func(r *Recount) {
			r.turn("us-oci", 1, rewritten)
			r.differ(kindRewritten, 7, 2, "us-oci", "events.us/0 of cluster c-us", 0, "")
		}, "entry 7"},
		{"a difference in another sink's receipt", func(r *Recount) {
			r.turn("us-oci", 1, rewritten)
			r.differ(kindRewritten, 7, 0, "us-oci", "events.us/0 of cluster c-us", 0, "")
		}, "entry 7"},
		{"a difference in an entry without receipts", func(r *Recount) {
			r.turn("us-oci", 1, rewritten)
			r.differ(kindRewritten, 6, 0, "us-oci", "events.us/0 of cluster c-us", 0, "")
		}, "entry 6"},
		{"a place less", func(r *Recount) {
			n := r.place("events.us").Receipts
			r.Places = slices.DeleteFunc(r.Places, func(p recountPlace) bool { return p.Topic == "events.us" })
			r.Places = append(r.Places, recountPlace{Directory: "/var/lib/q", Receipts: n})
		}, "does not tell of events.us/0"},
		{"entries that were not compared with the source", func(r *Recount) { r.comparedWith(1, 100) }, "it compared 1 entry with the source, and the ledger has 2"},
		{"records less", func(r *Recount) {
			r.Records.add(recountRecords{Read: -1, Agreed: -1})
			r.Sinks[1].Records.add(recountRecords{Read: -1, Agreed: -1})
		}, "every receipt is equal, and it read 149 records, where the ledger has 150"},
		{"a sink more", func(r *Recount) { r.Sinks = append(r.Sinks, recountSink{Name: "x"}) }, "sinks of which the ledger has no receipt"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := simple()
			r := b.recount(len(b.entries))
			tc.change(r)
			recount, err := ParseRecount(r.document(t))
			if err != nil {
				t.Fatal(err)
			}
			c, err := b.judgeWith(t, testClaim, recount)
			if c != nil || err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v, want %q", err, tc.want)
			}
		})
	}
}

// TestDamagedRecounts changes a good document: each change is refused.
func TestDamagedRecounts(t *testing.T) {
	b := simple()
	r := b.recount(len(b.entries))
	r.turn("us-oci", 1, rewritten)
	r.differ(kindRewritten, 8, 0, "us-oci", "events.us/0 of cluster c-us", 60, "its SHA-256 is another")
	good := string(r.document(t))
	if _, err := ParseRecount([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ old, new, want string }{
		{good, "", "it is empty"},
		{good, "verb: routed", "demarc recount --format json"},
		{good, good[:len(good)/2], "EOF"},
		{good, good + good, "its fields"},
		{`"format": 1`, `"format": 2`, "format is 2"},
		{`"format": 1`, `"format": 1, "note": 1`, `unknown field "note"`},
		{`"format": 1,`, `"format": 1, "format": 1,`, "its fields"},
		{`"format": 1`, `"Format": 1`, "its fields"},
		{`"verdict": "different"`, `"verdict": "equal"`, "its verdict"},
		{`"verdict": "different",`, ``, "its fields"},
		{`"begun": "2026-07-01T02:00:00Z"`, `"begun": "2026-07-02T02:00:00Z"`, "it ended"},
		{`FU="`, `FV="`, "want base64"},
		{`FU="`, `FU"`, "want base64"},
		{`"root": "47DE`, `"root": "`, "want base64"},
		{`"root": "47DE`, `"root": "47DE47DE`, "want base64"},
		{"\"rewritten\": 1,\n    \"missing\": 0", "\"rewritten\": 0,\n    \"missing\": 1", "numbers"},
		{`"equal": 2`, `"equal": 3`, "numbers"},
		{`"agreed": 110`, `"agreed": 111`, "numbers"},
		{`"left": 0`, `"left": 1`, "numbers"},
		{`"rewritten": 1
  }`, `"rewritten": 2
  }`, "numbers of differences"},
		{`"rewritten": 1
  }`, `"rewritten": 1, "spoilt": 1
  }`, "spoilt"},
		{`"kind": "rewritten"`, `"kind": "missing"`, "listed than counted"},
		{`"entry": 8`, `"entry": 10`, "not there"},
		{`"receipt": 0`, `"receipt": -1`, "not there"},
		{`"duplicates": 0`, `"duplicates": 1`, "do not add up"},
		{`"control": 0`, `"control": -1`, "do not add up"},
		{`"name": "us-oci"`, `"name": "eu-fra"`, "there twice"},
		{`"topic": "events.us"`, `"topic": "events.eu", "cluster": "c-eu"`, "its fields"},
		{`"partition": 0`, `"partition": 0.5`, "cannot unmarshal"},
		{`"unknown": []`, `"unknown": null, "sample": null`, "its fields"},
	} {
		damaged := strings.Replace(good, tc.old, tc.new, 1)
		if damaged == good {
			t.Errorf("%q is not in the document", tc.old)
		}
		if r, err := ParseRecount([]byte(damaged)); r != nil || err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%q for %q: %v, want %q", tc.new, tc.old, err, tc.want)
		}
	}
}

// TestEveryDifferenceCounts lists one difference of each kind, in an entry of the population or in none.
func TestEveryDifferenceCounts(t *testing.T) {
	for kind, predicate := range against {
		for _, entry := range []*uint64{new(uint64(8)), nil} {
			b := simple()
			r := b.recount(len(b.entries))
			r.comparedWith(2, 150)
			if _, err := base64.StdEncoding.Decode(r.root[:], []byte(r.Ledger.Root)); err != nil {
				t.Fatal(err)
			}
			r.Differences[kind], r.Listed = 1, []difference{{Kind: kind, Entry: entry, Cause: "test"}}
			if kind == kindUnreceipted {
				r.place("events.eu").Unreceipted = noReceipt{Records: 1, Undecided: 1}
			}
			c, err := b.judgeWith(t, testClaim, r)
			if err != nil {
				t.Fatal(err)
			}
			if c.Holds || len(c.Findings) != 1 || c.Findings[0].Kind != kind || c.Findings[0].Predicate != predicate {
				t.Errorf("%s: %v", kind, c.Findings)
			}
		}
	}
}

// TestStoredNeedsARecount: without one nothing is confirmed.
func TestStoredNeedsARecount(t *testing.T) {
	c := simple().judge(t, storedClaim)
	if c.Holds || c.Total.Doubted != 110 || c.Total.Inside != 0 {
		t.Errorf("%s", c.Text())
	}
}

// FuzzParseRecount looks for a document that panics, or that makes a claim hold with a difference in the claim's sinks.
func FuzzParseRecount(f *testing.F) {
	for _, tc := range recountCases {
		f.Add(tc.recount(tc.book()).document(f))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := ParseRecount(text)
		if (r == nil) == (err == nil) {
			t.Fatalf("%v with %v", r, err)
		}
		if err != nil {
			return
		}
		if again, err := ParseRecount(r.document(t)); err != nil || again.root != r.root {
			t.Fatalf("its own document is refused: %v", err)
		}
		for _, claim := range []string{testClaim, storedClaim} {
			c, err := grown().judgeWith(t, claim, r)
			if err != nil {
				continue
			}
			checkSums(t, c)
			document(t, c)
			differs := slices.ContainsFunc(r.Listed, func(d difference) bool { return d.Sink == "us-oci" || d.Entry == nil })
			if c.Holds && (differs || r.unlisted() > 0) || c.Holds && c.Claimed.Verb == Stored && r.shortfall() != "" {
				t.Errorf("holds: %s", c.Text())
			}
			if !bytes.Contains(c.Text(), []byte("recount")) {
				t.Error("the text does not name the recount")
			}
		}
	})
}
