package store

import (
	"context"
	"fmt"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/seal"
)

const intentSchema = 1

// Intent is the idempotency row of a POST: what a repeat of the call needs to
// end in the same rows, and to get the same answer.
type Intent struct {
	Key          model.Random16 // PRF of route and idempotency key
	Body         model.Random16 // PRF of the body: another body is another request
	Conversation model.ConversationID
	UUID         model.Random16 // of the message
	LaneTail     uint64         // the lane tail seen before the message was promised
	Created      time.Time
	Expires      time.Time
}

// SameBody reports whether a repeat carries the body of the first call.
func (i Intent) SameBody(body model.Random16) bool { return seal.SameMAC(i.Body, body) }

type intentHeader struct {
	Body         []byte               `json:"b"`
	Conversation model.ConversationID `json:"v"`
	UUID         []byte               `json:"m"`
	LaneTail     uint64               `json:"t"`
	Created      Milli                `json:"c"`
}

// IntentKey names a call by its route and idempotency key, and its body by a
// keyed MAC.
func (c *Client) IntentKey(ctx context.Context, route, idempotencyKey string, body []byte) (key, mac model.Random16, err error) {
	if key, err = c.seal.PRF(ctx, "intent", route, idempotencyKey); err != nil {
		return key, mac, err
	}
	mac, err = c.seal.PRF(ctx, "intent-body", route, string(body))
	return key, mac, err
}

// Intent returns the row of an earlier call, or model.NotFound.
func (c *Client) Intent(ctx context.Context, key model.Random16) (Intent, error) {
	row, err := c.rows.Get(ctx, "i/"+hexKey(key), "i")
	if err != nil {
		return Intent{}, fmt.Errorf("read intent: %w", err)
	}
	return decodeIntent(key, row.Value, row.Expires)
}

// PutIntent writes the row unless it is there, and returns the one that is
// there now and whether this call wrote it. The lane entry that follows makes
// it durable.
func (c *Client) PutIntent(ctx context.Context, i Intent) (Intent, bool, error) {
	value, err := encodePlain(intentSchema, intentHeader{
		Body: i.Body[:], Conversation: i.Conversation, UUID: i.UUID[:], LaneTail: i.LaneTail, Created: Millis(i.Created),
	})
	if err != nil {
		return Intent{}, false, err
	}
	row, created, err := stepOrFound(ctx, c.rows, "i/"+hexKey(i.Key), "i", value, i.Expires)
	switch {
	case err != nil:
		return Intent{}, false, fmt.Errorf("write intent: %w", err)
	case created:
		return i, true, nil
	}
	found, err := decodeIntent(i.Key, row.Value, row.Expires)
	return found, false, err
}

func decodeIntent(key model.Random16, value []byte, expires time.Time) (Intent, error) {
	var h intentHeader
	if _, err := decodeHeader(value, intentSchema, &h); err != nil {
		return Intent{}, fmt.Errorf("read intent: %w", err)
	}
	if len(h.Body) != 16 || len(h.UUID) != 16 {
		return Intent{}, model.Errorf(model.Corrupt, "read intent", "a key has 16 bytes")
	}
	return Intent{
		Key: key, Body: model.Random16(h.Body), Conversation: h.Conversation, UUID: model.Random16(h.UUID),
		LaneTail: h.LaneTail, Created: h.Created.Time(), Expires: expires,
	}, nil
}
