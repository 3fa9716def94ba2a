package store

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table"
)

// AuditFault is something wrong with the audit log, and the row that shows it;
// 0 is the checkpoint.
type AuditFault struct {
	N    uint64
	What string
}

// AuditReport is what a look at the whole log found.
type AuditReport struct {
	Rows      uint64 // that were read
	Floor     uint64 // the newest row that was trimmed, by the checkpoint; 0: none was
	Head      uint64 // the newest row by the checkpoint
	Hash      [sha256.Size]byte
	PublicKey string // hex, of the key that checkpoints are signed with
	Faults    []AuditFault
}

// maxAuditFaults bounds a report: one changed row is two lines, and a log that
// was written anew need not be told row by row.
const maxAuditFaults = 100

// auditPage is how many rows are read at a time; nothing else is held.
const auditPage = 900

// chain goes along the rows and finds where they do not hold together. Of two
// rows that do not fit, the one that its successor vouches for is the whole
// one; so each link is judged when the next row is known.
type chain struct {
	report *AuditReport
	prev   AuditRow // the newest row seen
	broken bool     // prev does not fit the row before it, and nobody is blamed yet
	blamed bool     // prev is known to be wrong: that the next does not fit says nothing
}

func (c *chain) fault(n uint64, format string, args ...any) {
	if len(c.report.Faults) < maxAuditFaults {
		c.report.Faults = append(c.report.Faults, AuditFault{n, fmt.Sprintf(format, args...)})
	}
}

// begin is told the checkpoint before the first row.
func (c *chain) begin(head auditHead) {
	c.report.Floor, c.report.Head, c.report.Hash = head.Floor.N, head.N, head.Hash
	c.prev = AuditRow{N: head.Floor.N, Hash: head.Floor.Hash}
}

// takeStored takes the next row as it is stored.
func (c *chain) takeStored(row StoredAudit) {
	if row.Err != nil {
		c.unreadable(row.N, row.Value)
		return
	}
	c.take(row.Row)
}

// judge is told whether what follows vouches for the newest row.
func (c *chain) judge(vouched bool) {
	switch {
	case c.broken && vouched:
		c.fault(c.prev.N-1, "row %d was changed", c.prev.N-1)
	case c.broken:
		c.fault(c.prev.N, "row %d was changed, and the row before it may be", c.prev.N)
	}
}

func (c *chain) take(row AuditRow) {
	c.report.Rows++
	if row.Action == adoptAction {
		c.fault(row.N, "row %d took the log up without a checkpoint: rows before it may have been cut off", row.N)
	}
	if row.N != c.prev.N+1 {
		c.missing(c.prev.N+1, row.N-1)
		c.prev, c.broken, c.blamed = row, false, false
		return
	}
	linked := row.Prev == c.prev.Hash
	if !c.blamed {
		c.judge(linked)
	}
	// A row that was blamed, here or before, explains the broken link.
	c.broken = !linked && !c.blamed && !c.broken
	c.prev, c.blamed = row, false
}

// unreadable takes a row that is no audit row, or not the one of its place.
func (c *chain) unreadable(n uint64, value []byte) {
	c.report.Rows++
	if n != c.prev.N+1 {
		c.missing(c.prev.N+1, n-1)
	} else if c.broken {
		c.judge(true)
	}
	c.fault(n, "row %d was changed or moved here", n)
	c.prev, c.broken, c.blamed = AuditRow{N: n, Hash: sha256.Sum256(value)}, false, true
}

func (c *chain) missing(from, to uint64) {
	if from == to {
		c.fault(from, "row %d is missing", from)
		return
	}
	c.fault(from, "rows %d to %d are missing", from, to)
}

// end compares the end of the chain with the checkpoint.
func (c *chain) end(head auditHead) {
	whole := c.prev.N == head.N
	vouched := !whole || c.prev.Hash == head.Hash
	if !c.blamed {
		c.judge(vouched)
		if !vouched && !c.broken {
			c.fault(c.prev.N, "row %d was changed, or the log was written anew", c.prev.N)
		}
	}
	if !whole {
		c.missing(c.prev.N+1, head.N)
	}
}

// VerifyAudit reads the whole log and says which rows were changed, dropped,
// swapped or cut off. What an error returns is that it could not be read.
func (s *Store) VerifyAudit(ctx context.Context) (AuditReport, error) {
	var report AuditReport
	c := &chain{report: &report}
	key, err := s.auditKey(ctx)
	if err != nil {
		return report, err
	}
	if public, ok := key.Public().(ed25519.PublicKey); ok {
		report.PublicKey = hex.EncodeToString(public)
	}
	// The checkpoint is read first: rows that come while the log is read lie
	// behind it, and are left for the next look.
	head, err := s.auditHead(ctx)
	corrupt := model.Is(err, model.Corrupt)
	if err != nil && !corrupt {
		return report, err
	}
	if corrupt {
		// Nothing is known of where the log begins and ends.
		c.fault(0, "the checkpoint was changed: its signature is not this hub's")
		return report, s.walkAudit(ctx, 1, math.MaxInt64, func(row StoredAudit) error {
			if report.Rows == 0 && row.N > 1 {
				c.prev = AuditRow{N: row.N - 1}
				c.blamed = true
			}
			c.takeStored(row)
			return nil
		})
	}
	c.begin(head)
	err = s.walkAudit(ctx, head.Floor.N+1, head.N, func(row StoredAudit) error {
		c.takeStored(row)
		return nil
	})
	if err != nil {
		return report, err
	}
	c.end(head)
	return report, s.beyond(ctx, c)
}

// beyond looks for rows that no checkpoint knows. A row and its checkpoint are
// one commit: the checkpoint read after the newest row knows it.
func (s *Store) beyond(ctx context.Context, c *chain) error {
	page, err := s.table.Hub().Query(ctx, table.Query{PK: auditPK, From: logRowTag, To: claimSK, Limit: 1, Reverse: true})
	if err != nil {
		return fmt.Errorf("read newest audit row: %w", err)
	}
	head, err := s.auditHead(ctx)
	if err != nil {
		return err
	}
	if len(page.Rows) == 1 && rowNumber(page.Rows[0].SK) > head.N {
		c.fault(head.N+1, "the checkpoint is missing, or does not know the rows from %d on", head.N+1)
	}
	return nil
}

// walkAudit reads the rows from one to another, and what has taken their
// places.
func (s *Store) walkAudit(ctx context.Context, from, to uint64, each func(StoredAudit) error) error {
	if to < from {
		return nil
	}
	q := table.Query{PK: auditPK, From: rowSK(from), To: rowSK(to + 1), Limit: auditPage}
	for {
		page, err := s.table.Hub().Query(ctx, q)
		if err != nil {
			return fmt.Errorf("read audit rows: %w", err)
		}
		for _, found := range page.Rows {
			q.After = found.SK
			if err := each(DecodeAudit(rowNumber(found.SK), found.Value)); err != nil {
				return err
			}
		}
		if !page.More {
			return nil
		}
	}
}

// AuditPage returns at most limit rows behind row n in the order of their
// numbers, or before it when newest come first; n of 0 is the beginning, or
// the end. Links are VerifyAudit's business.
func (s *Store) AuditPage(ctx context.Context, n uint64, newest bool, limit int) ([]AuditRow, error) {
	q := table.Query{PK: auditPK, From: rowSK(n + 1), To: claimSK, Limit: limit}
	if newest {
		q.From, q.Reverse = logRowTag, true
		if n > 0 {
			q.To = rowSK(n)
		}
	}
	page, err := s.table.Hub().Query(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("read audit rows: %w", err)
	}
	out := make([]AuditRow, 0, len(page.Rows))
	for _, found := range page.Rows {
		row, err := decodeAudit(found)
		if err != nil {
			return nil, err
		}
		out = append(out, row)
	}
	return out, nil
}
