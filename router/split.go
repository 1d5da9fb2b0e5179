package router

import (
	"fmt"
	"slices"
	"strconv"
	"sync"

	"github.com/demarc/demarc/classifier"
	"github.com/demarc/demarc/internal/record"
	"github.com/demarc/demarc/internal/wire"
)

const (
	// sinkBatchBytes bounds a sink batch before compression. It stays below the default message.max.bytes
	// (1,048,588) so that no batch is refused for its size unless one record alone is too large.
	sinkBatchBytes = 1_000_000

	// passThroughBytes is the least size of a compressed batch that goes to a sink as it is. A smaller one
	// costs more as a request of its own than as a part of a larger batch.
	passThroughBytes = 16 << 10
)

// workspace is the scratch of whoever extracts, decides and splits. There are as many as processors, so that
// memory does not grow with the number of lanes.
type workspace struct {
	router    *Router
	evaluator *classifier.Evaluator
	decoder   *wire.Decompressor
	encoder   *wire.Compressor

	lane    *lane
	chunk   *chunk
	segment *segment // the one being filled

	record    record.Record
	records   []wire.Record
	decisions []record.Decision
	count     counter
	building  []building // per sink
	parts     []part
	aborted   wire.Aborted
	passed    int64 // batches that went to their sink as they were
	rewritten int64 // batches that were taken apart
	headers   [4]record.Header
	source    []byte
}

// building is the batch that is being filled for one sink.
type building struct {
	builder wire.Builder
	codec   wire.Codec
	offsets []int64
	sets    []record.Set // with a ledger
}

func (r *Router) newWorkspace() *workspace {
	w := &workspace{
		router: r, evaluator: r.classifier.Evaluator(),
		decoder: wire.NewDecompressor(r.cfg.MaxBatchBytes), encoder: wire.NewCompressor(),
		building: make([]building, len(r.sinks)),
	}
	policy := r.classifier.Policy()
	w.headers = [4]record.Header{
		{Key: []byte(record.HeaderReason)}, {Key: []byte(record.HeaderSignal)},
		{Key: []byte(record.HeaderSource)}, {Key: []byte(record.HeaderPolicy), Value: []byte(policy.ID())},
	}
	return w
}

// asSource stands for the codec of the source's batch.
const asSource wire.Codec = -1

// codecs are those that a policy's sinks say.
func codecs(sinks []classifier.Sink) ([]wire.Codec, error) {
	list := make([]wire.Codec, len(sinks))
	for i, s := range sinks {
		list[i] = asSource
		if s.Codec == "" {
			continue
		}
		var err error
		if list[i], err = wire.ParseCodec(s.Codec); err != nil {
			return nil, fmt.Errorf("read sink %s: %w", s.Name, err)
		}
	}
	return list, nil
}

// codec is what a sink's batch is compressed by when its records come from a batch of another one.
func (w *workspace) codec(sink int, source wire.Codec) wire.Codec {
	if c := w.router.codecs[sink]; c != asSource {
		return c
	}
	return source
}

func (w *workspace) begin(l *lane, c *chunk) {
	w.lane, w.chunk = l, c
	w.evaluator.Use(c.snapshot)
	w.count.reset()
	w.passed, w.rewritten = 0, 0
	w.parts = nil
}

// split extracts the signals of every record of a chunk, decides, and makes the batches for the sinks. An error
// means that the chunk cannot be read whole: no record of it is delivered.
func (l *lane) split(c *chunk) ([]part, error) {
	w := <-l.router.workspaces
	defer func() { l.router.workspaces <- w }()
	c.snapshot = l.router.geo.snapshot(l.router.now())
	w.begin(l, c)
	w.aborted.Reset(c.aborted)
	err := w.chunkRecords()
	if err != nil {
		w.discard()
		return nil, err
	}
	l.router.stats.split(c.p.tp.Topic, w.passed, w.rewritten)
	return w.parts, nil
}

// discard forgets what was built of a chunk that cannot be read whole.
func (w *workspace) discard() {
	for i := range w.building {
		b := &w.building[i]
		b.builder.Reset()
		b.offsets, b.sets = nil, nil
	}
	w.parts = nil
}

func (w *workspace) chunkRecords() error {
	w.segment = &segment{from: w.chunk.from, epoch: -1}
	for rest := w.chunk.records; len(rest) > 0; {
		b, tail, err := wire.Next(rest)
		if err != nil {
			return fmt.Errorf("read batch: %w", err)
		}
		rest = tail
		if err := w.sourceBatch(b); err != nil {
			return err
		}
	}
	return w.closeSegment(w.chunk.to)
}

// closeSegment ends the batches being filled and books what the segment holds.
func (w *workspace) closeSegment(to int64) error {
	for sink := range w.building {
		if err := w.flush(sink); err != nil {
			return err
		}
	}
	s := w.segment
	s.to = to
	s.result.offsets = to - s.from
	s.result.absent = s.result.offsets - s.result.control - s.data
	s.result.outcomes = append([]outcomeTally(nil), w.count.list...)
	w.count.reset()
	w.chunk.segments = append(w.chunk.segments, s)
	return nil
}

// nextSegment begins a segment at an offset if the one being filled is full. There is something in that one, which
// lies below.
func (w *workspace) nextSegment(from int64) error {
	if !w.full() {
		return nil
	}
	before := w.segment
	if err := w.closeSegment(from); err != nil {
		return err
	}
	w.segment = &segment{from: from, epoch: before.epoch}
	return nil
}

// full reports whether the segment being filled has as much as one entry should tell.
func (w *workspace) full() bool {
	return w.segment.bytes >= segmentBytes || w.chunk.p.fine && w.segment.data >= fineRecords
}

// sourceBatch books a control batch, leaves out an aborted one and splits any other.
func (w *workspace) sourceBatch(b wire.Batch) error {
	if err := b.Check(); err != nil {
		return fmt.Errorf("check batch at offset %d: %w", b.BaseOffset(), err)
	}
	if err := w.nextSegment(b.BaseOffset()); err != nil {
		return err
	}
	w.segment.epoch = b.LeaderEpoch()
	aborted, err := w.aborted.Next(b)
	if err != nil {
		return fmt.Errorf("read control batch at offset %d: %w", b.BaseOffset(), err)
	}
	switch {
	case b.Control():
		w.segment.result.control += b.LastOffset() + 1 - max(b.BaseOffset(), w.chunk.from)
	case aborted:
		// Read committed: its offsets count as absent.
	case b.Count() > 0: // compaction leaves empty batches
		if err := w.batch(b); err != nil {
			return fmt.Errorf("read batch at offset %d: %w", b.BaseOffset(), err)
		}
	}
	return nil
}

// batch decides every record of one batch, then passes the batch through or takes it apart.
func (w *workspace) batch(b wire.Batch) error {
	section, err := w.decoder.Open(b)
	if err != nil {
		return err
	}
	w.records, w.decisions = w.records[:0], w.decisions[:0]
	base, from := b.BaseOffset(), w.chunk.from
	one := true // every record goes to the sink of the first, and none to quarantine
	it := wire.Iterate(section, b)
	var r wire.Record
	for it.Next(&r) {
		if base+int64(r.OffsetDelta) < from {
			one = false // delivered before; the batch holds more than is asked for
			continue
		}
		if err := r.Read(&w.record); err != nil {
			return fmt.Errorf("read record at offset %d: %w", base+int64(r.OffsetDelta), err)
		}
		d := w.evaluator.Decide(&w.record)
		w.records = append(w.records, r)
		w.decisions = append(w.decisions, d)
		one = one && !d.Reason.Quarantines() && d.Sink == w.decisions[0].Sink
	}
	if err := it.Err(); err != nil {
		return err
	}
	if len(w.records) == 0 {
		w.rewritten++
		return nil
	}
	sink := int(w.decisions[0].Sink)
	if one && len(b.Section()) >= passThroughBytes && wire.Passable(b) && w.codec(sink, b.Codec()) == b.Codec() &&
		it.Consecutive() && w.passesWhole() {
		w.passed++
		return w.pass(b, sink)
	}
	w.rewritten++
	return w.distribute(b)
}

// passesWhole reports whether one receipt can tell the sets of all decisions.
func (w *workspace) passesWhole() bool {
	if w.router.witness == nil {
		return true
	}
	if w.chunk.p.fine {
		return false
	}
	var sets [passSets]record.Set
	n := 0
	for i := range w.decisions {
		set := w.decisions[i].Set
		if i > 0 && set == w.decisions[i-1].Set || slices.Contains(sets[:n], set) {
			continue
		}
		if n == passSets {
			return false
		}
		sets[n] = set
		n++
	}
	return true
}

// tally books a record in its segment.
func (w *workspace) tally(b wire.Batch, r *wire.Record, d record.Decision) {
	o := d.Outcome()
	if fresh := w.count.add(o, Tally{Records: 1, Bytes: int64(len(r.Tail))}); fresh && w.router.witness != nil {
		w.segment.bytes += w.router.witness.countBytes(o) + w.router.witness.setBytes(o.Set)
	}
	w.segment.data++
	w.segment.timed(b.Timestamp(r))
}

// beginPart counts the receipt of a batch for a sink: each set that its records may have, and its place.
func (w *workspace) beginPart(sink int) {
	if w.router.witness == nil {
		return
	}
	w.segment.bytes += w.router.witness.receiptBytes(sink)
	for _, o := range w.count.list {
		if int(o.outcome.Sink) == sink {
			w.segment.bytes += w.router.witness.setBytes(o.outcome.Set)
		}
	}
}

// pass hands a whole batch on, compressed as it is.
func (w *workspace) pass(b wire.Batch, sink int) error {
	if err := w.flush(sink); err != nil { // what came before it stays before it
		return err
	}
	w.segment.clock(b.LogAppendTime())
	for i := range w.records {
		w.tally(b, &w.records[i], w.decisions[i])
	}
	w.beginPart(sink)
	out := wire.PassThrough(w.router.outputs.get(), b)
	p := part{sink: sink, first: b.BaseOffset()}
	if w.router.witness != nil {
		p.sets = make([]record.Set, len(w.decisions))
		for i := range w.decisions {
			p.sets[i] = w.decisions[i].Set
		}
	}
	w.add(p, out)
	return nil
}

// distribute copies each record of a batch into the batch of its sink.
func (w *workspace) distribute(b wire.Batch) error {
	for i := range w.records {
		r, d := &w.records[i], w.decisions[i]
		if i > 0 && w.full() {
			if err := w.nextSegment(b.BaseOffset() + int64(r.OffsetDelta)); err != nil {
				return err
			}
		}
		if w.segment.clocks == "" || i == 0 {
			w.segment.clock(b.LogAppendTime())
		}
		w.tally(b, r, d)
		if err := w.put(r, d, b.Timestamp(r), b.BaseOffset()+int64(r.OffsetDelta), b.Codec()); err != nil {
			return err
		}
	}
	return nil
}

// put appends a record to the batch of its sink.
func (w *workspace) put(r *wire.Record, d record.Decision, timestamp, offset int64, codec wire.Codec) error {
	sink := int(d.Sink)
	s := &w.building[sink]
	if s.builder.Count() > 0 && s.builder.Bytes()+len(r.Tail) > sinkBatchBytes {
		if err := w.flush(sink); err != nil {
			return err
		}
	}
	if s.builder.Count() == 0 {
		w.beginPart(sink)
	}
	s.codec = w.codec(sink, codec)
	s.offsets = append(s.offsets, offset)
	if w.router.witness != nil {
		s.sets = append(s.sets, d.Set)
	}
	if !d.Reason.Quarantines() {
		s.builder.Add(timestamp, r.Tail)
		return nil
	}
	w.headers[0].Value = reasonBytes[d.Reason]
	w.headers[1].Value = w.router.signalName(d.Signal)
	w.source = append(append(w.source[:0], w.chunk.p.tp.Topic...), '/')
	w.source = append(strconv.AppendInt(w.source, int64(w.chunk.p.tp.Partition), 10), '/')
	w.source = strconv.AppendInt(w.source, offset, 10)
	w.headers[2].Value = w.source
	return s.builder.AddWithHeaders(timestamp, r.Tail, w.headers[:])
}

// reasonBytes are the reasons' names as header values.
var reasonBytes = func() (names [][]byte) {
	for _, r := range record.Reasons() {
		names = append(names, []byte(r.String()))
	}
	return names
}()

// flush ends the batch that is being filled for a sink.
func (w *workspace) flush(sink int) error {
	s := &w.building[sink]
	n := s.builder.Count()
	if n == 0 {
		return nil
	}
	out, err := s.builder.Build(w.router.outputs.get(), s.codec, w.encoder)
	if err != nil {
		return fmt.Errorf("encode batch for sink %s: %w", w.router.sinkName(sink), err)
	}
	w.add(part{sink: sink, first: s.offsets[0], offsets: s.offsets, sets: s.sets}, out)
	s.builder.Reset()
	s.offsets = make([]int64, 0, n)
	if w.router.witness != nil {
		s.sets = make([]record.Set, 0, n)
	}
	return nil
}

// add takes a batch that was built into a buffer of outputs.
func (w *workspace) add(p part, buffer []byte) {
	bytes := buffer[wire.ProduceRoom:]
	b := wire.Batch{Raw: bytes}
	p.newest = b.MaxTimestamp()
	p.batch = record.NewBatch(w.chunk.p.tp, bytes, int(b.Count()), w.lane.gen.live)
	p.batch.Room = buffer[:wire.ProduceRoom]
	p.batch.Digest = w.router.witness != nil
	p.segment = w.segment
	w.parts = append(w.parts, p)
}

// requeue makes the quarantine batches of the records that a sink refused out of the part it refused them of,
// and moves them to their new outcome.
func (w *workspace) requeue(p *part, refused []record.Refusal) ([]part, error) {
	b, _, err := wire.Next(p.batch.Bytes)
	if err != nil {
		return nil, err
	}
	section, err := w.decoder.Open(b)
	if err != nil {
		return nil, err
	}
	it := wire.Iterate(section, b)
	var r wire.Record
	for i := 0; it.Next(&r) && len(refused) > 0; i++ {
		if i != refused[0].Index {
			continue
		}
		if err := r.Read(&w.record); err != nil {
			return nil, err
		}
		before := w.evaluator.Decide(&w.record)
		if before.Reason.Quarantines() {
			return nil, fmt.Errorf("quarantine sink refuses the record at offset %d: %s", p.offset(i), refused[0].Reason)
		}
		after := w.evaluator.Refuse(&w.record, refused[0].Reason)
		p.segment.result.move(before.Outcome(), after.Outcome(), Tally{Records: 1, Bytes: int64(len(r.Tail))})
		if err := w.put(&r, after, b.Timestamp(&r), p.offset(i), b.Codec()); err != nil {
			return nil, err
		}
		refused = refused[1:]
	}
	if err := it.Err(); err != nil {
		return nil, err
	}
	for sink := range w.building {
		if err := w.flush(sink); err != nil {
			return nil, err
		}
	}
	return w.parts, nil
}

// outputs lends the buffers that sink batches are encoded into.
type outputs struct {
	pool sync.Pool
}

// keepOutput is the largest buffer that is kept for reuse.
const keepOutput = 2 << 20

// get returns a buffer that has room for a request at its beginning; a batch goes behind that.
func (o *outputs) get() []byte {
	if b, ok := o.pool.Get().(*[]byte); ok {
		return *b
	}
	return make([]byte, wire.ProduceRoom)
}

// put takes back the buffer of a batch.
func (o *outputs) put(b *record.Batch) {
	if buffer := b.Room; cap(buffer) <= keepOutput {
		o.pool.Put(&buffer)
	}
}
