package pebbletable

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table/driver"
)

// slowDisk is a disk whose log syncs can be held up.
type slowDisk struct {
	vfs.FS
	syncs atomic.Int64
	mu    sync.RWMutex // write-locked while syncs are held up
}

func newSlowDisk() *slowDisk {
	d := &slowDisk{}
	d.FS = errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if isLog(op.Path) && (op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData) {
			d.syncs.Add(1)
			d.mu.RLock()
			defer d.mu.RUnlock()
		}
		return nil
	}))
	return d
}

func openOn(t *testing.T, fs vfs.FS) *Store {
	t.Helper()
	st, err := Open("/hub/data", &Options{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return st
}

// untilApplied waits until Pebble shows the row, durable or not.
func untilApplied(t *testing.T, st *Store, key driver.Key, present bool) {
	t.Helper()
	for t.Context().Err() == nil {
		row, err := st.lookup(key)
		if err != nil {
			t.Fatal(err)
		}
		if (row != nil) == present {
			return
		}
		runtime.Gosched()
	}
}

// watched is a context that tells when somebody begins to wait for its end.
type watched struct {
	context.Context
	once    sync.Once
	waiting chan struct{}
}

func (w *watched) Done() <-chan struct{} {
	w.once.Do(func() { close(w.waiting) })
	return w.Context.Done()
}

// TestNothingIsShownBeforeItsSync holds up the disk below a put and a delete,
// and looks at the partition in each way there is: every answer waits, ends
// with its context, and is the right one once the disk has gone on.
func TestNothingIsShownBeforeItsSync(t *testing.T) {
	put, gone := driver.Key{PK: "p", SK: "put"}, driver.Key{PK: "p", SK: "gone"}
	fresh := driver.ID{2}
	check := func(key driver.Key, cond driver.Cond) func(context.Context, *Store) error {
		return func(ctx context.Context, st *Store) error {
			_, err := st.Commit(ctx, driver.ID{9}, []driver.Op{{Kind: driver.OpCheck, Key: key, Cond: cond}})
			return err
		}
	}
	looks := map[string]struct {
		look func(context.Context, *Store) error
		want func(error) bool
	}{
		"get": {
			func(ctx context.Context, st *Store) error {
				row, _, err := st.Get(ctx, put)
				if err == nil && row.Version != fresh {
					return errors.New("wrong version")
				}
				return err
			},
			func(err error) bool { return err == nil },
		},
		"get of what was deleted": {
			func(ctx context.Context, st *Store) error { _, _, err := st.Get(ctx, gone); return err },
			func(err error) bool { return model.Is(err, model.NotFound) },
		},
		"query": {
			func(ctx context.Context, st *Store) error {
				page, _, err := st.Query(ctx, driver.Query{PK: "p", Limit: 5})
				if err == nil && (len(page.Rows) != 1 || page.Rows[0].Key != put) {
					return fmt.Errorf("%d rows", len(page.Rows))
				}
				return err
			},
			func(err error) bool { return err == nil },
		},
		"condition that fails": {
			check(put, driver.Cond{Kind: driver.CondAbsent}),
			func(err error) bool {
				c, ok := errors.AsType[*driver.ConflictError](err)
				return ok && c.Found != nil && c.Found.Version == fresh
			},
		},
		"condition that holds": {
			check(put, driver.Cond{Kind: driver.CondVersion, Version: fresh}),
			func(err error) bool { return err == nil },
		},
	}
	for name, l := range looks {
		t.Run(name, func(t *testing.T) {
			nothingIsShown(t, l.look, l.want, (*Store).Commit, true)
		})
		t.Run(name+", left to a later sync", func(t *testing.T) {
			nothingIsShown(t, l.look, l.want, (*Store).CommitSteps, false)
		})
	}
}

// nothingIsShown looks at what a commit has written; waits says whether the
// commit itself returns only once the disk goes on.
func nothingIsShown(t *testing.T, look func(context.Context, *Store) error, want func(error) bool,
	commit func(*Store, context.Context, driver.ID, []driver.Op) (driver.Cost, error), waits bool,
) {
	t.Helper()
	put, gone := driver.Key{PK: "p", SK: "put"}, driver.Key{PK: "p", SK: "gone"}
	old, fresh := driver.ID{1}, driver.ID{2}
	disk := newSlowDisk()
	st := openOn(t, disk)
	if _, err := st.Commit(t.Context(), old, []driver.Op{{Kind: driver.OpPut, Key: gone}}); err != nil {
		t.Fatal(err)
	}
	disk.mu.Lock()
	written := make(chan error, 1)
	go func() {
		_, err := commit(st, t.Context(), fresh, []driver.Op{
			{Kind: driver.OpPut, Key: put}, {Kind: driver.OpDelete, Key: gone},
		})
		written <- err
	}()
	untilApplied(t, st, put, true)
	if !waits {
		if err := <-written; err != nil {
			t.Fatalf("commit: %v", err)
		}
	}

	// One look gives up, another stays.
	ctx, cancel := context.WithCancel(t.Context())
	impatient := &watched{Context: ctx, waiting: make(chan struct{})}
	patient := &watched{Context: t.Context(), waiting: make(chan struct{})}
	gaveUp, answered := make(chan error, 1), make(chan error, 1)
	go func() { gaveUp <- look(impatient, st) }()
	go func() { answered <- look(patient, st) }()
	for _, w := range []*watched{impatient, patient} {
		select {
		case <-w.waiting:
		case err := <-gaveUp:
			t.Fatalf("answered before the sync: %v", err)
		case err := <-answered:
			t.Fatalf("answered before the sync: %v", err)
		case err := <-written:
			t.Fatalf("acknowledged before the sync: %v", err)
		}
	}
	cancel()
	if err := <-gaveUp; !model.Is(err, model.Unavailable) {
		t.Errorf("after its context: %v, want code %q", err, model.Unavailable)
	}
	disk.mu.Unlock()
	if waits {
		if err := <-written; err != nil {
			t.Errorf("commit: %v", err)
		}
	}
	if err := <-answered; !want(err) {
		t.Errorf("after the sync: %v", err)
	}
}

// TestOneSyncServesAllThatWait holds up a sync until 64 more writers of one
// partition have applied their rows: they do not wait for each other's syncs.
func TestOneSyncServesAllThatWait(t *testing.T) {
	disk := newSlowDisk()
	st := openOn(t, disk)
	const writers = 64
	key := func(n int) driver.Key { return driver.Key{PK: "p", SK: fmt.Sprint(n)} }
	disk.mu.Lock()
	before := disk.syncs.Load()
	acks := make(chan error, writers)
	for n := range writers {
		go func() {
			_, err := st.Commit(t.Context(), driver.ID{byte(n)}, []driver.Op{{
				Kind: driver.OpPut, Key: key(n), Cond: driver.Cond{Kind: driver.CondAbsent},
			}})
			acks <- err
		}()
	}
	for n := range writers {
		untilApplied(t, st, key(n), true)
	}
	if len(acks) > 0 {
		t.Errorf("%d writers were acknowledged before the sync", len(acks))
	}
	disk.mu.Unlock()
	for range writers {
		if err := <-acks; err != nil {
			t.Errorf("commit: %v", err)
		}
	}
	// The one that was held up, and one for all who came later.
	if n := disk.syncs.Load() - before; n > 2 {
		t.Errorf("%d syncs for %d writers, want at most 2", n, writers)
	}
}

// TestStepsLeaveTheirSync makes many commits that leave their sync to a later
// one, and that one: it syncs once for all, and nobody who reads them syncs
// again.
func TestStepsLeaveTheirSync(t *testing.T) {
	disk := newSlowDisk()
	st := openOn(t, disk)
	before := disk.syncs.Load()
	key := func(n int) driver.Key { return driver.Key{PK: fmt.Sprint(n), SK: "s"} }
	for n := range 64 {
		if _, err := st.CommitSteps(t.Context(), driver.ID{byte(n)}, []driver.Op{{Kind: driver.OpPut, Key: key(n)}}); err != nil {
			t.Fatal(err)
		}
	}
	if n := disk.syncs.Load() - before; n != 0 {
		t.Errorf("%d syncs before there was need of one", n)
	}
	last := driver.Key{PK: "last", SK: "s"}
	if _, err := st.Commit(t.Context(), driver.ID{100}, []driver.Op{{Kind: driver.OpPut, Key: last}}); err != nil {
		t.Fatal(err)
	}
	for n := range 64 {
		if _, _, err := st.Get(t.Context(), key(n)); err != nil {
			t.Errorf("%d: %v", n, err)
		}
	}
	if n := disk.syncs.Load() - before; n != 1 {
		t.Errorf("%d syncs, want that of the last commit", n)
	}
}

// TestAbandonedCommitLands lets a caller leave: its commit still lands, and
// the values it takes back and changes do not reach the disk.
func TestAbandonedCommitLands(t *testing.T) {
	disk := newSlowDisk()
	st := openOn(t, disk)
	disk.mu.Lock()
	ctx, cancel := context.WithCancel(t.Context())
	w := &watched{Context: ctx, waiting: make(chan struct{})}
	go func() {
		<-w.waiting
		cancel()
	}()
	key, value := driver.Key{PK: "p", SK: "s"}, []byte("first")
	_, err := st.Commit(w, driver.ID{1}, []driver.Op{{Kind: driver.OpPut, Key: key, Value: value}})
	if !model.Is(err, model.Unavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want %q because the context ended", err, model.Unavailable)
	}
	copy(value, "XXXXX")
	disk.mu.Unlock()
	untilApplied(t, st, key, true)
	row, _, err := st.Get(t.Context(), key)
	if err != nil || string(row.Value) != "first" {
		t.Errorf("row = %q, %v", row.Value, err)
	}
}
