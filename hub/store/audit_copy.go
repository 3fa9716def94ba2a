package store

import (
	"context"
	"fmt"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table"
)

// AuditCopied is how far the audit log was copied elsewhere. Saving it moves
// it on, for who has read what was saved last.
type AuditCopied struct {
	N uint64 // the newest row that was accepted there

	version table.Version
}

type auditCopiedHeader struct {
	N  uint64 `json:"n"`
	At Milli  `json:"c"`
}

// AuditCopied returns how far the log was copied; the zero value when nothing
// was.
func (s *Store) AuditCopied(ctx context.Context) (AuditCopied, error) {
	const op = "read how far the audit log is copied"
	row, err := s.table.Hub().Get(ctx, auditPK, claimSK)
	if model.Is(err, model.NotFound) {
		return AuditCopied{}, nil
	}
	if err != nil {
		return AuditCopied{}, fmt.Errorf("%s: %w", op, err)
	}
	var h auditCopiedHeader
	if _, err := decodeHeader(row.Value, auditSchema, &h); err != nil {
		return AuditCopied{}, fmt.Errorf("%s: %w", op, err)
	}
	return AuditCopied{N: h.N, version: row.Version}, nil
}

// SaveAuditCopied saves that rows up to n were accepted. When another hub has
// saved meanwhile it is model.Conflicting: read again.
func (s *Store) SaveAuditCopied(ctx context.Context, was AuditCopied, n uint64) error {
	const op = "save how far the audit log is copied"
	value, err := encodePlain(auditSchema, auditCopiedHeader{N: n, At: Millis(s.now())})
	if err != nil {
		return err
	}
	_, err = s.table.Hub().Commit(ctx, table.Put(auditPK, claimSK, value).IfVersion(was.version))
	if _, conflict := conflictOf(err); conflict {
		return model.Errorf(model.Conflicting, op, "another hub has copied meanwhile")
	}
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	return nil
}

// AuditHead returns the number of the newest row, by the checkpoint.
func (s *Store) AuditHead(ctx context.Context) (uint64, error) {
	head, err := s.auditHead(ctx)
	return head.N, err
}
