package audit

import (
	"context"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/seal"
	"github.com/channelhub/channelhub/hub/storage/keys"
)

// countedRoot counts each use of the root key, by the client whose keyset it
// wraps. Keysets are cached: this is off the way of a message.
type countedRoot struct {
	root   seal.Root
	counts *Counts
}

// CountKeys returns a root key whose uses are counted.
func CountKeys(root seal.Root, c *Counts) seal.Root { return countedRoot{root, c} }

func (r countedRoot) note(action Action, kc keys.Context, err error) {
	outcome := done
	if err != nil {
		outcome = string(model.CodeOf(err))
	}
	r.counts.Add(Hub, action, SubjectOf(kc.Client), outcome, 1)
}

// Wrap implements seal.Root.
func (r countedRoot) Wrap(ctx context.Context, kc keys.Context, plaintext []byte) ([]byte, error) {
	out, err := r.root.Wrap(ctx, kc, plaintext)
	r.note(KeyWrap, kc, err)
	return out, err
}

// Unwrap implements seal.Root.
func (r countedRoot) Unwrap(ctx context.Context, kc keys.Context, wrapped []byte) ([]byte, error) {
	out, err := r.root.Unwrap(ctx, kc, wrapped)
	r.note(KeyUnwrap, kc, err)
	return out, err
}
