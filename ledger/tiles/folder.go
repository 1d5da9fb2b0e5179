package tiles

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// folder is a log in a folder of this machine.
type folder struct{ dir string }

// Folder is the log in a folder, such as a ledger or a copy of one.
func Folder(dir string) Source { return folder{dir} }

// Concurrency is bounded on large machines: that many bundles are in memory, of up to 16 MiB each.
func (f folder) Concurrency() int { return min(2*runtime.GOMAXPROCS(0), 16) }

func (f folder) Get(ctx context.Context, path string, limit int64) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	name := filepath.Join(f.dir, filepath.FromSlash(path))
	info, err := os.Stat(name) // before it is opened: to open a pipe would wait for its other end
	if errors.Is(err, syscall.ENOTDIR) {
		return nil, fmt.Errorf("%w: %w", err, fs.ErrNotExist)
	}
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errNoFile
	}
	if info.Size() > limit {
		return nil, ErrTooLarge
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return readAll(file, info.Size(), limit)
}

// readAll reads to the end what is expected to be size bytes long and must not be longer than limit.
func readAll(r io.Reader, size, limit int64) ([]byte, error) {
	data := make([]byte, 0, max(size, 0)+1)
	r = io.LimitReader(r, limit+1)
	for {
		n, err := r.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		switch {
		case int64(len(data)) > limit:
			return nil, ErrTooLarge
		case errors.Is(err, io.EOF):
			return data, nil
		case err != nil:
			return nil, err
		case len(data) == cap(data):
			data = append(data, 0)[:len(data)]
		}
	}
}
