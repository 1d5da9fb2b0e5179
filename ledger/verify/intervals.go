package verify

import (
	"encoding/binary"
	"slices"
	"sort"
)

// Interval is the numbers [From, To).
type Interval struct{ From, To int64 }

// intervals are disjoint and do not touch: a run of offsets costs one, however many receipts it has. All but the newest
// are packed, since a topic that others write to as well has a hole behind each receipt: two to four bytes for each then.
type intervals struct {
	packed []packed   // in order
	tail   []Interval // behind them; empty only in an empty set
	block  int        // how many are packed as one; 0 stands for defaultBlock
}

const defaultBlock = 512

// add joins an interval, which is not empty, to the set. It returns the first part of it that was there already, if any.
func (s *intervals) add(in Interval) (Interval, bool) {
	// Nearly always it continues the last one or follows it.
	if n := len(s.tail); n == 0 || s.tail[n-1].To < in.From {
		s.tail = append(s.tail, in)
		s.pack()
		return Interval{}, false
	} else if s.tail[n-1].To == in.From {
		s.tail[n-1].To = in.To
		return Interval{}, false
	}
	first := sort.Search(len(s.packed), func(i int) bool { return s.packed[i].to >= in.From })
	if first == len(s.packed) {
		all, twice, overlaps := join(s.tail, in)
		s.tail = all
		s.pack()
		return twice, overlaps
	}
	end := first + 1 // one that lies between two goes before the second
	for end < len(s.packed) && s.packed[end].from <= in.To {
		end++
	}
	var all []Interval
	for _, p := range s.packed[first:end] {
		all = p.unpack(all)
	}
	if end < len(s.packed) || s.tail[0].From > in.To {
		all, twice, overlaps := join(all, in)
		s.packed = slices.Replace(s.packed, first, end, s.packAll(all)...)
		return twice, overlaps
	}
	all, twice, overlaps := join(append(all, s.tail...), in)
	s.packed, s.tail = slices.Delete(s.packed, first, end), all
	s.pack()
	return twice, overlaps
}

// join is add for a list in order.
func join(all []Interval, in Interval) (joint []Interval, twice Interval, overlaps bool) {
	first := sort.Search(len(all), func(i int) bool { return all[i].To >= in.From })
	joined, end := in, first
	for ; end < len(all) && all[end].From <= in.To; end++ {
		shared := Interval{max(all[end].From, in.From), min(all[end].To, in.To)}
		if shared.From < shared.To && !overlaps {
			twice, overlaps = shared, true
		}
		joined.From, joined.To = min(joined.From, all[end].From), max(joined.To, all[end].To)
	}
	return slices.Replace(all, first, end, joined), twice, overlaps
}

// end is behind the last number of a set that is not empty.
func (s *intervals) end() int64 { return s.tail[len(s.tail)-1].To }

// list is the whole set.
func (s *intervals) list() (all []Interval) {
	for _, p := range s.packed {
		all = p.unpack(all)
	}
	return append(all, s.tail...)
}

func (s *intervals) blockSize() int {
	if s.block == 0 {
		return defaultBlock
	}
	return s.block
}

// pack packs what is far enough from the end. Two blocks stay, so that little has to be unpacked for what comes late.
func (s *intervals) pack() {
	n := s.blockSize()
	for len(s.tail) > 2*n {
		s.packed = append(s.packed, newPacked(s.tail[:n]))
		s.tail = append(s.tail[:0], s.tail[n:]...)
	}
}

func (s *intervals) packAll(all []Interval) (list []packed) {
	n := s.blockSize()
	for len(all) > 2*n {
		list = append(list, newPacked(all[:n]))
		all = all[n:]
	}
	return append(list, newPacked(all))
}

// packed is some intervals from the first number to behind the last: for each the hole before it and its length.
type packed struct {
	from, to int64
	text     []byte
}

func newPacked(list []Interval) packed {
	p := packed{from: list[0].From, to: list[len(list)-1].To}
	at := p.from
	for _, in := range list {
		p.text = binary.AppendUvarint(binary.AppendUvarint(p.text, uint64(in.From-at)), uint64(in.To-in.From))
		at = in.To
	}
	p.text = slices.Clip(p.text)
	return p
}

func (p packed) unpack(list []Interval) []Interval {
	at := p.from
	for text := p.text; len(text) > 0; {
		hole, n := binary.Uvarint(text)
		length, m := binary.Uvarint(text[n:])
		text = text[n+m:]
		in := Interval{at + int64(hole), at + int64(hole) + int64(length)}
		list, at = append(list, in), in.To
	}
	return list
}
