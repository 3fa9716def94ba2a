package store

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table"
)

const (
	descriptorSchema = 1
	descriptorPK     = "plugin"
)

// PutDescriptor keeps what a connector says of itself, as JSON, so that the
// next process knows its routes before it runs. It holds nothing of anybody
// and lies in clear.
func (s *Store) PutDescriptor(ctx context.Context, id model.PluginID, desc json.RawMessage) error {
	value, err := encodePlain(descriptorSchema, desc)
	if err != nil {
		return err
	}
	if _, err := s.table.Hub().Commit(ctx, table.Put(descriptorPK, string(id), value)); err != nil {
		return fmt.Errorf("write descriptor: %w", err)
	}
	return nil
}

// Descriptors returns what was kept, by connector.
func (s *Store) Descriptors(ctx context.Context) (map[model.PluginID]json.RawMessage, error) {
	out := map[model.PluginID]json.RawMessage{}
	for q := (table.Query{PK: descriptorPK, Limit: 100}); ; {
		page, err := s.table.Hub().Query(ctx, q)
		if err != nil {
			return nil, fmt.Errorf("read descriptors: %w", err)
		}
		for _, row := range page.Rows {
			var desc json.RawMessage
			if _, err := decodeHeader(row.Value, descriptorSchema, &desc); err != nil {
				return nil, fmt.Errorf("read descriptor: %w", err)
			}
			out[model.PluginID(row.SK)] = desc
			q.After = row.SK
		}
		if !page.More {
			return out, nil
		}
	}
}
