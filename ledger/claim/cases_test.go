package claim

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/demarc/demarc/ledger"
)

var update = flag.Bool("update", false, "write the golden files anew")

// simple is a ledger that tells of two partitions, whole, and whose US records all went to us-oci.
func simple() *book {
	b := newBook()
	b.span(day, 0, 0)
	b.route(0, 0, count{"EEA decided eu-fra", 40}, count{"US decided us-oci", 60})
	b.route(1, 0, count{"US decided us-oci", 50})
	b.span(day+hour, 100, 50)
	return b
}

// claimCases has one case for each rule. finds are the kinds of the findings, in their order; a claim without any holds.
var claimCases = []struct {
	name  string
	rule  string
	claim string
	book  func() *book
	finds []string
}{
	{"holds", "everything is told of, decided and where it should be", testClaim, simple, nil},
	{"quarantined_candidate", "a quarantined record counts against the claim of its candidate", testClaim, func() *book {
		b := newBook()
		b.span(day, 0)
		b.route(0, 0, count{"EEA decided eu-fra", 7}, count{"US decided us-oci", 402_113}, count{"US no_location us-quarantine", 5})
		b.span(day+hour, 402_125)
		return b
	}, []string{"quarantined", "foreign_sink"}},
	{"quarantined_anyone", "a quarantined record without candidates could be anyone's", testClaim, func() *book {
		b := simple()
		b.route(0, 100, count{"none malformed us-quarantine", 2}, count{"none no_signal us-quarantine", 3})
		b.route(0, 105, count{"EEA malformed us-quarantine", 9})
		b.span(day+2*hour, 114, 50)
		return b
	}, []string{"unknown", "unknown"}},
	{"excluded", "what the author excludes in words is numbered and no part of the whole", testClaim + `exclusions:
  - {words: health checks carry no user, sets: [none], reasons: [no_signal]}
  - {words: seen abroad, sets: [EEA+US]}
`, func() *book {
		b := simple()
		b.route(0, 100, count{"none no_signal us-quarantine", 3})
		b.route(1, 50, count{"US+EEA overlap eu-fra", 4})
		b.span(day+2*hour, 103, 54)
		return b
	}, nil},
	{"overlap_routed_away", "what the policy's overlap routes as another member is an exclusion by itself", testClaim, func() *book {
		b := simple()
		b.route(1, 50, count{"US+EEA overlap eu-fra", 4})
		b.span(day+2*hour, 100, 54)
		return b
	}, nil},
	{"overlap_of_no_member", "an overlap that routes a set as something that is not in it leaves nothing out", testClaim, func() *book {
		b := newBook()
		b.tellPolicy(4, strings.Replace(testPolicy, "US+EEA: EEA", "US+EEA: ROW", 1))
		b.pins("us-oci", true)
		b.pins("eu-fra", true)
		b.span(day, 0)
		b.route(0, 0, count{"US decided us-oci", 60}, count{"US+EEA overlap eu-fra", 4})
		b.span(day+hour, 64)
		return b
	}, []string{"foreign_sink"}},
	{"foreign_sink", "a sink that the claim does not name", testClaim, func() *book {
		b := simple()
		b.route(1, 50, count{"US decided eu-fra", 3})
		b.span(day+2*hour, 100, 53)
		return b
	}, []string{"foreign_sink"}},
	{"hostile_names", "names that go on with the sentence are quoted, and what does not print is escaped", testClaim, func() *book {
		b := simple()
		r := b.route(0, 100, count{"US decided eu-fra", 3})
		r.Counts[0].Sink, r.Receipts[0].Sink = "us-oci, all of them", "us-oci, all of them"
		b.gap(1, 50, 51, "nothing was \u202etsol\u202c <script>alert(1)</script>")
		b.span(day+2*hour, 103, 51)
		return b
	}, []string{"gap", "foreign_sink"}},
	{"pins_not_held", "records that were stored while the sink's pins did not hold", testClaim, func() *book {
		b := simple()
		b.pins("us-oci", false)
		b.route(1, 50, count{"US decided us-oci", 3})
		b.pins("us-oci", true)
		b.route(1, 53, count{"US decided us-oci", 3})
		b.span(day+2*hour, 100, 56)
		return b
	}, []string{"pins_not_held"}},
	{"pins_unknown", "records that were stored before any word on the sink's pins under their policy", testClaim, func() *book {
		b := simple()
		b.tellPolicy(4, testPolicy+"# the same\n")
		b.route(1, 50, count{"US decided us-oci", 3})
		b.span(day+2*hour, 100, 53)
		return b
	}, []string{"pins_unknown"}},
	{"other_place", "a receipt from another cluster than the one whose pins held", testClaim, func() *book {
		b := simple()
		r := b.route(1, 50, count{"US decided us-oci", 3})
		r.Receipts[0].Kafka.Cluster = "c-other"
		b.span(day+2*hour, 100, 53)
		return b
	}, []string{"other_place"}},
	{"unpinned", "an unpinned sink is shown, and the claim holds", testClaim, func() *book {
		b := newBook()
		b.tellPolicy(4, strings.Replace(testPolicy, "pins: {cluster_id: c-us, addresses: [10.0.0.0/8]}", "unpinned: true", 1))
		p := b.pins("us-oci", true)
		p.Unpinned, p.Checks = true, nil
		b.span(day, 0)
		b.route(0, 0, count{"US decided us-oci", 60})
		b.span(day+hour, 60)
		return b
	}, nil},
	{"not_described_country", "an entry that puts a sink into another country than its policy does", testClaim, func() *book {
		b := newBook()
		b.tellPolicy(4, strings.Replace(testPolicy, "{country: US, region: us-ashburn-1", "{country: RU, region: us-ashburn-1", 1))
		b.pins("us-oci", true)
		b.span(day, 0)
		b.route(0, 0, count{"US decided us-oci", 60})
		b.span(day+hour, 60)
		return b
	}, []string{"not_described"}},
	{"not_described_unpinned", "an entry that calls a sink pinned which its policy pins to nothing", testClaim, func() *book {
		b := newBook()
		b.tellPolicy(4, strings.Replace(testPolicy, "pins: {cluster_id: c-us, addresses: [10.0.0.0/8]}", "unpinned: true", 1))
		b.pins("us-oci", true)
		b.span(day, 0)
		b.route(0, 0, count{"US decided us-oci", 60})
		b.span(day+hour, 60)
		return b
	}, []string{"not_described"}},
	{"not_described_pins", "pins that held and are not those of the policy, or not all", testClaim, func() *book {
		b := simple()
		b.pins("us-oci", true).Checks[0].Seen = "11.0.0.1"
		b.route(0, 100, count{"US decided us-oci", 1})
		p := b.pins("us-oci", true)
		p.Checks = p.Checks[1:]
		b.route(0, 101, count{"US decided us-oci", 2})
		b.pins("us-oci", true).Place.Topic = "events.eu"
		b.route(0, 103, count{"US decided us-oci", 3}).Receipts[0].Kafka.Topic = "events.eu"
		b.stored["us-oci"] -= 3
		b.pins("us-oci", true)
		b.route(0, 106, count{"US decided us-oci", 4})
		b.span(day+2*hour, 110, 50)
		return b
	}, []string{"not_described", "not_described", "not_described"}},
	{"not_described_sink", "a sink that the policy does not have", testClaim, func() *book {
		b := newBook()
		b.tellPolicy(4, strings.Replace(testPolicy, "  us-oci:", "  us-oci2:", 1))
		b.pins("us-oci", true)
		b.span(day, 0)
		b.route(0, 0, count{"US decided us-oci", 60})
		b.span(day+hour, 60)
		return b
	}, []string{"not_described"}},
	{"left_out", "a partition that no entry tells of", testClaim, func() *book {
		b := newBook()
		b.span(day, 0, 0, 0)
		b.route(0, 0, count{"US decided us-oci", 60})
		b.span(day+hour, 60, 0, 20)
		return b
	}, []string{"left_out"}},
	{"left_out_untold", "partitions that the topic has and nothing tells of; there may be very many", testClaim, func() *book {
		b := simple()
		b.entries[len(b.entries)-1].Span.Count = 2_000_000_000
		return b
	}, []string{"left_out"}},
	{"unread_tail", "offsets that the last span tells of and no entry covers", testClaim, func() *book {
		b := simple()
		b.span(day+2*hour, 130, 50)
		return b
	}, []string{"unread_tail"}},
	{"unread_head", "offsets behind the first span that no entry covers", testClaim, func() *book {
		b := newBook()
		b.span(day, 10)
		b.route(0, 30, count{"US decided us-oci", 60})
		b.span(day+hour, 90)
		return b
	}, []string{"unread_head"}},
	{"gap", "offsets that an operator passed over", testClaim, func() *book {
		b := simple()
		b.gap(0, 100, 110, "retention was too short")
		b.route(0, 110, count{"US decided us-oci", 5})
		b.span(day+2*hour, 115, 50)
		return b
	}, []string{"gap"}},
	{"hole", "offsets between two ranges that are in no entry", testClaim, func() *book {
		b := simple()
		b.route(0, 102, count{"US decided us-oci", 5})
		b.span(day+2*hour, 107, 50)
		return b
	}, []string{"hole"}},
	{"overlap", "offsets in two ranges", testClaim, func() *book {
		b := simple()
		b.route(0, 98, count{"US decided us-oci", 5})
		b.span(day+2*hour, 103, 50)
		return b
	}, []string{"overlap"}},
	{"no_span", "a topic without a span", testClaim, func() *book {
		b := newBook()
		b.route(0, 0, count{"US decided us-oci", 5})
		return b
	}, []string{"no_span"}},
	{"not_told", "a partition with ranges of which no span tells", testClaim, func() *book {
		b := simple()
		b.route(2, 0, count{"US decided us-oci", 5})
		return b
	}, []string{"not_told"}},
	{"unreceipted", "offsets of a sink between receipts that have none", testClaim, func() *book {
		b := simple()
		b.stored["us-oci"] += 7
		b.route(0, 100, count{"US decided us-oci", 5})
		b.span(day+2*hour, 105, 50)
		return b
	}, []string{"unreceipted"}},
	{"unreceipted_elsewhere", "a hole in another sink counts too: whose the records are is not known", testClaim, func() *book {
		b := simple()
		b.stored["eu-fra"] += 7
		b.route(0, 100, count{"EEA decided eu-fra", 5})
		b.span(day+2*hour, 105, 50)
		return b
	}, []string{"unreceipted"}},
	{"unreceipted_file", "bytes of a file between receipts that have none", testClaim, func() *book {
		b := simple()
		b.route(0, 100, count{"EEA malformed us-quarantine", 5})
		b.stored["us-quarantine/0"] += 7
		b.route(0, 105, count{"EEA malformed us-quarantine", 5})
		b.span(day+2*hour, 110, 50)
		return b
	}, []string{"unreceipted"}},
	{"unreceipted_file_begins", "bytes of a file before its first receipt; a file belongs to one ledger whole", testClaim, func() *book {
		b := simple()
		b.route(0, 100, count{"EEA malformed us-quarantine", 5})
		b.route(0, 105, count{"EEA malformed us-quarantine", 5}).Receipts[0].File.Name = "events/0/2.batches"
		b.span(day+2*hour, 110, 50)
		return b
	}, []string{"unreceipted"}},
	{"receipted_twice", "offsets of a sink with two receipts", testClaim, func() *book {
		b := simple()
		b.stored["us-oci"] -= 2
		b.route(0, 100, count{"US decided us-oci", 5})
		b.span(day+2*hour, 105, 50)
		return b
	}, []string{"receipted_twice"}},
	{"replay", "what is stored once more is no part of the count", testClaim, func() *book {
		b := simple()
		b.route(1, 0, count{"US decided us-oci", 50})
		b.entries[len(b.entries)-1].Kind = ledger.KindReplay
		return b
	}, nil},
	{"replay_in_foreign_sink", "what is stored once more must lie in the claim's sinks too", testClaim, func() *book {
		b := simple()
		b.route(1, 0, count{"US decided eu-fra", 50})
		b.entries[len(b.entries)-1].Kind = ledger.KindReplay
		return b
	}, []string{"foreign_sink"}},
	{"no_geo", "a range that does not say which database its addresses were looked up in", testClaim, func() *book {
		b := simple()
		b.route(0, 100, count{"US decided us-oci", 5}).Geo = nil
		b.span(day+2*hour, 105, 50)
		return b
	}, []string{"no_geo"}},
	{"meaning_changed", "two policies of the period that mean something else", testClaim, func() *book {
		b := simple()
		b.tellPolicy(4, strings.Replace(testPolicy, "[US, PR]", "[US]", 1))
		b.pins("us-oci", true)
		b.route(0, 100, count{"US decided us-oci", 5})
		b.span(day+2*hour, 105, 50)
		return b
	}, []string{"meaning_changed"}},
	{"meaning_kept", "a new policy that means the same", testClaim, func() *book {
		b := simple()
		b.tellPolicy(4, strings.Replace(testPolicy, "[US, PR]", "[PR, US]", 1))
		b.pins("us-oci", true)
		b.route(0, 100, count{"US decided us-oci", 5})
		b.span(day+2*hour, 105, 50)
		return b
	}, nil},
	{"policy_not_named", "a policy of the period that the claim does not name", strings.Replace(testClaim, "US}", "US, policies: ["+strings.Repeat("a", 64)+"]}", 1), simple, []string{"policy_not_named"}},
	{"policy_unread", "a policy whose text is not told", testClaim, func() *book {
		b := simple()
		b.entries = b.entries[1:]
		return b
	}, []string{"policy_unread"}},
	{"not_defined", "a jurisdiction that the policy does not define; nothing is claimed of it", strings.Replace(testClaim, "US}", "USA}", 1), simple, []string{"not_defined", "nothing"}},
	{"zero_records", "no record of the subject: there is no percentage", testClaim, func() *book {
		b := newBook()
		b.span(day, 0)
		b.route(0, 0, count{"EEA decided eu-fra", 40})
		b.span(day+hour, 40)
		return b
	}, []string{"nothing"}},
	{"empty_ledger", "a ledger without entries", testClaim, func() *book { return &book{} }, []string{"nothing"}},
	{"copies", "copies without a due date, past it, and kept beyond it", testClaim + `copies:
  - {name: nightly backup, purpose: disaster recovery, expires: 2026-07-08, deletion_due: 2026-08-01}
  - {name: old mirror, purpose: migration}
  - {name: DLQ, purpose: debugging, deletion_due: 2026-06-30}
  - {name: lake, purpose: analysis, expires: 2027-01-01, deletion_due: 2026-12-01}
`, simple, []string{"no_due_date", "past_due", "kept_too_long"}},
	{"no_such_topic", "a topic of which the ledger does not tell", testClaim + "population: {topics: [events, evnets]}\n", simple, []string{"no_such_topic"}},
	{"one_topic", "other topics are named as not covered, and their receipts tile the sinks all the same", testClaim + "population: {topics: [events]}\n", func() *book {
		b := newBook()
		b.span(day, 0)
		b.spanOf("audit", day, 0)
		b.route(0, 0, count{"US decided us-oci", 10})
		b.route(0, 0, count{"US decided us-oci", 10}).Source.Topic = "audit"
		b.route(0, 10, count{"US decided us-oci", 10})
		b.span(day+hour, 20)
		return b
	}, nil},
	{"period", "a period goes from the last span before it to the first one after it, in whole entries", testClaim + "population: {from: 2026-07-01T01:30:00Z, to: 2026-07-01T02:30:00Z}\n", fourHours, nil},
	{"spans_crossed", "spans of two processes may come in another order than they looked", testClaim + "population: {from: 2026-07-01T02:30:00Z}\n", func() *book {
		b := fourHours()
		for i, e := range b.entries { // the spans of the second and third hour, and of the fourth and another look
			if e.Span != nil && e.Span.At == day+2*hour {
				b.entries[i], b.entries[i-3] = b.entries[i-3], b.entries[i]
			}
		}
		b.span(day+3*hour, 12, 0)
		return b
	}, nil},
	{"period_begins_late", "no span tells how far a partition reached when the period began", testClaim + "population: {from: 2026-06-30T00:00:00Z, to: 2026-07-01T02:00:00Z}\n", fourHours, []string{"begins_late"}},
	{"period_ends_early", "no span tells how far a partition reached when the period ended", testClaim + "population: {from: 2026-07-01T01:00:00Z, to: 2026-08-01T00:00:00Z}\n", fourHours, []string{"ends_early"}},
	{"period_over_before", "a period that ended before the first span knows of nothing, also where entries tell of what lay there", testClaim + "population: {to: 2026-06-01T00:00:00Z}\n", simple, []string{"nothing"}},
	{"topic_over_after", "a topic whose first span is later than the period is no part of it, and is named", testClaim + "population: {to: 2026-07-01T01:00:00Z}\n", func() *book {
		b := simple()
		b.spanOf("audit", day+1000*hour, 0)
		b.route(0, 0, count{"US decided eu-fra", 10}).Source.Topic = "audit"
		b.spanOf("audit", day+1001*hour, 10)
		return b
	}, nil},
	{"last_span_partial", "a last span that leaves out a partition hides how far that one has come", testClaim, func() *book {
		b := simple()
		b.span(day+2*hour, 100)
		b.entries[len(b.entries)-1].Span.Count = 2
		return b
	}, []string{"ends_early"}},
	{"span_ahead_of_its_time", "a look that is dated after the period, while later ones from inside it saw more", testClaim + "population: {to: 2026-07-01T02:00:00Z}\n", func() *book {
		b := newBook()
		b.span(day, 0)
		b.route(0, 0, count{"US decided us-oci", 60})
		b.span(day+1000*hour, 60)
		b.route(0, 60, count{"US decided eu-fra", 5})
		b.span(day+hour, 65)
		return b
	}, []string{"told_late"}},
	{"spans_crossed_at_the_end", "two processes look when the period ends, and the ledger has the later look first", testClaim + "population: {to: 2026-07-01T02:00:00Z}\n", func() *book {
		b := newBook()
		b.span(day, 0)
		b.route(0, 0, count{"US decided us-oci", 60})
		b.span(day+2*hour, 60)
		b.span(day+2*hour-1, 65)
		b.route(0, 60, count{"US decided us-oci", 5})
		return b
	}, nil},
	{"partitions_ahead_of_their_time", "a partition that a look from inside the period told of, after one that is dated behind it", testClaim + "population: {to: 2026-07-01T02:00:00Z}\n", func() *book {
		b := newBook()
		b.span(day, 0)
		b.route(0, 0, count{"US decided us-oci", 60})
		b.span(day+1000*hour, 60)
		b.route(1, 0, count{"US decided eu-fra", 5})
		b.span(day+hour, 60, 5)
		b.span(day+2*hour, 60, 5)
		return b
	}, []string{"left_out"}},
	{"made_again", "all that lies in a topic that was deleted and made again came in the ledger's time", testClaim, func() *book {
		b := newBook()
		b.span(day, 0)
		b.route(0, 0, count{"US decided us-oci", 60})
		b.span(day+hour, 60)
		for _, e := range b.entries {
			switch {
			case e.Span != nil:
				e.Span.TopicID = "11111111-0000-0000-0000-000000000000"
			case e.Range != nil:
				e.Range.Source.TopicID = "11111111-0000-0000-0000-000000000000"
			}
		}
		b.span(day+2*hour, 40)
		b.entries[len(b.entries)-1].Span.TopicID = "22222222-0000-0000-0000-000000000000"
		return b
	}, []string{"left_out"}},
	{"before_the_first_span", "what lay there before and no entry tells of is no part of the whole, and is counted", testClaim, func() *book {
		b := newBook()
		b.span(day, 40)
		b.route(0, 30, count{"US decided us-oci", 60})
		b.span(day+hour, 90)
		return b
	}, nil},
	{"offsets", "a period given by offsets grows to whole entries", testClaim + "population: {offsets: {events: {0: [15, 25], 1: [0, 0]}}}\n", fourHours, nil},
	{"offsets_left_out", "a partition that the offsets do not name", testClaim + "population: {offsets: {events: {0: [15, 25]}}}\n", fourHours, []string{"left_out"}},
	{"offsets_of_nothing", "offsets of a partition that is not there", testClaim + "population: {offsets: {events: {0: [15, 25], 1: [0, 0], 7: [0, 5]}}}\n", fourHours, []string{"left_out"}},
	{"offsets_beyond", "offsets beyond the last entry", testClaim + "population: {offsets: {events: {0: [15, 99], 1: [0, 0]}}}\n", fourHours, []string{"unread_tail"}},
}

// fourHours is a ledger with a span each hour and ten US records between two; entries are up to five records
// ahead of spans.
func fourHours() *book {
	b := newBook()
	b.span(day, 0, 0)
	for h := range int64(4) {
		b.route(0, 10*h, count{"US decided us-oci", 5})
		b.route(0, 10*h+5, count{"US decided us-oci", 5})
		if h == 3 {
			b.route(1, 0, count{"EEA decided eu-fra", 3})
		}
		b.span(day+(h+1)*hour, 10*h+7, 3*(h/3))
	}
	return b
}

func TestClaims(t *testing.T) {
	for _, tc := range claimCases {
		t.Run(tc.name, func(t *testing.T) {
			c := tc.book().judge(t, tc.claim)
			var kinds []string
			for _, f := range c.Findings {
				kinds = append(kinds, f.Kind)
			}
			if diff := cmp.Diff(tc.finds, kinds); diff != "" {
				t.Errorf("%s: findings (-want +got):\n%s", tc.rule, diff)
			}
			if c.Holds != (len(tc.finds) == 0) {
				t.Errorf("holds = %t", c.Holds)
			}
			checkSums(t, c)
			asJSON, err := c.JSON()
			if err != nil {
				t.Fatal(err)
			}
			golden(t, tc.name+".txt", append([]byte("# "+tc.rule+"\n\n"), c.Text()...))
			golden(t, tc.name+".json", asJSON)
		})
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", "claims", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s (-want +got):\n%s", name, cmp.Diff(string(want), string(got)))
	}
}

// checkSums holds the numbers of a claim against each other.
func checkSums(t *testing.T, c *Claim) {
	t.Helper()
	total := c.Total
	if total.Inside+total.Candidates+total.Anyone+total.Outside+total.Unproved+total.Doubted+total.Uncovered != total.Whole {
		t.Errorf("the parts of %+v are not the whole", total)
	}
	if total.Whole-total.Uncovered+total.Excluded+total.Others != c.Complete.Data {
		t.Errorf("%+v is not the %d records of the population", total, c.Complete.Data)
	}
	sum := uint64(0)
	for _, o := range c.Outcomes {
		sum += o.Records
	}
	if sum+total.Others != c.Complete.Data {
		t.Errorf("outcomes and others are %d records, the population has %d", sum+total.Others, c.Complete.Data)
	}
	if says := strings.HasPrefix(c.Sentence, "100 %") || total.Percent == "100.0000"; says != (total.Inside == total.Whole && total.Whole > 0) {
		t.Errorf("%q of %+v", c.Sentence, total)
	}
	if alone := strings.HasPrefix(c.Sentence, "100 %") && !strings.Contains(c.Sentence, "; "); alone && !c.Holds {
		t.Errorf("%q of a claim that does not hold: %+v", c.Sentence, c.Findings)
	}
	if c.Holds && !(c.Complete.Holds && c.Classified.Holds && c.Exclusive.Holds) || !slices.IsSortedFunc(c.Findings, func(a, b Finding) int {
		return slices.Index(predicates, a.Predicate) - slices.Index(predicates, b.Predicate)
	}) {
		t.Errorf("holds = %t with %+v", c.Holds, c.Findings)
	}
}
