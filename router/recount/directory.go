package recount

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"slices"

	"github.com/demarc/demarc/internal/wire"
	"github.com/demarc/demarc/sinks"
)

// file compares a file of a directory with its receipts.
func (w *worker) file() error {
	if w.run.places.dirOf(w.at) == nil {
		if w.at.dir == "" {
			return errors.New("where the file lies is not known: the policy that its receipts cite does not load, or names no directory")
		}
		return fmt.Errorf("no policy that was given names the directory %s: give the policy that the receipts were made under as well", w.at.dir)
	}
	root, err := os.OpenRoot(w.at.dir) // a link that leads out of the directory is not followed
	if errors.Is(err, fs.ErrNotExist) {
		return w.restMissing("the directory is not there")
	}
	if err != nil {
		return err
	}
	defer root.Close()
	f, unfinished, err := openStored(root, w.at.file)
	if errors.Is(err, fs.ErrNotExist) {
		return w.restMissing("the file is not there")
	}
	if errors.Is(err, errNoFile) {
		return w.restMissing("no regular file is there")
	}
	if err != nil {
		return err
	}
	defer f.Close() // opened for reading
	info, err := f.Stat()
	if err != nil {
		return err
	}
	s := &stretch{worker: w, in: f, size: info.Size(), unfinished: unfinished}
	return s.receipts()
}

// openStored opens a file by its final name, or by the one that it has while it is written.
func openStored(root *os.Root, name string) (f *os.File, unfinished bool, err error) {
	for _, n := range []string{name, name + sinks.UnfinishedSuffix, name} { // it may be finished between two looks
		f, err = openRegular(root, n)
		if !errors.Is(err, fs.ErrNotExist) {
			return f, n != name, err
		}
	}
	return nil, false, err
}

var errNoFile = errors.New("is no regular file")

// openRegular looks before it opens: to open a pipe would wait for its other end.
func openRegular(root *os.Root, name string) (*os.File, error) {
	info, err := root.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s %w", name, errNoFile)
	}
	return root.Open(name)
}

// stretch walks a file and its receipts side by side.
type stretch struct {
	*worker
	in         *os.File
	size       int64
	unfinished bool
	at         int64 // behind what was looked at
	buffer     []byte
}

func (s *stretch) receipts() error {
	for {
		more, err := s.next()
		if err != nil {
			return err
		}
		if !more {
			return s.hole(s.size)
		}
		r := &s.current
		if err := s.hole(min(r.base, s.size)); err != nil {
			return errors.Join(err, s.count((*Receipts).unread, nil))
		}
		s.at = max(s.at, min(r.end, s.size))
		if !s.run.wants(r) {
			if err := s.count((*Receipts).left, nil); err != nil {
				return err
			}
			continue
		}
		if err := s.receipt(r); err != nil {
			return err
		}
	}
}

// maxBatch is how long a batch can be by its length field.
const maxBatch = math.MaxInt32 + 12

// receipt compares the bytes of the current receipt.
func (s *stretch) receipt(r *receipt) error {
	if r.end > s.size {
		s.differ(Missing, nil, "says the bytes %d to %d, but the file ends at %d", r.base, r.end, s.size)
		return s.count((*Receipts).missing, nil)
	}
	if r.end-r.base > maxBatch {
		s.differ(Rewritten, nil, "says %d bytes, more than a batch can have", r.end-r.base)
		return s.count((*Receipts).rewritten, nil)
	}
	text, err := s.read(r.base, r.end)
	if err != nil {
		return errors.Join(err, s.count((*Receipts).unread, nil))
	}
	b, rest, err := wire.Next(text)
	if err == nil && len(rest) == 0 {
		return s.compare(b, text)
	}
	s.differ(Rewritten, nil, "the bytes %d to %d are not one whole batch", r.base, r.end)
	return s.count((*Receipts).rewritten, nil)
}

// read gives the bytes [from, to), borrowed until the next call.
func (s *stretch) read(from, to int64) ([]byte, error) {
	s.buffer = slices.Grow(s.buffer[:0], int(to-from))[:to-from]
	n, err := s.in.ReadAt(s.buffer, from)
	if err == io.EOF && int64(n) == to-from {
		err = nil
	}
	if err != nil {
		return nil, fmt.Errorf("read bytes %d to %d: %w", from, to, err)
	}
	return s.buffer, nil
}

// hole takes in the bytes up to an offset, which no receipt covers.
func (s *stretch) hole(to int64) error {
	for s.at < to {
		b, err := s.batch(to)
		if err != nil {
			return err
		}
		if b.Raw == nil {
			if !s.unfinished || to < s.size { // a file that is written ends anywhere
				at := s.at
				s.run.report.differ(Difference{Kind: Damaged, Sink: s.firstSink(), Place: s.worker.at.String(), Offset: &at,
					Cause: fmt.Sprintf("the bytes %d to %d have no receipt and are no batches", s.at, to)})
			}
			s.at = to
			return nil
		}
		s.noReceipt(b, &s.here.Unreceipted)
		s.at += int64(len(b.Raw))
	}
	return nil
}

// batch reads the batch that begins where the walk is and ends below to; it is empty if none does.
func (s *stretch) batch(to int64) (wire.Batch, error) {
	if to-s.at < wire.HeaderSize {
		return wire.Batch{}, nil
	}
	head, err := s.read(s.at, s.at+wire.HeaderSize)
	if err != nil {
		return wire.Batch{}, err
	}
	b, _, err := wire.Next(head)
	if err == nil {
		return b, nil // of a header alone
	}
	if !errors.Is(err, wire.ErrPartial) {
		return wire.Batch{}, nil
	}
	length := int64(int32(binary.BigEndian.Uint32(head[8:]))) + 12
	if length > to-s.at {
		return wire.Batch{}, nil
	}
	text, err := s.read(s.at, s.at+length)
	if err != nil {
		return wire.Batch{}, err
	}
	if b, _, err = wire.Next(text); err != nil {
		return wire.Batch{}, nil
	}
	return b, nil
}
