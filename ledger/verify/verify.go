// Package verify says whether a ledger holds together, trusting nobody: neither who keeps it, nor who signed it, nor
// where it was copied from. FORMAT.md of package ledger says what must hold; every MUST about the log is checked here.
//
// A signed log that tells a consistent lie about Kafka is out of its reach: what claims leave open and what sinks
// really hold is for the packages that use it.
package verify

import (
	"context"
	"errors"
	"fmt"

	"github.com/demarc/demarc/ledger"
	"github.com/demarc/demarc/ledger/tiles"
)

// Options say what a log is held against beside itself. The zero value asks for nothing more.
type Options struct {
	Since     *tiles.Checkpoint // an earlier checkpoint of the log, with which it must begin; may be nil
	Witnesses []tiles.Witness   // whose cosignatures count
	Quorum    int               // how many of them must be on the checkpoint
	MaxFaults int               // how many faults are kept; the others are counted. 0 stands for 100
	Progress  func(done, size uint64)
}

const defaultMaxFaults = 100

// Result is what a walk found. Nothing in it is proven unless there are no faults.
type Result struct {
	Checkpoint   *tiles.Checkpoint // nil if none could be opened; then nothing was read
	Cosignatures []tiles.Cosignature
	Entries      uint64 // that were read
	Bytes        uint64 // of these entries
	Kinds        map[ledger.Kind]uint64
	Partitions   []Partition   // of sources, by cluster, topic, topic id, number
	Topics       []Topic       // that spans tell of, in the same order
	Sinks        []Sink        // that pins tell of, by policy and name
	Stored       []StoredPlace // what receipts cover, by sink and place
	Faults       []Fault       // in the order in which they were found
	FaultCount   int           // also those that are not kept
}

// Visit is called with every entry that could be decoded, in their order, the faulty ones among them. What it keeps
// of an entry is its own. Nothing is proven before Walk returns without faults. An error ends the walk.
type Visit func(index uint64, e *ledger.Entry) error

// Walk reads the whole log and checks it. It costs memory for each partition of sources and sinks, not for each entry;
// a sink partition with holes between its receipts costs two to four bytes for each hole. The error says why the answer could
// not be found out; what is wrong with the log is in the result's faults. visit may be nil.
func Walk(ctx context.Context, log *tiles.Log, key tiles.Key, opts Options, visit Visit) (*Result, error) {
	if opts.MaxFaults == 0 {
		opts.MaxFaults = defaultMaxFaults
	}
	w := newWalk(log, opts, visit)
	err := w.checkpoint(ctx, key)
	if err == nil && w.result.Checkpoint != nil {
		err = w.entries(ctx)
	}
	if err != nil {
		return nil, err
	}
	w.finish()
	return &w.result, nil
}

// walk is the state of one Walk.
type walk struct {
	log    *tiles.Log
	opts   Options
	visit  Visit
	result Result
	hashes *hashCheck
	told   told
	source source
	stored stored
	volume volume
}

func newWalk(log *tiles.Log, opts Options, visit Visit) *walk {
	return &walk{
		log: log, opts: opts, visit: visit,
		result: Result{Kinds: map[ledger.Kind]uint64{}},
		told:   newTold(), source: newSource(), stored: newStored(),
	}
}

// checkpoint opens the newest checkpoint. If it is not there or not signed, nothing else is worth a look.
func (w *walk) checkpoint(ctx context.Context, key tiles.Key) error {
	data, err := w.log.Checkpoint(ctx)
	var broken *tiles.Broken
	if errors.As(err, &broken) {
		w.fault(aboutCheckpoint, "%v: nothing here is signed; is it a ledger?", broken.Cause)
		return nil
	}
	if err != nil {
		return err
	}
	c, err := tiles.OpenCheckpoint(data, key)
	if err != nil {
		w.fault(aboutCheckpoint, "%v", err)
		return nil
	}
	w.result.Checkpoint = c
	w.witnesses(c)
	if since := w.opts.Since; since != nil && since.Size > c.Size {
		w.fault(aboutCheckpoint, "has %d entries, but the earlier checkpoint had %d: the log was rolled back", c.Size, since.Size)
	}
	return nil
}

func (w *walk) witnesses(c *tiles.Checkpoint) {
	found, err := c.Cosignatures(w.opts.Witnesses)
	if err != nil {
		w.fault(aboutCheckpoint, "%v", err)
	}
	w.result.Cosignatures = found
	if len(found) < w.opts.Quorum {
		w.fault(aboutCheckpoint, "is cosigned by %d of the %d witnesses, want %d", len(found), len(w.opts.Witnesses), w.opts.Quorum)
	}
}

// entries reads and checks all entries of the checkpoint's tree.
func (w *walk) entries(ctx context.Context) error {
	c := w.result.Checkpoint
	w.hashes = newHashCheck(w, c)
	err := eachBundle(ctx, w.log, c.Size, func(b *bundle) error {
		if b.broken != nil {
			return b.broken
		}
		if err := w.bundle(ctx, b); err != nil {
			return err
		}
		if w.opts.Progress != nil {
			w.opts.Progress(w.result.Entries, c.Size)
		}
		return nil
	})
	if err == nil {
		err = w.hashes.finish(ctx)
	}
	// What follows a resource that cannot be read cannot be judged: it is a fault and ends the walk.
	var broken *tiles.Broken
	if errors.As(err, &broken) {
		w.fault(about{what: broken.Path}, "%v: entries from %d on cannot be checked", broken.Cause, w.result.Entries)
		return nil
	}
	return err
}

// bundle takes in up to 256 entries.
func (w *walk) bundle(ctx context.Context, b *bundle) error {
	for _, m := range b.mismatches {
		w.fault(m.about, "%s", m.cause)
	}
	if err := w.hashes.bundle(ctx, b); err != nil {
		return err
	}
	for i, read := range b.entries {
		index := b.first + uint64(i)
		w.result.Entries++
		w.result.Bytes += uint64(read.size)
		if read.entry == nil {
			w.fault(about{entry: index, isEntry: true}, "%v", read.err)
			continue
		}
		w.entry(index, read.entry)
		if w.visit == nil {
			continue
		}
		if err := w.visit(index, read.entry); err != nil {
			return err
		}
	}
	return nil
}

// entry holds one entry against those before it.
func (w *walk) entry(index uint64, e *ledger.Entry) {
	w.result.Kinds[e.Kind]++
	say := func(field, format string, args ...any) {
		w.fault(aboutEntry(index, e, field), format, args...)
	}
	sane(e, say)
	if e.Via != nil {
		w.told.via(*e.Via, say)
	}
	switch e.Kind {
	case ledger.KindRange:
		w.told.cited(e.Range, say)
		w.volume.add(e.Range, false, say)
		w.source.covers(index, e.Range, e.Via != nil, say)
		w.stored.receipts(index, e.Range, say)
	case ledger.KindReplay:
		w.told.cited(e.Range, say)
		w.volume.add(e.Range, true, say)
		w.source.replays(e.Range, say)
		w.stored.receipts(index, e.Range, say)
	case ledger.KindSpan:
		w.source.spans(e.Span)
	case ledger.KindPolicy:
		w.told.policy(index, e.Policy, say)
	case ledger.KindPins:
		w.told.policyOf(e.Pins.Policy, say)
		w.stored.pins(index, e.Pins, say)
	case ledger.KindGap:
		w.source.gap(index, e.Gap, say)
	}
}

// finish turns the state into the result.
func (w *walk) finish() {
	w.result.Partitions, w.result.Topics = w.source.sorted()
	w.result.Sinks, w.result.Stored = w.stored.sorted()
	w.reaches()
}

// sayer reports that a field of the entry at hand contradicts what is known.
type sayer func(field, format string, args ...any)

func (w *walk) fault(a about, format string, args ...any) {
	w.result.FaultCount++
	if len(w.result.Faults) < w.opts.MaxFaults {
		w.result.Faults = append(w.result.Faults, Fault{
			Entry: a.entry, IsEntry: a.isEntry, What: a.what, Field: a.field, Cause: fmt.Sprintf(format, args...),
		})
	}
}
