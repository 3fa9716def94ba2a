package pebbletable

import (
	"context"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// landing is a commit on its way to the disk.
//
// The log is written in the order of applying and synced from its start. So a
// commit may leave its sync to a later one: such a one counts the turns of its
// kind, and is durable once a sync has covered so many.
type landing struct {
	done   chan struct{} // closed once it is durable, or applied if it leaves its sync; never if that fails
	leaves bool
	turn   uint64 // of one that leaves its sync; set before done is closed
}

// land applies the batch on a goroutine of its own and takes over the stripes
// and the batch. A caller can leave when its context ends, and when the store
// fails; the goroutine may then be parked inside Pebble for good.
func (st *Store) land(batch *pebble.Batch, h held, sync *pebble.WriteOptions) *landing {
	l := &landing{done: make(chan struct{}), leaves: !sync.Sync}
	work := st.applySynced
	if l.leaves {
		work = st.applyUnsynced
	}
	h.announce(l) // before any reader can see a row of the batch
	st.landings.Go(func() {
		defer func() {
			// Pebble panics on errors that it cannot return.
			if r := recover(); r != nil {
				st.fail(fmt.Errorf("apply commit: panic: %v", r))
			}
		}()
		if err := work(batch, h, l); err != nil {
			st.fail(err)
		}
	})
	return l
}

func (st *Store) applySynced(batch *pebble.Batch, h held, l *landing) error {
	before := st.unsynced.Load() // all of these lie before it in the log
	if err := st.db.ApplyNoSyncWait(batch, pebble.Sync); err != nil {
		return fmt.Errorf("apply commit: %w", err)
	}
	h.release()
	if err := batch.SyncWait(); err != nil {
		return fmt.Errorf("sync commit: %w", err)
	}
	st.cover(before)
	close(l.done)
	_ = batch.Close()
	return nil
}

func (st *Store) applyUnsynced(batch *pebble.Batch, h held, l *landing) error {
	if err := st.db.Apply(batch, pebble.NoSync); err != nil {
		return fmt.Errorf("apply commit: %w", err)
	}
	l.turn = st.unsynced.Add(1)
	close(l.done)
	h.release()
	_ = batch.Close()
	return nil
}

// cover notes that the first so many commits without a sync of their own are
// durable.
func (st *Store) cover(turn uint64) {
	for was := st.covered.Load(); was < turn; was = st.covered.Load() {
		if st.covered.CompareAndSwap(was, turn) {
			return
		}
	}
}

// await returns nil once all the commits are durable. Where one has left its
// sync to a later commit that has not come yet, it syncs itself.
func (st *Store) await(ctx context.Context, landings ...*landing) error {
	for _, l := range landings {
		if err := st.wait(ctx, l); err != nil {
			return err
		}
		if !l.leaves || st.covered.Load() >= l.turn {
			continue
		}
		batch := st.db.NewBatch()
		if err := batch.LogData(nil, nil); err != nil {
			return fmt.Errorf("sync log: %w", err)
		}
		if err := st.wait(ctx, st.land(batch, nil, pebble.Sync)); err != nil {
			return err
		}
	}
	return nil
}

// wait returns nil once the commit is done as far as it goes itself.
func (st *Store) wait(ctx context.Context, l *landing) error {
	select {
	case <-l.done:
		return nil
	default:
	}
	select {
	case <-l.done:
		return nil
	case <-ctx.Done():
		return st.ended(ctx, "wait for the disk")
	case <-st.failed:
		return st.failure()
	}
}
