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

// KeySlots keeps wrapped contact keys where a destroyed one leaves the disk at
// once. It is safe for concurrent use.
type KeySlots interface {
	// ID names the place where they are kept.
	ID() string
	// Used reports whether a key was ever kept there.
	Used() bool
	// Load returns a wrapped key, or model.NotFound.
	Load(client model.ClientID, key string) ([]byte, error)
	// Create keeps a wrapped key unless one is there, and returns what is there
	// now.
	Create(client model.ClientID, key string, wrapped []byte) ([]byte, error)
	// Destroy makes a key unrecoverable; an absent one is fine.
	Destroy(client model.ClientID, key string) error
}

func (s *Store) keyStore(client model.ClientID) seal.KeyStore {
	if client == "" {
		return keyRows{s.table.Hub()}
	}
	rows := keyRows{s.table.For(client)}
	if s.slots == nil {
		return rows
	}
	return slotKeys{rows, s.slots, client}
}

// slotKeys keeps the keys of contacts in slots and all others as rows.
type slotKeys struct {
	keyRows
	slots  KeySlots
	client model.ClientID
}

func ofContact(name string) bool { return model.ContactID(name).Valid() }

func (k slotKeys) Load(ctx context.Context, name string) ([]byte, error) {
	if !ofContact(name) {
		return k.keyRows.Load(ctx, name)
	}
	wrapped, err := k.slots.Load(k.client, name)
	if model.Is(err, model.NotFound) {
		// An older hub kept them all as rows.
		return k.keyRows.Load(ctx, name)
	}
	return wrapped, err
}

func (k slotKeys) Create(ctx context.Context, name string, wrapped []byte) ([]byte, error) {
	if !ofContact(name) {
		return k.keyRows.Create(ctx, name, wrapped)
	}
	found, err := k.Load(ctx, name)
	if model.Is(err, model.NotFound) {
		return k.slots.Create(k.client, name, wrapped)
	}
	return found, err
}

func (k slotKeys) Destroy(ctx context.Context, name string) error {
	if ofContact(name) {
		if err := k.slots.Destroy(k.client, name); err != nil {
			return err
		}
	}
	return k.keyRows.Destroy(ctx, name)
}

type slotsHeader struct {
	ID string `json:"i"`
}

// MatchKeySlots holds the place of the contact keys against the one that the
// table knows, which is noted at its first use. Fresh says that the place was
// made just now.
func (s *Store) MatchKeySlots(ctx context.Context, fresh bool) error {
	const op, schema = "match contact keys", 1
	if s.slots == nil {
		return nil
	}
	value, err := encodePlain(schema, slotsHeader{ID: s.slots.ID()})
	if err != nil {
		return err
	}
	rows := s.table.Hub()
	if s.slots.Used() {
		if _, err := rows.Get(ctx, "meta", "contact-keys"); model.Is(err, model.NotFound) {
			return model.Errorf(model.Corrupt, op, "the table is missing, and there are contact keys of what it held: restore the data directory from a backup, or move all of it away to start empty")
		}
	}
	row, _, err := putOrFound(ctx, rows, "meta", "contact-keys", value, time.Time{})
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	var h slotsHeader
	if _, err := decodeHeader(row.Value, schema, &h); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	switch {
	case h.ID == s.slots.ID():
		return nil
	case fresh:
		return model.Errorf(model.NotFound, op, "the contact keys are missing, and the table beside them holds data sealed under them: put them back from your copy")
	default:
		return model.Errorf(model.Conflicting, op, "the contact keys belong to another table: put back table and keys from one copy")
	}
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
