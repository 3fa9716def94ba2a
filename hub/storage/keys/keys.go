// Package keys is the port for root keys: a portable type over a small driver.
//
// A root key never leaves its driver. The hub hands a small secret to Wrap, a
// keyset of a client as a rule, keeps what comes back beside the data, and asks
// Unwrap when it needs the secret again. Each blob is bound to a Context, the
// client and the purpose, so that it is of no use in another's place.
//
// The portable type checks limits and alone retries: throttled and unavailable
// answers, with jitter, until the context ends or for three seconds when it
// has no deadline.
package keys

import (
	"context"
	"regexp"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/internal/retry"
	"github.com/channelhub/channelhub/hub/storage/keys/driver"
)

// Limits, in bytes.
const (
	MaxPlaintext = driver.MaxPlaintext
	DataKeyBytes = driver.DataKeyBytes
)

type (
	// Context is what a wrapped key is bound to.
	Context = driver.Context
	// Description is what an operator may know of a root key.
	Description = driver.Description
)

// Enabled is the state of a root key that can be used.
const Enabled = driver.Enabled

// DataKey is a fresh key, in clear and wrapped. Plaintext is 32 bytes and
// stays in memory.
type DataKey struct {
	Plaintext []byte
	Wrapped   []byte
}

// Keys wraps and unwraps under the root keys of one driver. It is safe for
// concurrent use. It owns its driver.
type Keys struct{ d driver.Driver }

// New returns the port over a driver, which it then owns.
func New(d driver.Driver) *Keys { return &Keys{d: d} }

// Wrap seals plaintext, 1 to MaxPlaintext bytes, for the given context.
func (k *Keys) Wrap(ctx context.Context, kc Context, plaintext []byte) ([]byte, error) {
	const op = "wrap key"
	if err := check(op, kc); err != nil {
		return nil, err
	}
	if n := len(plaintext); n == 0 || n > MaxPlaintext {
		return nil, model.Errorf(model.Invalid, op, "%d bytes; the limits are 1 and %d", n, MaxPlaintext)
	}
	var wrapped []byte
	err := do(ctx, op, func() (err error) {
		wrapped, err = k.d.Wrap(ctx, kc, plaintext)
		return err
	})
	if err != nil {
		return nil, err
	}
	return wrapped, nil
}

// Unwrap opens what Wrap or Generate returned for the same context. A blob
// that does not open, damaged or another context's, is model.Corrupt.
func (k *Keys) Unwrap(ctx context.Context, kc Context, wrapped []byte) ([]byte, error) {
	const op = "unwrap key"
	if err := check(op, kc); err != nil {
		return nil, err
	}
	if n := len(wrapped); n == 0 || n > driver.MaxWrapped {
		return nil, model.Errorf(model.Corrupt, op, "%d bytes cannot be a wrapped key", n)
	}
	var plaintext []byte
	err := do(ctx, op, func() (err error) {
		plaintext, err = k.d.Unwrap(ctx, kc, wrapped)
		return err
	})
	if err != nil {
		return nil, err
	}
	return plaintext, nil
}

// Generate makes a random data key for the given context.
func (k *Keys) Generate(ctx context.Context, kc Context) (DataKey, error) {
	const op = "generate data key"
	if err := check(op, kc); err != nil {
		return DataKey{}, err
	}
	var key DataKey
	err := do(ctx, op, func() (err error) {
		key.Plaintext, key.Wrapped, err = k.d.Generate(ctx, kc)
		return err
	})
	if err != nil {
		return DataKey{}, err
	}
	return key, nil
}

// Describe tells of the root key that wraps for a client now; the empty id
// asks for the hub's own.
func (k *Keys) Describe(ctx context.Context, client model.ClientID) (Description, error) {
	const op = "describe root key"
	if err := checkClient(op, client); err != nil {
		return Description{}, err
	}
	var d Description
	err := do(ctx, op, func() (err error) {
		d, err = k.d.Describe(ctx, client)
		return err
	})
	if err != nil {
		return Description{}, err
	}
	return d, nil
}

// Close releases the driver. No other call may be under way or follow.
func (k *Keys) Close() error { return k.d.Close() }

// do retries and says what was attempted; the driver's code stays.
func do(ctx context.Context, op string, call func() error) error {
	// A driver need not look at a context that has ended before it began.
	if err := ctx.Err(); err != nil {
		return model.Wrap(model.Unavailable, op, err)
	}
	err := retry.Do(ctx, call)
	return model.Wrap(model.CodeOf(err), op, err)
}

var purpose = regexp.MustCompile(`^[a-z0-9./_-]{1,64}$`)

func check(op string, kc Context) error {
	if err := checkClient(op, kc.Client); err != nil {
		return err
	}
	if !purpose.MatchString(kc.Purpose) {
		return model.Errorf(model.Invalid, op, "purpose %q: want 1 to 64 of a-z 0-9 . / _ -", kc.Purpose)
	}
	return nil
}

func checkClient(op string, client model.ClientID) error {
	if client != "" && !model.ValidConfiguredID(string(client)) {
		return model.Errorf(model.Invalid, op, "%q is not a client id", client)
	}
	return nil
}
