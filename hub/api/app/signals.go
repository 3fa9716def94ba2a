package app

import (
	"context"
	"net/http"
	"time"

	"github.com/channelhub/channelhub/hub/api/web"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/hub/telemetry"
)

// typingEvery is the shortest distance of two typing signals of a
// conversation; what comes in between is taken and not passed on.
const typingEvery = 3 * time.Second

// typingCache covers who types at one time; what falls out of it is passed on
// once more.
const typingCache = 20_000

type typingKey struct {
	client model.ClientID
	conv   model.ConversationID
}

// conversation finds the conversation that a request names, also one that the
// client began and nobody has answered yet.
func (a *App) conversation(r *http.Request) (*store.Client, store.Conversation, error) {
	client, _, err := a.client(r)
	if err != nil {
		return nil, store.Conversation{}, err
	}
	id := model.ConversationID(r.PathValue("id"))
	if !id.Valid() {
		return nil, store.Conversation{}, errNoConversation
	}
	conv, err := client.ReadConversation(r.Context(), id)
	if model.Is(err, model.NotFound) {
		var sent []store.Outbound
		if sent, err = client.Messages(r.Context(), id); err == nil {
			conv, err = begun(r.Context(), client, sent)
		}
	}
	if err != nil {
		return nil, store.Conversation{}, hide(err, errNoConversation)
	}
	return client, conv, nil
}

// answered is conversation for what takes a customer who has written.
func (a *App) answered(r *http.Request, nothing string) (*store.Client, store.Conversation, error) {
	client, conv, err := a.conversation(r)
	if err == nil && !conv.Exists() {
		err = model.Errorf(model.Conflicting, "find conversation", "The customer has not written yet: %s.", nothing)
	}
	return client, conv, err
}

func (a *App) typingSignal(w http.ResponseWriter, r *http.Request) {
	if err := web.ReadNothing(w, r); err != nil {
		web.Fail(w, r, err)
		return
	}
	_, conv, err := a.conversation(r)
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	client := web.PrincipalOf(r.Context()).Client
	now, k := a.Now(), typingKey{client, conv.ID}
	if last, ok := a.typing.GetIfPresent(k); !ok || now.Sub(last) >= typingEvery {
		a.typing.Set(k, now)
		a.signal(r.Context(), client, conv, Signal{Kind: pluginhost.SignalTyping, Author: model.CSR})
	}
	w.WriteHeader(http.StatusNoContent)
}

// signal passes a hint on. It is best effort: the caller is not told.
func (a *App) signal(ctx context.Context, client model.ClientID, conv store.Conversation, s Signal) {
	if a.Signals == nil {
		return
	}
	if err := a.Signals.Signal(ctx, client, conv, s); err != nil {
		a.Logger.Debug("a signal did not reach the channel", telemetry.FieldAccount, conv.Account, "signal", s.Kind, "error", err)
	}
}

func (a *App) readSignal(w http.ResponseWriter, r *http.Request) {
	var req struct {
		UpTo model.MessageID `json:"up_to"`
	}
	if _, err := web.ReadJSON(w, r, 4<<10, &req); err != nil {
		web.Fail(w, r, err)
		return
	}
	client, conv, err := a.answered(r, "there is nothing to have read")
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	at, err := saidAt(r.Context(), client, conv.ID, req.UpTo)
	if model.Is(err, model.NotFound) {
		err = web.Invalid("The message is not one of this conversation.",
			model.Fault{Field: "up_to", Detail: "give the id of a message of this conversation"})
	}
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	moved := false
	conv, err = a.change(r.Context(), client, conv, func(ctx context.Context, v *store.Conversation) (bool, error) {
		moved = false
		if v.ReadByCSR == req.UpTo {
			return false, nil
		}
		if was, err := saidAt(ctx, client, v.ID, v.ReadByCSR); err == nil && !at.After(was) {
			return false, nil // marks do not go back
		} else if err != nil && !model.Is(err, model.NotFound) {
			return false, err
		}
		v.ReadByCSR, moved = req.UpTo, true
		return true, nil
	})
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	if moved {
		a.signal(r.Context(), client.ID, conv, Signal{Kind: pluginhost.SignalRead, Author: model.CSR, UpTo: req.UpTo})
	}
	w.WriteHeader(http.StatusNoContent)
}

// saidAt is when a message of the conversation was committed, or
// model.NotFound.
func saidAt(ctx context.Context, client *store.Client, conv model.ConversationID, id model.MessageID) (time.Time, error) {
	place, ok := id.Place()
	if !ok || place.Conversation != conv {
		return time.Time{}, errNoMessage
	}
	if place.Direction == model.Inbound {
		e, err := client.Event(ctx, conv, place.Key)
		return e.Committed, err
	}
	m, err := client.Outbound(ctx, conv, place.Key)
	return m.Created, err
}

// maxChanges bounds how often a conversation row is tried again.
const maxChanges = 50

func (a *App) change(ctx context.Context, client *store.Client, conv store.Conversation, change func(context.Context, *store.Conversation) (bool, error)) (store.Conversation, error) {
	for range maxChanges {
		next := conv
		if ok, err := change(ctx, &next); err != nil || !ok {
			return conv, err
		}
		now, ok, err := client.PutConversation(ctx, next)
		if err != nil || ok {
			return now, err
		}
		conv = now
	}
	return conv, model.Errorf(model.Unavailable, "change conversation", "The conversation keeps changing.")
}

func (a *App) endSession(w http.ResponseWriter, r *http.Request) {
	if err := web.ReadNothing(w, r); err != nil {
		web.Fail(w, r, err)
		return
	}
	client, conv, err := a.answered(r, "there is no session to end")
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	if err := a.Inbound.EndSession(r.Context(), client, conv, model.CSR, "csr"); err != nil {
		web.Fail(w, r, err)
		return
	}
	a.signal(r.Context(), client.ID, conv, Signal{Kind: pluginhost.SignalEnded, Author: model.CSR})
	w.WriteHeader(http.StatusNoContent)
}
