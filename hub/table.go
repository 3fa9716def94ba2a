package hub

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/channelhub/channelhub/hub/config"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table"
	"github.com/channelhub/channelhub/hub/storage/table/dynamotable"
	"github.com/channelhub/channelhub/hub/storage/table/pebbletable"
	"github.com/channelhub/channelhub/hub/telemetry"
)

// openTable opens the driver that configuration names. existed tells whether
// the embedded table was there before.
func (h *Hub) openTable(ctx context.Context, s *storage) (existed bool, err error) {
	opts := &table.Options{OnCost: costs(h.metrics)}
	cfg := h.opts.Config
	if cfg.Storage.Table.Driver == config.DriverDynamoDB {
		rows, err := h.openDynamoDB(ctx)
		if err != nil {
			return false, err
		}
		s.table = table.New(rows, opts)
		return false, nil
	}
	rows := filepath.Join(cfg.DataDir, "table")
	_, absent := os.Stat(rows)
	existed = absent == nil
	embedded, err := pebbletable.Open(rows, &pebbletable.Options{
		OnTrouble: func(err error) { h.log.Warn("the embedded table had trouble and goes on", "error", err) },
	})
	if err != nil {
		return existed, err
	}
	if errors.Is(absent, fs.ErrNotExist) {
		s.made = rows
	}
	s.table, s.broken = table.New(embedded, opts), append(s.broken, embedded)
	return existed, nil
}

// openDynamoDB opens the table of the fleet. Each client's rows are reached
// with credentials of that client, if the operator has set up a role for it.
func (h *Hub) openDynamoDB(ctx context.Context) (*dynamotable.Store, error) {
	shared, err := h.loadAWS(ctx)
	if err != nil {
		return nil, err
	}
	settings := h.opts.Config.Storage.Table.DynamoDB
	rows, err := dynamotable.Open(ctx, shared.Config(), &dynamotable.Options{
		Table: settings.Table, Endpoint: settings.Endpoint, Clients: shared,
	})
	if err != nil {
		return nil, tableTrouble(settings.Endpoint, shared.Region(), err)
	}
	for _, f := range rows.Found() {
		if f.State == dynamotable.Warned {
			h.log.Warn("the DynamoDB table is not as it should be", "check", f.Name, "found", f.Detail, "mend", f.Mend)
		}
	}
	return rows, nil
}

// tableTrouble says where the table was looked for, and what to do about it. A
// hub without its table could take nothing in, so it ends instead of waiting;
// whoever supervises it starts it again.
func tableTrouble(endpoint, region string, err error) error {
	if endpoint == "" {
		endpoint = "https://dynamodb." + region + ".amazonaws.com"
	}
	if e, ok := errors.AsType[*model.Error](err); ok && e.Detail != "" { // of a table that was found, with its mend
		return fmt.Errorf("storage.table at %s: %w", endpoint, err)
	}
	return fmt.Errorf("storage.table at %s: %w; %s", endpoint, err, mendOf("dynamodb:DescribeTable and dynamodb:DescribeTimeToLive", err))
}

// breakable is a driver that can break for good: its process must end. One
// whose store is elsewhere never does; its calls fail, and then work again.
type breakable interface {
	Failed() <-chan struct{}
	Err() error
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
