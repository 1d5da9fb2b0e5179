package classifier

import (
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"github.com/demarc/demarc/internal/record"
)

// Case is a record and what a policy is expected to say of it, as `demarc test` reads it.
type Case struct {
	File   string
	Line   int // where its name stands
	Name   string
	Topic  string    // empty if not given
	Now    time.Time // zero if not given: then the geo database is as new as on the day it was built
	Record record.Record
	Want   Want
}

// Want is the expected part of a decision. What is not given is not compared.
type Want struct {
	Jurisdictions []string // in any order; nil: not given
	Reason        string   // empty: not given
	Signal        *string  // may be expected to be empty; nil: not given
	Sink          string   // empty: not given
}

// What a cases file may be at most.
const (
	maxCasesBytes = 64 << 20
	maxCasesKeys  = 2_000_000
)

// LoadCases reads a cases file. file is the name that faults and failures carry. It returns all faults at once, in
// the order in which they stand in the text; there are no cases if there is one.
func LoadCases(file string, text []byte) ([]Case, []Fault) {
	l := &casesLoader{yamlReader{
		file: file, what: "cases file", needs: "cases", maxBytes: maxCasesBytes, maxKeys: maxCasesKeys, longText: true,
	}}
	var cases []Case
	if root, ok := l.parse(text); ok {
		cases = l.read(root)
	}
	if len(l.faults) > 0 {
		return nil, l.sorted()
	}
	return cases, nil
}

type casesLoader struct{ yamlReader }

func (l *casesLoader) read(root node) []Case {
	top, ok := l.fields(root, "cases file", "cases")
	if !ok {
		return nil
	}
	m, ok := top["cases"]
	if !ok {
		return nil // the file holds an unknown key only
	}
	items, _ := l.list(m.value, "cases")
	cases := make([]Case, 0, len(items))
	for _, item := range items {
		cases = append(cases, l.readCase(item))
	}
	return cases
}

func (l *casesLoader) readCase(n node) Case {
	c := Case{File: l.file}
	fields, ok := l.fields(n, "case",
		"name", "topic", "now", "headers", "key", "key_base64", "value", "value_base64", "want")
	if !ok {
		return c
	}
	if m, ok := fields["name"]; ok {
		c.Line = m.key.at.line
		c.Name, _ = l.text(m.value, "name")
	} else {
		l.fault(n.at, "case has no name: write one, failures are shown by it")
	}
	if m, ok := fields["topic"]; ok {
		c.Topic, _ = l.text(m.value, "topic")
	}
	if m, ok := fields["now"]; ok {
		c.Now = l.time(m.value)
	}
	if m, ok := fields["headers"]; ok {
		c.Record.Headers = l.headers(m.value)
	}
	c.Record.Key = l.payload(fields, "key")
	c.Record.Value = l.payload(fields, "value")
	if m, ok := fields["want"]; ok {
		c.Want = l.want(m.value)
	} else {
		l.fault(n.at, "case has no want: write what is expected of the decision")
	}
	return c
}

func (l *casesLoader) time(n node) time.Time {
	t, err := time.Parse(time.RFC3339, n.text)
	if n.kind != textNode || err != nil {
		l.fault(n.at, "now is %s: want a time such as 2026-01-31T12:00:00Z (RFC 3339)", n.describe())
	}
	return t
}

// payload reads NAME or NAME_base64; nil is a null, and so is neither of them.
func (l *casesLoader) payload(fields map[string]member, name string) []byte {
	plain, isPlain := fields[name]
	encoded, isEncoded := fields[name+"_base64"]
	switch {
	case isPlain && isEncoded:
		l.fault(encoded.key.at, "case has %s and %s_base64: write one of them", name, name)
	case isPlain:
		return l.bytes(plain.value, name)
	case isEncoded:
		return l.base64(encoded.value, name+"_base64")
	}
	return nil
}

// bytes reads a text, which may be empty, or null. A number is its text as the file writes it. true and false must
// stand in quotes, so that every reader of YAML reads the same bytes.
func (l *casesLoader) bytes(n node, what string) []byte {
	switch n.kind {
	case textNode, numberNode:
		return []byte(n.text)
	case nullNode:
		if n.text != "" {
			return nil
		}
		l.fault(n.at, "%s is nothing: write null or a text", what)
	case listNode, mappingNode:
		l.fault(n.at, "%s is %s: want text in quotes or null", what, n.describe())
	default:
		l.fault(n.at, "%s is %s, which is no text: write it in quotes", what, n.describe())
	}
	return nil
}

// base64 reads bytes in the standard encoding with padding; the empty text is no bytes, which is not null.
func (l *casesLoader) base64(n node, what string) []byte {
	b, err := base64.StdEncoding.Strict().DecodeString(n.text)
	if n.kind != textNode || err != nil || strings.ContainsAny(n.text, "\r\n") {
		l.fault(n.at, "%s is %s: want base64 in quotes, with padding", what, n.describe())
	}
	return append([]byte{}, b...)
}

// headers reads a mapping of names to values, or a list of pairs where a name may come twice.
func (l *casesLoader) headers(n node) []record.Header {
	var headers []record.Header
	switch n.kind {
	case mappingNode:
		for _, m := range n.members {
			headers = append(headers, record.Header{Key: []byte(m.key.text), Value: l.headerValue(m.value)})
		}
	case listNode:
		for _, pair := range n.items {
			if pair.kind != listNode || len(pair.items) != 2 {
				l.fault(pair.at, "header is %s: want [NAME, VALUE]", pair.describe())
				continue
			}
			name := l.bytes(pair.items[0], "header name")
			if name == nil && pair.items[0].kind == nullNode {
				l.fault(pair.items[0].at, "header name is null: want text")
			}
			headers = append(headers, record.Header{Key: name, Value: l.headerValue(pair.items[1])})
		}
	default:
		l.fault(n.at, "headers is %s: want NAME: VALUE pairs or a list of [NAME, VALUE]", n.describe())
	}
	return headers
}

func (l *casesLoader) headerValue(n node) []byte {
	if n.kind != mappingNode {
		return l.bytes(n, "header value")
	}
	fields, ok := l.fields(n, "header value", "base64")
	if !ok || len(fields) == 0 {
		return nil
	}
	return l.base64(fields["base64"].value, "base64")
}

func (l *casesLoader) want(n node) Want {
	var w Want
	fields, ok := l.fields(n, "want", "jurisdictions", "reason", "signal", "sink")
	if !ok {
		return w
	}
	if m, ok := fields["jurisdictions"]; ok {
		w.Jurisdictions = l.set(m.value)
	}
	if m, ok := fields["reason"]; ok {
		w.Reason = l.reason(m.value)
	}
	if m, ok := fields["signal"]; ok {
		if m.value.kind == textNode {
			w.Signal = &m.value.text
		} else {
			l.fault(m.value.at, `signal is %s: want the name of a signal, or "" for none`, m.value.describe())
		}
	}
	if m, ok := fields["sink"]; ok {
		w.Sink, _ = l.text(m.value, "sink")
	}
	return w
}

// set reads a list of names, which may be empty, or the name of a set: "US+EEA", "none".
func (l *casesLoader) set(n node) []string {
	names := []string{}
	switch {
	case n.kind == textNode && n.text == record.Set(0).Join(nil):
	case n.kind == textNode:
		names = strings.Split(n.text, "+")
	case n.kind == listNode && len(n.items) == 0:
	default:
		list, _ := l.textList(n, "jurisdictions")
		for _, name := range list {
			names = append(names, name.text)
		}
	}
	return names
}

// reason reads one of the reasons that a policy can give; those of sinks are not among them.
func (l *casesLoader) reason(n node) string {
	name, ok := l.text(n, "reason")
	if !ok {
		return ""
	}
	var known []string
	for _, r := range record.Reasons() {
		if r != record.TooLarge && r != record.Refused {
			known = append(known, r.String())
		}
	}
	if !slices.Contains(known, name) {
		l.fault(n.at, "reason is %q, which no decision has: known are %s", name, strings.Join(known, ", "))
	}
	return name
}
