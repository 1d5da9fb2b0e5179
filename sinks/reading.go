package sinks

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/demarc/demarc/internal/record"
	"github.com/demarc/demarc/internal/wire"
)

// maxSection is how far one stored batch is expanded. The batches in a directory were written by demarc, which
// does not take larger ones; a damaged or foreign file must not take the memory of the machine.
const maxSection = 1 << 30

// StoredRecord is one record of a directory sink. Its bytes are borrowed until the function it was given to
// returns.
type StoredRecord struct {
	Source    record.TopicPartition
	Number    int64  // its offset in the directory: from 0 for each source partition
	Timestamp int64  // milliseconds since 1970
	File      string // the file that holds it, below the directory, by its final name
	record.Record
}

// ReadDir calls fn for every record of a directory sink, also while a process writes to it: ordered by topic,
// partition and number. Of the file being written it reads the whole batches, and they may still be delivered a
// second time. Damage in a sealed file is an error, after everything before it.
func ReadDir(dir string, fn func(StoredRecord) error) error {
	partitions, err := partitionDirs(dir)
	if err != nil {
		return err
	}
	d := wire.NewDecompressor(maxSection)
	for _, tp := range partitions {
		if err := readPartition(dir, tp, d, fn); err != nil {
			return err
		}
	}
	return nil
}

// partitionDirs lists the source partitions that a directory has records of, by topic and number.
func partitionDirs(dir string) ([]record.TopicPartition, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read directory: %w", err)
	}
	var partitions []record.TopicPartition
	for _, e := range entries {
		if tp, ok := parsePartitionDir(e.Name()); ok && e.IsDir() {
			partitions = append(partitions, tp)
		}
	}
	slices.SortFunc(partitions, func(a, b record.TopicPartition) int {
		return cmp.Or(strings.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return partitions, nil
}

func readPartition(root string, tp record.TopicPartition, d *wire.Decompressor, fn func(StoredRecord) error) error {
	dir := filepath.Join(root, partitionDir(tp))
	sealed, unfinished, err := listFiles(dir)
	if err != nil {
		return fmt.Errorf("read directory: %w", err)
	}
	for _, name := range sealed {
		if err := readFile(dir, tp, name, sealedSuffix, d, fn); err != nil {
			return err
		}
	}
	for _, name := range unfinished {
		err := readFile(dir, tp, name, partSuffix, d, fn)
		if errors.Is(err, fs.ErrNotExist) { // sealed since, or taken away with nothing in it
			err = readFile(dir, tp, name, sealedSuffix, d, fn)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func readFile(dir string, tp record.TopicPartition, name segment, suffix string, d *wire.Decompressor, fn func(StoredRecord) error) error {
	path := filepath.Join(dir, name.file(suffix))
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read file: %w", err)
	}
	defer f.Close() // opened for reading
	r, err := newBatchReader(f, name.number)
	if err != nil {
		return fmt.Errorf("read file: %w", err)
	}
	out := StoredRecord{Source: tp, File: filepath.Join(partitionDir(tp), name.file(sealedSuffix))}
	for {
		b, err := r.next()
		if err == nil {
			err = b.Check()
		}
		switch damage := (*damageError)(nil); {
		case errors.Is(err, io.EOF):
			return nil
		case suffix == partSuffix && (errors.As(err, &damage) || errors.Is(err, wire.ErrCRC)):
			return nil // being written, or left by a crash: open cuts it off
		case err != nil:
			return fmt.Errorf("read file %s at byte %d: %w", path, r.at, err)
		}
		if err := eachRecord(b, d, &out, fn); err != nil {
			return fmt.Errorf("read file %s at byte %d: %w", path, r.at, err)
		}
		r.accept(b)
	}
}

func eachRecord(b wire.Batch, d *wire.Decompressor, out *StoredRecord, fn func(StoredRecord) error) error {
	section, err := d.Open(b)
	if err != nil {
		return err
	}
	var r wire.Record
	it := wire.Iterate(section, b)
	for it.Next(&r) {
		if err := r.Read(&out.Record); err != nil {
			return err
		}
		out.Number = b.BaseOffset() + int64(r.OffsetDelta)
		out.Timestamp = b.Timestamp(&r)
		if err := fn(*out); err != nil {
			return err
		}
	}
	return it.Err()
}

// batchReader reads the batches of one file. What it gives out is borrowed until the next call.
type batchReader struct {
	in     *bufio.Reader
	size   int64
	at     int64 // where the batch that next gives begins
	number int64 // what its base offset must be
	buf    []byte
}

// damageError says that no whole batch begins here.
type damageError struct{ cause string }

func (e *damageError) Error() string { return e.cause }

func newBatchReader(f *os.File, number int64) (*batchReader, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return &batchReader{in: bufio.NewReaderSize(f, 1<<16), size: info.Size(), number: number}, nil
}

// next gives the batch that begins at at, without checking its CRC; io.EOF at the end of the file. After an
// error other than that of the CRC the position in the file is lost.
func (r *batchReader) next() (wire.Batch, error) {
	left := r.size - r.at
	if left == 0 {
		return wire.Batch{}, io.EOF
	}
	head, err := r.in.Peek(int(min(left, wire.HeaderSize)))
	if err != nil {
		return wire.Batch{}, err
	}
	if left < wire.HeaderSize {
		return wire.Batch{}, &damageError{"the file ends within a batch"}
	}
	length := int64(int32(binary.BigEndian.Uint32(head[8:]))) + 12
	if length < wire.HeaderSize {
		return wire.Batch{}, &damageError{"no batch begins here"}
	}
	if length > left {
		return wire.Batch{}, &damageError{"the file ends within a batch"}
	}
	r.buf = slices.Grow(r.buf[:0], int(length))[:length]
	if _, err := io.ReadFull(r.in, r.buf); err != nil {
		return wire.Batch{}, err
	}
	b, _, err := wire.Next(r.buf)
	if err != nil {
		return wire.Batch{}, &damageError{err.Error()}
	}
	if b.BaseOffset() != r.number || b.Count() == 0 || b.Count() != b.LastOffsetDelta()+1 {
		return wire.Batch{}, &damageError{fmt.Sprintf("the batch is not the one of record %d", r.number)}
	}
	return b, nil
}

// accept goes on behind b, which next has just given.
func (r *batchReader) accept(b wire.Batch) {
	r.at += int64(len(b.Raw))
	r.number = b.LastOffset() + 1
}

// scanned is how far a file holds whole batches.
type scanned struct {
	at     int64  // the byte behind the last of them
	next   int64  // the number behind its last record
	damage string // why it ends there; empty at the end of the file
	more   bool   // another whole batch stands behind the damage
}

// scanFile reads a file from its first batch to the first that is not whole; with crc it checks those too.
func scanFile(path string, number int64, crc bool) (scanned, error) {
	f, err := os.Open(path)
	if err != nil {
		return scanned{}, err
	}
	defer f.Close() // opened for reading
	r, err := newBatchReader(f, number)
	if err != nil {
		return scanned{}, err
	}
	for {
		b, err := r.next()
		end := scanned{at: r.at, next: r.number}
		if err == nil && crc {
			err = b.Check()
		}
		damage, ok := errors.AsType[*damageError](err)
		switch {
		case errors.Is(err, io.EOF):
			return end, nil
		case ok:
			end.damage = damage.cause
			return end, nil
		case errors.Is(err, wire.ErrCRC):
			// A crash damages the end of a file. Damage in the midst is of another kind, and what stands
			// behind it may have been acknowledged.
			end.damage = err.Error()
			r.accept(b)
			after, err := r.next()
			end.more = err == nil && after.Check() == nil
			return end, nil
		case err != nil:
			return scanned{}, err
		}
		r.accept(b)
	}
}

// AppendJSON appends r as one line of JSON, newline included. Keys, values and header values that are not UTF-8
// are given as {"base64": "..."}; null stays null.
func (r StoredRecord) AppendJSON(dst []byte) ([]byte, error) {
	type line struct {
		Topic     string    `json:"topic"`
		Partition int32     `json:"partition"`
		Offset    int64     `json:"offset"`
		Timestamp int64     `json:"timestamp"`
		Key       text      `json:"key"`
		Value     text      `json:"value"`
		Headers   [][2]text `json:"headers"`
	}
	l := line{r.Source.Topic, r.Source.Partition, r.Number, r.Timestamp, r.Key, r.Value, make([][2]text, 0, len(r.Headers))}
	for _, h := range r.Headers {
		l.Headers = append(l.Headers, [2]text{h.Key, h.Value})
	}
	out := appender(dst)
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	err := e.Encode(l)
	return out, err
}

type appender []byte

func (a *appender) Write(b []byte) (int, error) {
	*a = append(*a, b...)
	return len(b), nil
}

// text is bytes that are shown as a string where they are one.
type text []byte

func (t text) MarshalJSON() ([]byte, error) {
	switch {
	case t == nil:
		return []byte("null"), nil
	case utf8.Valid(t):
		var out appender
		e := json.NewEncoder(&out)
		e.SetEscapeHTML(false)
		err := e.Encode(string(t))
		return out, err
	}
	return json.Marshal(map[string][]byte{"base64": t})
}
