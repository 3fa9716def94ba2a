package store

import (
	"context"
	"fmt"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/seal"
	"github.com/channelhub/channelhub/hub/storage/table"
)

const eventSchema = 1

// StoredEvent is the row E: an inbound event with what is needed to finish its
// way into the feed after a crash. A StoredEvent is a value.
type StoredEvent struct {
	Conversation model.ConversationID
	Key          model.Random16 // PRF of account and dedupe key
	Account      model.AccountID
	SealKey      seal.KeyID
	Type         model.EventType

	In        uint64    // the number that T gave it
	Committed time.Time // the commit time that T gave it
	Tail      uint64    // the feed tail seen before it was written
	Received  time.Time
	// ContentUntil is when the content ends unread; Expires when the row goes.
	ContentUntil time.Time
	Expires      time.Time
	Traceparent  string
	// Ended says that the content is gone and only the event's place is kept:
	// of Event then no more is left than ids and times.
	Ended bool

	// Event is the event as the client application reads it.
	Event model.Event
	// FetchRefs are the connector's own references to the attachments' bytes,
	// in the order of Event.Message.Attachments.
	FetchRefs [][]byte
}

type eventHeader struct {
	Account      model.AccountID `json:"a"`
	Key          seal.KeyID      `json:"k"`
	Type         model.EventType `json:"t"`
	In           uint64          `json:"i"`
	Committed    Milli           `json:"c"`
	Tail         uint64          `json:"f"`
	Received     Milli           `json:"r"`
	ContentUntil Milli           `json:"u"`
	Traceparent  string          `json:"p,omitempty"`
	// Ended and Session are what a tombstone adds; it has no body.
	Ended   bool            `json:"z,omitempty"`
	Session model.SessionID `json:"s,omitempty"`
}

// eventBody leaves out what the place and the header say already: a row under
// 1 KiB costs one unit, and is not worth compressing.
type eventBody struct {
	Event     leanEvent `json:"e"`
	FetchRefs [][]byte  `json:"f,omitempty"`
}

// leanEvent is a model.Event whose JSON leaves out whatever is empty: they
// differ in their tags alone.
type leanEvent struct {
	ID             model.EventID        `json:"id,omitempty"`
	Type           model.EventType      `json:"type,omitempty"`
	ClientID       model.ClientID       `json:"client_id,omitempty"`
	AccountID      model.AccountID      `json:"account_id,omitempty"`
	Channel        string               `json:"channel,omitempty"`
	ConversationID model.ConversationID `json:"conversation_id,omitempty"`
	SessionID      model.SessionID      `json:"session_id,omitempty"`
	OccurredAt     model.Time           `json:"occurred_at,omitzero"`
	ReceivedAt     model.Time           `json:"received_at,omitzero"`
	Contact        *model.Contact       `json:"contact,omitempty"`
	Message        *model.Message       `json:"message,omitempty"`
	Reaction       *model.Reaction      `json:"reaction,omitempty"`
	Account        *model.AccountState  `json:"account,omitempty"`
	Author         model.Author         `json:"author,omitempty"`
	Reason         string               `json:"reason,omitempty"`
	Count          int                  `json:"count,omitempty"`
}

func eventSK(key model.Random16) string { return "e/" + hexKey(key) }

// EventKey names an occurrence in a conversation: the same account and dedupe
// key always give the same row.
func (c *Client) EventKey(ctx context.Context, account model.AccountID, dedupeKey string) (model.Random16, error) {
	return c.seal.PRF(ctx, "event", string(account), dedupeKey)
}

// Event returns the row E, or model.NotFound.
func (c *Client) Event(ctx context.Context, conv model.ConversationID, key model.Random16) (StoredEvent, error) {
	row, err := c.rows.Get(ctx, conversationPK(conv), eventSK(key))
	if err != nil {
		return StoredEvent{}, fmt.Errorf("read event: %w", err)
	}
	return c.decodeEvent(ctx, conv, key, row)
}

// eventOp puts the row E unless it is there.
func (c *Client) eventOp(ctx context.Context, e StoredEvent) (table.Op, error) {
	pk, sk := conversationPK(e.Conversation), eventSK(e.Key)
	value, err := c.encode(ctx, pk, sk, eventSchema, e.SealKey, eventHeader{
		Account: e.Account, Key: e.SealKey, Type: e.Type,
		In: e.In, Committed: Millis(e.Committed), Tail: e.Tail, Received: Millis(e.Received),
		ContentUntil: Millis(e.ContentUntil), Traceparent: e.Traceparent,
	}, eventBody{Event: lean(e.Event), FetchRefs: e.FetchRefs})
	if err != nil {
		return table.Op{}, fmt.Errorf("write event: %w", err)
	}
	return table.Put(pk, sk, value).IfAbsent().ExpireAt(e.Expires), nil
}

// PutEvent writes the row E unless it is there, and returns the row that is
// there now and whether this call wrote it.
func (c *Client) PutEvent(ctx context.Context, e StoredEvent) (StoredEvent, bool, error) {
	op, err := c.eventOp(ctx, e)
	if err != nil {
		return StoredEvent{}, false, err
	}
	_, err = c.rows.Commit(ctx, op)
	if err == nil {
		c.fill(&e)
		return e, true, nil
	}
	row, conflict := conflictOf(err)
	if !conflict || row == nil {
		return StoredEvent{}, false, fmt.Errorf("write event: %w", err)
	}
	found, err := c.decodeEvent(ctx, e.Conversation, e.Key, *row)
	return found, false, err
}

func (c *Client) decodeEvent(ctx context.Context, conv model.ConversationID, key model.Random16, row table.Row) (StoredEvent, error) {
	var h eventHeader
	sealed, err := decodeHeader(row.Value, eventSchema, &h)
	if err != nil {
		return StoredEvent{}, fmt.Errorf("read event: %w", err)
	}
	row.PK, row.SK = conversationPK(conv), eventSK(key)
	b := eventBody{Event: leanEvent{SessionID: h.Session}}
	if !h.Ended {
		if err := c.openBody(ctx, row, eventSchema, h.Key, sealed, &b); err != nil {
			return StoredEvent{}, fmt.Errorf("read event: %w", err)
		}
	}
	e := StoredEvent{
		Conversation: conv, Key: key, Account: h.Account, SealKey: h.Key, Type: h.Type,
		In: h.In, Committed: h.Committed.Time(), Tail: h.Tail, Received: h.Received.Time(),
		ContentUntil: h.ContentUntil.Time(), Expires: row.Expires, Traceparent: h.Traceparent,
		Ended: h.Ended, Event: model.Event(b.Event), FetchRefs: b.FetchRefs,
	}
	c.fill(&e)
	return e, nil
}

// lean drops from an event what decodeEvent puts back.
func lean(ev model.Event) leanEvent {
	ev.ID, ev.ClientID, ev.AccountID, ev.ConversationID, ev.Type = "", "", "", "", ""
	ev.ReceivedAt = model.Time{}
	if ev.Contact != nil {
		k := *ev.Contact
		k.ID, k.Address, k.AddressKind = "", "", ""
		ev.Contact = &k
	}
	if ev.Message != nil {
		m := *ev.Message
		m.ID = ""
		ev.Message = &m
	}
	return leanEvent(ev)
}

// fill puts back into an event what lean dropped, without touching what the
// event shares with its maker.
func (c *Client) fill(e *StoredEvent) {
	ev := &e.Event
	ev.ID = model.EventPlace{Conversation: e.Conversation, Key: e.Key}.ID()
	ev.ClientID, ev.AccountID, ev.ConversationID = c.ID, e.Account, e.Conversation
	ev.Type = e.Type
	ev.ReceivedAt = model.At(e.Received)
	if ev.Contact != nil {
		k := contactOf(model.ContactID(e.SealKey), ev.Contact.Addresses, ev.Contact.DisplayName)
		ev.Contact = &k
	}
	if ev.Message != nil {
		m := *ev.Message
		m.ID = model.MessagePlace{Conversation: e.Conversation, Direction: model.Inbound, Key: e.Key}.ID()
		ev.Message = &m
	}
}
