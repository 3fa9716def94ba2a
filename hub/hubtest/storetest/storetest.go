// Package storetest opens real stores for tests: Pebble in a directory of the
// test, sealed under a root key of its own.
package storetest

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/storage/keys"
	"github.com/channelhub/channelhub/hub/storage/keys/localkeys"
	"github.com/channelhub/channelhub/hub/storage/table"
	"github.com/channelhub/channelhub/hub/storage/table/drivertest"
	"github.com/channelhub/channelhub/hub/storage/table/pebbletable"
	"github.com/channelhub/channelhub/hub/store"
)

// Rows is a table in a test, and the keys its rows are sealed under. It is
// closed when the test ends.
type Rows struct {
	Table *table.Table
	// Flaky stands between the table and the disk: a test may lose answers.
	// Nil when the test brought a table of its own.
	Flaky *drivertest.Flaky

	keys *keys.Keys
	now  func() time.Time
}

// Pebble opens Pebble in a directory of the test.
func Pebble(t *testing.T) *pebbletable.Store {
	t.Helper()
	d, err := pebbletable.Open(filepath.Join(t.TempDir(), "table"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Open makes an empty table; now may be nil.
func Open(t *testing.T, now func() time.Time) *Rows {
	t.Helper()
	flaky := &drivertest.Flaky{Driver: Pebble(t)}
	r := Over(t, table.New(flaky, &table.Options{Now: now}), now)
	r.Flaky = flaky
	return r
}

// Over makes Rows of a table, which it closes at the end of the test; now may
// be nil and is best the table's own.
func Over(t *testing.T, tbl *table.Table, now func() time.Time) *Rows {
	t.Helper()
	ring, err := localkeys.Open(filepath.Join(t.TempDir(), "keyring.json"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return With(t, tbl, keys.New(ring), now)
}

// With is Over with a root key that the test brought, such as one that an
// earlier process had.
func With(t *testing.T, tbl *table.Table, root *keys.Keys, now func() time.Time) *Rows {
	t.Helper()
	r := &Rows{Table: tbl, keys: root, now: now}
	t.Cleanup(func() {
		if err := tbl.Close(); err != nil {
			t.Errorf("close table: %v", err)
		}
		if err := r.keys.Close(); err != nil {
			t.Errorf("close keys: %v", err)
		}
	})
	return r
}

// Store returns a store over the rows that remembers nothing: each is what
// another process would hold.
func (r *Rows) Store() *store.Store {
	return store.New(r.Table, r.keys, &store.Options{Now: r.now})
}
