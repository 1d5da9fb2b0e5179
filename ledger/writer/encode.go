// Package writer makes the log: entries become leaves of a tlog-tiles transparency log in a folder.
package writer

import (
	"fmt"
	"strconv"

	"github.com/demarc/demarc/ledger"
)

// Encode returns the canonical bytes of an entry, or an error for one that ledger.Decode would refuse. It asks
// Decode itself: nothing enters the log that the log's readers do not read.
func Encode(e ledger.Entry) ([]byte, error) {
	if err := oneBody(e); err != nil {
		return nil, fmt.Errorf("encode entry: %w", err)
	}
	text := appendEntry(make([]byte, 0, 2048), e)
	if _, err := ledger.Decode(text); err != nil {
		return nil, fmt.Errorf("encode entry: %w", err)
	}
	return text, nil
}

// oneBody refuses an entry with a body that its kind would hide, or without one.
func oneBody(e ledger.Entry) error {
	bodies := 0
	for _, set := range []bool{e.Range != nil, e.Span != nil, e.Policy != nil, e.Pins != nil, e.Gap != nil} {
		if set {
			bodies++
		}
	}
	own := false
	switch e.Kind {
	case ledger.KindRange, ledger.KindReplay:
		own = e.Range != nil
	case ledger.KindSpan:
		own = e.Span != nil
	case ledger.KindPolicy:
		own = e.Policy != nil
	case ledger.KindPins:
		own = e.Pins != nil
	case ledger.KindGap:
		own = e.Gap != nil
	}
	if bodies != 1 || !own {
		return fmt.Errorf("kind: is %q, want the kind of the entry's only body", e.Kind)
	}
	return nil
}

// The functions below write keys in the order of RFC 8785. Each returns b with its value appended.

func appendEntry(b []byte, e ledger.Entry) []byte {
	if e.Kind == ledger.KindGap {
		b = appendGap(append(b, `{"gap":`...), e.Gap)
		b = append(b, `,"kind":"gap"`...)
	} else {
		b = appendString(append(b, `{"kind":`...), string(e.Kind))
		b = appendString(append(b, ','), string(e.Kind))
		b = append(b, ':')
		switch e.Kind {
		case ledger.KindRange, ledger.KindReplay:
			b = appendRange(b, e.Range)
		case ledger.KindSpan:
			b = appendSpan(b, e.Span)
		case ledger.KindPolicy:
			b = appendPolicy(b, e.Policy)
		case ledger.KindPins:
			b = appendPins(b, e.Pins)
		}
	}
	b = appendInt(append(b, `,"v":`...), ledger.Version)
	if e.Via != nil {
		b = appendInt(append(b, `,"via":{"offset":`...), e.Via.Offset)
		b = appendInt(append(b, `,"partition":`...), int64(e.Via.Partition))
		b = append(b, '}')
	}
	return append(b, '}')
}

func appendRange(b []byte, r *ledger.Range) []byte {
	b = appendInt(append(b, `{"absent":`...), r.Absent)
	b = appendInt(append(b, `,"control":`...), r.Control)
	b = appendList(append(b, `,"counts":`...), r.Counts, appendCount)
	b = appendInt(append(b, `,"data":`...), r.Data)
	if r.Geo != nil {
		b = appendInt(append(b, `,"geo":{"built":`...), r.Geo.Built)
		b = appendString(append(b, `,"sha256":`...), r.Geo.SHA256)
		b = append(b, '}')
	}
	b = appendPolicyRef(append(b, `,"policy":`...), r.Policy)
	b = appendString(append(b, `,"program":`...), r.Program)
	b = appendList(append(b, `,"receipts":`...), r.Receipts, appendReceipt)
	b = appendSource(append(b, `,"source":`...), r.Source)
	if r.Time != nil {
		b = appendInt(append(b, `,"time":{"first":`...), r.Time.First)
		b = appendInt(append(b, `,"last":`...), r.Time.Last)
		b = appendString(append(b, `,"type":`...), r.Time.Type)
		b = append(b, '}')
	}
	return append(b, '}')
}

func appendCount(b []byte, n ledger.Count) []byte {
	b = appendInt(append(b, `{"bytes":`...), n.Bytes)
	b = appendString(append(b, `,"reason":`...), n.Reason)
	b = appendInt(append(b, `,"records":`...), n.Records)
	b = appendString(append(b, `,"set":`...), n.Set)
	b = appendString(append(b, `,"sink":`...), n.Sink)
	return append(b, '}')
}

func appendReceipt(b []byte, r ledger.Receipt) []byte {
	b = appendList(append(b, `{"counts":`...), r.Counts, appendSetCount)
	if f := r.File; f != nil {
		b = appendInt(append(b, `,"file":{"from":`...), f.From)
		b = appendString(append(b, `,"name":`...), f.Name)
		b = appendInt(append(b, `,"to":`...), f.To)
		b = append(b, '}')
	}
	if k := r.Kafka; k != nil {
		b = appendInt(append(b, `,"kafka":{"base":`...), k.Base)
		b = appendString(append(b, `,"cluster":`...), k.Cluster)
		b = appendInt(append(b, `,"last":`...), k.Last)
		b = appendInt(append(b, `,"partition":`...), int64(k.Partition))
		b = appendString(append(b, `,"topic":`...), k.Topic)
		b = append(b, '}')
	}
	b = appendString(append(b, `,"sha256":`...), r.SHA256)
	b = appendString(append(b, `,"sink":`...), r.Sink)
	return append(b, '}')
}

func appendSetCount(b []byte, n ledger.SetCount) []byte {
	b = appendInt(append(b, `{"records":`...), n.Records)
	b = appendString(append(b, `,"set":`...), n.Set)
	return append(b, '}')
}

func appendPolicyRef(b []byte, p ledger.PolicyRef) []byte {
	b = appendString(append(b, `{"sha256":`...), p.SHA256)
	b = appendInt(append(b, `,"version":`...), p.Version)
	return append(b, '}')
}

func appendSource(b []byte, s ledger.Source) []byte {
	b = appendString(append(b, `{"cluster":`...), s.Cluster)
	b = appendInt(append(b, `,"from":`...), s.From)
	b = appendInt(append(b, `,"leader_epoch":`...), int64(s.LeaderEpoch))
	b = appendInt(append(b, `,"partition":`...), int64(s.Partition))
	b = appendInt(append(b, `,"to":`...), s.To)
	b = appendString(append(b, `,"topic":`...), s.Topic)
	return append(appendTopicID(b, s.TopicID), '}')
}

func appendTopicID(b []byte, id string) []byte {
	if id == "" {
		return b
	}
	return appendString(append(b, `,"topic_id":`...), id)
}

func appendSpan(b []byte, s *ledger.Span) []byte {
	b = appendInt(append(b, `{"at":`...), s.At)
	b = appendInt(append(b, `,"base":`...), int64(s.Base))
	b = appendString(append(b, `,"cluster":`...), s.Cluster)
	b = appendInt(append(b, `,"count":`...), int64(s.Count))
	b = appendList(append(b, `,"first":`...), s.First, appendInt)
	b = appendList(append(b, `,"stable":`...), s.Stable, appendInt)
	b = appendString(append(b, `,"topic":`...), s.Topic)
	b = appendTopicID(b, s.TopicID)
	b = appendString(append(b, `,"why":`...), s.Why)
	return append(b, '}')
}

func appendPolicy(b []byte, p *ledger.Policy) []byte {
	b = appendInt(append(b, `{"part":`...), int64(p.Part))
	b = appendInt(append(b, `,"parts":`...), int64(p.Parts))
	b = appendString(append(b, `,"sha256":`...), p.SHA256)
	b = appendString(append(b, `,"text":`...), p.Text)
	b = appendInt(append(b, `,"version":`...), p.Version)
	return append(b, '}')
}

func appendPins(b []byte, p *ledger.Pins) []byte {
	b = appendInt(append(b, `{"at":`...), p.At)
	b = appendList(append(b, `,"checks":`...), p.Checks, appendCheck)
	b = strconv.AppendBool(append(b, `,"held":`...), p.Held)
	b = appendString(append(b, `,"location":{"country":`...), p.Location.Country)
	b = appendString(append(b, `,"operator":`...), p.Location.Operator)
	b = appendString(append(b, `,"region":`...), p.Location.Region)
	b = appendPlace(append(b, `},"place":`...), p.Place)
	b = appendPolicyRef(append(b, `,"policy":`...), p.Policy)
	b = appendString(append(b, `,"sink":`...), p.Sink)
	b = strconv.AppendBool(append(b, `,"unpinned":`...), p.Unpinned)
	return append(b, '}')
}

func appendCheck(b []byte, k ledger.Check) []byte {
	b = appendList(append(b, `{"expected":`...), k.Expected, appendString)
	b = strconv.AppendBool(append(b, `,"held":`...), k.Held)
	b = appendString(append(b, `,"pin":`...), k.Pin)
	b = appendString(append(b, `,"seen":`...), k.Seen)
	return append(b, '}')
}

func appendPlace(b []byte, p ledger.Place) []byte {
	b = append(b, '{')
	comma := len(b)
	for _, field := range []struct{ key, value string }{{"cluster", p.Cluster}, {"directory", p.Directory}, {"topic", p.Topic}} {
		if field.value == "" {
			continue
		}
		if len(b) > comma {
			b = append(b, ',')
		}
		b = append(appendString(b, field.key), ':')
		b = appendString(b, field.value)
	}
	return append(b, '}')
}

func appendGap(b []byte, g *ledger.Gap) []byte {
	b = appendInt(append(b, `{"at":`...), g.At)
	b = appendString(append(b, `,"reason":`...), g.Reason)
	b = appendSource(append(b, `,"source":`...), g.Source)
	return append(b, '}')
}

func appendList[T any](b []byte, list []T, one func([]byte, T) []byte) []byte {
	b = append(b, '[')
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = one(b, v)
	}
	return append(b, ']')
}

func appendInt(b []byte, n int64) []byte { return strconv.AppendInt(b, n, 10) }

// appendString escapes what RFC 8785, section 3.2.2.2, escapes, and nothing else.
func appendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	start := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\b':
			b = append(b, `\b`...)
		case '\t':
			b = append(b, `\t`...)
		case '\n':
			b = append(b, `\n`...)
		case '\f':
			b = append(b, `\f`...)
		case '\r':
			b = append(b, `\r`...)
		default:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	return append(append(b, s[start:]...), '"')
}
