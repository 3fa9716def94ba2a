package pebbletable

import (
	"context"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/channelhub/channelhub/hub/storage/table/driver"
)

// Commit implements driver.Driver.
//
// The stripes of its partitions are locked while conditions are read and the
// batch is applied, which makes the two one step, and released before the
// sync. The writers that wait for a stripe go on while the disk works, and one
// sync serves all that were applied meanwhile.
//
// A condition may thus be judged by a row that is not durable yet. When it
// holds, that is fine: this commit is behind the other one in the log and
// cannot survive it. When it does not hold, or there is nothing to write, the
// answer itself waits until what it tells is durable.
func (st *Store) Commit(ctx context.Context, id driver.ID, ops []driver.Op) (driver.Cost, error) {
	cost, err := st.CommitSteps(ctx, id, ops)
	if len(ops) > 1 {
		cost.WriteUnits *= 2 // a transaction
	}
	return cost, err
}

// CommitSteps implements driver.Stepper: one batch and one sync serve all ops.
func (st *Store) CommitSteps(ctx context.Context, id driver.ID, ops []driver.Op) (driver.Cost, error) {
	if err := st.ready(ctx); err != nil {
		return driver.Cost{}, err
	}
	// The batch does not depend on what the conditions find, so it is made
	// before the lock, and before the caller can have its values back.
	batch, err := st.encode(id, ops)
	if err != nil {
		return driver.Cost{}, err
	}
	h, err := st.hold(ctx, keysOf(ops))
	if err != nil {
		_ = batch.Close() // of a batch never applied: only frees memory
		return driver.Cost{}, err
	}
	conflict, cost, err := st.judge(ops)
	if err != nil || conflict != nil || batch.Empty() {
		seen := h.underWay()
		h.release()
		_ = batch.Close()
		if err != nil {
			return driver.Cost{}, err
		}
		if err := st.await(ctx, seen...); err != nil {
			return cost, err
		}
		if conflict != nil {
			return cost, conflict
		}
		return cost, nil
	}
	return cost, st.await(ctx, st.land(batch, h))
}

func keysOf(ops []driver.Op) func(yield func(driver.Key) bool) {
	return func(yield func(driver.Key) bool) {
		for _, o := range ops {
			if !yield(o.Key) {
				return
			}
		}
	}
}

// encode writes the ops into a batch. It copies their values.
func (st *Store) encode(id driver.ID, ops []driver.Op) (*pebble.Batch, error) {
	size := 16 // the batch's own header
	for _, o := range ops {
		if o.Kind == driver.OpPut {
			size += 2*len(o.PK) + 2*len(o.SK) + len(o.Value) + headerLen + 48
		} else {
			size += len(o.PK) + len(o.SK) + 16
		}
	}
	b := st.db.NewBatchWithSize(size)
	for _, o := range ops {
		var err error
		switch o.Kind {
		case driver.OpPut:
			err = encodePut(b, id, o)
		case driver.OpDelete:
			// An entry in the expiry index stays; the sweep drops it.
			err = b.Delete(rowKey(o.Key), nil)
		case driver.OpCheck:
		}
		if err != nil {
			_ = b.Close()
			return nil, fmt.Errorf("encode commit: %w", err)
		}
	}
	return b, nil
}

func encodePut(b *pebble.Batch, id driver.ID, o driver.Op) error {
	key := rowKey(o.Key)
	op := b.SetDeferred(len(key), headerLen+len(o.Value))
	copy(op.Key, key)
	putHeader(op.Value, id, o.Expires)
	copy(op.Value[headerLen:], o.Value)
	if err := op.Finish(); err != nil {
		return err
	}
	if o.Expires.IsZero() {
		return nil
	}
	return b.Set(expiryKey(o.Expires.Unix(), key), nil, nil)
}

// judge evaluates the conditions in order and counts the cost. The caller
// holds the stripes.
func (st *Store) judge(ops []driver.Op) (*driver.ConflictError, driver.Cost, error) {
	found := make([]int, len(ops))
	var conflict *driver.ConflictError
	for i, o := range ops {
		if o.Cond.Kind == driver.CondAny {
			continue
		}
		row, err := st.lookup(o.Key)
		if err != nil {
			return nil, driver.Cost{}, err
		}
		if row != nil {
			found[i] = billedSize(row.Key, len(row.Value))
		}
		if !holds(o.Cond, row) {
			conflict = &driver.ConflictError{Index: i, Found: row}
			break
		}
	}
	return conflict, commitCost(ops, found), nil
}

func holds(c driver.Cond, row *driver.Row) bool {
	present := row != nil && (row.Expires.IsZero() || c.ExpiredBy.IsZero() || row.Expires.After(c.ExpiredBy))
	switch c.Kind {
	case driver.CondAbsent:
		return !present
	case driver.CondVersion:
		return present && row.Version == c.Version
	case driver.CondAny:
	}
	return true
}

// land applies the batch on a goroutine of its own and takes over the stripes
// and the batch. A caller can leave when its context ends, and when the store
// fails; the goroutine may then be parked inside Pebble for good.
func (st *Store) land(batch *pebble.Batch, h held) *landing {
	l := &landing{durable: make(chan struct{})}
	h.announce(l) // before any reader can see a row of the batch
	st.landings.Go(func() {
		defer func() {
			// Pebble panics on errors that it cannot return.
			if r := recover(); r != nil {
				st.fail(fmt.Errorf("apply commit: panic: %v", r))
			}
		}()
		if err := st.db.ApplyNoSyncWait(batch, pebble.Sync); err != nil {
			st.fail(fmt.Errorf("apply commit: %w", err))
			return
		}
		h.release()
		if err := batch.SyncWait(); err != nil {
			st.fail(fmt.Errorf("sync commit: %w", err))
			return
		}
		close(l.durable)
		_ = batch.Close()
	})
	return l
}
