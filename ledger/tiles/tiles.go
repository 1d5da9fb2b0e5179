// Package tiles reads a transparency log that somebody else wrote: its resources from a folder or over HTTP, signed
// checkpoints and the cosignatures of witnesses, and the Merkle tree with its proofs. The formats are those of
// https://c2sp.org/tlog-tiles, tlog-checkpoint, signed-note and tlog-cosignature; the tree is that of RFC 6962.
//
// Nothing that is read here is trusted, and no code is shared with what writes logs.
package tiles

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
)

// Width is the number of hashes of a full tile and of entries of a full bundle.
const Width = 256

// tileHeight is the number of tree levels that a tile stands for.
const tileHeight = 8

// Limits on what a resource can hold by its format. More is damage, and is never read into memory.
const (
	maxCheckpoint = 64 << 10
	maxTile       = Width * HashSize
	maxEntries    = Width * (2 + 1<<16 - 1)
)

// Broken is an error in what the log serves rather than on the way to it: a resource that must be there is not, or
// is not of its form. Trying again does not help; another error may pass.
type Broken struct {
	Path  string // of the resource inside the log
	Cause error
}

func (e *Broken) Error() string { return e.Path + ": " + e.Cause.Error() }

func (e *Broken) Unwrap() error { return e.Cause }

// Source gives the resources of a log by their path inside it.
type Source interface {
	// Get returns a whole resource, which the caller then owns. The error says fs.ErrNotExist when the log has no
	// such resource, and ErrTooLarge when it is longer than limit bytes.
	Get(ctx context.Context, path string, limit int64) ([]byte, error)
	// Concurrency is how many calls of Get at once are worth while.
	Concurrency() int
}

// ErrTooLarge says that a resource is longer than its format allows.
var ErrTooLarge = errors.New("is longer than its format allows")

// errNoFile says that something other than a file stands where a resource should be.
var errNoFile = errors.New("is not a regular file")

// Log reads the resources of one log.
type Log struct{ source Source }

// New returns the log behind a source.
func New(source Source) *Log { return &Log{source} }

// Concurrency is how many reads at once are worth while.
func (l *Log) Concurrency() int { return l.source.Concurrency() }

// Checkpoint returns the newest checkpoint as it is served, its signatures not looked at.
func (l *Log) Checkpoint(ctx context.Context) ([]byte, error) {
	return l.get(ctx, "checkpoint", maxCheckpoint)
}

// Tile returns the first width hashes of a tile, 1 to 256. The caller has seen a checkpoint of a size that has them.
func (l *Log) Tile(ctx context.Context, level int, index uint64, width int) ([]Hash, error) {
	r, err := l.partialOrFull(ctx, width, maxTile, func(w int) string { return TilePath(level, index, w) })
	if err != nil {
		return nil, err
	}
	if len(r.data) != r.width*HashSize {
		return nil, &Broken{r.path, fmt.Errorf("has %d bytes, want %d hashes of %d bytes", len(r.data), r.width, HashSize)}
	}
	hashes := make([]Hash, width)
	for i := range hashes {
		copy(hashes[i][:], r.data[i*HashSize:])
	}
	return hashes, nil
}

// Entries returns the first width entries of a bundle, 1 to 256. They share one piece of memory, which the caller owns.
func (l *Log) Entries(ctx context.Context, index uint64, width int) ([][]byte, error) {
	r, err := l.partialOrFull(ctx, width, maxEntries, func(w int) string { return EntriesPath(index, w) })
	if err != nil {
		return nil, err
	}
	entries, err := splitBundle(r.data)
	if err == nil && len(entries) != r.width {
		err = fmt.Errorf("has %d entries, want %d", len(entries), r.width)
	}
	if err != nil {
		return nil, &Broken{r.path, err}
	}
	return entries[:width], nil
}

// splitBundle divides a bundle into its entries, which stay where they are in memory.
func splitBundle(data []byte) ([][]byte, error) {
	entries := make([][]byte, 0, Width)
	for at := 0; at < len(data); {
		if len(entries) == Width {
			return nil, fmt.Errorf("has bytes after %d entries", Width)
		}
		if len(data)-at < 2 {
			return nil, fmt.Errorf("ends inside the length of entry %d of the bundle", len(entries))
		}
		n := int(binary.BigEndian.Uint16(data[at:]))
		at += 2
		if len(data)-at < n {
			return nil, fmt.Errorf("ends inside entry %d of the bundle, whose length is given as %d", len(entries), n)
		}
		entries = append(entries, data[at:at+n:at+n])
		at += n
	}
	return entries, nil
}

// resource is a tile or bundle as it was found.
type resource struct {
	path  string
	width int // that it must have
	data  []byte
}

// partialOrFull reads a resource of a given width. A log may delete a partial one once the full one is there, of which
// it is the beginning.
func (l *Log) partialOrFull(ctx context.Context, width int, limit int64, path func(width int) string) (resource, error) {
	asked := path(width)
	data, err := l.get(ctx, asked, limit)
	if width == Width || !errors.Is(err, fs.ErrNotExist) {
		return resource{asked, width, data}, err
	}
	full, fullErr := l.get(ctx, path(Width), limit)
	if errors.Is(fullErr, fs.ErrNotExist) {
		return resource{}, err
	}
	return resource{path(Width), Width, full}, fullErr
}

func (l *Log) get(ctx context.Context, path string, limit int64) ([]byte, error) {
	data, err := l.source.Get(ctx, path, limit)
	switch {
	case err == nil:
		return data, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, &Broken{path, notThere{}}
	case errors.Is(err, ErrTooLarge), errors.Is(err, errNoFile):
		return nil, &Broken{path, err}
	default:
		return nil, fmt.Errorf("read %s of the log: %w", path, err)
	}
}

// notThere is fs.ErrNotExist in words that hold for folders and servers alike.
type notThere struct{}

func (notThere) Error() string { return "is not there" }

func (notThere) Is(target error) bool { return target == fs.ErrNotExist }

// TilePath is the path of a tile of hashes inside a log; a width of 256 names the full one.
func TilePath(level int, index uint64, width int) string {
	return "tile/" + strconv.Itoa(level) + "/" + tileNumber(index) + partialSuffix(width)
}

// EntriesPath is the path of a bundle of entries inside a log; a width of 256 names the full one.
func EntriesPath(index uint64, width int) string {
	return "tile/entries/" + tileNumber(index) + partialSuffix(width)
}

// tileNumber writes an index in groups of three digits, all but the last with an x before them.
func tileNumber(n uint64) string {
	s := fmt.Sprintf("%03d", n%1000)
	for n /= 1000; n > 0; n /= 1000 {
		s = fmt.Sprintf("x%03d/%s", n%1000, s)
	}
	return s
}

func partialSuffix(width int) string {
	if width == Width {
		return ""
	}
	return ".p/" + strconv.Itoa(width)
}
