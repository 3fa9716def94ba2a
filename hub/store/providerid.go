package store

import (
	"context"
	"fmt"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table"
)

const providerSchema = 1

// earlyWait is how long a receipt waits for the message it belongs to.
const earlyWait = time.Hour

// ProviderRow is where the outcome of an attempt and an early receipt meet:
// whoever comes first puts it, the second merges. A ProviderRow is a value.
type ProviderRow struct {
	Key model.Random16 // PRF of account and provider id

	// The message, once the outcome is known.
	Conversation model.ConversationID
	UUID         model.Random16

	// The furthest receipt that came before the message was known.
	Early        model.Status
	EarlyAt      time.Time
	EarlyCode    string
	ProviderCode string

	Expires time.Time
	version table.Version
}

// Known reports whether the row names its message.
func (p ProviderRow) Known() bool { return p.Conversation != "" }

type providerHeader struct {
	Conversation model.ConversationID `json:"v,omitempty"`
	UUID         []byte               `json:"m,omitempty"`
	Early        model.Status         `json:"s,omitempty"`
	EarlyAt      Milli                `json:"at,omitempty"`
	EarlyCode    string               `json:"ec,omitempty"`
	ProviderCode string               `json:"pc,omitempty"`
}

// ProviderKey names a provider's message id on an account.
func (c *Client) ProviderKey(ctx context.Context, account model.AccountID, providerID string) (model.Random16, error) {
	return c.seal.PRF(ctx, "provider-id", string(account), providerID)
}

func providerPK(key model.Random16) string { return "r/" + hexKey(key) }

// ProviderRow returns the row of a provider id, or model.NotFound.
func (c *Client) ProviderRow(ctx context.Context, key model.Random16) (ProviderRow, error) {
	row, err := c.rows.Get(ctx, providerPK(key), "r")
	if err != nil {
		return ProviderRow{}, fmt.Errorf("read provider id: %w", err)
	}
	return decodeProvider(key, row)
}

// PutProvider writes the row if it still is the version that p was made from,
// which is none for a new one. When it is not, ok is false and the row that is
// there comes back.
func (c *Client) PutProvider(ctx context.Context, p ProviderRow) (now ProviderRow, ok bool, err error) {
	h := providerHeader{
		Conversation: p.Conversation,
		Early:        p.Early, EarlyAt: Millis(p.EarlyAt), EarlyCode: p.EarlyCode, ProviderCode: p.ProviderCode,
	}
	if p.Known() {
		h.UUID = p.UUID[:]
	} else {
		p.Expires = c.now().Add(earlyWait)
	}
	value, err := encodePlain(providerSchema, h)
	if err != nil {
		return p, false, err
	}
	version, err := c.rows.Commit(ctx, table.Put(providerPK(p.Key), "r", value).IfVersion(p.version).ExpireAt(p.Expires))
	if err == nil {
		p.version = version
		return p, true, nil
	}
	found, conflict := conflictOf(err)
	switch {
	case !conflict:
		return p, false, fmt.Errorf("write provider id: %w", err)
	case found == nil:
		return ProviderRow{Key: p.Key}, false, nil
	}
	now, err = decodeProvider(p.Key, *found)
	return now, false, err
}

func decodeProvider(key model.Random16, row table.Row) (ProviderRow, error) {
	var h providerHeader
	if _, err := decodeHeader(row.Value, providerSchema, &h); err != nil {
		return ProviderRow{}, fmt.Errorf("read provider id: %w", err)
	}
	p := ProviderRow{
		Key: key, Conversation: h.Conversation, Early: h.Early, EarlyAt: h.EarlyAt.Time(),
		EarlyCode: h.EarlyCode, ProviderCode: h.ProviderCode, Expires: row.Expires, version: row.Version,
	}
	if h.Conversation != "" {
		if len(h.UUID) != 16 {
			return ProviderRow{}, model.Errorf(model.Corrupt, "read provider id", "a key has 16 bytes")
		}
		p.UUID = model.Random16(h.UUID)
	}
	return p, nil
}
