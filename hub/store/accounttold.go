package store

import (
	"context"
	"fmt"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table"
)

const accountToldSchema = 1

// AccountTold is the state of an account that the client was told last. It is
// also the promise of the record in the feed that tells it. A value.
type AccountTold struct {
	Account model.AccountID
	// State is empty while nothing was ever told.
	State, Was string
	Seq        int
	At         time.Time
	Tail       uint64 // of the feed, seen when the row was written

	key     model.Random16
	version table.Version
}

type accountToldHeader struct {
	State string `json:"s"`
	Was   string `json:"o,omitempty"`
	Seq   int    `json:"q"`
	At    Milli  `json:"c"`
	Tail  uint64 `json:"f,omitempty"`
}

func accountPK(id model.AccountID) string { return "a/" + string(id) }

// AccountTold returns the row of an account; one of which nothing was told has
// no state.
func (c *Client) AccountTold(ctx context.Context, id model.AccountID) (AccountTold, error) {
	a := AccountTold{Account: id}
	var err error
	if a.key, err = c.seal.PRF(ctx, "account-status", string(id)); err != nil {
		return a, fmt.Errorf("read account's state: %w", err)
	}
	row, err := c.rows.Get(ctx, accountPK(id), "s")
	if model.Is(err, model.NotFound) {
		return a, nil
	}
	if err != nil {
		return a, fmt.Errorf("read account's state: %w", err)
	}
	return a, a.decode(row)
}

func (a *AccountTold) decode(row table.Row) error {
	var h accountToldHeader
	if _, err := decodeHeader(row.Value, accountToldSchema, &h); err != nil {
		return fmt.Errorf("read account's state: %w", err)
	}
	a.State, a.Was, a.Seq, a.At, a.Tail, a.version = h.State, h.Was, h.Seq, h.At.Time(), h.Tail, row.Version
	return nil
}

// PromiseAccount writes the row if it still is the version that a was made
// from. When it is not, ok is false and the row that is there comes back.
func (c *Client) PromiseAccount(ctx context.Context, a AccountTold) (now AccountTold, ok bool, err error) {
	value, err := encodePlain(accountToldSchema, accountToldHeader{State: a.State, Was: a.Was, Seq: a.Seq, At: Millis(a.At), Tail: a.Tail})
	if err != nil {
		return a, false, err
	}
	version, err := c.rows.Commit(ctx, table.Put(accountPK(a.Account), "s", value).IfVersion(a.version))
	if err == nil {
		a.version = version
		return a, true, nil
	}
	found, conflict := conflictOf(err)
	if !conflict || found == nil {
		return a, false, fmt.Errorf("write account's state: %w", err)
	}
	now = AccountTold{Account: a.Account, key: a.key}
	return now, false, now.decode(*found)
}

// TellAccount puts the record that the row promises into the feed, unless it
// is there.
func (c *Client) TellAccount(ctx context.Context, a AccountTold) error {
	if a.Seq == 0 {
		return nil
	}
	_, err := c.AccountFeed().Append(ctx, Record{
		Kind: AccountRecord, Key: a.key, Seq: a.Seq, Type: model.AccountStatus, Account: a.Account,
		Old: model.Status(a.Was), New: model.Status(a.State), At: Millis(a.At),
	}, a.Tail)
	if err != nil {
		return fmt.Errorf("append account's state to feed: %w", err)
	}
	return nil
}

// AccountFeed is the feed log of what belongs to no conversation.
func (c *Client) AccountFeed() *Log { return c.Feed("") }
