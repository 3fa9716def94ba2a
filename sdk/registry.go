package sdk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// account is one revision of an open account.
type account[A any] struct {
	id        string
	revision  uint64
	addresses []string
	host      *Host
	value     A

	// Both are the registry's: users counts the calls under way and the
	// registry's own hold, closed is closed when Close has returned.
	users  int
	closed chan struct{}
}

// registry holds the open accounts. It is safe for concurrent use.
type registry[A any] struct {
	// close ends an account that nobody uses any more.
	close func(*account[A])

	mu        sync.Mutex
	open      map[string]*account[A]
	byAddress map[string]*account[A]
	opening   map[string]chan struct{} // one token for each account id
	closing   map[*account[A]]struct{}
}

func newRegistry[A any](closeAccount func(*account[A])) *registry[A] {
	return &registry[A]{
		close:     closeAccount,
		open:      map[string]*account[A]{},
		byAddress: map[string]*account[A]{},
		opening:   map[string]chan struct{}{},
		closing:   map[*account[A]]struct{}{},
	}
}

// exclusive lets one change of an account happen at a time.
func (r *registry[A]) exclusive(ctx context.Context, id string) (release func(), err error) {
	r.mu.Lock()
	token, ok := r.opening[id]
	if !ok {
		token = make(chan struct{}, 1)
		r.opening[id] = token
	}
	r.mu.Unlock()
	select {
	case token <- struct{}{}:
		return func() { <-token }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for another change of the account: %w", ctx.Err())
	}
}

// acquire returns an open account and keeps it open until it is released.
func (r *registry[A]) acquire(id string) (*account[A], bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a, ok := r.open[id]
	if ok {
		a.users++
	}
	return a, ok
}

func (r *registry[A]) acquireByAddress(address string) (*account[A], bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a, ok := r.byAddress[address]
	if ok {
		a.users++
	}
	return a, ok
}

func (r *registry[A]) release(a *account[A]) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drop(a)
}

// drop takes one user off; the last one out has the account closed.
func (r *registry[A]) drop(a *account[A]) {
	a.users--
	if a.users > 0 {
		return
	}
	r.closing[a] = struct{}{}
	go func() {
		r.close(a)
		r.mu.Lock()
		delete(r.closing, a)
		r.mu.Unlock()
		close(a.closed)
	}()
}

// put makes a the revision that new calls get.
func (r *registry[A]) put(a *account[A]) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, address := range a.addresses {
		if other, taken := r.byAddress[address]; taken && other.id != a.id {
			return errors.New("another account has the same provider address")
		}
	}
	r.remove(a.id)
	a.users, a.closed = 1, make(chan struct{})
	r.open[a.id] = a
	for _, address := range a.addresses {
		r.byAddress[address] = a
	}
	return nil
}

// remove takes the account away from new calls and returns it, or nil.
func (r *registry[A]) remove(id string) *account[A] {
	a, ok := r.open[id]
	if !ok {
		return nil
	}
	delete(r.open, id)
	for _, address := range a.addresses {
		delete(r.byAddress, address)
	}
	r.drop(a)
	return a
}

// retire removes an account and waits until it is closed.
func (r *registry[A]) retire(ctx context.Context, id string) error {
	r.mu.Lock()
	a := r.remove(id)
	r.mu.Unlock()
	if a == nil {
		return nil
	}
	return wait(ctx, a)
}

// retireAll removes every account and waits until all are closed, earlier
// revisions included.
func (r *registry[A]) retireAll(ctx context.Context) error {
	r.mu.Lock()
	var leaving []*account[A]
	for id := range r.open {
		leaving = append(leaving, r.remove(id))
	}
	for a := range r.closing {
		if !slices.Contains(leaving, a) {
			leaving = append(leaving, a)
		}
	}
	r.mu.Unlock()
	for _, a := range leaving {
		if err := wait(ctx, a); err != nil {
			return err
		}
	}
	return nil
}

func wait[A any](ctx context.Context, a *account[A]) error {
	select {
	case <-a.closed:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("close account %s: %w", a.id, ctx.Err())
	}
}

func (r *registry[A]) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.open)
}
