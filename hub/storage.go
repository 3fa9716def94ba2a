package hub

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/channelhub/channelhub/hub/audit"
	"github.com/channelhub/channelhub/hub/config"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/keys"
	"github.com/channelhub/channelhub/hub/storage/keys/localkeys"
	"github.com/channelhub/channelhub/hub/storage/keyslots"
	"github.com/channelhub/channelhub/hub/storage/table"
	"github.com/channelhub/channelhub/hub/store"
)

// contactKeys is the file in the data directory where the keys of contacts lie
// beside the embedded table.
const contactKeys = "contact-keys"

// storage is the ports with the drivers that configuration names.
type storage struct {
	table  *table.Table
	keys   *keys.Keys
	slots  *keyslots.File // nil: contact keys are rows
	broken []breakable    // what can break for good
	made   string         // the directory of a table that this start made, until its parts match
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
	if cfg.Storage.Table.Driver != config.DriverDynamoDB {
		if s.slots, err = keyslots.Open(filepath.Join(cfg.DataDir, contactKeys)); err != nil {
			return nil, errors.Join(err, s.close())
		}
		s.broken = append(s.broken, s.slots)
		if n := s.slots.Damaged(); n > 0 {
			h.log.Warn("slots of contact keys are damaged: what was sealed under them does not open", "path", s.slots.Path(), "slots", n)
		}
	}
	return s, nil
}

// openStore makes the store, and sees that its parts belong together.
func (h *Hub) openStore(ctx context.Context) error {
	opts := &store.Options{OnFeed: h.metrics.FeedAppended, MarkLife: h.markLife}
	if h.storage.slots != nil {
		opts.Slots = h.storage.slots
	}
	h.store = store.New(h.storage.table, audit.CountKeys(h.storage.keys, h.counts), opts)
	slots := h.storage.slots
	if slots == nil {
		return nil
	}
	err := h.store.MatchKeySlots(ctx, slots.Fresh())
	if err == nil {
		h.storage.made = ""
		return nil
	}
	if model.Is(err, model.Corrupt) {
		return fmt.Errorf("%s: %w", h.opts.Config.DataDir, err)
	}
	if slots.Fresh() {
		err = errors.Join(err, os.Remove(slots.Path())) // empty, and in the way of the right one
	}
	return fmt.Errorf("%s: %w", slots.Path(), err)
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

// failed tells once of what has broken for good. It watches until ctx ends.
func (s *storage) failed(ctx context.Context) <-chan error {
	out := make(chan error, len(s.broken))
	for _, b := range s.broken {
		go func() {
			select {
			case <-b.Failed():
				out <- b.Err()
			case <-ctx.Done():
			}
		}()
	}
	return out
}

func (s *storage) close() error {
	errs := []error{s.table.Close()}
	if s.made != "" {
		errs = append(errs, os.RemoveAll(s.made)) // empty, and in the way of the right one
	}
	if s.slots != nil {
		errs = append(errs, s.slots.Close())
	}
	if s.keys != nil {
		errs = append(errs, s.keys.Close())
	}
	return errors.Join(errs...)
}
