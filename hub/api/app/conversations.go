package app

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/channelhub/channelhub/hub/api/web"
	"github.com/channelhub/channelhub/hub/audit"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
)

// conversationView is a conversation as a list shows it.
type conversationView struct {
	ID          model.ConversationID `json:"id"`
	AccountID   model.AccountID      `json:"account_id"`
	Channel     string               `json:"channel"`
	State       string               `json:"state"` // "open" or "ended", of the newest session
	SessionID   model.SessionID      `json:"session_id,omitempty"`
	Contact     model.Contact        `json:"contact"`
	LastMessage *model.Message       `json:"last_message,omitempty"`
	LastEventAt model.Time           `json:"last_event_at"`
	// ReadUpTo is the message up to which the CSR side has read.
	ReadUpTo model.MessageID `json:"read_up_to,omitempty"`
	OptedOut bool            `json:"opted_out,omitempty"`
}

var errNoConversation = model.Errorf(model.NotFound, "find conversation", "There is no such conversation.")

// scanRows bounds how far back a list looks: what lies behind is past most
// retentions, and a list must not read a client's whole past.
const scanRows = 20_000

// listConversations walks the feed backwards and keeps the first sight of
// each conversation. The cursor is the place in the walk; what was seen before
// it is passed over by its newer activity.
func (a *App) listConversations(w http.ResponseWriter, r *http.Request) {
	limit, badLimit := web.Limit(r, 50, 200)
	cursor, badCursor := parseListCursor(r.URL.Query().Get("cursor"))
	if err := web.AllFaults(badLimit, badCursor); err != nil {
		web.Fail(w, r, err)
		return
	}
	client, p, err := a.client(r)
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	found, err := a.recent(r.Context(), client)
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	out := []conversationView{}
	next := ""
	var last sight // of the ones shown: the view's time may be a later one
	for _, f := range found {
		if !cursor.after(f.at, string(f.conv)) {
			continue
		}
		if len(out) == limit {
			next = listCursor{last.at.UnixMilli(), string(last.conv)}.String()
			break
		}
		v, err := a.conversationView(r.Context(), client, f.conv)
		if model.Is(err, model.NotFound) {
			continue
		}
		if err != nil {
			web.Fail(w, r, err)
			return
		}
		out, last = append(out, v), f
	}
	a.read(p, audit.ReadContacts, len(out))
	web.JSON(w, r, http.StatusOK, web.ListOf(out, next))
}

// sight is a conversation and its newest activity.
type sight struct {
	conv model.ConversationID
	at   time.Time
}

// recent returns the client's conversations by their newest activity.
func (a *App) recent(ctx context.Context, client *store.Client) ([]sight, error) {
	seen := map[model.ConversationID]time.Time{}
	for _, log := range client.FeedLogs() {
		at := uint64(0)
		for n := 0; n < scanRows; {
			rows, err := log.ReadBack(ctx, at, 500)
			if err != nil {
				return nil, err
			}
			for _, row := range rows {
				for _, rec := range row.Records {
					if rec.Kind == store.SignalRecord || rec.Conversation == "" {
						continue
					}
					if t := rec.At.Time(); t.After(seen[rec.Conversation]) {
						seen[rec.Conversation] = t
					}
				}
				at = row.N
			}
			n += len(rows)
			if len(rows) < 500 || at <= 1 {
				break
			}
		}
	}
	out := make([]sight, 0, len(seen))
	for conv, at := range seen {
		out = append(out, sight{conv, at})
	}
	slices.SortFunc(out, func(x, y sight) int {
		if d := y.at.Compare(x.at); d != 0 {
			return d
		}
		return strings.Compare(string(y.conv), string(x.conv))
	})
	return out, nil
}

func (a *App) conversationView(ctx context.Context, client *store.Client, id model.ConversationID) (conversationView, error) {
	h, err := client.History(ctx, id)
	if err != nil {
		return conversationView{}, err
	}
	v := conversationView{ID: id, State: "open"}
	conv, err := client.ReadConversation(ctx, id)
	if model.Is(err, model.NotFound) {
		conv, err = begun(ctx, client, h.Outbound)
	}
	if err != nil {
		return conversationView{}, hide(err, errNoConversation)
	}
	v.AccountID, v.Contact, v.SessionID, v.ReadUpTo, v.OptedOut = conv.Account, conv.ContactValue(), conv.Session, conv.ReadByCSR, conv.OptedOut
	if conv.SessionEnded {
		v.State = "ended"
	}
	v.Channel = a.channelOf(v.AccountID)
	all, err := a.messagesOf(ctx, client, h)
	if err != nil {
		return conversationView{}, err
	}
	if len(all) > 0 {
		last := all[len(all)-1]
		v.LastMessage = &last
	}
	v.LastEventAt = model.At(newest(conv, h))
	return v, nil
}

// begun is a conversation that the client began and nobody has answered yet: it
// has no row of its own.
func begun(ctx context.Context, client *store.Client, sent []store.Outbound) (store.Conversation, error) {
	if len(sent) == 0 {
		return store.Conversation{}, errNoConversation
	}
	k, err := client.Contact(ctx, model.ContactID(sent[0].SealKey))
	return store.Conversation{
		ID: sent[0].Conversation, Account: sent[0].Account,
		Contact: k.ID, Addresses: k.Addresses, DisplayName: k.DisplayName,
	}, err
}

// newest is when something happened last: the customer, or a message to them
// that came or moved on.
func newest(conv store.Conversation, h store.History) time.Time {
	at := conv.Committed
	for _, o := range h.Outbound {
		for _, t := range []time.Time{o.Created, o.Moved} {
			if t.After(at) {
				at = t
			}
		}
	}
	return at
}

// messagesOf is what was said, both ways, in the order of commit; content past
// its end is left out.
func (a *App) messagesOf(ctx context.Context, client *store.Client, h store.History) ([]model.Message, error) {
	view, err := a.Ends.Of(ctx, client)
	if err != nil {
		return nil, err
	}
	var out []model.Message
	for _, e := range h.Events {
		if e.Event.Message == nil || e.Type == model.MessageEdited || e.Type == model.MessageDeleted {
			continue
		}
		ended, err := view.Event(ctx, e)
		if err != nil {
			return nil, err
		}
		if ended { // I9
			continue
		}
		m, err := a.heard(ctx, client, e)
		if err != nil {
			return nil, err
		}
		out = append(out, *m)
	}
	for _, o := range h.Outbound {
		ended, err := view.Message(ctx, o)
		if err != nil {
			return nil, err
		}
		if !ended { // I9
			m := o.View()
			shown, err := a.files(ctx, client, &m, o.Created)
			if err != nil {
				return nil, err
			}
			out = append(out, *shown)
		}
	}
	slices.SortFunc(out, func(x, y model.Message) int {
		if d := x.CreatedAt.Compare(y.CreatedAt.Time); d != 0 {
			return d
		}
		return strings.Compare(string(x.ID), string(y.ID))
	})
	return out, nil
}

// heard is what an event brought, as it stands, with the time of its commit, by
// which all that was said is shown; nil when it brought nothing.
func (a *App) heard(ctx context.Context, client *store.Client, e store.StoredEvent) (*model.Message, error) {
	m, err := a.files(ctx, client, e.Event.Message, e.Received)
	if m == nil || err != nil {
		return nil, err
	}
	out, at := *m, model.At(e.Committed)
	out.CreatedAt = &at
	return &out, nil
}

func (a *App) getConversation(w http.ResponseWriter, r *http.Request) {
	client, p, err := a.client(r)
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	id := model.ConversationID(r.PathValue("id"))
	if !id.Valid() {
		web.Fail(w, r, errNoConversation)
		return
	}
	v, err := a.conversationView(r.Context(), client, id)
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	a.read(p, audit.ReadContacts, 1)
	web.JSON(w, r, http.StatusOK, v)
}

func (a *App) listMessages(w http.ResponseWriter, r *http.Request) {
	limit, badLimit := web.Limit(r, 50, 200)
	cursor, badCursor := parseListCursor(r.URL.Query().Get("cursor"))
	if err := web.AllFaults(badLimit, badCursor); err != nil {
		web.Fail(w, r, err)
		return
	}
	client, p, err := a.client(r)
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	id := model.ConversationID(r.PathValue("id"))
	if !id.Valid() {
		web.Fail(w, r, errNoConversation)
		return
	}
	h, err := client.History(r.Context(), id)
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	if len(h.Events) == 0 && len(h.Outbound) == 0 {
		if _, err := client.ReadConversation(r.Context(), id); err != nil {
			web.Fail(w, r, hide(err, errNoConversation))
			return
		}
	}
	all, err := a.messagesOf(r.Context(), client, h)
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	out := []model.Message{}
	next := ""
	for _, m := range slices.Backward(all) { // newest first
		if !cursor.after(m.CreatedAt.Time, string(m.ID)) {
			continue
		}
		if len(out) == limit {
			last := out[limit-1]
			next = listCursor{last.CreatedAt.UnixMilli(), string(last.ID)}.String()
			break
		}
		out = append(out, m)
	}
	a.read(p, audit.ReadMessages, len(out))
	web.JSON(w, r, http.StatusOK, web.ListOf(out, next))
}
