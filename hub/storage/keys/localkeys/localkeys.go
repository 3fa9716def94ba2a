// Package localkeys keeps root keys in a file, for a hub on one machine.
//
// The file is a Tink keyset of 256-bit AES-GCM keys in clear, mode 0600: who
// can read it can read the store beside it. One keyring serves all clients,
// whose blobs are kept apart by the context they are bound to. A blob begins
// with Tink's version byte and the id of its key, so that keys can be added
// and older blobs still open.
package localkeys

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/keys/driver"
)

// Options may be nil.
type Options struct {
	// MustExist refuses to make a new keyring. A hub whose store already
	// holds data sets it: a new keyring could open none of that.
	MustExist bool
}

// Keyring is a driver over one file, read once. It is safe for concurrent use.
type Keyring struct {
	primary tink.AEAD
	ids     map[uint32]bool
	current uint32
}

var _ driver.Driver = (*Keyring)(nil)

// Open reads the keyring at path. When there is none it makes one with a fresh
// root key, which is on disk before Open returns.
func Open(path string, opts *Options) (*Keyring, error) {
	if opts == nil {
		opts = &Options{}
	}
	handle, err := load(path, opts.MustExist)
	if err != nil {
		return nil, err
	}
	primary, err := aead.New(handle)
	if err != nil {
		return nil, model.Wrap(model.Corrupt, "use keyring "+path, err)
	}
	k := &Keyring{primary: primary, ids: map[uint32]bool{}}
	for i := range handle.Len() {
		entry, err := handle.Entry(i)
		if err != nil {
			return nil, model.Wrap(model.Corrupt, "use keyring "+path, err)
		}
		if entry.KeyStatus() == keyset.Enabled {
			k.ids[entry.KeyID()] = true
		}
		if entry.IsPrimary() {
			k.current = entry.KeyID()
		}
	}
	return k, nil
}

// Wrap implements driver.Driver.
func (k *Keyring) Wrap(_ context.Context, kc driver.Context, plaintext []byte) ([]byte, error) {
	wrapped, err := k.primary.Encrypt(plaintext, associated(kc))
	return wrapped, model.Wrap(model.Internal, "seal", err)
}

// Unwrap implements driver.Driver.
func (k *Keyring) Unwrap(_ context.Context, kc driver.Context, wrapped []byte) ([]byte, error) {
	id, ok := keyID(wrapped)
	if !ok {
		return nil, model.Errorf(model.Corrupt, "open", "this is no key wrapped by a keyring")
	}
	if !k.ids[id] {
		return nil, model.Errorf(model.Corrupt, "open", "wrapped under root key %s, which this keyring does not have", name(id))
	}
	plaintext, err := k.primary.Decrypt(wrapped, associated(kc))
	return plaintext, model.Wrap(model.Corrupt, "open", err)
}

// Generate implements driver.Driver.
func (k *Keyring) Generate(ctx context.Context, kc driver.Context) (plaintext, wrapped []byte, err error) {
	plaintext = make([]byte, driver.DataKeyBytes)
	_, _ = rand.Read(plaintext) // never fails: crypto/rand ends the process instead
	wrapped, err = k.Wrap(ctx, kc, plaintext)
	if err != nil {
		return nil, nil, err
	}
	return plaintext, wrapped, nil
}

// Describe implements driver.Driver. Every client has the same root key.
func (k *Keyring) Describe(context.Context, model.ClientID) (driver.Description, error) {
	return driver.Description{KeyID: name(k.current), Provider: "local", State: driver.Enabled}, nil
}

// Close implements driver.Driver. The file is not held open.
func (k *Keyring) Close() error { return nil }

// tinkVersion is the first byte of what a Tink key of our kind seals; four
// bytes of key id follow.
const tinkVersion = 1

func keyID(wrapped []byte) (uint32, bool) {
	if len(wrapped) < 5 || wrapped[0] != tinkVersion {
		return 0, false
	}
	return binary.BigEndian.Uint32(wrapped[1:5]), true
}

func name(id uint32) string { return fmt.Sprintf("%08x", id) }

// associated spells a context so that no two contexts spell alike: each part
// is preceded by its length.
func associated(kc driver.Context) []byte {
	b := []byte("channelhub keyring 1")
	for _, part := range []string{string(kc.Client), kc.Purpose} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(part)))
		b = append(b, part...)
	}
	return b
}
