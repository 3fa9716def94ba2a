package store

import (
	"context"
	"fmt"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table"
)

// EndEvent removes the content of an event for good. What is left is its
// place, which the dedupe key of a repeat still finds, until the row's own
// end. It reports whether there was content.
func (c *Client) EndEvent(ctx context.Context, conv model.ConversationID, key model.Random16) (bool, error) {
	pk, sk := conversationPK(conv), eventSK(key)
	row, err := c.rows.Get(ctx, pk, sk)
	if model.Is(err, model.NotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("end event: %w", err)
	}
	e, err := c.decodeEvent(ctx, conv, key, row)
	if model.Is(err, model.NotFound) {
		return false, nil // its key was destroyed
	}
	if err != nil || e.Ended {
		return false, err
	}
	var h eventHeader
	if _, err := decodeHeader(row.Value, eventSchema, &h); err != nil {
		return false, fmt.Errorf("end event: %w", err)
	}
	h.Ended, h.Session = true, e.Event.SessionID
	value, err := encodePlain(eventSchema, h)
	if err != nil {
		return false, err
	}
	_, err = c.rows.Commit(ctx, table.Put(pk, sk, value).IfVersion(row.Version).ExpireAt(row.Expires))
	if _, conflict := conflictOf(err); conflict {
		return false, nil // another sweeper, or an erasure, came first
	}
	if err != nil {
		return false, fmt.Errorf("end event: %w", err)
	}
	return true, nil
}

// EndOutbound removes what an outbound message says and whom it went to. What
// became of it is left until the row's own end. It reports whether there was
// content; ok is false when the message was changed meanwhile, and is to be
// looked at again.
func (c *Client) EndOutbound(ctx context.Context, o Outbound) (ended, ok bool, err error) {
	if o.Ended {
		return false, true, nil
	}
	for _, id := range o.ProviderIDs {
		key, err := c.ProviderKey(ctx, o.Account, id)
		if err != nil {
			return false, false, err
		}
		o.providerKeys = append(o.providerKeys, key)
	}
	o.Ended = true
	o.Message = model.Message{Author: o.Message.Author}
	o.To, o.ProviderIDs = nil, nil
	_, ok, err = c.PutOutbound(ctx, o)
	if model.Is(err, model.NotFound) {
		return false, true, nil
	}
	if err != nil {
		return false, false, fmt.Errorf("end message: %w", err)
	}
	return ok, ok, nil
}
