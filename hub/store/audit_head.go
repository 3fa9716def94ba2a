package store

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table"
)

// auditHead is the checkpoint of the audit log: which row is the newest, and
// its hash. It is written in the commit of every row and signed with a key
// that the hub's keyset gives, so that a log that was cut, or written anew by
// somebody who holds the table alone, does not match it.
type auditHead struct {
	N    uint64
	Hash [sha256.Size]byte // of row N
	At   time.Time         // of row N

	Floor auditFloor

	version table.Version
}

// auditFloor is where a log begins that was trimmed: the newest row that is
// gone, and its hash, to which the first row that is kept is linked. The zero
// value is a log that has all its rows.
type auditFloor struct {
	N    uint64
	Hash [sha256.Size]byte
}

type auditHeadHeader struct {
	N         uint64 `json:"n"`
	Hash      []byte `json:"h"`
	At        Milli  `json:"c"`
	Floor     uint64 `json:"f,omitempty"`
	FloorHash []byte `json:"fh,omitempty"`
	Signature []byte `json:"g"`
}

// adoptAction stands in the row that takes up a log without a checkpoint.
const adoptAction = "audit.adopt"

func adoption(n uint64) Act {
	return Act{Actor: "hub", Role: "hub", Action: adoptAction, Subject: fmt.Sprintf("audit/%d", n), Outcome: "done"}
}

// auditKey is the key that checkpoints are signed with. It is derived from the
// hub's PRF keyset, which is not rotated: nothing of it is stored.
func (s *Store) auditKey(ctx context.Context) (ed25519.PrivateKey, error) {
	c, err := s.sealer.Client(ctx, "")
	if err != nil {
		return nil, fmt.Errorf("find audit key: %w", err)
	}
	var seed []byte
	for _, half := range []string{"0", "1"} {
		part, err := c.PRF(ctx, "audit-signature", half)
		if err != nil {
			return nil, fmt.Errorf("find audit key: %w", err)
		}
		seed = append(seed, part[:]...)
	}
	defer clear(seed)
	return ed25519.NewKeyFromSeed(seed), nil
}

// signedText is what the signature of a checkpoint covers.
func (h auditHead) signedText() []byte {
	if h.Floor == (auditFloor{}) {
		return fmt.Appendf(nil, "channelhub audit checkpoint 1\n%d\n%x\n%d\n", h.N, h.Hash, Millis(h.At))
	}
	return fmt.Appendf(nil, "channelhub audit checkpoint 2\n%d\n%x\n%d\n%d\n%x\n", h.N, h.Hash, Millis(h.At), h.Floor.N, h.Floor.Hash)
}

// put writes the checkpoint over the one that it was made from.
func (h auditHead) put(key ed25519.PrivateKey) (table.Op, error) {
	header := auditHeadHeader{N: h.N, Hash: h.Hash[:], At: Millis(h.At), Signature: ed25519.Sign(key, h.signedText())}
	if h.Floor.N > 0 {
		header.Floor, header.FloorHash = h.Floor.N, h.Floor.Hash[:]
	}
	value, err := encodePlain(auditSchema, header)
	return table.Put(auditPK, logHeadSK, value).IfVersion(h.version), err
}

// auditHead reads the checkpoint; the zero value when there is none. One whose
// signature is not ours is model.Corrupt, and nothing is appended to it.
func (s *Store) auditHead(ctx context.Context) (auditHead, error) {
	const op = "read audit checkpoint"
	row, err := s.table.Hub().Get(ctx, auditPK, logHeadSK)
	if model.Is(err, model.NotFound) {
		return auditHead{}, nil
	}
	if err != nil {
		return auditHead{}, fmt.Errorf("%s: %w", op, err)
	}
	head, signature, err := decodeAuditHead(row.Value)
	if err != nil {
		return auditHead{}, fmt.Errorf("%s: %w", op, err)
	}
	key, err := s.auditKey(ctx)
	if err != nil {
		return auditHead{}, err
	}
	public, ok := key.Public().(ed25519.PublicKey)
	if !ok || !ed25519.Verify(public, head.signedText(), signature) {
		return auditHead{}, model.Errorf(model.Corrupt, op, "its signature is not this hub's")
	}
	head.version = row.Version
	return head, nil
}

func decodeAuditHead(value []byte) (auditHead, []byte, error) {
	var h auditHeadHeader
	if _, err := decodeHeader(value, auditSchema, &h); err != nil {
		return auditHead{}, nil, err
	}
	head := auditHead{N: h.N, At: h.At.Time()}
	if copy(head.Hash[:], h.Hash) != sha256.Size || h.Floor > 0 && len(h.FloorHash) != sha256.Size {
		return auditHead{}, nil, model.Errorf(model.Corrupt, "read audit checkpoint", "a hash is not one")
	}
	if h.Floor > 0 {
		head.Floor = auditFloor{h.Floor, [sha256.Size]byte(h.FloorHash)}
	}
	return head, h.Signature, nil
}

// adoptedHead is the checkpoint of a log that has none: of an empty one, or of
// one that was begun before there were checkpoints, or lost its own. The row
// that takes such a log up says so for ever.
func (s *Store) adoptedHead(ctx context.Context) (auditHead, error) {
	last, err := s.lastAudit(ctx)
	if err != nil {
		return auditHead{}, fmt.Errorf("read newest audit row: %w", err)
	}
	return auditHead{N: last.N, Hash: last.Hash, At: last.At}, nil
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
