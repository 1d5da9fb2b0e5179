package yaml

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

func reader() *Reader {
	return &Reader{File: "f", What: "claim", Needs: "a and b", MaxBytes: 1 << 16, MaxKeys: 100}
}

// show writes a value so that its shape and texts are seen.
func show(n Node) string {
	var parts []string
	switch n.Kind {
	case List:
		for _, item := range n.Items {
			parts = append(parts, show(item))
		}
		return "[" + strings.Join(parts, " ") + "]"
	case Mapping:
		for _, m := range n.Members {
			parts = append(parts, m.Key.Text+":"+show(m.Value))
		}
		return "{" + strings.Join(parts, " ") + "}"
	}
	return n.Describe()
}

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"a: [b:9092, '::1']\n":              `{a:["b:9092" "::1"]}`,
		"{a: [::1], b: 10:20}":              `{a:["::1"] b:"10:20"}`,
		"a: {from: 2026-07-01T00:00:00Z}\n": `{a:{from:"2026-07-01T00:00:00Z"}}`,
		`{"a":1, "b":"c", "d":[e]}`:         `{a:the number 1 b:"c" d:["e"]}`,
		"{a: [b:9092], c: [:x, ::1], d:1}":  `{a:["b:9092"] c:[":x" "::1"] d:1:nothing}`,
		"NO: 1   \r\n001: yes\r\n":          `{NO:the number 1 001:"yes"}`,
		"a: \"x\\ty\" # why\nb:\n":          `{a:"x\ty" b:nothing}`,
		"a:\n  - b: 1\n  - true\n":          `{a:[{b:the number 1} true]}`,
	} {
		r := reader()
		n, ok := r.Parse([]byte(text))
		if !ok || len(r.Faults()) > 0 || show(n) != want {
			t.Errorf("%q = %s, %v, want %s", text, show(n), r.Faults(), want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                                 "f:1:1: claim is empty: it needs a and b",
		"# nothing\n":                      "f:1:1: claim is empty: it needs a and b",
		"a: 1\n---\nb: 2\n":                "f:2:1: second document: a claim is one YAML document",
		"a: 1\n...\nb: 2\n":                "f:3:1: second document",
		"%YAML 1.1\n---\na: 1\n":           "f:1:1: directive",
		"a: &x 1\n":                        "f:1:4: anchor or alias &",
		"a: [x, *x]\n":                     "f:1:8: anchor or alias *",
		"a: {<<: 1}\n":                     "f:1:5: merge key <<",
		"a: !!str 1\n":                     "f:1:4: tag !!str",
		"? a\n: 1\n":                       "f:1:1: explicit key ?",
		"a: |\n  x\n":                      "f:1:4: block text |",
		"a: >-\n  x\n":                     "f:1:4: block text >-",
		"a: x\n  y\n":                      `f:1:4: text "x y" goes on in the next line`,
		"a: 'x\n  y'\n":                    `f:1:4: text "x y" goes on in the next line`,
		"a: 1\n\tb: 2\n":                   "f:2:1: tab",
		"a: 1\rb: 2\n":                     "f:1:5: carriage return without a line feed",
		"a: 1\na: 2\n":                     `f:2:1: key "a" is repeated: it stands on line 1 already`,
		"a: 1\n\"a\": 2\n":                 `f:2:1: key "a" is repeated: it stands on line 1 already`,
		"a: \xff\n":                        "f:1:4: byte 0xff is not UTF-8",
		"\ufeffa: 1\n":                     "f:1:1: byte-order mark",
		"a: \ufeff1\n":                     "f:1:4: character U+FEFF",
		"a: \u202e1\n":                     "f:1:4: character U+202E",
		"a: x\u2028y\n":                    "f:1:5: character U+2028",
		"é: \x00\n":                        "f:1:4: character U+0000",
		"a: {b:'c'}\n":                     "f:1:6: colon without a blank behind it",
		"a: {b :c}\n":                      "f:1:7: colon without a blank behind it",
		"a: {b: c: d}\n":                   `f:1:8: text "c: d" has a colon before a blank or at its end`,
		"a: b: c\n":                        "f:1:4: read YAML: mapping value is not allowed in this context",
		"a: @x\n":                          "f:1:4: read YAML: '@' is a reserved character",
		"a: {b: c}}\n":                     `f:1:10: text "}" begins with a character that means something else in YAML`,
		"a: [- x]\n":                       "f:1:5: list entry - inside brackets",
		"a: [1, 2\n":                       "f:1:",
		"a: 'x\n":                          "f:1:",
		"null: 1\n":                        "f:1:1: key null is no text",
		"true: 1\n":                        "f:1:1: key true is no text",
		strings.Repeat("[", 30):            "f:1:17: nesting deeper than 16 levels",
		strings.Repeat("- ", 30):           "f:1:33: nesting deeper than 16 levels",
		strings.Repeat("a", 1<<16+1):       "f:1:1: claim is 65537 bytes long: at most 65536 are read",
		strings.Repeat("a: {b: 1}\n", 100): "f:51:2: more than 100 keys in the claim",
	} {
		r := reader()
		_, _ = r.Parse([]byte(text))
		faults := r.Faults()
		if len(faults) == 0 || !strings.HasPrefix(faults[0].Error(), want) {
			t.Errorf("%.40q: %v, want %s", text, faults, want)
		}
	}
}

// TestLongText: text may go over several lines where the reader says so, and then no blank may end a line unseen.
func TestLongText(t *testing.T) {
	for text, want := range map[string]string{
		"a: |\n  # x: 'y'\n    - z\nb: 1\n": `{a:"# x: 'y'\n  - z\n" b:the number 1}`,
		"a: >-\r\n  x\r\n  y\r\n":           `{a:"x y"}`,
		"a: 'x\n\n  y'\n":                   `{a:"x\ny"}`,
		"a: x\n  y\n":                       `{a:"x y"}`,
	} {
		r := reader()
		r.LongText = true
		n, ok := r.Parse([]byte(text))
		if !ok || len(r.Faults()) > 0 || show(n) != want {
			t.Errorf("%q = %s, %v, want %s", text, show(n), r.Faults(), want)
		}
	}
	for _, text := range []string{"a: |\n  x \n", "a: |\r\n  x \r\n"} {
		r := reader()
		r.LongText = true
		_, ok := r.Parse([]byte(text))
		want := "f:2:4: blank at the end of the line: remove it, or write the text in double quotes on one line"
		if faults := r.Faults(); ok || len(faults) != 1 || faults[0].Error() != want {
			t.Errorf("%q: %v, want %s", text, faults, want)
		}
	}
}

// TestAllFaultsAtOnce: what does not hinder reading on is told together, in the order of the text.
func TestAllFaultsAtOnce(t *testing.T) {
	for text, want := range map[string]string{
		"a: &x 1\nb: !!str 2\nc: [- 3]\n":        "f:1:4: anchor f:2:4: tag f:3:5: list",
		"a: 1\na: 2\nnull: 3\nb: {c: 1, c: 2}\n": "f:2:1: key f:3:1: key f:4:11: key",
		"a: {b:'c', d:'e'}\n":                    "f:1:6: colon f:1:13: colon",
	} {
		r := reader()
		r.Parse([]byte(text))
		var got []string
		for _, f := range r.Faults() {
			word, _, _ := strings.Cut(f.Message, " ")
			got = append(got, fmt.Sprintf("%s:%d:%d: %s", f.File, f.Line, f.Col, word))
		}
		if joined := strings.Join(got, " "); joined != want {
			t.Errorf("%q: %s, want %s", text, joined, want)
		}
	}
}

func TestFields(t *testing.T) {
	r := reader()
	n, _ := r.Parse([]byte("a: [x, x, 1]\nb: {}\nc: ''\nd: 1\ne: []\n"))
	fields, ok := r.Fields(n, "claim", "a", "b", "c", "e")
	if !ok {
		t.Fatal(r.Faults())
	}
	if texts, ok := r.TextList(fields["a"].Value, "a"); ok || len(texts) != 1 {
		t.Errorf("texts = %v", texts)
	}
	r.Mapping(fields["b"].Value, "b")
	r.Text(fields["c"].Value, "c")
	r.List(fields["e"].Value, "e")
	r.List(fields["c"].Value, "c")
	var got []string
	for _, f := range r.Faults() {
		got = append(got, f.Error())
	}
	want := []string{
		`f:1:8: a names "x" twice`, "f:1:11: entry of a is the number 1, which is no text: write it in quotes if it is meant",
		"f:2:4: b is empty: fill it in or leave it out", "f:3:4: c is empty", `f:3:4: c is "": want a list`,
		`f:4:1: unknown key "d" in claim: known are a, b, c, e`, "f:5:4: e is an empty list: fill it in or leave it out",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("faults:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestFieldsRefuse(t *testing.T) {
	r := reader()
	n, _ := r.Parse([]byte("a: x\nb:\nc: [1]\nd: {e: 1}\nf: null\ng: true\n"))
	for _, m := range n.Members {
		r.Mapping(m.Value, m.Key.Text)
		r.Text(m.Value, m.Key.Text)
	}
	r.Fields(n.Members[0].Value, "claim")
	var got []string
	for _, f := range r.Faults() {
		got = append(got, f.Error())
	}
	want := []string{
		`f:1:4: a is "x": want a mapping`, `f:1:4: claim is "x": want a mapping`,
		"f:2:1: b is nothing: want a mapping", "f:2:1: b is nothing: want text",
		"f:3:4: c is a list: want a mapping", "f:3:4: c is a list: want text",
		"f:4:4: d is a mapping: want text",
		"f:5:4: f is null: want a mapping", "f:5:4: f is null, which is no text: write it in quotes if it is meant",
		"f:6:4: g is true: want a mapping", "f:6:4: g is true, which is no text: write it in quotes if it is meant",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("faults:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// FuzzParse looks for a text that panics, that is neither read nor at fault, or whose faults stand out of order or
// outside the text.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"a: [b:9092, '::1']\n", "a: \"x\\ty\" # why\nb:\n", "a: {b: [1, {c: d}]}", "- a\n- b:\n    c\n", "a: |\n  x\n", "a: 'x\n\n  y'\nb: &c 1\nb: 2\n",
	} {
		f.Add([]byte(text), true)
		f.Add([]byte(text), false)
	}
	f.Fuzz(func(t *testing.T, text []byte, long bool) {
		r := reader()
		r.LongText = long
		if _, ok := r.Parse(text); !ok && len(r.Faults()) == 0 {
			t.Error("neither read nor at fault")
		}
		last, lines := Pos{1, 1}, 1+bytes.Count(text, []byte("\n"))
		for _, fault := range r.Faults() {
			at := Pos{fault.Line, fault.Col}
			if at.Compare(last) < 0 || at.Line > lines {
				t.Errorf("%s: after %v, in a text of %d lines", fault, last, lines)
			}
			last = at
		}
	})
}
