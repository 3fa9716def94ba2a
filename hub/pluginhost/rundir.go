package pluginhost

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/channelhub/channelhub/hub/model"
)

// The run directory holds one private directory for each start of a connector:
//
//	run_dir/lock            locked while a host uses the directory
//	run_dir/<8 hex>/mark    the start's marker, written before the process is
//	run_dir/<8 hex>/h       socket of HostService
//	run_dir/<8 hex>/plugin… the connector's socket
//
// It never lies in the system's temporary directory, whose cleaners remove the
// sockets of long-lived processes. The marker is a random entry of the
// process's environment: by it alone a later hub recognises what an earlier one
// left behind.
type runDir struct {
	path string
	lock *os.File
}

const (
	lockFileName   = "lock"
	markFileName   = "mark"
	hostSocketName = "h"
	markVariable   = "CHANNELHUB_START"

	// A socket path must fit the 108 bytes of sockaddr_un with its final zero.
	maxSocketPath = 107
	// What is added to the run directory: "/", 8 digits, "/", and "plugin" with
	// up to 10 digits, the longest name in it.
	socketPathTail = 1 + 8 + 1 + 16
)

var startDirName = regexp.MustCompile(`^[0-9a-f]{8}$`)

// openRunDir creates the directory, takes it for this host alone, and clears
// what an earlier hub left in it: processes that survived a kill -9, and their
// sockets. It returns how many processes it ended.
func openRunDir(path string) (dir *runDir, orphans int, err error) {
	bad := func(format string, args ...any) (*runDir, int, error) {
		return nil, 0, model.Errorf(model.Invalid, "open run directory", format, args...)
	}
	if path == "" {
		return bad("a run directory must be configured")
	}
	path, err = filepath.Abs(path)
	if err != nil {
		return nil, 0, fmt.Errorf("open run directory: %w", err)
	}
	if over := len(path) + socketPathTail - maxSocketPath; over > 0 {
		return bad("%s is %d bytes too long: a socket's path may have %d; choose a shorter run directory", path, over, maxSocketPath)
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, 0, fmt.Errorf("create run directory: %w", err)
	}
	info, err := os.Lstat(path)
	switch {
	case err != nil:
		return nil, 0, fmt.Errorf("open run directory: %w", err)
	case !info.IsDir():
		return bad("%s must be a directory", path)
	case info.Mode().Perm()&0o077 != 0:
		return bad("others can reach into %s: run chmod 700 on it", path)
	case !ownedByUs(info):
		return bad("%s must belong to the hub's user", path)
	}
	lock, err := os.OpenFile(filepath.Join(path, lockFileName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, 0, fmt.Errorf("lock run directory: %w", err)
	}
	if !lockFile(lock) {
		_ = lock.Close()
		return nil, 0, model.Errorf(model.Conflicting, "lock run directory", "%s is in use by another hub", path)
	}
	dir = &runDir{path: path, lock: lock}
	orphans, err = dir.sweep()
	if err != nil {
		dir.close()
		return nil, orphans, err
	}
	return dir, orphans, nil
}

// sweep ends and removes what earlier starts left. The lock is held, so no
// directory here belongs to a living hub. Anything that is not a start's
// directory is left alone.
func (d *runDir) sweep() (orphans int, err error) {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return 0, fmt.Errorf("sweep run directory: %w", err)
	}
	for _, entry := range entries {
		if !entry.IsDir() || !startDirName.MatchString(entry.Name()) {
			continue
		}
		start := filepath.Join(d.path, entry.Name())
		mark, err := os.ReadFile(filepath.Join(start, markFileName))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return orphans, fmt.Errorf("sweep run directory: %w", err)
		}
		// A damaged marker proves nothing about any process.
		if strings.HasPrefix(string(mark), markVariable+"=") && len(mark) == len(markVariable)+1+32 {
			n, err := endMarked(string(mark))
			orphans += n
			if err != nil {
				return orphans, fmt.Errorf("end an earlier hub's connector: %w", err)
			}
		}
		if err := os.RemoveAll(start); err != nil {
			return orphans, fmt.Errorf("sweep run directory: %w", err)
		}
	}
	return orphans, nil
}

// startDir is the private directory of one start.
type startDir struct {
	path string
	mark string // NAME=value, part of the process's environment
}

// begin makes the private directory of a start, with its marker in it before
// there is a process that could be lost.
func (d *runDir) begin() (*startDir, error) {
	var random [20]byte
	_, _ = rand.Read(random[:]) // never fails: crypto/rand ends the process instead
	dir := &startDir{
		path: filepath.Join(d.path, hex.EncodeToString(random[:4])),
		mark: markVariable + "=" + hex.EncodeToString(random[4:]),
	}
	if err := os.Mkdir(dir.path, 0o700); err != nil {
		return nil, fmt.Errorf("make a private directory: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir.path, markFileName), []byte(dir.mark), 0o600); err != nil {
		dir.remove()
		return nil, fmt.Errorf("mark a private directory: %w", err)
	}
	return dir, nil
}

func (s *startDir) hostSocket() string { return filepath.Join(s.path, hostSocketName) }

// remove deletes the directory with all that the process left in it. What
// cannot be removed now goes with the next sweep.
func (s *startDir) remove() { _ = os.RemoveAll(s.path) }

func (d *runDir) close() { _ = d.lock.Close() }
