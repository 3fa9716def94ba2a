// Package fileblob keeps blobs in files, for a hub on one machine.
//
// A blob is dir/<client>/<key>: a header of fixed size, then the bytes as they
// came. A file is written under dir/.incoming, synced, and only then linked to
// its name, which fails where there is one; so a name that is there is a whole
// blob, and one of several writers wins. What .incoming holds when the driver
// opens belongs to a process that died, and goes. Directories have mode 0700,
// files 0600. The driver encrypts nothing and signs nothing.
package fileblob

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/blob/driver"
)

// incoming holds files that are not blobs yet. No client can have this name.
const incoming = ".incoming"

// The header: magic, expiry in milliseconds, stamp.
const (
	magic      = "CHB1"
	headerSize = len(magic) + 8 + driver.StampBytes
)

// Files is a driver over one directory, which one process uses at a time. It
// is safe for concurrent use.
type Files struct{ dir string }

var _ driver.Driver = (*Files)(nil)

// Open makes the directory if need be and removes what a process that died has
// left half-written.
func Open(dir string) (*Files, error) {
	const op = "open blob directory"
	left := filepath.Join(dir, incoming)
	if err := os.MkdirAll(left, 0o700); err != nil {
		return nil, coded(op, err)
	}
	names, err := filepath.Glob(filepath.Join(left, "*"))
	if err != nil {
		return nil, coded(op, err)
	}
	for _, name := range names {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, coded(op, err)
		}
	}
	if err := errors.Join(syncDir(left), syncDir(dir), syncDir(filepath.Dir(dir))); err != nil {
		return nil, coded(op, err)
	}
	return &Files{dir: dir}, nil
}

// Prepare makes the directory of a client, if there is none.
func (f *Files) Prepare(client model.ClientID) error {
	const op = "make directory of client"
	err := os.Mkdir(filepath.Join(f.dir, string(client)), 0o700)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err == nil {
		err = syncDir(f.dir)
	}
	return coded(op, err)
}

// Remove removes the directory of a client with all that is in it. That there
// is none is no error.
func (f *Files) Remove(client model.ClientID) error {
	err := os.RemoveAll(filepath.Join(f.dir, string(client)))
	if err == nil {
		err = syncDir(f.dir)
	}
	return coded("remove directory of client", err)
}

// Put implements driver.Driver.
func (f *Files) Put(ctx context.Context, ref driver.Ref, meta driver.Meta, body []byte) error {
	up, err := f.Begin(ctx, ref, meta)
	if err != nil {
		return err
	}
	if err = up.Part(ctx, 1, body); err == nil {
		err = up.Commit(ctx)
	}
	return errors.Join(err, up.Abort(ctx))
}

// Open implements driver.Driver.
func (f *Files) Open(_ context.Context, ref driver.Ref, r driver.Range) (io.ReadCloser, driver.Info, error) {
	file, info, err := f.open(ref)
	if err != nil {
		return nil, driver.Info{}, err
	}
	if r.Offset > 0 && r.Offset >= info.Size {
		return nil, driver.Info{}, errors.Join(
			model.Errorf(model.Invalid, "open file", "the range begins behind the end"), file.Close())
	}
	n := info.Size - r.Offset
	if r.Length > 0 {
		n = min(n, r.Length)
	}
	return section{io.NewSectionReader(file, int64(headerSize)+r.Offset, n), file}, info, nil
}

// section reads a part of a file and closes the whole.
type section struct {
	io.Reader
	io.Closer
}

// Head implements driver.Driver.
func (f *Files) Head(_ context.Context, ref driver.Ref) (driver.Info, error) {
	file, info, err := f.open(ref)
	if err != nil {
		return driver.Info{}, err
	}
	return info, coded("close file", file.Close())
}

// Delete implements driver.Driver. Who deletes may forget the key, so the name
// must not come back after a power cut.
func (f *Files) Delete(_ context.Context, ref driver.Ref) error {
	err := os.Remove(f.path(ref))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = syncDir(filepath.Dir(f.path(ref)))
	}
	return coded("remove file", err)
}

// Abandon implements driver.Driver.
func (f *Files) Abandon(_ context.Context, ref driver.Ref) error {
	names, err := filepath.Glob(filepath.Join(f.dir, incoming, prefix(ref)+"*"))
	if err != nil {
		return coded("find unfinished files", err)
	}
	for _, name := range names {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return coded("remove unfinished file", err)
		}
	}
	return nil
}

// Sign implements driver.Driver.
func (f *Files) Sign(context.Context, driver.Ref, driver.Signing) (string, error) {
	return "", model.Errorf(model.Invalid, "sign url", "files have no URLs")
}

// Traits implements driver.Driver.
func (f *Files) Traits() driver.Traits { return driver.Traits{} }

// Close implements driver.Driver. Nothing is held open.
func (f *Files) Close() error { return nil }

func (f *Files) path(ref driver.Ref) string {
	return filepath.Join(f.dir, string(ref.Client), ref.Key)
}

// prefix is how names of unfinished files of a blob begin. The dot is in no
// client id and no key.
func prefix(ref driver.Ref) string { return string(ref.Client) + "." + ref.Key + "." }

func (f *Files) open(ref driver.Ref) (*os.File, driver.Info, error) {
	const op = "open file"
	file, err := os.Open(f.path(ref))
	if err != nil {
		return nil, driver.Info{}, coded(op, err)
	}
	info, err := readInfo(file)
	if err != nil {
		return nil, driver.Info{}, errors.Join(err, file.Close())
	}
	return file, info, nil
}

func readInfo(file *os.File) (driver.Info, error) {
	const op = "read header of file"
	var h [headerSize]byte
	if _, err := io.ReadFull(file, h[:]); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return driver.Info{}, model.Errorf(model.Corrupt, op, "the file is too short to be a blob")
	} else if err != nil {
		return driver.Info{}, coded(op, err)
	}
	if string(h[:len(magic)]) != magic {
		return driver.Info{}, model.Errorf(model.Corrupt, op, "the file does not begin as a blob does")
	}
	stat, err := file.Stat()
	if err != nil {
		return driver.Info{}, coded(op, err)
	}
	millis := int64(binary.BigEndian.Uint64(h[len(magic):]))
	return driver.Info{
		Size: stat.Size() - int64(headerSize), Expires: time.UnixMilli(millis),
		Stamp: driver.Stamp(h[len(magic)+8:]),
	}, nil
}

func header(meta driver.Meta) []byte {
	h := binary.BigEndian.AppendUint64([]byte(magic), uint64(meta.Expires.UnixMilli()))
	return append(h, meta.Stamp[:]...)
}

// coded gives an error of the file system its code; nil stays nil.
func coded(op string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return model.Wrap(model.NotFound, op, err)
	case errors.Is(err, fs.ErrPermission):
		return model.Wrap(model.Denied, op, err)
	case errors.Is(err, fs.ErrExist):
		return model.Wrap(model.Precondition, op, err)
	}
	return model.Wrap(model.Unavailable, op, err)
}

// syncDir makes the names in a directory outlive a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	return nil
}
