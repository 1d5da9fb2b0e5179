package recount

import (
	"fmt"

	"github.com/demarc/demarc/internal/record"
	"github.com/demarc/demarc/internal/wire"
)

// tallied is what the records of one receipt were decided to be.
type tallied struct {
	records  Records
	outcomes map[outcome]amount
	sum      [4]uint64 // of the records' fingerprints, with a source
	whole    bool      // every record was decided, and is what it should be
	read     bool      // every record could be read
}

// decide decides every record of the current receipt. With an error the result is of those that could be read.
func (w *worker) decide(b wire.Batch) (*tallied, error) {
	seen := &tallied{outcomes: map[outcome]amount{}, whole: true, read: true}
	by, blind := w.basis()
	section, err := w.judge.decoder.Open(b)
	if err == nil {
		last := int64(-1)
		it := wire.Iterate(section, b)
		for rec := (wire.Record{}); it.Next(&rec); {
			offset := b.BaseOffset() + int64(rec.OffsetDelta)
			if err = rec.Read(&w.judge.record); err != nil {
				err = fmt.Errorf("offset %d: %w", offset, err)
				break
			}
			seen.records.Read++
			if by.use.policy == nil {
				takeHeaders(&w.judge.record)
				seen.records.Undecided++
				seen.whole = false
			} else {
				last = w.one(by, offset, last, int64(len(rec.Tail)), seen)
			}
			if w.print != nil {
				add(&seen.sum, w.print.of(b.Timestamp(&rec), &w.judge.record))
			}
		}
		if err == nil {
			err = it.Err()
		}
	}
	if seen.records.Undecided > 0 {
		w.run.report.unknown("%s", blind)
	}
	if err != nil {
		seen.whole, seen.read = false, false
	}
	return seen, err
}

// basis is what the records of the current receipt are decided by, and what to say if that does not suffice.
func (w *worker) basis() (by basis, blind string) {
	r := &w.current
	by.use = w.judge.policies[r.policy]
	hash := w.run.told.geos.list[r.geo]
	if by.geo = w.judge.geos[hash]; hash == "" {
		by.geo = nil
	}
	switch {
	case by.use.policy == nil:
		blind = fmt.Sprintf("records under policy version %d cannot be decided again: its text in the ledger does not load here", by.use.ref.Version)
	case r.geo == 0:
		blind = fmt.Sprintf("entry %d names no geo database, so that its records that look an address up cannot be decided again", r.entry)
	default:
		blind = fmt.Sprintf("records that look an address up cannot be decided again without the geo database with the SHA-256 %s", hash)
	}
	return by, blind
}

// one decides one record and books it. last is the source offset of the quarantined record before it.
func (w *worker) one(by basis, offset, last, size int64, seen *tallied) int64 {
	f := w.judge.decide(by)
	sink := w.run.told.names.list[w.current.sink]
	if f.source != nil && f.state != differs {
		at, cause := w.sourceOf(f.source, last)
		if last = at; cause != "" {
			f = f.differs(cause)
		}
	}
	if f.state != undecided {
		o := outcome{f.set, f.decision.Reason}
		sum := seen.outcomes[o]
		seen.outcomes[o] = amount{sum.records + 1, sum.bytes + size}
	}
	switch {
	case f.state == undecided:
		seen.records.Undecided++
		seen.whole = false
	case f.sink != sink:
		seen.records.Differing++
		seen.whole = false
		w.differ(Misplaced, &offset, "is decided %s (%s), which goes to %s", f.set, f.decision.Reason, f.sink)
	case f.state == differs:
		seen.records.Differing++
		seen.whole = false
		w.differ(Outcome, &offset, "is decided %s (%s): %s", f.set, f.decision.Reason, f.cause)
	case f.state == stated:
		seen.records.Stated++
		switch f.decision.Reason {
		case record.TooLarge:
			seen.records.TooLarge++
		case record.Refused:
			seen.records.Refused++
		case record.GeoExpired:
			seen.records.GeoExpired++
		}
	default:
		seen.records.Agreed++
	}
	return last
}

// sourceOf holds the demarc-source of a quarantined record against the source range of the receipt's entry.
func (w *worker) sourceOf(value []byte, last int64) (offset int64, cause string) {
	r := &w.current
	stream := w.run.told.streams.list[r.source]
	topic, partition, offset, ok := parseSource(value)
	switch {
	case !ok || topic != stream.Topic || partition != stream.Partition || offset < r.from || offset >= r.to:
		return last, fmt.Sprintf("its demarc-source is not inside %s/%d [%d,%d)", stream.Topic, stream.Partition, r.from, r.to)
	case offset <= last:
		return last, fmt.Sprintf("its demarc-source is offset %d, not above %d of the one before it", offset, last)
	}
	return offset, ""
}

// compareSets holds the receipt's counts against the records.
func (w *worker) compareSets(seen *tallied) {
	sums := map[string]int64{}
	for o, n := range seen.outcomes {
		sums[o.set] += n.records
	}
	for _, n := range w.current.sets {
		set := w.run.told.names.list[n.set]
		if sums[set] != n.records {
			w.differ(Counts, nil, "says %d records of %s, its bytes hold %d", n.records, set, sums[set])
			seen.whole = false
		}
		delete(sums, set)
	}
	for set, n := range sums {
		w.differ(Counts, nil, "says no records of %s, its bytes hold %d", set, n)
		seen.whole = false
	}
}
