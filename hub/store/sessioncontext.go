package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/seal"
	"github.com/channelhub/channelhub/hub/storage/table"
)

const (
	sessionContextSchema = 1
	sessionContextSK     = "c"
	// sessionContextLife bounds the row, whatever becomes of its session and of
	// those who remove it.
	sessionContextLife = 24 * time.Hour
)

// SessionContext is what is known of a browser while a session lasts, and no
// longer. It is sealed under the contact's key, beside the conversation, and
// in no event.
type SessionContext struct {
	Session model.SessionID
	Set     time.Time

	// Sealed from here on.
	IP        string
	UserAgent string
	Page      json.RawMessage // as the page told it
	Cookies   map[string]string
	Data      json.RawMessage // private data of the page
}

type sessionContextHeader struct {
	Session model.SessionID `json:"s"`
	Set     Milli           `json:"c"`
	Key     seal.KeyID      `json:"k"`
}

type sessionContextBody struct {
	IP        string            `json:"i,omitempty"`
	UserAgent string            `json:"u,omitempty"`
	Page      json.RawMessage   `json:"p,omitempty"`
	Cookies   map[string]string `json:"o,omitempty"`
	Data      json.RawMessage   `json:"d,omitempty"`
}

// PutSessionContext keeps what is known in a conversation's session, in place
// of what was known before.
func (c *Client) PutSessionContext(ctx context.Context, conv Conversation, s SessionContext) error {
	pk := conversationPK(conv.ID)
	value, err := c.encode(ctx, pk, sessionContextSK, sessionContextSchema, conv.Key,
		sessionContextHeader{Session: s.Session, Set: Millis(s.Set), Key: conv.Key},
		sessionContextBody{IP: s.IP, UserAgent: s.UserAgent, Page: s.Page, Cookies: s.Cookies, Data: s.Data})
	if err == nil {
		_, err = c.rows.Commit(ctx, table.Put(pk, sessionContextSK, value).ExpireAt(s.Set.Add(sessionContextLife)))
	}
	if err != nil {
		return fmt.Errorf("write session context: %w", err)
	}
	return nil
}

// SessionContext returns what is kept, or model.NotFound. Whether the session
// still lasts is for the caller to find out.
func (c *Client) SessionContext(ctx context.Context, conv model.ConversationID) (SessionContext, error) {
	row, err := c.rows.Get(ctx, conversationPK(conv), sessionContextSK)
	if err != nil {
		return SessionContext{}, fmt.Errorf("read session context: %w", err)
	}
	var h sessionContextHeader
	sealed, err := decodeHeader(row.Value, sessionContextSchema, &h)
	if err != nil {
		return SessionContext{}, fmt.Errorf("read session context: %w", err)
	}
	var b sessionContextBody
	if err := c.openBody(ctx, row, sessionContextSchema, h.Key, sealed, &b); err != nil {
		return SessionContext{}, fmt.Errorf("read session context: %w", err)
	}
	return SessionContext{
		Session: h.Session, Set: h.Set.Time(), IP: b.IP, UserAgent: b.UserAgent, Page: b.Page, Cookies: b.Cookies, Data: b.Data,
	}, nil
}

// DropSessionContext deletes it; that there is none is no error.
func (c *Client) DropSessionContext(ctx context.Context, conv model.ConversationID) error {
	if _, err := c.rows.Commit(ctx, table.Delete(conversationPK(conv), sessionContextSK)); err != nil {
		return fmt.Errorf("delete session context: %w", err)
	}
	return nil
}
