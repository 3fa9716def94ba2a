package inbound

import (
	"context"
	"fmt"

	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/store"
)

// EndSession closes the conversation's session from our side, once: the event
// is keyed by the session, so a repeat finds it. A conversation without an
// open session is left as it is.
func (in *Inbound) EndSession(ctx context.Context, client *store.Client, conv store.Conversation, by model.Author, reason string) error {
	if conv.Session == "" {
		return nil
	}
	acct, ok := in.Accounts.Account(conv.Account)
	if !ok {
		acct = accounts.Account{ID: conv.Account, Client: client.ID}
	}
	unlock, err := in.lock(ctx, conv.ID)
	if err != nil {
		return err
	}
	defer unlock()
	_, _, err = in.commit(ctx, client, acct, store.Directory{Contact: conv.Contact, Conversation: conv.ID}, pluginhost.Event{
		AccountID: conv.Account, Type: model.ConversationEnded, DedupeKey: "end/" + string(conv.Session),
		Addresses: conv.Addresses, DisplayName: conv.DisplayName, OccurredAt: in.Now(), Reason: reason,
		EndedBy: by,
	}, in.Now())
	if err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	if in.Committed != nil {
		in.Committed(client.ID, conv.ID)
	}
	return nil
}

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
