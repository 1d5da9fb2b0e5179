package ledger

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// maxInteger is the greatest integer that every JSON reader holds exactly (RFC 8785, section 3.2.2.3).
const maxInteger = 1<<53 - 1

// maxDepth is how deep an entry nests: entry, body, list element, place.
const maxDepth = 8

// cursor reads canonical JSON (RFC 8785) of a known shape from left to right. It accepts canonical bytes only, so
// that an entry has one encoding: no blanks, keys in order, integers and strings in their one form. The first error
// stays; after it every read returns zero values and the position stands still.
type cursor struct {
	text  []byte
	at    int
	where [maxDepth]step // from 1 to depth
	depth int
	err   error
}

// step is a key, and the index where the key's value is a list that is being read.
type step struct {
	key   string
	index int // -1: no list
}

func (c *cursor) path() string {
	var b []byte
	for _, s := range c.where[1 : c.depth+1] {
		if s.key == "" {
			break
		}
		if len(b) > 0 {
			b = append(b, '.')
		}
		b = append(b, s.key...)
		if s.index >= 0 {
			b = append(b, '[')
			b = strconv.AppendInt(b, int64(s.index), 10)
			b = append(b, ']')
		}
	}
	if len(b) == 0 {
		return "entry"
	}
	return string(b)
}

// fail keeps the first error, under the name of the field that is being read.
func (c *cursor) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf("%s: %s", c.path(), fmt.Sprintf(format, args...))
	}
}

// next is the byte to be read, 0 at the end or after an error.
func (c *cursor) next() byte {
	if c.err != nil || c.at >= len(c.text) {
		return 0
	}
	return c.text[c.at]
}

func (c *cursor) want(b byte) {
	if c.next() != b {
		c.fail("byte %d: want %q", c.at, b)
		return
	}
	c.at++
}

// open enters an object.
func (c *cursor) open() {
	c.want('{')
	if c.depth+1 == maxDepth {
		c.fail("byte %d: nests too deep", c.at)
	}
	if c.err == nil {
		c.depth++
		c.where[c.depth] = step{index: -1}
	}
}

// close leaves an object, which holds no more keys.
func (c *cursor) close() {
	if c.next() == ',' {
		c.at++
		c.where[c.depth] = step{}
		c.fail("key %s does not belong here", c.peekKey())
	}
	c.want('}')
	if c.err == nil {
		c.where[c.depth] = step{}
		c.depth--
	}
}

// key reads a key that must come next. Keys stand in the order of RFC 8785, each once.
func (c *cursor) key(name string) {
	if !c.optional(name) && c.err == nil {
		if c.next() == ',' {
			c.at++
		}
		c.where[c.depth] = step{}
		c.fail("key %q is missing: key %s is in its place", name, c.peekKey())
	}
}

// optional reads a key that may come next, and reports whether it did.
func (c *cursor) optional(name string) bool {
	if c.err != nil {
		return false
	}
	rest := c.text[c.at:]
	if c.text[c.at-1] != '{' {
		if len(rest) == 0 || rest[0] != ',' {
			return false
		}
		rest = rest[1:]
	}
	if len(rest) < len(name)+3 || rest[0] != '"' || string(rest[1:1+len(name)]) != name ||
		rest[1+len(name)] != '"' || rest[2+len(name)] != ':' {
		return false
	}
	c.at = len(c.text) - len(rest) + len(name) + 3
	c.where[c.depth] = step{key: name, index: -1}
	return true
}

// peekKey quotes what stands where a key should, for messages.
func (c *cursor) peekKey() string {
	rest := c.text[c.at:]
	if len(rest) > 1 && rest[0] == '"' {
		if end := bytes.IndexByte(rest[1:], '"'); end >= 0 && end <= 64 {
			return strconv.Quote(string(rest[1 : 1+end]))
		}
	}
	return "(none)"
}

// list reads a list, calling element once for each.
func (c *cursor) list(element func()) {
	c.want('[')
	if c.next() == ']' {
		c.at++
		return
	}
	for i := 0; c.err == nil; i++ {
		c.where[c.depth].index = i
		element()
		if c.next() != ',' {
			break
		}
		c.at++
	}
	c.want(']')
	if c.err == nil {
		c.where[c.depth].index = -1
	}
}

// integer reads an integer in [low, high], which lies within +-maxInteger.
func (c *cursor) integer(low, high int64) int64 {
	if c.err != nil {
		return 0
	}
	start := c.at
	if c.next() == '-' {
		c.at++
	}
	digits := c.at
	n := int64(0)
	for c.at < len(c.text) && '0' <= c.text[c.at] && c.text[c.at] <= '9' && c.at-digits < 17 {
		n = n*10 + int64(c.text[c.at]-'0')
		c.at++
	}
	switch count := c.at - digits; {
	case count == 0:
		c.fail("byte %d: want an integer", start)
		return 0
	case c.text[digits] == '0' && (count > 1 || digits > start):
		c.fail("byte %d: the integer has a needless zero or sign", start)
		return 0
	}
	if digits > start {
		n = -n
	}
	if n < low || n > high {
		c.fail("is %d, want %d to %d", n, low, high)
		return 0
	}
	return n
}

func (c *cursor) boolean() bool {
	for _, word := range []string{"true", "false"} {
		if c.err == nil && len(c.text)-c.at >= len(word) && string(c.text[c.at:c.at+len(word)]) == word {
			c.at += len(word)
			return word == "true"
		}
	}
	c.fail("byte %d: want true or false", c.at)
	return false
}

// str reads a string in its one canonical form: escaped are the quotation mark, the backslash and the bytes below
// a blank, and these by their short escape where JSON has one.
func (c *cursor) str() string {
	c.want('"')
	start := c.at
	for c.err == nil && c.at < len(c.text) {
		switch b := c.text[c.at]; {
		case b == '"':
			c.at++
			return c.utf8(c.text[start : c.at-1])
		case b == '\\':
			return c.escaped(start)
		case b < ' ':
			c.fail("byte %d: a control byte must be escaped", c.at)
		default:
			c.at++
		}
	}
	c.fail("byte %d: the string has no end", c.at)
	return ""
}

// escaped goes on with a string at its first escape.
func (c *cursor) escaped(start int) string {
	text := append(make([]byte, 0, c.at-start+64), c.text[start:c.at]...)
	for c.err == nil && c.at < len(c.text) {
		switch b := c.text[c.at]; {
		case b == '"':
			c.at++
			return c.utf8(text)
		case b == '\\':
			plain, length := unescape(c.text[c.at:])
			if length == 0 {
				c.fail("byte %d: not an escape of RFC 8785", c.at)
			}
			text = append(text, plain)
			c.at += length
		case b < ' ':
			c.fail("byte %d: a control byte must be escaped", c.at)
		default:
			text = append(text, b)
			c.at++
		}
	}
	c.fail("byte %d: the string has no end", c.at)
	return ""
}

func (c *cursor) utf8(text []byte) string {
	if !utf8.Valid(text) {
		c.fail("the string is not UTF-8")
		return ""
	}
	return string(text)
}

// unescape reads the escape that text begins with. The length is 0 if it is none of RFC 8785, section 3.2.2.2.
func unescape(text []byte) (plain byte, length int) {
	if len(text) < 2 {
		return 0, 0
	}
	switch text[1] {
	case '"', '\\':
		return text[1], 2
	case 'b':
		return '\b', 2
	case 't':
		return '\t', 2
	case 'n':
		return '\n', 2
	case 'f':
		return '\f', 2
	case 'r':
		return '\r', 2
	}
	const hex = "0123456789abcdef"
	if len(text) < 6 || string(text[1:5]) != "u000" && string(text[1:5]) != "u001" {
		return 0, 0
	}
	low := bytes.IndexByte([]byte(hex), text[5])
	if low < 0 {
		return 0, 0
	}
	plain = (text[4]-'0')<<4 | byte(low)
	switch plain {
	case '\b', '\t', '\n', '\f', '\r':
		return 0, 0 // these have a short escape
	}
	return plain, 6
}
