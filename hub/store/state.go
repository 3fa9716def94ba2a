package store

import (
	"context"
	"fmt"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/seal"
	"github.com/channelhub/channelhub/hub/storage/table"
)

const (
	stateSchema = 1
	// maxStateKeys bounds what a connector keeps for one account.
	maxStateKeys  = 1000
	maxStateKey   = 128
	maxStateValue = 64 << 10
)

// stateKey seals what connectors keep; it belongs to no contact.
var stateKey = seal.Class("connector-state")

// State is a piece of small state that a connector keeps for an account.
type State struct {
	Key     string
	Value   []byte
	Version uint64 // 1 for the first write; 0 means absent
}

type stateHeader struct {
	Version uint64 `json:"v"`
}

type stateBody struct {
	Key   string `json:"k"`
	Value []byte `json:"b"`
}

func statePK(account model.AccountID) string { return "s/" + string(account) }

// stateSK hides the connector's key, which may hold an address, behind a PRF.
func (c *Client) stateSK(ctx context.Context, account model.AccountID, key string) (string, error) {
	if key == "" || len(key) > maxStateKey {
		return "", model.Errorf(model.Invalid, "use connector state", "a key has 1 to %d bytes", maxStateKey)
	}
	name, err := c.seal.PRF(ctx, "state", string(account), key)
	return hexKey(name), err
}

// State returns a piece of state, or model.NotFound.
func (c *Client) State(ctx context.Context, account model.AccountID, key string) (State, error) {
	sk, err := c.stateSK(ctx, account, key)
	if err != nil {
		return State{}, err
	}
	row, err := c.rows.Get(ctx, statePK(account), sk)
	if err != nil {
		return State{}, fmt.Errorf("read connector state: %w", err)
	}
	return c.decodeState(ctx, row)
}

func (c *Client) decodeState(ctx context.Context, row table.Row) (State, error) {
	var h stateHeader
	sealed, err := decodeHeader(row.Value, stateSchema, &h)
	if err != nil {
		return State{}, fmt.Errorf("read connector state: %w", err)
	}
	var b stateBody
	if err := c.openBody(ctx, row, stateSchema, stateKey, sealed, &b); err != nil {
		return State{}, fmt.Errorf("read connector state: %w", err)
	}
	return State{Key: b.Key, Value: b.Value, Version: h.Version}, nil
}

// PutState writes a piece of state whose version is the expected one, 0 for
// absent, and returns the new version; otherwise model.Conflicting. A ttl of 0
// keeps it for the life of the account.
func (c *Client) PutState(ctx context.Context, account model.AccountID, s State, expected uint64, ttl time.Duration) (uint64, error) {
	if len(s.Value) > maxStateValue {
		return 0, model.Errorf(model.TooLarge, "write connector state", "a value has at most %d bytes", maxStateValue)
	}
	sk, err := c.stateSK(ctx, account, s.Key)
	if err != nil {
		return 0, err
	}
	held, err := c.expectState(ctx, account, sk, expected)
	if err != nil {
		return 0, err
	}
	if held == (table.Version{}) {
		if err := c.roomForState(ctx, account); err != nil {
			return 0, err
		}
	}
	if err := c.seal.CreateKey(ctx, stateKey); err != nil {
		return 0, err
	}
	next := expected + 1
	value, err := c.encode(ctx, statePK(account), sk, stateSchema, stateKey, stateHeader{next}, stateBody{s.Key, s.Value})
	if err != nil {
		return 0, err
	}
	// What has expired is absent for the connector, so it is here as well.
	op := table.Put(statePK(account), sk, value).IfVersion(held).Exact()
	if ttl > 0 {
		op = op.ExpireAt(c.now().Add(ttl))
	}
	if _, err := c.rows.Commit(ctx, op); err != nil {
		return 0, stateConflict(err)
	}
	return next, nil
}

// expectState returns the row version behind the expected state version, the
// zero one for absent.
func (c *Client) expectState(ctx context.Context, account model.AccountID, sk string, expected uint64) (table.Version, error) {
	row, err := c.rows.Get(ctx, statePK(account), sk)
	switch {
	case model.Is(err, model.NotFound) && expected == 0:
		return table.Version{}, nil
	case model.Is(err, model.NotFound):
		return table.Version{}, errStateConflict
	case err != nil:
		return table.Version{}, fmt.Errorf("read connector state: %w", err)
	}
	var h stateHeader
	if _, err := decodeHeader(row.Value, stateSchema, &h); err != nil {
		return table.Version{}, err
	}
	if h.Version != expected {
		return table.Version{}, errStateConflict
	}
	return row.Version, nil
}

func (c *Client) roomForState(ctx context.Context, account model.AccountID) error {
	page, err := c.rows.Query(ctx, table.Query{PK: statePK(account), Limit: maxStateKeys})
	if err != nil {
		return fmt.Errorf("count connector state: %w", err)
	}
	if len(page.Rows) >= maxStateKeys {
		return model.Errorf(model.TooLarge, "write connector state", "an account holds at most %d keys", maxStateKeys)
	}
	return nil
}

// DeleteState removes a piece of state whose version is the expected one.
func (c *Client) DeleteState(ctx context.Context, account model.AccountID, key string, expected uint64) error {
	sk, err := c.stateSK(ctx, account, key)
	if err != nil {
		return err
	}
	held, err := c.expectState(ctx, account, sk, expected)
	if err != nil || held == (table.Version{}) {
		return err
	}
	if _, err := c.rows.Commit(ctx, table.Delete(statePK(account), sk).IfVersion(held)); err != nil {
		return stateConflict(err)
	}
	return nil
}

// States returns all state of an account, in no order that means anything.
func (c *Client) States(ctx context.Context, account model.AccountID) ([]State, error) {
	page, err := c.rows.Query(ctx, table.Query{PK: statePK(account), Limit: maxStateKeys})
	if err != nil {
		return nil, fmt.Errorf("list connector state: %w", err)
	}
	out := make([]State, 0, len(page.Rows))
	for _, row := range page.Rows {
		s, err := c.decodeState(ctx, row)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

var errStateConflict = model.Errorf(model.Conflicting, "write connector state", "another write came first; read it again")

func stateConflict(err error) error {
	if _, conflict := conflictOf(err); conflict {
		return errStateConflict
	}
	return fmt.Errorf("write connector state: %w", err)
}
