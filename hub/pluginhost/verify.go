package pluginhost

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/channelhub/channelhub/hub/model"
)

var sha256Hex = regexp.MustCompile(`^[0-9a-fA-F]{64}$`)

// program is a connector's binary that passed the checks.
type program struct {
	path   string // absolute
	sha256 string // lower case hex
}

// CheckProgram checks a connector's program as every start of it does, and
// starts nothing. It returns the program's SHA-256. An error is a *model.Error
// whose faults say what is wrong.
func CheckProgram(path, sha256 string) (sum string, err error) {
	p, err := verify(&Spec{Path: path, SHA256: sha256})
	return p.sha256, err
}

// verify checks the program of a spec before every start: that it is a regular
// file that only its owner can change, and that its hash is the one the
// operator wrote. The library's own checksum cannot be used together with a
// runner, and would hash a file that nobody asked about.
//
// An error is a *model.Error with model.Invalid that names the path: a missing
// or wrong program is a fault of configuration.
func verify(spec *Spec) (program, error) {
	bad := func(field, format string, args ...any) (program, error) {
		return program{}, &model.Error{
			Code: model.Invalid, Op: "verify plugin",
			Faults: []model.Fault{{Field: field, Detail: fmt.Sprintf(format, args...)}},
		}
	}
	path, err := filepath.Abs(spec.Path)
	if err != nil {
		return bad("path", "cannot be made absolute")
	}
	// Lstat, then open, then compare: a link put there in between is noticed.
	listed, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return bad("path", "there is no file at %s", path)
	case err != nil:
		return bad("path", "%s cannot be read: %v", path, rootCause(err))
	case !listed.Mode().IsRegular():
		return bad("path", "%s must be a regular file, not a link, directory or device", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return bad("path", "%s cannot be read: %v", path, rootCause(err))
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return bad("path", "%s cannot be read: %v", path, rootCause(err))
	}
	if !os.SameFile(listed, info) {
		return bad("path", "%s changed while it was being checked", path)
	}
	if mode := info.Mode().Perm(); mode&0o022 != 0 {
		return bad("path", "others than its owner can write %s: run chmod go-w on it", path)
	} else if mode&0o111 == 0 {
		return bad("path", "%s is not executable: run chmod +x on it", path)
	}
	if !ownedByUs(info) {
		return bad("path", "%s must belong to the hub's user or to root", path)
	}
	hash := sha256.New()
	if _, err := io.Copy(hash, f); err != nil {
		return bad("path", "%s cannot be read: %v", path, rootCause(err))
	}
	sum := hex.EncodeToString(hash.Sum(nil))
	if want := strings.ToLower(spec.SHA256); want != "" && subtle.ConstantTimeCompare([]byte(want), []byte(sum)) != 1 {
		return bad("sha256", "%s has sha256 %s, not the configured %s", path, sum, want)
	}
	return program{path: path, sha256: sum}, nil
}

// rootCause drops the operation and path that the message already names.
func rootCause(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}
