package localkeys

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"

	"github.com/channelhub/channelhub/hub/model"
)

// maxFile bounds what is read: a keyring of hundreds of keys is far below.
const maxFile = 1 << 20

// load reads the keyring, or makes one when there is none.
func load(path string, mustExist bool) (*keyset.Handle, error) {
	handle, err := read(path)
	if model.Is(err, model.NotFound) {
		if mustExist {
			return nil, model.Errorf(model.NotFound, "open keyring",
				"%s is missing, and the store beside it holds data sealed under it: put it back from your copy", path)
		}
		if err := create(path); err != nil {
			return nil, model.Wrap(model.Unavailable, "make keyring "+path, err)
		}
		handle, err = read(path)
	}
	if err != nil {
		return nil, err
	}
	// Also when the file was there: whoever made it may have died before this.
	if err := settle(filepath.Dir(path)); err != nil {
		return nil, model.Wrap(model.Unavailable, "keep keyring "+path, err)
	}
	return handle, nil
}

// read loads the file. NotFound says that there is none.
func read(path string) (*keyset.Handle, error) {
	const op = "open keyring"
	f, err := os.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, model.Wrap(model.NotFound, op, err)
	case errors.Is(err, fs.ErrPermission):
		return nil, model.Wrap(model.Denied, op, err)
	case err != nil:
		return nil, model.Wrap(model.Unavailable, op, err)
	}
	defer f.Close()

	info, err := f.Stat()
	if err != nil {
		return nil, model.Wrap(model.Unavailable, op, err)
	}
	if !info.Mode().IsRegular() {
		return nil, model.Errorf(model.Corrupt, op, "%s is not a file", path)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, model.Errorf(model.Denied, op,
			"%s has mode %04o, so that others than its owner can reach the root keys: run chmod 600 %s", path, mode, path)
	}
	content, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, model.Wrap(model.Unavailable, op, err)
	}
	if len(content) > maxFile {
		return nil, model.Errorf(model.Corrupt, op, "%s is larger than a keyring can be", path)
	}
	// The reader's own error may quote the file, which holds keys.
	handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(content)))
	if err != nil {
		return nil, model.Errorf(model.Corrupt, op, "%s is damaged: put it back from your copy", path)
	}
	return handle, nil
}

// create puts a new keyring at path unless there is one by then.
func create(path string) error {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return err
	}
	var content bytes.Buffer
	if err := insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(&content)); err != nil {
		return err
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	temp, err := writeSynced(dir, content.Bytes())
	if err != nil {
		return err
	}
	// A link and not a rename: of two hubs that start at once, the second
	// must not replace the key under which the first already seals.
	if err := os.Link(temp, path); err != nil {
		if _, lost := os.Stat(path); lost != nil {
			return err
		}
	}
	return nil
}

// tempPattern names files on their way to being a keyring.
const tempPattern = ".keyring-*"

// writeSynced writes content to a new file in dir, mode 0600, and returns its
// name once the bytes are on disk.
func writeSynced(dir string, content []byte) (name string, err error) {
	f, err := os.CreateTemp(dir, tempPattern)
	if err != nil {
		return "", err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// settle removes what a creation, finished or not, left beside the keyring,
// since such a file may be a second name of the root key, and makes the names
// in dir outlive a power cut.
func settle(dir string) error {
	left, err := filepath.Glob(filepath.Join(dir, tempPattern))
	if err != nil {
		return err
	}
	for _, name := range left {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
