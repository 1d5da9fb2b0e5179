package recount

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/demarc/demarc/classifier"
	"github.com/demarc/demarc/internal/record"
	"github.com/demarc/demarc/internal/wire"
)

// maxSection is how far one stored batch is expanded.
const maxSection = 1 << 30

// judge decides records again. It belongs to one goroutine.
type judge struct {
	policies   []*policyUse
	geos       map[string]*classifier.Geo
	evaluators map[*policyUse]*classifier.Evaluator
	sets       map[setOf]string // names of sets
	decoder    *wire.Decompressor
	record     record.Record
}

type setOf struct {
	use *policyUse
	set record.Set
}

func newJudge(t *told, geos map[string]*classifier.Geo) *judge {
	return &judge{
		policies: t.policies, geos: geos,
		evaluators: map[*policyUse]*classifier.Evaluator{}, sets: map[setOf]string{}, decoder: wire.NewDecompressor(maxSection),
	}
}

// basis is what a record is decided by.
type basis struct {
	use *policyUse
	geo *classifier.Geo // nil if the policy reads no address, or the database is not there
}

// finding is one record, decided again.
type finding struct {
	decision record.Decision
	set      string
	sink     string
	state    state
	cause    string // of differs
	source   []byte // the value of demarc-source; nil if the record is not quarantined
}

// state says what a record, taken by itself, is worth as evidence.
type state uint8

const (
	agrees    state = iota // what it carries is what is decided
	stated                 // so far as it can be decided: its reason is only told
	undecided              // the geo database is missing
	differs                // what it carries is not what is decided
)

// decide decides j.record, as a sink holds it.
func (j *judge) decide(by basis) finding {
	e := j.evaluators[by.use]
	if e == nil {
		e = by.use.classifier.Evaluator()
		j.evaluators[by.use] = e
	}
	e.Use(classifier.Snapshot{Geo: by.geo})
	said, quarantined := takeHeaders(&j.record)
	var f finding
	if quarantined {
		f = j.quarantined(e, by, said)
		f.source = said.source
	} else {
		f.decision = e.Decide(&j.record)
		// Without a database every look-up ends in quarantine, so that a delivery needed none.
		if f.decision.Reason.Quarantines() {
			f.state, f.cause = differs, fmt.Sprintf("has to be quarantined (%s), but carries no quarantine headers", f.decision.Reason)
			if by.geo == nil && by.use.policy.ReadsIP() {
				f.state = undecided
			}
		}
	}
	of := setOf{by.use, f.decision.Set}
	name, known := j.sets[of]
	if !known {
		name = f.decision.Set.Join(by.use.names)
		j.sets[of] = name
	}
	f.set = name
	f.sink = by.use.policy.Sinks[f.decision.Sink].Name
	return f
}

// quarantined decides a record that carries quarantine headers, which are off already.
func (j *judge) quarantined(e *classifier.Evaluator, by basis, said headers) (f finding) {
	p := by.use.policy
	reason, known := record.ParseReason(string(said.reason))
	blind := by.geo == nil && p.ReadsIP()
	switch {
	case !known || !reason.Quarantines():
		f.decision = e.Decide(&j.record)
		return f.differs("its demarc-reason is not a reason of quarantine")
	case reason == record.GeoExpired:
		// When it was decided is not known, so that an expired database is taken as told where the policy knows such a thing.
		e.Use(classifier.Snapshot{Geo: by.geo, Expired: true})
		f.decision = e.Decide(&j.record)
		f.state = stated
		if p.GeoMaxAge == 0 {
			return f.differs("its demarc-reason is geo_expired, but the policy has no max_age")
		}
	case reason == record.TooLarge || reason == record.Refused:
		before := e.Decide(&j.record)
		f.decision, f.state = e.Refuse(&j.record, reason), stated
		if before.Reason.Quarantines() {
			if f.state = undecided; !blind {
				return f.differs("its demarc-reason is " + reason.String() + ", but it has to be quarantined as " + before.Reason.String() + ", so that no sink can have refused it")
			}
		}
	default:
		f.decision = e.Decide(&j.record)
		if blind && f.decision.Reason.Quarantines() {
			f.state = undecided
			return f
		}
	}
	if !f.decision.Reason.Quarantines() {
		return f.differs("carries quarantine headers, but has a lawful sink")
	}
	if f.decision.Reason != reason {
		return f.differs("its demarc-reason is " + reason.String() + ", but it is decided " + f.decision.Reason.String())
	}
	signal := ""
	if i := f.decision.Signal; i >= 0 {
		signal = p.Signals[i].Name
	}
	if f.state != undecided && string(said.signal) != signal {
		return f.differs("its demarc-signal is not the deciding signal " + strconv.Quote(signal))
	}
	if string(said.policy) != p.ID() {
		return f.differs("its demarc-policy is not the policy that the entry cites")
	}
	return f
}

func (f finding) differs(cause string) finding {
	f.state, f.cause = differs, cause
	return f
}

// headers are the values of the four headers of a quarantined record.
type headers struct{ reason, signal, source, policy []byte }

// takeHeaders takes the four headers off a quarantined record; false if r is none. A record that arrived with such
// headers was quarantined, and has four more.
func takeHeaders(r *record.Record) (h headers, quarantined bool) {
	n := len(r.Headers) - 4
	if n < 0 {
		return h, false
	}
	last := r.Headers[n:]
	for i, name := range [...]string{record.HeaderReason, record.HeaderSignal, record.HeaderSource, record.HeaderPolicy} {
		if string(last[i].Key) != name {
			return h, false
		}
	}
	r.Headers = r.Headers[:n]
	return headers{last[0].Value, last[1].Value, last[2].Value, last[3].Value}, true
}

// parseSource reads the value of demarc-source, topic/partition/offset.
func parseSource(value []byte) (topic string, partition int32, offset int64, ok bool) {
	parts := bytes.Split(value, []byte("/"))
	if len(parts) != 3 {
		return "", 0, 0, false
	}
	p, err1 := strconv.ParseInt(string(parts[1]), 10, 32)
	offset, err2 := strconv.ParseInt(string(parts[2]), 10, 64)
	return string(parts[0]), int32(p), offset, err1 == nil && err2 == nil && offset >= 0
}
