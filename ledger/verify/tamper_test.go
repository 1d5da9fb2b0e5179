package verify_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/demarc/demarc/ledger"
	"github.com/demarc/demarc/ledger/tiles"
	"github.com/demarc/demarc/ledger/verify"
)

func TestAnHonestLogVerifies(t *testing.T) {
	k, s, dir := newKey(t, origin, "k"), honest(), t.TempDir()
	write(t, dir, k, encode(t, s.entries))
	r := walk(t, dir, k, verify.Options{})
	for _, f := range r.Faults {
		t.Error(f)
	}
	if r.FaultCount != 0 || r.Entries != uint64(len(s.entries)) || r.Checkpoint.Size != r.Entries {
		t.Errorf("%d faults, %d entries of %d", r.FaultCount, r.Entries, len(s.entries))
	}
	p := r.Partitions[2]
	if p.From != 0 || p.To != s.next[2] || p.Replays != 0 || len(p.Gaps) != 1 || p.Gaps[0].Entry != gapEntry {
		t.Errorf("partition 2 is %+v", p)
	}
	if got, want := r.Partitions[0].Uncovered(), []verify.Interval{{From: s.next[0], To: s.next[0] + 7}}; !slices.Equal(got, want) {
		t.Errorf("partition 0 is uncovered in %v, want its tail %v", got, want)
	}
	if len(r.Stored) != 9 || len(r.Stored[0].Covered()) != 1 {
		t.Errorf("%d places, the first covered in %v; want 9 of one run each", len(r.Stored), r.Stored[0].Covered())
	}
}

// What a service writes of its pins: addresses inside a prefix, and lists that are cut.
func TestPinsThatHeldVerify(t *testing.T) {
	k, s, dir := newKey(t, origin, "k"), honest(), t.TempDir()
	s.entries[3].Pins.Checks = []ledger.Check{
		{Expected: []string{"10.0.0.0/8", "2001:db8::/32"}, Held: true, Pin: "address", Seen: "10.1.2.3"},
		{Expected: []string{"10.0.0.0/8", "2001:db8::/32"}, Held: true, Pin: "address", Seen: "2001:db8::7"},
		{Expected: []string{"192.0.2.1/32", "and 3000 more in the policy"}, Held: true, Pin: "address", Seen: "9.9.9.9"},
		{Expected: []string{"cluster-of-us-oci"}, Held: true, Pin: "cluster_id", Seen: "cluster-of-us-oci"},
	}
	write(t, dir, k, encode(t, s.entries))
	if r := walk(t, dir, k, verify.Options{}); r.FaultCount != 0 {
		t.Error(r.Faults)
	}
}

// Each of these logs is signed with the right key: the operator is the adversary.
func TestASignedLieIsCaught(t *testing.T) {
	for _, c := range []struct {
		name string
		lie  func(s *story)
		want string // what one of the faults begins with
	}{
		{"a range left out", func(s *story) { s.entries = slices.Delete(s.entries, someRange, someRange+1) },
			"entry 302 (range events/0 [10296,10400)): source.from: the offsets [10192,10296) are missing: entry 297 ends at 10192"},
		{"a range twice", func(s *story) { s.entries = slices.Insert(s.entries, someRange+1, s.entries[someRange]) },
			"entry 301 (range events/0 [10192,10296)): source.from: overlaps entry 300, which ends at 10296"},
		{"ranges that overlap", func(s *story) {
			r := s.entries[someRange].Range
			r.Source.From--
			r.Absent++
		}, "entry 300 (range events/0 [10191,10296)): source.from: overlaps entry 297, which ends at 10192"},
		{"two ranges change places", func(s *story) {
			s.entries[someRange], s.entries[someRange+3] = s.entries[someRange+3], s.entries[someRange]
		}, "entry 300 (range events/0 [10296,10400)): source.from: the offsets [10192,10296) are missing"},
		{"a gap that hides nothing and a hole beside it", func(s *story) { s.entries[gapEntry].Gap.Source.From += 10 },
			"entry 596 (gap events/2 "},
		{"no gap entry", func(s *story) { s.entries = slices.Delete(s.entries, gapEntry, gapEntry+1) },
			"entry 597 (range events/2 "},
		{"a replay beyond the coverage", func(s *story) { s.entries[someRange].Kind = ledger.KindReplay },
			"entry 300 (replay events/0 [10192,10296)): source.to: a replay must lie below what is covered, which ends at 10192"},
		{"a policy is not told", func(s *story) { s.entries = s.entries[2:] },
			"entry 0 (pins eu-fra): policy.sha256: cites the policy " + sha(policyText) + ", which was not told before"},
		{"half a policy is told", func(s *story) { s.entries = slices.Delete(s.entries, 1, 2) },
			"entry 1 (pins eu-fra): policy.sha256: cites a policy of which only 1 of 2 parts were told before"},
		{"a policy is told too late", func(s *story) {
			p := slices.Clone(s.entries[:2])
			s.entries = append(s.entries[2:], p...)
		}, "entry 4 (range events/0 [0,104)): policy.sha256: cites the policy"},
		{"the parts of a policy change places", func(s *story) { s.entries[0], s.entries[1] = s.entries[1], s.entries[0] },
			"entry 0 (policy version 3 part 2 of 2): part: comes after part 0 of 2"},
		{"another text under the hash of a policy", func(s *story) { s.entries[1].Policy.Text += "# and more" },
			"entry 1 (policy version 3 part 2 of 2): sha256: the text has the SHA-256 "},
		{"a policy told again with another text", func(s *story) {
			again := *s.entries[1].Policy
			again.Text = "other"
			s.add(ledger.Entry{Kind: ledger.KindPolicy, Policy: &again})
		}, "entry 600 (policy version 3 part 2 of 2): part: is told again"},
		{"a policy told again in other parts", func(s *story) {
			again := *s.entries[1].Policy
			again.Parts = 3
			s.add(ledger.Entry{Kind: ledger.KindPolicy, Policy: &again})
		}, "entry 600 (policy version 3 part 2 of 3): parts: was told before in 2 parts"},
		{"two policies of one version", func(s *story) { s.policy("version: 3\n# another\n", 3) },
			"entry 600 (policy version 3 part 1 of 2): version: version 3 is that of another policy"},
		{"a range under another version of its policy", func(s *story) { s.entries[someRange].Range.Policy.Version = 4 },
			"entry 300 (range events/0 [10192,10296)): policy.version: cites version 4 of a policy that was told as version 3"},
		{"a version that falls", func(s *story) {
			old := newStory()
			old.policy("version: 2\n", 2)
			older := s.entries[2:5]
			for _, e := range older {
				p := *e.Pins
				p.Policy = ledger.PolicyRef{SHA256: sha("version: 2\n"), Version: 2}
				old.add(ledger.Entry{Kind: ledger.KindPins, Pins: &p})
			}
			s.entries = slices.Concat(old.entries, s.entries)
			s.entries[someRange+5].Range.Policy = ledger.PolicyRef{SHA256: sha("version: 2\n"), Version: 2}
		}, "entry 305 (range events/0 [10192,10296)): policy.version: is 2 after 3 in entry 302: versions only grow"},
		{"one geo database with two build times", func(s *story) { s.entries[someRange].Range.Geo.Built++ },
			"entry 300 (range events/0 [10192,10296)): geo.built: is 1690000001, but entries before say 1690000000"},
		{"a sink whose pins are not told", func(s *story) { s.entries = slices.Delete(s.entries, 3, 4) },
			`entry 5 (range events/0 [0,104)): receipts[1].sink: no entry before tells what "us-oci" was found to be under this policy`},
		{"a sink whose pins are told too late", func(s *story) { s.entries[3], s.entries[firstRange] = s.entries[firstRange], s.entries[3] },
			`entry 3 (range events/0 [0,104)): receipts[1].sink: no entry before tells`},
		{"a sink whose pins never held", func(s *story) {
			p := s.entries[3].Pins
			p.Held, p.Checks[0].Held = false, false
		}, `entry 6 (range events/0 [0,104)): receipts[1].sink: the pins of "us-oci" never held before, see entry 3`},
		{"a pin that held and saw another key", func(s *story) {
			s.entries[3].Pins.Checks[0] = ledger.Check{Expected: []string{"a", "b"}, Held: true, Pin: "tls_spki_sha256", Seen: "c"}
		}, `entry 3 (pins us-oci): checks[0].held: is true, and "c" was seen where one of ["a" "b"] is expected`},
		{"a pin that held at another address", func(s *story) {
			s.entries[3].Pins.Checks[0] = ledger.Check{Expected: []string{"10.0.0.0/8", "2001:db8::/32"}, Held: true, Pin: "address", Seen: "11.0.0.1"}
		}, `entry 3 (pins us-oci): checks[0].held: is true, and "11.0.0.1" was seen`},
		{"a pin of another cluster than the place's", func(s *story) {
			s.entries[3].Pins.Checks[0] = ledger.Check{Expected: []string{"another"}, Held: true, Pin: "cluster_id", Seen: "another"}
		}, `entry 3 (pins us-oci): checks[0].seen: is "another", but the place is in cluster "cluster-of-us-oci"`},
		{"a topic that is proved by a directory", func(s *story) {
			s.entries[3].Pins.Checks[0] = ledger.Check{Expected: []string{"/a"}, Held: true, Pin: "directory", Seen: "/a"}
		}, `entry 3 (pins us-oci): checks[0].pin: is directory, which says nothing of the place`},
		{"a receipt of another cluster", func(s *story) { s.entries[someRange].Range.Receipts[1].Kafka.Cluster = "elsewhere" },
			`entry 300 (range events/0 [10192,10296)): receipts[1].kafka: is of topic events.us-oci of cluster "elsewhere", but "us-oci" is`},
		{"a receipt of another topic", func(s *story) { s.entries[someRange].Range.Receipts[1].Kafka.Topic = "events.eu-fra" },
			`entry 300 (range events/0 [10192,10296)): receipts[1].kafka: is of topic events.eu-fra`},
		{"a sink that moves", func(s *story) {
			p := *s.entries[3].Pins
			p.Location.Country = "DE"
			s.add(ledger.Entry{Kind: ledger.KindPins, Pins: &p})
		}, "entry 600 (pins us-oci): location: differs from that in entry 3 under the same policy"},
		{"a receipt used twice", func(s *story) {
			s.entries[someRange+3].Range.Receipts[1] = s.entries[someRange].Range.Receipts[1]
		}, "entry 303 (range events/0 [10296,10400)): receipts[1].kafka.base: [5880,5940) of events.us-oci/0 of cluster cluster-of-us-oci has a receipt already"},
		{"receipts that overlap", func(s *story) {
			k := s.entries[someRange].Range.Receipts[1].Kafka
			k.Base, k.Last = k.Base-1, k.Last-1
		}, "entry 300 (range events/0 [10192,10296)): receipts[1].kafka.base: [5879,5880) of events.us-oci/0"},
		{"bytes of a file twice", func(s *story) { s.entries[someRange].Range.Receipts[2].File.From-- },
			"entry 300 (range events/0 [10192,10296)): receipts[2].file.from: [68599,68600) of events-0/00000001.log in /var/lib/q has a receipt already"},
		{"two ranges swap receipts of other partitions' lengths", func(s *story) {
			a, b := s.entries[someRange].Range, s.entries[someRange+1].Range
			a.Receipts[1].Kafka.Partition = b.Receipts[1].Kafka.Partition
		}, "entry 301 (range events/1 [10192,10296)): receipts[1].kafka.base: [5880,5940) of events.us-oci/1"},
		{"a record of the entries topic twice", func(s *story) {
			s.entries[someRange].Via = &ledger.Via{Offset: 5, Partition: 1}
			s.entries[someRange+1].Via = &ledger.Via{Offset: 5, Partition: 1}
		}, "entry 301 (range events/1 [10192,10296)): via.offset: record 5 of partition 1 of the entries topic is in the log already"},
		{"a time after all time", func(s *story) { s.entries[2].Pins.At = 253402300800000 },
			"entry 2 (pins eu-fra): at: is 253402300800000, which is no time"},
		{"spans that reach too far to be added up", func(s *story) {
			far := make([]int64, 1025)
			for i := range far {
				far[i] = 1<<53 - 1
			}
			s.span("hour", far...)
			s.entries[len(s.entries)-1].Span.Topic = "far"
		}, "all entries: source partitions reach over more than 9223372036854775807 offsets together"},
		{"receipts that reach too far to be added up", func(s *story) {
			for i := range int64(1025) {
				elsewhere(s, i).Receipts[2].File.To = 1<<53 - 1
			}
		}, "all entries: receipts reach over more than 9223372036854775807 offsets and bytes together"},
		{"more bytes than can be counted", func(s *story) {
			for i := range int64(1025) {
				r := elsewhere(s, i)
				r.Counts = slices.Clone(r.Counts)
				r.Counts[0].Bytes = 1<<53 - 1
			}
		}, "entry 1624 (replay events/0 [10192,10296)): bytes or replayed offsets"},
		{"a geo database too old, and none", func(s *story) {
			r := s.entries[someRange].Range
			r.Geo, r.Counts[2].Reason = nil, "geo_expired"
		}, "entry 300 (range events/0 [10192,10296)): geo: is absent, and 5 records were quarantined"},
	} {
		t.Run(c.name, func(t *testing.T) {
			k, s, dir := newKey(t, origin, "k"), honest(), t.TempDir()
			c.lie(s)
			write(t, dir, k, encode(t, s.entries))
			wantFault(t, walk(t, dir, k, verify.Options{}), c.want)
		})
	}
}

// elsewhere adds a replay of someRange whose receipts are of places that nothing else uses.
func elsewhere(s *story, i int64) *ledger.Range {
	r := *s.entries[someRange].Range
	r.Receipts = slices.Clone(r.Receipts)
	for n := range r.Receipts {
		if k := r.Receipts[n].Kafka; k != nil {
			other := *k
			other.Base, other.Last = k.Base+(i+1)<<20, k.Last+(i+1)<<20
			r.Receipts[n].Kafka = &other
		} else {
			r.Receipts[n].File = &ledger.FilePlace{Name: fmt.Sprintf("other/%d", i), From: 0, To: 1}
		}
	}
	s.add(ledger.Entry{Kind: ledger.KindReplay, Range: &r})
	return &r
}

// wantFault fails unless a fault begins with the text.
func wantFault(t *testing.T, r *verify.Result, want string) {
	t.Helper()
	for _, f := range r.Faults {
		if strings.HasPrefix(f.String(), want) {
			return
		}
	}
	t.Errorf("faults %v, want one that begins with %q", r.Faults, want)
}

// What Encode would refuse to write is signed all the same.
func TestASignedEntryInAnotherFormIsCaught(t *testing.T) {
	for _, c := range []struct{ name, old, new, want string }{
		{"a forged count", `"data":100`, `"data":101`, "entry 300: decode entry: range.data"},
		{"a forged count of one sink", `"records":60,"set":"US","sink"`, `"records":61,"set":"US","sink"`, "entry 300: decode entry: range.counts"},
		{"counts swapped between sinks", `"records":35,"set":"EEA"}]`, `"records":60,"set":"EEA"}]`, "entry 300: decode entry: range.receipts[0]"},
		{"an unknown key", `{"kind"`, `{"extra":1,"kind"`, "entry 300: decode entry: entry: key"},
		{"a blank", `"data":100`, `"data": 100`, "entry 300: decode entry: range.data"},
		{"another version", `"v":1`, `"v":2`, "entry 300: decode entry: v"},
		{"an unknown reason", `"no_signal"`, `"no_reason"`, "entry 300: decode entry: range.counts[2].reason"},
		{"no entry at all", `{`, ``, "entry 300: decode entry: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			k, dir := newKey(t, origin, "k"), t.TempDir()
			leaves := encode(t, honest().entries)
			forged := bytes.Replace(leaves[someRange], []byte(c.old), []byte(c.new), 1)
			if bytes.Equal(forged, leaves[someRange]) {
				t.Fatalf("%s is not in %s", c.old, forged)
			}
			leaves[someRange] = forged
			write(t, dir, k, leaves)
			wantFault(t, walk(t, dir, k, verify.Options{}), c.want)
		})
	}
}

// Bytes changed in a log that was signed before, by somebody without the key.
func TestADamagedLogIsCaught(t *testing.T) {
	flip := func(path string, at int) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			name := filepath.Join(dir, path)
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			data[(at+len(data))%len(data)] ^= 1
			put(t, name, data)
		}
	}
	edit := func(path string, change func([]byte) []byte) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			data, err := os.ReadFile(filepath.Join(dir, path))
			if err != nil {
				t.Fatal(err)
			}
			put(t, filepath.Join(dir, path), change(data))
		}
	}
	remove := func(path string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			if err := os.RemoveAll(filepath.Join(dir, path)); err != nil {
				t.Fatal(err)
			}
		}
	}
	const partialEntries, partialTile = "tile/entries/002.p/88", "tile/0/002.p/88"
	for _, c := range []struct {
		name   string
		damage func(t *testing.T, dir string)
		want   string
	}{
		{"a byte of the first entry", flip("tile/entries/000", 2+20), "entry 0"},
		{"the length of an entry", flip("tile/entries/001", 0), "tile/entries/001: "},
		{"a byte of the last entry of a full bundle", flip("tile/entries/001", -1), "entry 511"},
		{"a byte of the partial bundle", flip(partialEntries, -30), "entry 599"},
		{"a hash of a tile", flip("tile/0/001", 44*32), "entry 300 (range events/0 [10192,10296)): its bytes are not those whose hash is in tile/0/001"},
		{"a hash of the partial tile", flip(partialTile, -1), "entry 599"},
		{"a hash of a tile above", flip("tile/1/000.p/2", 33), "tile/1/000.p/2: hash 1 is not that of the entries [256,512)"},
		{"the origin of the checkpoint", flip("checkpoint", 0), "checkpoint: is not signed with this key"},
		{"the size of the checkpoint", flip("checkpoint", len(origin)+2), "checkpoint: is not signed with this key"},
		{"the root of the checkpoint", flip("checkpoint", len(origin)+8), "checkpoint: is not signed with this key"},
		{"the signature", flip("checkpoint", -20), "checkpoint: is not signed with this key"},
		{"the last letter of the signature, unused bits", edit("checkpoint", func(d []byte) []byte {
			return append(d[:len(d)-3], d[len(d)-3]+1, '=', '\n')[:len(d)]
		}), "checkpoint: "},
		{"the name of the signer", edit("checkpoint", func(d []byte) []byte {
			return bytes.Replace(d, []byte("— "+origin), []byte("— demarc.test/leg"), 1)
		}), "checkpoint: is not signed with this key"},
		{"no signature", edit("checkpoint", func(d []byte) []byte { return d[:bytes.Index(d, []byte("— "))] }), "checkpoint: "},
		{"no checkpoint", remove("checkpoint"), "checkpoint: is not there"},
		{"an empty checkpoint", edit("checkpoint", func([]byte) []byte { return nil }), "checkpoint: "},
		{"no bundle", remove("tile/entries/001"), "tile/entries/001: is not there: entries from 256 on cannot be checked"},
		{"no partial bundle", remove(partialEntries), partialEntries + ": is not there"},
		{"no tile", remove("tile/0/001"), "tile/0/001: is not there"},
		{"no tile above", remove("tile/1"), "tile/1/000.p/2: is not there"},
		{"a bundle cut at an entry's end", edit("tile/entries/001", func(d []byte) []byte {
			return d[:2+int(d[0])<<8+int(d[1])]
		}), "tile/entries/001: has 1 entries, want 256"},
		{"a bundle cut inside an entry", edit("tile/entries/001", func(d []byte) []byte { return d[:len(d)-1] }), "tile/entries/001: ends inside entry 255"},
		{"a bundle with more behind it", edit("tile/entries/001", func(d []byte) []byte { return append(d, 0, 0) }), "tile/entries/001: has bytes after 256 entries"},
		{"a partial bundle with an entry more", edit(partialEntries, func(d []byte) []byte { return append(d, 0, 1, 'x') }), partialEntries + ": has 89 entries, want 88"},
		{"a tile cut", edit("tile/0/001", func(d []byte) []byte { return d[:8191] }), "tile/0/001: has 8191 bytes"},
		{"a tile too long", edit("tile/0/001", func(d []byte) []byte { return append(d, 0) }), "tile/0/001: is longer than its format allows"},
		{"a partial tile with a hash more", edit(partialTile, func(d []byte) []byte { return append(d, d[:32]...) }), partialTile + ": has 2848 bytes"},
		{"a folder for a tile", func(t *testing.T, dir string) {
			remove("tile/0/001")(t, dir)
			put(t, filepath.Join(dir, "tile/0/001/x"), nil)
		}, "tile/0/001: is not a regular file"},
		{"a file for a folder", func(t *testing.T, dir string) {
			remove("tile/1")(t, dir)
			put(t, filepath.Join(dir, "tile/1"), nil)
		}, "tile/1/000.p/2: is not there"},
		{"two entries change places", edit("tile/entries/001", func(d []byte) []byte {
			n := 2 + int(d[0])<<8 + int(d[1])
			m := 2 + int(d[n])<<8 + int(d[n+1])
			return slices.Concat(d[n:n+m], d[:n], d[n+m:])
		}), "entry 256 (range events/2 "},
		{"two bundles change places", func(t *testing.T, dir string) {
			a, b := filepath.Join(dir, "tile/entries/000"), filepath.Join(dir, "tile/entries/001")
			first, _ := os.ReadFile(a)
			second, _ := os.ReadFile(b)
			put(t, a, second)
			put(t, b, first)
		}, "entry 0 (range "},
	} {
		t.Run(c.name, func(t *testing.T) {
			k, dir := newKey(t, origin, "k"), t.TempDir()
			write(t, dir, k, encode(t, honest().entries))
			c.damage(t, dir)
			wantFault(t, walk(t, dir, k, verify.Options{}), c.want)
		})
	}
}

// An entry and its tiles changed together leave the root, which is signed.
func TestAChangeInEntriesAndTilesIsCaught(t *testing.T) {
	k, dir := newKey(t, origin, "k"), t.TempDir()
	s := honest()
	leaves := encode(t, s.entries)
	write(t, dir, k, leaves)
	signed, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	leaves[someRange] = bytes.Replace(leaves[someRange], []byte("0.5.0"), []byte("0.6.0"), 1)
	write(t, dir, k, leaves)
	put(t, filepath.Join(dir, "checkpoint"), signed)
	wantFault(t, walk(t, dir, k, verify.Options{}), "checkpoint: is signed for the root ")
}

func TestAnotherKeyIsCaught(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, newKey(t, origin, "x"), encode(t, honest().entries))
	r := walk(t, dir, newKey(t, origin, "k"), verify.Options{})
	wantFault(t, r, "checkpoint: is not signed with this key")
	if r.Checkpoint != nil || r.Entries != 0 {
		t.Error("a log that is not signed was read")
	}
}

func TestAnotherOriginIsCaught(t *testing.T) {
	k, dir := newKey(t, origin, "k"), t.TempDir()
	write(t, dir, k, nil)
	put(t, filepath.Join(dir, "checkpoint"), k.signText(t, "demarc.test/other\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"))
	wantFault(t, walk(t, dir, k, verify.Options{}), `checkpoint: is of the log "demarc.test/other"`)
}

func TestSince(t *testing.T) {
	k := newKey(t, origin, "k")
	s := honest()
	leaves := encode(t, s.entries)
	open := func(leaves [][]byte) *tiles.Checkpoint {
		c, err := tiles.OpenCheckpoint(k.sign(t, leaves), k.parse(t))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	forked := slices.Clone(leaves)
	forked[100] = bytes.Replace(forked[100], []byte("0.5.0"), []byte("0.6.0"), 1)

	dir := t.TempDir()
	write(t, dir, k, leaves)
	for _, size := range []int{0, 1, 101, 255, 256, 257, 511, 512, 513, 599, 600} {
		if r := walk(t, dir, k, verify.Options{Since: open(leaves[:size])}); r.FaultCount != 0 {
			t.Errorf("since %d: %v", size, r.Faults)
		}
		r := walk(t, dir, k, verify.Options{Since: open(forked[:size])})
		if size <= 100 {
			if r.FaultCount != 0 {
				t.Errorf("since %d, before the fork: %v", size, r.Faults)
			}
			continue
		}
		wantFault(t, r, "checkpoint: does not continue the earlier one: the first ")
	}

	rolledBack := t.TempDir()
	write(t, rolledBack, k, leaves[:590])
	wantFault(t, walk(t, rolledBack, k, verify.Options{Since: open(leaves)}),
		"checkpoint: has 590 entries, but the earlier checkpoint had 600: the log was rolled back")
}

// Entries of another log of the same operator, at the same place.
func TestASpliceIsCaught(t *testing.T) {
	k, dir, other := newKey(t, origin, "k"), t.TempDir(), t.TempDir()
	write(t, dir, k, encode(t, honest().entries))
	s := honest()
	for _, e := range s.entries {
		if e.Range != nil {
			e.Range.Program = "demarc 0.6.0"
		}
	}
	write(t, other, k, encode(t, s.entries))
	for _, path := range []string{"tile/entries/001", "tile/0/001"} {
		data, err := os.ReadFile(filepath.Join(other, path))
		if err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(dir, path), data)
	}
	wantFault(t, walk(t, dir, k, verify.Options{}), "tile/1/000.p/2: hash 1 is not that of the entries [256,512)")
}

func TestWitnesses(t *testing.T) {
	k, leaves := newKey(t, origin, "k"), encode(t, honest().entries)
	a, b, c := newCosigner("a.example"), newCosigner("b.example"), newCosigner("c.example")
	witnesses, err := tiles.ParseWitnesses([]byte("# three\n" + a.vkey() + "\n\n" + b.vkey() + "\n" + c.vkey() + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write(t, dir, k, leaves, a, c)
	r := walk(t, dir, k, verify.Options{Witnesses: witnesses, Quorum: 2})
	if r.FaultCount != 0 || len(r.Cosignatures) != 2 || r.Cosignatures[1].Witness != "c.example" {
		t.Errorf("faults %v, cosignatures %v", r.Faults, r.Cosignatures)
	}
	wantFault(t, walk(t, dir, k, verify.Options{Witnesses: witnesses, Quorum: 3}), "checkpoint: is cosigned by 2 of the 3 witnesses, want 3")

	// A cosignature of another checkpoint does not count.
	older := k.sign(t, leaves[:10], b)
	line := older[bytes.LastIndex(older, []byte("— ")):]
	put(t, filepath.Join(dir, "checkpoint"), append(k.sign(t, leaves, a), line...))
	wantFault(t, walk(t, dir, k, verify.Options{Witnesses: witnesses, Quorum: 1}), "checkpoint: cosignature of b.example: does not fit the text")
}
