package seal

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/tink-crypto/tink-go/v2/aead/subtle"

	"github.com/channelhub/channelhub/hub/model"
)

// KeyID names the key that a record is sealed under: a contact id, or a class.
// It stands in the plain header of the row.
type KeyID string

// ContactKey names the key of a contact.
func ContactKey(id model.ContactID) KeyID { return KeyID(id) }

// Class names the key of rows that belong to no contact.
func Class(name string) KeyID { return KeyID("class/" + name) }

// ErasedKey stands in a row whose contact was erased. Nothing opens under it,
// and nothing may be sealed under it.
const ErasedKey KeyID = "erased"

// Place is the row a record lies in. All but Beside is authenticated with the
// record.
type Place struct {
	PK, SK string // the full keys, with their root
	Schema byte   // the schema version of the row
	// Beside is the bytes of the row's value that lie beside the record. Seal
	// alone reads it; 0 is unknown.
	Beside int
}

// associated spells the place without ambiguity: each part behind its length.
func (p Place) associated() []byte {
	b := make([]byte, 0, 16+len(p.PK)+len(p.SK))
	b = append(b, "channelhub.table"...)
	b = binary.AppendUvarint(b, uint64(len(p.PK)))
	b = append(b, p.PK...)
	b = binary.AppendUvarint(b, uint64(len(p.SK)))
	b = append(b, p.SK...)
	return append(b, p.Schema)
}

const keyBytes = 32

// Overhead is the most that sealing adds to a record: a byte for its packing,
// a nonce and a tag.
const Overhead = 1 + subtle.AESGCMIVSize + subtle.AESGCMTagSize

type keyName struct {
	client model.ClientID
	key    KeyID
}

// cachedKey is a usable key, or the knowledge that there is none.
type cachedKey struct {
	aead  *subtle.AESGCM
	until time.Time // without aead: when to look again
}

// absentFor is how long the absence of a key is believed: another hub may make
// one, but none of ours asks for a key before its own rows tell of it.
const absentFor = time.Minute

func (c *Client) absent() cachedKey { return cachedKey{until: c.s.opts.Now().Add(absentFor)} }

// CreateKey makes the key if there is none yet. Repeating it is harmless.
func (c *Client) CreateKey(ctx context.Context, id KeyID) error {
	if id == ErasedKey || id == "" {
		return model.Errorf(model.Internal, "create record key", "key id %q is reserved", id)
	}
	name := keyName{c.id, id}
	if k, ok := c.s.keys.GetIfPresent(name); ok && k.aead != nil {
		return nil
	}
	ks, err := c.keyset(ctx)
	if err != nil {
		return err
	}
	raw := make([]byte, keyBytes)
	_, _ = rand.Read(raw)
	wrapped, err := ks.seal.Encrypt(raw, c.keyContext(id))
	clear(raw)
	if err != nil {
		return model.Wrap(model.Internal, "wrap record key", err)
	}
	if _, err = c.store.Create(ctx, string(id), wrapped); err != nil {
		return fmt.Errorf("create record key: %w", err)
	}
	// What lies in the store now is read back: a key that was destroyed
	// meanwhile must not come back by way of the cache.
	c.s.keys.Invalidate(name)
	if _, err = c.key(ctx, id); err != nil {
		return fmt.Errorf("create record key: %w", err)
	}
	return nil
}

// DestroyKey erases the key: no record sealed under it opens from now on in
// this process, nor in any that starts later. One that has the key cached uses
// it until it destroys it as well.
func (c *Client) DestroyKey(ctx context.Context, id KeyID) error {
	err := c.store.Destroy(ctx, string(id))
	c.s.keys.Set(keyName{c.id, id}, c.absent())
	if err != nil {
		return fmt.Errorf("destroy record key: %w", err)
	}
	return nil
}

// Seal encrypts a record for its place, compressing it first when that makes
// the row cheaper. Plaintext is not retained; over MaxRecord it is model.TooLarge.
func (c *Client) Seal(ctx context.Context, id KeyID, at Place, plaintext []byte) ([]byte, error) {
	if len(plaintext) > MaxRecord {
		return nil, model.Errorf(model.TooLarge, "seal record", "%d bytes are over the limit of %d", len(plaintext), MaxRecord)
	}
	k, err := c.key(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("seal record: %w", err)
	}
	sealed, err := k.aead.Encrypt(at.pack(plaintext), at.associated())
	return sealed, model.Wrap(model.Internal, "seal record", err)
}

// Open decrypts a record. model.NotFound means that its key was destroyed;
// model.Corrupt that the bytes were changed or stood elsewhere.
func (c *Client) Open(ctx context.Context, id KeyID, at Place, sealed []byte) ([]byte, error) {
	k, err := c.key(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("open record: %w", err)
	}
	packed, err := k.aead.Decrypt(sealed, at.associated())
	if err != nil {
		return nil, model.Wrap(model.Corrupt, "open record", err)
	}
	return unpack(packed)
}

func (c *Client) key(ctx context.Context, id KeyID) (cachedKey, error) {
	if id == ErasedKey || id == "" {
		return cachedKey{}, model.Errorf(model.NotFound, "find record key", "the key was erased")
	}
	name := keyName{c.id, id}
	k, ok := c.s.keys.GetIfPresent(name)
	if ok && k.aead == nil && !c.s.opts.Now().Before(k.until) {
		c.s.keys.Invalidate(name)
		ok = false
	}
	if !ok {
		var err error
		k, err = c.s.keys.Get(ctx, name, otter.LoaderFunc[keyName, cachedKey](c.loadKey))
		if ended := ctx.Err(); err != nil && ended != nil {
			err = model.Wrap(model.Unavailable, "wait for record key", ended)
		}
		if err != nil {
			return cachedKey{}, err
		}
	}
	if k.aead == nil {
		return cachedKey{}, model.Errorf(model.NotFound, "find record key", "there is no such key")
	}
	// The keyset is looked at although the key is cached: a root that denies
	// access must end the use of everything below it.
	if _, err := c.keyset(ctx); err != nil {
		return cachedKey{}, err
	}
	return k, nil
}

func (c *Client) loadKey(ctx context.Context, name keyName) (cachedKey, error) {
	wrapped, err := c.store.Load(ctx, string(name.key))
	if model.Is(err, model.NotFound) {
		return c.absent(), nil
	}
	if err != nil {
		return cachedKey{}, fmt.Errorf("load record key: %w", err)
	}
	return c.unwrapKey(ctx, name.key, wrapped)
}

func (c *Client) unwrapKey(ctx context.Context, id KeyID, wrapped []byte) (cachedKey, error) {
	ks, err := c.keyset(ctx)
	if err != nil {
		return cachedKey{}, err
	}
	if !ks.knows(wrapped) {
		// A newer keyset than the cached one may have wrapped it.
		if ks, err = c.reload(ctx, ks); err != nil {
			return cachedKey{}, fmt.Errorf("unwrap record key: %w", err)
		}
	}
	raw, err := ks.seal.Decrypt(wrapped, c.keyContext(id))
	if err != nil {
		return cachedKey{}, model.Wrap(model.Corrupt, "unwrap record key", err)
	}
	gcm, err := subtle.NewAESGCM(raw)
	clear(raw)
	if err != nil {
		return cachedKey{}, model.Wrap(model.Corrupt, "use record key", err)
	}
	return cachedKey{aead: gcm}, nil
}

func (c *Client) keyContext(id KeyID) []byte {
	return []byte("channelhub.key\x00" + string(c.id) + "\x00" + string(id))
}
