package sinks

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/demarc/demarc/internal/record"
	"github.com/demarc/demarc/internal/wire"
)

// A directory sink keeps the layout of a Kafka log directory, which the tools of Kafka read:
//
//	DIR/TOPIC-PARTITION/NUMBER.ID.log        a sealed file: whole record batches, nothing is ever added
//	DIR/TOPIC-PARTITION/NUMBER.ID.log.part   the one file that is being written
//
// TOPIC and PARTITION are those of the source. NUMBER is that of the file's first record, 20 digits; records are
// numbered from 0 in each TOPIC-PARTITION, in the order of the source, and the base offset of a batch is the
// number of its first record. ID is drawn when a file is made, 16 hex digits: receipts name files, and after a
// lane has moved to a host with a directory of its own, or a directory was emptied, numbers begin anew.
const (
	sealedSuffix = ".log"
	partSuffix   = ".log.part"
	lockName     = ".lock"
)

// segment names a file of a partition's directory.
type segment struct {
	number int64
	id     uint64
}

func (s segment) file(suffix string) string {
	return fmt.Sprintf("%020d.%016x%s", s.number, s.id, suffix)
}

// parseFileName is the inverse of segment.file; ok is false for any other name.
func parseFileName(name string) (s segment, sealed, ok bool) {
	suffix := partSuffix
	if sealed = strings.HasSuffix(name, sealedSuffix); sealed {
		suffix = sealedSuffix
	}
	number, id, _ := strings.Cut(strings.TrimSuffix(name, suffix), ".")
	n, numberErr := strconv.ParseInt(number, 10, 64)
	i, idErr := strconv.ParseUint(id, 16, 64)
	s = segment{n, i}
	return s, sealed, numberErr == nil && idErr == nil && n >= 0 && s.file(suffix) == name
}

func partitionDir(tp record.TopicPartition) string {
	return tp.Topic + "-" + strconv.Itoa(int(tp.Partition))
}

// parsePartitionDir is the inverse of partitionDir; ok is false for any other name.
func parsePartitionDir(name string) (tp record.TopicPartition, ok bool) {
	i := strings.LastIndexByte(name, '-')
	if i < 1 {
		return tp, false
	}
	p, err := strconv.ParseInt(name[i+1:], 10, 32)
	tp = record.TopicPartition{Topic: name[:i], Partition: int32(p)}
	return tp, err == nil && partitionDir(tp) == name && record.IsTopic(tp.Topic)
}

// partitionLog is what a file sink holds of one source partition. One goroutine at a time uses it.
type partitionLog struct {
	disk     disk
	root     string // the sink's directory
	dir      string // below root
	next     int64  // number of the next record; all before it are durable
	rollSize int64
	rollAge  time.Duration

	made bool // the directory is there, durably
	part *part
}

// part is the file being written. Bytes before durable are on the disk for good; what is behind them has been
// acknowledged to nobody.
type part struct {
	file    *os.File
	name    segment
	durable int64
	opened  time.Time
	broken  bool // a write or a sync failed: the kernel may have dropped pages, so nothing is added any more
}

// store makes batches durable, all of them with one sync, and returns where each of them is. After an error none
// of them is.
func (l *partitionLog) store(batches []*record.Batch) ([]record.Place, error) {
	if err := l.open(); err != nil {
		return nil, err
	}
	// Crash from here on: open recovers the file; a batch that is there whole stays, though not acknowledged.
	at, number := l.part.durable, l.next
	places := make([]record.Place, 0, len(batches))
	for _, b := range batches {
		wire.SealAt(b.Bytes, number)
		if err := (wire.Batch{Raw: b.Bytes}).Check(); err != nil { // damaged in memory: a broker would refuse it
			return nil, fmt.Errorf("store batch of %v: %w", b.Source, err)
		}
		if err := l.disk.writeAt(l.part.file, b.Bytes, at); err != nil {
			l.part.broken = true
			return nil, err
		}
		end := at + int64(len(b.Bytes))
		last := number + int64(b.Records) - 1
		place := record.Place{
			File: filepath.Join(l.dir, l.part.name.file(sealedSuffix)), From: at, To: end,
			BaseOffset: number, LastOffset: last, Records: b.Records,
		}
		if b.Digest {
			place.SHA256 = sha256.Sum256(b.Bytes)
		}
		places = append(places, place)
		at, number = end, last+1
	}
	if err := l.disk.sync(l.part.file); err != nil {
		l.part.broken = true
		return nil, err
	}
	// Crash from here on: the records stay; what was not acknowledged yet is delivered again.
	l.part.durable, l.next = at, number
	return places, nil
}

// open sees to it that there is a file that can be added to.
func (l *partitionLog) open() error {
	if l.part != nil && l.due(time.Now()) {
		if err := l.seal(); err != nil {
			return err
		}
	}
	if l.part != nil {
		return nil
	}
	dir := filepath.Join(l.root, l.dir)
	if !l.made {
		if err := l.disk.mkdir(dir); err != nil {
			return err
		}
		l.made = true
	}
	name := segment{l.next, rand.Uint64()}
	f, err := l.disk.create(filepath.Join(dir, name.file(partSuffix)))
	if err != nil {
		return err
	}
	l.part = &part{file: f, name: name, opened: time.Now()}
	if err := l.disk.syncDir(dir); err != nil {
		l.part.broken = true
		return err
	}
	return nil
}

// due reports whether the file being written is to be sealed.
func (l *partitionLog) due(now time.Time) bool {
	at := l.sealAt()
	return !at.IsZero() && !now.Before(at)
}

// sealAt is when the file being written is to be sealed; zero if there is none, or nothing in it yet.
func (l *partitionLog) sealAt() time.Time {
	switch p := l.part; {
	case p == nil:
		return time.Time{}
	case p.broken || p.durable >= l.rollSize:
		return p.opened
	case p.durable == 0:
		return time.Time{}
	default:
		return p.opened.Add(l.rollAge)
	}
}

// seal gives the file being written its final name, or takes it away if it holds nothing. It can be repeated
// after an error, and a crash at any point leaves what open recovers.
func (l *partitionLog) seal() error {
	p := l.part
	if p == nil {
		return nil
	}
	dir := filepath.Join(l.root, l.dir)
	path := filepath.Join(dir, p.name.file(partSuffix))
	if p.durable == 0 {
		if err := l.disk.remove(path); err != nil {
			return err
		}
	} else {
		if p.broken {
			if err := l.disk.truncate(p.file, p.durable); err != nil {
				return err
			}
			if err := l.disk.sync(p.file); err != nil {
				return err
			}
		}
		if err := l.disk.rename(path, filepath.Join(dir, p.name.file(sealedSuffix))); err != nil {
			return err
		}
		if err := l.disk.syncDir(dir); err != nil {
			return err
		}
	}
	l.part = nil
	_ = l.disk.close(p.file) // everything in it is durable: an error here says nothing
	return nil
}

// recover finds out what the directory holds and seals a file that a crash has left unfinished.
func (l *partitionLog) recover(ctx context.Context, sink string) error {
	dir := filepath.Join(l.root, l.dir)
	sealed, unfinished, err := listFiles(dir)
	if err != nil {
		return err
	}
	l.made = true
	if n := len(sealed); n > 0 {
		last := sealed[n-1]
		end, err := scanFile(filepath.Join(dir, last.file(sealedSuffix)), last.number, false)
		if err != nil {
			return err
		}
		if end.damage != "" {
			return damaged(sink, filepath.Join(l.dir, last.file(sealedSuffix)), end)
		}
		l.next = end.next
	}
	for _, name := range unfinished {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := l.recoverPart(sink, name); err != nil {
			return err
		}
	}
	return nil
}

// recoverPart cuts an unfinished file off behind its last whole batch and seals it as any other.
func (l *partitionLog) recoverPart(sink string, name segment) error {
	file := filepath.Join(l.dir, name.file(partSuffix))
	path := filepath.Join(l.root, file)
	if name.number < l.next {
		return damaged(sink, file, scanned{damage: "its records are in a sealed file too"})
	}
	end, err := scanFile(path, name.number, true)
	if err != nil {
		return err
	}
	if end.more {
		return damaged(sink, file, end)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	l.next = end.next
	l.part = &part{file: f, name: name, durable: end.at, opened: time.Now(), broken: true}
	if err := l.seal(); err != nil {
		return fmt.Errorf("seal %s: %w", path, err)
	}
	return nil
}

func damaged(sink, file string, end scanned) error {
	return &RefusedError{
		Sink: sink, Check: CheckDirectory, Expected: file + " to hold whole batches",
		Seen: end.damage + " at byte " + strconv.FormatInt(end.at, 10),
		Hint: "the disk or somebody else has changed it: move it out of the directory, restore it from a copy, and start demarc again",
	}
}

// listFiles gives the names of the files in a partition's directory, in order; names of other kinds are left
// alone. A directory that is not there is empty.
func listFiles(dir string) (sealed, unfinished []segment, err error) {
	entries, err := os.ReadDir(dir) // sorted by name, which is by number
	if err != nil {
		if os.IsNotExist(err) {
			return nil, nil, nil
		}
		return nil, nil, err
	}
	for _, e := range entries {
		name, isSealed, ok := parseFileName(e.Name())
		switch {
		case !ok || e.Type()&fs.ModeType != 0:
		case isSealed:
			sealed = append(sealed, name)
		default:
			unfinished = append(unfinished, name)
		}
	}
	return sealed, unfinished, nil
}
