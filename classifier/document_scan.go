package classifier

import (
	"bytes"
	"math/bits"
	"unicode/utf8"

	"github.com/demarc/demarc/internal/record"
)

// maxDepth is how many containers may be open at once.
const maxDepth = 128

// scan reads doc once and stops at the first fault in byte order. Without one it returns record.Decided, and
// s.values holds the value at each pointer. Otherwise s.values means nothing, and the fault is
//
//   - record.Unreadable at the first byte that RFC 8259 does not allow there, or at the end of doc where more
//     must follow. So a byte-order mark, a document in UTF-16 and an empty value are unreadable, and so is an
//     ASCII letter, digit, '+', '-', '.' or '_' directly after a bare number or word;
//   - record.Ambiguous at the first byte after the document that is not blank, whatever it is;
//   - record.Ambiguous at the bracket that opens level 129;
//   - at the closing quote of a key of an object on a path: record.Ambiguous if its encoding is at fault, if
//     it is a policy token of that object and was there before, or if it equals one under Unicode simple case
//     folding only;
//   - at the closing quote of a string at the end of a pointer: record.Ambiguous if its encoding is at fault;
//   - at the closing quote of any other string: record.Unreadable if it is not UTF-8.
//
// An encoding is at fault where bytes are not UTF-8 or an escape is half a surrogate pair. An object is on a
// path when the path's next token is looked up in it; a string midway on a path is an other string.
//
// A string is divided by its bytes alone: it ends at the first quote that is not part of an escape, so bytes
// that are not UTF-8 swallow nothing, and a control byte or a bad escape after them, or the end of doc, is the
// earlier fault.
//
// The cost is linear in the bytes read.
func (d *document) scan(doc []byte, s *docScratch) record.Reason {
	s.reset(d)
	if s.shapes.begin(d) {
		reason, ok := record.Decided, false
		if s.shapes.root.child != nil && s.outline.of(doc) {
			ok = d.scanOutlined(doc, s)
		} else {
			reason, ok = d.scanKnown(doc, s)
		}
		if ok {
			s.shapes.found()
			return reason
		}
		s.shapes.missed()
		s.reset(d)
	}
	reason := d.scanAny(doc, s)
	if s.shapes.tracing && reason == record.Decided {
		s.shapes.learn(doc)
	}
	return reason
}

// scanAny is scan for documents of any shape; s is reset.
//
// It is one function with labels since that keeps its state in registers; the label is where in the grammar
// it stands.
func (d *document) scanAny(doc []byte, s *docScratch) record.Reason {
	doc = doc[:len(doc):len(doc)] // load reads up to the capacity
	var (
		i, start int
		depth    int      // how many containers are open,
		in       docFrame // the innermost of them; s.around holds the others
		v        = rootNode
		reason   record.Reason
	)

value: // the value of node v follows
	if i >= len(doc) {
		return record.Unreadable
	}
	switch c := doc[i]; c {
	case '"':
		i++
		goto text

	case '{', '[':
		if depth == maxDepth {
			return record.Ambiguous
		}
		s.around[depth] = in
		depth++
		in = docFrame(c >> 5 & 1) // '{' is 0x7b, '[' is 0x5b
		if v != offPath {
			s.set(&d.nodes[v], docValue{kind: docWrongType})
			in |= docFrame(v) << 1
			if d.nodes[v].pointers != nil {
				s.shapes.tracing = false // a step cannot tell it
			}
		}
		i++
		if i < len(doc) && doc[i] <= ' ' {
			i = skipBlanks(doc, i)
		}
		if i < len(doc) && doc[i] == c+2 { // the closing bracket of the same kind
			goto closing
		}
		if in&frameObject != 0 {
			goto key
		}
		goto element

	case ' ', '\t', '\n', '\r':
		i = skipBlanks(doc, i)
		goto value

	default:
		start = i
		if i = bareEnd(doc, i); i < 0 || depth == 0 && i < len(doc) && isBare(doc[i]) {
			return record.Unreadable
		}
		if v != offPath && c != 'n' {
			s.set(&d.nodes[v], docValue{kind: docWrongType})
		}
		if s.shapes.tracing {
			s.shapes.note(start, i, v, shapeBare)
		}
		goto after
	}

text: // the string of node v goes on at doc[i]
	start, i = i, plainEnd(doc, i)
	if i < len(doc) && doc[i] == '"' {
		if v != offPath {
			s.set(&d.nodes[v], docValue{docString, doc[start:i]})
		}
	} else if i, reason = s.finishString(&d.nodes[v], doc, start, i); i < 0 {
		return reason
	}
	if s.shapes.tracing {
		s.shapes.note(start, i, v, shapeString)
	}
	i++

after: // a value ends before doc[i]
	if in&frameObject != 0 && follow(doc, i, ',', '"') {
		i += 2
		goto name
	}
	if i < len(doc) && doc[i] <= ' ' {
		i = skipBlanks(doc, i)
	}
	if depth == 0 {
		if i < len(doc) {
			return record.Ambiguous
		}
		return record.Decided
	}
	if i >= len(doc) {
		return record.Unreadable
	}
	if doc[i] == ',' {
		i++
		if in&frameObject == 0 {
			goto element
		}
		if i < len(doc) && doc[i] <= ' ' {
			i = skipBlanks(doc, i)
		}
		goto key
	}
	if doc[i] != ']'|byte(in&frameObject)<<5 {
		return record.Unreadable
	}

closing: // doc[i] closes the innermost container
	i++
	depth--
	in = s.around[depth]
	goto after

element: // an element follows
	if v = offPath; in.node() != offPath {
		v = d.element(in.node(), s)
	}
	goto value

key: // a key follows, doc[i] is not blank
	if i >= len(doc) || doc[i] != '"' {
		return record.Unreadable
	}
	i++

name: // the key goes on at doc[i]
	start, i = i, plainEnd(doc, i)
	v = offPath
	if i < len(doc) && doc[i] == '"' {
		if in.node() != offPath && d.nodes[in.node()].lengths&bits.RotateLeft64(1, i-start) != 0 {
			var ok bool
			if v, ok = s.member(&d.nodes[in.node()], doc[start:i], i-start); !ok {
				return record.Ambiguous
			}
		}
	} else if v, i, reason = s.finishKey(&d.nodes[in.node()], doc, start, i); i < 0 {
		return reason
	}
	i++
	if follow(doc, i, ':', '"') {
		i += 2
		goto text
	}
	if i < len(doc) && doc[i] <= ' ' {
		i = skipBlanks(doc, i)
	}
	if i >= len(doc) || doc[i] != ':' {
		return record.Unreadable
	}
	i++
	goto value
}

// element is the node of the element of the array at n that begins now.
func (d *document) element(n docNodeID, s *docScratch) docNodeID {
	index := s.nodes[n].elements
	s.nodes[n].elements++
	for _, e := range d.nodes[n].elements {
		if e.index == index {
			return e.node
		}
	}
	return offPath
}

// finishString reads on in a string that is the value of n, from i to its closing quote. If the string is at
// fault the place is -1.
func (s *docScratch) finishString(n *docNode, doc []byte, start, i int) (int, record.Reason) {
	end, form := stringEnd(doc, i)
	if end < 0 {
		return -1, record.Unreadable
	}
	if n.pointers == nil {
		if form&hasNonASCII != 0 && !utf8.Valid(doc[start:end]) {
			return -1, record.Unreadable
		}
		return end, record.Decided
	}
	text, ok := s.decode(doc[start:end], form)
	if !ok {
		return -1, record.Ambiguous
	}
	s.set(n, docValue{docString, text})
	return end, record.Decided
}

// finishKey reads on in a key of the object at n, from i to its closing quote, and finds the member's node. If
// the key is at fault the place is -1.
func (s *docScratch) finishKey(n *docNode, doc []byte, start, i int) (docNodeID, int, record.Reason) {
	end, form := stringEnd(doc, i)
	if end < 0 {
		return offPath, -1, record.Unreadable
	}
	if n.members == nil {
		if form&hasNonASCII != 0 && !utf8.Valid(doc[start:end]) {
			return offPath, -1, record.Unreadable
		}
		return offPath, end, record.Decided
	}
	mark := len(s.text)
	key, ok := s.decode(doc[start:end], form)
	if !ok {
		return offPath, -1, record.Ambiguous
	}
	s.text = s.text[:mark]
	v, ok := s.member(n, key, utf8.RuneCount(key))
	if !ok {
		return offPath, -1, record.Ambiguous
	}
	return v, end, record.Decided
}

// member finds the node of the member that key, of so many characters, names in the object at n, offPath if
// it is no policy token. It is false if the key repeats one or is a folded twin.
func (s *docScratch) member(n *docNode, key []byte, characters int) (docNodeID, bool) {
	found := offPath
	for i := range n.members {
		m := &n.members[i]
		switch {
		case m.characters != characters:
		case string(key) == m.name:
			found = m.node
		case key[0]|0x20 != m.name[0]|0x20 && key[0]|m.name[0] < utf8.RuneSelf: // saves the call
		case bytes.EqualFold(key, []byte(m.name)):
			return offPath, false
		}
	}
	if found != offPath {
		if s.nodes[found].seen {
			return offPath, false
		}
		s.nodes[found].seen = true
	}
	return found, true
}

// skipBlanks returns the place of the first byte from i on that is not blank.
func skipBlanks(doc []byte, i int) int {
	for i < len(doc) && (doc[i] == ' ' || doc[i] == '\n' || doc[i] == '\r' || doc[i] == '\t') {
		i++
	}
	return i
}
