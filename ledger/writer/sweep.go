package writer

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/transparency-dev/tessera/api/layout"
)

// sweep removes what a killed process, or a write that failed, left at the edge of the tree: Tessera writes a file
// beside its place, under its name with a random number behind it, and on a full disk leaves one at each try. Nothing
// of the tree is written while the committer sweeps.
func (l *Log) sweep(size uint64) error {
	err := l.sweepFolder(".state", func(name string) bool {
		number, ok := strings.CutPrefix(name, "treeState")
		return ok && digits(number)
	})
	index := size / layout.EntryBundleWidth
	err = errors.Join(err, l.sweepPlace(layout.EntriesPath(index, 0)))
	for level := uint64(0); ; level++ {
		err = errors.Join(err, l.sweepPlace(layout.TilePath(level, index, 0)))
		if index == 0 {
			return err
		}
		index /= layout.TileWidth
	}
}

// sweepPlace looks beside the place of a whole tile, whose name is three digits, and among its partial forms, whose
// names are their widths.
func (l *Log) sweepPlace(path string) error {
	return errors.Join(
		l.sweepFolder(filepath.Dir(path), func(name string) bool { return digits(name) && len(name) > 3 }),
		l.sweepFolder(path+".p", func(name string) bool {
			width, err := strconv.ParseUint(name, 10, 64)
			return digits(name) && (err != nil || width >= layout.TileWidth)
		}),
	)
}

func (l *Log) sweepFolder(path string, stray func(name string) bool) error {
	folder := filepath.Join(l.dir, path)
	files, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, f := range files {
		if f.Type().IsRegular() && stray(f.Name()) {
			err = errors.Join(err, os.Remove(filepath.Join(folder, f.Name())))
		}
	}
	return err
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}
