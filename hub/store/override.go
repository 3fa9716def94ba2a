package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table"
)

const (
	overrideSchema = 1
	overridePK     = "override"
)

// OverrideKind says what an override switches off.
type OverrideKind string

// The kinds of override.
const (
	PluginOff  OverrideKind = "plugin"  // the connector is kept away
	AccountOff OverrideKind = "account" // the account is paused
)

// Override is an operator's word against the configuration: while the row is
// there, what it names is switched off. Lifting it deletes the row.
type Override struct {
	Kind OverrideKind
	ID   string // of the plugin or account
	By   string // id of the token that set it
	At   time.Time

	version table.Version
}

type overrideHeader struct {
	By string `json:"t"`
	At Milli  `json:"c"`
}

func overrideSK(kind OverrideKind, id string) string { return string(kind) + "/" + id }

// Override returns the override of a plugin or account; false when there is
// none.
func (s *Store) Override(ctx context.Context, kind OverrideKind, id string) (Override, bool, error) {
	row, err := s.table.Hub().Get(ctx, overridePK, overrideSK(kind, id))
	if model.Is(err, model.NotFound) {
		return Override{}, false, nil
	}
	if err != nil {
		return Override{}, false, fmt.Errorf("read override: %w", err)
	}
	o, err := decodeOverride(row)
	return o, err == nil, err
}

// Overrides returns every override, by kind and id.
func (s *Store) Overrides(ctx context.Context) ([]Override, error) {
	var out []Override
	q := table.Query{PK: overridePK, Limit: 500}
	for {
		page, err := s.table.Hub().Query(ctx, q)
		if err != nil {
			return nil, fmt.Errorf("read overrides: %w", err)
		}
		for _, row := range page.Rows {
			o, err := decodeOverride(row)
			if err != nil {
				return nil, err
			}
			out = append(out, o)
			q.After = row.SK
		}
		if !page.More {
			return out, nil
		}
	}
}

// SetOverride writes the override with the audit row of the act. An override
// that is there already stays as it is, and nothing is written.
func (s *Store) SetOverride(ctx context.Context, kind OverrideKind, id string, act Act) error {
	value, err := encodePlain(overrideSchema, overrideHeader{By: act.Actor, At: Millis(s.now())})
	if err != nil {
		return err
	}
	err = s.audited(ctx, act, table.Put(overridePK, overrideSK(kind, id), value).IfAbsent())
	if _, there := conflictOf(err); there {
		return nil
	}
	if err != nil {
		return fmt.Errorf("write override: %w", err)
	}
	return nil
}

// LiftOverride deletes the override with the audit row of the act, if it still
// is the one that was read; otherwise model.Conflicting.
func (s *Store) LiftOverride(ctx context.Context, o Override, act Act) error {
	err := s.audited(ctx, act, table.Delete(overridePK, overrideSK(o.Kind, o.ID)).IfVersion(o.version))
	if _, changed := conflictOf(err); changed {
		return model.Errorf(model.Conflicting, "lift override", "the override was changed at the same time")
	}
	if err != nil {
		return fmt.Errorf("lift override: %w", err)
	}
	return nil
}

func decodeOverride(row table.Row) (Override, error) {
	var h overrideHeader
	if _, err := decodeHeader(row.Value, overrideSchema, &h); err != nil {
		return Override{}, fmt.Errorf("read override: %w", err)
	}
	kind, id, ok := strings.Cut(row.SK, "/")
	if !ok {
		return Override{}, model.Errorf(model.Corrupt, "read override", "a key is a kind and an id")
	}
	return Override{Kind: OverrideKind(kind), ID: id, By: h.By, At: h.At.Time(), version: row.Version}, nil
}
