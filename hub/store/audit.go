package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table"
)

const (
	auditSchema = 1
	auditPK     = "audit"
)

// Act is what somebody did to the hub. Every field holds the hub's own ids and
// words: no address, no name, no content.
type Act struct {
	Actor   string // id of the token that acted
	Role    string
	Action  string // such as "token.create"
	Subject string // such as "token/8f3k…"
	// Outcome is "done" for a change that is in the same commit. An act that
	// is no row of ours is told twice: "begun", then "done" or the code that
	// it failed with.
	Outcome   string
	RequestID string
	// Count is how many acts of this kind the row stands for, when they are
	// counted instead of told one by one; else 0. Since is the minute that
	// they were counted in.
	Count uint64
	Since time.Time
}

// AuditRow is an act in its place in the chain.
type AuditRow struct {
	Act
	N    uint64
	At   time.Time
	Prev [sha256.Size]byte // Hash of row N−1; zeros in the first row
	Hash [sha256.Size]byte // of the stored value, Prev included
}

type auditHeader struct {
	N         uint64 `json:"n"`
	Prev      []byte `json:"p"`
	At        Milli  `json:"c"`
	Actor     string `json:"t"`
	Role      string `json:"r"`
	Action    string `json:"a"`
	Subject   string `json:"s"`
	Outcome   string `json:"o"`
	RequestID string `json:"q,omitempty"`
	Count     uint64 `json:"k,omitempty"`
	Since     Milli  `json:"m,omitempty"`
}

// Audit puts an act that changes no row of ours into the audit log.
func (s *Store) Audit(ctx context.Context, act Act) error { return s.audited(ctx, act) }

// MaxAudit is how many acts AuditAll takes at a time: with the checkpoint, and
// with the row that takes a log up, they fit into one commit.
const MaxAudit = 90

// AuditAll puts at most MaxAudit acts that change no rows of ours into the
// audit log, all of them or none.
func (s *Store) AuditAll(ctx context.Context, acts []Act) error {
	return s.auditedAll(ctx, entry{acts: acts})
}

// auditTimeout is how long an act may wait for its audit row. The caller can
// neither shorten it, and leave an act half told, nor lengthen it.
const auditTimeout = 2 * time.Second

// audited commits ops together with the audit row of the act that they are:
// both are there, or neither (I7). It answers within auditTimeout, also when
// the table hangs: model.Unavailable then, and a commit that still lands
// later brings act and row together. A failed condition of an op comes back
// as it is; a row that another hub appended meanwhile is stepped over.
func (s *Store) audited(ctx context.Context, act Act, ops ...table.Op) error {
	return s.auditedAll(ctx, entry{acts: []Act{act}, ops: ops})
}

// entry is what one commit brings into the audit log.
type entry struct {
	acts  []Act
	ops   []table.Op
	floor *auditFloor // nil: it stays
}

func (s *Store) auditedAll(ctx context.Context, e entry) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), auditTimeout)
	done := make(chan error, 1)
	s.appends.Add(1)
	go func() {
		defer s.appends.Done()
		defer cancel()
		done <- s.appendAudit(ctx, e)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-done: // it ended together with the time
		return err
	default:
		return model.Wrap(model.Unavailable, "write audit row", ctx.Err())
	}
}

func (s *Store) appendAudit(ctx context.Context, e entry) error {
	sign, err := s.auditKey(ctx)
	if err != nil {
		return err
	}
	head, err := s.auditHead(ctx)
	if err != nil {
		return err
	}
	for {
		acts := e.acts
		if head.version == (table.Version{}) {
			if head, err = s.adoptedHead(ctx); err != nil {
				return err
			}
			if head.N > 0 {
				acts = append([]Act{adoption(head.N)}, acts...)
			}
		}
		next := head
		if e.floor != nil {
			if head.Floor.N >= e.floor.N {
				return nil // another hub raised it
			}
			next.Floor = *e.floor
		}
		rows := slices.Clone(e.ops)
		for _, a := range acts {
			value, err := encodePlain(auditSchema, auditHeader{
				N: next.N + 1, Prev: next.Hash[:], At: max(Millis(s.now()), Millis(next.At)),
				Actor: a.Actor, Role: a.Role, Action: a.Action, Subject: a.Subject,
				Outcome: a.Outcome, RequestID: a.RequestID, Count: a.Count, Since: Millis(a.Since),
			})
			if err != nil {
				return err
			}
			next.N++
			next.Hash, next.At = sha256.Sum256(value), later(next.At, s.now())
			rows = append(rows, table.Put(auditPK, rowSK(next.N), value).IfAbsent())
		}
		put, err := next.put(sign)
		if err != nil {
			return err
		}
		_, err = s.table.Hub().Commit(ctx, append(rows, put)...)
		if err == nil {
			return nil
		}
		c, conflict := errors.AsType[*table.ConflictError](err)
		if !conflict || c.Index < len(e.ops) {
			return fmt.Errorf("write audit row: %w", err)
		}
		was := head.version
		if head, err = s.auditHead(ctx); err != nil {
			return err
		}
		if head.version == was {
			return model.Errorf(model.Corrupt, "write audit row", "row %d is there, and the checkpoint does not know it", next.N)
		}
	}
}

// lastAudit returns the newest row; the zero row when there is none. Only
// adoption asks it: the checkpoint names the newest row otherwise.
func (s *Store) lastAudit(ctx context.Context) (AuditRow, error) {
	page, err := s.table.Hub().Query(ctx, table.Query{PK: auditPK, From: logRowTag, To: claimSK, Limit: 1, Reverse: true})
	if err != nil || len(page.Rows) == 0 {
		return AuditRow{}, err
	}
	return decodeAudit(page.Rows[0])
}

// AuditRows returns at most limit rows behind row n, in order. A chain that
// does not hold, because a row is missing or was changed, is model.Corrupt.
func (s *Store) AuditRows(ctx context.Context, n uint64, limit int) ([]AuditRow, error) {
	// Row n itself is read too: the first row of the page must link to it.
	page, err := s.table.Hub().Query(ctx, table.Query{PK: auditPK, From: rowSK(max(n, 1)), To: claimSK, Limit: limit + 1})
	if err != nil {
		return nil, fmt.Errorf("read audit rows: %w", err)
	}
	var prev AuditRow
	out := make([]AuditRow, 0, len(page.Rows))
	for _, found := range page.Rows {
		row, err := decodeAudit(found)
		if err != nil {
			return nil, err
		}
		first := prev.N == 0 && row.N == n
		if !first {
			if row.N != prev.N+1 || row.Prev != prev.Hash {
				return nil, model.Errorf(model.Corrupt, "read audit rows", "the chain breaks before row %d", row.N)
			}
			out = append(out, row)
		}
		prev = row
	}
	return out[:min(len(out), limit)], nil
}

func decodeAudit(row table.Row) (AuditRow, error) {
	out, err := decodeAuditValue(row.Value)
	if err == nil && rowSK(out.N) != row.SK {
		err = model.Errorf(model.Corrupt, "read audit row", "a row is not in the place that it names")
	}
	return out, err
}

func decodeAuditValue(value []byte) (AuditRow, error) {
	var h auditHeader
	if _, err := decodeHeader(value, auditSchema, &h); err != nil {
		return AuditRow{}, fmt.Errorf("read audit row: %w", err)
	}
	if len(h.Prev) != sha256.Size {
		return AuditRow{}, model.Errorf(model.Corrupt, "read audit row", "a row has no link to the one before")
	}
	return AuditRow{
		Act: Act{
			Actor: h.Actor, Role: h.Role, Action: h.Action, Subject: h.Subject,
			Outcome: h.Outcome, RequestID: h.RequestID, Count: h.Count, Since: h.Since.Time(),
		},
		N: h.N, At: h.At.Time(), Prev: [sha256.Size]byte(h.Prev), Hash: sha256.Sum256(value),
	}, nil
}
