package classifier

import "github.com/demarc/demarc/internal/record"

// Explanation is a decision with what every signal said, for people. It marshals to the line of `demarc
// explain`. It holds no word of the record: a signal shows as a state, countries or a reason.
type Explanation struct {
	Jurisdictions []string            `json:"jurisdictions"` // never nil; of a quarantined record its candidates
	Reason        string              `json:"reason"`
	Signal        string              `json:"signal"` // may be empty
	Sink          string              `json:"sink"`
	Quarantined   bool                `json:"quarantined"`
	Signals       []SignalExplanation `json:"signals"` // in policy order
}

// SignalExplanation is what one signal said.
type SignalExplanation struct {
	Name      string   `json:"name"`
	State     string   `json:"state"`               // "not consulted", "absent", "bad" or "present"
	Countries []string `json:"countries,omitempty"` // of a present one, alpha-2 in order
	Reason    string   `json:"reason,omitempty"`    // of a bad one
}

var stateNames = [...]string{notConsulted: "not consulted", absent: "absent", bad: "bad", present: "present"}

// Explain decides r as Decide does and tells how. No signal depends on the topic.
func (e *Evaluator) Explain(_ string, r *record.Record) Explanation {
	p := e.c.policy
	d := e.Decide(r)
	x := Explanation{
		Jurisdictions: []string{},
		Reason:        d.Reason.String(),
		Signal:        p.signalName(d.Signal),
		Sink:          p.Sinks[d.Sink].Name,
		Quarantined:   d.Reason.Quarantines(),
		Signals:       make([]SignalExplanation, len(p.Signals)),
	}
	for i, j := range p.Jurisdictions {
		if d.Set.Has(i) {
			x.Jurisdictions = append(x.Jurisdictions, j.Name)
		}
	}
	for i, f := range e.facts {
		s := &x.Signals[i]
		s.Name, s.State = p.Signals[i].Name, stateNames[f.state]
		switch f.state {
		case bad:
			s.Reason = f.reason.String()
		case present:
			for _, country := range e.c.countries(f.region).All() {
				s.Countries = append(s.Countries, country.String())
			}
		}
	}
	return x
}
