package classifier

import (
	"bytes"
	"math"
)

// outline is what one pass with wide registers tells of a document that is printable ASCII without a backslash, so that
// each quote begins or ends a string: where those quotes stand that a comma, a closing bracket or a space follows, and
// how many quotes there are. The former end the strings that are values, since nothing else may follow those; a few
// others begin a string that begins with such a byte, or end a key.
//
// With it the way through a known shape does not have to find the end of one value to look for that of the next: the
// processor is at many of them at once.
type outline struct {
	ends   [maxEnds + 1]uint16 // behind the last one stands the length of the document, where no step leads on
	quotes int
}

// maxEnds leaves room for the values of a document that is learned, and for a block more.
const maxEnds = maxValues + 2*outlineBlock

// outlineBlock is how many bytes are looked at in one step, and the least that there have to be.
const outlineBlock = 64

// of makes the outline of doc and reports whether it has one: it is as said above, ends with a bracket, and is neither
// short nor longer than places can tell.
func (o *outline) of(doc []byte) bool {
	size := len(doc) - 1
	if !canOutline || size < outlineBlock || size >= math.MaxUint16 || doc[size] != '}' && doc[size] != ']' {
		return false
	}
	n, quotes := outlineAVX2(&doc[0], size, &o.ends[0])
	if n < 0 {
		return false
	}
	o.ends[n], o.quotes = uint16(len(doc)), quotes
	return true
}

// scanOutlined is scanKnown for a document with an outline, in s. It reports whether the document is of a known shape
// and accepted.
//
// That no quote stands within a value is seen at the end: texts and values make up the whole document, and so the
// texts have as many quotes as there are, or a value has one.
func (d *document) scanOutlined(doc []byte, s *docScratch) bool {
	o, at, i, next := &s.outline, 0, 0, s.shapes.root.child
	for next != nil {
		if at, i, next = forwardAVX2(&doc[0], len(doc), &o.ends, at, i, next); next == nil {
			break
		}
		st := next
		if next = st.sibling; !bytes.HasPrefix(doc[i:], st.text) {
			continue
		}
		from := i + len(st.text)
		end := from
		switch st.kind {
		case shapeString:
			for end = int(o.ends[at]); end < from; end = int(o.ends[at]) {
				at++
			}
			at++
			if st.node != offPath {
				s.set(&d.nodes[st.node], docValue{docString, doc[from:end]})
			}
		case shapeBare:
			if end = d.bareValue(doc, s, from, st.node); end < 0 {
				continue
			}
		default:
			if from < len(doc) {
				continue
			}
			return st.quotes == o.quotes
		}
		i, next = end, st.child
	}
	return false
}
