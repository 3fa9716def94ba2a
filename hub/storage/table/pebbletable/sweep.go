package pebbletable

import (
	"context"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/channelhub/channelhub/hub/storage/table/driver"
)

// sweepBatch bounds how many rows one step of a sweep removes, and so how long
// it keeps the partitions of those rows locked.
const sweepBatch = 128

// due is an entry of the expiry index that a sweep looks at.
type due struct {
	entry  []byte // key of the entry
	row    []byte // stored key of the row
	key    driver.Key
	minute uint64
}

// Sweep implements driver.Sweeper. It reads the expiry index up to the minute
// of expiredBy. An entry is only a hint: the row may have gone or have another
// expiry since, so each row is read again under its lock.
func (st *Store) Sweep(ctx context.Context, expiredBy time.Time) (int, error) {
	removed := 0
	lower, upper := dueBounds(minuteOf(expiredBy.Unix()))
	for {
		if err := st.ready(ctx); err != nil {
			return removed, err
		}
		batch, err := st.dueRows(lower, upper)
		if err != nil || len(batch) == 0 {
			return removed, err
		}
		n, err := st.sweepRows(ctx, batch, expiredBy)
		removed += n
		if err != nil {
			return removed, err
		}
		lower = append(batch[len(batch)-1].entry, 0)
	}
}

func (st *Store) dueRows(lower, upper []byte) (rows []due, err error) {
	it, err := st.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return nil, st.readError(err)
	}
	defer func() {
		if cerr := it.Close(); err == nil && cerr != nil {
			err = st.readError(cerr)
		}
	}()
	for ok := it.First(); ok && len(rows) < sweepBatch; ok = it.Next() {
		d := due{entry: append([]byte{}, it.Key()...)}
		if d.minute, d.row, err = parseExpiryKey(d.entry); err != nil {
			return nil, err
		}
		if d.key, err = parseRowKey(d.row); err != nil {
			return nil, err
		}
		rows = append(rows, d)
	}
	return rows, nil
}

// sweepRows removes what is really expired, as a commit like any other.
func (st *Store) sweepRows(ctx context.Context, rows []due, expiredBy time.Time) (int, error) {
	h, err := st.hold(ctx, len(rows), func(i int) driver.Key { return rows[i].key })
	if err != nil {
		return 0, err
	}
	batch := st.db.NewBatch()
	removed, err := st.encodeSweep(batch, rows, expiredBy)
	if err != nil || batch.Empty() {
		h.release()
		_ = batch.Close()
		return 0, err
	}
	if err := st.await(ctx, st.land(batch, h, pebble.Sync)); err != nil {
		return 0, err
	}
	return removed, nil
}

func (st *Store) encodeSweep(batch *pebble.Batch, rows []due, expiredBy time.Time) (removed int, err error) {
	for _, d := range rows {
		row, err := st.lookup(d.key)
		if err != nil {
			return 0, err
		}
		current := row != nil && !row.Expires.IsZero() && minuteOf(row.Expires.Unix()) == d.minute
		if current && row.Expires.After(expiredBy) {
			continue // due later in this very minute
		}
		if current {
			if err := batch.Delete(d.row, nil); err != nil {
				return 0, err
			}
			st.stripes.of(d.key.PK).forget(d.key)
			removed++
		}
		if err := batch.Delete(d.entry, nil); err != nil {
			return 0, err
		}
	}
	return removed, nil
}
