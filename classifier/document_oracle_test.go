package classifier

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/demarc/demarc/internal/record"
)

// naive reads a document as the rules are written: by recursion, byte by byte, each path as the tokens that
// remain of it. It shares nothing with the scanner but the types of its answer.
type naive struct {
	doc    []byte
	pos    int
	values []docValue
}

type naivePath struct {
	pointer int
	rest    []string
}

type naiveFault record.Reason

func naiveScan(ps [][]string, doc []byte) (reason record.Reason, values []docValue) {
	n := &naive{doc: doc, values: make([]docValue, len(ps))}
	defer func() {
		if fault := recover(); fault != nil {
			reason, values = record.Reason(fault.(naiveFault)), nil
		}
	}()
	var paths []naivePath
	for i, p := range ps {
		paths = append(paths, naivePath{i, p})
	}
	n.blanks()
	bare := !strings.ContainsRune(`"{[`, rune(n.peek()))
	n.value(paths, 0)
	if c := rune(n.peek()); bare && n.pos < len(doc) && c < utf8.RuneSelf && (unicode.IsLetter(c) || unicode.IsDigit(c) || strings.ContainsRune("+-._", c)) {
		n.unreadable()
	}
	n.blanks()
	if n.pos < len(doc) {
		n.ambiguous()
	}
	return record.Decided, n.values
}

func (n *naive) unreadable() { panic(naiveFault(record.Unreadable)) }
func (n *naive) ambiguous()  { panic(naiveFault(record.Ambiguous)) }

// peek is the next byte, 0 at the end; 0 is nowhere lawful.
func (n *naive) peek() byte {
	if n.pos < len(n.doc) {
		return n.doc[n.pos]
	}
	return 0
}

func (n *naive) take() byte {
	c := n.peek()
	if n.pos >= len(n.doc) {
		n.unreadable()
	}
	n.pos++
	return c
}

func (n *naive) expect(word string) {
	for i := range len(word) {
		if n.take() != word[i] {
			n.unreadable()
		}
	}
}

func (n *naive) blanks() {
	for n.pos < len(n.doc) && strings.IndexByte(" \t\r\n", n.doc[n.pos]) >= 0 {
		n.pos++
	}
}

// value reads a value that has depth containers around it and that paths lead to.
func (n *naive) value(paths []naivePath, depth int) {
	wrongType := func() {
		for _, p := range paths {
			if len(p.rest) == 0 {
				n.values[p.pointer] = docValue{kind: docWrongType}
			}
		}
	}
	switch c := n.peek(); {
	case c == '"':
		text, utf8OK, pairsOK := n.string()
		read := slices.ContainsFunc(paths, func(p naivePath) bool { return len(p.rest) == 0 })
		if read && (!utf8OK || !pairsOK) {
			n.ambiguous()
		}
		if !utf8OK {
			n.unreadable()
		}
		for _, p := range paths {
			if len(p.rest) == 0 {
				n.values[p.pointer] = docValue{docString, []byte(text)}
			}
		}
	case c == '{' || c == '[':
		if depth == 128 {
			n.ambiguous()
		}
		wrongType()
		if c == '{' {
			n.object(paths, depth+1)
		} else {
			n.array(paths, depth+1)
		}
	case c == 't':
		n.expect("true")
		wrongType()
	case c == 'f':
		n.expect("false")
		wrongType()
	case c == 'n':
		n.expect("null")
	default:
		n.number()
		wrongType()
	}
}

func (n *naive) object(paths []naivePath, depth int) {
	n.expect("{")
	tokens := map[string]bool{} // looked up here; true once seen
	for _, p := range paths {
		if len(p.rest) > 0 {
			tokens[p.rest[0]] = false
		}
	}
	n.blanks()
	if n.peek() == '}' {
		n.take()
		return
	}
	for {
		n.blanks()
		if n.peek() != '"' {
			n.unreadable()
		}
		key, utf8OK, pairsOK := n.string()
		if len(tokens) > 0 && (!utf8OK || !pairsOK) {
			n.ambiguous()
		}
		if !utf8OK {
			n.unreadable()
		}
		for token, seen := range tokens {
			if (key == token && seen) || (key != token && naiveFold(key) == naiveFold(token)) {
				n.ambiguous()
			}
		}
		if _, ok := tokens[key]; ok {
			tokens[key] = true
		}
		n.blanks()
		n.expect(":")
		n.blanks()
		n.value(naiveStep(paths, key), depth)
		n.blanks()
		switch n.take() {
		case ',':
		case '}':
			return
		default:
			n.unreadable()
		}
	}
}

func (n *naive) array(paths []naivePath, depth int) {
	n.expect("[")
	n.blanks()
	if n.peek() == ']' {
		n.take()
		return
	}
	for i := 0; ; i++ {
		n.blanks()
		n.value(naiveStep(paths, fmt.Sprint(i)), depth)
		n.blanks()
		switch n.take() {
		case ',':
		case ']':
			return
		default:
			n.unreadable()
		}
	}
}

// naiveStep is what remains of the paths whose next token is token.
func naiveStep(paths []naivePath, token string) []naivePath {
	var on []naivePath
	for _, p := range paths {
		if len(p.rest) > 0 && p.rest[0] == token {
			on = append(on, naivePath{p.pointer, p.rest[1:]})
		}
	}
	return on
}

// naiveFold maps each character to the least one that it folds to or from.
func naiveFold(s string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			least = min(least, f)
		}
		return least
	}, s)
}

// string reads a string literal and says whether its bytes are UTF-8 and its surrogates come in pairs.
func (n *naive) string() (text string, utf8OK, pairsOK bool) {
	n.expect(`"`)
	var b []byte
	var units []rune // the escaped code units since the last byte that was no \u escape
	utf8OK, pairsOK = true, true
	flush := func() {
		for len(units) > 0 {
			u := units[0]
			switch high, pair := u >= 0xd800 && u < 0xdc00, len(units) > 1 && units[1] >= 0xdc00 && units[1] < 0xe000; {
			case high && pair:
				b = utf8.AppendRune(b, 0x10000+(u-0xd800)<<10+(units[1]-0xdc00))
				units = units[1:]
			case high || u >= 0xdc00 && u < 0xe000:
				pairsOK = false
			default:
				b = utf8.AppendRune(b, u)
			}
			units = units[1:]
		}
	}
	for {
		c := n.take()
		if c == '\\' { // an escape between the bytes of a character does not make them one
			utf8OK = utf8OK && utf8.Valid(b)
		}
		if c == '\\' && n.peek() == 'u' {
			n.take()
			digits := string([]byte{n.take(), n.take(), n.take(), n.take()})
			u, err := strconv.ParseUint(digits, 16, 16)
			if err != nil {
				n.unreadable()
			}
			units = append(units, rune(u))
			continue
		}
		flush()
		switch {
		case c == '"':
			return string(b), utf8OK && utf8.Valid(b), pairsOK
		case c < 0x20:
			n.unreadable()
		case c == '\\':
			i := strings.IndexByte(`"\/bfnrt`, n.take())
			if i < 0 {
				n.unreadable()
			}
			b = append(b, "\"\\/\b\f\n\r\t"[i])
		default:
			b = append(b, c)
		}
	}
}

func (n *naive) number() {
	digits := func() {
		if c := n.take(); c < '0' || c > '9' {
			n.unreadable()
		}
		for n.peek() >= '0' && n.peek() <= '9' {
			n.take()
		}
	}
	if n.peek() == '-' {
		n.take()
	}
	if n.peek() == '0' {
		n.take()
		if n.peek() >= '0' && n.peek() <= '9' {
			n.unreadable()
		}
	} else {
		digits()
	}
	if n.peek() == '.' {
		n.take()
		digits()
	}
	if n.peek() == 'e' || n.peek() == 'E' {
		n.take()
		if n.peek() == '+' || n.peek() == '-' {
			n.take()
		}
		digits()
	}
}

// checkAgainstNaive compares scan with the naive reader and, for well-formedness, with encoding/json, which
// lets bytes pass that are no UTF-8. (The stricter encoding/json/jsontext needs GOEXPERIMENT=jsonv2 in Go 1.26.)
// known are scanned before.
func checkAgainstNaive(t *testing.T, d *document, ps [][]string, doc []byte, known ...string) {
	t.Helper()
	got := scanned(d, string(doc), known...)
	if want := outcome(naiveScan(ps, doc)); got != want {
		t.Errorf("%q of %s\n got %s\nwant %s", ps, strconv.QuoteToASCII(string(doc)), got, want)
	}
	valid := json.Valid(doc) && utf8.Valid(doc)
	var wrong bool
	switch got {
	case "unreadable":
		wrong = valid
	case "ambiguous": // without paths: bytes that follow, or too deep
		wrong = valid && ps == nil && strings.Count(string(doc), "[")+strings.Count(string(doc), "{") <= 128
	default:
		wrong = !valid
	}
	if wrong {
		t.Errorf("%q of %s: %s, encoding/json says %v", ps, strconv.QuoteToASCII(string(doc)), got, valid)
	}
}

var (
	naiveTokens  = []string{"a", "A", "k", "s", "0", "1", "01", "", "\u03c3", "ab", "\u212a"}
	naiveKeys    = []string{"a", "a", "A", `\u0061`, "k", "K", "\u212a", `\u212A`, "s", "\u017f", "0", "1", "", "\u03c3", "\u03c2", "ab", "aB", "other", "ünïcode", `\ud800`, "\xff", "a much longer key"}
	naiveStrings = []string{"", "x", "DE", "a longer string, past a word", "é\u4e16\U0001f600", `\n\u0041\ud83d\ude00`, `\ud800`, `\udc00\ud800`, "\xff", "\xe2\x82", `\x`, "\x01", `"`, `\`}
	naiveBare    = []string{"0", "-1", "12.5e+3", "true", "false", "null", "01", "1.", "nul", "NaN", "1e400"}
	naiveBlanks  = []string{"", "", "", "", " ", "\n\t", "\r\n        ", "\x0b", "/**/"}
	naiveStray   = "{}[]\",:\\ \n\x00\x80\xffae019-.tn"
)

// naiveDocument writes a document that is mostly lawful and often repeats itself.
func naiveDocument(r *rand.Rand, depth int) string {
	pick := func(list []string) string { return list[min(r.IntN(len(list)), r.IntN(len(list)+3))] }
	blank := func() string { return pick(naiveBlanks[:len(naiveBlanks)-r.IntN(3)]) }
	var b strings.Builder
	b.WriteString(blank())
	switch kind := r.IntN(10); {
	case depth == 0 || kind < 3:
		b.WriteString(`"` + pick(naiveStrings) + `"`)
	case kind < 4:
		b.WriteString(pick(naiveBare))
	case kind < 8:
		for i := range r.IntN(4) {
			b.WriteString([]string{"{", ","}[min(i, 1)] + blank() + `"` + pick(naiveKeys) + `"` + blank() + ":" + naiveDocument(r, depth-1))
		}
		if b.Len() == 0 || !strings.Contains(b.String(), "{") {
			b.WriteString("{")
		}
		b.WriteString("}")
	default:
		b.WriteString("[")
		for i := range r.IntN(4) {
			b.WriteString([]string{"", ","}[min(i, 1)] + naiveDocument(r, depth-1))
		}
		b.WriteString("]")
	}
	b.WriteString(blank())
	return b.String()
}

// damaged changes a byte of doc, puts one in, or takes one or two out.
func damaged(r *rand.Rand, doc []byte) []byte {
	switch at := r.IntN(len(doc)); r.IntN(3) {
	case 0:
		doc[at] = naiveStray[r.IntN(len(naiveStray))]
	case 1:
		doc = slices.Insert(doc, at, naiveStray[r.IntN(len(naiveStray))])
	case 2:
		doc = slices.Delete(doc, at, min(at+1+r.IntN(2), len(doc)))
	}
	return doc
}

func TestScanAgreesWithNaive(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	outcomes := map[string]int{}
	for range 200_000 {
		var ps [][]string
		for range r.IntN(4) {
			var tokens []string
			for range r.IntN(4) {
				tokens = append(tokens, naiveTokens[r.IntN(len(naiveTokens))])
			}
			ps = append(ps, tokens)
		}
		whole := naiveDocument(r, 4)
		doc := []byte(whole)
		for r.IntN(3) == 0 && len(doc) > 0 {
			doc = damaged(r, doc)
		}
		d := newDocument(ps)
		checkAgainstNaive(t, d, ps, doc, whole, naiveDocument(r, 4))
		if t.Failed() {
			return
		}
		kind, _, _ := strings.Cut(scanned(d, string(doc)), " ")
		if strings.HasPrefix(kind, `"`) {
			kind = "string"
		}
		outcomes[strings.TrimSuffix(kind, ",")]++
	}
	for _, kind := range []string{"ambiguous", "unreadable", "absent", "wrong", "string"} {
		if outcomes[kind] < 1000 {
			t.Errorf("the documents hardly meet %q: %v", kind, outcomes)
		}
	}
}

func FuzzScan(f *testing.F) {
	for _, doc := range []string{
		`{"a":{"k":"x"},"s":["y"]}`, `{"a":1,"\u0061":2}`, `[{"a":"\ud83d\ude00"},"é"]`, `{"K":"\ud800"}`, "{\"a\":\"\xe2\"}", "  true", "-0.5e+10 ", `"` + strings.Repeat("x", 20) + `"`, strings.Repeat("[", 130),
	} {
		f.Add([]byte(doc), doc, "/a/k /s/0 /0/a")
		f.Add([]byte(doc), `{"a":{"k":""},"s":[""]}`, "")
	}
	f.Fuzz(func(t *testing.T, doc []byte, known, list string) {
		var ps [][]string
		for _, text := range strings.Split(list, " ") {
			ps = append(ps, strings.Split(text, "/")[1:])
		}
		if !utf8.ValidString(list) {
			ps = nil
		}
		checkAgainstNaive(t, newDocument(ps), ps, doc, known)
		checkAgainstNaive(t, newDocument(nil), nil, doc, known)
	})
}
