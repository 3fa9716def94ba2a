package store

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/seal"
	"github.com/channelhub/channelhub/hub/storage/keys"
	"github.com/channelhub/channelhub/hub/storage/keys/localkeys"
	"github.com/channelhub/channelhub/hub/storage/table"
	"github.com/channelhub/channelhub/hub/storage/table/driver"
	"github.com/channelhub/channelhub/hub/storage/table/drivertest"
	"github.com/channelhub/channelhub/hub/storage/table/pebbletable"
)

// fixture is one table on disk with any number of hubs on it.
type fixture struct {
	t     *testing.T
	dir   string
	db    *pebbletable.Store
	table *table.Table
	flaky *drivertest.Flaky
	gate  *gate
	root  seal.Root

	mu  sync.Mutex
	now time.Time
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{t: t, dir: t.TempDir(), now: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)}
	db, err := pebbletable.Open(filepath.Join(f.dir, "table"), nil)
	if err != nil {
		t.Fatal(err)
	}
	f.db = db
	f.flaky = &drivertest.Flaky{Driver: db}
	f.gate = &gate{Driver: f.flaky}
	f.table = table.New(f.gate, &table.Options{Now: f.Now})
	t.Cleanup(func() {
		if err := f.table.Close(); err != nil {
			t.Error(err)
		}
	})
	ring, err := localkeys.Open(filepath.Join(f.dir, "keyring"), nil)
	if err != nil {
		t.Fatal(err)
	}
	f.root = keys.New(ring)
	return f
}

func (f *fixture) Now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

func (f *fixture) pass(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
}

// store is a hub that begins knowing nothing.
func (f *fixture) store() *Store { return New(f.table, f.root, &Options{Now: f.Now}) }

func (f *fixture) client(id model.ClientID) *Client { return f.clientOf(f.store(), id) }

func (f *fixture) clientOf(s *Store, id model.ClientID) *Client {
	f.t.Helper()
	c, err := s.Client(f.t.Context(), id)
	if err != nil {
		f.t.Fatal(err)
	}
	return c
}

// met returns a contact's place in the directory.
func (f *fixture) met(c *Client, who string) Directory {
	f.t.Helper()
	d, err := c.Resolve(f.t.Context(), "acct", []model.Address{{Kind: model.Phone, Value: who}}, who)
	if err != nil {
		f.t.Fatal(err)
	}
	return d
}

// gate is a driver whose commits a test can hold up, or end.
type gate struct {
	driver.Driver

	mu     sync.Mutex
	before func(ops []driver.Op) error
	after  func(ops []driver.Op) error
}

// Before runs ahead of each commit; its error is the commit's.
func (g *gate) Before(do func(ops []driver.Op) error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.before = do
}

// After runs behind each commit that landed; its error is the commit's.
func (g *gate) After(do func(ops []driver.Op) error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.after = do
}

func (g *gate) hooks() (before, after func(ops []driver.Op) error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	nothing := func([]driver.Op) error { return nil }
	before, after = nothing, nothing
	if g.before != nil {
		before = g.before
	}
	if g.after != nil {
		after = g.after
	}
	return before, after
}

func (g *gate) Commit(ctx context.Context, id driver.ID, ops []driver.Op) (driver.Cost, error) {
	before, after := g.hooks()
	if err := before(ops); err != nil {
		return driver.Cost{}, err
	}
	cost, err := g.Driver.Commit(ctx, id, ops)
	if err == nil {
		err = after(ops)
	}
	return cost, err
}

// errCrash is the end of a process: nothing retries it.
var errCrash = model.Errorf(model.Internal, "commit", "the process has ended")

// crashAt ends the process at its nth commit, 1 for the first: before it when
// landed is false, right behind it otherwise. Every later commit fails too. It
// returns whether the nth commit came.
func (f *fixture) crashAt(n int, landed bool) (came func() bool) {
	var mu sync.Mutex
	count := 0
	f.gate.Before(func([]driver.Op) error {
		mu.Lock()
		defer mu.Unlock()
		count++
		if count > n || count == n && !landed {
			return errCrash
		}
		return nil
	})
	f.gate.After(func([]driver.Op) error {
		mu.Lock()
		defer mu.Unlock()
		if count >= n {
			return errCrash
		}
		return nil
	})
	return func() bool {
		f.gate.Before(nil)
		f.gate.After(nil)
		mu.Lock()
		defer mu.Unlock()
		return count >= n
	}
}

func key(n int) model.Random16 {
	var k model.Random16
	k[0], k[1], k[2] = byte(n>>16), byte(n>>8), byte(n)
	k[15] = 1
	return k
}
