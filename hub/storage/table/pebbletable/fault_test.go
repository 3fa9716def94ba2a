package pebbletable_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table"
	"github.com/channelhub/channelhub/hub/storage/table/driver"
	"github.com/channelhub/channelhub/hub/storage/table/pebbletable"
)

// faultyDisk fails one write-like call on a file of the kind under test, and
// all that follow, as a dying disk does.
type faultyDisk struct {
	crashable *vfs.MemFS
	vfs.FS
	on    func(errorfs.Op) bool
	armed atomic.Bool
	left  atomic.Int64 // calls until the first that fails
}

func newFaultyDisk(on func(errorfs.Op) bool, passing int64) *faultyDisk {
	d := &faultyDisk{crashable: vfs.NewCrashableMem(), on: on}
	d.left.Store(passing)
	d.FS = errorfs.Wrap(d.crashable, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if d.armed.Load() && d.on(op) && d.left.Add(-1) < 0 {
			return syscall.EIO
		}
		return nil
	}))
	return d
}

func logWrites(op errorfs.Op) bool {
	return strings.HasSuffix(op.Path, ".log") && op.Kind.ReadOrWrite() == errorfs.OpIsWrite && op.Kind != errorfs.OpRemove
}

// TestDyingDisk fails the disk under four writers at one point after another,
// on the log and, apart, at its syncs only, when a new log is made, at the
// sync of the directory, and at the manifest. Nobody is told of success after
// that, everybody is told of failure, and what was promised is there after a
// restart from what the disk holds.
func TestDyingDisk(t *testing.T) {
	kinds := map[string]struct {
		on     func(errorfs.Op) bool
		points []int64
	}{
		"log": {logWrites, []int64{0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 13, 17, 21, 27, 34, 43, 55, 70, 90, 120}},
		"log sync": {func(op errorfs.Op) bool {
			return logWrites(op) && (op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData)
		}, []int64{0, 1, 2, 5, 11, 23}},
		"new log": {func(op errorfs.Op) bool {
			return logWrites(op) && (op.Kind == errorfs.OpCreate || op.Kind == errorfs.OpReuseForWrite)
		}, []int64{0, 1, 2}},
		"directory": {func(op errorfs.Op) bool { return op.Path == dataDir && op.Kind == errorfs.OpFileSync }, []int64{0, 1, 2}},
		"manifest": {func(op errorfs.Op) bool {
			return strings.Contains(op.Path, "MANIFEST") && op.Kind.ReadOrWrite() == errorfs.OpIsWrite
		}, []int64{0, 1}},
	}
	for name, kind := range kinds {
		for _, point := range kind.points {
			t.Run(fmt.Sprintf("%s/%d", name, point), func(t *testing.T) {
				disk := newFaultyDisk(kind.on, point)
				store := open(t, dataDir, &pebbletable.Options{FS: disk})
				disk.armed.Store(true)
				rows := table.New(store, nil).Hub()
				p := &promises{rows: map[string]table.Version{}}
				var wg sync.WaitGroup
				// The failure ends the context too: nobody tries again for long.
				ctx, cancel := context.WithCancel(t.Context())
				go func() {
					<-store.Failed()
					cancel()
				}()
				for writer := range 4 {
					wg.Go(func() { diskFailed(t, "write", p.write(ctx, rows, writer, 20<<10)) })
				}
				wg.Go(func() { diskFailed(t, "read", p.read(ctx, rows)) })
				wg.Wait()
				failed(t, store, rows)
				rng := rand.New(rand.NewPCG(uint64(point), 1))
				for _, percent := range []int{0, 50, 100} {
					check(t, disk.crashable.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rng}), withoutDue(p.copy()))
				}
			})
		}
	}
}

// TestDiskThatCannotBegin fails the disk while a store is being opened.
func TestDiskThatCannotBegin(t *testing.T) {
	for point := range int64(4) {
		disk := newFaultyDisk(logWrites, point)
		disk.armed.Store(true)
		store, err := pebbletable.Open(dataDir, &pebbletable.Options{FS: disk})
		if err == nil {
			// It came through; then its first commits do not.
			_, err = store.Commit(t.Context(), driver.ID{1}, []driver.Op{{Key: driver.Key{PK: "p", SK: "s"}}})
		}
		diskFailed(t, fmt.Sprintf("point %d", point), err)
	}
}

// diskFailed demands the error of a call on a disk that fails.
func diskFailed(t *testing.T, what string, err error) {
	t.Helper()
	if !model.Is(err, model.Unavailable) || !errors.Is(err, syscall.EIO) {
		t.Errorf("%s: error = %v, want %q because of the disk", what, err, model.Unavailable)
	}
}

// failed demands that the store says why it has failed, and refuses all calls.
func failed(t *testing.T, store *pebbletable.Store, rows table.Handle) {
	t.Helper()
	<-store.Failed()
	diskFailed(t, "Err", store.Err())
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // so that nothing is tried again
	_, err := rows.Commit(ctx, table.Put("left", "after", nil))
	diskFailed(t, "commit", err)
	_, err = rows.Get(ctx, "left", "after")
	diskFailed(t, "get", err)
	_, err = rows.Query(ctx, table.Query{PK: "left", Limit: 1})
	diskFailed(t, "query", err)
	diskFailed(t, "close", store.Close())
}

// TestCloseWithoutRoom: a disk that takes no table file does not keep a store
// from closing, and all is in the log.
func TestCloseWithoutRoom(t *testing.T) {
	disk := newFaultyDisk(func(op errorfs.Op) bool { return op.Kind == errorfs.OpCreate && strings.HasSuffix(op.Path, ".sst") }, 0)
	var told atomic.Int64
	store := open(t, dataDir, &pebbletable.Options{FS: disk, OnTrouble: func(error) { told.Add(1) }})
	tab := table.New(store, nil)
	if _, err := tab.Hub().Commit(t.Context(), table.Put("p", "s", []byte("kept"))); err != nil {
		t.Fatal(err)
	}
	disk.armed.Store(true)
	began := time.Now()
	if err := tab.Close(); err != nil || told.Load() == 0 || time.Since(began) > 4*time.Second {
		t.Errorf("close: %v after %s, told of %d troubles", err, time.Since(began), told.Load())
	}
	disk.armed.Store(false)
	tab = table.New(open(t, dataDir, &pebbletable.Options{FS: disk}), nil)
	if row, err := tab.Hub().Get(t.Context(), "p", "s"); err != nil || string(row.Value) != "kept" {
		t.Errorf("%q, %v", row.Value, err)
	}
	if err := tab.Close(); err != nil {
		t.Error(err)
	}
}
