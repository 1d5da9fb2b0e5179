package classifier

import (
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"github.com/demarc/demarc/internal/record"
	"github.com/demarc/demarc/internal/yaml"
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
	l := &casesLoader{yaml.Reader{
		File: file, What: "cases file", Needs: "cases", MaxBytes: maxCasesBytes, MaxKeys: maxCasesKeys, LongText: true,
	}}
	var cases []Case
	if root, ok := l.Parse(text); ok {
		cases = l.read(root)
	}
	if found := l.Faults(); len(found) > 0 {
		return nil, faults(found, false)
	}
	return cases, nil
}

type casesLoader struct{ yaml.Reader }

func (l *casesLoader) read(root yaml.Node) []Case {
	top, ok := l.Fields(root, "cases file", "cases")
	if !ok {
		return nil
	}
	m, ok := top["cases"]
	if !ok {
		return nil // the file holds an unknown key only
	}
	items, _ := l.List(m.Value, "cases")
	cases := make([]Case, 0, len(items))
	for _, item := range items {
		cases = append(cases, l.readCase(item))
	}
	return cases
}

func (l *casesLoader) readCase(n yaml.Node) Case {
	c := Case{File: l.File}
	fields, ok := l.Fields(n, "case",
		"name", "topic", "now", "headers", "key", "key_base64", "value", "value_base64", "want")
	if !ok {
		return c
	}
	if m, ok := fields["name"]; ok {
		c.Line = m.Key.At.Line
		c.Name, _ = l.Text(m.Value, "name")
	} else {
		l.Fault(n.At, "case has no name: write one, failures are shown by it")
	}
	if m, ok := fields["topic"]; ok {
		c.Topic, _ = l.Text(m.Value, "topic")
	}
	if m, ok := fields["now"]; ok {
		c.Now = l.time(m.Value)
	}
	if m, ok := fields["headers"]; ok {
		c.Record.Headers = l.headers(m.Value)
	}
	c.Record.Key = l.payload(fields, "key")
	c.Record.Value = l.payload(fields, "value")
	if m, ok := fields["want"]; ok {
		c.Want = l.want(m.Value)
	} else {
		l.Fault(n.At, "case has no want: write what is expected of the decision")
	}
	return c
}

func (l *casesLoader) time(n yaml.Node) time.Time {
	t, err := time.Parse(time.RFC3339, n.Text)
	if n.Kind != yaml.Text || err != nil {
		l.Fault(n.At, "now is %s: want a time such as 2026-01-31T12:00:00Z (RFC 3339)", n.Describe())
	}
	return t
}

// payload reads NAME or NAME_base64; nil is a null, and so is neither of them.
func (l *casesLoader) payload(fields map[string]yaml.Member, name string) []byte {
	plain, isPlain := fields[name]
	encoded, isEncoded := fields[name+"_base64"]
	switch {
	case isPlain && isEncoded:
		l.Fault(encoded.Key.At, "case has %s and %s_base64: write one of them", name, name)
	case isPlain:
		return l.bytes(plain.Value, name)
	case isEncoded:
		return l.base64(encoded.Value, name+"_base64")
	}
	return nil
}

// bytes reads a text, which may be empty, or null. A number is its text as the file writes it. true and false must
// stand in quotes, so that every reader of YAML reads the same bytes.
func (l *casesLoader) bytes(n yaml.Node, what string) []byte {
	switch n.Kind {
	case yaml.Text, yaml.Number:
		return []byte(n.Text)
	case yaml.Null:
		if n.Text != "" {
			return nil
		}
		l.Fault(n.At, "%s is nothing: write null or a text", what)
	case yaml.List, yaml.Mapping:
		l.Fault(n.At, "%s is %s: want text in quotes or null", what, n.Describe())
	default:
		l.Fault(n.At, "%s is %s, which is no text: write it in quotes", what, n.Describe())
	}
	return nil
}

// base64 reads bytes in the standard encoding with padding; the empty text is no bytes, which is not null.
func (l *casesLoader) base64(n yaml.Node, what string) []byte {
	b, err := base64.StdEncoding.Strict().DecodeString(n.Text)
	if n.Kind != yaml.Text || err != nil || strings.ContainsAny(n.Text, "\r\n") {
		l.Fault(n.At, "%s is %s: want base64 in quotes, with padding", what, n.Describe())
	}
	return append([]byte{}, b...)
}

// headers reads a mapping of names to values, or a list of pairs where a name may come twice.
func (l *casesLoader) headers(n yaml.Node) []record.Header {
	var headers []record.Header
	switch n.Kind {
	case yaml.Mapping:
		for _, m := range n.Members {
			headers = append(headers, record.Header{Key: []byte(m.Key.Text), Value: l.headerValue(m.Value)})
		}
	case yaml.List:
		for _, pair := range n.Items {
			if pair.Kind != yaml.List || len(pair.Items) != 2 {
				l.Fault(pair.At, "header is %s: want [NAME, VALUE]", pair.Describe())
				continue
			}
			name := l.bytes(pair.Items[0], "header name")
			if name == nil && pair.Items[0].Kind == yaml.Null {
				l.Fault(pair.Items[0].At, "header name is null: want text")
			}
			headers = append(headers, record.Header{Key: name, Value: l.headerValue(pair.Items[1])})
		}
	default:
		l.Fault(n.At, "headers is %s: want NAME: VALUE pairs or a list of [NAME, VALUE]", n.Describe())
	}
	return headers
}

func (l *casesLoader) headerValue(n yaml.Node) []byte {
	if n.Kind != yaml.Mapping {
		return l.bytes(n, "header value")
	}
	fields, ok := l.Fields(n, "header value", "base64")
	if !ok || len(fields) == 0 {
		return nil
	}
	return l.base64(fields["base64"].Value, "base64")
}

func (l *casesLoader) want(n yaml.Node) Want {
	var w Want
	fields, ok := l.Fields(n, "want", "jurisdictions", "reason", "signal", "sink")
	if !ok {
		return w
	}
	if m, ok := fields["jurisdictions"]; ok {
		w.Jurisdictions = l.set(m.Value)
	}
	if m, ok := fields["reason"]; ok {
		w.Reason = l.reason(m.Value)
	}
	if m, ok := fields["signal"]; ok {
		if m.Value.Kind == yaml.Text {
			w.Signal = &m.Value.Text
		} else {
			l.Fault(m.Value.At, `signal is %s: want the name of a signal, or "" for none`, m.Value.Describe())
		}
	}
	if m, ok := fields["sink"]; ok {
		w.Sink, _ = l.Text(m.Value, "sink")
	}
	return w
}

// set reads a list of names, which may be empty, or the name of a set: "US+EEA", "none".
func (l *casesLoader) set(n yaml.Node) []string {
	names := []string{}
	switch {
	case n.Kind == yaml.Text && n.Text == record.Set(0).Join(nil):
	case n.Kind == yaml.Text:
		names = strings.Split(n.Text, "+")
	case n.Kind == yaml.List && len(n.Items) == 0:
	default:
		list, _ := l.TextList(n, "jurisdictions")
		for _, name := range list {
			names = append(names, name.Text)
		}
	}
	return names
}

// reason reads one of the reasons that a policy can give; those of sinks are not among them.
func (l *casesLoader) reason(n yaml.Node) string {
	name, ok := l.Text(n, "reason")
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
		l.Fault(n.At, "reason is %q, which no decision has: known are %s", name, strings.Join(known, ", "))
	}
	return name
}
