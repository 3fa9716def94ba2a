// Package driver is the interface a keys driver implements. The hub uses the
// portable type in package keys instead.
//
// A driver never retries and never logs; it returns raw errors with a code of
// package model. The conformance suite in package drivertest is the full
// contract.
package driver

import (
	"context"

	"github.com/channelhub/channelhub/hub/model"
)

// Limits every driver keeps, in bytes. They are those of AWS KMS.
const (
	MaxPlaintext = 4096
	MaxWrapped   = 6144
	// DataKeyBytes is the size of the key that Generate makes.
	DataKeyBytes = 32
)

// Context is what a wrapped key is bound to: it opens only under the context
// it was wrapped with. It is authenticated, not secret, and may appear in the
// audit trail of a key service.
type Context struct {
	// Client is whose data the key protects; empty for the hub's own.
	Client model.ClientID
	// Purpose says what the key is for: lower-case letters, digits and "./_-".
	Purpose string
}

// State says whether a root key can be used.
type State string

// The states of a root key.
const (
	Enabled  State = "enabled"  // wraps and unwraps
	Disabled State = "disabled" // refuses until somebody enables it again
	Deleting State = "deleting" // refuses, and will be gone
)

// Description is what an operator may know of a root key.
type Description struct {
	KeyID    string // the key that wraps now, as its provider names it
	Provider string // "local", "kms"
	State    State
}

// Driver wraps small secrets under root keys that it does not give away. All
// methods may be called concurrently. Slices passed in are neither kept nor
// changed; slices returned belong to the caller.
type Driver interface {
	// Wrap seals plaintext, 1 to MaxPlaintext bytes, under the current root
	// key of kc.Client. The same input gives another result each time.
	Wrap(ctx context.Context, kc Context, plaintext []byte) ([]byte, error)
	// Unwrap opens what Wrap or Generate returned under the same context,
	// whichever root key was current then. Anything else is model.Corrupt: a
	// key service cannot tell a damaged blob from a foreign context.
	Unwrap(ctx context.Context, kc Context, wrapped []byte) ([]byte, error)
	// Generate makes a data key of DataKeyBytes random bytes and returns it
	// in clear and wrapped.
	Generate(ctx context.Context, kc Context) (plaintext, wrapped []byte, err error)
	// Describe tells of the current root key of a client.
	Describe(ctx context.Context, client model.ClientID) (Description, error)
	// Close releases what the driver holds. No other call is under way or
	// follows.
	Close() error
}
