package hub

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/channelhub/channelhub/hub/config"
	"github.com/channelhub/channelhub/hub/storage/keys"
	"github.com/channelhub/channelhub/hub/storage/keys/localkeys"
	"github.com/channelhub/channelhub/hub/storage/table"
)

// storage is the ports with the drivers that configuration names.
type storage struct {
	table  *table.Table
	keys   *keys.Keys
	broken breakable // nil: the table's driver cannot break for good
}

func (h *Hub) openStorage(ctx context.Context) (*storage, error) {
	cfg := h.opts.Config
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("make data directory: %w", err)
	}
	s := &storage{}
	existed, err := h.openTable(ctx, s)
	if err != nil {
		return nil, err
	}
	if s.keys, err = h.openKeys(ctx, existed); err != nil {
		return nil, errors.Join(err, s.table.Close())
	}
	return s, nil
}

// openKeys opens the root keys. A table that holds data already must find the
// ones it was sealed under.
func (h *Hub) openKeys(ctx context.Context, existed bool) (*keys.Keys, error) {
	cfg := h.opts.Config
	if cfg.Storage.Keys.Driver == config.DriverKMS {
		root, err := h.openKMS(ctx)
		if err != nil {
			return nil, err
		}
		return keys.New(keys.Counted(root, h.metrics.KeysAsked)), nil
	}
	ring, err := localkeys.Open(filepath.Join(cfg.DataDir, "keyring.json"), &localkeys.Options{MustExist: existed})
	if err != nil {
		return nil, err
	}
	return keys.New(keys.Counted(ring, h.metrics.KeysAsked)), nil
}

// failed is closed once the table's driver has broken for good.
func (s *storage) failed() <-chan struct{} {
	if s.broken == nil {
		return nil
	}
	return s.broken.Failed()
}

func (s *storage) err() error {
	if s.broken == nil {
		return nil
	}
	return s.broken.Err()
}

func (s *storage) close() error { return errors.Join(s.table.Close(), s.keys.Close()) }
