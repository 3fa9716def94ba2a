// Package storetest opens real stores for tests: Pebble in a directory of the
// test or DynamoDB on loopback, sealed under a root key of its own. It also
// writes what the rooms of the hub leave there, and searches what is left.
package storetest

import (
	"crypto/rand"
	"path/filepath"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/storage/awsconfig"
	"github.com/channelhub/channelhub/hub/storage/keys"
	"github.com/channelhub/channelhub/hub/storage/table"
	"github.com/channelhub/channelhub/hub/storage/table/drivertest"
	"github.com/channelhub/channelhub/hub/storage/table/dynamotable"
	"github.com/channelhub/channelhub/hub/storage/table/pebbletable"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/internal/awslocal"
)

// Rows is a table in a test, and the keys its rows are sealed under. It is
// closed when the test ends.
type Rows struct {
	Table *table.Table
	// Flaky stands between the table and the disk: a test may lose answers.
	// Nil when the test brought a table of its own.
	Flaky *drivertest.Flaky
	// Root is the root of keys: a test may have it refuse. Nil when the test
	// brought one of its own.
	Root *Root

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

// DynamoDB makes a table of the test's own on a server on loopback, and opens
// it.
func DynamoDB(t *testing.T) *dynamotable.Store {
	t.Helper()
	awslocal.Credentials(t)
	d, err := dynamotable.Open(t.Context(), loadAWS(t).Config(), &dynamotable.Options{Table: Table(t), Endpoint: awslocal.DynamoDB(t)})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Table makes a table on the server of awslocal.DynamoDB, as an operator does,
// and returns its name. The credentials are those of the environment.
func Table(t *testing.T) (name string) {
	t.Helper()
	name = "test-" + rand.Text()
	opts := &dynamotable.Options{Table: name, Endpoint: awslocal.DynamoDB(t)}
	if err := dynamotable.Provision(t.Context(), loadAWS(t).Config(), opts, nil); err != nil {
		t.Fatalf("provision a table: %v", err)
	}
	return name
}

func loadAWS(t *testing.T) *awsconfig.AWS {
	t.Helper()
	a, err := awsconfig.Load(t.Context(), awsconfig.Settings{Region: "eu-west-1"})
	if err != nil {
		t.Fatal(err)
	}
	return a
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
	root := NewRoot(t)
	r := With(t, tbl, keys.New(root), now)
	r.Root = root
	return r
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
