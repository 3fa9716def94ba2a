package store

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/seal"
	"github.com/channelhub/channelhub/hub/storage/table"
)

// A row's value is one byte of schema version, the length of the header, the
// header as JSON, and the sealed body to the end.

// Milli is an instant in a header: Unix milliseconds, zero for none.
type Milli int64

// Millis returns t as it stands in headers.
func Millis(t time.Time) Milli {
	if t.IsZero() {
		return 0
	}
	return Milli(t.UnixMilli())
}

// Time returns the instant, the zero time for none.
func (m Milli) Time() time.Time {
	if m == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(m)).UTC()
}

// encodePlain makes the value of a row without a body.
func encodePlain(schema byte, header any) ([]byte, error) { return encodeHeader(schema, header, 0) }

// encodeHeader makes the first part of a row's value, with room for so many
// bytes behind it.
func encodeHeader(schema byte, header any, room int) ([]byte, error) {
	h, err := json.Marshal(header)
	if err != nil {
		return nil, model.Wrap(model.Internal, "encode row header", err)
	}
	value := make([]byte, 0, 1+binary.MaxVarintLen16+len(h)+room)
	value = append(value, schema)
	value = binary.AppendUvarint(value, uint64(len(h)))
	return append(value, h...), nil
}

// encode makes the value of a row whose body is sealed under the key, for
// exactly this place.
//
//nolint:unparam // every kind of row is still at its first schema version
func (c *Client) encode(ctx context.Context, pk, sk string, schema byte, key seal.KeyID, header, body any) ([]byte, error) {
	plain, err := json.Marshal(body)
	if err != nil {
		return nil, model.Wrap(model.Internal, "encode row body", err)
	}
	value, err := encodeHeader(schema, header, len(plain)+seal.Overhead)
	if err != nil {
		return nil, err
	}
	sealed, err := c.seal.Seal(ctx, key, seal.Place{PK: c.root + pk, SK: sk, Schema: schema, Beside: len(value)}, plain)
	if err != nil {
		return nil, err
	}
	return append(value, sealed...), nil
}

// decodeHeader reads the header into h and returns the sealed body.
//
//nolint:unparam // every kind of row is still at its first schema version
func decodeHeader(value []byte, schema byte, h any) (sealed []byte, err error) {
	if len(value) < 2 {
		return nil, model.Errorf(model.Corrupt, "decode row", "the row is too short")
	}
	if value[0] != schema {
		return nil, model.Errorf(model.Corrupt, "decode row", "schema version %d, want %d: the row was written by another version of the hub", value[0], schema)
	}
	n, used := binary.Uvarint(value[1:])
	if used <= 0 || n > uint64(len(value)-1-used) {
		return nil, model.Errorf(model.Corrupt, "decode row", "the header's length is wrong")
	}
	rest := value[1+used:]
	if err := json.Unmarshal(rest[:n], h); err != nil {
		return nil, model.Wrap(model.Corrupt, "decode row header", err)
	}
	return rest[n:], nil
}

// openBody opens a sealed body into b.
//
//nolint:unparam // every kind of row is still at its first schema version
func (c *Client) openBody(ctx context.Context, row table.Row, schema byte, key seal.KeyID, sealed []byte, b any) error {
	plain, err := c.seal.Open(ctx, key, seal.Place{PK: c.root + row.PK, SK: row.SK, Schema: schema}, sealed)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(plain, b); err != nil {
		// The cause could quote the body, which is content.
		return model.Errorf(model.Corrupt, "decode row body", "the body is not what its schema says")
	}
	return nil
}

// decodeToken64 reads a token that the hub gave out back. There is one spelling
// of it: package base64 would pass over line breaks.
func decodeToken64(token string) ([]byte, bool) {
	raw, err := base64.RawURLEncoding.DecodeString(token)
	return raw, err == nil && base64.RawURLEncoding.EncodeToString(raw) == token
}

// putOrFound writes the row if nothing is there. It returns the row that is
// there now and whether this call wrote it.
func putOrFound(ctx context.Context, rows table.Handle, pk, sk string, value []byte, expires time.Time) (table.Row, bool, error) {
	version, err := rows.Commit(ctx, table.Put(pk, sk, value).IfAbsent().ExpireAt(expires))
	return putAfter(version, err, pk, sk, value, expires)
}

// stepOrFound is putOrFound for a step on the way to a Commit: a row that is
// written is durable once that one is.
func stepOrFound(ctx context.Context, rows table.Handle, pk, sk string, value []byte, expires time.Time) (table.Row, bool, error) {
	version, err := step(ctx, rows, table.Put(pk, sk, value).IfAbsent().ExpireAt(expires))
	return putAfter(version, err, pk, sk, value, expires)
}

// step applies an op that a Commit follows: see table.Handle.CommitSteps.
func step(ctx context.Context, rows table.Handle, op table.Op) (table.Version, error) {
	versions, err := rows.CommitSteps(ctx, op)
	if err != nil {
		return table.Version{}, err
	}
	return versions[0], nil
}

func putAfter(version table.Version, err error, pk, sk string, value []byte, expires time.Time) (table.Row, bool, error) {
	if err == nil {
		return table.Row{PK: pk, SK: sk, Value: value, Version: version, Expires: expires}, true, nil
	}
	if found, ok := conflictOf(err); ok && found != nil {
		return *found, false, nil
	}
	return table.Row{}, false, err
}

// conflictOf returns the row that a failed condition found; false when err is
// not a failed condition.
func conflictOf(err error) (*table.Row, bool) {
	if c, ok := errors.AsType[*table.ConflictError](err); ok {
		return c.Found, true
	}
	return nil, false
}

// keyOf reads the key back from a sort key such as "e/0123…".
func keyOf(sk string) (model.Random16, error) {
	raw, err := hex.DecodeString(sk[2:])
	if err != nil || len(raw) != 16 {
		return model.Random16{}, model.Errorf(model.Corrupt, "read row", "a sort key is not what its partition holds")
	}
	return model.Random16(raw), nil
}
