package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/channelhub/channelhub/hub/storage/table"
)

// Promise is what became of an event on its first two steps, T and E.
type Promise struct {
	// Conversation is the row T as it is now.
	Conversation Conversation
	// Stale says that T was no longer the version it was made from: nothing
	// was written, and both rows are to be made again from Conversation.
	Stale bool
	// Event is the row E that is there now, and Fresh that this call wrote it.
	Event StoredEvent
	Fresh bool
}

// PromisesTogether reports whether Promise writes both rows or none. Then a
// repeat of an event changes nothing and its row comes back; else a caller
// looks for the row first, so that a repeat costs a read and no write.
func (c *Client) PromisesTogether() bool { return c.rows.StepsTogether() }

// Promise writes the row T and then the row E, which names the number that T
// gave it. A crash between the two leaves a number that is never used. The
// place in the feed that follows makes both durable.
func (c *Client) Promise(ctx context.Context, v Conversation, e StoredEvent) (Promise, error) {
	t, err := c.conversationOp(ctx, v)
	if err != nil {
		return Promise{}, err
	}
	op, err := c.eventOp(ctx, e)
	if err != nil {
		return Promise{}, err
	}
	versions, err := c.rows.CommitSteps(ctx, t, op)
	if err == nil {
		v.version = versions[0]
		c.conversations.Set(v.ID, v)
		c.fill(&e)
		return Promise{Conversation: v, Event: e, Fresh: true}, nil
	}
	conflict, ok := errors.AsType[*table.ConflictError](err)
	switch {
	case !ok, conflict.Index == 0:
		now, err := c.conversationAfter(ctx, v, err)
		return Promise{Conversation: now, Stale: true}, err
	case conflict.Found == nil:
		c.conversations.Invalidate(v.ID)
		return Promise{}, fmt.Errorf("write event: %w", err)
	}
	// T may have been written or not: the next event asks the table.
	c.conversations.Invalidate(v.ID)
	found, err := c.decodeEvent(ctx, e.Conversation, e.Key, *conflict.Found)
	return Promise{Conversation: v, Event: found}, err
}
