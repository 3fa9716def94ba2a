// Package retry is the one way in which portable types of the storage ports
// repeat a call to their driver.
package retry

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/channelhub/channelhub/hub/model"
)

// The pace: full jitter under a bound that doubles.
const (
	first = 10 * time.Millisecond
	most  = time.Second
	// Budget ends the retries of a call whose context has no deadline: a
	// caller that set none still wants an answer.
	Budget = 3 * time.Second
)

// Do runs call until it succeeds or fails for good, which is any code but
// throttled and unavailable, or until time is up: the deadline of the context,
// or else Budget. Then it returns the last error, joined with the context's if
// that has ended. A pause is never shorter than the RetryAfter of the error.
func Do(ctx context.Context, call func() error) error {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(Budget)
	}
	for bound := first; ; bound = min(2*bound, most) {
		err := call()
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
