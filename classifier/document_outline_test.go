package classifier

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/demarc/demarc/internal/record"
)

// slowOutline is outline.of, a byte at a time: the places, how many quotes there are, and whether there is an outline.
func slowOutline(doc []byte) (ends []uint16, quotes int, ok bool) {
	size := len(doc) - 1
	if size < outlineBlock || size >= math.MaxUint16 || !strings.ContainsRune("}]", rune(doc[size])) {
		return nil, 0, false
	}
	for i, c := range doc[:size] {
		if c < ' ' || c >= 0x80 || c == '\\' {
			return nil, 0, false
		}
		if c == '"' {
			quotes++
			if strings.IndexByte(",}] ", doc[i+1]) >= 0 {
				ends = append(ends, uint16(i))
			}
		}
	}
	return ends, quotes, true
}

// checkOutline compares with slowOutline. That there may be too many ends is told in steps of a block.
func checkOutline(t *testing.T, doc []byte) {
	t.Helper()
	if !canOutline {
		t.Skip("this processor has none of the instructions")
	}
	var o outline
	ends, quotes, ok := slowOutline(doc)
	switch got := o.of(doc); {
	case !got && ok && len(ends) > maxEnds-2*outlineBlock:
	case got != ok:
		t.Errorf("%s has an outline: %v, want %v", strconv.QuoteToASCII(string(doc)), got, ok)
	case got && (o.quotes != quotes || !slices.Equal(o.ends[:len(ends)], ends) || int(o.ends[len(ends)]) != len(doc)):
		t.Errorf("%s\n got %d quotes, ends %v\nwant %d, %v", strconv.QuoteToASCII(string(doc)), o.quotes, o.ends[:len(ends)+1], quotes, ends)
	}
}

func TestOutline(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for n := range 400 {
		for _, alphabet := range []string{`"`, `",}] `, `"",}][{:  abc` + "\x7f\r-|~", ``} {
			doc := bytes.Repeat([]byte{'a'}, n)
			for i := range doc {
				if alphabet != "" {
					doc[i] = alphabet[r.IntN(len(alphabet))]
				}
			}
			for _, end := range []string{"}", "]", ",", `"`, " ", "\n"} {
				doc := slices.Concat(doc, []byte(end))
				checkOutline(t, doc[:len(doc):len(doc)])
			}
			if n == 0 {
				continue
			}
			for _, special := range []string{`\`, "\x00", "\x1f", "\n", "\x80", "\xff"} {
				doc := slices.Concat(doc, []byte("}"))
				doc[r.IntN(n)] = special[0]
				checkOutline(t, doc[:len(doc):len(doc)])
			}
		}
	}
	for _, n := range []int{574, 575, 576, 577, 640, 641, 5000} {
		checkOutline(t, []byte("["+strings.Repeat(`"",`, n)+strings.Repeat(`"a:`, 70)+`1]`))
		checkOutline(t, []byte("["+strings.Repeat(`"`, n)+`1]`))
	}
	for _, n := range []int{math.MaxUint16 - 1, math.MaxUint16, math.MaxUint16 + 1} {
		checkOutline(t, []byte(strings.Repeat(`a`, n-4)+`",a}`))
	}
}

func FuzzOutline(f *testing.F) {
	f.Add(realisticEvent)
	f.Add([]byte(strings.Repeat(`"}",`, 50) + "]"))
	f.Fuzz(checkOutline)
}

// checkOutlined compares the two ways through the shapes of known, for a document that has an outline.
func checkOutlined(t *testing.T, d *document, s *docScratch, doc []byte, known ...string) {
	t.Helper()
	*s = docScratch{}
	for _, k := range known {
		d.scan([]byte(k), s)
	}
	if s.shapes.root.child == nil || !s.outline.of(doc) {
		return
	}
	s.reset(d)
	reason, ok := d.scanKnown(doc, s)
	want, values := ok && reason == record.Decided, fmt.Sprintf("%q", s.values)
	s.reset(d)
	if got := d.scanOutlined(doc, s); got != want || got && fmt.Sprintf("%q", s.values) != values {
		t.Errorf("%s\n after %q\n got %v %q\nwant %v %s", strconv.QuoteToASCII(string(doc)), known, got, s.values, want, values)
	}
}

// outlinedShape has texts between its values of less than 32 bytes, of less than 64 and of more.
const outlinedShape = `{"a":"x","n":12,"o":{"t":true,"f":false,"z":null,"k":"y"},"l":["p",-1.25,"q"],` +
	`"a name of over 32 bytes, with what is around it":"v","a long name of a member, of more than two blocks of 32 bytes":"u",` +
	`"a number of a long name":7,"m":123456789012345.5,"b":"w"}`

// outlinedDocuments are of that shape, or nearly.
func outlinedDocuments() (docs []string) {
	for _, replaced := range [][]string{
		{},
		{`",`, `" ,`, `":`, `" :`, `"}`, `" }`, `"]`, `" ]`},
		{`"x"`, `"}"`, `"y"`, `","`, `"p"`, `"]"`, `"q"`, `", "`, `"v"`, `"}}"`, `"w"`, `" "`},
		{`"x"`, `""`, `"y"`, `""`, `"p"`, `""`, `"q"`, `""`, `"v"`, `""`, `"w"`, `""`},
		{`12`, `0`, `-1.25`, `-0`, `true`, `0.5`, `false`, `1e5`, `null`, `-0.25E-2`},
		{`12`, `1234567890123456`, `-1.25`, `9.000000000000001`, `true`, `9.0000000000000001`, `null`, `1234567890123456.5`},
		{`12`, `012`}, {`12`, `-012`}, {`12`, `00`}, {`12`, `12.`}, {`12`, `-`}, {`12`, `.5`}, {`12`, `1.5.5`}, {`12`, `1-2`}, {`12`, `1e`}, {`12`, `"12"`}, {`12`, ``},
		{`12`, `12 `}, {`7`, `7 `}, {`true`, `true `}, {`7`, `77777777777777777`},
		{`true`, `trua`}, {`true`, `truee`}, {`false`, `falsy`}, {`false`, `fals`}, {`null`, `nulL`}, {`null`, `true`}, {`null`, `nul`}, {`null`, `{}`}, {`null`, `"z"`},
		{`"y"`, `"y"y"`}, {`"y"`, `"y",y"`}, {`"x"`, `"x":"z"`}, {`"x"`, `"x","n":"x"`}, {`"x"`, `x`}, {`"x"`, `12`}, {`"x"`, `[]`},
		{`"n"`, `"m":1,"n"`}, {`"n":12,`, ``}, {`,"l"`, `"l"`}, {`32 bytes`, `33 bytes`}, {`around`, `beside`},
		{`"w"}`, `"w}`}, {`"w"}`, `"w"}}`}, {`"w"}`, `"w"]`}, {`"w"}`, `"w",}`}, {`"w"}`, `"w","c":1}`}, {`"w"}`, `"}`}, {`"b":"w"}`, `"b":1}`},
	} {
		docs = append(docs, strings.NewReplacer(replaced...).Replace(outlinedShape))
	}
	return docs
}

func TestScanOutlined(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	docs := outlinedDocuments()
	var s docScratch
	for _, list := range []string{"/a /o/k /l/0", "/b", "/n /o/t /l/1", "/o"} {
		d := newDocument(pointers(strings.Split(list, " ")...))
		for _, known := range docs {
			for _, doc := range docs {
				checkOutlined(t, d, &s, []byte(doc), known, outlinedShape)
			}
			for range 100 {
				checkOutlined(t, d, &s, damaged(r, []byte(known)), known, outlinedShape)
			}
		}
	}
}

// What the traffic of the benchmarks is known by is the outline.
func TestDocumentsHaveOutlines(t *testing.T) {
	if !canOutline {
		t.Skip("this processor has none of the instructions")
	}
	d, outlined, through := newDocument(pointers("/user/verified_region", "/network/ip")), 0, 0
	var s docScratch
	records := traffic(2048)
	for i := range records {
		if d.scan(records[i].Value, &s) != record.Decided {
			t.Fatal("not read")
		}
		if s.outline.of(records[i].Value) {
			outlined++
			if s.reset(d); d.scanOutlined(records[i].Value, &s) {
				through++
			}
		}
	}
	if outlined < 2040 || through < 2040 {
		t.Errorf("of 2048 documents %d have an outline and %d are known by it", outlined, through)
	}
}

func FuzzScanOutlined(f *testing.F) {
	for _, doc := range outlinedDocuments() {
		f.Add(outlinedShape, doc, "/a /o/k /l/0")
	}
	var s docScratch
	f.Fuzz(func(t *testing.T, known, doc, list string) {
		var ps [][]string
		for _, text := range strings.Split(list, " ") {
			ps = append(ps, strings.Split(text, "/")[1:])
		}
		checkOutlined(t, newDocument(ps), &s, []byte(doc), known)
	})
}
