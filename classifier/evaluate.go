package classifier

import "github.com/demarc/demarc/internal/record"

// Snapshot is the geo database that decisions look addresses up in, and whether it is past the policy's
// `max_age`. Whoever has the clock sets Expired. Without a database every look-up ends as one that expired.
type Snapshot struct {
	Geo     *Geo
	Expired bool
}

// Evaluator decides records one after the other. It belongs to one goroutine; its scratch space is reused, so
// that a decision allocates nothing.
type Evaluator struct {
	c        *Classifier
	snapshot Snapshot

	facts   []fact  // by signal
	found   []int32 // by header name: 1 + index of the header, 0 if it is not there, or repeated
	scratch docScratch
	docRead bool
	docFlaw record.Reason // of the document once it is read; Decided if it has none
	upper   []byte        // a text in upper case, for `map`
	values  [][]byte      // the lists of one forwarded_for
}

// Evaluator returns a new Evaluator without a geo database.
func (c *Classifier) Evaluator() *Evaluator {
	longest := 0
	for _, s := range c.signals {
		longest = max(longest, s.longest)
	}
	return &Evaluator{
		c:     c,
		facts: make([]fact, len(c.signals)),
		found: make([]int32, len(c.headers)),
		upper: make([]byte, longest),
	}
}

// Use makes later decisions look addresses up in s.
func (e *Evaluator) Use(s Snapshot) { e.snapshot = s }

// Decide says where r goes and why. The bytes of r are borrowed for the call.
func (e *Evaluator) Decide(r *record.Record) record.Decision {
	var v verdict
	e.evaluate(r, &v)
	return e.conclude(&v)
}

// Refuse is the decision on a record whose sink refused it for good, with TooLarge or Refused: as quarantined
// as if its signals had been at fault.
func (e *Evaluator) Refuse(r *record.Record, reason record.Reason) record.Decision {
	var v verdict
	e.evaluate(r, &v)
	return e.quarantine(&v, reason, e.decider(v.holds))
}

// verdict is what the signals of one record say together.
type verdict struct {
	holds    record.Set // the jurisdictions that hold
	named    record.Set // those that list a country which a good consulted signal names, without `rest`
	conflict record.Set // those under `agree` with a yes beside a no
	tagged   bool       // a header is named like ours
	bad      bool       // a consulted signal is bad
	present  bool       // a consulted signal names a set of countries
}

// evaluate asks the signals, each at most once and only those that a jurisdiction consults.
//
// It writes v, which is empty, in its place: to return it would copy it in larger words than it was written in, and
// wait until these are in the cache, for a fifth of the time of a decision by a header.
func (e *Evaluator) evaluate(r *record.Record, v *verdict) {
	c := e.c
	clear(e.facts)
	e.docRead = false
	v.tagged = e.findHeaders(r)

	var (
		waiting = ^record.Set(0) // `first` jurisdictions that have not met a signal yet
		made    record.Set       // had a consulted signal that names one of their countries
		yes, no record.Set       // had one that names their countries only, none of their countries
		partly  record.Set       // had one that names a country which is not theirs
	)
	for i := range c.steps {
		st := &c.steps[i]
		asking := st.always | st.first&waiting
		if asking == 0 {
			continue
		}
		f := &e.facts[st.signal]
		if f.state == notConsulted {
			e.consult(f, &c.signals[st.signal], r)
		}
		if f.state == absent {
			continue
		}
		waiting &^= st.first
		if f.state == bad {
			v.bad = true
			continue
		}
		reach := &c.reaches[f.region]
		v.present = true
		v.named |= reach.some
		f.made |= reach.some & asking
		made |= reach.some & asking
		yes |= reach.every & asking
		no |= asking &^ reach.some
		partly |= asking &^ reach.every
	}

	v.named &^= c.rest
	v.conflict = yes & no & c.agree
	v.holds = made &^ (no & c.agree)
	if v.holds&^c.rest != 0 || partly&c.rest != 0 {
		v.holds &^= c.rest
	}
}

// conclude turns a verdict into a decision. The order of the reasons is part of the policy's meaning.
func (e *Evaluator) conclude(v *verdict) record.Decision {
	switch {
	case v.tagged:
		return e.quarantine(v, record.Ambiguous, -1)
	case v.bad:
		s := e.firstBad()
		return e.quarantine(v, e.facts[s].reason, s)
	case v.conflict != 0:
		return e.quarantine(v, record.Conflict, e.dissenter(v.conflict))
	case !v.present:
		return e.quarantine(v, record.NoSignal, -1)
	}
	signal := e.decider(v.holds)
	sink, reason := e.c.route(v.holds)
	if reason == record.NoRoute {
		return e.quarantine(v, reason, signal)
	}
	return record.Decision{Set: v.holds, Reason: reason, Signal: signal, Sink: sink}
}

// quarantine sends the record to the quarantine of its only candidate, else to the default one.
func (e *Evaluator) quarantine(v *verdict, reason record.Reason, signal int16) record.Decision {
	candidates := v.holds | v.named
	sink := e.c.fallback
	if candidates.Len() == 1 {
		sink = e.c.quarantine[candidates.First()]
	}
	return record.Decision{Set: candidates, Reason: reason, Signal: signal, Sink: sink}
}

// route finds the lawful sink of a set. NoRoute means that there is none.
func (c *Classifier) route(set record.Set) (sink int16, reason record.Reason) {
	switch set.Len() {
	case 0:
		return -1, record.NoRoute
	case 1:
		return c.routes[set.First()], record.Decided
	}
	for i := range c.overlaps {
		if c.overlaps[i].set == set {
			return c.overlaps[i].sink, record.Overlap
		}
	}
	for i, accepts := range c.accepts {
		if set&^accepts == 0 {
			return int16(i), record.Overlap
		}
	}
	return -1, record.NoRoute
}

// decider is the first signal in policy order that made one of set hold, -1 if there is none.
func (e *Evaluator) decider(set record.Set) int16 {
	for i := range e.facts {
		if e.facts[i].made&set != 0 {
			return int16(i)
		}
	}
	return -1
}

// firstBad is the first bad signal in policy order, -1 if there is none.
func (e *Evaluator) firstBad() int16 {
	for i := range e.facts {
		if e.facts[i].state == bad {
			return int16(i)
		}
	}
	return -1
}

// dissenter is the first signal in policy order that says no to one of set, -1 if there is none.
func (e *Evaluator) dissenter(set record.Set) int16 {
	for i := range e.facts {
		f := &e.facts[i]
		if f.state == present && e.c.signals[i].agree&set&^e.c.reaches[f.region].some != 0 {
			return int16(i)
		}
	}
	return -1
}
