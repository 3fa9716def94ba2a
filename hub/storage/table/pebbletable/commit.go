package pebbletable

import (
	"context"
	"fmt"
	"time"

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
	l, cost, err := st.commit(ctx, id, ops, pebble.Sync)
	if len(ops) > 1 {
		cost.WriteUnits *= 2 // a transaction
	}
	if err != nil || l == nil {
		return cost, err
	}
	return cost, st.await(ctx, l)
}

// CommitSteps implements driver.Stepper: one batch serves all ops, and the
// sync of the commit that follows.
func (st *Store) CommitSteps(ctx context.Context, id driver.ID, ops []driver.Op) (driver.Cost, error) {
	l, cost, err := st.commit(ctx, id, ops, pebble.NoSync)
	if err != nil || l == nil {
		return cost, err
	}
	return cost, st.wait(ctx, l)
}

// commit judges the ops and begins to apply them. Without a landing there was
// nothing to write, or the error says why not.
func (st *Store) commit(ctx context.Context, id driver.ID, ops []driver.Op, sync *pebble.WriteOptions) (*landing, driver.Cost, error) {
	if err := st.ready(ctx); err != nil {
		return nil, driver.Cost{}, err
	}
	// The batch does not depend on what the conditions find, so it is made
	// before the lock, and before the caller can have its values back.
	batch, err := st.encode(id, ops)
	if err != nil {
		return nil, driver.Cost{}, err
	}
	h, err := st.hold(ctx, len(ops), func(i int) driver.Key { return ops[i].Key })
	if err != nil {
		_ = batch.Close() // of a batch never applied: only frees memory
		return nil, driver.Cost{}, err
	}
	conflict, cost, err := st.judge(ops)
	if err != nil || conflict != nil || batch.Empty() {
		seen := h.underWay()
		h.release()
		_ = batch.Close()
		if err != nil {
			return nil, driver.Cost{}, err
		}
		if err := st.await(ctx, seen...); err != nil {
			return nil, cost, err
		}
		if conflict != nil {
			return nil, cost, conflict
		}
		return nil, cost, nil
	}
	for _, o := range ops {
		s := st.stripes.of(o.PK)
		s.learn(id, o)
		st.enter(s, o)
	}
	return st.land(batch, h, sync), cost, nil
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
		s := st.stripes.of(o.PK)
		if k := s.know(o.Key); k != nil && holds(o.Cond, k.version, k.expires) {
			found[i] = k.size
			continue
		}
		if o.Cond.Kind == driver.CondAbsent {
			lacks, err := st.lacks(s, o.Key)
			if err != nil {
				return nil, driver.Cost{}, err
			}
			if lacks {
				continue
			}
		}
		row, err := st.lookup(o.Key)
		if err != nil {
			return nil, driver.Cost{}, err
		}
		held := o.Cond.Kind == driver.CondAbsent
		if row != nil {
			found[i] = billedSize(row.Key, len(row.Value))
			held = holds(o.Cond, row.Version, row.Expires)
		}
		if !held {
			conflict = &driver.ConflictError{Index: i, Found: row}
			break
		}
	}
	return conflict, commitCost(ops, found), nil
}

// holds reports whether the condition holds of a row.
func holds(c driver.Cond, version driver.ID, expires time.Time) bool {
	present := expires.IsZero() || c.ExpiredBy.IsZero() || expires.After(c.ExpiredBy)
	switch c.Kind {
	case driver.CondAbsent:
		return !present
	case driver.CondVersion:
		return present && version == c.Version
	case driver.CondAny:
	}
	return true
}
