package inbound

import (
	"context"
	"encoding/hex"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/hub/telemetry"
	"github.com/channelhub/channelhub/internal/failpoint"
)

// DueContext is the kind of due rows that remove the context of sessions which
// nobody ended.
const DueContext = "session-context"

// KeepContext keeps what is known of a browser for the session that its
// conversation has, and returns that session; empty when it has none. It
// replaces what was kept of that session. A session that the caller has seen
// it kept for, in s, costs nothing.
func (in *Inbound) KeepContext(ctx context.Context, client *store.Client, id model.ConversationID, s store.SessionContext) (model.SessionID, error) {
	unlock, err := in.lock(ctx, id)
	if err != nil {
		return "", err
	}
	defer unlock()
	conv, err := client.Conversation(ctx, id)
	if err != nil {
		if model.Is(err, model.NotFound) {
			err = nil
		}
		return "", err
	}
	open, err := in.sessionOpen(ctx, client, conv, in.Now())
	if err != nil || !open {
		return "", err
	}
	if conv.Session == s.Session {
		return s.Session, nil
	}
	s.Session, s.Set = conv.Session, in.Now()
	had, err := client.SessionContext(ctx, id)
	if err != nil && !model.Is(err, model.NotFound) {
		return "", err
	}
	if err != nil || had.Session != s.Session {
		// Before the row, so that it is found whatever crashes.
		if err := in.contextDue(ctx, client, id, in.Now().Add(sessionIdle)); err != nil {
			return "", err
		}
		failpoint.Hit("session.after_due")
	}
	return s.Session, client.PutSessionContext(ctx, conv, s)
}

func (in *Inbound) contextDue(ctx context.Context, client *store.Client, id model.ConversationID, at time.Time) error {
	name := model.NewRandom16() // never the name of one that is being worked off
	return client.PutDue(ctx, store.Due{ID: hex.EncodeToString(name[:]), Kind: DueContext, Ref: string(id), At: at})
}

// openSession reads a conversation and whether its session goes on now.
func (in *Inbound) openSession(ctx context.Context, client *store.Client, id model.ConversationID) (store.Conversation, bool, error) {
	conv, err := client.ReadConversation(ctx, id)
	if model.Is(err, model.NotFound) {
		return conv, false, nil
	}
	if err != nil {
		return conv, false, err
	}
	open, err := in.sessionOpen(ctx, client, conv, in.Now())
	return conv, open, err
}

// SessionContext returns what is kept for a conversation's session while it
// lasts; from the instant of its end on it is model.NotFound (I9), whoever has
// yet to remove it.
func (in *Inbound) SessionContext(ctx context.Context, client *store.Client, id model.ConversationID) (store.SessionContext, error) {
	s, err := client.SessionContext(ctx, id)
	if err != nil {
		return store.SessionContext{}, err
	}
	conv, open, err := in.openSession(ctx, client, id)
	if err != nil {
		return store.SessionContext{}, err
	}
	if !open || conv.Session != s.Session {
		return store.SessionContext{}, model.Errorf(model.NotFound, "read session context", "the session has ended")
	}
	return s, nil
}

// dropContext removes the context of a session that has just ended. What fails
// is left to the sweeper: nobody can read it any more.
func (in *Inbound) dropContext(ctx context.Context, client *store.Client, id model.ConversationID) {
	_, err := client.SessionContext(ctx, id)
	if model.Is(err, model.NotFound) {
		return
	}
	failpoint.Hit("session.after_end")
	if err = client.DropSessionContext(ctx, id); err != nil {
		in.Logger.Warn("the context of a session that ended was not removed yet", telemetry.FieldClient, client.ID, telemetry.FieldConversation, id, "code", model.CodeOf(err))
	}
}

// SweepContext removes the context of a session that has ended by being idle,
// or whose end a crash cut off, and looks again later at one that goes on. It
// is the sweeper's deleter for DueContext.
func (in *Inbound) SweepContext(ctx context.Context, client *store.Client, d store.Due) error {
	id := model.ConversationID(d.Ref)
	unlock, err := in.lock(ctx, id)
	if err != nil {
		return err
	}
	defer unlock()
	s, err := client.SessionContext(ctx, id)
	if model.Is(err, model.NotFound) {
		// None, or one whose key is gone.
		return client.DropSessionContext(ctx, id)
	}
	if err != nil {
		return err
	}
	conv, open, err := in.openSession(ctx, client, id)
	switch {
	case err != nil:
		return err
	case !open || conv.Session != s.Session:
		return client.DropSessionContext(ctx, id)
	}
	// Not before the session's last word is old, and not at once.
	return in.contextDue(ctx, client, id, later(conv.SessionLast.Add(sessionIdle), in.Now().Add(time.Minute)))
}
