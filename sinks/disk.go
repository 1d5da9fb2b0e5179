package sinks

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// operation names a call to the file system that changes something.
type operation string

const (
	opMkdir    operation = "mkdir"
	opCreate   operation = "create"
	opWrite    operation = "write"
	opSync     operation = "sync"
	opTruncate operation = "truncate"
	opRename   operation = "rename"
	opRemove   operation = "remove"
	opSyncDir  operation = "syncdir"
	opClose    operation = "close"
)

// disk makes all changes that a file sink makes. Each goes through one point, so that a test can break exactly
// one of them, before or after it took effect.
type disk struct {
	around func(op operation, path string, do func() error) error // nil: just do it
}

func (d disk) run(op operation, path string, do func() error) error {
	if d.around != nil {
		return d.around(op, path, do)
	}
	return do()
}

// mkdir makes a directory, and it is not lost in a crash. It is no error if it is there.
func (d disk) mkdir(path string) error {
	err := d.run(opMkdir, path, func() error { return os.Mkdir(path, 0o750) })
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return d.syncDir(filepath.Dir(path))
}

// mkdirAll makes a directory and those above it, as mkdir does.
func (d disk) mkdirAll(path string) error {
	if _, err := os.Stat(path); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := d.mkdirAll(filepath.Dir(path)); err != nil {
		return err
	}
	return d.mkdir(path)
}

// create makes an empty file, also over one that is there; without syncDir a crash may lose the name.
func (d disk) create(path string) (f *os.File, err error) {
	err = d.run(opCreate, path, func() error {
		f, err = os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o640)
		return err
	})
	if err != nil && f != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, err
}

func (d disk) writeAt(f *os.File, b []byte, at int64) error {
	return d.run(opWrite, f.Name(), func() error {
		_, err := f.WriteAt(b, at)
		return err
	})
}

func (d disk) sync(f *os.File) error { return d.run(opSync, f.Name(), f.Sync) }

func (d disk) truncate(f *os.File, size int64) error {
	return d.run(opTruncate, f.Name(), func() error { return f.Truncate(size) })
}

func (d disk) close(f *os.File) error { return d.run(opClose, f.Name(), f.Close) }

// rename gives a file its other name. It is no error if it has it already: the call before may have failed after
// it took effect.
func (d disk) rename(from, to string) error {
	err := d.run(opRename, from, func() error { return os.Rename(from, to) })
	if errors.Is(err, fs.ErrNotExist) {
		if _, there := os.Lstat(to); there == nil {
			return nil
		}
	}
	return err
}

// remove takes a file away. It is no error if it is not there.
func (d disk) remove(path string) error {
	err := d.run(opRemove, path, func() error { return os.Remove(path) })
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// syncDir makes the names in a directory durable.
func (d disk) syncDir(path string) error {
	return d.run(opSyncDir, path, func() error {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		return errors.Join(f.Sync(), f.Close())
	})
}

// lock takes the lock of a directory. The kernel gives it back when the process ends, however it ends.
// The error is errLocked when another process has it.
func lock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o640)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = errLocked
		}
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

var errLocked = errors.New("another process writes to this directory")
