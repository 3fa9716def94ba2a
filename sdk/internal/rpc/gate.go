package rpc

import (
	"context"
	"sync"
)

// Gate counts the calls under way, and at the end lets no more in. The zero
// Gate is open. It is safe for concurrent use.
type Gate struct {
	mu     sync.Mutex
	calls  int
	closed bool
	empty  chan struct{} // closed when the gate is and nothing is left
}

// Enter lets a call in, unless the gate is closed. Whoever got in must leave.
func (g *Gate) Enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.calls++
	return true
}

// Leave ends a call.
func (g *Gate) Leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.calls--
	if g.closed && g.calls == 0 {
		close(g.empty)
	}
}

// Calls returns how many calls are under way.
func (g *Gate) Calls() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.calls
}

// Drain closes the gate and waits until the last call has left, or returns the
// error of the context. It may be called again.
func (g *Gate) Drain(ctx context.Context) error {
	g.mu.Lock()
	if !g.closed {
		g.closed = true
		g.empty = make(chan struct{})
		if g.calls == 0 {
			close(g.empty)
		}
	}
	empty := g.empty
	g.mu.Unlock()

	select {
	case <-empty:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
