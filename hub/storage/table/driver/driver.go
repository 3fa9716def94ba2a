// Package driver is the interface a table driver implements. Applications use
// the portable type in package table instead.
//
// A driver is small on purpose. It never retries, never logs and never
// interprets a value; it returns raw errors with a code, and the portable type
// above it decides what to do. The conformance suite in package drivertest is
// the full contract.
package driver

import (
	"context"
	"time"

	"github.com/channelhub/channelhub/hub/model"
)

// Limits every driver keeps. They are the smallest of what the stores offer.
const (
	MaxKeyBytes    = 512         // partition key and sort key, each
	MaxValueBytes  = 350 << 10   // one row's value
	MaxCommitOps   = 100         // ops in one commit
	MaxCommitBytes = 3500 * 1024 // keys and values of one commit together
)

// ID names a commit. It is random, and it is the version of every row the
// commit wrote: a version is never reused, and a writer that lost the answer
// can recognise its own rows.
type ID [16]byte

// Key is the full key of a row. PK and SK are byte strings: rows of one
// partition are ordered by SK, byte by byte.
type Key struct{ PK, SK string }

// Row is one stored row. Value belongs to the receiver.
type Row struct {
	Key
	Value   []byte
	Version ID
	// Expires is the second from which the row is hidden; zero means never.
	Expires time.Time
}

// CondKind is what a condition demands of the row that is there.
type CondKind uint8

// The conditions.
const (
	CondAny     CondKind = iota // whatever is there
	CondAbsent                  // nothing, or a row that expired at or before ExpiredBy
	CondVersion                 // a row of exactly this version that has not expired at or before ExpiredBy
)

// Cond is evaluated atomically with the op.
type Cond struct {
	Kind    CondKind
	Version ID
	// ExpiredBy: a row whose expiry is set and not after this instant counts
	// as absent. The zero time means that no row does.
	ExpiredBy time.Time
}

// OpKind is what an op does once its condition holds.
type OpKind uint8

// The ops.
const (
	OpPut    OpKind = iota // writes the row, stamped with the commit's ID
	OpDelete               // removes the row; an absent row is fine under CondAny
	OpCheck                // writes nothing
)

// Op is one part of a commit.
type Op struct {
	Kind OpKind
	Key
	Value   []byte
	Expires time.Time
	Cond    Cond
}

// Query reads rows of one partition in order of SK, or in reverse.
type Query struct {
	PK string
	// From and To bound SK: From <= SK < To. An empty To has no end.
	From, To string
	// After continues behind this SK (before it when Reverse); it is the SK
	// of the last row seen, which need not exist any more. It lies within the
	// bounds. Empty starts at the bound.
	After   string
	Limit   int // at least 1
	Reverse bool
}

// Page is what one call returns. A driver may return fewer rows than Limit
// with More set: the portable type asks on. More false means that the range
// holds nothing further. Expired rows are returned like any other.
type Page struct {
	Rows []Row
	More bool
}

// Cost is what a call consumed, in the units of the store's bill: write units
// of 1 KiB and read units of 4 KiB. Drivers without a bill count as DynamoDB
// would: a row costs its started units, a commit of more than one op double.
type Cost struct{ WriteUnits, ReadUnits float64 }

// ConflictError is the error of a commit whose condition did not hold. Nothing was
// written.
type ConflictError struct {
	Index int  // the first op, in order, whose condition failed
	Found *Row // the row found there; nil when there was none
}

func (c *ConflictError) Error() string { return "condition failed" }

// Driver stores rows. All methods may be called concurrently. Reads are
// strong: they see every commit that returned before they began, and nothing
// that a crash could still take back; the same holds for the row that a
// Conflict hands back. A call whose context ends returns soon after, with
// model.Unavailable.
type Driver interface {
	// Get returns the row, expired or not, or an error with model.NotFound.
	Get(ctx context.Context, key Key) (Row, Cost, error)
	// Query returns the next rows of a range.
	Query(ctx context.Context, q Query) (Page, Cost, error)
	// Commit applies all ops or none, stamps rows with id, and returns once
	// they are durable. A failed condition is a *ConflictError. An error with
	// model.Unavailable may hide a commit that landed, or one that lands
	// after the call has returned; any other error means that nothing was
	// written. Ops are valid and name each row once: the portable type has
	// checked. They and their values are not kept once Commit has returned.
	Commit(ctx context.Context, id ID, ops []Op) (Cost, error)
	// Close releases the store. No other call is under way or follows.
	Close() error
}

// Sweeper is implemented by drivers that remove expired rows themselves when
// told to. Rows that expired at or before the instant go; it returns how many.
type Sweeper interface {
	Sweep(ctx context.Context, expiredBy time.Time) (int, error)
}

// Stepper is implemented by drivers that keep all commits in one order, for
// which one commit of several ops is cheaper than a commit for each.
type Stepper interface {
	// CommitSteps is Commit, for ops that need not land together but may, and
	// that are followed by a commit. Each op is billed as the commit of its own
	// that it would be elsewhere. It returns before its rows are durable, once
	// every commit that begins later stands behind them: a crash that takes
	// them back leaves none of those. Reads wait until the rows are durable,
	// as ever.
	CommitSteps(ctx context.Context, id ID, ops []Op) (Cost, error)
}

// Code makes drivers' errors read alike.
func Code(code model.Code, op string, err error) error { return model.Wrap(code, op, err) }
