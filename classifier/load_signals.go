package classifier

import (
	"errors"
	"fmt"
	"strings"

	"github.com/demarc/demarc/internal/record"
)

// schemes are the words of `as`.
var schemes = []struct {
	word   string
	scheme Scheme
}{
	{"alpha2", Alpha2}, {"alpha3", Alpha3}, {"numeric", Numeric}, {"mcc", MCC}, {"e164", E164},
	{"ip", IP}, {"forwarded_for", ForwardedFor},
}

// String is the scheme's word in a policy.
func (s Scheme) String() string { return schemes[s].word }

// maxPointerTokens is the depth to which documents are read: a longer path would never be found.
const maxPointerTokens = 128

func (l *loader) readSignals(section []member) {
	for _, m := range section {
		name := m.key.text
		if !plainName(name) {
			l.fault(m.key.at, "signal name %q: want letters, digits, dots, dashes and underscores", name)
		}
		l.policy.Signals = append(l.policy.Signals, Signal{Name: name})
		l.signalPlaces = append(l.signalPlaces, signalPlaces{at: m.key.at})
		l.readSignal(m)
	}
	// A jurisdiction's when is read before: it needs only the names.
	for _, j := range l.jurisdictionPlaces {
		for _, s := range j.when {
			l.signalPlaces[s.to].used = true
		}
	}
}

func (l *loader) readSignal(m member) {
	i := len(l.policy.Signals) - 1
	s := &l.policy.Signals[i]
	what := "signal " + s.Name
	fields, ok := l.fields(m.value, what, "header", "key", "json", "as", "map", "hops", "if_no_location")
	if !ok {
		return
	}
	l.readSource(s, i, m, fields)
	asKnown := false
	if as, ok := fields["as"]; ok {
		s.As, asKnown = l.scheme(as.value, what)
	} else {
		l.fault(m.key.at, "%s has no as: write how its text names a country", what)
	}
	if v, ok := fields["map"]; ok {
		s.Map = l.valueMap(v.value, what)
	}
	hops, hopsWritten := fields["hops"]
	if hopsWritten {
		s.Hops, _ = l.integer(hops.value, "hops of "+what)
	}
	noLocation, noLocationWritten := fields["if_no_location"]
	if noLocationWritten {
		s.IfNoLocationAbsent = l.absent(noLocation.value, "if_no_location of "+what)
	}
	switch {
	case !asKnown:
		return
	case s.As == ForwardedFor && !hopsWritten:
		l.fault(m.key.at, "%s has no hops: write how many proxies of yours add to the list", what)
	case s.As != ForwardedFor && hopsWritten:
		l.fault(hops.key.at, "hops of %s: only as: forwarded_for has them, not %s", what, s.As)
	}
	if noLocationWritten && s.As != IP && s.As != ForwardedFor {
		l.fault(noLocation.key.at, "if_no_location of %s: only as: ip and forwarded_for have it, not %s", what, s.As)
	}
}

// readSource reads the one key that says where in a record the signal is.
func (l *loader) readSource(s *Signal, i int, m member, fields map[string]member) {
	what := "signal " + s.Name
	written := ""
	for _, f := range m.value.members {
		source := f.key.text
		if source != "header" && source != "key" && source != "json" {
			continue
		}
		if written != "" {
			l.fault(f.key.at, "%s has both %s and %s: want one", what, written, source)
		}
		written = source
	}
	if written == "" {
		l.fault(m.key.at, "%s has no source: write one of header, key, json", what)
	}
	if f, ok := fields["header"]; ok {
		s.From = FromHeader
		s.Header, ok = l.text(f.value, "header of "+what)
		if ok && strings.HasPrefix(s.Header, record.HeaderPrefix) {
			l.fault(f.value.at, "header of %s is %q: names that start with %s are demarc's own and make a record ambiguous",
				what, s.Header, record.HeaderPrefix)
		}
	}
	if f, ok := fields["key"]; ok && l.isTrue(f.value, "key of "+what) {
		s.From = FromKey
	}
	if f, ok := fields["json"]; ok {
		s.From = FromJSON
		if f.value.kind != textNode { // the empty text is a pointer, too: the whole document
			l.text(f.value, "json of "+what)
			return
		}
		pointer, err := parsePointer(f.value.text)
		if err != nil {
			l.fault(f.value.at, "json of %s is %q: %v", what, f.value.text, err)
			return
		}
		s.Pointer = pointer
		l.signalPlaces[i].pointer = f.value.at
	}
}

func (l *loader) scheme(n node, what string) (Scheme, bool) {
	word, ok := l.text(n, "as of "+what)
	if !ok {
		return 0, false
	}
	known := make([]string, len(schemes))
	for i, s := range schemes {
		if s.word == word {
			return s.scheme, true
		}
		known[i] = s.word
	}
	l.fault(n.at, "as of %s is %q: known are %s", what, word, strings.Join(known, ", "))
	return 0, false
}

func (l *loader) absent(n node, what string) bool {
	if n.kind != textNode || n.text != "absent" {
		l.fault(n.at, "%s is %s: want absent, or leave it out", what, n.describe())
		return false
	}
	return true
}

// valueMap reads `map`. Its keys are looked up in ASCII upper case: another one would never be found.
func (l *loader) valueMap(n node, what string) map[string]Countries {
	if !l.mapping(n, "map of "+what) {
		return nil
	}
	values := make(map[string]Countries, len(n.members))
	for _, m := range n.members {
		key := m.key.text
		if upper := upperASCII(key); upper != key {
			l.fault(m.key.at, "map of %s has the key %q: values are looked up in upper case, write %q", what, key, upper)
		}
		of := fmt.Sprintf("map of %s for %q", what, key)
		switch {
		case m.value.kind == textNode && m.value.text == "absent":
			values[key] = Countries{}
		case m.value.kind == listNode:
			values[key], _, _ = l.countries(m.value, of)
		default:
			if c, ok := l.country(m.value, of); ok {
				var one Countries
				one.Add(c)
				values[key] = one
			}
		}
	}
	return values
}

func upperASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'a' <= c && c <= 'z' {
			b[i] = c - 'a' + 'A'
		}
	}
	return string(b)
}

// parsePointer reads a JSON pointer (RFC 6901): its reference tokens, unescaped. The empty pointer is the whole
// document.
func parsePointer(text string) ([]string, error) {
	if text == "" {
		return []string{}, nil
	}
	if text[0] != '/' {
		return nil, errors.New("a JSON pointer starts with a slash, such as /user/country")
	}
	tokens := strings.Split(text[1:], "/")
	if len(tokens) > maxPointerTokens {
		return nil, fmt.Errorf("it has %d tokens, documents are read to a depth of %d", len(tokens), maxPointerTokens)
	}
	for i, token := range tokens {
		for rest := token; ; {
			_, after, found := strings.Cut(rest, "~")
			if !found {
				break
			}
			if after == "" || after[0] != '0' && after[0] != '1' {
				return nil, errors.New("in a JSON pointer ~ is followed by 0 (for ~) or 1 (for /)")
			}
			rest = after[1:]
		}
		// ~1 first: ~01 is the text ~1.
		tokens[i] = strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
	}
	return tokens, nil
}
