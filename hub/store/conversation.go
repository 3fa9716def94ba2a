package store

import (
	"context"
	"fmt"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/seal"
	"github.com/channelhub/channelhub/hub/storage/table"
)

const conversationSchema = 1

// Conversation is the row T: the one place that says what was committed last
// in a conversation. It is changed by compare-and-set only. A Conversation is
// a value; the fields in clear are ids, counters and times.
type Conversation struct {
	ID      model.ConversationID
	Account model.AccountID
	Contact model.ContactID
	// Key seals what is written in this conversation. seal.ErasedKey refuses
	// every further write.
	Key seal.KeyID

	In          uint64    // inbound events promised so far; numbers may be skipped
	Committed   time.Time // of the newest inbound event; never goes back
	LastInbound time.Time // when the customer last wrote, by the provider's clock

	Session      model.SessionID
	SessionSince time.Time
	SessionLast  time.Time // last activity of the session
	SessionEnded bool
	EndedBy      string    // with SessionEnded: customer, csr or idle
	EndedAt      time.Time // with SessionEnded

	OptedOut bool // the customer wants no more messages

	ReadByCSR      model.MessageID // the CSR side has read up to here
	ReadByCustomer model.MessageID // the customer has read up to here

	// Addresses and DisplayName are the contact as of the last inbound event;
	// the first address is the one to answer to. They are sealed.
	Addresses   []model.Address
	DisplayName string

	version table.Version
}

// Exists reports whether the row was there when it was read.
func (v Conversation) Exists() bool { return v.version != table.Version{} }

// ContactValue is the contact as the conversation knows it.
func (v Conversation) ContactValue() model.Contact {
	return contactOf(v.Contact, v.Addresses, v.DisplayName)
}

type conversationHeader struct {
	Account        model.AccountID `json:"a"`
	Contact        model.ContactID `json:"cn"`
	Key            seal.KeyID      `json:"k"`
	In             uint64          `json:"i,omitempty"`
	Committed      Milli           `json:"c,omitempty"`
	LastInbound    Milli           `json:"l,omitempty"`
	Session        model.SessionID `json:"s,omitempty"`
	SessionSince   Milli           `json:"ss,omitempty"`
	SessionLast    Milli           `json:"sl,omitempty"`
	SessionEnded   bool            `json:"se,omitempty"`
	EndedBy        string          `json:"eb,omitempty"`
	EndedAt        Milli           `json:"ea,omitempty"`
	OptedOut       bool            `json:"oo,omitempty"`
	ReadByCSR      model.MessageID `json:"rc,omitempty"`
	ReadByCustomer model.MessageID `json:"ru,omitempty"`
}

func conversationPK(id model.ConversationID) string { return "v/" + string(id) }

const conversationSK = "t"

// Conversation returns the row T, from memory when this process wrote or read
// it last. A cached value may be stale: PutConversation finds out.
func (c *Client) Conversation(ctx context.Context, id model.ConversationID) (Conversation, error) {
	if v, ok := c.conversations.GetIfPresent(id); ok {
		return v, nil
	}
	return c.ReadConversation(ctx, id)
}

// ReadConversation returns the row T as it is stored now. That of an erased
// contact is model.NotFound, and IsErased tells.
func (c *Client) ReadConversation(ctx context.Context, id model.ConversationID) (Conversation, error) {
	row, err := c.rows.Get(ctx, conversationPK(id), conversationSK)
	if err != nil {
		return Conversation{}, fmt.Errorf("read conversation: %w", err)
	}
	return c.keepConversation(ctx, id, row)
}

// PutConversation writes the row T if it still is the version that v was made
// from. When it is not, ok is false and the row that is there comes back, to
// be changed and put again.
func (c *Client) PutConversation(ctx context.Context, v Conversation) (now Conversation, ok bool, err error) {
	op, err := c.conversationOp(ctx, v)
	if err != nil {
		return v, false, err
	}
	version, err := c.rows.Commit(ctx, op)
	if err == nil {
		v.version = version
		c.conversations.Set(v.ID, v)
		return v, true, nil
	}
	now, err = c.conversationAfter(ctx, v, err)
	return now, false, err
}

// conversationOp puts the row T if it still is the version that v was made
// from.
func (c *Client) conversationOp(ctx context.Context, v Conversation) (table.Op, error) {
	if v.Key == seal.ErasedKey {
		return table.Op{}, erased("write conversation")
	}
	value, err := c.encode(ctx, conversationPK(v.ID), conversationSK, conversationSchema, v.Key, conversationHeader{
		Account: v.Account, Contact: v.Contact, Key: v.Key,
		In: v.In, Committed: Millis(v.Committed), LastInbound: Millis(v.LastInbound),
		Session: v.Session, SessionSince: Millis(v.SessionSince), SessionLast: Millis(v.SessionLast), SessionEnded: v.SessionEnded,
		EndedBy: v.EndedBy, EndedAt: Millis(v.EndedAt),
		OptedOut: v.OptedOut, ReadByCSR: v.ReadByCSR, ReadByCustomer: v.ReadByCustomer,
	}, contactBody{Addresses: v.Addresses, DisplayName: v.DisplayName})
	if err != nil {
		return table.Op{}, fmt.Errorf("write conversation: %w", err)
	}
	return table.Put(conversationPK(v.ID), conversationSK, value).IfVersion(v.version), nil
}

// conversationAfter returns the row that made the put of v fail with err, or
// why there is none.
func (c *Client) conversationAfter(ctx context.Context, v Conversation, err error) (Conversation, error) {
	found, conflict := conflictOf(err)
	switch {
	case !conflict:
		c.conversations.Invalidate(v.ID)
		return v, fmt.Errorf("write conversation: %w", err)
	case found == nil:
		c.conversations.Invalidate(v.ID)
		return v, model.Errorf(model.NotFound, "write conversation", "the conversation was removed")
	}
	return c.keepConversation(ctx, v.ID, *found)
}

func (c *Client) keepConversation(ctx context.Context, id model.ConversationID, row table.Row) (Conversation, error) {
	var h conversationHeader
	sealed, err := decodeHeader(row.Value, conversationSchema, &h)
	if err != nil {
		return Conversation{}, fmt.Errorf("read conversation: %w", err)
	}
	if h.Key == seal.ErasedKey {
		c.conversations.Invalidate(id)
		return Conversation{}, erased("read conversation")
	}
	var b contactBody
	row.PK, row.SK = conversationPK(id), conversationSK
	if err := c.openBody(ctx, row, conversationSchema, h.Key, sealed, &b); err != nil {
		return Conversation{}, fmt.Errorf("read conversation: %w", err)
	}
	v := Conversation{
		ID: id, Account: h.Account, Contact: h.Contact, Key: h.Key,
		In: h.In, Committed: h.Committed.Time(), LastInbound: h.LastInbound.Time(),
		Session: h.Session, SessionSince: h.SessionSince.Time(), SessionLast: h.SessionLast.Time(), SessionEnded: h.SessionEnded,
		EndedBy: h.EndedBy, EndedAt: h.EndedAt.Time(),
		OptedOut: h.OptedOut, ReadByCSR: h.ReadByCSR, ReadByCustomer: h.ReadByCustomer,
		Addresses: b.Addresses, DisplayName: b.DisplayName,
		version: row.Version,
	}
	c.conversations.Set(id, v)
	return v, nil
}
