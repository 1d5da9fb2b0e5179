package classifier

import (
	"math/bits"
	"slices"
	"strconv"
	"unicode/utf8"
)

// document reads the strings at a fixed list of JSON pointers out of JSON documents. It is the pointers
// compiled to a trie; it is never written after newDocument and may be shared by goroutines.
type document struct {
	nodes    []docNode // 0 stands for places on no path and names nothing, 1 is the whole document
	pointers int
}

const (
	offPath docNodeID = iota
	rootNode
)

// docNodeID is a place in document.nodes.
type docNodeID uint32

// docNode is one place on the way of a pointer: the whole document, or the member or element that one more
// reference token names.
type docNode struct {
	pointers []int // the pointers that end here
	members  []docMember
	elements []docElement

	// lengths has bit (n mod 64) set for each member name of n characters. Characters, not bytes: simple case
	// folding maps one to one, so a folded twin has as many.
	lengths uint64
}

type docMember struct {
	name       string
	characters int
	node       docNodeID
}

type docElement struct {
	index int
	node  docNodeID
}

// docKind says what a document holds at a pointer.
type docKind uint8

const (
	docAbsent    docKind = iota // nothing, or null
	docString                   // a string
	docWrongType                // a number, an object, an array, true or false
)

// docValue is what a document holds at one pointer. The text of a string is unescaped, valid UTF-8. It is
// borrowed: from the document, or, when the string had escapes, from the scratch until its next scan.
type docValue struct {
	kind docKind
	text []byte
}

// docScratch is what a scan writes. The zero value is ready; reusing it is what keeps scans free of
// allocation. It belongs to one goroutine.
type docScratch struct {
	values []docValue // by pointer
	nodes  []docNodeState
	text   []byte // unescaped strings, one after another
	around [maxDepth]docFrame
	shapes shapes

	outline outline // of the document, if it has one
}

// docNodeState is what the document being scanned says of one node. One state per node will do: a repeated
// key ends the scan and an array has each index once, so no node is reached twice.
type docNodeState struct {
	seen     bool // its key was read
	elements int  // if it is an array: how many elements began
}

// docFrame is one open container: its node, offPath if it is on no path, and whether it is an object.
type docFrame uint32

const frameObject docFrame = 1

func (f docFrame) node() docNodeID { return docNodeID(f >> 1) }

// newDocument compiles pointers, given as their unescaped reference tokens (RFC 6901). Pointers may share
// prefixes or be equal; one without tokens is the whole document. A token names a member of an object and, if
// it is "0" or digits without a leading zero, an element of an array.
func newDocument(pointers [][]string) *document {
	d := &document{nodes: make([]docNode, rootNode+1), pointers: len(pointers)}
	for i, tokens := range pointers {
		n := rootNode
		for _, token := range tokens {
			n = d.child(n, token)
		}
		d.nodes[n].pointers = append(d.nodes[n].pointers, i)
	}
	return d
}

// child finds or makes the child of parent that token names.
func (d *document) child(parent docNodeID, token string) docNodeID {
	for _, m := range d.nodes[parent].members {
		if m.name == token {
			return m.node
		}
	}
	c := docNodeID(len(d.nodes))
	d.nodes = append(d.nodes, docNode{})
	n := &d.nodes[parent]
	characters := utf8.RuneCountInString(token)
	n.members = append(n.members, docMember{token, characters, c})
	n.lengths |= bits.RotateLeft64(1, characters)
	if index, ok := arrayIndex(token); ok {
		n.elements = append(n.elements, docElement{index, c})
	}
	return c
}

// arrayIndex reads an array index of RFC 6901. One too large for an int names nothing that can exist.
func arrayIndex(token string) (int, bool) {
	index, err := strconv.Atoi(token)
	return index, err == nil && strconv.Itoa(index) == token
}

// reset makes s ready for a scan by d.
func (s *docScratch) reset(d *document) {
	s.values = slices.Grow(s.values[:0], d.pointers)[:d.pointers]
	s.nodes = slices.Grow(s.nodes[:0], len(d.nodes))[:len(d.nodes)]
	clear(s.values)
	clear(s.nodes)
	s.text = s.text[:0]
}

// set stores the value of all pointers that end at n.
func (s *docScratch) set(n *docNode, v docValue) {
	for _, p := range n.pointers {
		s.values[p] = v
	}
}
