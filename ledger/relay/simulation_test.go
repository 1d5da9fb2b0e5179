package relay

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/demarc/demarc/ledger"
	"github.com/demarc/demarc/ledger/writer"
)

// The simulation: source partitions, lanes of them, instances that own lanes, are given others, crash or sleep through
// it; an entries topic with transactions; a sequencer that crashes. What decides in it is the code of this package: home,
// frontier, search, order. The broker is a model, whose fence can be taken away.

const (
	simPartitions = 1000
	simLanes      = 32
	simInstances  = 20
	simHomes      = 5 // partitions of the entries topic
)

// simTxn is a transaction of one lane.
type simTxn struct {
	lane, epoch int
	state       simState
}

type simState int

const (
	simOpen simState = iota
	simCommitted
	simAborted
)

type simRecord struct {
	txn *simTxn
	stored
}

// simBroker is the entries topic with its coordinator.
type simBroker struct {
	fence  bool
	topic  [simHomes][]simRecord
	epochs [simLanes]int
	open   [simLanes][]*simTxn // one at most, with a fence
}

var errSimFenced = errors.New("fenced")

// init is InitProducerID.
func (b *simBroker) init(lane int) int {
	if b.fence {
		b.epochs[lane]++
		b.abort(lane)
	}
	return b.epochs[lane]
}

func (b *simBroker) abort(lane int) {
	for _, txn := range b.open[lane] {
		txn.state = simAborted
	}
	b.open[lane] = nil
}

func (b *simBroker) lost(lane, epoch int) bool { return b.fence && b.epochs[lane] != epoch }

func (b *simBroker) begin(lane, epoch int) (*simTxn, error) {
	if b.lost(lane, epoch) {
		return nil, errSimFenced
	}
	txn := &simTxn{lane: lane, epoch: epoch}
	b.open[lane] = append(b.open[lane], txn)
	return txn, nil
}

func (b *simBroker) produce(txn *simTxn, m message) error {
	if b.lost(txn.lane, txn.epoch) || txn.state != simOpen {
		return errSimFenced
	}
	list := &b.topic[m.partition]
	*list = append(*list, simRecord{txn, stored{partition: m.partition, offset: int64(len(*list)), key: m.key, value: m.value}})
	return nil
}

func (b *simBroker) commit(txn *simTxn) error {
	if b.lost(txn.lane, txn.epoch) || txn.state != simOpen {
		return errSimFenced
	}
	txn.state = simCommitted
	for i, open := range b.open[txn.lane] {
		if open == txn {
			b.open[txn.lane] = append(b.open[txn.lane][:i], b.open[txn.lane][i+1:]...)
			break
		}
	}
	return nil
}

// stable is the last stable offset.
func (b *simBroker) stable(p int32) int64 {
	for i, r := range b.topic[p] {
		if r.txn.state == simOpen {
			return int64(i)
		}
	}
	return int64(len(b.topic[p]))
}

// committed lists the committed records of [from, to).
func (b *simBroker) committed(p int32, from, to int64) (list []stored) {
	for _, r := range b.topic[p][from:to] {
		if r.txn.state == simCommitted {
			list = append(list, r.stored)
		}
	}
	return list
}

// simLane is what an instance believes of a lane.
type simLane struct {
	id       int
	epoch    int
	taken    bool
	frontier *frontier // nil until it was read where the entries end
	txn      *simTxn
	unsent   []item
}

type simInstance struct{ lanes map[int]*simLane }

// simulation is the world, and what is true of it.
type simulation struct {
	t         testing.TB
	dice      *rand.Rand
	broker    *simBroker
	instances [simInstances]*simInstance
	owner     [simLanes]int // in the group's eyes
	target    int64         // how far each source partition goes

	durable  *writer.Admission // the log
	log      []ledger.Entry
	vow      map[int32]int64
	order    *order // nil: the sequencer is down
	next     map[int32]int64
	injected int
	fenced   int // zombies that were stopped
	crashes  int // of the sequencer
	faults   []error
}

func newSimulation(t testing.TB, seed uint64, fence bool) *simulation {
	s := &simulation{
		t: t, dice: rand.New(rand.NewPCG(seed, 1)), broker: &simBroker{fence: fence}, target: 40,
		durable: writer.NewAdmission(), vow: map[int32]int64{},
	}
	for i := range s.instances {
		s.instances[i] = &simInstance{lanes: map[int]*simLane{}}
	}
	s.write(preamble(t))
	for lane := range simLanes {
		s.give(lane)
	}
	return s
}

// write puts entries into the topic beside all lanes.
func (s *simulation) write(list []ledger.Entry) {
	for _, it := range s.items(list) {
		p := it.message.partition
		s.broker.topic[p] = append(s.broker.topic[p], simRecord{&simTxn{state: simCommitted}, stored{
			partition: p, offset: int64(len(s.broker.topic[p])), key: it.message.key, value: it.message.value,
		}})
	}
}

func (s *simulation) items(list []ledger.Entry) (items []item) {
	for _, e := range list {
		text, err := writer.Encode(e)
		if err != nil {
			s.t.Fatal(err)
		}
		it := item{entry: e, message: message{key: []byte(keyOf(e)), value: text}}
		if stream, ok := streamOf(e); ok {
			it.message.partition = home(stream, simHomes)
		}
		items = append(items, it)
	}
	return items
}

// give has the group give a lane to somebody. Who had it before knows, or does not.
func (s *simulation) give(lane int) {
	before := s.instances[s.owner[lane]]
	if l := before.lanes[lane]; l != nil && l.txn == nil && s.dice.IntN(2) == 0 {
		delete(before.lanes, lane)
	}
	s.owner[lane] = s.dice.IntN(simInstances)
	s.instances[s.owner[lane]].lanes[lane] = &simLane{id: lane}
}

func (s *simulation) streams(lane int) (list []ledger.Stream) {
	for p := lane; p < simPartitions; p += simLanes {
		list = append(list, stream(int32(p)))
	}
	return list
}

// work does the next step of one lane of one instance.
func (s *simulation) work(in *simInstance, l *simLane) {
	var err error
	switch {
	case !l.taken:
		l.epoch, l.taken = s.broker.init(l.id), true
	case l.frontier == nil:
		s.resume(l)
	case l.txn == nil:
		err = s.begin(l)
	case len(l.unsent) > 0:
		err = s.broker.produce(l.txn, l.unsent[0].message)
		l.unsent = l.unsent[1:]
	default:
		if err = s.broker.commit(l.txn); err == nil {
			l.frontier.keep()
			l.txn = nil
		}
	}
	if err != nil {
		s.fenced++
		delete(in.lanes, l.id) // it has learned that it owns the lane no more
	}
}

// resume reads where the entries end, if no transaction of others hides it.
func (s *simulation) resume(l *simLane) {
	homes := map[int32][]ledger.Stream{}
	for _, stream := range s.streams(l.id) {
		homes[home(stream, simHomes)] = append(homes[home(stream, simHomes)], stream)
	}
	ends := map[ledger.Stream]int64{}
	for p, streams := range homes {
		end := int64(len(s.broker.topic[p]))
		if s.broker.fence && s.broker.stable(p) < end {
			return // wait
		}
		look := newSearch(streams)
		for size := int64(100); end > 0; size *= widen {
			from := max(0, end-size)
			err := look.see(s.broker.committed(p, from, end))
			enough := look.enough()
			if err != nil {
				s.t.Fatal(err)
			}
			if end = from; enough {
				break
			}
		}
		for stream, to := range look.found {
			ends[stream] = to
		}
	}
	l.frontier = newFrontier(ends)
}

// begin begins a transaction of some ranges.
func (s *simulation) begin(l *simLane) error {
	var list []ledger.Entry
	for _, stream := range s.streams(l.id) {
		from := l.frontier.ends[stream]
		if from < s.target && s.dice.IntN(4) == 0 {
			for range 1 + s.dice.IntN(2) {
				to := min(s.target, from+1+s.dice.Int64N(8))
				if to > from {
					list = append(list, span(s.t, stream.Partition, from, to))
				}
				from = to
			}
		}
	}
	fresh, err := l.frontier.admit(s.items(list))
	if err != nil {
		s.t.Fatal(err)
	}
	if len(fresh) == 0 {
		return nil
	}
	l.unsent = fresh
	l.txn, err = s.broker.begin(l.id, l.epoch)
	return err
}

// sequence takes in what one partition of the topic has, and crashes now and then.
func (s *simulation) sequence() {
	if s.order == nil {
		s.order, s.next = newOrder(s.durable.Clone()), map[int32]int64{}
		for p := range int32(simHomes) {
			s.next[p] = s.vow[p]
		}
	}
	s.take(commons)
	if s.order != nil {
		s.take(s.dice.Int32N(simHomes))
	}
}

func (s *simulation) take(p int32) {
	to := min(s.broker.stable(p), s.next[p]+s.dice.Int64N(200))
	if to <= s.next[p] {
		return
	}
	var ready []ledger.Entry
	for _, r := range s.broker.committed(p, s.next[p], to) {
		some, err := s.order.take(r)
		if err != nil {
			s.faults = append(s.faults, err)
		}
		ready = append(ready, some...)
	}
	crash := s.dice.IntN(40)
	if crash <= 1 {
		s.crashes++
	}
	if crash == 0 { // before anything is durable
		s.order = nil
		return
	}
	for _, e := range ready {
		if err := s.durable.Follow(e); err != nil {
			s.faults = append(s.faults, fmt.Errorf("the log is out of order: %w", err))
			return
		}
		s.log = append(s.log, e)
	}
	if crash == 1 { // after that, before anyone knows
		s.order = nil
		return
	}
	s.next[p] = to
	for p, offset := range s.order.rewind {
		s.next[p] = min(s.next[p], offset)
	}
	clear(s.order.rewind)
	if s.dice.IntN(4) == 0 { // a checkpoint is signed
		for p, next := range s.next {
			s.vow[p] = s.order.mark(p, next)
		}
	}
}

// inject writes a range that was appended before once more, with receipts of its own: as an instance may that another
// setting of DEMARC_LANES has put beyond the fence.
func (s *simulation) inject() {
	s.write([]ledger.Entry{span(s.t, s.dice.Int32N(simPartitions), 0, 1+s.dice.Int64N(s.target))})
	s.injected++
}

func (s *simulation) run(steps int) {
	for range steps {
		switch n := s.dice.IntN(1000); {
		case n < 20:
			s.give(s.dice.IntN(simLanes))
		case n < 22: // an instance crashes, and the group gives its lanes away
			i := s.dice.IntN(simInstances)
			s.instances[i].lanes = map[int]*simLane{}
			for lane, owner := range s.owner {
				if owner == i {
					s.give(lane)
				}
			}
		case n < 25: // a transaction times out
			lane := s.dice.IntN(simLanes)
			if len(s.broker.open[lane]) > 0 && s.broker.fence {
				s.broker.epochs[lane]++
				s.broker.abort(lane)
			}
		case n < 150:
			s.sequence()
		default:
			in := s.instances[s.dice.IntN(simInstances)]
			for _, l := range in.lanes {
				s.work(in, l)
				break
			}
		}
	}
}

// finish lets everything come to its end without further trouble.
func (s *simulation) finish() {
	for lane := range simLanes {
		s.give(lane)
	}
	for lane := range simLanes {
		l := s.instances[s.owner[lane]].lanes[lane]
		l.epoch, l.taken = s.broker.init(lane), true
		if !s.broker.fence {
			s.broker.abort(lane)
		}
	}
	for lane := range simLanes {
		in := s.instances[s.owner[lane]]
		l := in.lanes[lane]
		for !s.reached(l) {
			s.work(in, l)
			if in.lanes[lane] == nil {
				s.faults = append(s.faults, fmt.Errorf("lane %d was lost without a rebalance", lane))
				return
			}
		}
	}
	for range 100 {
		s.inject()
		s.sequence()
	}
	for p := range int32(simHomes) {
		for s.order == nil || s.next[p] < int64(len(s.broker.topic[p])) {
			if s.sequence(); len(s.faults) > 100 {
				return
			}
		}
	}
}

func (s *simulation) reached(l *simLane) bool {
	if l.frontier == nil || l.txn != nil {
		return false
	}
	for _, stream := range s.streams(l.id) {
		if l.frontier.ends[stream] < s.target {
			return false
		}
	}
	return true
}

// judge says what is not as it should be.
func (s *simulation) judge() error {
	faults := s.faults
	for p := range int32(simPartitions) {
		if to, _ := s.durable.Position(stream(p)); to != s.target {
			faults = append(faults, fmt.Errorf("%v is covered to %d, want %d", stream(p), to, s.target))
		}
	}
	times, replays := map[ledger.Via]int{}, 0
	for _, e := range s.log {
		times[*e.Via]++
		if e.Kind == ledger.KindReplay {
			replays++
		}
	}
	committed := 0
	for p := range int32(simHomes) {
		for _, r := range s.broker.committed(p, 0, int64(len(s.broker.topic[p]))) {
			committed++
			if n := times[ledger.Via{Offset: r.offset, Partition: p}]; n != 1 {
				faults = append(faults, fmt.Errorf("the entry at %d/%d is in the log %d times", p, r.offset, n))
			}
		}
	}
	if len(s.log) != committed || replays != s.injected {
		faults = append(faults, fmt.Errorf("%d entries and %d replays in the log, want %d and %d", len(s.log), replays, committed, s.injected))
	}
	if len(faults) > 3 {
		faults = append(faults[:3], fmt.Errorf("and %d more", len(faults)-3))
	}
	return errors.Join(faults...)
}

func simulate(t testing.TB, seed uint64, fence bool) (*simulation, error) {
	s := newSimulation(t, seed, fence)
	s.run(20_000)
	s.finish()
	return s, s.judge()
}

func TestSimulation(t *testing.T) {
	for seed := range uint64(8) {
		s, err := simulate(t, seed, true)
		if err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
		if len(s.log) < 3*simPartitions || s.fenced < 10 || s.crashes < 3 {
			t.Errorf("seed %d: %d entries, %d zombies, %d crashes: too little happened", seed, len(s.log), s.fenced, s.crashes)
		}
	}
}

// TestSimulationWithoutTheFence shows that the simulation can fail: zombies append beside their successors.
func TestSimulationWithoutTheFence(t *testing.T) {
	if _, err := simulate(t, 1, false); err == nil {
		t.Error("nothing went wrong although nobody was fenced")
	} else {
		t.Log(err)
	}
}
