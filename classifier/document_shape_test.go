package classifier

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/demarc/demarc/internal/record"
)

// known reports whether doc leads through the shapes that s remembers.
func known(d *document, s *docScratch, doc string) bool {
	s.reset(d)
	_, ok := d.scanKnown([]byte(doc), s)
	return ok
}

func TestShapesAreKnownAgain(t *testing.T) {
	d := newDocument(pointers("/a", "/o/k", "/l/1"))
	var s docScratch
	one := `{"a":"x","o":{"k":"y","n":1,"a member of a longer name than a step compares at once":null},"l":["p","q"]} `
	for _, c := range []struct {
		doc  string
		want bool
	}{
		{one, true},
		{strings.NewReplacer("x", "", "y", "a longer text with \u00e9 and \\u0041", "1", "-2.5e3", "null", "true", `"p"`, `"`+strings.Repeat("p", 100)+`"`).Replace(one), true},
		{strings.Replace(one, `"x"`, `null`, 1), false}, // a word is no text
		{strings.Replace(one, `1`, `"1"`, 1), false},
		{strings.Replace(one, `"p",`, ``, 1), false},
		{strings.Replace(one, `"p",`, `"p","p",`, 1), false},
		{strings.Replace(one, `"o":`, `"O":`, 1), false},
		{strings.Replace(one, `"n":`, `"\u006e":`, 1), false},
		{strings.Replace(one, `compares`, `Compares`, 1), false},
		{strings.Replace(one, `,"n"`, `, "n"`, 1), false},
		{strings.TrimSpace(one), false},
		{one + "1", false},
		{one[:len(one)-2], false},
		{``, false},
	} {
		s = docScratch{}
		if d.scan([]byte(one), &s) != record.Decided {
			t.Fatal("not read")
		}
		if got := known(d, &s, c.doc); got != c.want {
			t.Errorf("%s is known: %v", c.doc, got)
		}
		if reason := d.scan([]byte(c.doc), &s); reason == record.Decided && !known(d, &s, c.doc) {
			t.Errorf("%s is not known after it was read", c.doc)
		}
	}
}

// What one document was refused for, none of its shape is let off.
func TestShapesOfRefusedDocuments(t *testing.T) {
	d := newDocument(pointers("/a"))
	for _, doc := range []string{`{"a":"x","a":"y"}`, `{"a":"x","A":"y"}`, `{"a":"x"}}`, `{"a":"x",}`, "{\"\xff\":1}", strings.Repeat("[", 129) + "1" + strings.Repeat("]", 129)} {
		var s docScratch
		for range 3 {
			if d.scan([]byte(doc), &s) == record.Decided {
				t.Fatalf("%.40q is read", doc)
			}
		}
		if s.shapes.steps > 0 {
			t.Errorf("%.40q is remembered", doc)
		}
	}
}

// A place where a pointer ends may hold a container, which no step tells of.
func TestShapesWithContainersAtPointers(t *testing.T) {
	d := newDocument(pointers("/a", "/a/b"))
	var s docScratch
	for range 3 {
		for doc, want := range map[string]string{`{"a":{"b":"x"}}`: `wrong type, "x"`, `{"a":[]}`: "wrong type, absent", `{"a":"x"}`: `"x", absent`, `{"a":1}`: "wrong type, absent", `{"a":null}`: "absent, absent"} {
			if got := outcome(d.scan([]byte(doc), &s), s.values); got != want {
				t.Errorf("%s = %s, want %s", doc, got, want)
			}
		}
	}
}

// Documents that have nothing in common neither fill the memory nor are traced for ever, and what follows them is
// known again.
func TestShapesAreForgotten(t *testing.T) {
	d := newDocument(pointers("/last"))
	var s docScratch
	most, traced := 0, 0
	const n = 20_000
	for i := range n {
		doc := fmt.Sprintf(`{"%032d":1,"%d":["a",%d],"last":"x"}`, i, i, i)
		if got := outcome(d.scan([]byte(doc), &s), s.values); got != `"x"` {
			t.Fatalf("%s = %s", doc, got)
		}
		most = max(most, s.shapes.steps)
		if s.shapes.tracing {
			traced++
		}
		if s.shapes.steps > maxSteps || s.shapes.texts > maxTexts {
			t.Fatalf("%d steps with %d bytes", s.shapes.steps, s.shapes.texts)
		}
	}
	if most == 0 || traced > n/restDocuments*maxCredit+maxCredit {
		t.Errorf("%d of %d documents were traced, of up to %d steps", traced, n, most)
	}
	doc := []byte(`{"a":[1,2,3],"last":"y"}`)
	for range restDocuments + 2 {
		if got := outcome(d.scan(doc, &s), s.values); got != `"y"` {
			t.Fatalf("%s = %s", doc, got)
		}
	}
	if !known(d, &s, string(doc)) {
		t.Error("a document that came thousands of times is not known")
	}
}

// A tree that odd documents have filled makes room for others, also while some documents are found in it. Documents
// that it has no room for are not traced.
func TestShapesMakeRoom(t *testing.T) {
	d := newDocument(pointers("/a"))
	var s docScratch
	for i := range maxBranches {
		d.scan(fmt.Appendf(nil, `{"id%d":1}`, i), &s)
	}
	usual, traced := `{"a":"x","b":1}`, 0
	for range worthDocuments {
		d.scan([]byte(`{"id3":7}`), &s)
		if got := outcome(d.scan([]byte(usual), &s), s.values); got != `"x"` {
			t.Fatalf("%s = %s", usual, got)
		}
		if s.shapes.tracing {
			traced++
		}
	}
	if !known(d, &s, usual) || traced != 2 {
		t.Errorf("half of the documents are known: %v, after %d were traced, want 2", known(d, &s, usual), traced)
	}
}

// Two policies that take turns on one scratch do not make it learn for ever.
func TestShapesOfTurns(t *testing.T) {
	one, two := newDocument(pointers("/a")), newDocument(pointers("/b"))
	var s docScratch
	traced := 0
	for range 1000 {
		for _, d := range []*document{one, two} {
			d.scan([]byte(`{"a":1,"b":2}`), &s)
			if s.shapes.tracing {
				traced++
			}
		}
	}
	if traced != 1 {
		t.Errorf("%d documents were traced, want the first", traced)
	}
}

func TestShapesHaveBounds(t *testing.T) {
	var s docScratch
	d := newDocument(pointers("/0"))
	long := `["x"` + strings.Repeat(",1", 2*maxValues) + "]"
	for range 3 {
		if got := outcome(d.scan([]byte(long), &s), s.values); got != `"x"` {
			t.Fatalf("a long document = %s", got)
		}
	}
	if s.shapes.steps != 0 {
		t.Errorf("%d steps of a document of more than %d values", s.shapes.steps, maxValues)
	}
	first := 0
	for i := range 2 * maxBranches {
		s.shapes.credit, s.shapes.full = maxCredit, false
		d.scan(fmt.Appendf(nil, `["x",{"%d":1}]`, i), &s)
	}
	for c := s.shapes.root.child.child; c != nil; c = c.sibling {
		first++
	}
	if first != maxBranches {
		t.Errorf("%d ways on from one value", first)
	}
	texts := strings.Repeat("k", maxTexts/3)
	for i := range 5 {
		s.shapes.credit, s.shapes.full = maxCredit, false
		doc := fmt.Appendf(nil, `{"%d%s":"x"}`, i, texts)
		if d.scan(doc, &s) != record.Decided {
			t.Fatal("not read")
		}
	}
	if s.shapes.texts > maxTexts || s.shapes.texts < maxTexts/2 {
		t.Errorf("%d bytes of texts", s.shapes.texts)
	}
	s = docScratch{}
	r := rand.New(rand.NewPCG(1, 2))
	for range 100 { // which lead apart after few values, and have a hundred
		s.shapes.credit, s.shapes.full = maxCredit, false
		doc := []byte(`["x"`)
		for range 100 {
			doc = append(append(doc, strings.Repeat(" ", r.IntN(maxBranches))...), ",1"...)
		}
		if d.scan(append(doc, ']'), &s) != record.Decided {
			t.Fatal("not read")
		}
	}
	if s.shapes.steps != maxSteps {
		t.Errorf("%d steps, want %d", s.shapes.steps, maxSteps)
	}
}

// The traffic of the benchmarks is of few shapes.
func TestShapesOfTraffic(t *testing.T) {
	d := newDocument(pointers("/user/verified_region", "/network/ip"))
	var s docScratch
	missed := 0
	records := traffic(2048)
	for i := range records {
		if !known(d, &s, string(records[i].Value)) {
			missed++
		}
		if d.scan(records[i].Value, &s) != record.Decided {
			t.Fatal("not read")
		}
	}
	if missed > 20 {
		t.Errorf("%d of %d documents were of no known shape", missed, len(records))
	}
}
