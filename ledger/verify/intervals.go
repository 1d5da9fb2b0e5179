package verify

import (
	"slices"
	"sort"
)

// Interval is the numbers [From, To).
type Interval struct{ From, To int64 }

// intervals are disjoint, in order, and do not touch: a run of offsets costs one, however many receipts it has.
type intervals []Interval

// add joins an interval, which is not empty, to the set. It returns the first part of it that was there already, if any.
func (s *intervals) add(in Interval) (Interval, bool) {
	all := *s
	// Nearly always it continues the last one or follows it.
	if n := len(all); n == 0 || all[n-1].To < in.From {
		*s = append(all, in)
		return Interval{}, false
	} else if all[n-1].To == in.From {
		all[n-1].To = in.To
		return Interval{}, false
	}
	first := sort.Search(len(all), func(i int) bool { return all[i].To >= in.From })
	var twice Interval
	overlaps, joined, end := false, in, first
	for ; end < len(all) && all[end].From <= in.To; end++ {
		shared := Interval{max(all[end].From, in.From), min(all[end].To, in.To)}
		if shared.From < shared.To && !overlaps {
			twice, overlaps = shared, true
		}
		joined.From, joined.To = min(joined.From, all[end].From), max(joined.To, all[end].To)
	}
	*s = slices.Replace(all, first, end, joined)
	return twice, overlaps
}
