package store

import (
	"context"
	"fmt"

	"github.com/channelhub/channelhub/hub/storage/table"
	"github.com/channelhub/channelhub/internal/failpoint"
)

// Done takes every entry up to e off the journal and adds what became of them.
// It returns once that is durable; a repeat after a crash hands the same
// entries over again.
func (j *Journal) Done(ctx context.Context, e JournalEntry, became JournalTally) error {
	_, err := j.change(ctx, func(h *journalHead) bool {
		if h.Floor >= e.N {
			return false
		}
		h.Floor, h.Entries, h.Bytes, h.Attempts = e.N, e.total.Entries, e.total.Bytes, 0
		h.JournalTally = h.Plus(became)
		return true
	})
	failpoint.Hit("journal.after_done")
	return err
}

// Tried notes a failed attempt on the first entry and returns how many there
// have been.
func (j *Journal) Tried(ctx context.Context) (int, error) {
	h, err := j.change(ctx, func(h *journalHead) bool { h.Attempts++; return true })
	return h.Attempts, err
}

// change writes the head row with a change, on top of what another hub may
// have written meanwhile. The function returns false when there is nothing to
// change.
func (j *Journal) change(ctx context.Context, f func(*journalHead) bool) (journalHead, error) {
	for {
		j.mu.Lock()
		next := j.head
		j.mu.Unlock()
		if !f(&next) {
			return next, nil
		}
		value, err := encodePlain(journalHeadSchema, next)
		if err != nil {
			return next, err
		}
		version, err := j.all.rows.Commit(ctx, table.Put(journalHeadPK, j.Route.String(), value).IfVersion(next.version))
		if err != nil {
			found, conflict := conflictOf(err)
			if !conflict || found == nil {
				return next, fmt.Errorf("write journal head: %w", err)
			}
			if err := next.decode(*found); err != nil {
				return next, err
			}
			version = next.version
		}
		next.version = version
		j.mu.Lock()
		j.head = next
		j.mu.Unlock()
		if err == nil {
			return next, nil
		}
	}
}

// Trim removes what was taken off. The newest row stays, so that the tail can
// always be read, but not what it holds. What a crash leaves behind the next
// call removes.
func (j *Journal) Trim(ctx context.Context) error {
	j.mu.Lock()
	floor, tail, from := j.head.Floor, j.tail, j.trimmed
	j.mu.Unlock()
	for to := min(floor, max(tail.n, 1)-1); from < to; {
		var ops []table.Op
		for n := from + 1; n <= to && len(ops) < journalBatchRows; n++ {
			ops = append(ops, table.Delete(j.pk, rowSK(n)))
		}
		if _, err := j.all.rows.Commit(ctx, ops...); err != nil {
			return fmt.Errorf("trim journal: %w", err)
		}
		from += uint64(len(ops))
		j.mu.Lock()
		j.trimmed = max(j.trimmed, from)
		j.mu.Unlock()
	}
	if tail.n == 0 || floor < tail.n || tail.bare {
		return nil
	}
	failpoint.Hit("journal.after_trim")
	bare, err := encodePlain(journalSchema, journalHeader{Day: tail.day, Entries: tail.total.Entries, Bytes: tail.total.Bytes})
	if err != nil {
		return err
	}
	if _, err := j.all.rows.Commit(ctx, table.Put(j.pk, rowSK(tail.n), bare)); err != nil {
		return fmt.Errorf("empty journal's last row: %w", err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.tail.bare = j.tail.n == tail.n
	return nil
}
