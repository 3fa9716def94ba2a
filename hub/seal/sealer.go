package seal

import (
	"context"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/keys"
)

// Root wraps keysets under the root key. The keys port implements it.
type Root interface {
	Wrap(ctx context.Context, kc keys.Context, plaintext []byte) ([]byte, error)
	Unwrap(ctx context.Context, kc keys.Context, wrapped []byte) ([]byte, error)
}

// KeyStore keeps the wrapped keys of one client by name. Names are the hub's
// own words and ids. Implementations are safe for concurrent use.
type KeyStore interface {
	// Load returns the wrapped key, or an error with model.NotFound.
	Load(ctx context.Context, name string) ([]byte, error)
	// Create keeps wrapped under the name unless something is there already,
	// and returns what is there now.
	Create(ctx context.Context, name string, wrapped []byte) ([]byte, error)
	// Destroy makes the key unrecoverable; an absent key is fine.
	Destroy(ctx context.Context, name string) error
}

const (
	// defaultCachePeriod bounds how long a keyset is used without asking the
	// root again, and so how often the root is asked.
	defaultCachePeriod = 5 * time.Minute
	// defaultOutage is how long a cached keyset serves while the root is away.
	defaultOutage = time.Hour
	// keyCacheSize covers the contacts that are active at one time; a miss
	// costs a read and one local unwrap.
	keyCacheSize = 50_000
)

// Options for New; nil takes every default.
type Options struct {
	CachePeriod time.Duration    // default 5 min
	Outage      time.Duration    // default 1 h
	Now         func() time.Time // default time.Now
}

// Sealer seals and opens the records of all clients. It is safe for concurrent
// use and lives as long as the hub.
type Sealer struct {
	root   Root
	stores func(model.ClientID) KeyStore
	opts   Options

	keysets *otter.Cache[model.ClientID, *Client]
	keys    *otter.Cache[keyName, cachedKey]
}

// New returns a Sealer over the root key; stores gives each client's wrapped
// keys, the hub's own for the empty client.
func New(root Root, stores func(model.ClientID) KeyStore, opts *Options) *Sealer {
	s := &Sealer{root: root, stores: stores}
	if opts != nil {
		s.opts = *opts
	}
	if s.opts.CachePeriod <= 0 {
		s.opts.CachePeriod = defaultCachePeriod
	}
	if s.opts.Outage <= 0 {
		s.opts.Outage = defaultOutage
	}
	if s.opts.Now == nil {
		s.opts.Now = time.Now
	}
	s.keysets = otter.Must(&otter.Options[model.ClientID, *Client]{})
	s.keys = otter.Must(&otter.Options[keyName, cachedKey]{MaximumSize: keyCacheSize})
	return s
}

// Client returns the seal of one client, making its keysets at the first call.
// The value is shared and long-lived; it refreshes its keysets by itself.
func (s *Sealer) Client(ctx context.Context, id model.ClientID) (*Client, error) {
	if c, ok := s.keysets.GetIfPresent(id); ok {
		return c, nil
	}
	return s.keysets.Get(ctx, id, otter.LoaderFunc[model.ClientID, *Client](
		func(ctx context.Context, id model.ClientID) (*Client, error) {
			c := &Client{s: s, id: id, store: s.stores(id)}
			if _, err := c.keyset(ctx); err != nil {
				return nil, err
			}
			return c, nil
		}))
}
