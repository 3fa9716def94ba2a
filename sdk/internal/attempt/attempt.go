// Package attempt carries, in the context of a Send, what the SDK and the
// outbound client must tell each other: until when a request may be made, and
// whether one has been begun.
package attempt

import (
	"context"
	"sync/atomic"
	"time"
)

// Attempt is one call of Send. It is safe for concurrent use.
type Attempt struct {
	sendUntil time.Time
	begun     atomic.Bool
}

// New returns an attempt that may reach the provider until the given instant;
// zero means that there is no such instant.
func New(sendUntil time.Time) *Attempt { return &Attempt{sendUntil: sendUntil} }

// Begin notes that bytes of a request may have left from now on.
func (a *Attempt) Begin() {
	if a != nil {
		a.begun.Store(true)
	}
}

// Begun says whether bytes of a request may have left.
func (a *Attempt) Begun() bool { return a != nil && a.begun.Load() }

// SendUntil is the instant after which no request may be begun, or zero.
func (a *Attempt) SendUntil() time.Time {
	if a == nil {
		return time.Time{}
	}
	return a.sendUntil
}

// Over says whether no request may be begun any more.
func (a *Attempt) Over() bool {
	return a != nil && !a.sendUntil.IsZero() && !time.Now().Before(a.sendUntil)
}

type key struct{}

// NewContext returns a context that carries the attempt.
func NewContext(ctx context.Context, a *Attempt) context.Context {
	return context.WithValue(ctx, key{}, a)
}

// From returns the attempt the context carries, or nil. A nil attempt is valid:
// nothing is ever over, and nothing is noted.
func From(ctx context.Context) *Attempt {
	a, _ := ctx.Value(key{}).(*Attempt)
	return a
}
