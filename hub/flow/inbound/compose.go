package inbound

import (
	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/store"
)

// compose is the event as the client application will read it, without the ids
// and times that the row adds. Something the hub has no words for becomes an
// unsupported event that names the kind: it is never dropped.
func compose(acct accounts.Account, conv store.Conversation, ev pluginhost.Event) model.Event {
	contact := conv.ContactValue()
	out := model.Event{
		Channel:    string(acct.Plugin),
		SessionID:  conv.Session,
		OccurredAt: model.At(occurredAt(ev, conv.Committed)),
		Contact:    &contact,
	}
	switch ev.Type {
	case model.MessageReceived, model.PostbackReceived, model.MessageEdited:
		out.Message = inboundMessage(ev.Message)
		if ev.Target != nil && out.Message != nil {
			out.Message.ReplyTo = ev.Target
		}
	case model.MessageDeleted:
		out.Message = &model.Message{Direction: model.Inbound, Author: model.Customer, ReplyTo: ev.Target}
	case model.MessageReaction:
		out.Reaction = ev.Reaction
	case model.UnsupportedReceived:
		m := model.Message{}
		if ev.Message != nil {
			m = *ev.Message
		}
		m.Content = &model.Content{Type: model.ContentUnsupported, Kind: ev.Kind}
		out.Message = inboundMessage(&m)
		out.Reason = ev.Reason
	case model.ConversationEnded:
		out.Author, out.Reason = model.Customer, "customer"
		if ev.EndedBy != "" {
			out.Author, out.Reason = ev.EndedBy, ev.Reason
		}
	case model.ContactOptedIn, model.ContactOptedOut:
		out.Reason = ev.Reason
	case model.MessageStatus, model.TypingStarted, model.AccountStatus, model.AttachmentUpdated, model.EventsExpired:
		// These never come as events of a connector.
	}
	return out
}

func inboundMessage(m *model.Message) *model.Message {
	if m == nil {
		return nil
	}
	out := *m
	out.Direction, out.Author = model.Inbound, model.Customer
	out.Status, out.Failure, out.CreatedAt, out.ExpiresAt = "", nil, nil, nil
	if len(m.Attachments) > 0 {
		out.Attachments = make([]model.Attachment, len(m.Attachments))
		for i, a := range m.Attachments {
			if a.ID == "" {
				a.ID, a.State = model.NewAttachmentID(), model.AttachmentPending
			}
			a.URL, a.ExpiresAt = "", nil
			out.Attachments[i] = a
		}
	}
	return &out
}
