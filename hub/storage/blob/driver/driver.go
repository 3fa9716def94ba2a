// Package driver is the interface a blob driver implements. The hub uses the
// portable type in package blob instead.
//
// A driver never retries and never logs; it returns raw errors with a code of
// package model. It keeps what has expired: the portable type hides it. The
// conformance suite in package drivertest is the full contract.
package driver

import (
	"context"
	"io"
	"time"

	"github.com/channelhub/channelhub/hub/model"
)

// PartBytes is the size of every part of an upload but the last, which is
// smaller. It is the least that S3 takes, so that an upload holds little
// memory; 10,000 parts of it, the most that S3 takes, are 48 GiB.
const PartBytes = 5 << 20

// StampBytes is the size of a stamp.
const StampBytes = 16

// Stamp is the random mark of one Put. Where a repeat meets an object, it
// tells its own from another's.
type Stamp [StampBytes]byte

// Ref names a blob: a key means something only together with its client.
// Neither can hold a slash or a dot.
type Ref struct {
	Client model.ClientID
	Key    string
}

// Info is what is known of a blob from outside. The driver keeps Expires to
// the millisecond.
type Info struct {
	Size    int64
	Expires time.Time
	Stamp   Stamp
}

// Meta is what is kept beside the bytes. It is in clear, so there is nothing
// in it that a customer said.
type Meta struct {
	Expires time.Time
	Stamp   Stamp
}

// Range is a run of bytes. Offset lies within the blob, and may be its size
// only when that is 0. Length 0 means to the end; one that reaches beyond the
// end is cut there.
type Range struct{ Offset, Length int64 }

// Response is what the store is to say when it answers a signed URL.
type Response struct {
	ContentType        string
	ContentDisposition string
}

// Signing asks for a signed URL.
type Signing struct {
	At       time.Time     // when the URL begins to work, whole seconds
	TTL      time.Duration // for how long, whole seconds
	Response Response
}

// Traits say what the driver takes off the hub's shoulders.
type Traits struct {
	// Encrypts: the store encrypts what it keeps, under keys that are not on
	// its disks. Otherwise the hub seals first.
	Encrypts bool
	// Signs: Sign works. Otherwise the hub hands the bytes out itself.
	Signs bool
}

// Driver keeps blobs, each written once and never changed. All methods may be
// called concurrently. Byte slices passed in are not kept.
type Driver interface {
	// Put writes a whole blob of at most PartBytes, durable when it returns.
	// Where there is one by that name it is model.Precondition, and of several
	// that write at once one succeeds; the others may also see
	// model.Conflicting.
	Put(ctx context.Context, ref Ref, meta Meta, body []byte) error
	// Begin starts a larger blob, which is there with Commit and not before.
	Begin(ctx context.Context, ref Ref, meta Meta) (Upload, error)
	// Open returns the bytes of a range and what is known of the whole. The
	// context ends the reading as well. A range that the blob does not have
	// is model.Invalid.
	Open(ctx context.Context, ref Ref, r Range) (io.ReadCloser, Info, error)
	// Head is Open without the bytes.
	Head(ctx context.Context, ref Ref) (Info, error)
	// Delete removes a blob; that there is none is no error.
	Delete(ctx context.Context, ref Ref) error
	// Abandon removes what uploads of this name, by any process, have left
	// unfinished. One that is still under way fails from here on.
	Abandon(ctx context.Context, ref Ref) error
	// Sign returns a URL that hands the blob out to whoever has it, from
	// s.At, for exactly s.TTL. It does not look whether there is one. A
	// driver whose Traits say that it does not sign returns model.Invalid.
	Sign(ctx context.Context, ref Ref, s Signing) (string, error)
	// Traits are the same for the life of the driver.
	Traits() Traits
	// Close releases what the driver holds. No other call is under way or
	// follows.
	Close() error
}

// Upload is one blob on its way. Its methods are called one after the other.
type Upload interface {
	// Part writes part n, counted from 1 without a gap. A repeat with the same
	// bytes, after an error, is harmless.
	Part(ctx context.Context, n int, p []byte) error
	// Commit makes the blob of all parts, with the conditions and errors of
	// Put. Repeated after an error it may be model.NotFound or
	// model.Precondition although the first call succeeded: the stamp tells.
	Commit(ctx context.Context) error
	// Abort gives up and removes the parts. It may be repeated, and after
	// Commit it does nothing.
	Abort(ctx context.Context) error
}
