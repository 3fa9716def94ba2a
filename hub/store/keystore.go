package store

import (
	"context"
	"fmt"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/seal"
	"github.com/channelhub/channelhub/hub/storage/table"
)

// keyRows keeps wrapped keys as rows of their client, the hub's own under
// "h/". It implements seal.KeyStore.
type keyRows struct{ rows table.Handle }

func (s *Store) keyStore(client model.ClientID) seal.KeyStore {
	if client == "" {
		return keyRows{s.table.Hub()}
	}
	return keyRows{s.table.For(client)}
}

const (
	keySchema = 1
	keySK     = "key"
)

// keyHeader is the whole row: what it holds is sealed already.
type keyHeader struct {
	Wrapped []byte `json:"w"`
}

func keyPK(name string) string { return "k/" + name }

func (k keyRows) Load(ctx context.Context, name string) ([]byte, error) {
	row, err := k.rows.Get(ctx, keyPK(name), keySK)
	if err != nil {
		return nil, fmt.Errorf("read wrapped key: %w", err)
	}
	return wrappedOf(row)
}

func (k keyRows) Create(ctx context.Context, name string, wrapped []byte) ([]byte, error) {
	value, err := encodePlain(keySchema, keyHeader{Wrapped: wrapped})
	if err != nil {
		return nil, err
	}
	row, _, err := putOrFound(ctx, k.rows, keyPK(name), keySK, value, time.Time{})
	if err != nil {
		return nil, fmt.Errorf("write wrapped key: %w", err)
	}
	return wrappedOf(row)
}

func (k keyRows) Destroy(ctx context.Context, name string) error {
	if _, err := k.rows.Commit(ctx, table.Delete(keyPK(name), keySK)); err != nil {
		return fmt.Errorf("delete wrapped key: %w", err)
	}
	return nil
}

func wrappedOf(row table.Row) ([]byte, error) {
	var h keyHeader
	if _, err := decodeHeader(row.Value, keySchema, &h); err != nil {
		return nil, fmt.Errorf("read wrapped key: %w", err)
	}
	return h.Wrapped, nil
}
