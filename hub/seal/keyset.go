package seal

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/prf"
	tinkpb "github.com/tink-crypto/tink-go/v2/proto/tink_go_proto"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/keys"
)

// Names of the two keysets of a client in its key store, which are also the
// purposes the root key is asked for.
const (
	sealKeyset = "keyset/seal"
	prfKeyset  = "keyset/prf"
)

// Client seals and opens the records of one client. It is safe for concurrent
// use.
type Client struct {
	s     *Sealer
	id    model.ClientID
	store KeyStore

	current atomic.Pointer[keysets]
	refresh sync.Mutex // one refresh at a time; others go on with what is there
}

// keysets is one loaded state of a client's keysets.
type keysets struct {
	seal     tink.AEAD
	prf      *prf.Set
	loadedAt time.Time // when the root last confirmed them
	triedAt  time.Time // when it was last asked
}

// keyset returns the usable keysets, asking the root again once a cache period
// has passed. While the root is away the cached ones serve for the outage
// time; when it denies, they are dropped at once.
func (c *Client) keyset(ctx context.Context) (*keysets, error) {
	now := c.s.opts.Now()
	ks := c.current.Load()
	if ks != nil && now.Sub(ks.triedAt) < c.s.opts.CachePeriod {
		return ks, nil
	}
	if !c.refresh.TryLock() {
		if ks != nil && now.Sub(ks.loadedAt) < c.s.opts.Outage {
			return ks, nil // somebody is asking already
		}
		c.refresh.Lock()
		if ks = c.current.Load(); ks != nil && now.Sub(ks.triedAt) < c.s.opts.CachePeriod {
			c.refresh.Unlock()
			return ks, nil
		}
	}
	defer c.refresh.Unlock()
	fresh, err := c.load(ctx)
	switch {
	case err == nil:
		fresh.loadedAt, fresh.triedAt = now, now
		c.current.Store(fresh)
		return fresh, nil
	case ks != nil && model.CodeOf(err).Temporary() && now.Sub(ks.loadedAt) < c.s.opts.Outage:
		// Ask again after a tenth of the period, not on every record.
		again := *ks
		again.triedAt = now.Add(-c.s.opts.CachePeriod * 9 / 10)
		c.current.Store(&again)
		return &again, nil
	}
	c.current.Store(nil)
	return nil, err
}

func (c *Client) load(ctx context.Context) (*keysets, error) {
	sealHandle, err := c.loadHandle(ctx, sealKeyset, aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, err
	}
	prfHandle, err := c.loadHandle(ctx, prfKeyset, prf.HMACSHA256PRFKeyTemplate())
	if err != nil {
		return nil, err
	}
	ks := &keysets{}
	if ks.seal, err = aead.New(sealHandle); err != nil {
		return nil, model.Wrap(model.Corrupt, "use client keyset", err)
	}
	if ks.prf, err = prf.NewPRFSet(prfHandle); err != nil {
		return nil, model.Wrap(model.Corrupt, "use client PRF keyset", err)
	}
	return ks, nil
}

// loadHandle reads a keyset, making it from the template when there is none.
// Two hubs that make one at once both end with the one stored first.
func (c *Client) loadHandle(ctx context.Context, name string, t *tinkpb.KeyTemplate) (*keyset.Handle, error) {
	kc := keys.Context{Client: c.id, Purpose: name}
	wrapped, err := c.store.Load(ctx, name)
	if model.Is(err, model.NotFound) {
		wrapped, err = c.makeKeyset(ctx, kc, name, t)
	}
	if err != nil {
		return nil, fmt.Errorf("load client keyset: %w", err)
	}
	plain, err := c.s.root.Unwrap(ctx, kc, wrapped)
	if err != nil {
		return nil, fmt.Errorf("unwrap client keyset: %w", err)
	}
	h, err := insecurecleartextkeyset.Read(keyset.NewBinaryReader(bytes.NewReader(plain)))
	clear(plain)
	return h, model.Wrap(model.Corrupt, "decode client keyset", err)
}

func (c *Client) makeKeyset(ctx context.Context, kc keys.Context, name string, t *tinkpb.KeyTemplate) ([]byte, error) {
	h, err := keyset.NewHandle(t)
	if err != nil {
		return nil, model.Wrap(model.Internal, "make client keyset", err)
	}
	var plain bytes.Buffer
	if err := insecurecleartextkeyset.Write(h, keyset.NewBinaryWriter(&plain)); err != nil {
		return nil, model.Wrap(model.Internal, "encode client keyset", err)
	}
	wrapped, err := c.s.root.Wrap(ctx, kc, plain.Bytes())
	clear(plain.Bytes())
	if err != nil {
		return nil, fmt.Errorf("wrap client keyset: %w", err)
	}
	return c.store.Create(ctx, name, wrapped)
}
