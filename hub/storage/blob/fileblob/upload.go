package fileblob

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/blob/driver"
)

// upload is a file that is not a blob yet.
type upload struct {
	files *Files
	ref   driver.Ref
	file  *os.File
	size  int64 // of the parts that were written in full
	done  bool
}

// Begin implements driver.Driver.
func (f *Files) Begin(_ context.Context, ref driver.Ref, meta driver.Meta) (driver.Upload, error) {
	const op = "make file"
	if err := f.Prepare(ref.Client); err != nil {
		return nil, err
	}
	// Mode 0600 is CreateTemp's.
	file, err := os.CreateTemp(filepath.Join(f.dir, incoming), prefix(ref)+"*")
	if err != nil {
		return nil, coded(op, err)
	}
	u := &upload{files: f, ref: ref, file: file}
	if _, err := file.Write(header(meta)); err != nil {
		return nil, errors.Join(coded(op, err), u.finish())
	}
	return u, nil
}

// Part implements driver.Upload. A repeat overwrites what the failed try
// wrote: parts before the last all have one size.
func (u *upload) Part(_ context.Context, n int, p []byte) error {
	at := int64(n-1) * driver.PartBytes
	if _, err := u.file.WriteAt(p, int64(headerSize)+at); err != nil {
		return coded("write file", err)
	}
	u.size = at + int64(len(p))
	return nil
}

// Commit implements driver.Upload.
func (u *upload) Commit(context.Context) error {
	const op = "keep file"
	if u.done {
		return model.Errorf(model.NotFound, op, "the upload has ended")
	}
	if err := u.file.Truncate(int64(headerSize) + u.size); err != nil {
		return coded(op, err)
	}
	if err := u.file.Sync(); err != nil {
		// The kernel may have dropped what it could not write, and a second
		// sync would not know: the caller starts anew.
		return model.Wrap(model.Internal, op, err)
	}
	path := u.files.path(u.ref)
	// A link and not a rename, which would replace what is there.
	if err := os.Link(u.file.Name(), path); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return model.Errorf(model.NotFound, op, "the upload was abandoned, or its client removed")
		}
		return coded(op, err)
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return model.Wrap(model.Internal, op, errors.Join(err, os.Remove(path)))
	}
	// A second name would keep the bytes on the disk behind their deletion.
	if err := u.finish(); err != nil {
		return model.Wrap(model.Internal, op, errors.Join(err, os.Remove(path)))
	}
	return nil
}

// Abort implements driver.Upload.
func (u *upload) Abort(context.Context) error {
	if u.done {
		return nil
	}
	return u.finish()
}

// finish closes the file and removes the name under which it was written.
func (u *upload) finish() error {
	u.done = true
	err := os.Remove(u.file.Name())
	if errors.Is(err, fs.ErrNotExist) {
		err = nil // abandoned meanwhile
	}
	return coded("put away file", errors.Join(err, u.file.Close()))
}
