package access

import (
	"context"
	"slices"

	"github.com/channelhub/channelhub/hub/model"
)

// Consumers returns the names that a client's tokens acknowledge under, those
// of revoked and expired tokens left out.
func (t *Tokens) Consumers(ctx context.Context, client model.ClientID) ([]string, error) {
	rows, err := t.store.Tokens(ctx)
	if err != nil {
		return nil, err
	}
	revoked := map[string]bool{}
	names := map[string]bool{}
	for _, row := range rows {
		over := !row.Revoked.IsZero() || !row.Expires.IsZero() && !t.now().Before(row.Expires)
		switch {
		case over:
			revoked[row.ID] = true
		case row.Client == client && len(row.Hash) > 0:
			names[row.Consumer] = true
		}
	}
	for _, p := range t.Configured() {
		if p.Client == client && !revoked[p.Token] {
			names[p.Consumer] = true
		}
	}
	out := make([]string, 0, len(names))
	for name := range names {
		out = append(out, name)
	}
	slices.Sort(out)
	return out, nil
}
