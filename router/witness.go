package router

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/demarc/demarc/internal/record"
	"github.com/demarc/demarc/ledger"
)

// Ledger is where the evidence goes, as the router sees it.
type Ledger interface {
	// Resume takes over source partitions that the group has given this process: nobody who owned them before can
	// append for them any more. It says below which offset each is covered; a partition that is not known is left out.
	Resume(ctx context.Context, partitions []ledger.Stream) (map[ledger.Stream]int64, error)
	// Append returns once the entries are durable, in this order. An error that is ledger.ErrRefused is final, and
	// ledger.ErrTakenOver until the next Resume; after any other the same entries may be appended again, and none of
	// them is kept twice.
	Append(ctx context.Context, entries []ledger.Entry) error
}

// witness makes the ledger's entries of what a router does.
type witness struct {
	router  *Router
	ledger  Ledger
	program string
	cluster string // the source's id, known from start on
	policy  ledger.PolicyRef

	told []atomic.Uint64 // per sink: the serial of its newest proof in the ledger; whoever appends sets it

	// For the guess of how long an entry becomes.
	receiptSize []int // per sink
	nameSizes   []int // per jurisdiction
}

func newWitness(r *Router) *witness {
	p := r.classifier.Policy()
	w := &witness{
		router: r, ledger: r.cfg.Ledger, program: r.cfg.Program,
		policy: ledger.PolicyRef{SHA256: hex.EncodeToString(p.Hash[:]), Version: int64(p.Version)},
		told:   make([]atomic.Uint64, len(r.sinks)),
	}
	w.measure(p)
	return w
}

// start tells what all later entries refer to, before the first record is read.
func (w *witness) start(ctx context.Context) error {
	entries, err := ledger.PolicyEntries(w.policy.Version, w.router.classifier.Policy().Text)
	if err != nil {
		return err
	}
	if err := w.keep(ctx, entries); err != nil {
		return err
	}
	if err := w.introduceAll(ctx); err != nil {
		return err
	}
	return w.firstSpan(ctx)
}

// firstSpan tries until it is known how far the source reaches: a partition without a leader is no reason to end, for
// those that have one.
func (w *witness) firstSpan(ctx context.Context) error {
	for failures := 0; ; failures++ {
		err := w.span(ctx, "start")
		if err == nil || ctx.Err() != nil || errors.Is(err, ledger.ErrRefused) || errors.Is(err, ledger.ErrTakenOver) || errors.Is(err, errClusterID) {
			return err
		}
		w.router.log.Warn("ledger does not know how far the source reaches, trying again", "error", err)
		select {
		case <-ctx.Done():
			return err
		case <-time.After(backoff(failures)):
		}
	}
}

// stop tells how far the source reached when this process ended, and which sinks turned out to be another place.
// Until then no entry says so: what such a sink had acknowledged before belongs in the ledger first.
func (w *witness) stop(ctx context.Context) error {
	if err := w.introduceAll(ctx); err != nil {
		return err
	}
	return w.span(ctx, "stop")
}

// hourly tells again and again how far the source reaches, until ctx ends.
func (w *witness) hourly(ctx context.Context) {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := w.span(ctx, "hour"); err != nil && ctx.Err() == nil {
				w.router.stats.ledgerFailed()
				w.router.log.Warn("ledger does not know how far the source reaches, trying again in an hour", "error", err)
			}
		}
	}
}

// statement is what a chunk has to say to the ledger, with the proofs of the sinks that stored its records.
type statement struct {
	proofs  map[int]record.Proof
	entries []ledger.Entry
}

// state makes the statement of a chunk whose records are all durable. An error says that it can never be made, or, if
// it is errTooManyPlaces, not of a chunk of this size.
func (w *witness) state(c *chunk) (*statement, error) {
	st := &statement{proofs: map[int]record.Proof{}}
	for _, s := range c.segments {
		for _, stored := range s.stores {
			if _, ok := st.proofs[stored.sink]; !ok {
				st.proofs[stored.sink] = w.router.sinks[stored.sink].Proof()
			}
		}
	}
	for sink, p := range st.proofs {
		if !p.Held && w.told[sink].Load() == 0 {
			return nil, fmt.Errorf("tell the ledger of sink %s: it has turned out to be another place since it stored this; what it holds is not evidence, and is delivered again once the sink is what the policy says", w.router.sinkName(sink))
		}
	}
	for _, s := range c.segments {
		r := w.rangeOf(c, s, st.proofs)
		if !c.p.fine && entryBytes(r) > ledger.MaxEntryBytes {
			return nil, fmt.Errorf("tell the ledger what became of a chunk: %w", errTooManyPlaces)
		}
		st.entries = append(st.entries, ledger.Entry{Kind: ledger.KindRange, Range: r})
	}
	return st, nil
}

// append makes statements durable, in their order.
func (w *witness) append(ctx context.Context, statements ...*statement) error {
	var entries []ledger.Entry
	for _, st := range statements {
		for sink, p := range st.proofs {
			if !p.Held { // an entry before says that it did
				continue
			}
			if err := w.introduce(ctx, sink, p); err != nil {
				return err
			}
		}
		entries = append(entries, st.entries...)
	}
	return w.keep(ctx, entries)
}

// introduceAll tells what is known of each sink. Of one that is still being opened there is nothing to tell.
func (w *witness) introduceAll(ctx context.Context) error {
	for i, sink := range w.router.sinks {
		p := sink.Proof()
		if !p.Held && !slices.ContainsFunc(p.Checks, func(c record.Check) bool { return !c.Held }) {
			continue
		}
		if err := w.introduce(ctx, i, p); err != nil {
			return err
		}
	}
	return nil
}

// introduce tells a sink's proof, unless the ledger has it or a newer one.
func (w *witness) introduce(ctx context.Context, sink int, p record.Proof) error {
	if p.Serial <= w.told[sink].Load() {
		return nil
	}
	if err := w.keep(ctx, []ledger.Entry{{Kind: ledger.KindPins, Pins: w.pins(sink, p)}}); err != nil {
		return err
	}
	w.told[sink].Store(p.Serial)
	return nil
}

// keep appends entries, as often as it takes.
func (w *witness) keep(ctx context.Context, entries []ledger.Entry) error {
	for failures := 0; ; failures++ {
		begun := time.Now()
		err := w.ledger.Append(ctx, entries)
		switch {
		case err == nil:
			w.router.stats.ledgerAppended(len(entries), time.Since(begun))
			if failures > 0 {
				w.router.log.Info("ledger can be written again")
			}
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("append to the ledger: %w", errors.Join(ctx.Err(), err))
		}
		w.router.stats.ledgerFailed()
		if errors.Is(err, ledger.ErrRefused) || errors.Is(err, ledger.ErrTakenOver) {
			return fmt.Errorf("append to the ledger: %w", err)
		}
		if failures == 0 {
			w.router.log.Error("ledger cannot be written, its partitions wait", "error", err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("append to the ledger: %w", errors.Join(ctx.Err(), err))
		case <-time.After(backoff(failures)):
		}
	}
}

// maxTime is the greatest timestamp that an entry can hold, to either side.
const maxTime = 1<<53 - 1

// rangeOf is the entry of one segment.
func (w *witness) rangeOf(c *chunk, s *segment, proofs map[int]record.Proof) *ledger.Range {
	r := &ledger.Range{
		Absent: s.result.absent, Control: s.result.control, Data: s.data,
		Counts: w.counts(s.result.outcomes), Receipts: w.receipts(s.stores, proofs),
		Policy: w.policy, Program: w.program,
		Source: ledger.Source{
			Cluster: w.cluster, Topic: c.p.tp.Topic, TopicID: c.p.topicID, Partition: c.p.tp.Partition,
			LeaderEpoch: s.epoch, From: s.from, To: s.to,
		},
	}
	if s.data > 0 {
		bound := func(at int64) int64 { return min(max(at, -maxTime), maxTime) }
		r.Time = &ledger.Times{First: bound(s.oldest), Last: bound(s.newest), Type: s.clocks}
	}
	if geo := c.snapshot.Geo; geo != nil {
		hash := geo.Hash()
		r.Geo = &ledger.Geo{SHA256: hex.EncodeToString(hash[:]), Built: geo.Built().Unix()}
	}
	return r
}

// counts sums outcomes: a record that its sink refused has left a tally behind that is empty, and may have come to
// another that was there.
func (w *witness) counts(outcomes []outcomeTally) []ledger.Count {
	sums := map[record.Outcome]Tally{}
	for _, o := range outcomes {
		t := sums[o.outcome]
		t.add(o.tally)
		sums[o.outcome] = t
	}
	var list []ledger.Count
	for o, t := range sums {
		if t.Records == 0 {
			continue
		}
		list = append(list, ledger.Count{
			Set: w.setName(o.Set), Reason: o.Reason.String(), Sink: w.router.sinkName(int(o.Sink)),
			Records: t.Records, Bytes: t.Bytes,
		})
	}
	slices.SortFunc(list, func(a, b ledger.Count) int {
		return cmp.Or(cmp.Compare(a.Set, b.Set), cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Sink, b.Sink))
	})
	return list
}

func (w *witness) receipts(stores []store, proofs map[int]record.Proof) []ledger.Receipt {
	var list []ledger.Receipt
	for i, s := range stores {
		list = append(list, ledger.Receipt{
			Sink: w.router.sinkName(s.sink), SHA256: hex.EncodeToString(s.place.SHA256[:]), Counts: w.setCounts(s.sets),
		})
		if s.place.File != "" {
			list[i].File = &ledger.FilePlace{Name: s.place.File, From: s.place.From, To: s.place.To}
			continue
		}
		list[i].Kafka = &ledger.Offsets{
			Cluster: proofs[s.sink].Cluster, Topic: s.place.Topic, Partition: s.place.Partition,
			Base: s.place.BaseOffset, Last: s.place.LastOffset,
		}
	}
	slices.SortFunc(list, compareReceipts)
	return list
}

func compareReceipts(a, b ledger.Receipt) int {
	if c := cmp.Compare(a.Sink, b.Sink); c != 0 {
		return c
	}
	if a.File != nil {
		return cmp.Or(cmp.Compare(a.File.Name, b.File.Name), cmp.Compare(a.File.From, b.File.From))
	}
	return cmp.Or(cmp.Compare(a.Kafka.Partition, b.Kafka.Partition), cmp.Compare(a.Kafka.Base, b.Kafka.Base))
}

func (w *witness) setCounts(sets []record.Set) []ledger.SetCount {
	sums := map[record.Set]int64{}
	for _, s := range sets {
		sums[s]++
	}
	var list []ledger.SetCount
	for s, n := range sums {
		list = append(list, ledger.SetCount{Set: w.setName(s), Records: n})
	}
	slices.SortFunc(list, func(a, b ledger.SetCount) int { return cmp.Compare(a.Set, b.Set) })
	return list
}

func (w *witness) setName(s record.Set) string { return s.Join(w.router.stats.jurisdictions) }

var errClusterID = errors.New("evidence needs a cluster id that stays")

// spanPartitions is how many partitions one entry tells of: two offsets of at most 16 digits for each.
const spanPartitions = 1500

// span tells how far each partition of the source topics reaches.
func (w *witness) span(ctx context.Context, why string) error {
	r := w.router
	meta, err := r.client.Metadata(ctx, &kafka.MetadataRequest{Addr: r.addr, Topics: r.cfg.Topics})
	if err != nil {
		return fmt.Errorf("read source metadata: %w", err)
	}
	if w.cluster == "" {
		w.cluster = meta.ClusterID // by start, before anyone else looks at it
	}
	if w.cluster == "" || meta.ClusterID != w.cluster {
		return fmt.Errorf("read source metadata: %w: it is %q, and was %q", errClusterID, meta.ClusterID, w.cluster)
	}
	ids, err := TopicIDs(ctx, r.client, r.cfg.Topics)
	if err != nil {
		return err
	}
	at := r.now().UnixMilli()
	var entries []ledger.Entry
	for _, t := range meta.Topics {
		if t.Error != nil {
			return fmt.Errorf("read source metadata: topic %s: %w", t.Name, t.Error)
		}
		told, err := w.spanOf(ctx, t, at, why)
		if err != nil {
			return err
		}
		for _, e := range told {
			e.Span.TopicID = ids[t.Name]
		}
		entries = append(entries, told...)
	}
	return w.keep(ctx, entries)
}

func (w *witness) spanOf(ctx context.Context, t kafka.Topic, at int64, why string) (entries []ledger.Entry, err error) {
	r := w.router
	all := make([]record.TopicPartition, len(t.Partitions))
	for i := range all {
		all[i] = record.TopicPartition{Topic: t.Name, Partition: int32(i)}
	}
	firsts, err := listOffsets(ctx, r.client, r.addr, all, kafka.FirstOffset)
	if err != nil {
		return nil, err
	}
	stables, err := listOffsets(ctx, r.client, r.addr, all, kafka.LastOffset)
	if err != nil {
		return nil, err
	}
	for base := 0; base < len(all); base += spanPartitions {
		s := &ledger.Span{At: at, Base: int32(base), Cluster: w.cluster, Count: int32(len(all)), Topic: t.Name, Why: why}
		for _, tp := range all[base:min(base+spanPartitions, len(all))] {
			s.First = append(s.First, firsts[tp])
			s.Stable = append(s.Stable, max(firsts[tp], stables[tp])) // asked one after the other
		}
		entries = append(entries, ledger.Entry{Kind: ledger.KindSpan, Span: s})
	}
	return entries, nil
}

// resumption is what the ledger knows of partitions when a generation begins.
type resumption struct {
	moved   []record.TopicPartition         // whose start is where the ledger ends, now
	lacking map[record.TopicPartition]error // of which the ledger lacks what lies below their start
	ids     map[string]string               // of topics, by name
}

// resume moves starts to where the ledger ends: what it covers is durable at the sinks, committed or not. A topic that
// was created anew is another: its offsets are not those that the ledger covers.
func (w *witness) resume(ctx context.Context, starts map[record.TopicPartition]int64) (resumption, error) {
	found := resumption{lacking: map[record.TopicPartition]error{}}
	var err error
	if found.ids, err = TopicIDs(ctx, w.router.client, w.router.cfg.Topics); err != nil {
		return found, err
	}
	streams := map[ledger.Stream]record.TopicPartition{}
	for tp := range starts {
		streams[ledger.Stream{Cluster: w.cluster, Topic: tp.Topic, TopicID: found.ids[tp.Topic], Partition: tp.Partition}] = tp
	}
	covered, err := w.ledger.Resume(ctx, slices.Collect(maps.Keys(streams)))
	if err != nil {
		return found, fmt.Errorf("ask the ledger where to begin: %w", err)
	}
	for stream, to := range covered {
		tp := streams[stream]
		switch start := starts[tp]; {
		case to > start:
			starts[tp] = to
			found.moved = append(found.moved, tp)
		case to < start:
			found.lacking[tp] = fmt.Errorf("the ledger ends at offset %d and the group %s begins at %d: nothing says what became of the records between; "+
				"set the group's offset back to %d, or accept the gap: demarc gap %s --to %d --reason TEXT",
				to, w.router.cfg.Group, start, to, tp, start)
		}
	}
	return found, nil
}
