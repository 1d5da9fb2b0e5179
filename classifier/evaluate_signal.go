package classifier

import "github.com/demarc/demarc/internal/record"

// fact is what one signal says of one record.
type fact struct {
	made   record.Set // the jurisdictions that consulted the signal and list a country it names
	region region     // present: what it names
	state  state
	reason record.Reason // bad: why
}

type state uint8

const (
	notConsulted state = iota
	absent
	bad
	present
)

// repeated marks a header name that a record carries more than once.
const repeated = -1

// findHeaders notes where the headers are that signals read, in one pass, and reports whether the record
// carries a header that only demarc may write. Names are compared by length first.
func (e *Evaluator) findHeaders(r *record.Record) (tagged bool) {
	c := e.c
	clear(e.found)
	for i := range r.Headers {
		key := r.Headers[i].Key
		if len(key) >= len(record.HeaderPrefix) && string(key[:len(record.HeaderPrefix)]) == record.HeaderPrefix {
			tagged = true
		}
		if c.lengths>>(len(key)&63)&1 == 0 {
			continue
		}
		for place, name := range c.headers {
			if name != string(key) {
				continue
			}
			if e.found[place] == 0 {
				e.found[place] = int32(i) + 1
			} else {
				e.found[place] = repeated
			}
			break
		}
	}
	return tagged
}

// consult reads one signal of r into f.
func (e *Evaluator) consult(f *fact, sig *compiledSignal, r *record.Record) {
	text, st, reason := e.text(sig, r)
	if st != present {
		f.state, f.reason = st, reason
		return
	}
	if sig.codes != nil {
		if code, ok := e.mapped(sig, text); ok {
			f.state, f.region = present, code.region
			if code.absent {
				f.state = absent
			}
			return
		}
	}
	f.region, reason = e.parse(sig.as, text)
	switch {
	case reason == record.NoLocation && sig.absent:
		f.state = absent
	case reason != record.Decided:
		f.state, f.reason = bad, reason
	case f.region == region(XK) && !e.c.kosovo:
		f.state, f.reason = bad, record.UnknownCode
	default:
		f.state = present
	}
}

// text finds the words of a signal. The state is present, absent, or bad with its reason.
func (e *Evaluator) text(sig *compiledSignal, r *record.Record) ([]byte, state, record.Reason) {
	switch sig.from {
	case FromHeader:
		return e.headerText(sig, r.Headers)
	case FromKey:
		if r.Key == nil {
			return nil, absent, 0
		}
		return e.entry(sig, r.Key)
	default:
		return e.documentText(sig, r.Value)
	}
}

func (e *Evaluator) headerText(sig *compiledSignal, headers []record.Header) ([]byte, state, record.Reason) {
	at := e.found[sig.place]
	switch {
	case at == 0:
		return nil, absent, 0
	case sig.as == ForwardedFor:
		return e.forwarded(sig, headers)
	case at == repeated:
		return nil, bad, record.Ambiguous
	case headers[at-1].Value == nil:
		return nil, absent, 0
	}
	return headers[at-1].Value, present, 0
}

// documentText reads the document when the first of its signals is consulted. A flaw of the document is then a
// flaw of all its signals.
func (e *Evaluator) documentText(sig *compiledSignal, doc []byte) ([]byte, state, record.Reason) {
	if doc == nil {
		return nil, absent, 0
	}
	if !e.docRead {
		e.docRead = true
		e.docFlaw = e.c.document.scan(doc, &e.scratch)
	}
	if e.docFlaw != record.Decided {
		return nil, bad, e.docFlaw
	}
	switch v := &e.scratch.values[sig.place]; v.kind {
	case docString:
		return e.entry(sig, v.text)
	case docWrongType:
		return nil, bad, record.Malformed
	default:
		return nil, absent, 0
	}
}

// entry is text as it stands, or the entry that forwarded_for chooses from it.
func (e *Evaluator) entry(sig *compiledSignal, text []byte) ([]byte, state, record.Reason) {
	if sig.as != ForwardedFor {
		return text, present, 0
	}
	e.values = append(e.values[:0], text)
	return e.chosen(sig)
}

// forwarded is the entry that forwarded_for chooses from all headers of the signal's name.
func (e *Evaluator) forwarded(sig *compiledSignal, headers []record.Header) ([]byte, state, record.Reason) {
	e.values = e.values[:0]
	for i := range headers {
		if string(headers[i].Key) == sig.name {
			e.values = append(e.values, headers[i].Value)
		}
	}
	return e.chosen(sig)
}

func (e *Evaluator) chosen(sig *compiledSignal) ([]byte, state, record.Reason) {
	entry, reason := forwardedEntry(e.values, sig.hops)
	clear(e.values) // they are borrowed
	if reason != record.Decided {
		return nil, bad, reason
	}
	return entry, present, 0
}

// mapped looks text up in the signal's `map`, in ASCII upper case. Most texts are told by their length and last
// byte not to be in it, without a look-up.
func (e *Evaluator) mapped(sig *compiledSignal, text []byte) (mappedCode, bool) {
	if sig.codeLengths>>min(len(text), 63)&1 == 0 || len(text) > len(e.upper) {
		return mappedCode{}, false
	}
	if n := len(text); n > 0 {
		if last := upperCase(text[n-1]); sig.codeEnds[last>>6]>>(last&63)&1 == 0 {
			return mappedCode{}, false
		}
	}
	upper := e.upper[:len(text)]
	for i, c := range text {
		upper[i] = upperCase(c)
	}
	code, ok := sig.codes[string(upper)]
	return code, ok
}

// upperCase is c in upper case if it is an ASCII letter, else c.
func upperCase(c byte) byte {
	if 'a' <= c && c <= 'z' {
		return c - ('a' - 'A')
	}
	return c
}

// parse reads text as the scheme says. The reason is Decided when it names a region.
func (e *Evaluator) parse(as Scheme, text []byte) (region, record.Reason) {
	switch as {
	case Alpha2:
		return parseAlpha2(text)
	case Alpha3:
		return parseAlpha3(text)
	case Numeric:
		return parseNumeric(text)
	case MCC:
		return parseMCC(text)
	case E164:
		return parseE164(text)
	default:
		return e.located(text)
	}
}

// located finds the country of an address. A special-purpose address has no location whatever the age of the
// database; one that may be looked up gets the same answer from the look-up.
func (e *Evaluator) located(text []byte) (region, record.Reason) {
	addr, ok := parseAddress(text)
	switch {
	case !ok:
		return 0, record.Malformed
	case e.snapshot.Geo != nil && !e.snapshot.Expired:
		return e.snapshot.Geo.country(addr)
	case noLocation(addr):
		return 0, record.NoLocation
	}
	return 0, record.GeoExpired
}
