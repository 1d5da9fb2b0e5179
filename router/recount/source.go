package recount

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/demarc/demarc/internal/record"
	"github.com/demarc/demarc/internal/wire"
	"github.com/demarc/demarc/ledger"
)

// Items of the spool of ranges, by their first byte: an entry, and what the sinks hold of it.
const (
	itemRange   = 0
	itemHeld    = 1 // records that were read
	itemNotHeld = 2 // a receipt whose records could not be read
)

func appendRange(b []byte, e *ledger.Range) []byte {
	b = append(b, itemRange)
	for _, v := range []int64{e.Source.To, e.Data, e.Control} {
		b = binary.AppendUvarint(b, uint64(v))
	}
	return b
}

// partial keeps what the sinks hold of an entry until the source is read.
func (r *run) partial(one *receipt, seen *tallied, scratch *[]byte) error {
	if r.touched != nil {
		if _, touched := r.touched[one.entry]; !touched {
			return nil
		}
	}
	b := append((*scratch)[:0], itemNotHeld)
	if seen != nil && seen.read {
		b[0] = itemHeld
		b = binary.AppendUvarint(b, uint64(seen.records.Read))
		for _, v := range seen.sum {
			b = binary.AppendUvarint(b, v)
		}
	}
	*scratch = b
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.told.ranges.add(spoolKey{one.source, one.from, one.entry}, b)
}

// span is one entry while its source range is read.
type span struct {
	entry         uint64
	from, to      int64
	data, control int64 // that the entry says
	held          int64 // records in the sinks
	sum           [4]uint64
	partly        bool // the sinks' side is not whole

	seen, markers int64 // of the source
	seenSum       [4]uint64
}

// add takes in an item of the spool.
func (s *span) add(b []byte) error {
	i := items{b: b[1:]}
	switch b[0] {
	case itemRange:
		s.to, s.data, s.control = int64(i.next()), int64(i.next()), int64(i.next())
	case itemHeld:
		s.held += int64(i.next())
		add(&s.sum, [4]uint64{i.next(), i.next(), i.next(), i.next()})
	default:
		s.partly = true
	}
	if i.bad {
		return errItem
	}
	return nil
}

// readSource compares every range of the ledger with the source, one partition after the other.
func (r *run) readSource(ctx context.Context) error {
	all, err := r.told.ranges.sort()
	if err != nil {
		return err
	}
	defer all.close()
	c := &comparison{run: r, print: r.doubles.printer(), decoder: wire.NewDecompressor(maxSection)}
	r.report.result.Source = &c.found
	for stream := range r.told.streams.list {
		c.stream, c.items, c.ahead, c.done = r.told.streams.list[stream], all.group(uint32(stream)), nil, false
		if err := c.partition(ctx); err != nil {
			return err
		}
	}
	return nil
}

// comparison reads the source.
type comparison struct {
	run     *run
	print   *printer
	decoder *wire.Decompressor
	found   Completeness
	record  record.Record

	// Of the partition that is being read.
	stream ledger.Stream
	items  *cursor
	ahead  *span // begun by the item that was read last
	done   bool
	open   []*span // whose ranges the reading is in
}

// next is the next entry of the partition, by the first offset of its range; nil at the end.
func (c *comparison) next() (*span, error) {
	for !c.done {
		s := c.ahead
		c.ahead = nil
		for {
			if !c.items.next() {
				c.done = true
				break
			}
			if k := c.items.key; s == nil {
				s = &span{entry: k.entry, from: k.at}
			} else if k.entry != s.entry || k.at != s.from {
				c.ahead = &span{entry: k.entry, from: k.at}
				break
			}
			if err := s.add(c.items.payload); err != nil {
				return nil, err
			}
		}
		if c.ahead != nil {
			if err := c.ahead.add(c.items.payload); err != nil {
				return nil, err
			}
		}
		if c.items.err != nil {
			return nil, c.items.err
		}
		if s == nil {
			return nil, nil
		}
		if _, touched := c.run.touched[s.entry]; touched || c.run.touched == nil {
			c.found.Entries++
			c.progress()
			return s, nil
		}
	}
	return nil, nil
}

func (c *comparison) progress() {
	if c.run.cfg.Progress != nil {
		total := c.run.told.outcomes
		if c.run.touched != nil {
			total = uint64(len(c.run.touched))
		}
		c.run.cfg.Progress(ReadingSource, uint64(c.found.Entries), total)
	}
}

// errRead ends the reading of a partition when no entry is left.
var errRead = errors.New("all entries are read")

// partition compares the ranges of one source partition.
func (c *comparison) partition(ctx context.Context) error {
	c.open = c.open[:0]
	source := c.run.cfg.Source
	if newest := c.run.told.lastly[streamless(c.stream)]; newest != c.stream {
		return c.rest(&c.found.Gone) // the topic was created anew
	}
	if c.stream.Cluster != source.ClusterID {
		c.run.report.unknown("%s: the source given is cluster %q", c.stream, source.ClusterID)
		return c.rest(&c.found.Unread)
	}
	in := &topicReader{transport: source.Transport, addr: source.Addr, topic: c.stream.Topic, clientID: c.run.cfg.ClientID, refusal: func() error { return nil }}
	reach, err := in.extent(ctx, c.stream.Partition)
	var first *span
	if err == nil {
		first, err = c.readable(&reach)
	}
	if err == nil && first != nil {
		c.open = append(c.open, first)
		err = c.ranges(ctx, in, &reach)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		c.run.report.unknown("source %s: %v", c.stream, err)
		c.found.Unread += int64(len(c.open))
		return c.rest(&c.found.Unread)
	}
	return nil
}

// rest counts the entries that are left.
func (c *comparison) rest(as *int64) error {
	for {
		s, err := c.next()
		if s == nil || err != nil {
			return err
		}
		*as++
	}
}

// readable is the next entry whose range the partition may still hold.
func (c *comparison) readable(reach *extent) (*span, error) {
	for {
		s, err := c.next()
		switch {
		case s == nil || err != nil:
			return nil, err
		case s.from < reach.start:
			c.found.Gone++
		case s.to > reach.stable:
			c.found.Different++
			c.differ(s, "the source ends at %d, below the end of the range", reach.stable)
		default:
			return s, nil
		}
	}
}

// ranges reads from the first open entry on until none is left.
func (c *comparison) ranges(ctx context.Context, in *topicReader, reach *extent) error {
	ahead, err := c.readable(reach)
	if err != nil {
		return err
	}
	err = in.each(ctx, c.stream.Partition, c.open[0].from, reach.stable, &reach.start, func(b wire.Batch, aborted bool) error {
		for ahead != nil && ahead.from <= b.LastOffset() {
			c.open = append(c.open, ahead)
			if ahead, err = c.readable(reach); err != nil {
				return err
			}
		}
		if err := c.batch(b, aborted); err != nil {
			return err
		}
		c.finish(b.LastOffset()+1, reach.start)
		if len(c.open) == 0 && ahead == nil {
			return errRead
		}
		return nil
	})
	if ahead != nil {
		c.open = append(c.open, ahead)
	}
	if err != nil && !errors.Is(err, errRead) {
		return err
	}
	for ahead != nil { // ranges at the end that hold nothing
		if ahead, err = c.readable(reach); err != nil {
			return err
		}
		if ahead != nil {
			c.open = append(c.open, ahead)
		}
	}
	c.finish(reach.stable, reach.start)
	return nil
}

// batch adds a batch of the source to the open entries.
func (c *comparison) batch(b wire.Batch, aborted bool) error {
	if err := b.Check(); err != nil {
		return fmt.Errorf("offset %d: %w", b.BaseOffset(), err)
	}
	if aborted || b.Control() {
		for _, s := range c.open {
			if b.Control() {
				s.markers += max(min(b.LastOffset()+1, s.to)-max(b.BaseOffset(), s.from), 0)
			}
		}
		return nil
	}
	if len(c.open) == 0 {
		return nil
	}
	section, err := c.decoder.Open(b)
	if err != nil {
		return err
	}
	it := wire.Iterate(section, b)
	for rec := (wire.Record{}); it.Next(&rec); {
		offset := b.BaseOffset() + int64(rec.OffsetDelta)
		if err := rec.Read(&c.record); err != nil {
			return fmt.Errorf("offset %d: %w", offset, err)
		}
		print := c.print.of(b.Timestamp(&rec), &c.record)
		covered := false
		for _, s := range c.open {
			if offset >= s.from && offset < s.to {
				s.seen++
				add(&s.seenSum, print)
				covered = true
			}
		}
		if covered {
			c.found.Records++
			c.run.doubles.explain(print)
		}
	}
	return it.Err()
}

// finish judges the open entries that end at an offset or below.
func (c *comparison) finish(offset, start int64) {
	kept := c.open[:0]
	for _, s := range c.open {
		if s.to > offset {
			kept = append(kept, s)
			continue
		}
		c.judge(s, start)
	}
	c.open = kept
}

func (c *comparison) judge(s *span, start int64) {
	switch {
	case s.from < start: // retention was faster than the reading
		c.found.Gone++
	case s.seen != s.data || s.markers != s.control:
		c.found.Different++
		c.differ(s, "says %d records and %d transaction markers, the source holds %d and %d", s.data, s.control, s.seen, s.markers)
	case s.partly:
		c.found.Incomplete++
	case s.held != s.seen:
		c.found.Different++
		c.differ(s, "the source holds %d records of the range, the sinks %d", s.seen, s.held)
	case s.sum != s.seenSum:
		c.found.Different++
		c.differ(s, "the sinks hold as many records as the source, %d, but not the same: a key, value, header or timestamp differs", s.seen)
	default:
		c.found.Equal++
	}
}

func (c *comparison) differ(s *span, format string, args ...any) {
	entry, from := s.entry, s.from
	c.run.report.differ(Difference{Kind: Incompletion, Entry: &entry, Place: c.stream.String(), Offset: &from, Cause: fmt.Sprintf(format, args...)})
}
