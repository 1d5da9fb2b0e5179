package recount

import (
	"bufio"
	"bytes"
	"cmp"
	"container/heap"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// spoolMemory is how much a spool holds before it goes to the disk.
const spoolMemory = 16 << 20

// spoolKey orders the items of a spool: by group, by position in the group, by entry of the ledger.
type spoolKey struct {
	group uint32
	at    int64
	entry uint64
}

func compareKeys(a, b spoolKey) int {
	return cmp.Or(cmp.Compare(a.group, b.group), cmp.Compare(a.at, b.at), cmp.Compare(a.entry, b.entry))
}

// spool sorts more items than memory holds, by runs on the disk that are merged. On the disk an item costs about
// 10 bytes more than its payload, twice while runs are merged. Items of one key keep their order.
type spool struct {
	dir    string
	memory int
	arena  []byte
	items  []spoolItem
	file   *os.File // of runs; nil while all is in memory
	out    *bufio.Writer
	ends   []int64 // of runs in file
	size   int64
}

type spoolItem struct {
	key      spoolKey
	from, to int
}

func newSpool(dir string, memory int) *spool { return &spool{dir: dir, memory: memory} }

// add takes a copy of payload.
func (s *spool) add(key spoolKey, payload []byte) error {
	from := len(s.arena)
	s.arena = append(s.arena, payload...)
	s.items = append(s.items, spoolItem{key, from, len(s.arena)})
	if len(s.arena)+len(s.items)*40 < s.memory {
		return nil
	}
	return s.spill()
}

// spill writes what is in memory as a run.
func (s *spool) spill() error {
	if s.file == nil {
		f, err := unnamedFile(s.dir)
		if err != nil {
			return err
		}
		s.file, s.out = f, bufio.NewWriterSize(f, 1<<16)
	}
	s.sortItems()
	for _, it := range s.items {
		n, err := writeItem(s.out, it.key, s.arena[it.from:it.to])
		if err != nil {
			return fmt.Errorf("write temporary file: %w", err)
		}
		s.size += int64(n)
	}
	s.ends = append(s.ends, s.size)
	s.arena, s.items = s.arena[:0], s.items[:0]
	return nil
}

func (s *spool) sortItems() {
	slices.SortStableFunc(s.items, func(a, b spoolItem) int { return compareKeys(a.key, b.key) })
}

// unnamedFile is a file that goes with the process.
func unnamedFile(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, "demarc-recount-*")
	if err != nil {
		return nil, fmt.Errorf("make temporary file: %w; set TMPDIR to a folder with room", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(fmt.Errorf("make temporary file: %w", err), f.Close())
	}
	return f, nil
}

func writeItem(w io.Writer, key spoolKey, payload []byte) (int, error) {
	var head [4 * binary.MaxVarintLen64]byte
	b := binary.AppendUvarint(head[:0], uint64(key.group))
	b = binary.AppendVarint(b, key.at)
	b = binary.AppendUvarint(b, key.entry)
	b = binary.AppendUvarint(b, uint64(len(payload)))
	if _, err := w.Write(b); err != nil {
		return 0, err
	}
	n, err := w.Write(payload)
	return len(b) + n, err
}

// sorted is a spool's items in order, by group. Any number of cursors may read it at once.
type sorted struct {
	data   io.ReaderAt
	file   *os.File // closed by close; nil if all is in memory
	groups map[uint32]section
}

type section struct{ from, to int64 }

// sort ends the adding. The spool is of no use afterwards.
func (s *spool) sort() (*sorted, error) {
	out := &sorted{groups: map[uint32]section{}}
	if s.file == nil {
		s.sortItems()
		var text bytes.Buffer
		for _, it := range s.items {
			from := int64(text.Len())
			n, _ := writeItem(&text, it.key, s.arena[it.from:it.to]) // a buffer takes all
			out.grow(it.key.group, from, int64(n))
		}
		out.data = bytes.NewReader(text.Bytes())
		s.arena, s.items = nil, nil
		return out, nil
	}
	defer s.file.Close() // has no name any more
	if len(s.items) > 0 {
		if err := s.spill(); err != nil {
			return nil, err
		}
	}
	s.arena, s.items = nil, nil
	if err := s.out.Flush(); err != nil {
		return nil, fmt.Errorf("write temporary file: %w", err)
	}
	f, err := unnamedFile(s.dir)
	if err != nil {
		return nil, err
	}
	out.data, out.file = f, f
	if err := s.merge(out, f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return out, nil
}

func (s *sorted) grow(group uint32, from, n int64) {
	have, ok := s.groups[group]
	if !ok {
		have.from = from
	}
	have.to = from + n
	s.groups[group] = have
}

func (s *spool) merge(out *sorted, f *os.File) error {
	var runs runHeap
	from := int64(0)
	for i, end := range s.ends {
		c := newCursor(s.file, section{from, end})
		from = end
		if c.next() {
			runs = append(runs, spoolRun{c, i})
		} else if c.err != nil {
			return c.err
		}
	}
	heap.Init(&runs)
	w, size := bufio.NewWriterSize(f, 1<<16), int64(0)
	for len(runs) > 0 {
		c := runs[0].cursor
		n, err := writeItem(w, c.key, c.payload)
		if err != nil {
			return fmt.Errorf("write temporary file: %w", err)
		}
		out.grow(c.key.group, size, int64(n))
		size += int64(n)
		if c.next() {
			heap.Fix(&runs, 0)
			continue
		}
		if c.err != nil {
			return c.err
		}
		heap.Pop(&runs)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("write temporary file: %w", err)
	}
	return nil
}

func (s *sorted) close() {
	if s.file != nil {
		_ = s.file.Close() // has no name any more
	}
}

// group reads the items of one group from the first on; of one that has none, nothing.
func (s *sorted) group(group uint32) *cursor { return newCursor(s.data, s.groups[group]) }

// cursor reads items in order.
type cursor struct {
	key     spoolKey
	payload []byte // until the next call of next
	err     error
	in      *bufio.Reader
}

func newCursor(data io.ReaderAt, s section) *cursor {
	return &cursor{in: bufio.NewReaderSize(io.NewSectionReader(data, s.from, s.to-s.from), 1<<14)}
}

// next reads the next item; it is false at the end and after an error.
func (c *cursor) next() bool {
	group, err := binary.ReadUvarint(c.in)
	if errors.Is(err, io.EOF) || c.err != nil {
		return false
	}
	at, err1 := binary.ReadVarint(c.in)
	entry, err2 := binary.ReadUvarint(c.in)
	size, err3 := binary.ReadUvarint(c.in)
	if err = errors.Join(err, err1, err2, err3); err == nil {
		c.key = spoolKey{uint32(group), at, entry}
		c.payload = slices.Grow(c.payload[:0], int(size))[:size]
		_, err = io.ReadFull(c.in, c.payload)
	}
	if err != nil {
		c.err = fmt.Errorf("read temporary file: %w", err)
	}
	return err == nil
}

// spoolRun is one of the runs that are merged, by its next item.
type spoolRun struct {
	*cursor
	number int
}

type runHeap []spoolRun

func (h runHeap) Len() int { return len(h) }
func (h runHeap) Less(i, j int) bool {
	return cmp.Or(compareKeys(h[i].key, h[j].key), cmp.Compare(h[i].number, h[j].number)) < 0
}
func (h runHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *runHeap) Push(x any)   { *h = append(*h, x.(spoolRun)) }
func (h *runHeap) Pop() any {
	last := len(*h) - 1
	r := (*h)[last]
	*h = (*h)[:last]
	return r
}
