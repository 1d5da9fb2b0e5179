package writer

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/demarc/demarc/ledger"
)

// follow makes the state of a log that holds some entries.
func follow(t *testing.T, entries ...ledger.Entry) *Admission {
	t.Helper()
	a := NewAdmission()
	for _, e := range append(policy(t), entries...) {
		if err := a.Follow(e); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

func via(e ledger.Entry, partition int32, offset int64) ledger.Entry {
	e.Via = &ledger.Via{Offset: offset, Partition: partition}
	return e
}

func gap(partition int32, from, to int64) ledger.Entry {
	return ledger.Entry{Kind: ledger.KindGap, Gap: &ledger.Gap{At: 1, Reason: "lost", Source: ledger.Source{
		Cluster: "src", From: from, LeaderEpoch: -1, Partition: partition, To: to, Topic: "events"}}}
}

func as(kind ledger.Kind, e ledger.Entry) ledger.Entry {
	e.Kind = kind
	return e
}

func TestJudge(t *testing.T) {
	unknown := span(t, "events", 9, 0, 5)
	unknown.Range.Policy.Version = 4
	elsewhere := span(t, "events", 9, 0, 5)
	elsewhere.Range.Receipts[0].Sink = "eu"
	recreated := span(t, "events", 0, 0, 5)
	recreated.Range.Source.TopicID = "5b2b3c0e-6a5e-4f4e-8c0a-0d3f5a6b7c8d"
	pins := policy(t)[1]
	otherText, err := ledger.PolicyEntries(3, []byte("version: 3 # another\n"))
	if err != nil {
		t.Fatal(err)
	}
	// The log covers [100, 300) of partition 0, by [100, 200) and then [200, 300) from offset 7 of the entries topic.
	for name, c := range map[string]struct {
		entry ledger.Entry
		want  Verdict
		says  string
	}{
		"goes on":                        {span(t, "events", 0, 300, 400), Accept, ""},
		"a new partition":                {span(t, "events", 1, 77, 78), Accept, ""},
		"another topic":                  {span(t, "others", 0, 0, 5), Accept, ""},
		"a topic made again":             {recreated, Accept, ""},
		"wholly below":                   {span(t, "events", 0, 150, 160), Replay, ""},
		"the last once more":             {span(t, "events", 0, 200, 300), Replay, ""},
		"below the first":                {span(t, "events", 0, 0, 50), Replay, ""},
		"a replay":                       {as(ledger.KindReplay, span(t, "events", 0, 200, 300)), Accept, ""},
		"a replay of what is not there":  {as(ledger.KindReplay, span(t, "events", 0, 250, 301)), Wait, "to 300 only"},
		"a replay of a new partition":    {as(ledger.KindReplay, span(t, "events", 1, 0, 1)), Wait, "to 0 only"},
		"above":                          {span(t, "events", 0, 310, 320), Wait, "offsets 300 to 309 are missing"},
		"over the end":                   {span(t, "events", 0, 250, 350), Refuse, "range [250, 350) of events/0 of cluster src: it overlaps the range [200, 300)"},
		"over all":                       {span(t, "events", 0, 0, 350), Refuse, "range [0, 350) of events/0"},
		"met before, below":              {via(span(t, "events", 0, 200, 300), 3, 7), Known, ""},
		"met before, waited":             {via(span(t, "events", 0, 300, 310), 3, 5), Accept, ""},
		"below, not met":                 {via(span(t, "events", 0, 200, 300), 3, 8), Replay, ""},
		"below, of another partition":    {via(span(t, "events", 0, 200, 300), 4, 1), Replay, ""},
		"an unknown policy":              {unknown, Wait, "cites policy version 4"},
		"a sink whose pins are not told": {elsewhere, Wait, `pins of sink "eu"`},
		"a gap that goes on":             {gap(0, 300, 400), Accept, ""},
		"a gap of a new partition":       {gap(1, 0, 400), Accept, ""},
		"a gap above":                    {gap(0, 301, 400), Wait, "begin the gap there"},
		"a gap below":                    {gap(0, 100, 300), Refuse, "gap [100, 300)"},
		"a gap met before":               {via(gap(0, 100, 300), 3, 7), Known, ""},
		"a gap over the end":             {gap(0, 250, 400), Refuse, "gap [250, 400)"},
		"the policy again":               {policy(t)[0], Known, ""},
		"another text of the version":    {otherText[0], Refuse, "raise the version"},
		"pins again":                     {pins, Accept, ""},
		"pins met before":                {via(pins, 3, 2), Known, ""},
	} {
		a := follow(t, span(t, "events", 0, 100, 200), via(span(t, "events", 0, 200, 300), 3, 7))
		got, err := a.Judge(c.entry)
		if got != c.want || (err != nil) != (c.want == Wait || c.want == Refuse) {
			t.Errorf("%s: %v, %v, want %v", name, got, err, c.want)
		}
		if err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %q does not say %q", name, err, c.says)
		}
		if err := a.Follow(c.entry); (err == nil) != (c.want == Accept || name == "pins met before") {
			t.Errorf("%s: Follow = %v, Judge = %v", name, err, got)
		}
	}
}

func TestGapCovers(t *testing.T) {
	a := follow(t, span(t, "events", 0, 100, 200), gap(0, 200, 250), span(t, "events", 0, 250, 260))
	if to, ok := a.Position(stream(0)); !ok || to != 260 {
		t.Errorf("position = %d, %v", to, ok)
	}
	if _, ok := a.Position(stream(1)); ok {
		t.Error("a partition that nothing was told of has a position")
	}
}

func TestPolicyInParts(t *testing.T) {
	text := "version: 9\n# " + strings.Repeat("\u00e9\x01", 20_000)
	parts, err := ledger.PolicyEntries(9, []byte(text))
	if err != nil || len(parts) < 3 {
		t.Fatalf("%d parts, %v", len(parts), err)
	}
	joined := ""
	a := NewAdmission()
	ref := ledger.PolicyRef{SHA256: parts[0].Policy.SHA256, Version: 9}
	for i, p := range parts {
		if _, err := Encode(p); err != nil {
			t.Errorf("part %d: %v", i+1, err)
		}
		joined += p.Policy.Text
		if verdict, _ := a.cites(ref); verdict != Wait {
			t.Errorf("the policy is told after %d parts", i)
		}
		if i+1 < len(parts) {
			if verdict, _ := a.Judge(parts[i+1]); verdict != Wait {
				t.Errorf("part %d before part %d: %v", i+2, i+1, verdict)
			}
		}
		if err := a.Follow(p); err != nil {
			t.Fatal(err)
		}
		if verdict, err := a.Judge(p); verdict != Known {
			t.Errorf("part %d again: %v, %v", i+1, verdict, err)
		}
	}
	if joined != text {
		t.Error("the parts are not the text")
	}
	if verdict, err := a.cites(ref); verdict != Accept {
		t.Error(err)
	}

	wrong := *parts[len(parts)-1].Policy
	wrong.Text += " "
	a = NewAdmission()
	for _, p := range parts[:len(parts)-1] {
		if err := a.Follow(p); err != nil {
			t.Fatal(err)
		}
	}
	if verdict, err := a.Judge(ledger.Entry{Kind: ledger.KindPolicy, Policy: &wrong}); verdict != Refuse {
		t.Errorf("parts with another digest: %v, %v", verdict, err)
	}
	first := *parts[0].Policy
	first.Text = "x" + first.Text
	if verdict, err := a.Judge(ledger.Entry{Kind: ledger.KindPolicy, Policy: &first}); verdict != Refuse {
		t.Errorf("another first part: %v, %v", verdict, err)
	}
	for _, bad := range []string{"", "a\xff"} {
		if _, err := ledger.PolicyEntries(1, []byte(bad)); err == nil {
			t.Errorf("ledger.PolicyEntries(%q) has no error", bad)
		}
	}
}

// Whatever writers hand in, in whatever order and however often, the accepted ranges of a partition tile.
func TestWhatIsAcceptedTiles(t *testing.T) {
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 1))
		a := follow(t)
		covered := map[int32]int64{}
		for step := range 500 {
			p := random.Int32N(3)
			from := random.Int64N(200)
			e := via(span(t, "events", p, from, from+1+random.Int64N(20)), p, random.Int64N(int64(step)+1))
			verdict, _ := a.Judge(e)
			switch verdict {
			case Replay:
				e.Kind = ledger.KindReplay
			case Accept:
				if to, begun := covered[p]; begun && from != to {
					t.Fatalf("seed %d: partition %d is covered to %d, and %d is accepted", seed, p, to, from)
				}
				covered[p] = e.Range.Source.To
			default:
				continue
			}
			if err := a.Follow(e); err != nil {
				t.Fatalf("seed %d: accepted, and not followed: %v", seed, err)
			}
			if to, ok := a.Position(stream(p)); !ok || to != covered[p] {
				t.Fatalf("seed %d: position %d, want %d", seed, to, covered[p])
			}
		}
	}
}

// A sequencer that stops anywhere and begins again at the first entry that it had not settled makes the same log.
func TestSequencerResumes(t *testing.T) {
	var topic []ledger.Entry // one partition of the entries topic, in which the second half of partition 0 comes first
	for _, r := range [][3]int64{{0, 0, 1}, {0, 50, 60}, {1, 0, 10}, {0, 1, 50}, {1, 10, 20}, {0, 20, 30}, {0, 60, 70}} {
		topic = append(topic, via(span(t, "events", int32(r[0]), r[1], r[2]), 0, int64(len(topic))))
	}
	whole, _ := sequence(t, policy(t), topic, len(topic))
	for stop := range topic {
		log, resume := sequence(t, policy(t), topic, stop)
		got, _ := sequence(t, log, topic[resume:], len(topic))
		if outline(got) != outline(whole) {
			t.Errorf("stopped before %d, resumed at %d:\n%swant\n%s", stop, resume, outline(got), outline(whole))
		}
	}
}

// sequence takes the first n entries of a topic into a log, and returns it and the first place that waits.
func sequence(t *testing.T, log, topic []ledger.Entry, n int) ([]ledger.Entry, int) {
	t.Helper()
	a := NewAdmission()
	for _, e := range log {
		if err := a.Follow(e); err != nil {
			t.Fatal(err)
		}
	}
	log = append([]ledger.Entry(nil), log...)
	var waiting []int
	for i := range topic[:min(n, len(topic))] {
		waiting = append(waiting, i)
		for again := true; again; {
			again = false
			for k := 0; k < len(waiting); k++ {
				e := topic[waiting[k]]
				verdict, err := a.Judge(e)
				switch verdict {
				case Wait:
					continue
				case Refuse:
					t.Logf("refused: %v", err)
				case Replay:
					e.Kind = ledger.KindReplay
				}
				if verdict == Accept || verdict == Replay {
					if err := a.Follow(e); err != nil {
						t.Fatal(err)
					}
					log = append(log, e)
					again = true
				}
				waiting = append(waiting[:k], waiting[k+1:]...)
				k--
			}
		}
	}
	if len(waiting) > 0 {
		return log, waiting[0]
	}
	return log, min(n, len(topic))
}

func ExampleAdmission() {
	a := NewAdmission()
	verdict, err := a.Judge(ledger.Entry{Kind: ledger.KindRange, Range: &ledger.Range{
		Policy: ledger.PolicyRef{SHA256: "ab", Version: 3}, Source: ledger.Source{Topic: "events", From: 0, To: 10}}})
	fmt.Println(verdict == Wait, err)
	// Output: true admit entry: it cites policy version 3 with digest ab, which is not in the log
}
