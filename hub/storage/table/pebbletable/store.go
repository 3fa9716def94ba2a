// Package pebbletable is the embedded driver of the table port: Pebble in one
// directory, owned by one process.
//
// A commit is acknowledged after the sync of Pebble's log, but for steps, which
// leave their sync to the commit that follows; a row is shown to readers only
// when it is synced, whoever does it. The first error of that log ends the
// store: see guard.
package pebbletable

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table/driver"
)

// closePatience bounds how long Close waits for a disk that neither works nor
// fails.
const closePatience = 10 * time.Second

// flushPatience is how much of that goes into emptying the log.
const flushPatience = 5 * time.Second

// Options adjust a Store.
type Options struct {
	// FS is the file system; nil means the operating system's.
	FS vfs.FS
	// OnTrouble is told of errors in background work that Pebble will try
	// again, and of damage that it found. Errors that end the store are not
	// told here: see Store.Failed. It must be safe for concurrent use and
	// must not block. Nil drops them.
	OnTrouble func(error)
}

// Store is a driver.Driver and driver.Sweeper over one directory. It is safe
// for concurrent use. Its owner watches Failed for as long as it uses it.
type Store struct {
	dir      string
	db       *pebble.DB
	lock     *pebble.Lock
	trouble  func(error)
	stripes  *stripes
	landings sync.WaitGroup
	unsynced atomic.Uint64 // commits applied that left their sync to a later one
	covered  atomic.Uint64 // of those, the first so many are durable
	refused  chan struct{} // holds one when the disk has refused a flush

	failOnce sync.Once
	failed   chan struct{} // closed after failErr is set
	failErr  error
}

var (
	_ driver.Driver  = (*Store)(nil)
	_ driver.Sweeper = (*Store)(nil)
	_ driver.Stepper = (*Store)(nil)
)

// Open opens the store in dir and creates it, with mode 0700, when there is
// none. Its error has model.Unavailable when another process has the directory
// or the disk refuses, and model.Corrupt, naming a file, when stored bytes are
// damaged.
func Open(dir string, opts *Options) (*Store, error) {
	if opts == nil {
		opts = &Options{}
	}
	fs := opts.FS
	if fs == nil {
		fs = vfs.Default
	}
	st := &Store{dir: dir, trouble: opts.OnTrouble, stripes: newStripes(), refused: make(chan struct{}, 1), failed: make(chan struct{})}
	if err := makeDir(fs, dir); err != nil {
		return nil, openError("create data directory "+dir, err)
	}
	lock, err := pebble.LockDirectory(dir, fs)
	if errors.Is(err, syscall.EAGAIN) {
		return nil, &model.Error{
			Code: model.Unavailable, Op: "open table", Err: err,
			Detail: fmt.Sprintf("data directory %s is in use by another process: stop that one, or choose another directory", dir),
		}
	}
	if err != nil {
		return nil, openError("lock data directory "+dir, err)
	}
	st.lock = lock
	if err := checkMarker(fs, dir); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	if err := st.open(fs); err != nil {
		return nil, err
	}
	return st, nil
}

// checkMarker refuses a directory that holds rows and has lost the file that
// says which manifest counts: Pebble would take it for an empty one and begin
// anew over what is there. The marker is on disk before any such file.
func checkMarker(fs vfs.FS, dir string) error {
	names, err := fs.List(dir)
	if err != nil {
		return openError("list data directory "+dir, err)
	}
	data := ""
	for _, name := range names {
		if strings.HasPrefix(name, "marker.manifest.") {
			return nil
		}
		if ext := path.Ext(name); ext == ".sst" || ext == ".log" {
			data = name
		}
	}
	if data == "" {
		return nil
	}
	return damaged(fs.PathJoin(dir, "marker.manifest.*")+" is missing beside "+data, dir, nil)
}

func damaged(what, dir string, err error) error {
	return &model.Error{
		Code: model.Corrupt, Op: "open table", Err: err,
		Detail: what + ": restore data directory " + dir + " from a backup, or move it away to start empty",
	}
}

// makeDir makes dir and the parents it lacks, and syncs the parents: a new
// directory may vanish in a crash otherwise, with all that was acknowledged.
func makeDir(fs vfs.FS, dir string) error {
	if _, err := fs.Stat(dir); err == nil {
		return nil
	}
	parent := fs.PathDir(dir)
	if parent != dir {
		if err := makeDir(fs, parent); err != nil {
			return err
		}
	}
	if err := fs.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	d, err := fs.OpenDir(parent)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// open lets Pebble open the directory on a goroutine that can be left behind,
// because an error of the log parks it: see guard.
func (st *Store) open(fs vfs.FS) error {
	g := &guard{FS: fs, fail: st.fail}
	done := make(chan error, 1)
	go func() {
		defer func() {
			if r := recover(); r != nil {
				done <- fmt.Errorf("panic: %v", r)
			}
		}()
		db, err := pebble.Open(st.dir, st.options(g))
		if err == nil {
			st.db = db
			err = checkFormat(db)
		}
		done <- err
	}()
	select {
	case err := <-done:
		if err == nil {
			return nil
		}
		err = st.explain(err, g)
		if st.db != nil {
			err = errors.Join(err, st.db.Close())
		}
		return errors.Join(err, st.lock.Close())
	case <-st.failed:
		// Pebble's goroutines still hold the directory, so its lock stays.
		return openError("open data directory "+st.dir, st.failErr)
	}
}

// explain says which directory or file keeps the store from opening.
func (st *Store) explain(err error, g *guard) error {
	if errors.Is(err, os.ErrNotExist) {
		return damaged("a file of "+st.dir+" is missing", st.dir, err) // the cause names it
	}
	if !pebble.IsCorruptionError(err) {
		return openError("open data directory "+st.dir, err)
	}
	file := st.dir
	if info := pebble.ExtractDataCorruptionInfo(err); info != nil {
		file = info.Path
	} else if name := g.lastRead.Load(); name != nil {
		file = *name
	}
	return damaged(file+" is damaged", st.dir, err)
}

func openError(what string, err error) error {
	return &model.Error{Code: model.Unavailable, Op: "open table", Detail: what, Err: err}
}

// Failed is closed when the store has failed: an error of the disk after which
// nothing more can be acknowledged. Every call returns model.Unavailable then,
// and the process should end, so that the next start finds out what the disk
// really holds.
func (st *Store) Failed() <-chan struct{} { return st.failed }

// Err returns why the store has failed, nil while it has not.
func (st *Store) Err() error {
	select {
	case <-st.failed:
		return st.failure()
	default:
		return nil
	}
}

// fail keeps the first cause and wakes all who wait.
func (st *Store) fail(cause error) {
	st.failOnce.Do(func() {
		st.failErr = cause
		close(st.failed)
	})
}

// failure is the error of calls after a failure; only with failed closed.
func (st *Store) failure() error {
	return driver.Code(model.Unavailable, "the store in "+st.dir+" has failed", st.failErr)
}

func (st *Store) report(err error) {
	if st.trouble != nil {
		st.trouble(err)
	}
}

// ready refuses calls that could not end well.
func (st *Store) ready(ctx context.Context) error {
	if ctx.Err() != nil {
		return st.ended(ctx, "begin")
	}
	return st.Err()
}

// Close waits for commits whose callers have left, moves what only the log has
// into table files, and closes the files. A store that has failed keeps the
// lock on its directory until the process ends, since Pebble may still be at
// work in it; Close then returns the failure. It waits 10 s at most.
func (st *Store) Close() error {
	done := make(chan error, 1)
	go func() {
		st.landings.Wait()
		st.flush()
		done <- st.db.Close()
	}()
	timer := time.NewTimer(closePatience)
	defer timer.Stop()
	select {
	case err := <-done:
		if err = errors.Join(err, st.lock.Close()); err != nil {
			return driver.Code(model.Unavailable, "close "+st.dir, err)
		}
		return nil
	case <-st.failed:
		return st.failure()
	case <-timer.C:
		return model.Errorf(model.Unavailable, "close "+st.dir, "the disk did not answer within %s", closePatience)
	}
}

// flush empties the log, so that a directory that was closed in order is whole
// without it. A disk that refuses leaves all in the log, where the next start
// finds it: that is told, and no reason not to close.
func (st *Store) flush() {
	select {
	case <-st.refused: // an earlier one
	default:
	}
	flushed, err := st.db.AsyncFlush()
	if err != nil {
		st.report(fmt.Errorf("flush %s: %w", st.dir, err))
		return
	}
	timer := time.NewTimer(flushPatience)
	defer timer.Stop()
	select {
	case <-flushed:
	case <-st.refused: // Pebble tells of it, and would try again without end
	case <-timer.C:
		st.report(fmt.Errorf("flush %s: the disk did not do it within %s", st.dir, flushPatience))
	}
}
