package dashboard

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/demarc/demarc/classifier"
	"github.com/demarc/demarc/internal/record"
	"github.com/demarc/demarc/ledger/share"
	"github.com/demarc/demarc/router"
	"github.com/demarc/demarc/sinks"
)

// View is what a service knows of itself at one instant. Its parts are read, never changed.
type View struct {
	At, Started time.Time
	Version     string
	Group       string
	Topics      []string
	NotReady    []string // the reasons of /readyz; none: ready
	Policy      *classifier.Policy
	Accounts    []router.Account
	Stopped     map[record.TopicPartition]error
	Sinks       []sinks.State // in policy order
	Geo         *Geo          // nil: none is used
	Ledger      *Ledger       // nil: there is none
}

// Bounds of the lists that grow with what a service reads.
const (
	maxReasons    = 20
	maxPartitions = 50
)

// Status puts a view into the form of /status.json.
func (v View) Status() Status {
	s := Status{
		At: v.At.UTC(), Started: v.Started.UTC(), Version: v.Version, Group: v.Group, Topics: v.Topics,
		Ready: len(v.NotReady) == 0, Reasons: append([]string{}, v.NotReady...),
		Policy: Policy{Version: v.Policy.Version, Hash: hex.EncodeToString(v.Policy.Hash[:])},
		Geo:    v.Geo, Ledger: v.Ledger,
	}
	if more := len(v.NotReady) - maxReasons; more > 0 {
		s.Reasons = append(s.Reasons[:maxReasons], fmt.Sprintf("%d more; /readyz lists all", more))
	}
	all := outcomes{}
	for _, a := range v.Accounts {
		s.Totals.Consumed += a.Consumed
		s.Totals.Delivered += a.Delivered
		s.Totals.Quarantined += a.Quarantined
		s.Totals.InFlight += a.InFlight
		s.Totals.Control += a.Control
		s.Totals.Absent += a.Absent
		s.Totals.GivenUp += a.GivenUp
		all.add(a.Outcomes)
	}
	total := all.sum(func(record.Outcome) bool { return true })
	s.Totals.Records, s.Totals.Bytes = total.Records, total.Bytes
	s.Totals.QuarantinedPercent = percent(s.Totals.Quarantined, total.Records)
	s.Routes = v.routes(all, total.Records)
	s.Quarantine = v.quarantine(all, total.Records)
	s.Sinks = v.sinks(all)
	s.Partitions = v.partitions()
	return s
}

// outcomes are the records of all partitions by what became of them.
type outcomes map[record.Outcome]router.Tally

func (all outcomes) add(more map[record.Outcome]router.Tally) {
	for o, t := range more {
		sum := all[o]
		sum.Records += t.Records
		sum.Bytes += t.Bytes
		if sum != (router.Tally{}) { // records that their sink refused are booked away again
			all[o] = sum
		}
	}
}

func (all outcomes) sum(of func(record.Outcome) bool) (t router.Tally) {
	for o, n := range all {
		if of(o) {
			t.Records += n.Records
			t.Bytes += n.Bytes
		}
	}
	return t
}

// sorted lists the outcomes of some kind: single jurisdictions first, in policy order.
func (all outcomes) sorted(of func(record.Outcome) bool) []record.Outcome {
	var list []record.Outcome
	for o := range all {
		if of(o) {
			list = append(list, o)
		}
	}
	slices.SortFunc(list, compareOutcomes)
	return list
}

func compareOutcomes(a, b record.Outcome) int {
	return cmp.Or(cmp.Compare(a.Set.Len(), b.Set.Len()), cmp.Compare(a.Set, b.Set), cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Sink, b.Sink))
}

func delivers(o record.Outcome) bool { return !o.Reason.Quarantines() }

func (v View) routes(all outcomes, total int64) []Route {
	list := all.sorted(delivers)
	for i, sink := range v.Policy.Routes {
		none := record.Outcome{Set: record.One(i), Reason: record.Decided, Sink: int16(sink)}
		if !slices.ContainsFunc(list, func(o record.Outcome) bool { return o.Set == none.Set }) {
			list = append(list, none)
		}
	}
	slices.SortFunc(list, compareOutcomes)
	names := v.Policy.JurisdictionNames()
	routes := []Route{}
	for _, o := range list {
		of := all.sum(func(other record.Outcome) bool { return delivers(other) && other.Set == o.Set }).Records
		routes = append(routes, Route{
			Jurisdictions: o.Set.Join(names), Reason: o.Reason.String(), Cause: o.Reason.Cause(), Sink: v.Policy.Sinks[o.Sink].Name,
			Records: all[o].Records, Bytes: all[o].Bytes,
			Of: of, Percent: percent(all[o].Records, of), PercentOfAll: percent(all[o].Records, total),
			SetHeld: all.sum(func(other record.Outcome) bool { return !delivers(other) && other.Set == o.Set }).Records,
		})
	}
	return routes
}

func (v View) quarantine(all outcomes, total int64) []Quarantine {
	names := v.Policy.JurisdictionNames()
	list := []Quarantine{}
	for _, reason := range record.Reasons() {
		held := all.sorted(func(o record.Outcome) bool { return !delivers(o) && o.Reason == reason })
		if len(held) == 0 {
			continue
		}
		q := Quarantine{Reason: reason.String(), Cause: reason.Cause()}
		bySink := map[int16]int64{}
		for _, o := range held {
			q.Records += all[o].Records
			q.Bytes += all[o].Bytes
			bySink[o.Sink] += all[o].Records
			q.Candidates = count(q.Candidates, o.Set.Join(names), all[o].Records)
		}
		for _, sink := range slices.Sorted(maps.Keys(bySink)) {
			q.Sinks = count(q.Sinks, v.Policy.Sinks[sink].Name, bySink[sink])
		}
		q.PercentOfAll = percent(q.Records, total)
		list = append(list, q)
	}
	slices.SortStableFunc(list, func(a, b Quarantine) int { return cmp.Compare(b.Records, a.Records) })
	return list
}

// count adds records to the last count if it has the name, else begins one.
func count(list []Count, name string, records int64) []Count {
	if n := len(list); n > 0 && list[n-1].Name == name {
		list[n-1].Records += records
		return list
	}
	return append(list, Count{name, records})
}

func (v View) sinks(all outcomes) []Sink {
	list := make([]Sink, len(v.Policy.Sinks))
	for i := range v.Policy.Sinks {
		p, state := &v.Policy.Sinks[i], v.Sinks[i]
		took := all.sum(func(o record.Outcome) bool { return int(o.Sink) == i })
		s := Sink{
			Name: p.Name, State: state.Status.String(), Since: state.Since.UTC(), Cause: state.Err,
			Country: p.Location.Country.String(), Region: p.Location.Region, Operator: p.Location.Operator,
			Pins:    Pins{ClusterID: p.Pins.ClusterID, TLSSPKISHA256: p.Pins.TLSSPKISHA256, Addresses: p.Pins.Addresses, Unpinned: p.Unpinned},
			Records: took.Records, Bytes: took.Bytes,
		}
		if p.File != nil {
			s.Place = "directory " + p.File.Dir
		} else {
			s.Place = "topic " + p.Kafka.Topic
		}
		list[i] = s
	}
	return list
}

// States of a source partition.
const (
	reading = "reading"
	stopped = "stopped"
)

func (v View) partitions() Partitions {
	p := Partitions{Stopped: int64(len(v.Stopped)), Worst: []Partition{}}
	for _, a := range v.Accounts {
		cause := v.Stopped[a.Source]
		if !a.Assigned && cause == nil {
			continue
		}
		one := Partition{
			Topic: a.Source.Topic, Partition: a.Source.Partition, State: reading,
			Lag: a.Lag(), InFlight: a.InFlight, Position: a.Position, End: a.End,
		}
		if cause != nil {
			one.State, one.Cause = stopped, cause.Error()
		}
		if a.Assigned {
			p.Assigned++
		}
		p.Lag += one.Lag
		p.Worst = append(p.Worst, one)
	}
	slices.SortStableFunc(p.Worst, func(a, b Partition) int { // accounts are in the order of their partitions
		return cmp.Or(-cmp.Compare(a.State, b.State), -cmp.Compare(a.Lag, b.Lag))
	})
	p.Worst = slices.Clip(p.Worst[:min(len(p.Worst), maxPartitions)])
	return p
}

// percent is part of whole as Route documents it.
func percent(part, whole int64) string {
	return share.Percent(uint64(part), uint64(whole))
}
