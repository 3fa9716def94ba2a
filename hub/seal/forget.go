package seal

import (
	"context"
	"errors"
	"fmt"

	"github.com/channelhub/channelhub/hub/model"
)

// DestroyKeysets erases the client's keysets: no key and no record of the
// client opens again, whatever copy of it is left, once no process has the
// keysets cached. It comes last, and Sealer.Forget behind it.
func (c *Client) DestroyKeysets(ctx context.Context) error {
	var errs []error
	for _, name := range []string{sealKeyset, prfKeyset} {
		if err := c.store.Destroy(ctx, name); err != nil {
			errs = append(errs, fmt.Errorf("destroy keyset: %w", err))
		}
	}
	return errors.Join(errs...)
}

// Forget drops the client's keysets from memory. A client of that id that
// comes later has others.
func (s *Sealer) Forget(id model.ClientID) { s.keysets.Invalidate(id) }
