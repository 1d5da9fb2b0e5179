//go:build linux

package main

import (
	"fmt"
	"slices"
)

// cell is one thing that is measured: a subject on a workload.
type cell struct {
	subject  *subject
	workload workload
	routing  routing
}

// key names a cell; the same cell may stand in several series.
func (c *cell) key() string {
	if !c.subject.routes {
		return c.subject.name + ", " + c.workload.name
	}
	return c.subject.name + ", " + c.workload.name + ", " + c.routing.name
}

// series is cells that differ in one thing.
type series struct {
	group  string // what -groups selects it by
	title  string
	varies string // what the cells differ in
	note   string
	points []point
}

type point struct {
	label string
	cell  cell
}

var usual = threeHomes(jsonAndIP)

func ofDemarc(w workload, r routing) cell { return cell{theDemarc, w, r} }

// allSeries is the whole benchmark but for the latency.
func allSeries() []series {
	all := []series{peersSeries(mixed), peersSeries(pure)}
	for _, w := range []workload{mixed, pure} {
		s := series{group: "signals", title: "Signals, " + w.name, varies: "signal", note: "demarc, zstd, three sinks and quarantine."}
		for _, kind := range []signals{headerSignal, jsonSignal, jsonAndIP} {
			s.points = append(s.points, point{string(kind), ofDemarc(w, threeHomes(kind))})
		}
		all = append(all, s)
	}
	for _, w := range []workload{mixed, pure} {
		s := series{group: "codecs", title: "Codecs, " + w.name, varies: "codec", note: "demarc, JSON + IP. A sink's batches have the codec of the source's."}
		for _, codec := range []string{"none", "gzip", "snappy", "lz4"} {
			s.points = append(s.points, point{codec, ofDemarc(w.inCodec(codec), usual)})
		}
		s.points = append(s.points, point{"zstd", ofDemarc(w, usual)})
		all = append(all, s)
	}
	sinks := series{group: "sinks", title: "Sinks", varies: "sinks", note: "demarc, mixed traffic, JSON + IP, 16 jurisdictions dealt out to the sinks, and quarantine."}
	for _, n := range []int{1, 2, 4, 16} {
		sinks.points = append(sinks.points, point{fmt.Sprint(n), ofDemarc(mixed, dealt(16, n))})
	}
	homes := series{group: "jurisdictions", title: "Jurisdictions", varies: "jurisdictions", note: "demarc, mixed traffic, JSON + IP, one sink and quarantine, so that only the decision differs."}
	for _, n := range []int{1, 8, 64} {
		homes.points = append(homes.points, point{fmt.Sprint(n), ofDemarc(mixed, dealt(n, 1))})
	}
	partitions := series{
		group: "partitions", title: "Partitions", varies: "partitions of the source",
		note: fmt.Sprintf("demarc, mixed traffic, JSON + IP, source batches of 100 records; the sinks have as many partitions, at most %d.", maxSinkPartitions),
	}
	for _, n := range []int32{4, 64, 1000} {
		partitions.points = append(partitions.points, point{fmt.Sprint(n), ofDemarc(inPartitions(n), usual)})
	}
	sizes := series{group: "sizes", title: "Record size", varies: "bytes of JSON", note: "demarc, JSON + IP, mixed traffic without hostile records; at most 800 records or 800 kB in a source batch."}
	for _, n := range []int{100, 760, 10 << 10} {
		sizes.points = append(sizes.points, point{fmt.Sprint(n), ofDemarc(ofSize(n), usual)})
	}
	return append(all, sinks, homes, partitions, sizes, evidenceSeries(mixed), evidenceSeries(pure))
}

func peersSeries(w workload) series {
	s := series{
		group: "peers", title: "Everything side by side, " + w.name, varies: "subject",
		note: "760 bytes of JSON, zstd, 4 partitions; the country in the document and that of the address decide between US, EEA and the rest.",
	}
	for _, subject := range subjects {
		if subject == theWitnessed || subject == theUntuned && w.name != mixed.name {
			continue
		}
		s.points = append(s.points, point{subject.name, cell{subject, w, usual}})
	}
	return s
}

const (
	evidenceGroup = "evidence"
	latencyGroup  = "latency" // has no series
)

// groupNames are what -groups can say.
var groupNames = []string{"peers", "signals", "codecs", "sinks", "jurisdictions", "partitions", "sizes", evidenceGroup, partsGroup, latencyGroup}

// plan picks series by group and drops the points of subjects that are not there.
func plan(groups []string, there func(*subject) bool) []series {
	var picked []series
	for _, s := range allSeries() {
		if !slices.Contains(groups, s.group) {
			continue
		}
		s.points = slices.DeleteFunc(s.points, func(p point) bool { return !there(p.cell.subject) })
		if len(s.points) > 0 {
			picked = append(picked, s)
		}
	}
	return picked
}

// cells are those of the series, each once.
func cells(all []series) []cell {
	var list []cell
	seen := map[string]bool{}
	for _, s := range all {
		for _, p := range s.points {
			if seen[p.cell.key()] {
				continue
			}
			seen[p.cell.key()] = true
			at := len(list)
			if p.cell.subject == theWitnessed { // beside what it is compared with, before the machine changes its pace
				twin := ofDemarc(p.cell.workload, p.cell.routing)
				at = 1 + slices.IndexFunc(list, func(c cell) bool { return c.key() == twin.key() })
			}
			list = slices.Insert(list, at, p.cell)
		}
	}
	return list
}

// rotated is the order of a round: nobody is always first, or always after the same one's leavings.
func rotated[T any](list []T, round int) []T {
	at := round * 7 % max(len(list), 1)
	return slices.Concat(list[at:], list[:at])
}
