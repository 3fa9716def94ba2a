package pebbletable

import (
	"fmt"
	"path"
	"strings"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// After a failed write or sync of the log nobody can say what the disk holds:
// the kernel may have dropped the pages and will report success next time. So
// the first such error ends the store, and nothing is acknowledged from then
// on.
//
// Pebble's own way to end is to exit the process, or to panic with its locks
// held, from whichever goroutine met the error; some of those panics cannot
// even be recovered. guard therefore stands below Pebble and takes the error
// first: it marks the store as failed, which wakes every caller, and parks the
// goroutine for good, so that Pebble never sees the error. The parked
// goroutines are the price; the process is about to end anyway.
//
// Reads, and writes of table files, keep their errors: Pebble tries those
// again elsewhere, with the log still there.
type guard struct {
	vfs.FS
	fail func(error)
	// lastRead is the file opened last for reading. While a store is being
	// opened that is done by one goroutine, so it names the damaged file.
	lastRead atomic.Pointer[string]
}

// park marks the store as failed and never returns.
func (g *guard) park(op, name string, err error) {
	g.fail(fmt.Errorf("%s %s: %w", op, path.Base(name), err))
	select {}
}

func isLog(name string) bool { return strings.HasSuffix(name, ".log") }

func (g *guard) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	g.lastRead.Store(&name)
	return g.FS.Open(name, opts...)
}

func (g *guard) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := g.FS.Create(name, category)
	return g.writable("create", name, f, err)
}

func (g *guard) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := g.FS.ReuseForWrite(oldname, newname, category)
	return g.writable("reuse", newname, f, err)
}

func (g *guard) writable(op, name string, f vfs.File, err error) (vfs.File, error) {
	if !isLog(name) {
		return f, err
	}
	if err != nil {
		g.park(op, name, err)
	}
	return &guardedFile{File: f, guard: g, name: name}, nil
}

// OpenDir guards the sync of the directory, without which a new log file may
// vanish in a crash.
func (g *guard) OpenDir(name string) (vfs.File, error) {
	f, err := g.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &guardedFile{File: f, guard: g, name: name}, nil
}

// Unwrap lets Pebble find the file system below.
func (g *guard) Unwrap() vfs.FS { return g.FS }

// guardedFile is a log file or the directory.
type guardedFile struct {
	vfs.File
	guard *guard
	name  string
}

func (f *guardedFile) check(op string, err error) {
	if err != nil {
		f.guard.park(op, f.name, err)
	}
}

func (f *guardedFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	f.check("write", err)
	return n, nil
}

func (f *guardedFile) Sync() error {
	f.check("sync", f.File.Sync())
	return nil
}

func (f *guardedFile) SyncData() error {
	f.check("sync", f.File.SyncData())
	return nil
}

func (f *guardedFile) SyncTo(length int64) (bool, error) {
	full, err := f.File.SyncTo(length)
	f.check("sync", err)
	return full, nil
}

// Stat is asked of a log file that is used again, where an error is as fatal as
// that of a write.
func (f *guardedFile) Stat() (vfs.FileInfo, error) {
	info, err := f.File.Stat()
	f.check("stat", err)
	return info, nil
}

func (f *guardedFile) Close() error {
	f.check("close", f.File.Close())
	return nil
}

// logger takes what Pebble says. Its Fatalf must not return, since Pebble goes
// on with broken state when it does, and must not exit either.
type logger struct{ store *Store }

func (l logger) Infof(string, ...any) {}

func (l logger) Errorf(format string, args ...any) {
	l.store.report(fmt.Errorf(format, args...))
}

func (l logger) Fatalf(format string, args ...any) {
	l.store.fail(fatalError{text: fmt.Sprintf(format, args...), args: args})
	select {}
}

// fatalError keeps the cause that Pebble's message only quotes.
type fatalError struct {
	text string
	args []any
}

func (e fatalError) Error() string { return e.text }

func (e fatalError) Unwrap() error {
	for _, a := range e.args {
		if err, ok := a.(error); ok {
			return err
		}
	}
	return nil
}
