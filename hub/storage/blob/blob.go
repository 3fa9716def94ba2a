// Package blob is the port for attachment bytes: a portable type over a small
// driver.
//
// A Store hands out a Handle per client, and code that serves one client holds
// nothing that can name another's blobs. A blob is written once under a random
// key and never changed. It has an end: from that instant it is hidden, and
// whoever put it deletes it. A row that names the key is written before the
// blob, so nothing needs to list blobs.
//
// Only bytes, a random stamp and the end are kept. Content type and file name
// come from the sealed row of the attachment when the blob is handed out: what
// lies beside the bytes in a store is not sealed.
//
// The portable type alone retries: throttled and unavailable answers, with
// jitter, until the deadline of the context, or for 3 s a step where there is
// none. It reads what it is given in parts, each of which can be repeated, so
// a Put of any length holds at most one part in memory.
package blob

import (
	"context"
	"crypto/rand"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/blob/driver"
	"github.com/channelhub/channelhub/hub/storage/internal/retry"
)

// PartBytes is what a Put holds in memory at most.
const PartBytes = driver.PartBytes

type (
	// Range is a run of bytes; the zero Range is the whole.
	Range = driver.Range
	// Traits say whether the store encrypts and whether it signs.
	Traits = driver.Traits
)

// Key names a blob within its client: 128 random bits.
type Key string

// NewKey returns a fresh key.
func NewKey() Key { return Key(strings.ToLower(rand.Text())) }

var validKey = regexp.MustCompile(`^[a-z2-7]{26}$`)

// Valid reports whether the key has the form of one that NewKey makes.
func (k Key) Valid() bool { return validKey.MatchString(string(k)) }

// Info is what is known of a blob from outside.
type Info struct {
	Size    int64
	Expires time.Time
}

// Options adjust a Store.
type Options struct {
	// Now is the clock that decides what has expired; nil means time.Now.
	Now func() time.Time
}

// Store keeps the blobs of all clients. It is safe for concurrent use and owns
// its driver: Close closes it.
type Store struct {
	driver driver.Driver
	now    func() time.Time
}

// New returns a Store over d; nil opts means the defaults.
func New(d driver.Driver, opts *Options) *Store {
	s := &Store{driver: d, now: time.Now}
	if opts != nil && opts.Now != nil {
		s.now = opts.Now
	}
	return s
}

// Traits say what the driver does itself.
func (s *Store) Traits() Traits { return s.driver.Traits() }

// For returns the handle to the blobs of one client. It panics on an id that
// configuration could not have held: one with a slash would reach another
// client's blobs, so letting it through is worse than stopping.
func (s *Store) For(client model.ClientID) Handle {
	if !model.ValidConfiguredID(string(client)) {
		panic(fmt.Sprintf("blob: %q is not a client id", client))
	}
	return Handle{store: s, client: client}
}

// Close closes the driver. No other call may be under way or follow.
func (s *Store) Close() error {
	if err := s.driver.Close(); err != nil {
		return fmt.Errorf("close blob store: %w", err)
	}
	return nil
}

// Handle reaches the blobs of one client and no others. It is a small value,
// safe for concurrent use; it lives as long as its Store. Only Store.For makes
// one that works.
type Handle struct {
	store  *Store
	client model.ClientID
}

// Head tells of a blob. A key that is unknown, another client's or past its
// end is model.NotFound.
func (h Handle) Head(ctx context.Context, key Key) (Info, error) {
	const op = "look at blob"
	if !key.Valid() {
		return Info{}, none(op)
	}
	var info driver.Info
	err := do(ctx, op, func() (err error) {
		info, err = h.store.driver.Head(ctx, h.ref(key))
		return err
	})
	if err != nil {
		return Info{}, err
	}
	if h.expired(info) {
		return Info{}, none(op)
	}
	return Info{Size: info.Size, Expires: info.Expires}, nil
}

// Delete removes a blob for good. That there is none is no error.
func (h Handle) Delete(ctx context.Context, key Key) error {
	const op = "delete blob"
	if !key.Valid() {
		return nil
	}
	return do(ctx, op, func() error { return h.store.driver.Delete(ctx, h.ref(key)) })
}

// Discard is Delete for a blob of which nobody knows whether its Put ended: it
// also removes the parts that a process left behind when it died. It costs a
// request more.
func (h Handle) Discard(ctx context.Context, key Key) error {
	const op = "discard blob"
	if !key.Valid() {
		return nil
	}
	// In this order: an upload that is abandoned can no longer become a blob.
	if err := do(ctx, op, func() error { return h.store.driver.Abandon(ctx, h.ref(key)) }); err != nil {
		return err
	}
	return h.Delete(ctx, key)
}

func (h Handle) ref(key Key) driver.Ref { return driver.Ref{Client: h.client, Key: string(key)} }

// expired reports whether a blob is past its end (I9).
func (h Handle) expired(i driver.Info) bool { return !i.Expires.After(h.store.now()) }

// none is the one answer for what is not there, is another's or has expired.
func none(op string) error { return model.Errorf(model.NotFound, op, "there is no such blob") }

// do retries and says what was attempted; the driver's code stays.
func do(ctx context.Context, op string, call func() error) error {
	// A driver need not look at a context that has ended before it began.
	if err := ctx.Err(); err != nil {
		return model.Wrap(model.Unavailable, op, err)
	}
	err := retry.Do(ctx, call)
	return model.Wrap(model.CodeOf(err), op, err)
}
