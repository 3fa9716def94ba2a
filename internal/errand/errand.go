// Package errand carries out what is ordered in rows: again whenever somebody
// orders, when the time of the next one comes, and a while after a failure.
package errand

import (
	"context"
	"time"
)

// retry is how long after a failure the next pass begins.
const retry = 5 * time.Second

// Loop runs passes. It is safe for concurrent use; Run belongs to one
// goroutine.
type Loop struct{ wake chan struct{} }

// New returns a Loop.
func New() Loop { return Loop{make(chan struct{}, 1)} }

// Poke has the next pass begin at once. It never blocks.
func (l Loop) Poke() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Run makes a pass at once, since an earlier process may have left something,
// and then whenever there is reason to, until ctx ends. Pass returns when there
// is more to do, 0 for nothing; failed is told why one did not come through.
func (l Loop) Run(ctx context.Context, pass func(context.Context) (time.Duration, error), failed func(error)) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-l.wake:
		case <-ctx.Done():
			return
		}
		wait, err := pass(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			failed(err)
			timer.Reset(retry)
		case wait > 0:
			timer.Reset(wait)
		}
	}
}
