// Package filesink writes log lines to a file, one JSON object a line, and
// begins another file when that one is full.
//
// A full file is set aside by one rename, so that a crash leaves it whole under
// one name or the other: hub.log becomes hub.log.20261126T101500.000Z. Of the
// files set aside the newest stay. When somebody else moves or removes the
// file, as logrotate does, the next line begins a new one; no signal is needed.
package filesink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/logsink/driver"
)

// The defaults.
const (
	DefaultMaxSize = 64 << 20
	DefaultKeep    = 5
)

// Options for Open; nil takes every default.
type Options struct {
	// MaxSize is when a file is full, in bytes; DefaultMaxSize when 0. A batch
	// is not cut in two, so a file may be smaller, and a single batch larger.
	MaxSize int64
	// Keep is how many full files stay, beside the one that is written;
	// DefaultKeep when 0, none when negative.
	Keep int
	// Now names the files set aside; time.Now when nil.
	Now func() time.Time
}

// Sink is a driver over one file. Nobody else should write it.
type Sink struct {
	path string
	opts Options

	f    *os.File // nil after a failure: the next write opens it again
	info os.FileInfo
	size int64
	torn bool // the file ends within a line
	buf  []byte
}

var _ driver.Driver = (*Sink)(nil)

// Open opens the file at path for appending, making it, mode 0600, and its
// directory when they are missing.
func Open(path string, opts *Options) (*Sink, error) {
	s := &Sink{path: path}
	if opts != nil {
		s.opts = *opts
	}
	if s.opts.MaxSize <= 0 {
		s.opts.MaxSize = DefaultMaxSize
	}
	if s.opts.Keep == 0 {
		s.opts.Keep = DefaultKeep
	}
	if s.opts.Now == nil {
		s.opts.Now = time.Now
	}
	if err := s.open(); err != nil {
		return nil, err
	}
	return s, nil
}

// open opens the file and finds out how it ends.
func (s *Sink) open() (err error) {
	const op = "open log file"
	if err := os.MkdirAll(filepath.Dir(s.path), 0o700); err != nil {
		return fault(op, err)
	}
	f, err := os.OpenFile(s.path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return fault(op, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return fault(op, err)
	}
	if !info.Mode().IsRegular() {
		return model.Errorf(model.Invalid, op, "%s is not a file: logging.file.path names one", s.path)
	}
	// Warnings may name customers. What a group may read, somebody has decided.
	if mode := info.Mode().Perm(); mode&0o027 != 0 {
		if err := f.Chmod(mode &^ 0o027); err != nil {
			return fault(op, err)
		}
	}
	s.f, s.info, s.size, s.torn = f, info, info.Size(), false
	if s.size > 0 {
		last := make([]byte, 1)
		if _, err := f.ReadAt(last, s.size-1); err != nil && !errors.Is(err, io.EOF) {
			s.f = nil
			return fault(op, err)
		}
		s.torn = last[0] != '\n' // a crash, or a full disk
	}
	return nil
}

// keepBuffer bounds the memory kept between batches.
const keepBuffer = 64 << 10

// Write implements driver.Driver.
func (s *Sink) Write(_ context.Context, records []driver.Record) error {
	const op = "write log file"
	buf := s.buf[:0]
	for _, r := range records {
		buf = append(buf, r.Line...)
		buf = append(buf, '\n')
	}
	if cap(buf) <= keepBuffer {
		s.buf = buf
	}
	if err := s.ready(int64(len(buf))); err != nil {
		return err
	}
	if s.torn {
		buf = append([]byte{'\n'}, buf...)
	}
	n, err := s.f.Write(buf)
	s.size += int64(n)
	if n > 0 {
		s.torn = buf[n-1] != '\n'
	}
	return fault(op, err)
}

// ready makes s.f the file to which n bytes go.
func (s *Sink) ready(n int64) error {
	if s.f != nil {
		there, err := os.Stat(s.path)
		if err != nil || !os.SameFile(there, s.info) {
			_ = s.f.Close() // somebody else has set it aside: what it holds is theirs now
			s.f = nil
		}
	}
	if s.f == nil {
		if err := s.open(); err != nil {
			return err
		}
	}
	if s.size == 0 || s.size+n <= s.opts.MaxSize {
		return nil
	}
	if err := s.rotate(); err != nil {
		return err
	}
	return s.open()
}

// asideTime names a file set aside; names sort like their times.
const asideTime = "20060102T150405.000Z"

// rotate sets the file aside and removes the oldest of those set aside.
func (s *Sink) rotate() error {
	const op = "rotate log file"
	err := errors.Join(s.f.Sync(), s.f.Close())
	s.f = nil
	if err != nil {
		return fault(op, err)
	}
	// One reading of the clock: with another, a number could stand behind a
	// time that is yet to be used without one, and would sort behind it.
	at := s.path + "." + s.opts.Now().UTC().Format(asideTime)
	aside := at
	for n := 1; ; n++ { // never over another one
		if _, err := os.Lstat(aside); errors.Is(err, fs.ErrNotExist) {
			break
		}
		aside = fmt.Sprintf("%s-%03d", at, n)
	}
	if err := os.Rename(s.path, aside); err != nil {
		return fault(op, err)
	}
	return fault(op, s.prune())
}

var asideName = regexp.MustCompile(`^\.\d{8}T\d{6}\.\d{3}Z(-\d{3})?$`)

// prune removes what was set aside beyond Keep. Files of other names are not
// touched.
func (s *Sink) prune() error {
	entries, err := os.ReadDir(filepath.Dir(s.path))
	if err != nil {
		return err
	}
	var aside []string // sorted, as ReadDir sorts
	base := filepath.Base(s.path)
	for _, e := range entries {
		if len(e.Name()) > len(base) && e.Name()[:len(base)] == base && asideName.MatchString(e.Name()[len(base):]) {
			aside = append(aside, e.Name())
		}
	}
	slices.Sort(aside)
	for len(aside) > max(s.opts.Keep, 0) {
		if err := os.Remove(filepath.Join(filepath.Dir(s.path), aside[0])); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		aside = aside[1:]
	}
	return nil
}

// Flush implements driver.Driver: the lines outlive a power cut.
func (s *Sink) Flush(context.Context) error {
	if s.f == nil {
		return nil
	}
	return fault("flush log file", s.f.Sync())
}

// Close implements driver.Driver.
func (s *Sink) Close(ctx context.Context) error {
	if s.f == nil {
		return nil
	}
	err := errors.Join(s.Flush(ctx), fault("close log file", s.f.Close()))
	s.f = nil
	return err
}

// fault gives an error of the file system its code: a full disk may have room
// again, a permission does not come by itself.
func fault(op string, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return model.Wrap(model.Denied, op, err)
	}
	return model.Wrap(model.Unavailable, op, err)
}
