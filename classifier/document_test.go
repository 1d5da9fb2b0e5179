package classifier

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/demarc/demarc/internal/record"
)

// pointers splits JSON pointers into unescaped tokens.
func pointers(texts ...string) [][]string {
	var all [][]string
	for _, text := range texts {
		tokens := strings.Split(text, "/")[1:]
		for i, t := range tokens {
			tokens[i] = strings.ReplaceAll(strings.ReplaceAll(t, "~1", "/"), "~0", "~")
		}
		all = append(all, tokens)
	}
	return all
}

// scanned scans doc, cut to its exact size, and writes the outcome as one line: the reason, or what each
// pointer's value is. It does so twice, since the second time doc may be of a known shape; known are scanned before.
func scanned(d *document, doc string, known ...string) string {
	var s docScratch
	for _, k := range known {
		d.scan([]byte(k), &s)
	}
	exact := make([]byte, len(doc))
	copy(exact, doc)
	first := outcome(d.scan(exact, &s), s.values)
	if second := outcome(d.scan(exact, &s), s.values); second != first {
		return first + ", and the second time " + second
	}
	return first
}

func outcome(r record.Reason, values []docValue) string {
	if r != record.Decided {
		return r.String()
	}
	var parts []string
	for _, v := range values {
		switch v.kind {
		case docAbsent:
			parts = append(parts, "absent")
		case docString:
			parts = append(parts, strconv.QuoteToASCII(string(v.text)))
		case docWrongType:
			parts = append(parts, "wrong type")
		}
	}
	return strings.Join(parts, ", ")
}

type scanCase struct{ pointers, doc, want string }

func runScanCases(t *testing.T, cases []scanCase) {
	t.Helper()
	for _, c := range cases {
		d := newDocument(pointers(strings.Split(c.pointers, " ")...))
		if got := scanned(d, c.doc); got != c.want {
			t.Errorf("%s of %s\n got %s\nwant %s", c.pointers, strconv.QuoteToASCII(c.doc), got, c.want)
		}
	}
}

func TestScanRepeatedKeys(t *testing.T) {
	runScanCases(t, []scanCase{
		{"/a", `{"a":"x","a":"x"}`, "ambiguous"},
		{"/a", `{"a":null,"b":1,"a":"x"}`, "ambiguous"},
		{"/a", `{"a":"x","\u0061":"y"}`, "ambiguous"},
		{"/a", `{"\u0061":"x","a":"y"}`, "ambiguous"},
		{"/a/b", `{"a":{"b":"x"},"a":1}`, "ambiguous"},
		{"/a/b", `{"a":{"b":"x","b":"y"}}`, "ambiguous"},
		{"/a/b/c/d", `{"a":{"b":{"c":{"d":"x"},"c":{}}}}`, "ambiguous"},
		{"/a/0/b", `{"a":[{"b":"x","b":"y"}]}`, "ambiguous"},
		{"/a/1/b", `{"a":[{"b":"x","b":"y"},{"b":"z"}]}`, `"z"`},
		{"/a/0/b /a/1/b", `{"a":[{"b":"x"},{"b":"z"}]}`, `"x", "z"`},
		{"/0", `{"0":"x","0":"y"}`, "ambiguous"},
		{"/", `{"":"x","":"y"}`, "ambiguous"},

		{"/a", `{"b":1,"b":2,"a":"x"}`, `"x"`},
		{"/a", `{"b":{"a":1,"a":2},"a":"x"}`, `"x"`},
		{"/a/b", `{"b":1,"b":2,"a":{"a":1,"a":1,"b":"x"}}`, `"x"`},
		{"/a", `{"a":{"a":1,"a":2}}`, "wrong type"},
		{"/a", `{"a":"x","a":"y",`, "ambiguous"}, // the repeated key comes before the end
		{"/a", `{"a":"x","a`, "unreadable"},
	})
}

func TestScanFoldedTwins(t *testing.T) {
	runScanCases(t, []scanCase{
		{"/user", `{"User":"x"}`, "ambiguous"},
		{"/user", `{"user":"x","USER":"y"}`, "ambiguous"},
		{"/user", `{"USER":"y","user":"x"}`, "ambiguous"},
		{"/user", `{"u\u0053er":"x"}`, "ambiguous"},
		{"/user/id", `{"user":{"id":"x","Id":1}}`, "ambiguous"},
		{"/k", `{"` + "\u212a" + `":1}`, "ambiguous"}, // KELVIN SIGN
		{"/k", `{"\u212a":1}`, "ambiguous"},
		{"/\u212a", `{"K":1}`, "ambiguous"},
		{"/\u212a", `{"\u212a":"x"}`, `"x"`},
		{"/s", `{"` + "\u017f" + `":1}`, "ambiguous"}, // LATIN SMALL LETTER LONG S
		{"/class", `{"cla` + "\u017f\u017f" + `":1}`, "ambiguous"},
		{"/\u03c3", `{"` + "\u03c2" + `":1}`, "ambiguous"}, // small sigma, final sigma
		{"/\u03c3", `{"` + "\u03a3" + `":1}`, "ambiguous"}, // capital sigma
		{"/\u03c3", `{"` + "\u03c3" + `":"x"}`, `"x"`},
		{"/straße", `{"STRASSE":1,"straße":"x"}`, `"x"`}, // full folding, not simple
		{"/straße", `{"STRA\u1e9eE":1}`, "ambiguous"},
		{"/i", `{"` + "\u0130\":1,\"\u0131" + `":1}`, "absent"}, // dotted and dotless i fold to themselves
		{"/1", `{"\u0661":1,"１":1}`, "absent"},
		{"/a_b", "{\"a\x7fb\":1,\"a?b\":1}", "absent"}, // 0x20 apart, no letters
		{"/a[", `{"a{":1,"a[":"x"}`, `"x"`},
		{"/a", `{"b":{"A":1}}`, "absent"},
		{"/a", `{"a":{"A":1}}`, "wrong type"},
		{"/a/b", `{"B":1,"a":{"A":2}}`, "absent"},
		{"/a /A", `{"a":1}`, "ambiguous"}, // a policy with both is refused elsewhere
	})
}

func TestScanKeysMatchByteForByte(t *testing.T) {
	long := strings.Repeat("k", 64)
	runScanCases(t, []scanCase{
		{"/a~1b /m~0n", `{"a/b":"x","m~n":"y"}`, `"x", "y"`},
		{"/a", `{"\u0061":"x"}`, `"x"`},
		{"/a\"b", `{"a\"b":"x"}`, `"x"`},
		{"/\U0001f600", `{"\ud83d\ude00":"x"}`, `"x"`},
		{"/\u00e9", `{"e\u0301":"x"}`, "absent"}, // no normalisation
		{"/\u00e9", `{"` + "\u00e9" + `":"x"}`, `"x"`},
		{"/a", `{"a\u0000":"x"}`, "absent"},
		{"/ab", `{"a":"x","abc":"y"}`, "absent"},
		{"/" + long, `{"":1,"` + long + `":"x"}`, `"x"`}, // lengths that share a bit
		{"/", `{"` + long + `":1,"":"x"}`, `"x"`},
	})
}

func TestScanTrailingBytes(t *testing.T) {
	d := newDocument(pointers("/a"))
	for _, whole := range []string{`{}`, `[]`, `"x"`, `{"a":[1]}`, " true", "null ", "1", "-0.5e-1 "} {
		for _, rest := range []string{"{", "}", "]", ",", ":", `"`, "\x00", "\xff", "\xef\xbb\xbf", " x", "\n1", "\t{}", "/", "'"} {
			if got := scanned(d, whole+rest); got != "ambiguous" {
				t.Errorf("%q = %s, want ambiguous", whole+rest, got)
			}
		}
		if got := scanned(d, " \n"+whole+" \r\n\t"); got == "ambiguous" || got == "unreadable" {
			t.Errorf("%q between blanks is %s", whole, got)
		}
	}
	for _, bare := range []string{"true", "false", "null", "0", "12", "-1", "1.5", "1e5", "-0.5e-1"} {
		for _, rest := range []string{"a", "z", "A", "Z", "+", "-", "_", "true", ".x"} {
			if got := scanned(d, bare+rest); got != "unreadable" {
				t.Errorf("%q = %s, want unreadable", bare+rest, got)
			}
		}
	}
}

func TestScanUnreadable(t *testing.T) {
	d := newDocument(pointers("/a", "/b/0"))
	for _, doc := range []string{
		"", " ", "\t\r\n ", "\x00", "\x0c{}",
		"\xef\xbb\xbf{}", "\xfe\xff\x00{\x00}", "\xff\xfe{\x00}\x00", "{\x00}\x00", "\x00{\x00}", "\x00\x00\x00{", // marks, UTF-16, UTF-32
		"{", "[", `{"a"`, `{"a":`, `{"a":"x"`, `{"a":"x",`, "[1", "[1,", `"a`, `"`, "-", "t", "tru",
		"{]", "[}", "[1}", `{"a":1]`, "}", "]", ",", ":", "[,]", "[1,]", "[,1]", `{,}`, `{"a":1,}`, `{"a",}`, `{"a":}`, `{:1}`, "[1 2]", `["a" "b"]`, `{"a":1 "b":2}`, `{"a"::1}`,
		"{a:1}", "{'a':1}", "{1:1}", "{null:1}", "[NaN]", "[Infinity]", "[undefined]", "True", "nULL",
		"//\n{}", "/**/{}", "[1/**/]", "#\n{}",
		"01", "-01", "1.", ".5", "+1", "1e", "1e+", "1.e1", "0x10", "--1", "[1.2.3]", "[1a]", "[0e]", "[-]", "[\xef\xbc\x91]",
		`"\x"`, `"\u12"`, `"\u12g4"`, `"\u+123"`, `"\U0041"`, `"\'"`, `"\"`, `"\`, `"\u`, `"\u004`, "\"\\\n\"",
		"\"\x00\"", "\"\x1f\"", "\"\t\"", "\"\n\"", "{\"a\x01\":1}", "{\"c\":{\"a\x01\":1}}",
		"[\u00a0]", "[\u2028]", "[1\x0b]",
	} {
		if got := scanned(d, doc); got != "unreadable" {
			t.Errorf("%q = %s, want unreadable", doc, got)
		}
	}
}

func TestScanEncoding(t *testing.T) {
	for _, bad := range []string{"\xff", "\x80", "\xc3", "\xc0\xaf", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "x\xf0\x9f\x98"} {
		runScanCases(t, []scanCase{
			{"/a", `{"a":"` + bad + `"}`, "ambiguous"},
			{"/a", `{"a":"\n` + bad + `\n"}`, "ambiguous"},
			{"/a", `{"` + bad + `":1}`, "ambiguous"},
			{"/a/b", `{"a":{"` + bad + `":1}}`, "ambiguous"},
			{"/0/b", `[{"` + bad + `":1}]`, "ambiguous"},
			{"/a/0", `{"a":{"` + bad + `":1}}`, "ambiguous"},
			{"/a/b", `{"b":{"` + bad + `":1}}`, "unreadable"},
			{"/a", `{"a":{"` + bad + `":1}}`, "unreadable"},
			{"/a", `{"b":"` + bad + `"}`, "unreadable"},
			{"/a", `{"a":["` + bad + `"]}`, "unreadable"},
			{"/a/b", `{"a":"` + bad + `"}`, "unreadable"}, // midway
			{"/1", `["` + bad + `","x"]`, "unreadable"},
			{"/a", `["` + bad + `"]`, "unreadable"},
			{"/a", `{"a":"` + bad + `\x"}`, "unreadable"}, // the bad escape comes before the closing quote
			{"/a", `{"a":"` + bad + "\x01" + `"}`, "unreadable"},
			{"/a", `{"a":"` + bad, "unreadable"},
			{"/a", `{"a":"` + bad + `"`, "ambiguous"},
			{"/a", `{"a":"` + bad + `"x`, "ambiguous"},
			{"/a", `{"` + bad + `"`, "ambiguous"},
			{"/a", `["` + bad, "unreadable"},
		})
	}
	for _, half := range []string{`\ud800`, `\udbff`, `\udc00`, `\uDFFF`, `\ud800x`, `\ud800\n`, `\ud800\u0041`, `\ud800\ud800\udc00`, `\udc00\ud800`, `\ud83d\ude00\ud83d`} {
		runScanCases(t, []scanCase{
			{"/a", `{"a":"` + half + `"}`, "ambiguous"},
			{"/a", `{"` + half + `":1}`, "ambiguous"},
			{"/a/b", `{"a":{"` + half + `":1}}`, "ambiguous"},
			{"/a/b", `{"b":{"` + half + `":"` + half + `"},"a":{"b":"x"}}`, `"x"`},
			{"/a", `{"b":"` + half + `","a":"x"}`, `"x"`},
			{"/a", `{"a":{"` + half + `":1}}`, "wrong type"},
			{"/a/b", `{"a":"` + half + `"}`, "absent"},
			{"/a", `{"a":"` + half + `\x"}`, "unreadable"},
			{"/a", `{"a":"` + half + "\xff" + `"}`, "ambiguous"},
			{"/a", `{"b":"` + half + "\xff" + `"}`, "unreadable"},
		})
	}
	runScanCases(t, []scanCase{ // a byte that begins a longer character swallows neither quote nor backslash
		{"/a", "{\"a\":\"\xe2\",\"b\":\"x\"}", "ambiguous"},
		{"/a", "{\"a\":\"\xe2\\\"\"}", "ambiguous"},
		{"/b", "{\"a\":\"\xe2\\\"\",\"b\":\"x\"}", "unreadable"},
		{"/a", "{\"a\":\"\xf0\"}", "ambiguous"},
	})
}

func TestScanFirstFaultWins(t *testing.T) {
	runScanCases(t, []scanCase{
		{"/a", "{\"A\":1,\"b\":\"\xff\"}", "ambiguous"},
		{"/a", "{\"b\":\"\xff\",\"A\":1}", "unreadable"},
		{"/a", `{"a":1,"a"}`, "ambiguous"},
		{"/a", `{"a":1 "a":2}`, "unreadable"},
		{"/a", `{"A` + "\x01" + `":1}`, "unreadable"},
		{"/a", "{\"a\":01,\"A\":1}", "unreadable"},
		{"/a", "{}x\xff", "ambiguous"},
		{"/a", strings.Repeat("[", 129) + "x", "ambiguous"},
		{"/a", strings.Repeat("[", 128) + "x", "unreadable"},
		{"/a", strings.Repeat("[", 128) + "1[", "unreadable"},
	})
}

func TestScanValues(t *testing.T) {
	runScanCases(t, []scanCase{
		{"/a", `{}`, "absent"},
		{"/a", `{"a":null}`, "absent"},
		{"/a", `{"a":""}`, `""`},
		{"/a", `{"a":"DE"}`, `"DE"`},
		{"/a", ` { "b" : 1 , "a" : "DE" } `, `"DE"`},
		{"/a", `{"a":"\u0044\u0045"}`, `"DE"`},
		{"/a", `{"a":"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00` + "\u00e9" + `"}`, `"\"\\/\b\f\n\r\t\u00e9\U0001f600\u00e9"`},
		{"/a", `{"a":"\u0000"}`, `"\x00"`},
		{"/a", `{"a":"\uFFFD` + "\ufffd" + `"}`, `"\ufffd\ufffd"`},
		{"/a", `{"a":0}`, "wrong type"},
		{"/a", `{"a":-1.5e3}`, "wrong type"},
		{"/a", `{"a":true}`, "wrong type"},
		{"/a", `{"a":false}`, "wrong type"},
		{"/a", `{"a":{}}`, "wrong type"},
		{"/a", `{"a":[]}`, "wrong type"},
		{"/a", `{"a":["x"]}`, "wrong type"},
		{"", `"x"`, `"x"`},
		{"", `null`, "absent"},
		{"", ` 1 `, "wrong type"},
		{"", `{"":"x"}`, "wrong type"},
		{" /a /a /a/b", `{"a":{"b":"x"}}`, `wrong type, wrong type, wrong type, "x"`},
		{"/a/b/c /a/b /a", `{"a":{"b":{"c":"x"}}}`, `"x", wrong type, wrong type`},
		{"/a/b /a/c /a/b", `{"a":{"c":"\u0079","b":"\u0078"}}`, `"x", "y", "x"`},

		// A path that meets a scalar, null, or an array without the index.
		{"/a/b", `{"a":"x"}`, "absent"},
		{"/a/b", `{"a":1}`, "absent"},
		{"/a/b", `{"a":null}`, "absent"},
		{"/a/b", `{"a":[{"b":"x"}]}`, "absent"},
		{"/a", `"x"`, "absent"},
		{"/a", `["a"]`, "absent"},

		// Array indices.
		{"/0", `["x","y"]`, `"x"`},
		{"/1", `["x","y"]`, `"y"`},
		{"/2", `["x","y"]`, "absent"},
		{"/-", `["x","y"]`, "absent"},
		{"/01", `["x","y"]`, "absent"},
		{"/+1", `["x","y"]`, "absent"},
		{"/-0", `["x","y"]`, "absent"},
		{"/", `["x","y"]`, "absent"},
		{"/18446744073709551616", `["x","y"]`, "absent"},
		{"/18446744073709551617", `["x","y"]`, "absent"},
		{"/10", `[0,1,2,3,4,5,6,7,8,9,"x"]`, `"x"`},
		{"/1/0 /0/1 /1", `[["a","b"],["c","d"],"e"]`, `"c", "b", wrong type`},
		{"/0 /-", `{"0":"x","-":"y"}`, `"x", "y"`},
		{"/1/a", `[{"a":"x"},{"a":"y"},{"a":"z"}]`, `"y"`},
		{"/1/1/1", `[[["x"]],[0,[1,"y"],2],3]`, `"y"`},
	})
}

// A scratch that moves on to another document or another policy keeps nothing of the last one.
func TestScanReusesScratch(t *testing.T) {
	one, two := newDocument(pointers("/a", "/b", "/c/0")), newDocument(pointers("/b"))
	var s docScratch
	for range 2 {
		for _, c := range []struct {
			d         *document
			doc, want string
		}{
			{one, `{"a":"\u0078","b":"\u0079","c":["\u007a"]}`, `"x", "y", "z"`},
			{one, `{"a":"x","a":"y"}`, "ambiguous"},
			{one, `{"a":"x"}`, `"x", absent, absent`},
			{one, `[`, "unreadable"},
			{two, `{"b":"x"}`, `"x"`},
			{one, `{}`, "absent, absent, absent"},
		} {
			if got := outcome(c.d.scan([]byte(c.doc), &s), s.values); got != c.want {
				t.Errorf("%s = %s, want %s", c.doc, got, c.want)
			}
		}
	}
}

func TestScanDepth(t *testing.T) {
	none, deep := newDocument(nil), newDocument([][]string{strings.Split(strings.Repeat("0", 127), "")})
	for _, c := range []struct {
		name, doc string
		want      record.Reason
	}{
		{"128 arrays", strings.Repeat("[", 128) + strings.Repeat("]", 128), record.Decided},
		{"129 arrays", strings.Repeat("[", 129) + strings.Repeat("]", 129), record.Ambiguous},
		{"128 objects", strings.Repeat(`{"0":`, 127) + "{" + strings.Repeat("}", 128), record.Decided},
		{"129 objects", strings.Repeat(`{"0":`, 128) + "{" + strings.Repeat("}", 129), record.Ambiguous},
		{"128 mixed, again and again", "[" + strings.Repeat(strings.Repeat(`[{"0":`, 63)+"[]"+strings.Repeat("}]", 63)+",", 9) + "0]", record.Decided},
		{"closed as the other kind", strings.Repeat(`[{"0":`, 64) + "0" + strings.Repeat("}]", 63) + "]}", record.Unreadable},
		{"500 nested arrays", strings.Repeat("[", 500) + strings.Repeat("]", 500), record.Ambiguous},
		{"a hundred thousand brackets", strings.Repeat("[", 100000), record.Ambiguous},
		{"128 brackets and no more", strings.Repeat("[", 128), record.Unreadable},
	} {
		var s docScratch
		if got := none.scan([]byte(c.doc), &s); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
		if got := deep.scan([]byte(c.doc), &s); got != c.want {
			t.Errorf("%s, on a path: %v, want %v", c.name, got, c.want)
		}
	}
	at := func(depth int) string {
		return scanned(newDocument([][]string{strings.Split(strings.Repeat("a", depth), "")}),
			strings.Repeat(`{"a":`, depth)+`"x"`+strings.Repeat("}", depth))
	}
	if got := at(128); got != `"x"` {
		t.Errorf("string in 128 objects = %s", got)
	}
	if got := at(129); got != "ambiguous" {
		t.Errorf("string in 129 objects = %s", got)
	}
}

// TestScanSuite runs testdata/json/suite.txt; where a path leads does not change what is well-formed.
func TestScanSuite(t *testing.T) {
	text, err := os.ReadFile("testdata/json/suite.txt")
	if err != nil {
		t.Fatal(err)
	}
	cases := 0
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		verb, rest, _ := strings.Cut(line, " ")
		name, literal, _ := strings.Cut(rest, " ")
		times := 1
		if n, unit, ok := strings.Cut(literal, " * "); ok && literal[0] >= '1' && literal[0] <= '9' {
			literal = unit
			if times, err = strconv.Atoi(n); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		doc, err := strconv.Unquote(literal)
		if err != nil || (verb != "read" && verb != "refuse") {
			t.Fatalf("%q: %v", line, err)
		}
		doc = strings.Repeat(doc, times)
		cases++
		for _, ps := range [][][]string{nil, pointers(""), pointers("/none", "/7")} {
			if ps != nil && verb == "read" && strings.Contains(name, "surrogate") {
				continue // half a pair is a fault or not, depending on where paths lead
			}
			if got := scanned(newDocument(ps), doc); (got != "ambiguous" && got != "unreadable") != (verb == "read") {
				t.Errorf("%s with %d pointers: %s", line, len(ps), got)
			}
		}
	}
	if cases != 317 {
		t.Errorf("%d cases, want 317", cases)
	}
}

// Every length of string, with every byte that needs care at every place in it, at every alignment in its
// word, as key and as value, up to the last byte of the slice and between bytes that are not the document's.
func TestScanStringsByteByByte(t *testing.T) {
	text, member := pointers(""), pointers("/k")
	ofText, ofMember := newDocument(text), newDocument(member)
	lengths := []int{110} // past the longest steps
	for n := range 71 {
		lengths = append(lengths, n)
	}
	for _, length := range lengths {
		for pos := range length + 1 {
			for _, special := range []string{"", `"`, `\`, `\"`, `\\`, `\u0041`, `\ud800`, "\x00", "\x1f", "\x7f", "\x80", "\xff", "\u00e9", "\u4e16", "\U0001f600", "\n"} {
				b := strings.Repeat("x", pos) + special + strings.Repeat("y", length-pos)
				for _, doc := range []string{`"` + b + `"`, `"` + b} {
					checkAgainstNaive(t, ofText, text, []byte(doc), `""`)
				}
				for _, doc := range []string{
					`{"k":"` + b + `"}`,
					`{"n":"` + b + `","k":"v"}`,
					`{"` + b + `":1,"k":"v"}`,
					`{"n":{"` + b + `":"v"}}`,
				} {
					checkAgainstNaive(t, ofMember, member, []byte(doc), `{"k":""}`, `{"n":"","k":""}`)
				}
			}
			if t.Failed() {
				t.Fatalf("at length %d, place %d", length, pos)
			}
		}
	}
}

// A scan never sees what lies around its slice.
func TestScanStaysInSlice(t *testing.T) {
	d := newDocument(pointers("/k"))
	whole := []byte(`{"a":"bcdefgh","n":[1.5e10,true,null],"k":"\u0041 text"} `)
	for _, filler := range []byte{'"', '\\', '}', ' ', '0', 0x00, 0x80} {
		for lead := range 9 {
			for length := range len(whole) + 1 {
				around := bytes.Repeat([]byte{filler}, lead+length+80)
				copy(around[lead:], whole[:length])
				var s docScratch
				got := outcome(d.scan(around[lead:lead+length], &s), s.values)
				want := "unreadable"
				if length >= len(whole)-1 {
					want = `"A text"`
				}
				if got != want {
					t.Fatalf("first %d bytes between %q: %s, want %s", length, filler, got, want)
				}
			}
		}
	}
}

func TestScanDoesNotAllocate(t *testing.T) {
	d := newDocument(pointers("/user/verified_region", "/network/ip", "/items/1/sku", "/note"))
	var s docScratch
	for _, doc := range []string{
		string(realisticEvent),
		`{"note":"\u0041\n","\u006eetwork":{"ip":"\u0031"},"élan":"\ud83d\ude00"}`,
		`{"note":"a","note":"b"}`,
		`{"note":"` + "\xff" + `"}`,
		`{"note"`,
		strings.Repeat("[", 1000),
	} {
		b := []byte(doc)
		if n := testing.AllocsPerRun(100, func() { d.scan(b, &s) }); n != 0 {
			t.Errorf("%.40q: %v allocations", doc, n)
		}
	}
}

func TestNewDocumentDoesNotKeepPointers(t *testing.T) {
	ps := pointers("/a/b")
	d := newDocument(ps)
	ps[0][0] = "c"
	if got := scanned(d, `{"a":{"b":"x"}}`); got != `"x"` {
		t.Error(fmt.Sprint("after the caller changed its tokens: ", got))
	}
}
