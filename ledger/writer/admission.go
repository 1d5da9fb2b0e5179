package writer

import (
	"fmt"
	"maps"

	"github.com/demarc/demarc/ledger"
)

// Verdict is what becomes of an entry that wants to enter the log.
type Verdict int

// The verdicts.
const (
	Accept Verdict = iota // it follows what the log holds
	Replay                // a range whose offsets the log covers: it enters as a replay
	Known                 // the log holds it already, or what it was made into: there is nothing to do
	Wait                  // what it follows is not in the log yet
	Refuse                // it contradicts the log
)

// Admission knows as much of a log as the order of entries needs: how far each partition is covered, which policies
// and which pins are told, and how far each partition of an entries topic was taken. It is a pure state machine: an
// embedded writer and a sequencer of several instances decide by it, and so does whoever reads a log back. It is not
// safe for concurrent use.
type Admission struct {
	streams  map[ledger.Stream]extent
	policies map[ledger.PolicyRef]*policyText
	versions map[int64]string // digest of the policy of each version
	pinned   map[sinkPolicy]struct{}
	via      map[int32]int64 // last offset taken, by partition of the entries topic
}

// extent is how far a partition is covered, and by which range last.
type extent struct{ from, to int64 }

func (x extent) String() string { return fmt.Sprintf("[%d, %d)", x.from, x.to) }

type sinkPolicy struct {
	sink   string
	policy ledger.PolicyRef
}

// NewAdmission is the state of an empty log.
func NewAdmission() *Admission {
	return &Admission{
		streams:  map[ledger.Stream]extent{},
		policies: map[ledger.PolicyRef]*policyText{},
		versions: map[int64]string{},
		pinned:   map[sinkPolicy]struct{}{},
		via:      map[int32]int64{},
	}
}

// Clone is a copy that goes its own way.
func (a *Admission) Clone() *Admission {
	c := &Admission{
		streams: maps.Clone(a.streams), policies: map[ledger.PolicyRef]*policyText{}, versions: maps.Clone(a.versions),
		pinned: maps.Clone(a.pinned), via: maps.Clone(a.via),
	}
	for ref, t := range a.policies {
		own := *t
		own.texts = append([]string(nil), t.texts...)
		c.policies[ref] = &own
	}
	return c
}

// Position returns the first offset of a partition that the log does not cover; false if it tells nothing of it.
func (a *Admission) Position(s ledger.Stream) (to int64, ok bool) {
	x, ok := a.streams[s]
	return x.to, ok
}

// Policies gives, for each version of the policy that the log tells of, the SHA-256 of its text in lower-case hex.
func (a *Admission) Policies() map[int64]string { return maps.Clone(a.versions) }

// Judge says what is to become of an entry. It changes nothing: the caller appends the entry (as a replay where the
// verdict says so) and hands what it appended to Follow. The error says what a waiting entry waits for, or why one
// is refused.
func (a *Admission) Judge(e ledger.Entry) (Verdict, error) {
	switch e.Kind {
	case ledger.KindRange:
		return a.judgeRange(e)
	case ledger.KindReplay:
		return a.judgeReplay(e)
	case ledger.KindGap:
		return a.judgeGap(e)
	case ledger.KindPolicy:
		return a.judgePolicy(e.Policy)
	case ledger.KindPins:
		if _, told := a.pinned[sinkPolicy{e.Pins.Sink, e.Pins.Policy}]; told && a.taken(e) {
			return Known, nil
		}
		return a.cites(e.Pins.Policy)
	case ledger.KindSpan:
		if a.taken(e) {
			return Known, nil
		}
		return Accept, nil
	default:
		return Refuse, fmt.Errorf("admit entry: kind %q is none", e.Kind)
	}
}

// taken reports whether an entry comes from a place of the entries topic that was passed. A sequencer that resumes
// before an entry that waited when it stopped meets those after it again.
func (a *Admission) taken(e ledger.Entry) bool {
	if e.Via == nil {
		return false
	}
	last, ok := a.via[e.Via.Partition]
	return ok && e.Via.Offset <= last
}

func (a *Admission) judgeRange(e ledger.Entry) (Verdict, error) {
	stream := e.Range.Source.Stream()
	covered, ok := a.streams[stream]
	here := extent{e.Range.Source.From, e.Range.Source.To}
	switch {
	case !ok || here.from == covered.to:
		return a.told(e.Range, Accept)
	case here.to <= covered.to && a.taken(e):
		return Known, nil
	case here.to <= covered.to:
		return a.told(e.Range, Replay)
	case here.from > covered.to:
		return Wait, fmt.Errorf("admit range %v of %v: the log covers the partition to %d, offsets %d to %d are missing", here, stream, covered.to, covered.to, here.from-1)
	}
	return Refuse, overlaps("range", here, stream, covered)
}

// overlaps is the error of a range that is covered in part: two writers told of the same offsets in different ways,
// and neither may be believed.
func overlaps(what string, here extent, stream ledger.Stream, covered extent) error {
	return fmt.Errorf("admit %s %v of %v: it overlaps the range %v, which the log covers: find out which instance wrote which", what, here, stream, covered)
}

func (a *Admission) judgeReplay(e ledger.Entry) (Verdict, error) {
	stream := e.Range.Source.Stream()
	covered, ok := a.streams[stream]
	here := extent{e.Range.Source.From, e.Range.Source.To}
	switch {
	case ok && here.to <= covered.to: // also from a place that was passed: it may have waited
		return a.told(e.Range, Accept)
	}
	return Wait, fmt.Errorf("admit replay %v of %v: the log covers the partition to %d only", here, stream, covered.to)
}

func (a *Admission) judgeGap(e ledger.Entry) (Verdict, error) {
	stream := e.Gap.Source.Stream()
	covered, ok := a.streams[stream]
	here := extent{e.Gap.Source.From, e.Gap.Source.To}
	switch {
	case !ok || here.from == covered.to:
		return Accept, nil
	case here.to <= covered.to && a.taken(e):
		return Known, nil
	case here.from > covered.to:
		return Wait, fmt.Errorf("admit gap %v of %v: the log covers the partition to %d, begin the gap there", here, stream, covered.to)
	}
	return Refuse, overlaps("gap", here, stream, covered)
}

// told lets a range pass when the policy that it cites and the pins of every sink that it names are in the log.
func (a *Admission) told(r *ledger.Range, pass Verdict) (Verdict, error) {
	if verdict, err := a.cites(r.Policy); err != nil {
		return verdict, err
	}
	for _, receipt := range r.Receipts {
		if _, ok := a.pinned[sinkPolicy{receipt.Sink, r.Policy}]; !ok {
			return Wait, fmt.Errorf("admit range of %v: the pins of sink %q under policy version %d are not in the log", r.Source.Stream(), receipt.Sink, r.Policy.Version)
		}
	}
	return pass, nil
}

func (a *Admission) cites(p ledger.PolicyRef) (Verdict, error) {
	if t := a.policies[p]; t == nil || !t.whole() {
		return Wait, fmt.Errorf("admit entry: it cites policy version %d with digest %s, which is not in the log", p.Version, p.SHA256)
	}
	return Accept, nil
}

// Follow takes over an entry of the log. An error means that the entry breaks the order that FORMAT.md promises, so
// that the log is not one of ours, or damaged; the state is then of no further use.
func (a *Admission) Follow(e ledger.Entry) error {
	via := e.Via
	e.Via = nil // where it came from does not excuse what it says
	verdict, err := a.Judge(e)
	switch {
	case err != nil:
		return err
	case verdict == Replay:
		return fmt.Errorf("admit range: the log covers its offsets, and it is not told as a replay")
	case verdict == Known:
		return fmt.Errorf("admit entry: the log holds it already")
	}
	switch e.Kind {
	case ledger.KindRange:
		a.streams[e.Range.Source.Stream()] = extent{e.Range.Source.From, e.Range.Source.To}
	case ledger.KindGap:
		a.streams[e.Gap.Source.Stream()] = extent{e.Gap.Source.From, e.Gap.Source.To}
	case ledger.KindPolicy:
		a.followPolicy(e.Policy)
	case ledger.KindPins:
		a.pinned[sinkPolicy{e.Pins.Sink, e.Pins.Policy}] = struct{}{}
	}
	if via == nil {
		return nil
	}
	if last, ok := a.via[via.Partition]; !ok || via.Offset > last {
		a.via[via.Partition] = via.Offset
	}
	return nil
}
