package table

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table/driver"
)

// Commit applies all ops or none and returns once they are durable. The
// Version is the stamp of every row it wrote.
//
// The error is a *ConflictError when a condition failed. With
// model.Unavailable the commit may or may not have landed; any other error
// means that nothing was written.
//
// An answer can be lost on the way after the rows were written. Commit then
// tries again and, when that attempt meets a failed condition, looks whether
// the rows are its own:
//
//   - A commit with puts landed if any of its rows carries its stamp. If none
//     does, it is reported as a conflict; that the rows landed and were all
//     written over in between cannot be told from that.
//   - A commit of deletes, with or without checks, leaves no stamp. It counts
//     as done when every row it deletes is gone, whoever removed it: that is
//     the state it asked for.
//   - A commit of checks alone writes nothing, so the later answer stands.
//
// A put without a condition never conflicts; after a lost answer it may be
// applied a second time, over what another writer has put meanwhile.
func (h Handle) Commit(ctx context.Context, ops ...Op) (Version, error) {
	return h.commit(ctx, h.table.driver.Commit, ops)
}

// apply is a driver's way to commit.
type apply func(ctx context.Context, id driver.ID, ops []driver.Op) (driver.Cost, error)

func (h Handle) commit(ctx context.Context, apply apply, ops []Op) (Version, error) {
	lowered, err := h.lower(ops)
	if err != nil {
		return Version{}, err
	}
	id := Version(model.NewRandom16())
	unsure := false // whether an attempt so far may have landed unheard
	err = try(ctx, func() error {
		began := time.Now()
		cost, err := apply(ctx, id, lowered)
		h.spent("commit", began, cost, err)
		if c, ok := errors.AsType[*driver.ConflictError](err); ok && unsure {
			return h.settle(ctx, id, lowered, c)
		}
		unsure = unsure || model.Is(err, model.Unavailable)
		return err
	})
	if err == nil {
		return id, nil
	}
	if c, ok := errors.AsType[*driver.ConflictError](err); ok {
		return Version{}, fmt.Errorf("commit rows: %w", h.conflict(c, lowered))
	}
	if unsure && !model.Is(err, model.Unavailable) {
		// The last attempt wrote nothing, but an earlier one may have.
		err = model.Wrap(model.Unavailable, "an earlier attempt may have landed", err)
	}
	return Version{}, fmt.Errorf("commit rows: %w", err)
}

func (h Handle) lower(ops []Op) ([]driver.Op, error) {
	now := h.table.now()
	lowered := make([]driver.Op, len(ops))
	for i, o := range ops {
		if o.pk == "" {
			return nil, invalid("commit", "op %d: partition key is empty", i)
		}
		lowered[i] = o.lower(h, now)
	}
	return lowered, validateOps(lowered)
}

// settle decides about a conflict met after an ambiguous answer: nil when the
// commit has landed, the conflict itself when nothing shows that it has.
func (h Handle) settle(ctx context.Context, id Version, ops []driver.Op, c *driver.ConflictError) error {
	if c.Found != nil && c.Found.Version == id {
		return nil
	}
	var puts, deletes []driver.Op
	for _, o := range ops {
		switch o.Kind {
		case driver.OpPut:
			puts = append(puts, o)
		case driver.OpDelete:
			deletes = append(deletes, o)
		case driver.OpCheck:
		}
	}
	for _, o := range puts {
		stamp, there, err := h.stampAt(ctx, o.Key)
		if err != nil {
			return err
		}
		if there && stamp == id {
			return nil
		}
	}
	if len(puts) > 0 || len(deletes) == 0 {
		return c
	}
	for _, o := range deletes {
		_, there, err := h.stampAt(ctx, o.Key)
		if err != nil {
			return err
		}
		if there {
			return c
		}
	}
	return nil
}

// stampAt returns the version of the row at key, expired or not, and whether
// there is one. It does not retry: the commit around it does.
func (h Handle) stampAt(ctx context.Context, key driver.Key) (Version, bool, error) {
	began := time.Now()
	row, cost, err := h.table.driver.Get(ctx, key)
	h.spent("get", began, cost, err)
	if model.Is(err, model.NotFound) {
		return Version{}, false, nil
	}
	if err != nil {
		return Version{}, false, fmt.Errorf("read back the stamp: %w", err)
	}
	return row.Version, true, nil
}
