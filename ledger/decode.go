package ledger

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
)

// Decode reads an entry from its bytes, strictly: they must be the one canonical form (RFC 8785) of an entry that
// FORMAT.md allows, with every rule that one entry can break by itself. An error names the field. The result shares
// no memory with text.
func Decode(text []byte) (Entry, error) {
	if len(text) > MaxEntryBytes {
		return Entry{}, fmt.Errorf("decode entry: it has %d bytes, at most %d are allowed", len(text), MaxEntryBytes)
	}
	c := cursor{text: text}
	e := c.entry()
	if c.err == nil && c.at < len(text) {
		c.fail("%d bytes follow its end", len(text)-c.at)
	}
	if c.err != nil {
		return Entry{}, fmt.Errorf("decode entry: %w", c.err)
	}
	if err := e.check(); err != nil {
		return Entry{}, fmt.Errorf("decode entry: %w", err)
	}
	return e, nil
}

// entry reads {"kind":KIND, KIND:body, "v":1, "via":...}, the keys sorted: a gap's body stands before its kind.
func (c *cursor) entry() Entry {
	var e Entry
	c.open()
	if c.optional(string(KindGap)) {
		e.Gap = c.gap()
	}
	c.key("kind")
	e.Kind = Kind(c.str())
	if (e.Kind == KindGap) != (e.Gap != nil) {
		c.fail("is %q, but the entry's body is another", e.Kind)
	}
	switch e.Kind {
	case KindGap:
	case KindRange, KindReplay:
		c.key(string(e.Kind))
		e.Range = c.rangeBody()
	case KindSpan:
		c.key(string(KindSpan))
		e.Span = c.span()
	case KindPolicy:
		c.key(string(KindPolicy))
		e.Policy = c.policy()
	case KindPins:
		c.key(string(KindPins))
		e.Pins = c.pins()
	default:
		c.fail("%q is not a kind of entry", e.Kind)
	}
	c.key("v")
	c.integer(Version, Version)
	if c.optional("via") {
		e.Via = c.via()
	}
	c.close()
	return e
}

// offset reads an integer that is not negative.
func (c *cursor) offset() int64 { return c.integer(0, maxInteger) }

// signed reads any integer.
func (c *cursor) signed() int64 { return c.integer(-maxInteger, maxInteger) }

func (c *cursor) int32(low int64) int32 { return int32(c.integer(low, math.MaxInt32)) }

// digest reads a SHA-256 in lower-case hex.
func (c *cursor) digest() string {
	s := c.str()
	if c.err == nil && (len(s) != hex.EncodedLen(sha256.Size) || !lowerHex(s)) {
		c.fail("want a SHA-256 in lower-case hex, 64 characters")
	}
	return s
}

func (c *cursor) via() *Via {
	v := &Via{}
	c.open()
	c.key("offset")
	v.Offset = c.offset()
	c.key("partition")
	v.Partition = c.int32(0)
	c.close()
	return v
}

func (c *cursor) rangeBody() *Range {
	r := &Range{}
	c.open()
	c.key("absent")
	r.Absent = c.offset()
	c.key("control")
	r.Control = c.offset()
	c.key("counts")
	c.list(func() { r.Counts = append(r.Counts, c.count()) })
	c.key("data")
	r.Data = c.offset()
	if c.optional("geo") {
		r.Geo = c.geo()
	}
	c.key("policy")
	r.Policy = c.policyRef()
	c.key("program")
	r.Program = c.name()
	c.key("receipts")
	c.list(func() { r.Receipts = append(r.Receipts, c.receipt()) })
	c.key("source")
	r.Source = c.source()
	if c.optional("time") {
		r.Time = c.times()
	}
	c.close()
	return r
}

func (c *cursor) count() Count {
	var n Count
	c.open()
	c.key("bytes")
	n.Bytes = c.offset()
	c.key("reason")
	n.Reason = c.reason()
	c.key("records")
	n.Records = c.integer(1, maxInteger)
	c.key("set")
	n.Set = c.set()
	c.key("sink")
	n.Sink = c.name()
	c.close()
	return n
}

func (c *cursor) geo() *Geo {
	g := &Geo{}
	c.open()
	c.key("built")
	g.Built = c.offset()
	c.key("sha256")
	g.SHA256 = c.digest()
	c.close()
	return g
}

func (c *cursor) policyRef() PolicyRef {
	var p PolicyRef
	c.open()
	c.key("sha256")
	p.SHA256 = c.digest()
	c.key("version")
	p.Version = c.integer(1, maxInteger)
	c.close()
	return p
}

func (c *cursor) receipt() Receipt {
	var r Receipt
	c.open()
	c.key("counts")
	c.list(func() { r.Counts = append(r.Counts, c.setCount()) })
	if c.optional("file") {
		r.File = c.filePlace()
	}
	if c.optional("kafka") {
		r.Kafka = c.offsets()
	}
	c.key("sha256")
	r.SHA256 = c.digest()
	c.key("sink")
	r.Sink = c.name()
	c.close()
	return r
}

func (c *cursor) setCount() SetCount {
	var n SetCount
	c.open()
	c.key("records")
	n.Records = c.integer(1, maxInteger)
	c.key("set")
	n.Set = c.set()
	c.close()
	return n
}

func (c *cursor) filePlace() *FilePlace {
	p := &FilePlace{}
	c.open()
	c.key("from")
	p.From = c.offset()
	c.key("name")
	p.Name = c.fileName()
	c.key("to")
	p.To = c.offset()
	c.close()
	return p
}

func (c *cursor) offsets() *Offsets {
	o := &Offsets{}
	c.open()
	c.key("base")
	o.Base = c.offset()
	c.key("cluster")
	o.Cluster = c.name()
	c.key("last")
	o.Last = c.offset()
	c.key("partition")
	o.Partition = c.int32(0)
	c.key("topic")
	o.Topic = c.topic()
	c.close()
	return o
}

func (c *cursor) source() Source {
	var s Source
	c.open()
	c.key("cluster")
	s.Cluster = c.name()
	c.key("from")
	s.From = c.offset()
	c.key("leader_epoch")
	s.LeaderEpoch = c.int32(-1)
	c.key("partition")
	s.Partition = c.int32(0)
	c.key("to")
	s.To = c.offset()
	c.key("topic")
	s.Topic = c.topic()
	if c.optional("topic_id") {
		s.TopicID = c.topicID()
	}
	c.close()
	return s
}

func (c *cursor) times() *Times {
	t := &Times{}
	c.open()
	c.key("first")
	t.First = c.signed()
	c.key("last")
	t.Last = c.signed()
	c.key("type")
	t.Type = c.word("create", "append", "mixed")
	c.close()
	return t
}

func (c *cursor) span() *Span {
	s := &Span{}
	c.open()
	c.key("at")
	s.At = c.offset()
	c.key("base")
	s.Base = c.int32(0)
	c.key("cluster")
	s.Cluster = c.name()
	c.key("count")
	s.Count = c.int32(1)
	c.key("first")
	c.list(func() { s.First = append(s.First, c.offset()) })
	c.key("stable")
	c.list(func() { s.Stable = append(s.Stable, c.offset()) })
	c.key("topic")
	s.Topic = c.topic()
	if c.optional("topic_id") {
		s.TopicID = c.topicID()
	}
	c.key("why")
	s.Why = c.word("start", "hour", "stop")
	c.close()
	return s
}

func (c *cursor) policy() *Policy {
	p := &Policy{}
	c.open()
	c.key("part")
	p.Part = c.int32(1)
	c.key("parts")
	p.Parts = c.int32(1)
	c.key("sha256")
	p.SHA256 = c.digest()
	c.key("text")
	p.Text = c.str()
	c.key("version")
	p.Version = c.integer(1, maxInteger)
	c.close()
	return p
}

func (c *cursor) pins() *Pins {
	p := &Pins{}
	c.open()
	c.key("at")
	p.At = c.offset()
	c.key("checks")
	c.list(func() { p.Checks = append(p.Checks, c.check()) })
	c.key("held")
	p.Held = c.boolean()
	c.key("location")
	p.Location = c.location()
	c.key("place")
	p.Place = c.place()
	c.key("policy")
	p.Policy = c.policyRef()
	c.key("sink")
	p.Sink = c.name()
	c.key("unpinned")
	p.Unpinned = c.boolean()
	c.close()
	return p
}

func (c *cursor) check() Check {
	var k Check
	c.open()
	c.key("expected")
	c.list(func() { k.Expected = append(k.Expected, c.name()) })
	c.key("held")
	k.Held = c.boolean()
	c.key("pin")
	k.Pin = c.word("address", "cluster_id", "directory", "tls_spki_sha256")
	c.key("seen")
	k.Seen = c.plain()
	c.close()
	return k
}

func (c *cursor) location() Location {
	var l Location
	c.open()
	c.key("country")
	l.Country = c.country()
	c.key("operator")
	l.Operator = c.plain()
	c.key("region")
	l.Region = c.plain()
	c.close()
	return l
}

func (c *cursor) place() Place {
	var p Place
	c.open()
	if c.optional("cluster") {
		p.Cluster = c.name()
	}
	if c.optional("directory") {
		p.Directory = c.name()
	}
	if c.optional("topic") {
		p.Topic = c.topic()
	}
	c.close()
	return p
}

func (c *cursor) gap() *Gap {
	g := &Gap{}
	c.open()
	c.key("at")
	g.At = c.offset()
	c.key("reason")
	g.Reason = c.name()
	c.key("source")
	g.Source = c.source()
	c.close()
	return g
}
