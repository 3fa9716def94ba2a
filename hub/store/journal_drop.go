package store

import (
	"context"
	"fmt"

	"github.com/channelhub/channelhub/hub/storage/table"
)

// Drop removes a journal with all that waits in it, for an account that is
// gone: nobody may append to it any more, nor use it afterwards.
func (js *Journals) Drop(ctx context.Context, j *Journal) error {
	if _, err := drop(ctx, js.rows, j.pk, "", "", nil); err != nil {
		return err
	}
	if _, err := js.rows.Commit(ctx, table.Delete(journalHeadPK, j.Route.String())); err != nil {
		return fmt.Errorf("delete journal head: %w", err)
	}
	js.mu.Lock()
	defer js.mu.Unlock()
	if js.routes[j.Route] == j {
		delete(js.routes, j.Route)
	}
	return nil
}
