package keyslots

import (
	"bufio"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/channelhub/channelhub/hub/model"
)

const (
	opOpen = "open contact keys"
	// growBy is how many bytes the file grows by: to grow costs a file system
	// more than to be overwritten.
	growBy = 512 * slotSize
)

// File is a file of slots. It is safe for concurrent use; one process at a
// time may have it open.
type File struct {
	path    string
	file    *os.File
	id      [16]byte
	fresh   bool
	damaged int

	mu      sync.Mutex
	where   map[name]place
	free    []int64 // offsets of slots without a key
	size    int64
	turn    uint64
	written []name // since the last flush began
	next    *round // the flush that comes next; nil: nobody waits for one
	broken  error  // what is on disk is not known any more
	failed  chan struct{}

	flushing sync.Mutex // one flush at a time
}

// place is where a key lies.
type place struct {
	at     int64
	turn   uint64 // counts writes
	synced bool   // on disk for certain
}

// Open opens the file, making it when there is none.
func Open(path string) (*File, error) {
	f := &File{path: path, failed: make(chan struct{})}
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		f.fresh, err = true, create(path)
	}
	if err != nil {
		return nil, model.Wrap(model.Unavailable, opOpen, err)
	}
	if f.file, err = os.OpenFile(path, os.O_RDWR, 0); err != nil {
		return nil, model.Wrap(model.Unavailable, opOpen, err)
	}
	if err := f.load(); err != nil {
		return nil, errors.Join(err, f.file.Close())
	}
	return f, nil
}

// create puts an empty file at path, whole: it is written under another name.
func create(path string) error {
	dir := filepath.Dir(path)
	temp, err := os.CreateTemp(dir, ".contact-keys-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temp.Name()) }() // not there once it is renamed
	var id [16]byte
	_, _ = rand.Read(id[:])
	header := makeHeader(id)
	_, err = temp.Write(header[:])
	if err == nil {
		err = temp.Sync()
	}
	if err = errors.Join(err, temp.Close()); err != nil {
		return err
	}
	if err := os.Rename(temp.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// load reads where which key lies.
func (f *File) load() error {
	info, err := f.file.Stat()
	if err != nil {
		return model.Wrap(model.Unavailable, opOpen, err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return model.Errorf(model.Denied, opOpen,
			"%s has mode %04o, so that others than its owner can reach it: run chmod 600 %s", f.path, mode, f.path)
	}
	f.where = make(map[name]place, info.Size()/slotSize)
	r := bufio.NewReaderSize(f.file, 1<<20)
	var s slot
	if _, err := io.ReadFull(r, s[:]); err != nil {
		return f.corrupt()
	}
	var ok bool
	if f.id, ok = s.idOf(); !ok {
		return f.corrupt()
	}
	for at := int64(slotSize); ; at += slotSize {
		_, err := io.ReadFull(r, s[:])
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			f.size = at
			return nil
		}
		if err != nil {
			return model.Wrap(model.Unavailable, opOpen, err)
		}
		n, _, ok := s.holds()
		switch {
		case ok:
			f.where[n] = place{at: at, synced: true}
		case s.empty():
			f.free = append(f.free, at)
		default:
			// Left alone: it may be all that is left of somebody's key.
			f.damaged++
		}
	}
}

func (f *File) corrupt() error {
	return model.Errorf(model.Corrupt, opOpen, "%s is not a file of contact keys: put it back from your copy", f.path)
}

// ID names this file among all others.
func (f *File) ID() string { return hex.EncodeToString(f.id[:]) }

// Path is where the file lies.
func (f *File) Path() string { return f.path }

// Fresh reports whether Open made the file.
func (f *File) Fresh() bool { return f.fresh }

// Used reports whether a key was ever kept in the file, which grows with the
// first and never shrinks.
func (f *File) Used() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.size > slotSize
}

// Damaged is how many slots hold neither a key nor nothing.
func (f *File) Damaged() int { return f.damaged }

// Failed is closed once it is not known any more what is on disk: the process
// must end.
func (f *File) Failed() <-chan struct{} { return f.failed }

// Err says why Failed is closed.
func (f *File) Err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.broken
}

// Close closes the file. No other call may be under way or follow.
func (f *File) Close() error { return f.file.Close() }
