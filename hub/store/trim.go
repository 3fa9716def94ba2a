package store

import (
	"context"
	"fmt"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table"
	"github.com/channelhub/channelhub/internal/failpoint"
)

// trimRows is how many rows one commit of a trim deletes.
const trimRows = 25

// Trim removes the rows up to n, but never the newest, by which the tail is
// found. The floor is raised first: a reader that meets a hole finds out that
// it was made on purpose. A repeat removes what a crash left.
func (l *Log) Trim(ctx context.Context, n uint64) (removed int, err error) {
	tail, err := l.Tail(ctx)
	if err != nil {
		return 0, err
	}
	floor, err := l.raiseFloor(ctx, min(n, max(tail, 1)-1))
	if err != nil || floor == 0 {
		return 0, err
	}
	failpoint.Hit("retention.after_floor")
	for {
		page, err := l.rows.Query(ctx, table.Query{PK: l.pk, From: logRowTag, To: rowSK(floor + 1), Limit: trimRows})
		if err != nil {
			return removed, fmt.Errorf("trim log: %w", err)
		}
		if len(page.Rows) == 0 {
			return removed, nil
		}
		ops := make([]table.Op, 0, len(page.Rows))
		for _, row := range page.Rows {
			ops = append(ops, table.Delete(l.pk, row.SK))
		}
		if _, err := l.rows.Commit(ctx, ops...); err != nil {
			return removed, fmt.Errorf("trim log: %w", err)
		}
		removed += len(ops)
		failpoint.Hit("retention.after_trim")
	}
}

// raiseFloor writes the floor into the head row, unless it is higher there,
// and returns the floor that holds.
func (l *Log) raiseFloor(ctx context.Context, n uint64) (uint64, error) {
	for {
		var h logHead
		row, err := l.rows.Get(ctx, l.pk, logHeadSK)
		switch {
		case model.Is(err, model.NotFound):
		case err != nil:
			return 0, fmt.Errorf("read log head: %w", err)
		default:
			if _, err := decodeHeader(row.Value, logSchema, &h); err != nil {
				return 0, fmt.Errorf("read log head: %w", err)
			}
		}
		if h.Floor >= n {
			return h.Floor, nil
		}
		value, err := encodePlain(logSchema, logHead{Floor: n})
		if err != nil {
			return 0, err
		}
		_, err = l.rows.Commit(ctx, table.Put(l.pk, logHeadSK, value).IfVersion(row.Version))
		if err == nil {
			return n, nil
		}
		if _, conflict := conflictOf(err); !conflict {
			return 0, fmt.Errorf("raise log floor: %w", err)
		}
	}
}
