package table

import (
	"context"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/internal/retry"
)

// try repeats call as the ports do, and tells of a store that does not let the
// hub in: no caller of the hub's is to blame for that or could mend it, and
// what it asked for may succeed once the operator has. To everybody above it is
// an outage. The store's own code stays in the chain, for who looks after the
// store.
func try(ctx context.Context, call func() error) error {
	err := retry.Do(ctx, call)
	if model.Is(err, model.Denied) {
		return &model.Error{Code: model.Unavailable, Op: "reach the store", Detail: "the store refuses the hub's own role", Err: err}
	}
	return err
}
