// Package table is the port for rows: a portable type over a small driver.
//
// A Table hands out a Handle per client and one for the hub's own rows. A
// Handle prefixes every partition key with its root ("c/<client>/" or "h/"),
// so code that serves one client holds nothing that can name another's rows.
//
// Reads are strong. A Commit is atomic, at most 100 ops, and never spans two
// roots. Expired rows are hidden from the instant of their expiry; in
// conditions they count as absent only ExpiryGrace later, unless the op says
// Exact, so that clocks of two hubs need not agree to the second.
//
// The portable type alone retries: throttled and unavailable answers, with
// jitter, until the deadline of the context, or for 3 s where there is none.
// After an ambiguous error it reads back the stamp of its commit before it
// says that a condition failed.
package table

import (
	"context"
	"fmt"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table/driver"
)

// ExpiryGrace is how much longer than its expiry a row still counts as present
// in conditions. It is far beyond the difference that two synchronised clocks
// can have, so a hub that runs ahead cannot take over a row that another hub
// still sees.
const ExpiryGrace = 5 * time.Minute

// Version names the commit that wrote a row. It is never reused; the zero
// Version belongs to no row.
type Version = driver.ID

// Row is one row as a Handle shows it: PK is relative to the handle. Value
// belongs to the receiver. Expires is zero when the row never expires.
type Row struct {
	PK, SK  string
	Value   []byte
	Version Version
	Expires time.Time
}

// Cost tells what one call of the driver consumed.
type Cost struct {
	Call   string         // "get", "query" or "commit"
	Client model.ClientID // empty for the hub's own rows
	Took   time.Duration
	Err    error // nil when the call succeeded
	driver.Cost
}

// Options adjust a Table.
type Options struct {
	// Now is the clock that decides what has expired; nil means time.Now.
	Now func() time.Time
	// OnCost is called after each call of the driver, failed ones and
	// retries included. It runs on the caller's goroutine, must be safe for
	// concurrent use and must not block.
	OnCost func(Cost)
}

// Table is a store of rows. It is safe for concurrent use and owns its driver:
// Close closes it.
type Table struct {
	driver  driver.Driver
	stepper driver.Stepper // nil: steps are commits of their own
	now     func() time.Time
	onCost  func(Cost)
}

// New returns a Table over d; nil opts means the defaults.
func New(d driver.Driver, opts *Options) *Table {
	if opts == nil {
		opts = &Options{}
	}
	t := &Table{driver: d, now: opts.Now, onCost: opts.OnCost}
	if t.now == nil {
		t.now = time.Now
	}
	t.stepper, _ = d.(driver.Stepper)
	return t
}

// For returns the handle to the rows of one client. It panics on an id that
// configuration could not have held: an id with a slash would reach another
// client's rows, so letting one through is worse than stopping.
func (t *Table) For(client model.ClientID) Handle {
	if !model.ValidConfiguredID(string(client)) {
		panic(fmt.Sprintf("table: %q is not a client id", client))
	}
	return Handle{table: t, client: client, root: "c/" + string(client) + "/"}
}

// Hub returns the handle to the rows that belong to no client.
func (t *Table) Hub() Handle { return Handle{table: t, root: "h/"} }

// Sweep removes rows whose expiry is ExpiryGrace or longer ago, if the driver
// leaves that to its caller, and returns how many went. Rows already removed
// stay removed when it returns an error; the next call goes on.
func (t *Table) Sweep(ctx context.Context) (int, error) {
	s, ok := t.driver.(driver.Sweeper)
	if !ok {
		return 0, nil
	}
	n, err := s.Sweep(ctx, t.now().Add(-ExpiryGrace))
	if err != nil {
		return n, fmt.Errorf("sweep expired rows: %w", err)
	}
	return n, nil
}

// Close closes the driver. No other call may be under way or follow.
func (t *Table) Close() error {
	if err := t.driver.Close(); err != nil {
		return fmt.Errorf("close table: %w", err)
	}
	return nil
}

// Handle reaches the rows under one root and no others. It is a small value,
// comparable and safe for concurrent use; it lives as long as its Table. Only
// Table.For and Table.Hub make one that works.
type Handle struct {
	table  *Table
	client model.ClientID
	root   string
}

func (h Handle) key(pk, sk string) driver.Key { return driver.Key{PK: h.root + pk, SK: sk} }

func (h Handle) row(r driver.Row) Row {
	return Row{PK: r.PK[len(h.root):], SK: r.SK, Value: r.Value, Version: r.Version, Expires: r.Expires}
}

func (h Handle) spent(call string, began time.Time, c driver.Cost, err error) {
	if h.table.onCost != nil {
		h.table.onCost(Cost{Call: call, Client: h.client, Took: time.Since(began), Err: err, Cost: c})
	}
}

// expired reports whether r counts as absent at the given instant.
func expired(r driver.Row, at time.Time) bool {
	return !r.Expires.IsZero() && !r.Expires.After(at)
}
