package pebbletable

import (
	"context"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table/driver"
)

// Get implements driver.Driver.
func (st *Store) Get(ctx context.Context, key driver.Key) (driver.Row, driver.Cost, error) {
	if err := st.ready(ctx); err != nil {
		return driver.Row{}, driver.Cost{}, err
	}
	row, err := st.lookup(key)
	if err != nil {
		return driver.Row{}, driver.Cost{}, err
	}
	if err := st.settled(ctx, key.PK); err != nil {
		return driver.Row{}, driver.Cost{}, err
	}
	if row == nil {
		return driver.Row{}, readCost(0), model.Errorf(model.NotFound, "get", "no such row")
	}
	return *row, readCost(billedSize(key, len(row.Value))), nil
}

// lookup returns the row as applied, durable or not; nil when there is none.
//
// It asks an iterator and not Pebble's Get, which passes over the filters of
// the lowest level: there lies nearly everything, and most lookups on the way
// of a message are of rows that do not exist yet.
func (st *Store) lookup(key driver.Key) (row *driver.Row, err error) {
	k := rowKey(key)
	it, err := st.db.NewIter(&pebble.IterOptions{
		LowerBound: k, UpperBound: append(k[:len(k):len(k)], 0), UseL6Filters: true,
	})
	if err != nil {
		return nil, st.readError(err)
	}
	defer func() {
		if cerr := it.Close(); err == nil && cerr != nil {
			row, err = nil, st.readError(cerr)
		}
	}()
	if !it.SeekPrefixGE(k) {
		return nil, nil // or an error, which Close returns
	}
	value, err := it.ValueAndErr()
	if err != nil {
		return nil, st.readError(err)
	}
	raw, err := parseStored(value)
	if err != nil {
		return nil, err
	}
	found := raw.row(key)
	return &found, nil
}

// Query implements driver.Driver.
func (st *Store) Query(ctx context.Context, q driver.Query) (driver.Page, driver.Cost, error) {
	if err := st.ready(ctx); err != nil {
		return driver.Page{}, driver.Cost{}, err
	}
	page, size, err := st.scan(q)
	if err != nil {
		return driver.Page{}, driver.Cost{}, err
	}
	if err := st.settled(ctx, q.PK); err != nil {
		return driver.Page{}, driver.Cost{}, err
	}
	return page, readCost(size), nil
}

func (st *Store) scan(q driver.Query) (page driver.Page, size int, err error) {
	lower, upper := queryBounds(q)
	it, err := st.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return driver.Page{}, 0, st.readError(err)
	}
	defer func() {
		if cerr := it.Close(); err == nil && cerr != nil {
			err = st.readError(cerr)
		}
	}()
	next, ok := it.Next, false
	if q.Reverse {
		next, ok = it.Prev, it.Last()
	} else {
		ok = it.First()
	}
	// The key of every row begins with the same bytes: its partition's.
	prefix := len(rowKey(driver.Key{PK: q.PK}))
	for ; ok; ok = next() {
		if len(page.Rows) == q.Limit {
			page.More = true
			break
		}
		value, err := it.ValueAndErr()
		if err != nil {
			return driver.Page{}, 0, st.readError(err)
		}
		raw, err := parseStored(value)
		if err != nil {
			return driver.Page{}, 0, err
		}
		row := raw.row(driver.Key{PK: q.PK, SK: string(it.Key()[prefix:])})
		size += billedSize(row.Key, len(row.Value))
		page.Rows = append(page.Rows, row)
	}
	return page, size, nil
}

// queryBounds turns range and cursor into one half-open range of stored keys.
func queryBounds(q driver.Query) (lower, upper []byte) {
	from, to := q.From, q.To
	if q.After != "" {
		if q.Reverse {
			to = q.After
		} else {
			from = q.After + "\x00" // the next possible key
		}
	}
	lower = rowKey(driver.Key{PK: q.PK, SK: from})
	if to == "" {
		return lower, partitionEnd(q.PK)
	}
	return lower, rowKey(driver.Key{PK: q.PK, SK: to})
}

// settled waits until nothing that a read of the partition may have seen can
// be lost any more.
//
// Pebble shows a batch to readers before its sync. Each commit is announced in
// its stripe before it is applied, and a stripe's commits are applied one at a
// time. So whatever the read saw is the commit that is newest now, after the
// read, or one applied before it. The log is written in the order of applying
// and synced from its start: when the newest is durable, all before it are.
func (st *Store) settled(ctx context.Context, pk string) error {
	newest := st.stripes.of(pk).newest.Load()
	if newest == nil {
		return nil
	}
	return st.await(ctx, newest)
}

// readError gives an error of Pebble its code, and names the damaged file.
func (st *Store) readError(err error) error {
	if !pebble.IsCorruptionError(err) {
		return driver.Code(model.Unavailable, "read", err)
	}
	file := "a file in " + st.dir
	if info := pebble.ExtractDataCorruptionInfo(err); info != nil {
		file = info.Path
	}
	return driver.Code(model.Corrupt, "read", fmt.Errorf("%s is damaged: %w", file, err))
}

// ended is the error of a call whose context is over. That the store has
// failed says more.
func (st *Store) ended(ctx context.Context, op string) error {
	if err := st.Err(); err != nil {
		return err
	}
	return driver.Code(model.Unavailable, op, context.Cause(ctx))
}
