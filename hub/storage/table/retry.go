package table

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/channelhub/channelhub/hub/model"
)

// The pace of retries: full jitter under a bound that doubles.
const (
	firstRetry = 10 * time.Millisecond
	maxRetry   = time.Second
	// retryBudget ends the retries of a call whose context has no deadline: a
	// caller that set none still wants an answer.
	retryBudget = 3 * time.Second
)

// retry runs call until it succeeds, fails for good, or time is up: the
// deadline of the context, or else retryBudget. Then it returns the last
// error, with model.Unavailable when the context has ended.
func retry(ctx context.Context, call func() error) error {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(retryBudget)
	}
	for bound := firstRetry; ; bound = min(2*bound, maxRetry) {
		err := call()
		if model.Is(err, model.Denied) {
			return refused(err)
		}
		if !model.Is(err, model.Throttled) && !model.Is(err, model.Unavailable) {
			return err
		}
		pause := rand.N(bound) + 1
		if e, ok := errors.AsType[*model.Error](err); ok {
			pause = max(pause, e.RetryAfter)
		}
		if ctx.Err() == nil && time.Until(deadline) <= pause {
			return err
		}
		if ended := sleep(ctx, pause); ended != nil {
			return model.Wrap(model.CodeOf(err), "retry", errors.Join(ended, err))
		}
	}
}

// refused tells of a store that does not let the hub in. No caller of the hub's
// is to blame for that or could mend it, and what it asked for may succeed once
// the operator has: to everybody above it is an outage. The store's own code
// stays in the chain, for who looks after the store.
func refused(err error) error {
	return &model.Error{Code: model.Unavailable, Op: "reach the store", Detail: "the store refuses the hub's own role", Err: err}
}

// sleep pauses and returns the error of a context that ended meanwhile.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
