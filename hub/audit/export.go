package audit

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
)

// An export is JSON, one object a line: first the checkpoint, then every row
// that it knows, in order.

const exportFormat = "channelhub audit export 1"

// checkpointLine is the first line of an export.
type checkpointLine struct {
	Format    string     `json:"format"`
	Exported  model.Time `json:"exported_at"`
	Head      uint64     `json:"head"`
	Hash      string     `json:"hash"`
	At        model.Time `json:"at"`
	Floor     uint64     `json:"floor,omitempty"`
	FloorHash string     `json:"floor_hash,omitempty"`
	Signature []byte     `json:"signature"`
	PublicKey string     `json:"public_key"`
}

// rowLine is a row: what it says, and the bytes that its hash is of. A row
// that cannot be read has its bytes alone.
type rowLine struct {
	N uint64 `json:"n"`
	*said
	Value []byte `json:"value"`
}

// said is what a row says.
type said struct {
	At        model.Time  `json:"at"`
	Actor     string      `json:"actor"`
	Role      string      `json:"role"`
	Action    string      `json:"action"`
	Subject   string      `json:"subject"`
	Outcome   string      `json:"outcome"`
	RequestID string      `json:"request_id,omitempty"`
	Count     uint64      `json:"count,omitempty"`
	Since     *model.Time `json:"since,omitempty"`
	Prev      string      `json:"prev"`
	Hash      string      `json:"hash"`
}

func saidBy(r store.AuditRow) *said {
	s := &said{
		At: model.At(r.At), Actor: r.Actor, Role: r.Role, Action: r.Action, Subject: r.Subject, Outcome: r.Outcome,
		RequestID: r.RequestID, Count: r.Count, Prev: hex.EncodeToString(r.Prev[:]), Hash: hex.EncodeToString(r.Hash[:]),
	}
	if !r.Since.IsZero() {
		since := model.At(r.Since)
		s.Since = &since
	}
	return s
}

// Source is the log as an export reads it.
type Source interface {
	AuditCheckpoint(ctx context.Context) (store.AuditCheckpoint, error)
	WalkAudit(ctx context.Context, from, to uint64, each func(store.StoredAudit) error) error
}

// Export writes the whole log as of its beginning. It holds one page of rows.
// Begun is called once the checkpoint is read, before the first byte: an error
// until then is the log's own.
func Export(ctx context.Context, src Source, now model.Time, w io.Writer, begun func()) error {
	c, err := src.AuditCheckpoint(ctx)
	if err != nil {
		return err
	}
	begun()
	buf := bufio.NewWriterSize(w, 64<<10)
	out := json.NewEncoder(buf)
	line := checkpointLine{
		Format: exportFormat, Exported: now, Head: c.N, Hash: hex.EncodeToString(c.Hash[:]), At: model.At(c.At),
		Signature: c.Signature, PublicKey: hex.EncodeToString(c.PublicKey),
	}
	if c.Floor > 0 {
		line.Floor, line.FloorHash = c.Floor, hex.EncodeToString(c.FloorHash[:])
	}
	if err := out.Encode(line); err != nil {
		return fmt.Errorf("export audit log: %w", err)
	}
	err = src.WalkAudit(ctx, c.Floor+1, c.N, func(row store.StoredAudit) error {
		l := rowLine{N: row.N, Value: row.Value}
		if row.Err == nil {
			l.said = saidBy(row.Row)
		}
		return out.Encode(l)
	})
	if err == nil {
		err = buf.Flush()
	}
	if err != nil {
		return fmt.Errorf("export audit log: %w", err)
	}
	return nil
}

// maxLine bounds a line of an export that is read.
const maxLine = 1 << 20

// VerifyExport judges an export without the hub. What an error returns is that
// it is no export at all, or could not be read.
func VerifyExport(r io.Reader) (store.AuditReport, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	if !lines.Scan() {
		return store.AuditReport{}, notExport(lines.Err())
	}
	var first checkpointLine
	if err := json.Unmarshal(lines.Bytes(), &first); err != nil || first.Format != exportFormat {
		return store.AuditReport{}, notExport(err)
	}
	c, err := first.checkpoint()
	if err != nil {
		return store.AuditReport{}, err
	}
	return store.VerifyAuditCopy(c, inPlace(c.Floor+1, rowsOf(lines)))
}

func notExport(err error) error {
	return model.Errorf(model.Invalid, "read export", "this is no export of an audit log (%v)", errors.Join(err, errors.New("the first line names "+exportFormat)))
}

func (l checkpointLine) checkpoint() (store.AuditCheckpoint, error) {
	c := store.AuditCheckpoint{N: l.Head, At: l.At.Time, Floor: l.Floor, Signature: l.Signature}
	for _, h := range []struct {
		from string
		to   []byte
	}{{l.Hash, c.Hash[:]}, {l.FloorHash, c.FloorHash[:]}} {
		if h.from == "" {
			continue
		}
		raw, err := hex.DecodeString(h.from)
		if err != nil || copy(h.to, raw) != sha256.Size || len(raw) != sha256.Size {
			return c, model.Errorf(model.Invalid, "read export", "a hash of the checkpoint is not one")
		}
	}
	key, err := hex.DecodeString(l.PublicKey)
	if err != nil {
		return c, model.Errorf(model.Invalid, "read export", "the public key is not in hex")
	}
	c.PublicKey = ed25519.PublicKey(key)
	return c, nil
}

// rowsOf reads the lines behind the first.
func rowsOf(lines *bufio.Scanner) iter.Seq2[store.StoredAudit, error] {
	return func(yield func(store.StoredAudit, error) bool) {
		for lines.Scan() {
			if !yield(rowOf(lines.Bytes()), nil) {
				return
			}
		}
		if err := lines.Err(); err != nil {
			yield(store.StoredAudit{}, fmt.Errorf("read export: %w", err))
		}
	}
}

// rowOf reads a line. What it shows has to be what its bytes say: the hash is
// of those alone.
func rowOf(line []byte) store.StoredAudit {
	l := rowLine{said: &said{}}
	if err := json.Unmarshal(line, &l); err != nil {
		return store.StoredAudit{N: l.N, Value: l.Value, Err: model.Wrap(model.Corrupt, "read line", err)}
	}
	row := store.DecodeAudit(l.N, l.Value)
	if row.Err != nil {
		return row
	}
	if !l.same(*saidBy(row.Row)) {
		row.Err = model.Errorf(model.Corrupt, "read line", "it shows something else than was recorded")
	}
	return row
}

// same reports whether two rows say the same.
func (s said) same(o said) bool {
	if !s.At.Equal(o.At.Time) || (s.Since == nil) != (o.Since == nil) || s.Since != nil && !s.Since.Equal(o.Since.Time) {
		return false
	}
	s.At, s.Since, o.At, o.Since = model.Time{}, nil, model.Time{}, nil
	return s == o
}

// inPlace gives each row the number of the place that it stands in. A row that
// is not the next one was put there when the next but one follows; otherwise
// rows before it are missing.
func inPlace(next uint64, rows iter.Seq2[store.StoredAudit, error]) iter.Seq2[store.StoredAudit, error] {
	return func(yield func(store.StoredAudit, error) bool) {
		pull, stop := iter.Pull2(rows)
		defer stop()
		row, err, ok := pull()
		for ok {
			if err != nil {
				yield(row, err)
				return
			}
			follow, ferr, more := pull()
			if row.N != next && more && ferr == nil && follow.N == next+1 {
				row.N, row.Err = next, model.Errorf(model.Corrupt, "read line", "another row stands in its place")
			}
			if !yield(row, nil) {
				return
			}
			next = max(next, row.N+1)
			row, err, ok = follow, ferr, more
		}
	}
}
