package classifier

import (
	"errors"
	"fmt"
	"strings"

	"github.com/demarc/demarc/internal/record"
	"github.com/demarc/demarc/internal/yaml"
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

func (l *loader) readSignals(section []yaml.Member) {
	for _, m := range section {
		name := m.Key.Text
		if !plainName(name) {
			l.Fault(m.Key.At, "signal name %q: want letters, digits, dots, dashes and underscores", name)
		}
		l.policy.Signals = append(l.policy.Signals, Signal{Name: name})
		l.signalPlaces = append(l.signalPlaces, signalPlaces{at: m.Key.At})
		l.readSignal(m)
	}
	// A jurisdiction's when is read before: it needs only the names.
	for _, j := range l.jurisdictionPlaces {
		for _, s := range j.when {
			l.signalPlaces[s.to].used = true
		}
	}
}

func (l *loader) readSignal(m yaml.Member) {
	i := len(l.policy.Signals) - 1
	s := &l.policy.Signals[i]
	what := "signal " + s.Name
	fields, ok := l.Fields(m.Value, what, "header", "key", "json", "as", "map", "hops", "if_no_location")
	if !ok {
		return
	}
	l.readSource(s, i, m, fields)
	asKnown := false
	if as, ok := fields["as"]; ok {
		s.As, asKnown = l.scheme(as.Value, what)
	} else {
		l.Fault(m.Key.At, "%s has no as: write how its text names a country", what)
	}
	if v, ok := fields["map"]; ok {
		s.Map = l.valueMap(v.Value, what)
	}
	hops, hopsWritten := fields["hops"]
	if hopsWritten {
		s.Hops, _ = l.integer(hops.Value, "hops of "+what)
	}
	noLocation, noLocationWritten := fields["if_no_location"]
	if noLocationWritten {
		s.IfNoLocationAbsent = l.absent(noLocation.Value, "if_no_location of "+what)
	}
	switch {
	case !asKnown:
		return
	case s.As == ForwardedFor && !hopsWritten:
		l.Fault(m.Key.At, "%s has no hops: write how many proxies of yours add to the list", what)
	case s.As != ForwardedFor && hopsWritten:
		l.Fault(hops.Key.At, "hops of %s: only as: forwarded_for has them, not %s", what, s.As)
	}
	if noLocationWritten && s.As != IP && s.As != ForwardedFor {
		l.Fault(noLocation.Key.At, "if_no_location of %s: only as: ip and forwarded_for have it, not %s", what, s.As)
	}
}

// readSource reads the one key that says where in a record the signal is.
func (l *loader) readSource(s *Signal, i int, m yaml.Member, fields map[string]yaml.Member) {
	what := "signal " + s.Name
	written := ""
	for _, f := range m.Value.Members {
		source := f.Key.Text
		if source != "header" && source != "key" && source != "json" {
			continue
		}
		if written != "" {
			l.Fault(f.Key.At, "%s has both %s and %s: want one", what, written, source)
		}
		written = source
	}
	if written == "" {
		l.Fault(m.Key.At, "%s has no source: write one of header, key, json", what)
	}
	if f, ok := fields["header"]; ok {
		s.From = FromHeader
		s.Header, ok = l.Text(f.Value, "header of "+what)
		if ok && strings.HasPrefix(s.Header, record.HeaderPrefix) {
			l.Fault(f.Value.At, "header of %s is %q: names that start with %s are demarc's own and make a record ambiguous",
				what, s.Header, record.HeaderPrefix)
		}
	}
	if f, ok := fields["key"]; ok && l.isTrue(f.Value, "key of "+what) {
		s.From = FromKey
	}
	if f, ok := fields["json"]; ok {
		s.From = FromJSON
		if f.Value.Kind != yaml.Text { // the empty text is a pointer, too: the whole document
			l.Text(f.Value, "json of "+what)
			return
		}
		pointer, err := parsePointer(f.Value.Text)
		if err != nil {
			l.Fault(f.Value.At, "json of %s is %q: %v", what, f.Value.Text, err)
			return
		}
		s.Pointer = pointer
		l.signalPlaces[i].pointer = f.Value.At
	}
}

func (l *loader) scheme(n yaml.Node, what string) (Scheme, bool) {
	word, ok := l.Text(n, "as of "+what)
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
	l.Fault(n.At, "as of %s is %q: known are %s", what, word, strings.Join(known, ", "))
	return 0, false
}

func (l *loader) absent(n yaml.Node, what string) bool {
	if n.Kind != yaml.Text || n.Text != "absent" {
		l.Fault(n.At, "%s is %s: want absent, or leave it out", what, n.Describe())
		return false
	}
	return true
}

// valueMap reads `map`. Its keys are looked up in ASCII upper case: another one would never be found.
func (l *loader) valueMap(n yaml.Node, what string) map[string]Countries {
	if !l.Mapping(n, "map of "+what) {
		return nil
	}
	values := make(map[string]Countries, len(n.Members))
	for _, m := range n.Members {
		key := m.Key.Text
		if upper := upperASCII(key); upper != key {
			l.Fault(m.Key.At, "map of %s has the key %q: values are looked up in upper case, write %q", what, key, upper)
		}
		of := fmt.Sprintf("map of %s for %q", what, key)
		switch {
		case m.Value.Kind == yaml.Text && m.Value.Text == "absent":
			values[key] = Countries{}
		case m.Value.Kind == yaml.List:
			values[key], _, _ = l.countries(m.Value, of)
		default:
			if c, ok := l.country(m.Value, of); ok {
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
