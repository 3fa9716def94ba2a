package storetest

import (
	"context"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/keys"
	"github.com/channelhub/channelhub/hub/storage/keys/localkeys"
)

// Root is a root of keys that refuses the hub while a test says so, as one does
// that an operator has disabled. It is safe for concurrent use.
type Root struct {
	*localkeys.Keyring
	denied  atomic.Bool
	refused atomic.Int64
}

// NewRoot makes a root of keys in a directory of the test.
func NewRoot(t *testing.T) *Root {
	t.Helper()
	ring, err := localkeys.Open(filepath.Join(t.TempDir(), "keyring.json"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return &Root{Keyring: ring}
}

// Deny makes the root refuse, or no more.
func (r *Root) Deny(denied bool) { r.denied.Store(denied) }

// Refused is how often the root has refused so far.
func (r *Root) Refused() int { return int(r.refused.Load()) }

func (r *Root) refuse(op string) error {
	r.refused.Add(1)
	return model.Errorf(model.Denied, op, "the key is disabled")
}

// Wrap is the root's own while it does not refuse.
func (r *Root) Wrap(ctx context.Context, kc keys.Context, plaintext []byte) ([]byte, error) {
	if r.denied.Load() {
		return nil, r.refuse("wrap")
	}
	return r.Keyring.Wrap(ctx, kc, plaintext)
}

// Unwrap is the root's own while it does not refuse.
func (r *Root) Unwrap(ctx context.Context, kc keys.Context, wrapped []byte) ([]byte, error) {
	if r.denied.Load() {
		return nil, r.refuse("unwrap")
	}
	return r.Keyring.Unwrap(ctx, kc, wrapped)
}
