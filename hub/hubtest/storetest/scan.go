package storetest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/channelhub/channelhub/hub/storage/table"
	"github.com/channelhub/channelhub/hub/storage/table/pebbletable"
)

// longest is behind the expiry of everything that a test writes.
const longest = 15 * day

// RowsWith returns the stored row of every kind, as its quoted key, that holds
// one of the words in key or value. It reads a table that is closed: no room
// and no driver decides what there is. Rows of partitions that begin with one
// of meant are left out: they are meant to stay.
//
// The index of expiries still names rows that are gone, until their minute:
// that is let pass first, and must not hide a row. The table is spent then.
func RowsWith(t *testing.T, dir string, now time.Time, meant []string, words ...string) []string {
	t.Helper()
	rows, _ := scan(t, dir, meant, words)
	pebble, err := pebbletable.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	later := table.New(pebble, &table.Options{Now: func() time.Time { return now.Add(longest) }})
	if _, err := later.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := later.Close(); err != nil {
		t.Fatal(err)
	}
	_, others := scan(t, dir, meant, words)
	return append(rows, others...)
}

// scan tells rows from what else the driver keeps.
func scan(t *testing.T, dir string, meant, words []string) (rows, others []string) {
	t.Helper()
	db, err := pebble.Open(dir, &pebble.Options{ReadOnly: true, Logger: quiet{}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	it, err := db.NewIter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := it.Close(); err != nil {
			t.Error(err)
		}
	}()
	seen := 0
	for it.First(); it.Valid(); it.Next() {
		seen++
		key, value := it.Key(), it.Value()
		if slices.ContainsFunc(meant, func(s string) bool { return bytes.Contains(key, []byte(s)) }) {
			continue
		}
		has := func(s string) bool { return bytes.Contains(key, []byte(s)) || bytes.Contains(value, []byte(s)) }
		if !slices.ContainsFunc(words, has) {
			continue
		}
		if at := fmt.Sprintf("%q", key); strings.HasPrefix(at, `"r`) {
			rows = append(rows, at)
		} else {
			others = append(others, at)
		}
	}
	if seen < 10 {
		t.Fatalf("the table has %d rows: the scan does not work", seen)
	}
	return rows, others
}

type quiet struct{}

func (quiet) Infof(string, ...any)      {}
func (quiet) Errorf(string, ...any)     {}
func (quiet) Fatalf(f string, a ...any) { panic(fmt.Sprintf(f, a...)) }
