package pebbletable

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/channelhub/channelhub/hub/storage/table/driver"
)

func entries(t *testing.T, st *Store) int {
	t.Helper()
	it, err := st.db.NewIter(&pebble.IterOptions{LowerBound: []byte{expirySpace}, UpperBound: []byte{expirySpace + 1}})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for ok := it.First(); ok; ok = it.Next() {
		n++
	}
	if err := it.Close(); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestSweepEmptiesItsIndex sweeps more rows than one step takes, over several
// minutes, among rows that were prolonged, deleted or made to stay.
func TestSweepEmptiesItsIndex(t *testing.T) {
	st := openOn(t, vfs.NewMem())
	base := time.Unix(6_000_000, 0).UTC() // the start of a minute
	key := func(n int) driver.Key { return driver.Key{PK: fmt.Sprint(n % 7), SK: fmt.Sprint(n)} }
	commit := func(ops ...driver.Op) {
		t.Helper()
		if _, err := st.Commit(t.Context(), driver.ID{1}, ops); err != nil {
			t.Fatal(err)
		}
	}
	const rows = 3*sweepBatch + 5
	for n := range rows {
		commit(driver.Op{Kind: driver.OpPut, Key: key(n), Expires: base.Add(time.Duration(n) * time.Second)})
	}
	late := base.Add(24 * time.Hour)
	commit(driver.Op{Kind: driver.OpPut, Key: key(0), Expires: late})
	commit(driver.Op{Kind: driver.OpPut, Key: key(1)})
	commit(driver.Op{Kind: driver.OpDelete, Key: key(2)})
	if n := entries(t, st); n != rows+1 {
		t.Fatalf("%d entries, want %d", n, rows+1)
	}

	sweep := func(at time.Time, removed, left int) {
		t.Helper()
		n, err := st.Sweep(t.Context(), at)
		if err != nil || n != removed {
			t.Errorf("sweep at %v removed %d rows, %v; want %d", at, n, err, removed)
		}
		if n := entries(t, st); n != left {
			t.Errorf("sweep at %v left %d entries, want %d", at, n, left)
		}
	}
	sweep(base.Add(-time.Second), 0, rows+1)
	// In the middle of a minute: 10 s are due, three of whose rows are not as
	// they were; their entries go, and those of the minute's rest stay.
	sweep(base.Add(9*time.Second), 7, rows+1-10)
	sweep(base.Add(9*time.Second), 0, rows+1-10)
	sweep(base.Add(rows*time.Second), rows-10, 1)
	for n := range rows {
		row, err := st.lookup(key(n))
		if err != nil || (row != nil) != (n < 2) {
			t.Errorf("row %d: %v, %v", n, row, err)
		}
	}
	sweep(late, 1, 0)
}

// TestSweptIsNotKnown: a row that was changed under its version, and is swept,
// has no version any more; one that was put or deleted meanwhile has another.
func TestSweptIsNotKnown(t *testing.T) {
	st := openOn(t, vfs.NewMem())
	end := time.Unix(6_000_000, 0).UTC()
	for name, change := range map[string]func(driver.Op) error{
		"swept": func(driver.Op) error {
			_, err := st.Sweep(t.Context(), end)
			return err
		},
		"put over": func(o driver.Op) error {
			_, err := st.Commit(t.Context(), driver.ID{3}, []driver.Op{{Kind: driver.OpPut, Key: o.Key}})
			return err
		},
		"deleted": func(o driver.Op) error {
			_, err := st.Commit(t.Context(), driver.ID{3}, []driver.Op{{Kind: driver.OpDelete, Key: o.Key}})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := driver.Op{Kind: driver.OpPut, Key: driver.Key{PK: name, SK: "s"}, Expires: end}
			if _, err := st.Commit(t.Context(), driver.ID{1}, []driver.Op{o}); err != nil {
				t.Fatal(err)
			}
			for id := byte(1); id <= 2; id++ {
				o.Cond = driver.Cond{Kind: driver.CondVersion, Version: driver.ID{id}}
				if id == 2 {
					if err := change(o); err != nil {
						t.Fatal(err)
					}
				}
				_, err := st.Commit(t.Context(), driver.ID{id + 1}, []driver.Op{o})
				if _, conflict := errors.AsType[*driver.ConflictError](err); conflict != (id == 2) || !conflict && err != nil {
					t.Errorf("a put over version %d gave %v", id, err)
				}
			}
		})
	}
}
