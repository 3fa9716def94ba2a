package seal

import (
	"bytes"
	"context"
	"encoding/binary"
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

const (
	// refreshTimeout bounds one round of asking the root.
	refreshTimeout = 5 * time.Second
	// pauseAsking is how long the root's refusal stands, and how fresh a keyset
	// is known to be: no record, and no damaged key, makes the root be asked
	// more often.
	pauseAsking = time.Second
)

// Client seals and opens the records of one client. It is safe for concurrent
// use.
type Client struct {
	s     *Sealer
	id    model.ClientID
	store KeyStore

	current atomic.Pointer[keysets]

	mu        sync.Mutex
	asking    *refresh // the round under way, if any
	refusal   error    // how the last round ended that left no keyset
	refusedAt time.Time
}

// keysets is one loaded state of a client's keysets.
type keysets struct {
	seal     tink.AEAD
	sealIDs  map[uint32]bool // the keys that seal holds
	prf      *prf.Set
	loadedAt time.Time // when the root last confirmed them
	triedAt  time.Time // when it was last asked

	prfWrapped []byte    // what prf was unwrapped from
	prfAt      time.Time // when the root confirmed that
}

// refresh is one round of asking the root. Its results are set before done is
// closed.
type refresh struct {
	done chan struct{}
	ks   *keysets
	err  error
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
	r, mine, err := c.startRefresh(now)
	switch {
	case err != nil:
		return nil, err
	case mine && c.refreshedSince(ks, now):
		// A round ended between the look above and the start of this one.
		ks = c.current.Load()
		c.endRefresh(r, ks)
		return ks, nil
	case mine:
		c.ask(ctx, r, now)
	case ks != nil && now.Sub(ks.loadedAt) < c.s.opts.Outage:
		return ks, nil // somebody is asking already
	default:
		if err := r.wait(ctx); err != nil {
			return nil, err
		}
	}
	if r.err == nil {
		return r.ks, nil
	}
	if ks = c.current.Load(); ks != nil {
		return ks, nil // the root is away, and the cached ones still serve
	}
	return nil, r.err
}

// reload asks the root for keysets that hold more than the given ones. Unlike
// keyset, it does not fall back on what is cached.
func (c *Client) reload(ctx context.Context, than *keysets) (*keysets, error) {
	now := c.s.opts.Now()
	if now.Sub(than.loadedAt) < pauseAsking {
		return than, nil
	}
	r, mine, err := c.startRefresh(now)
	switch {
	case err != nil:
		return nil, err
	case mine:
		c.ask(ctx, r, now)
	default:
		if err := r.wait(ctx); err != nil {
			return nil, err
		}
	}
	return r.ks, r.err
}

// refreshedSince reports whether other keysets than the ones seen are in use,
// and good for the period.
func (c *Client) refreshedSince(seen *keysets, now time.Time) bool {
	ks := c.current.Load()
	return ks != nil && ks != seen && now.Sub(ks.triedAt) < c.s.opts.CachePeriod
}

// endRefresh ends a round that had nothing to ask.
func (c *Client) endRefresh(r *refresh, ks *keysets) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r.ks = ks
	c.asking = nil
	close(r.done)
}

// startRefresh joins the round under way, or begins one, which the caller then
// has to ask. A refusal that still stands is its error.
func (c *Client) startRefresh(now time.Time) (r *refresh, mine bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asking != nil {
		return c.asking, false, nil
	}
	if c.refusal != nil && now.Sub(c.refusedAt) < pauseAsking {
		return nil, false, c.refusal
	}
	c.asking = &refresh{done: make(chan struct{})}
	return c.asking, true, nil
}

func (r *refresh) wait(ctx context.Context) error {
	select {
	case <-r.done:
		return nil
	case <-ctx.Done():
		return model.Wrap(model.Unavailable, "wait for client keyset", ctx.Err())
	}
}

// ask runs the round. It does not end with its caller, since others wait for
// it too, and a caller that goes away says nothing about the root.
func (c *Client) ask(ctx context.Context, r *refresh, now time.Time) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), refreshTimeout)
	defer cancel()
	var err error
	r.ks, err = c.load(ctx, now)

	c.mu.Lock()
	defer c.mu.Unlock()
	defer close(r.done)
	r.err = outage(err)
	c.asking, c.refusal = nil, nil
	ks := c.current.Load()
	switch {
	case err == nil:
		r.ks.loadedAt, r.ks.triedAt = now, now
		c.current.Store(r.ks)
	case ks != nil && model.CodeOf(err).Temporary() && now.Sub(ks.loadedAt) < c.s.opts.Outage:
		// Ask again after a tenth of the period, not on every record.
		again := *ks
		again.triedAt = now.Add(-c.s.opts.CachePeriod * 9 / 10)
		c.current.Store(&again)
	default:
		c.current.Store(nil)
		c.refusal, c.refusedAt = r.err, now
	}
}

// outage tells of a root that refuses the hub as of one that is away: nothing
// that was to be sealed or opened is to blame, and it may succeed once the
// operator has mended the key. The root's own code stays in the chain, for who
// looks after it.
func outage(err error) error {
	if !model.Is(err, model.Denied) {
		return err
	}
	return &model.Error{Code: model.Unavailable, Op: "reach the root of keys", Detail: "it refuses the hub's own role", Err: err}
}

// knows reports whether a wrapped key names a key of the keyset. Tink writes
// the id of its key behind one byte of version.
func (ks *keysets) knows(wrapped []byte) bool {
	return len(wrapped) > 5 && ks.sealIDs[binary.BigEndian.Uint32(wrapped[1:5])]
}

// load asks the root for both keysets. The one for names does not rotate: while
// it lies there unchanged, the root's word on the other one stands for it too,
// so that a round is one question, but no longer than an outage may last.
func (c *Client) load(ctx context.Context, now time.Time) (*keysets, error) {
	before := c.current.Load()
	wrapped, err := c.stored(ctx, sealKeyset, aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, err
	}
	sealHandle, err := c.unwrap(ctx, sealKeyset, wrapped)
	if err != nil {
		return nil, err
	}
	ks := &keysets{sealIDs: map[uint32]bool{}, prfAt: now}
	for _, k := range sealHandle.KeysetInfo().GetKeyInfo() {
		ks.sealIDs[k.GetKeyId()] = true
	}
	if ks.seal, err = aead.New(sealHandle); err != nil {
		return nil, model.Wrap(model.Corrupt, "use client keyset", err)
	}
	if ks.prfWrapped, err = c.stored(ctx, prfKeyset, prf.HMACSHA256PRFKeyTemplate()); err != nil {
		return nil, err
	}
	if before != nil && bytes.Equal(before.prfWrapped, ks.prfWrapped) && now.Sub(before.prfAt) < c.s.opts.Outage {
		ks.prf, ks.prfAt = before.prf, before.prfAt
		return ks, nil
	}
	prfHandle, err := c.unwrap(ctx, prfKeyset, ks.prfWrapped)
	if err != nil {
		return nil, err
	}
	if ks.prf, err = prf.NewPRFSet(prfHandle); err != nil {
		return nil, model.Wrap(model.Corrupt, "use client PRF keyset", err)
	}
	return ks, nil
}

// stored reads a wrapped keyset, making it from the template when there is
// none. Two hubs that make one at once both end with the one stored first.
func (c *Client) stored(ctx context.Context, name string, t *tinkpb.KeyTemplate) ([]byte, error) {
	wrapped, err := c.store.Load(ctx, name)
	if model.Is(err, model.NotFound) {
		wrapped, err = c.makeKeyset(ctx, keys.Context{Client: c.id, Purpose: name}, name, t)
	}
	if err != nil {
		return nil, fmt.Errorf("load client keyset: %w", err)
	}
	return wrapped, nil
}

func (c *Client) unwrap(ctx context.Context, name string, wrapped []byte) (*keyset.Handle, error) {
	plain, err := c.s.root.Unwrap(ctx, keys.Context{Client: c.id, Purpose: name}, wrapped)
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
