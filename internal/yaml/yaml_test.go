package yaml

import (
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
		"a: 1\n---\nb: 2\n":                "f:2:1: second document",
		"a: &x 1\n":                        "f:1:4: anchor or alias",
		"a: !!str 1\n":                     "f:1:4: tag",
		"a: |\n  x\n":                      "f:1:4: block text",
		"a: x\n  y\n":                      `f:1:4: text "x y" goes on in the next line`,
		"a: 1\n\tb: 2\n":                   "f:2:1: tab",
		"a: 1\na: 2\n":                     `f:2:1: key "a" is repeated: it stands on line 1 already`,
		"a: \xff\n":                        "f:1:4: byte 0xff is not UTF-8",
		"\ufeffa: 1\n":                     "f:1:1: byte-order mark",
		"a: \u202e1\n":                     "f:1:4: character U+202E",
		"a: {b:'c'}\n":                     "f:1:6: colon without a blank behind it",
		"a: [1, 2\n":                       "f:1:",
		"null: 1\n":                        "f:1:1: key null is no text",
		strings.Repeat("[", 30):            "f:1:17: nesting deeper than 16 levels",
		strings.Repeat("a", 1<<16+1):       "f:1:1: claim is 65537 bytes long",
		strings.Repeat("a: {b: 1}\n", 100): "f:51:2: more than 100 keys",
	} {
		r := reader()
		_, _ = r.Parse([]byte(text))
		faults := r.Faults()
		if len(faults) == 0 || !strings.HasPrefix(faults[0].Error(), want) {
			t.Errorf("%.40q: %v, want %s", text, faults, want)
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

// FuzzParse looks for a text that panics, or that is neither read nor at fault.
func FuzzParse(f *testing.F) {
	for _, text := range []string{"a: [b:9092, '::1']\n", "a: \"x\\ty\" # why\nb:\n", "a: {b: [1, {c: d}]}", "- a\n- b:\n    c\n", "a: |\n  x\n"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r := reader()
		if _, ok := r.Parse(text); !ok && len(r.Faults()) == 0 {
			t.Error("neither read nor at fault")
		}
	})
}
