package hub

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/channelhub/channelhub/hub/config"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/keys"
	"github.com/channelhub/channelhub/hub/storage/keys/localkeys"
	"github.com/channelhub/channelhub/hub/storage/table"
	"github.com/channelhub/channelhub/hub/storage/table/pebbletable"
	"github.com/channelhub/channelhub/hub/telemetry"
)

// storage is the ports with the drivers that configuration names.
type storage struct {
	table  *table.Table
	keys   *keys.Keys
	pebble *pebbletable.Store
}

func (h *Hub) openStorage(ctx context.Context) (*storage, error) {
	cfg, metrics, log := h.opts.Config, h.metrics, h.log
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("make data directory: %w", err)
	}
	rows := filepath.Join(cfg.DataDir, "table")
	_, err := os.Stat(rows)
	existed := err == nil
	s := &storage{}
	s.pebble, err = pebbletable.Open(rows, &pebbletable.Options{
		OnTrouble: func(err error) { log.Warn("the embedded table had trouble and goes on", "error", err) },
	})
	if err != nil {
		return nil, err
	}
	s.table = table.New(s.pebble, &table.Options{OnCost: costs(metrics)})
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
		return keys.New(root), nil
	}
	ring, err := localkeys.Open(filepath.Join(cfg.DataDir, "keyring.json"), &localkeys.Options{MustExist: existed})
	if err != nil {
		return nil, err
	}
	return keys.New(ring), nil
}

// costs reports what the table's calls consume.
func costs(metrics *telemetry.Metrics) func(table.Cost) {
	return func(c table.Cost) {
		root := telemetry.RootClient
		if c.Client == "" {
			root = telemetry.RootHub
		}
		metrics.WriteUnits(root, c.WriteUnits)
		if c.Call == "commit" {
			metrics.Committed(string(model.CodeOf(c.Err)), c.Took)
		}
	}
}

func (s *storage) failed() <-chan struct{} { return s.pebble.Failed() }

func (s *storage) err() error { return s.pebble.Err() }

func (s *storage) close() error { return errors.Join(s.table.Close(), s.keys.Close()) }
