// Package yaml reads strict YAML: the part of the language that two readers cannot read differently. Keys and scalars
// keep the text that the source writes, every value knows its place, and nothing is hidden from the eye.
package yaml

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// maxDepth bounds nesting, far beyond what a file of demarc needs.
const maxDepth = 16

// Fault is something wrong with a file, at the key or value that is to blame.
type Fault struct {
	File    string
	Line    int // from 1
	Col     int // in characters, from 1
	Message string
}

// Error is the fault as a compiler would print it: FILE:LINE:COL: message.
func (f Fault) Error() string { return fmt.Sprintf("%s:%d:%d: %s", f.File, f.Line, f.Col, f.Message) }

// Reader reads one file and collects what is wrong with it.
type Reader struct {
	File     string // the name that faults carry
	What     string // the kind of file, for messages: policy, cases file, claim
	Needs    string // the top keys that it must have, for messages
	MaxBytes int
	MaxKeys  int  // bounds the time of the parser, which grows with the square of the keys of one mapping
	LongText bool // text may go over several lines, as a block or in quotes
	faults   []Fault
}

// Fault notes what is wrong at a place.
func (y *Reader) Fault(at Pos, format string, args ...any) {
	y.faults = append(y.faults, Fault{File: y.File, Line: at.Line, Col: at.Col, Message: fmt.Sprintf(format, args...)})
}

// Faults are all that were noted, in the order in which they stand in the text.
func (y *Reader) Faults() []Fault {
	slices.SortStableFunc(y.faults, func(a, b Fault) int {
		return Pos{a.Line, a.Col}.Compare(Pos{b.Line, b.Col})
	})
	return y.faults
}

// Kind is a value's shape.
type Kind uint8

// The shapes of values.
const (
	Null Kind = iota
	Bool
	Number
	Text
	List
	Mapping
)

// Pos is a place in a file's text.
type Pos struct{ Line, Col int }

// Compare is below 0 if p stands before q in the text, above 0 if after it.
func (p Pos) Compare(q Pos) int {
	return cmp.Or(cmp.Compare(p.Line, q.Line), cmp.Compare(p.Col, q.Col))
}

// Node is one YAML value, in the few shapes that a file may have.
type Node struct {
	Kind    Kind
	At      Pos
	Text    string // of a scalar; numbers, booleans and nulls as the source writes them
	Items   []Node
	Members []Member
}

// Member is one key of a mapping with its value. The key is its text as the source writes it, so that `NO`,
// `1` and `001` are what they look like.
type Member struct {
	Key   Node
	Value Node
}

// Describe is the node for messages: a scalar's text, else its kind.
func (n Node) Describe() string {
	switch n.Kind {
	case List:
		return "a list"
	case Mapping:
		return "a mapping"
	case Text:
		return fmt.Sprintf("%q", n.Text)
	case Number:
		return "the number " + n.Text
	case Null:
		if n.Text == "" {
			return "nothing"
		}
	}
	return n.Text
}

// Parse reads the one YAML document of the text. It refuses what two readers of YAML could read differently, or
// what hides something from the eye: anchors, tags, merge keys, directives, invisible characters.
func (y *Reader) Parse(text []byte) (Node, bool) {
	if len(text) > y.MaxBytes {
		y.Fault(Pos{1, 1}, "%s is %d bytes long: at most %d are read", y.What, len(text), y.MaxBytes)
		return Node{}, false
	}
	if !y.readableText(text) {
		return Node{}, false
	}
	tokens := lexer.Tokenize(trimLines(text))
	if !y.plainTokens(tokens) {
		return Node{}, false
	}
	tokens, ok := y.joinColons(tokens)
	if !ok {
		return Node{}, false
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		y.syntaxFault(err)
		return Node{}, false
	}
	if len(file.Docs) == 0 || file.Docs[0].Body == nil {
		y.Fault(Pos{1, 1}, "%s is empty: it needs %s", y.What, y.Needs)
		return Node{}, false
	}
	if len(file.Docs) > 1 {
		y.Fault(start(file.Docs[1]), "second document: a %s is one YAML document", y.What)
		return Node{}, false
	}
	return y.convert(file.Docs[0].Body), true
}

// readableText checks the text's encoding and refuses characters that a reader does not see or that some readers
// of YAML take for line breaks. The first one is enough: a file in another encoding has nothing else.
func (y *Reader) readableText(text []byte) bool {
	at := Pos{1, 1}
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			y.Fault(at, "byte 0x%02x is not UTF-8: save the %s as UTF-8", text[i], y.What)
			return false
		case r == '\uFEFF' && i == 0:
			y.Fault(at, "byte-order mark: save the %s as UTF-8 without one", y.What)
			return false
		case r == '\r' && !bytes.HasPrefix(text[i:], []byte("\r\n")):
			y.Fault(at, "carriage return without a line feed: save the %s with line feeds", y.What)
			return false
		case r == '\t':
			y.Fault(at, `tab: write blanks, or "\t" in double quotes`) // the parser drops it from plain text
			return false
		case r == ' ' && y.LongText && bytes.HasPrefix(bytes.TrimPrefix(text[i+1:], []byte("\r")), []byte("\n")):
			y.Fault(at, "blank at the end of the line: remove it, or write the text in double quotes on one line")
			return false
		case invisible(r):
			y.Fault(at, `character %U: write it as an escape in double quotes, such as "\u%04x"`, r, r)
			return false
		}
		i += size
		at.Col++
		if r == '\n' {
			at = Pos{at.Line + 1, 1}
		}
	}
	return true
}

// invisible reports control characters, the line breaks of YAML 1.1, byte-order marks and characters that turn the
// direction of writing.
func invisible(r rune) bool {
	switch r {
	case '\n', '\r':
		return false
	case '\u2028', '\u2029', '\uFEFF':
		return true
	}
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)
}

// trimLines drops carriage returns and blanks at the ends of lines: the lexer takes them into account wrongly when
// it counts lines and columns. No text goes over the end of a line, or there are no blanks there.
func trimLines(text []byte) string {
	var b strings.Builder
	b.Grow(len(text))
	for line := range bytes.Lines(text) {
		b.Write(bytes.TrimRight(line, " \r\n"))
		b.WriteByte('\n')
	}
	return b.String()
}

// plainTokens refuses every feature of YAML that a file does not need, and nesting that could exhaust the stack
// of a recursive parser: it runs before one does.
func (y *Reader) plainTokens(tokens token.Tokens) bool {
	before := len(y.faults)
	depth := 0 // of flow collections
	entries, line := 0, 0
	keys := 0
	block := false // the next text is that of a block
	for _, tk := range tokens {
		if tk.Position.Line != line {
			entries, line = 0, tk.Position.Line
		}
		switch tk.Type {
		case token.AnchorType, token.AliasType:
			y.Fault(position(tk), "anchor or alias %s: a %s has none, write the value out", tk.Value, y.What)
		case token.MergeKeyType:
			y.Fault(position(tk), "merge key <<: a %s has none, write the keys out", y.What)
		case token.TagType:
			y.Fault(position(tk), "tag %s: a %s has none, leave it out", tk.Value, y.What)
		case token.DirectiveType:
			y.Fault(position(tk), "directive: a %s has none, leave it out", y.What)
		case token.LiteralType, token.FoldedType:
			block = true
			if !y.LongText {
				y.Fault(position(tk), "block text %s: write the text in quotes on one line", tk.Value)
			}
		case token.MappingKeyType:
			y.Fault(position(tk), "explicit key ?: write KEY: VALUE")
		case token.MappingValueType:
			if keys++; keys > y.MaxKeys {
				y.Fault(position(tk), "more than %d keys in the %s", y.MaxKeys, y.What)
				return false
			}
		case token.MappingStartType, token.SequenceStartType:
			depth++
		case token.MappingEndType, token.SequenceEndType:
			depth--
		case token.SequenceEntryType:
			entries++
			if depth > 0 {
				y.Fault(position(tk), "list entry - inside brackets: entries there are separated by commas")
			}
		}
		if plainText(tk) || quoted(tk) {
			if !block {
				y.textToken(tk)
			}
			block = false
		}
		if depth > maxDepth || entries > maxDepth {
			y.Fault(position(tk), "nesting deeper than %d levels", maxDepth)
			return false
		}
	}
	return len(y.faults) == before
}

// textToken refuses text that the lexer takes for text though other readers of YAML do not, and, unless a
// file may have it, text over several lines, where a comma or a quote is missing more often than not.
func (y *Reader) textToken(tk *token.Token) {
	switch {
	case !y.LongText && strings.Contains(strings.TrimSpace(tk.Origin), "\n"):
		y.Fault(position(tk), "text %q goes on in the next line: write it on one line, is a comma or a quote missing?", tk.Value)
	case quoted(tk):
	case strings.Contains(tk.Value, ": "), strings.HasSuffix(tk.Value, ":"):
		y.Fault(position(tk), "text %q has a colon before a blank or at its end: write it in quotes", tk.Value)
	case tk.Value == "?", tk.Value == "-", tk.Value != "" && strings.Contains(",[]{}#&*!|>'\"%@`", tk.Value[:1]):
		y.Fault(position(tk), "text %q begins with a character that means something else in YAML: write it in quotes", tk.Value)
	}
}

// joinColons puts together what the lexer takes apart against the specification (YAML 1.2.2, 7.3.3): in a flow
// mapping it takes every colon for the one between key and value, while in `[a:9092]` and `[::1]` it is part of the
// text, since no blank follows. Where people and readers of YAML would not agree, it is a fault.
func (y *Reader) joinColons(tokens token.Tokens) (token.Tokens, bool) {
	before := len(y.faults)
	var joined token.Tokens
	for i := 0; i < len(tokens); i++ {
		colon := tokens[i]
		if colon.Type != token.MappingValueType || i+1 == len(tokens) || !adjacent(colon, tokens[i+1]) {
			joined.Add(colon)
			continue
		}
		next := tokens[i+1]
		var last *token.Token
		if n := len(joined); n > 0 && (plainText(joined[n-1]) || quoted(joined[n-1])) {
			last = joined[n-1]
		}
		switch {
		case last != nil && quoted(last): // "key":value, as JSON has it
			joined.Add(colon)
		case quoted(next), last != nil && strings.TrimRight(last.Origin, " \t\r\n") != last.Origin:
			y.Fault(position(colon), "colon without a blank behind it: write KEY: VALUE, or the whole text in quotes")
			joined.Add(colon)
		case last != nil:
			joined = joined[:len(joined)-1]
			joined.Add(token.String(last.Value+":"+next.Value, last.Origin+":"+next.Origin, last.Position))
			i++
		default:
			joined.Add(token.String(":"+next.Value, ":"+next.Origin, colon.Position))
			i++
		}
	}
	return joined, len(y.faults) == before
}

// adjacent reports whether text, plain or quoted, follows the colon without a blank.
func adjacent(colon, next *token.Token) bool {
	return (plainText(next) || quoted(next)) && next.Position.Line == colon.Position.Line &&
		next.Position.Column == colon.Position.Column+1 && strings.TrimLeft(next.Origin, " \t\r\n") == next.Origin
}

func plainText(tk *token.Token) bool {
	return tk.CharacterType == token.CharacterTypeMiscellaneous && tk.Type != token.CommentType
}

func quoted(tk *token.Token) bool { return tk.Indicator == token.QuotedScalarIndicator }

// syntaxFault reports what the parser says, where it says so.
func (y *Reader) syntaxFault(err error) {
	var located interface {
		GetToken() *token.Token
		GetMessage() string
	}
	if !errors.As(err, &located) || located.GetToken() == nil {
		y.Fault(Pos{1, 1}, "read YAML: %v", err)
		return
	}
	y.Fault(position(located.GetToken()), "read YAML: %s", located.GetMessage())
}

func position(tk *token.Token) Pos { return Pos{tk.Position.Line, tk.Position.Column} }

// start is where a value or document begins; of a mapping in block style the parser's token is its first colon.
func start(n ast.Node) Pos {
	switch n := n.(type) {
	case *ast.DocumentNode:
		if n.Start != nil {
			return position(n.Start)
		}
		if n.Body != nil {
			return start(n.Body)
		}
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return position(n.Values[0].Key.GetToken())
		}
		return position(n.Start)
	}
	if tk := n.GetToken(); tk != nil {
		return position(tk)
	}
	return Pos{1, 1}
}

// convert takes over one value of the parser's tree. A repeated key is a fault; the first one counts on.
func (y *Reader) convert(n ast.Node) Node {
	tk := n.GetToken()
	scalar := Node{At: position(tk), Text: tk.Value}
	switch n := n.(type) {
	case *ast.StringNode:
		scalar.Kind, scalar.Text = Text, n.Value
	case *ast.LiteralNode:
		scalar.Kind, scalar.Text = Text, n.Value.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		scalar.Kind = Number
	case *ast.BoolNode:
		scalar.Kind = Bool
	case *ast.NullNode:
		scalar.Kind = Null
		if tk.Type == token.ImplicitNullType {
			scalar.Text = ""
		}
	case *ast.SequenceNode:
		list := Node{Kind: List, At: position(tk)}
		for _, v := range n.Values {
			list.Items = append(list.Items, y.convert(v))
		}
		return list
	case *ast.MappingNode:
		return y.convertMapping(n)
	default:
		y.Fault(scalar.At, "read YAML: %s is not supported in a %s", n.Type(), y.What)
	}
	return scalar
}

func (y *Reader) convertMapping(n *ast.MappingNode) Node {
	mapping := Node{Kind: Mapping, At: start(n)}
	first := map[string]Pos{}
	for _, v := range n.Values {
		m := Member{Key: y.convert(v.Key), Value: y.convert(v.Value)}
		if m.Key.Kind == Null || m.Key.Kind == Bool {
			y.Fault(m.Key.At, "key %s is no text: write it in quotes", m.Key.Describe())
		}
		if m.Value.Kind == Null && m.Value.Text == "" {
			m.Value.At = m.Key.At // nothing is written there: the key is what one can see
		}
		if at, repeated := first[m.Key.Text]; repeated {
			y.Fault(m.Key.At, "key %q is repeated: it stands on line %d already", m.Key.Text, at.Line)
			continue
		}
		first[m.Key.Text] = m.Key.At
		mapping.Members = append(mapping.Members, m)
	}
	return mapping
}
