package admin

import (
	"context"
	"net/http"

	"github.com/channelhub/channelhub/hub/api/web"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
)

// Trace is the way of a message through the hub: ids, times, states and codes,
// and nothing of what it says or of who it is for.
type Trace struct {
	ID             model.MessageID      `json:"id" doc:"The message's id."`
	ClientID       model.ClientID       `json:"client_id" doc:"The client whose message it is."`
	AccountID      model.AccountID      `json:"account_id" doc:"The account that it is on."`
	ConversationID model.ConversationID `json:"conversation_id" doc:"The conversation that it belongs to."`
	Direction      model.Direction      `json:"direction" doc:"Seen from the hub: inbound comes from the customer."`
	Traceparent    string               `json:"traceparent,omitempty" doc:"The trace that it belongs to."`
	ContentUntil   *model.Time          `json:"content_until,omitempty" doc:"When what it says ends, if nobody acknowledges it."`
	Inbound        *InboundTrace        `json:"inbound,omitempty" doc:"With direction inbound."`
	Outbound       *OutboundTrace       `json:"outbound,omitempty" doc:"With direction outbound."`
}

// InboundTrace is the way of a message from a customer.
type InboundTrace struct {
	EventID     model.EventID   `json:"event_id" doc:"The event that tells of it."`
	EventType   model.EventType `json:"event_type" doc:"The event's type."`
	Number      uint64          `json:"number" doc:"Its number in the conversation; numbers may be skipped."`
	ReceivedAt  model.Time      `json:"received_at" doc:"When it came in."`
	CommittedAt model.Time      `json:"committed_at" doc:"The time that it stands in the conversation with."`
}

// OutboundTrace is the way of a message to a customer.
type OutboundTrace struct {
	Status       model.Status `json:"status" doc:"Where it is."`
	CreatedAt    model.Time   `json:"created_at" doc:"When it was accepted."`
	ExpiresAt    model.Time   `json:"expires_at" doc:"No attempt starts at or after this."`
	Attempts     int          `json:"attempts" doc:"Attempts that have ended."`
	NextTry      *model.Time  `json:"next_try,omitempty" doc:"The next attempt is not made before this."`
	HeldUntil    *model.Time  `json:"held_until,omitempty" doc:"It waits for a receipt until this."`
	Code         string       `json:"code,omitempty" doc:"Why it is where it is, when that is not forward."`
	ProviderCode string       `json:"provider_code,omitempty" doc:"The provider's own code."`
	ProviderIDs  int          `json:"provider_ids" doc:"How many ids the provider gave it."`
	Open         *OpenAttempt `json:"open,omitempty" doc:"The attempt that is under way."`
	Timeline     []Step       `json:"timeline" doc:"How it came there, oldest first."`
}

// OpenAttempt is an attempt whose outcome is not known yet.
type OpenAttempt struct {
	Attempt   int        `json:"attempt" doc:"Its number."`
	Owner     string     `json:"owner" doc:"The hub process that makes it."`
	Epoch     uint64     `json:"epoch" doc:"Of the owner; a successor's is higher."`
	SendUntil model.Time `json:"send_until" doc:"It does not reach the provider after this."`
}

// Step is one entry of a timeline.
type Step struct {
	Status  model.Status `json:"status" doc:"The status after the step."`
	At      model.Time   `json:"at" doc:"When."`
	Attempt int          `json:"attempt,omitempty" doc:"The attempt that made it."`
	Outcome string       `json:"outcome,omitempty" doc:"Of an attempt that did not end the delivery."`
	Code    string       `json:"code,omitempty" doc:"Why."`
}

var errNoMessage = model.Errorf(model.NotFound, "trace message", "There is no such message, or it is past its retention.")

func (a *Admin) traceMessage(w http.ResponseWriter, r *http.Request) {
	id := model.MessageID(r.PathValue("id"))
	place, ok := id.Place()
	if !ok {
		web.Fail(w, r, errNoMessage)
		return
	}
	// The id does not say whose it is. Conversations are random numbers: at
	// most one client has this one.
	only := model.ClientID(r.URL.Query().Get("client"))
	for _, c := range a.Accounts.Clients() {
		if only != "" && c.ID != only {
			continue
		}
		t, err := a.trace(r.Context(), c.ID, place)
		if model.Is(err, model.NotFound) {
			continue
		}
		t.ID, t.ClientID, t.ConversationID, t.Direction = id, c.ID, place.Conversation, place.Direction
		answer(w, r, t, err)
		return
	}
	web.Fail(w, r, errNoMessage)
}

func (a *Admin) trace(ctx context.Context, id model.ClientID, place model.MessagePlace) (Trace, error) {
	client, err := a.Store.Client(ctx, id)
	if err != nil {
		return Trace{}, err
	}
	if place.Direction == model.Inbound {
		e, err := client.Event(ctx, place.Conversation, place.Key)
		if err != nil {
			return Trace{}, err
		}
		return Trace{
			AccountID: e.Account, Traceparent: e.Traceparent, ContentUntil: timeOf(e.ContentUntil),
			Inbound: &InboundTrace{
				EventID:   model.EventPlace{Conversation: e.Conversation, Key: e.Key}.ID(),
				EventType: e.Type, Number: e.In,
				ReceivedAt: model.At(e.Received), CommittedAt: model.At(e.Committed),
			},
		}, nil
	}
	o, err := client.Outbound(ctx, place.Conversation, place.Key)
	if err != nil {
		return Trace{}, err
	}
	out := outboundTrace(o)
	if out.Open, err = openAttempt(ctx, client, o); err != nil {
		return Trace{}, err
	}
	return Trace{
		AccountID: o.Account, Traceparent: o.Traceparent, ContentUntil: timeOf(o.ContentUntil), Outbound: out,
	}, nil
}

// outboundTrace leaves out what a provider said in words, and its ids: both
// may hold an address.
func outboundTrace(o store.Outbound) *OutboundTrace {
	t := &OutboundTrace{
		Status: o.Status, CreatedAt: model.At(o.Created), ExpiresAt: model.At(o.ExpireAfter), Attempts: o.Attempts,
		NextTry: timeOf(o.NextTry), HeldUntil: timeOf(o.HeldUntil), ProviderIDs: len(o.ProviderIDs),
		Timeline: []Step{},
	}
	if o.Failure != nil {
		t.Code, t.ProviderCode = o.Failure.Code, o.Failure.ProviderCode
	}
	for _, m := range o.Timeline {
		t.Timeline = append(t.Timeline, Step(m))
	}
	return t
}

// openAttempt finds the attempt that the lane's claim names and the message
// row does not know yet.
func openAttempt(ctx context.Context, client *store.Client, o store.Outbound) (*OpenAttempt, error) {
	k, err := client.Claim(ctx, o.Conversation)
	if err != nil || k.Message != o.UUID || k.Attempt <= o.Attempts || o.Status.Final() {
		return nil, err
	}
	return &OpenAttempt{Attempt: k.Attempt, Owner: k.Owner, Epoch: k.Epoch, SendUntil: model.At(k.SendUntil)}, nil
}
