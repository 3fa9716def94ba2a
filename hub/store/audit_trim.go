package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/channelhub/channelhub/hub/storage/table"
	"github.com/channelhub/channelhub/internal/failpoint"
)

// trimAction stands in the row that tells how far the log was trimmed.
const trimAction = "audit.trim"

// maxAuditTrim bounds the rows that one trim looks at; the next goes on.
const maxAuditTrim = 100_000

var errEnough = errors.New("looked far enough")

// TrimAudit removes rows that are older than a time, none of them behind row
// upTo and never the newest, and returns how many it removed. First a commit
// puts a row that tells of it together with the checkpoint that names the
// floor: the newest row that goes, and its hash, signed. What is kept is proven
// from there. Then the rows are deleted; what a crash leaves of them is
// below the floor, and the next trim removes it.
func (s *Store) TrimAudit(ctx context.Context, before time.Time, upTo uint64) (int, error) {
	head, err := s.auditHead(ctx)
	if err != nil || head.N == 0 {
		return 0, err
	}
	floor, next := head.Floor, head.Floor
	last := min(upTo, head.N-1, head.Floor.N+maxAuditTrim)
	err = s.walkAudit(ctx, floor.N+1, last+1, func(row StoredAudit) error {
		// A row goes once the next one vouches for it: one that cannot be
		// read, or was changed, is evidence and stays, with what follows it.
		if row.Err != nil || row.N != next.N+1 || row.Row.Prev != next.Hash {
			return errEnough
		}
		floor = next
		if row.N > last || !row.Row.At.Before(before) {
			return errEnough
		}
		next = auditFloor{row.N, row.Row.Hash}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return 0, err
	}
	if floor.N > head.Floor.N {
		act := Act{
			Actor: "hub", Role: "hub", Action: trimAction, Subject: fmt.Sprintf("audit/%d", floor.N),
			Outcome: "done", Count: floor.N - head.Floor.N,
		}
		if err := s.auditedAll(ctx, entry{acts: []Act{act}, floor: &floor}); err != nil {
			return 0, fmt.Errorf("raise floor of audit log: %w", err)
		}
	}
	if err := failpoint.Err("audit.after_floor"); err != nil {
		return 0, err
	}
	return s.clearAudit(ctx, floor.N)
}

// clearAudit deletes the rows up to the floor.
func (s *Store) clearAudit(ctx context.Context, floor uint64) (removed int, err error) {
	for floor > 0 {
		page, err := s.table.Hub().Query(ctx, table.Query{PK: auditPK, From: logRowTag, To: rowSK(floor + 1), Limit: trimRows})
		if err != nil {
			return removed, fmt.Errorf("trim audit log: %w", err)
		}
		if len(page.Rows) == 0 {
			break
		}
		ops := make([]table.Op, 0, len(page.Rows))
		for _, row := range page.Rows {
			ops = append(ops, table.Delete(auditPK, row.SK))
		}
		if _, err := s.table.Hub().Commit(ctx, ops...); err != nil {
			return removed, fmt.Errorf("trim audit log: %w", err)
		}
		removed += len(ops)
		if err := failpoint.Err("audit.after_trim"); err != nil {
			return removed, err
		}
	}
	return removed, nil
}
