package app

import (
	"context"
	"net/http"
	"time"

	"github.com/channelhub/channelhub/hub/api/web"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/store"
)

// typingEvery is the shortest distance of two typing signals of a
// conversation; what comes in between is taken and not passed on.
const typingEvery = 3 * time.Second

// conversation finds the conversation that a request names.
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
	if err != nil {
		return nil, store.Conversation{}, hide(err, errNoConversation)
	}
	return client, conv, nil
}

func (a *App) typingSignal(w http.ResponseWriter, r *http.Request) {
	if err := readEmpty(w, r); err != nil {
		web.Fail(w, r, err)
		return
	}
	_, conv, err := a.conversation(r)
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	now := a.Now()
	last, _ := a.typing.Load(conv.ID)
	if at, ok := last.(time.Time); !ok || now.Sub(at) >= typingEvery {
		a.typing.Store(conv.ID, now)
		a.signal(r.Context(), web.PrincipalOf(r.Context()).Client, conv, Signal{Kind: pluginhost.SignalTyping, Author: model.CSR})
	}
	w.WriteHeader(http.StatusNoContent)
}

// signal passes a hint on. It is best effort: the caller is not told.
func (a *App) signal(ctx context.Context, client model.ClientID, conv store.Conversation, s Signal) {
	if a.Signals == nil {
		return
	}
	if err := a.Signals.Signal(ctx, client, conv, s); err != nil {
		a.Logger.Debug("a signal did not reach the channel", "account", conv.Account, "signal", s.Kind, "error", err)
	}
}

// readEmpty takes a body of nothing or an empty object.
func readEmpty(w http.ResponseWriter, r *http.Request) error {
	body, err := web.ReadBody(w, r, 1<<10)
	if err != nil || len(body) == 0 {
		return err
	}
	return web.DecodeJSON(body, &struct{}{})
}

func (a *App) readSignal(w http.ResponseWriter, r *http.Request) {
	var req struct {
		UpTo model.MessageID `json:"up_to"`
	}
	if _, err := web.ReadJSON(w, r, 4<<10, &req); err != nil {
		web.Fail(w, r, err)
		return
	}
	client, conv, err := a.conversation(r)
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	place, ok := req.UpTo.Place()
	if !ok || place.Conversation != conv.ID {
		web.Fail(w, r, web.Invalid("The message is not one of this conversation.",
			model.Fault{Field: "up_to", Detail: "give the id of a message of this conversation"}))
		return
	}
	conv, err = a.change(r.Context(), client, conv, func(v *store.Conversation) bool {
		if v.ReadByCSR == req.UpTo {
			return false
		}
		v.ReadByCSR = req.UpTo
		return true
	})
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	a.signal(r.Context(), client.ID, conv, Signal{Kind: pluginhost.SignalRead, Author: model.CSR, UpTo: req.UpTo})
	w.WriteHeader(http.StatusNoContent)
}

// maxChanges bounds how often a conversation row is tried again.
const maxChanges = 50

func (a *App) change(ctx context.Context, client *store.Client, conv store.Conversation, change func(*store.Conversation) bool) (store.Conversation, error) {
	for range maxChanges {
		next := conv
		if !change(&next) {
			return conv, nil
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
	if err := readEmpty(w, r); err != nil {
		web.Fail(w, r, err)
		return
	}
	client, conv, err := a.conversation(r)
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
