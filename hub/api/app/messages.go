package app

import (
	"context"
	"net/http"
	"strconv"

	"github.com/channelhub/channelhub/hub/api/web"
	"github.com/channelhub/channelhub/hub/audit"
	"github.com/channelhub/channelhub/hub/flow/outbound"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
)

// maxMessageBody fits 64 KiB of text however it is escaped, and the rest.
const maxMessageBody = 512 << 10

// messageRequest is the body of POST /v1/messages.
type messageRequest struct {
	AccountID model.AccountID `json:"account_id"`
	To        struct {
		ContactID   model.ContactID   `json:"contact_id"`
		Address     string            `json:"address"`
		AddressKind model.AddressKind `json:"address_kind"`
	} `json:"to"`
	Content     model.Content        `json:"content"`
	Attachments []model.AttachmentID `json:"attachments"`
	ReplyTo     *model.Reference     `json:"reply_to"`
	Context     model.Context        `json:"context"`
	ExpireAfter *string              `json:"expire_after"`
	Author      model.Author         `json:"author"`
}

// messageAccepted is the answer: the message is in its lane.
type messageAccepted struct {
	ID             model.MessageID      `json:"id"`
	Status         model.Status         `json:"status"`
	AccountID      model.AccountID      `json:"account_id"`
	ConversationID model.ConversationID `json:"conversation_id"`
	CreatedAt      model.Time           `json:"created_at"`
	ExpiresAt      model.Time           `json:"expires_at"`
}

// request is what the body asks for, and all that is wrong with it by itself.
func (m messageRequest) request(trace string) (outbound.Request, []model.Fault) {
	var faults []model.Fault
	r := outbound.Request{
		Account: m.AccountID, Contact: m.To.ContactID,
		Address: model.Address{Kind: m.To.AddressKind, Value: m.To.Address},
		Content: m.Content, ReplyTo: m.ReplyTo, Context: m.Context, Author: m.Author,
		Attach: m.Attachments, TraceID: trace,
	}
	switch m.Author {
	case "", model.CSR, model.Bot, model.System:
	default:
		faults = append(faults, model.Fault{Field: "author", Detail: `give "csr", "bot" or "system"`})
	}
	if m.ExpireAfter != nil {
		d, err := model.ParseDuration(*m.ExpireAfter)
		if err != nil {
			faults = append(faults, model.Fault{Field: "expire_after", Detail: `give a duration such as "30m", "24h" or "1d12h"`})
			return r, faults
		}
		r.Expire, r.HasExpire = d.Std(), true
	}
	return r, faults
}

func (a *App) postMessage(w http.ResponseWriter, r *http.Request) {
	var req messageRequest
	body, misfit := web.ReadJSON(w, r, maxMessageBody, &req)
	if misfit != nil && !model.Is(misfit, model.Invalid) {
		web.Fail(w, r, misfit)
		return
	}
	p := web.PrincipalOf(r.Context())
	order, faults := req.request(web.Traceparent(r))
	idem, bad := idempotency(r, body)
	faults = append(faults, bad...)
	bad, err := web.QueryFaults(r, "dry_run")
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	faults = append(faults, bad...)
	dry, bad := dryRun(r)
	faults = append(faults, bad...)
	if misfit != nil || len(faults) > 0 {
		web.Fail(w, r, a.allFaults(r.Context(), p.Client, order, misfit, faults))
		return
	}
	if dry {
		if err := a.Outbound.Judge(r.Context(), p.Client, order); err != nil {
			web.Fail(w, r, err)
			return
		}
		web.JSON(w, r, http.StatusOK, verdict{Accepted: true})
		return
	}
	accepted, err := a.Outbound.Submit(r.Context(), p.Client, order, idem)
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	if accepted.Replayed {
		w.Header().Set("Idempotent-Replayed", "true")
	}
	m := accepted.Message
	web.JSON(w, r, http.StatusAccepted, messageAccepted{
		ID: m.ID(), Status: model.Queued, AccountID: m.Account, ConversationID: m.Conversation,
		CreatedAt: model.At(m.Created), ExpiresAt: model.At(m.ExpireAfter),
	})
}

// verdict is the answer of a dry run that found nothing wrong; a fault is
// answered as the real call would.
type verdict struct {
	Accepted bool `json:"accepted"`
}

func dryRun(r *http.Request) (bool, []model.Fault) {
	s := r.URL.Query().Get("dry_run")
	if s == "" {
		return false, nil
	}
	b, err := strconv.ParseBool(s)
	if err != nil {
		return false, []model.Fault{web.InQuery("dry_run", "give true or false")}
	}
	return b, nil
}

const maxIdempotencyKey = 255

func idempotency(r *http.Request, body []byte) (outbound.Idempotency, []model.Fault) {
	key := r.Header.Get("Idempotency-Key")
	if len(key) > maxIdempotencyKey {
		return outbound.Idempotency{}, []model.Fault{web.InHeader("Idempotency-Key", "give at most 255 bytes; a random UUID does")}
	}
	return outbound.Idempotency{Route: "POST /v1/messages", Key: key, Body: body}, nil
}

// messageView is a message with where it is and how far it has come.
type messageView struct {
	model.Message
	AccountID      model.AccountID      `json:"account_id"`
	ConversationID model.ConversationID `json:"conversation_id"`
	Attempts       int                  `json:"attempts,omitempty"`
	Timeline       []moveView           `json:"timeline,omitempty"`
}

// moveView is one entry of a timeline.
type moveView struct {
	Status  model.Status `json:"status"`
	At      model.Time   `json:"at"`
	Attempt int          `json:"attempt,omitempty"`
	Outcome string       `json:"outcome,omitempty"`
	Code    string       `json:"code,omitempty"`
}

// viewOf shows what became of a message; what was said only until its end.
func (a *App) viewOf(ctx context.Context, client *store.Client, o store.Outbound) (messageView, error) {
	ended, err := a.messageEnded(ctx, client, o)
	if err != nil {
		return messageView{}, err
	}
	v := messageView{Message: o.View(), AccountID: o.Account, ConversationID: o.Conversation, Attempts: o.Attempts}
	if ended { // I9
		forget(&v.Message)
	}
	shown, err := a.files(ctx, client, &v.Message, o.Created)
	if err != nil {
		return messageView{}, err
	}
	v.Message = *shown
	for _, m := range o.Timeline {
		v.Timeline = append(v.Timeline, moveView(m))
	}
	return v, nil
}

// forget takes out of a message all that ends with its content. What became of
// it stays.
func forget(m *model.Message) {
	m.Content, m.Attachments, m.Context, m.ReplyTo, m.ProviderID = nil, nil, nil, nil, ""
}

func (a *App) messageEnded(ctx context.Context, client *store.Client, o store.Outbound) (bool, error) {
	view, err := a.Ends.Of(ctx, client)
	if err != nil {
		return false, err
	}
	return view.Message(ctx, o)
}

func (a *App) eventEnded(ctx context.Context, client *store.Client, e store.StoredEvent) (bool, error) {
	view, err := a.Ends.Of(ctx, client)
	if err != nil {
		return false, err
	}
	return view.Event(ctx, e)
}

func (a *App) getMessage(w http.ResponseWriter, r *http.Request) {
	client, p, err := a.client(r)
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	id := model.MessageID(r.PathValue("id"))
	place, ok := id.Place()
	if !ok {
		web.Fail(w, r, errNoMessage)
		return
	}
	if place.Direction == model.Inbound {
		e, err := client.Event(r.Context(), place.Conversation, place.Key)
		ended := true
		if err == nil && e.Event.Message != nil {
			ended, err = a.eventEnded(r.Context(), client, e)
		}
		if err != nil || ended { // I9
			web.Fail(w, r, hide(err, errNoMessage))
			return
		}
		m, err := a.heard(r.Context(), client, e)
		if err != nil {
			web.Fail(w, r, err)
			return
		}
		a.read(p, audit.ReadMessages, 1)
		web.JSON(w, r, http.StatusOK, messageView{Message: *m, AccountID: e.Account, ConversationID: e.Conversation})
		return
	}
	_, msg, err := a.Outbound.Message(r.Context(), p.Client, id)
	if err != nil {
		web.Fail(w, r, hide(err, errNoMessage))
		return
	}
	v, err := a.viewOf(r.Context(), client, msg)
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	if a.Outbound.Sending(r.Context(), client, msg) {
		v.Status = model.Sending
	}
	a.read(p, audit.ReadMessages, 1)
	web.JSON(w, r, http.StatusOK, v)
}

var errNoMessage = model.Errorf(model.NotFound, "find message", "There is no such message.")

// hide answers whatever was not found like anything else that is not there;
// other errors stay as they are.
func hide(err, missing error) error {
	if err == nil || model.Is(err, model.NotFound) {
		return missing
	}
	return err
}

func (a *App) resolveMessage(w http.ResponseWriter, r *http.Request) {
	var req struct {
		As outbound.Resolution `json:"as"`
	}
	if _, err := web.ReadJSON(w, r, 4<<10, &req); err != nil {
		web.Fail(w, r, err)
		return
	}
	client, p, err := a.client(r)
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	// A client's rows and the audit log are never of one commit: the act is
	// told before it begins.
	id := model.MessageID(r.PathValue("id"))
	msg, err := a.Outbound.ResolveRecorded(r.Context(), p.Client, id, req.As, func(ctx context.Context, do func(context.Context) error) error {
		return a.audit.Around(ctx, by(r), audit.HeldResolve, "message/"+string(id), do)
	})
	if err != nil {
		if model.Is(err, model.NotFound) {
			err = errNoMessage
		}
		web.Fail(w, r, err)
		return
	}
	v, err := a.viewOf(r.Context(), client, msg)
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	web.JSON(w, r, http.StatusOK, v)
}
