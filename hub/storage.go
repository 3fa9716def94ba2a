package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/hashicorp/go-hclog"

	"github.com/channelhub/channelhub/hub/storage/keys"
	"github.com/channelhub/channelhub/hub/storage/keys/localkeys"
	"github.com/channelhub/channelhub/hub/storage/logsink"
	"github.com/channelhub/channelhub/hub/storage/logsink/stderrsink"
	"github.com/channelhub/channelhub/hub/storage/table"
	"github.com/channelhub/channelhub/hub/telemetry"
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
	ring, err := localkeys.Open(filepath.Join(cfg.DataDir, "keyring.json"), &localkeys.Options{MustExist: existed})
	if err != nil {
		return nil, errors.Join(err, s.table.Close())
	}
	s.keys = keys.New(ring)
	return s, nil
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

func (h *Hub) openLog() {
	h.metrics = telemetry.New(h.version)
	w := h.opts.LogTo
	if w == nil {
		w = io.Writer(os.Stderr)
	}
	h.sink = logsink.New(stderrsink.New(w), &logsink.Options{OnDrop: h.metrics.LogDropped})
	h.log = telemetry.NewLogger(h.sink, &telemetry.LoggerOptions{Level: hclog.LevelFromString(h.opts.Config.Logging.Level)})
}
