package router

import (
	"sync"
	"time"

	"github.com/demarc/demarc/internal/record"
)

// Tally is a number of records and the bytes of their keys, values and headers as they lie in a batch.
type Tally struct {
	Records int64
	Bytes   int64
}

func (t *Tally) add(u Tally) {
	t.Records += u.Records
	t.Bytes += u.Bytes
}

// Account says what became of the offsets of one source partition since this process first consumed it.
//
//	Consumed = Delivered + Quarantined + InFlight + Control + Absent
//
// holds in every Account that Router.Accounts returns.
type Account struct {
	Source      record.TopicPartition
	Consumed    int64 // offsets handed to a lane
	Delivered   int64 // records that their jurisdiction's sink has acknowledged
	Quarantined int64 // records that a quarantine sink has acknowledged
	InFlight    int64 // offsets handed to a lane and not settled
	Control     int64 // transaction markers
	Absent      int64 // offsets without a record to deliver: compacted away, or of an aborted transaction
	Position    int64 // the offset below which all is settled
	End         int64 // the newest last stable offset that is known
	GivenUp     int64 // offsets that were consumed and taken back, to be delivered by the next owner; in no other sum
	Assigned    bool  // this process reads the partition now; of others Position and End are what they were
	Outcomes    map[record.Outcome]Tally
}

// Lag is how many offsets lie between what has settled and the newest last stable offset; 0 for a partition that
// another process has now.
func (a Account) Lag() int64 {
	if !a.Assigned {
		return 0
	}
	return max(0, a.End-a.Position)
}

// Balanced reports whether the equation of the account holds.
func (a Account) Balanced() bool {
	return a.Consumed == a.Delivered+a.Quarantined+a.InFlight+a.Control+a.Absent
}

// result is what one settled segment of a chunk adds to an account.
type result struct {
	offsets  int64 // how many offsets the chunk covered
	control  int64
	absent   int64
	outcomes []outcomeTally
}

type outcomeTally struct {
	outcome record.Outcome
	tally   Tally
}

// move books a record under another outcome: its sink refused it and quarantine took it.
func (r *result) move(from, to record.Outcome, t Tally) {
	for i := range r.outcomes {
		if r.outcomes[i].outcome == from {
			r.outcomes[i].tally.Records -= t.Records
			r.outcomes[i].tally.Bytes -= t.Bytes
		}
	}
	r.outcomes = append(r.outcomes, outcomeTally{to, t})
}

// account is an Account under construction. It is touched a few times per chunk, never per record.
type account struct {
	mu   sync.Mutex
	a    Account
	seen time.Time // when End was
}

func newAccount(tp record.TopicPartition) *account {
	return &account{a: Account{Source: tp, Outcomes: map[record.Outcome]Tally{}}}
}

// consume books offsets as handed to a lane.
func (a *account) consume(offsets int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.a.Consumed += offsets
	a.a.InFlight += offsets
}

// abandon takes back offsets that were consumed and will be fetched again by whoever owns the partition next.
func (a *account) abandon(offsets int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.a.Consumed -= offsets
	a.a.InFlight -= offsets
	a.a.GivenUp += offsets
}

// settle books a chunk whose records are all acknowledged.
func (a *account) settle(r *result, position int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.a.InFlight -= r.offsets
	a.a.Control += r.control
	a.a.Absent += r.absent
	for _, o := range r.outcomes {
		if o.outcome.Reason.Quarantines() {
			a.a.Quarantined += o.tally.Records
		} else {
			a.a.Delivered += o.tally.Records
		}
		t := a.a.Outcomes[o.outcome]
		t.add(o.tally)
		a.a.Outcomes[o.outcome] = t
	}
	a.a.Position = position
}

// begin notes where consumption starts; see notes the newest last stable offset.
func (a *account) begin(position int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.a.Position = position
}

func (a *account) see(lastStable int64, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.a.End, a.seen = lastStable, now
}

func (a *account) lastSeen() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.seen
}

func (a *account) snapshot() Account {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.a
	s.Outcomes = make(map[record.Outcome]Tally, len(a.a.Outcomes))
	for o, t := range a.a.Outcomes {
		s.Outcomes[o] = t
	}
	return s
}

// counter tallies the records of one chunk by outcome. Outcomes repeat, so a small direct table in front of
// the list answers almost every record without a search.
type counter struct {
	list  []outcomeTally
	table [64]uint16 // index into list + 1
}

func (c *counter) reset() {
	c.list = c.list[:0]
	c.table = [64]uint16{}
}

// add counts a record, and reports whether it is the first with its outcome.
func (c *counter) add(o record.Outcome, t Tally) (fresh bool) {
	slot := &c.table[(uint64(o.Set)*0x9E3779B97F4A7C15>>56^uint64(o.Reason)*7^uint64(o.Sink))&63]
	if i := int(*slot) - 1; i >= 0 && c.list[i].outcome == o {
		c.list[i].tally.add(t)
		return false
	}
	for i := range c.list {
		if c.list[i].outcome == o {
			c.list[i].tally.add(t)
			*slot = uint16(i + 1)
			return false
		}
	}
	c.list = append(c.list, outcomeTally{o, t})
	*slot = uint16(len(c.list))
	return true
}
