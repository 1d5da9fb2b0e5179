package yaml

import (
	"slices"
	"strings"
)

// Mapping reports whether n is a mapping that is not empty, or why not.
func (y *Reader) Mapping(n Node, what string) bool {
	switch {
	case n.Kind != Mapping:
		y.Fault(n.At, "%s is %s: want a mapping", what, n.Describe())
	case len(n.Members) == 0:
		y.Fault(n.At, "%s is empty: fill it in or leave it out", what)
	default:
		return true
	}
	return false
}

// Fields reads a mapping that may have the known keys only.
func (y *Reader) Fields(n Node, what string, known ...string) (map[string]Member, bool) {
	if !y.Mapping(n, what) {
		return nil, false
	}
	fields := make(map[string]Member, len(n.Members))
	for _, m := range n.Members {
		if !slices.Contains(known, m.Key.Text) {
			y.Fault(m.Key.At, "unknown key %q in %s: known are %s", m.Key.Text, what, strings.Join(known, ", "))
			continue
		}
		fields[m.Key.Text] = m
	}
	return fields, true
}

// Text reads a text that is not empty. A number, true, false and null are none unless they stand in quotes:
// another reader of YAML would not read the text that one sees.
func (y *Reader) Text(n Node, what string) (string, bool) {
	switch {
	case n.Kind == List, n.Kind == Mapping, n.Kind == Null && n.Text == "":
		y.Fault(n.At, "%s is %s: want text", what, n.Describe())
	case n.Kind != Text:
		y.Fault(n.At, "%s is %s, which is no text: write it in quotes if it is meant", what, n.Describe())
	case n.Text == "":
		y.Fault(n.At, "%s is empty", what)
	default:
		return n.Text, true
	}
	return "", false
}

// List reads a list that is not empty.
func (y *Reader) List(n Node, what string) ([]Node, bool) {
	switch {
	case n.Kind != List:
		y.Fault(n.At, "%s is %s: want a list", what, n.Describe())
	case len(n.Items) == 0:
		y.Fault(n.At, "%s is an empty list: fill it in or leave it out", what)
	default:
		return n.Items, true
	}
	return nil, false
}

// TextList reads a list of different texts. It returns those that could be read; false if one could not.
func (y *Reader) TextList(n Node, what string) ([]Node, bool) {
	items, ok := y.List(n, what)
	texts := make([]Node, 0, len(items))
	seen := make(map[string]bool, len(items))
	for _, item := range items {
		text, isText := y.Text(item, "entry of "+what)
		switch {
		case !isText:
			ok = false
		case seen[text]:
			y.Fault(item.At, "%s names %q twice", what, text)
			ok = false
		default:
			seen[text] = true
			texts = append(texts, item)
		}
	}
	return texts, ok
}
