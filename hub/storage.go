package hub

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/hashicorp/go-hclog"

	"github.com/channelhub/channelhub/hub/config"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/keys"
	"github.com/channelhub/channelhub/hub/storage/keys/localkeys"
	"github.com/channelhub/channelhub/hub/storage/logsink"
	"github.com/channelhub/channelhub/hub/storage/logsink/stderrsink"
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

func openStorage(cfg *config.Config, metrics *telemetry.Metrics, log hclog.Logger) (*storage, error) {
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
	ring, err := localkeys.Open(filepath.Join(cfg.DataDir, "keyring.json"), &localkeys.Options{MustExist: existed})
	if err != nil {
		return nil, errors.Join(err, s.table.Close())
	}
	s.keys = keys.New(ring)
	return s, nil
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

func (h *Hub) openLog() {
	h.metrics = telemetry.New(h.version)
	w := h.opts.LogTo
	if w == nil {
		w = io.Writer(os.Stderr)
	}
	h.sink = logsink.New(stderrsink.New(w), &logsink.Options{OnDrop: h.metrics.LogDropped})
	h.log = telemetry.NewLogger(h.sink, &telemetry.LoggerOptions{Level: hclog.LevelFromString(h.opts.Config.Logging.Level)})
}
