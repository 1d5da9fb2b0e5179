package classifier

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

// maxYAMLDepth bounds nesting; the deepest value of a policy is on level 5.
const maxYAMLDepth = 16

// yamlReader reads a file of strict YAML and collects what is wrong with it.
type yamlReader struct {
	file     string // the name that faults carry
	what     string // the kind of file, for messages: policy, cases file
	needs    string // the top keys that it must have, for messages
	maxBytes int
	maxKeys  int  // bounds the time of the parser, which grows with the square of the keys of one mapping
	longText bool // text may go over several lines, as a block or in quotes
	faults   []Fault
}

func (y *yamlReader) fault(at pos, format string, args ...any) {
	y.faults = append(y.faults, Fault{File: y.file, Line: at.line, Col: at.col, Message: fmt.Sprintf(format, args...)})
}

func (y *yamlReader) warning(at pos, format string, args ...any) {
	y.fault(at, format, args...)
	y.faults[len(y.faults)-1].Warning = true
}

// sorted is the faults in the order in which they stand in the text.
func (y *yamlReader) sorted() []Fault {
	slices.SortStableFunc(y.faults, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
	return y.faults
}

type nodeKind uint8

const (
	nullNode nodeKind = iota
	boolNode
	numberNode
	textNode
	listNode
	mappingNode
)

// pos is a place in the policy's text.
type pos struct{ line, col int }

func (p pos) after(q pos) bool { return p.line > q.line || p.line == q.line && p.col > q.col }

// node is one YAML value, in the few shapes that a policy may have.
type node struct {
	kind    nodeKind
	at      pos
	text    string // of a scalar; numbers, booleans and nulls as the source writes them
	items   []node
	members []member
}

// member is one key of a mapping with its value. The key is its text as the source writes it, so that `NO`,
// `1` and `001` are what they look like.
type member struct {
	key   node
	value node
}

// describe is the node for messages: a scalar's text, else its kind.
func (n node) describe() string {
	switch n.kind {
	case listNode:
		return "a list"
	case mappingNode:
		return "a mapping"
	case textNode:
		return fmt.Sprintf("%q", n.text)
	case numberNode:
		return "the number " + n.text
	case nullNode:
		if n.text == "" {
			return "nothing"
		}
	}
	return n.text
}

// parse reads the one YAML document of the text. It refuses what two readers of YAML could read differently, or
// what hides the policy from the eye: anchors, tags, merge keys, directives, invisible characters.
func (y *yamlReader) parse(text []byte) (node, bool) {
	if len(text) > y.maxBytes {
		y.fault(pos{1, 1}, "%s is %d bytes long: at most %d are read", y.what, len(text), y.maxBytes)
		return node{}, false
	}
	if !y.readableText(text) {
		return node{}, false
	}
	tokens := lexer.Tokenize(trimLines(text))
	if !y.plainTokens(tokens) {
		return node{}, false
	}
	tokens, ok := y.joinColons(tokens)
	if !ok {
		return node{}, false
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		y.syntaxFault(err)
		return node{}, false
	}
	if len(file.Docs) == 0 || file.Docs[0].Body == nil {
		y.fault(pos{1, 1}, "%s is empty: it needs %s", y.what, y.needs)
		return node{}, false
	}
	if len(file.Docs) > 1 {
		y.fault(start(file.Docs[1]), "second document: a %s is one YAML document", y.what)
		return node{}, false
	}
	return y.convert(file.Docs[0].Body), true
}

// readableText checks the text's encoding and refuses characters that a reader does not see or that some readers
// of YAML take for line breaks. The first one is enough: a file in another encoding has nothing else.
func (y *yamlReader) readableText(text []byte) bool {
	at := pos{1, 1}
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			y.fault(at, "byte 0x%02x is not UTF-8: save the %s as UTF-8", text[i], y.what)
			return false
		case r == '\uFEFF' && i == 0:
			y.fault(at, "byte-order mark: save the %s as UTF-8 without one", y.what)
			return false
		case r == '\r' && !bytes.HasPrefix(text[i:], []byte("\r\n")):
			y.fault(at, "carriage return without a line feed: save the %s with line feeds", y.what)
			return false
		case r == '\t':
			y.fault(at, `tab: write blanks, or "\t" in double quotes`) // the parser drops it from plain text
			return false
		case r == ' ' && y.longText && bytes.HasPrefix(bytes.TrimPrefix(text[i+1:], []byte("\r")), []byte("\n")):
			y.fault(at, "blank at the end of the line: remove it, or write the text in double quotes on one line")
			return false
		case invisible(r):
			y.fault(at, `character %U: write it as an escape in double quotes, such as "\u%04x"`, r, r)
			return false
		}
		i += size
		at.col++
		if r == '\n' {
			at = pos{at.line + 1, 1}
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

// plainTokens refuses every feature of YAML that a policy does not need, and nesting that could exhaust the stack
// of a recursive parser: it runs before one does.
func (y *yamlReader) plainTokens(tokens token.Tokens) bool {
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
			y.fault(position(tk), "anchor or alias %s: a %s has none, write the value out", tk.Value, y.what)
		case token.MergeKeyType:
			y.fault(position(tk), "merge key <<: a %s has none, write the keys out", y.what)
		case token.TagType:
			y.fault(position(tk), "tag %s: a %s has none, leave it out", tk.Value, y.what)
		case token.DirectiveType:
			y.fault(position(tk), "directive: a %s has none, leave it out", y.what)
		case token.LiteralType, token.FoldedType:
			block = true
			if !y.longText {
				y.fault(position(tk), "block text %s: write the text in quotes on one line", tk.Value)
			}
		case token.MappingKeyType:
			y.fault(position(tk), "explicit key ?: write KEY: VALUE")
		case token.MappingValueType:
			if keys++; keys > y.maxKeys {
				y.fault(position(tk), "more than %d keys in the %s", y.maxKeys, y.what)
				return false
			}
		case token.MappingStartType, token.SequenceStartType:
			depth++
		case token.MappingEndType, token.SequenceEndType:
			depth--
		case token.SequenceEntryType:
			entries++
			if depth > 0 {
				y.fault(position(tk), "list entry - inside brackets: entries there are separated by commas")
			}
		}
		if plainText(tk) || quoted(tk) {
			if !block {
				y.textToken(tk)
			}
			block = false
		}
		if depth > maxYAMLDepth || entries > maxYAMLDepth {
			y.fault(position(tk), "nesting deeper than %d levels", maxYAMLDepth)
			return false
		}
	}
	return len(y.faults) == before
}

// textToken refuses text that the lexer takes for text though other readers of YAML do not, and, in a policy, text
// over several lines, where a comma or a quote is missing more often than not.
func (y *yamlReader) textToken(tk *token.Token) {
	switch {
	case !y.longText && strings.Contains(strings.TrimSpace(tk.Origin), "\n"):
		y.fault(position(tk), "text %q goes on in the next line: write it on one line, is a comma or a quote missing?", tk.Value)
	case quoted(tk):
	case strings.Contains(tk.Value, ": "), strings.HasSuffix(tk.Value, ":"):
		y.fault(position(tk), "text %q has a colon before a blank or at its end: write it in quotes", tk.Value)
	case tk.Value == "?", tk.Value == "-", tk.Value != "" && strings.Contains(",[]{}#&*!|>'\"%@`", tk.Value[:1]):
		y.fault(position(tk), "text %q begins with a character that means something else in YAML: write it in quotes", tk.Value)
	}
}

// joinColons puts together what the lexer takes apart against the specification (YAML 1.2.2, 7.3.3): in a flow
// mapping it takes every colon for the one between key and value, while in `[a:9092]` and `[::1]` it is part of the
// text, since no blank follows. Where people and readers of YAML would not agree, it is a fault.
func (y *yamlReader) joinColons(tokens token.Tokens) (token.Tokens, bool) {
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
			y.fault(position(colon), "colon without a blank behind it: write KEY: VALUE, or the whole text in quotes")
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
func (y *yamlReader) syntaxFault(err error) {
	var located interface {
		GetToken() *token.Token
		GetMessage() string
	}
	if !errors.As(err, &located) || located.GetToken() == nil {
		y.fault(pos{1, 1}, "read YAML: %v", err)
		return
	}
	y.fault(position(located.GetToken()), "read YAML: %s", located.GetMessage())
}

func position(tk *token.Token) pos { return pos{tk.Position.Line, tk.Position.Column} }

// start is where a value or document begins; of a mapping in block style the parser's token is its first colon.
func start(n ast.Node) pos {
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
	return pos{1, 1}
}

// convert takes over one value of the parser's tree. A repeated key is a fault; the first one counts on.
func (y *yamlReader) convert(n ast.Node) node {
	tk := n.GetToken()
	scalar := node{at: position(tk), text: tk.Value}
	switch n := n.(type) {
	case *ast.StringNode:
		scalar.kind, scalar.text = textNode, n.Value
	case *ast.LiteralNode:
		scalar.kind, scalar.text = textNode, n.Value.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		scalar.kind = numberNode
	case *ast.BoolNode:
		scalar.kind = boolNode
	case *ast.NullNode:
		scalar.kind = nullNode
		if tk.Type == token.ImplicitNullType {
			scalar.text = ""
		}
	case *ast.SequenceNode:
		list := node{kind: listNode, at: position(tk)}
		for _, v := range n.Values {
			list.items = append(list.items, y.convert(v))
		}
		return list
	case *ast.MappingNode:
		return y.convertMapping(n)
	default:
		y.fault(scalar.at, "read YAML: %s is not supported in a %s", n.Type(), y.what)
	}
	return scalar
}

func (y *yamlReader) convertMapping(n *ast.MappingNode) node {
	mapping := node{kind: mappingNode, at: start(n)}
	first := map[string]pos{}
	for _, v := range n.Values {
		m := member{key: y.convert(v.Key), value: y.convert(v.Value)}
		if m.key.kind == nullNode || m.key.kind == boolNode {
			y.fault(m.key.at, "key %s is no text: write it in quotes", m.key.describe())
		}
		if m.value.kind == nullNode && m.value.text == "" {
			m.value.at = m.key.at // nothing is written there: the key is what one can see
		}
		if at, repeated := first[m.key.text]; repeated {
			y.fault(m.key.at, "key %q is repeated: it stands on line %d already", m.key.text, at.line)
			continue
		}
		first[m.key.text] = m.key.at
		mapping.members = append(mapping.members, m)
	}
	return mapping
}
