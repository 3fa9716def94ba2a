package store

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"iter"
	"time"

	"github.com/channelhub/channelhub/hub/model"
)

// StoredAudit is a row of the audit log as it is stored: Hash of the row is
// the SHA-256 of Value.
type StoredAudit struct {
	N     uint64 // of its place
	Value []byte
	Row   AuditRow
	Err   error // Value is no audit row, or not the one of its place
}

// DecodeAudit reads what is stored, or was exported, in the place of row n.
func DecodeAudit(n uint64, value []byte) StoredAudit {
	row, err := decodeAuditValue(value)
	if err == nil && row.N != n {
		err = model.Errorf(model.Corrupt, "read audit row", "a row is not in the place that it names")
	}
	return StoredAudit{N: n, Value: value, Row: row, Err: err}
}

// AuditCheckpoint is the signed checkpoint of the audit log, with the key that
// it can be checked with anywhere.
type AuditCheckpoint struct {
	N         uint64
	Hash      [sha256.Size]byte // of row N
	At        time.Time         // of row N
	Floor     uint64            // the newest row that was trimmed; 0: none was
	FloorHash [sha256.Size]byte // of that row
	Signature []byte            // Ed25519
	PublicKey ed25519.PublicKey
}

func (c AuditCheckpoint) head() auditHead {
	return auditHead{N: c.N, Hash: c.Hash, At: c.At, Floor: auditFloor{c.Floor, c.FloorHash}}
}

// AuditCheckpoint returns the checkpoint: of zero rows, and signed all the
// same, while the log is empty.
func (s *Store) AuditCheckpoint(ctx context.Context) (AuditCheckpoint, error) {
	head, err := s.auditHead(ctx)
	if err != nil {
		return AuditCheckpoint{}, err
	}
	key, err := s.auditKey(ctx)
	if err != nil {
		return AuditCheckpoint{}, err
	}
	c := AuditCheckpoint{
		N: head.N, Hash: head.Hash, At: head.At, Floor: head.Floor.N, FloorHash: head.Floor.Hash,
		Signature: ed25519.Sign(key, head.signedText()),
	}
	c.PublicKey, _ = key.Public().(ed25519.PublicKey)
	return c, nil
}

// WalkAudit calls each with the rows from one number to another as they are
// stored, in order, until it returns an error. It holds one page of them.
func (s *Store) WalkAudit(ctx context.Context, from, to uint64, each func(StoredAudit) error) error {
	return s.walkAudit(ctx, from, to, each)
}

// VerifyAuditCopy judges a copy of the log, as VerifyAudit does the log: rows
// against each other, the ends against the checkpoint, and the checkpoint
// against its key. Whether that key is the hub's, only who knows the key can
// tell. An error of rows ends it.
func VerifyAuditCopy(c AuditCheckpoint, rows iter.Seq2[StoredAudit, error]) (AuditReport, error) {
	report := AuditReport{PublicKey: hex.EncodeToString(c.PublicKey)}
	walk := &chain{report: &report}
	head := c.head()
	if len(c.PublicKey) != ed25519.PublicKeySize || !ed25519.Verify(c.PublicKey, head.signedText(), c.Signature) {
		walk.fault(0, "the checkpoint was changed: its signature does not fit its key")
	}
	walk.begin(head)
	for row, err := range rows {
		if err != nil {
			return report, err
		}
		if row.N <= walk.prev.N {
			walk.fault(row.N, "row %d stands a second time, or in another place", row.N)
			continue
		}
		if row.N > head.N {
			walk.fault(row.N, "row %d is not among those that the checkpoint knows", row.N)
			continue
		}
		walk.takeStored(row)
	}
	walk.end(head)
	return report, nil
}
