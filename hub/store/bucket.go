package store

import (
	"context"
	"fmt"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table"
)

const (
	bucketSchema = 1
	bucketPK     = "bucket"
)

// Bucket is where a client's attachments are, in a store that keeps each
// client's in a bucket of its own.
type Bucket struct {
	Name   string `json:"b"`
	Owner  string `json:"o"` // account that owns it
	Region string `json:"r"`
	KeyID  string `json:"k"` // that the store encrypts under
}

// Bucket returns what is noted of a client's bucket, or model.NotFound.
func (s *Store) Bucket(ctx context.Context, client model.ClientID) (Bucket, error) {
	row, err := s.table.Hub().Get(ctx, bucketPK, string(client))
	if err != nil {
		return Bucket{}, fmt.Errorf("read bucket row: %w", err)
	}
	var b Bucket
	if _, err := decodeHeader(row.Value, bucketSchema, &b); err != nil {
		return Bucket{}, fmt.Errorf("read bucket row: %w", err)
	}
	return b, nil
}

// NoteBucket notes a client's bucket, with the audit row of the act. One that
// is noted already stays, and nothing is written; a different one is
// model.Conflicting.
func (s *Store) NoteBucket(ctx context.Context, client model.ClientID, b Bucket, act Act) error {
	value, err := encodePlain(bucketSchema, b)
	if err != nil {
		return err
	}
	err = s.audited(ctx, act, table.Put(bucketPK, string(client), value).IfAbsent())
	if _, there := conflictOf(err); !there {
		if err != nil {
			return fmt.Errorf("note bucket: %w", err)
		}
		return nil
	}
	has, err := s.Bucket(ctx, client)
	if err != nil {
		return err
	}
	if has != b {
		return model.Errorf(model.Conflicting, "note bucket", "another bucket of this client is noted")
	}
	return nil
}

// ChangeBucketKey notes another key that a client's bucket encrypts under, with
// the audit row of the act, and returns the note. The key that is noted already
// writes nothing.
func (s *Store) ChangeBucketKey(ctx context.Context, client model.ClientID, keyID string, act Act) (Bucket, error) {
	row, err := s.table.Hub().Get(ctx, bucketPK, string(client))
	if err != nil {
		return Bucket{}, fmt.Errorf("read bucket row: %w", err)
	}
	var b Bucket
	if _, err := decodeHeader(row.Value, bucketSchema, &b); err != nil {
		return b, fmt.Errorf("read bucket row: %w", err)
	}
	if b.KeyID == keyID {
		return b, nil
	}
	b.KeyID = keyID
	value, err := encodePlain(bucketSchema, b)
	if err != nil {
		return b, err
	}
	err = s.audited(ctx, act, table.Put(bucketPK, string(client), value).IfVersion(row.Version))
	if _, changed := conflictOf(err); changed {
		return b, model.Errorf(model.Conflicting, "note key of bucket", "the note was changed at the same time: do it again")
	}
	if err != nil {
		return b, fmt.Errorf("note key of bucket: %w", err)
	}
	return b, nil
}

// ForgetBucket removes the note, with the audit row of the act. That there is
// none is no error, and writes nothing.
func (s *Store) ForgetBucket(ctx context.Context, client model.ClientID, act Act) error {
	row, err := s.table.Hub().Get(ctx, bucketPK, string(client))
	if model.Is(err, model.NotFound) {
		return nil
	}
	if err == nil {
		err = s.audited(ctx, act, table.Delete(bucketPK, string(client)).IfVersion(row.Version))
	}
	if err != nil {
		return fmt.Errorf("forget bucket: %w", err)
	}
	return nil
}
