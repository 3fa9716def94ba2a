package sdk

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	connectorv1 "github.com/channelhub/channelhub/sdk/proto/channelhub/connector/v1"
)

// Request is an HTTP request of a provider. The hub has read it whole and
// within the route's limits.
type Request struct {
	Method string
	// URL is the full URL as the provider sees it.
	URL string
	// SubPath is what stands behind the mount, without a leading slash.
	SubPath       string
	Header        http.Header
	Body          []byte
	RemoteAddress string
	ReceivedAt    time.Time
	// Replayed says that the request comes from the hub's journal, where it
	// waited while the connector was away: time limits on signatures do not
	// apply.
	Replayed bool
}

// Frame is a text frame from a browser, at most 64 KiB.
type Frame struct {
	SocketID string
	// Visitor is who the hub knows to be at the other end.
	Visitor    Address
	Data       []byte
	ReceivedAt time.Time
}

// Hook is one request or frame on its way in: it knows the account, and takes
// what the request tells. It is for use within the call it was given to, and
// safe for concurrent use there.
type Hook[A any] struct {
	account *account[A] // nil on an app-level route
	call    *inbound[A]
}

// This returns the account of the route or socket. On an [AppRoute] there is
// none before [Hook.Account] has found it: This panics there.
func (h *Hook[A]) This() A {
	if h.account == nil {
		panic(errors.New("sdk: Hook.This on an app-level route: find the account with Hook.Account"))
	}
	return h.account.value
}

// Account finds an open account by one of the addresses it has at the
// provider, and returns a hook of its own for it. One request may tell of
// several accounts.
func (h *Hook[A]) Account(providerAddress string) (*Hook[A], bool) {
	found, ok := h.call.lease(providerAddress)
	if !ok {
		return nil, false
	}
	return &Hook[A]{account: found, call: h.call}, true
}

// Verified says that the request was checked against a secret of the account.
// What an unchecked request tells is not handed over: Emit and Report before
// Verified are a fault. Sockets are checked by the hub.
func (h *Hook[A]) Verified() { h.call.verify(h.account) }

// Emit hands over an event of the account.
func (h *Hook[A]) Emit(event Event) {
	h.call.add(h.account, func(accountID string) (*connectorv1.Item, error) {
		out, err := eventOut(&event, accountID, h.call.traceparent)
		return connectorv1.Item_builder{Event: out}.Build(), err
	})
}

// Report hands over a receipt of the account.
func (h *Hook[A]) Report(report StatusReport) {
	h.call.add(h.account, func(accountID string) (*connectorv1.Item, error) {
		out, err := statusOut(&report, accountID, h.call.traceparent)
		return connectorv1.Item_builder{Status: out}.Build(), err
	})
}

// inbound gathers what one request or frame tells.
type inbound[A any] struct {
	accounts    *registry[A]
	traceparent string

	mu       sync.Mutex
	leased   []*account[A]
	verified []string
	items    []*connectorv1.Item
	fault    error // the first misuse of the hook
}

// lease finds an account and keeps it open until the call ends.
func (in *inbound[A]) lease(providerAddress string) (*account[A], bool) {
	found, ok := in.accounts.acquireByAddress(providerAddress)
	if !ok {
		return nil, false
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.leased = append(in.leased, found)
	return found, true
}

// end gives back every account the call has found.
func (in *inbound[A]) end() {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, a := range in.leased {
		in.accounts.release(a)
	}
	in.leased = nil
}

func (in *inbound[A]) verify(a *account[A]) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if a == nil {
		in.failed(errors.New("verified without an account"))
		return
	}
	if !slices.Contains(in.verified, a.id) {
		in.verified = append(in.verified, a.id)
	}
}

func (in *inbound[A]) add(a *account[A], item func(accountID string) (*connectorv1.Item, error)) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if a == nil || !slices.Contains(in.verified, a.id) {
		in.failed(errors.New("handed over an item for an account that was not verified"))
		return
	}
	converted, err := item(a.id)
	if err != nil {
		in.failed(err)
		return
	}
	in.items = append(in.items, converted)
}

// failed keeps the first fault.
func (in *inbound[A]) failed(err error) {
	if in.fault == nil {
		in.fault = err
	}
}

// told ends the gathering and returns what it came to.
func (in *inbound[A]) told() (items []*connectorv1.Item, verified []string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	items, verified, in.items = in.items, in.verified, nil
	return items, verified
}

type receiver[A any] func(context.Context, *Hook[A]) error

// run calls the author's function with a hook for a, which may be nil, and
// returns its error or the misuse of the hook.
func (in *inbound[A]) run(ctx context.Context, a *account[A], f receiver[A]) error {
	defer in.end()
	if err := f(ctx, &Hook[A]{account: a, call: in}); err != nil {
		return err
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.fault
}
