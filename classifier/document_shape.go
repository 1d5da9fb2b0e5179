package classifier

import (
	"bytes"

	"github.com/demarc/demarc/internal/record"
)

// shapes is what a scratch remembers of documents that scanAny accepted. Those of one topic are mostly written by one
// program: the same bytes stand between their values. Each step is the bytes before a value and how to read it, and
// has as children the steps that have followed it. So a document that leads from the root to an end has the keys, the
// brackets and their order of one that was accepted, and only its values are left to check.
//
// Nothing is concluded from likeness: a document that leaves the tree anywhere is scanned from its first byte. Whoever
// writes the documents can make that cost a few times what the scan alone does, and no more: a document tries at most
// maxBranches ways at each value.
type shapes struct {
	of    *document // whose nodes the steps name
	root  shapeStep
	steps int // how many there are besides the root,
	texts int // and the bytes of their texts

	// credit is how many more documents than are found may be missed. Then all is forgotten, and the next ones, rest of
	// them, are scanned as if there were no shapes: documents that have nothing in common are seldom tried.
	credit int
	rest   int

	// full says that there was no room for a document. Those that are missed from then on are not traced, until age, the
	// documents since all was forgotten the last time, is worth to do it again.
	full bool
	age  int

	tracing bool // whether scanAny notes the values, because the document was missed
	trace   []shapeValue
}

// Bounds of the memory of a scratch, about 300 KiB, and of what is tried for a document.
const (
	maxSteps    = 2048
	maxTexts    = 64 << 10
	maxValues   = 512 // of one document
	maxBranches = 8
	maxCredit   = 64

	restDocuments  = 4096
	worthDocuments = 4096
)

// shapeStep is the way to a value.
type shapeStep struct {
	start, mask [4]uint64 // the first 32 bytes of text, and which of them there are
	text        []byte    // from the value before, with the closing quote of a string and the opening one of the next
	quotes      int       // in it and the texts before
	node        docNodeID // of the value
	kind        shapeKind

	child, sibling *shapeStep
}

type shapeKind uint8

const (
	shapeString shapeKind = iota
	shapeBare             // a number or a word
	shapeEnd              // no value: the document ends behind the text
)

// shapeValue is a value of the document that is traced: doc[from:to], without the quotes of a string.
type shapeValue struct {
	from, to int
	node     docNodeID
	kind     shapeKind
}

// begin makes s ready for a document of d and reports whether it is to be looked for.
func (s *shapes) begin(d *document) bool {
	s.tracing = false
	if s.of != d {
		s.forget()
		if s.of != nil { // two that take turns would be learned for ever
			s.rest = restDocuments
		}
		s.of = d
	}
	if s.rest > 0 {
		s.rest--
		return false
	}
	s.age++
	return true
}

func (s *shapes) forget() {
	s.root.child, s.steps, s.texts = nil, 0, 0
	s.credit, s.full, s.age = maxCredit, false, 0
}

func (s *shapes) found() { s.credit = min(s.credit+1, maxCredit) }

// missed has the document traced that was not found, if there may be room for it.
func (s *shapes) missed() {
	if s.credit == 0 {
		s.forget()
		s.rest = restDocuments
		return
	}
	s.credit--
	if s.full {
		if s.age < worthDocuments {
			return
		}
		s.forget()
	}
	s.tracing = true
	s.trace = s.trace[:0]
}

// note takes in the next value of the document that is traced.
func (s *shapes) note(from, to int, node docNodeID, kind shapeKind) {
	if len(s.trace) == maxValues {
		s.tracing = false
		return
	}
	s.trace = append(s.trace, shapeValue{from, to, node, kind})
}

// learn adds the steps of the traced document, which was accepted, as far as there is room.
func (s *shapes) learn(doc []byte) {
	s.trace = append(s.trace, shapeValue{from: len(doc), kind: shapeEnd})
	at, end := &s.root, 0
	for _, v := range s.trace {
		if at = s.step(at, doc[end:v.from], v); at == nil {
			s.full = true
			return
		}
		end = v.to
	}
}

// step finds or makes the child of a step that leads over text to v. It is nil if there is no room.
func (s *shapes) step(at *shapeStep, text []byte, v shapeValue) *shapeStep {
	last, branches := &at.child, 0
	for ; *last != nil; last, branches = &(*last).sibling, branches+1 {
		if c := *last; c.kind == v.kind && bytes.Equal(c.text, text) { // and so c.node is v.node
			return c
		}
	}
	if branches == maxBranches || s.steps == maxSteps || s.texts+len(text) > maxTexts {
		return nil
	}
	s.steps++
	s.texts += len(text)
	quotes := at.quotes + bytes.Count(text, []byte{'"'})
	c := &shapeStep{text: bytes.Clone(text), quotes: quotes, node: v.node, kind: v.kind}
	for i := range min(len(text), 8*len(c.start)) {
		c.start[i/8] |= uint64(text[i]) << (i % 8 * 8)
		c.mask[i/8] |= 0xff << (i % 8 * 8)
	}
	*last = c
	return c
}

// scanKnown is scanAny for documents of a known shape. Of others it returns false, and what it left in s.values and
// s.text means nothing. The texts on the way decide where in the grammar scanAny would stand. So at most one child
// fits, and the first fault in a string is the first one of the document.
func (d *document) scanKnown(doc []byte, s *docScratch) (record.Reason, bool) {
	doc = doc[:len(doc):len(doc)] // load is checked against the capacity
	i, next := 0, s.shapes.root.child
try:
	for next != nil {
		st := next
		next = st.sibling
		if len(doc)-i >= 24 {
			b := doc[i : i+24 : i+24]
			if (load(b, 0)^st.start[0])&st.mask[0]|(load(b, 8)^st.start[1])&st.mask[1]|(load(b, 16)^st.start[2])&st.mask[2] != 0 {
				continue
			}
			if len(st.text) > 24 && !bytes.HasPrefix(doc[i+24:], st.text[24:]) {
				continue
			}
		} else if !bytes.HasPrefix(doc[i:], st.text) {
			continue
		}
		from := i + len(st.text)
		end := from
		switch st.kind {
		case shapeString:
			if len(doc)-from >= 16 {
				b := doc[from : from+16 : from+16]
				if low, high := ends(load(b, 0)), ends(load(b, 8)); low|high != 0 {
					end += firstMark2(low, high)
				} else {
					end = plainEnd16(doc, from+16)
				}
			}
			if end < len(doc) && doc[end] == '"' {
				if st.node != offPath {
					s.set(&d.nodes[st.node], docValue{docString, doc[from:end]})
				}
			} else {
				var reason record.Reason
				if end, reason = s.finishString(&d.nodes[st.node], doc, from, end); end < 0 {
					return reason, true
				}
			}
		case shapeBare:
			if end = d.bareValue(doc, s, from, st.node); end < 0 {
				continue
			}
		default:
			if from < len(doc) {
				continue
			}
			return record.Decided, true
		}
		i, next = end, st.child
		goto try
	}
	return 0, false
}

// bareValue reads the number or word of node v at doc[from] and returns the place behind it, -1 if there is none.
func (d *document) bareValue(doc []byte, s *docScratch, from int, v docNodeID) int {
	if from == len(doc) {
		return -1
	}
	end := bareEnd(doc, from)
	if end >= 0 && v != offPath && doc[from] != 'n' {
		s.set(&d.nodes[v], docValue{kind: docWrongType})
	}
	return end
}
