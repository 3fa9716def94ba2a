package inbound

import (
	"context"
	"errors"
	"fmt"

	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/store"
)

// EndSession closes the conversation's session from our side, once: the event
// is keyed by the session, so a repeat finds it. A conversation whose session
// is over, or is another one by now, is left as it is.
func (in *Inbound) EndSession(ctx context.Context, client *store.Client, conv store.Conversation, by model.Author, reason string) error {
	if conv.Session == "" {
		return nil
	}
	return in.end(ctx, client, conv.ID, conv.Session, by, reason, nil)
}

// end closes a session. Still, unless nil, is asked once nothing else can
// happen in the conversation, and prevents it.
func (in *Inbound) end(ctx context.Context, client *store.Client, id model.ConversationID, session model.SessionID, by model.Author, reason string,
	still func(context.Context, store.Conversation) (bool, error),
) error {
	unlock, err := in.lock(ctx, id)
	if err != nil {
		return err
	}
	defer unlock()
	conv, err := client.ReadConversation(ctx, id)
	if err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	if conv.Session != session {
		return nil
	}
	if still != nil {
		if ok, err := still(ctx, conv); err != nil || !ok {
			return err
		}
	}
	acct, ok := in.Accounts.Account(conv.Account)
	if !ok {
		acct = accounts.Account{ID: conv.Account, Client: client.ID}
	}
	_, _, err = in.commit(ctx, client, acct, store.Directory{Contact: conv.Contact, Conversation: conv.ID}, pluginhost.Event{
		AccountID: conv.Account, Type: model.ConversationEnded, DedupeKey: endKey(session),
		Addresses: conv.Addresses, DisplayName: conv.DisplayName, OccurredAt: in.Now(), Reason: reason,
		EndedBy: by,
	}, in.Now())
	if errors.Is(err, errOtherSession) {
		return nil // another hub opened the next one between our look and our write
	}
	if err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	in.tell(client.ID, conv.ID)
	return nil
}

// endKey is the dedupe key of a session's end by our side.
func endKey(session model.SessionID) string { return "end/" + string(session) }

var errOtherSession = errors.New("the session is another one by now")

// sessionOver reports whether a conversation has no session that could end:
// one that is told twice, in two tabs or after a lost answer, ends nothing
// more. A row T that says ended is not enough: the process that wrote it may
// have died before it told anybody.
func sessionOver(ctx context.Context, client *store.Client, id model.ConversationID) (bool, error) {
	conv, err := client.ReadConversation(ctx, id)
	switch {
	case model.Is(err, model.NotFound):
		return true, nil
	case err != nil:
		return false, err
	case conv.Session == "":
		return true, nil
	case !conv.SessionEnded:
		return false, nil
	}
	events, err := client.EventsAfter(ctx, id, 0)
	if err != nil {
		return false, err
	}
	for _, e := range events {
		if e.Type == model.ConversationEnded && e.Event.SessionID == conv.Session {
			return true, nil
		}
	}
	return false, nil
}
