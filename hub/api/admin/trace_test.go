package admin

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/access"
	"github.com/channelhub/channelhub/hub/api/web"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
)

// Markers of what a trace must not hold.
const (
	markText    = "MARK-what-was-said"
	markAddress = "15550001111"
	markName    = "MARK-name"
	markID      = "wamid.MARK"
	markDetail  = "MARK the provider said 15550001111"
)

// seed writes a message in each direction for client acme and returns their
// ids.
func seed(t *testing.T, f *fixture) (in, out model.MessageID) {
	t.Helper()
	ctx, now := t.Context(), time.Now()
	c, err := f.store.Client(ctx, "acme")
	if err != nil {
		t.Fatal(err)
	}
	address := []model.Address{{Kind: model.Phone, Value: markAddress}}
	d, err := c.Resolve(ctx, "acme-echo", address, markName)
	if err != nil {
		t.Fatal(err)
	}
	key, err := c.EventKey(ctx, "acme-echo", "dedupe")
	if err != nil {
		t.Fatal(err)
	}
	message := model.Message{Direction: model.Inbound, Author: model.Customer, ProviderID: markID, Content: &model.Content{Type: model.ContentText, Text: markText}}
	_, _, err = c.PutEvent(ctx, store.StoredEvent{
		Conversation: d.Conversation, Key: key, Account: "acme-echo", SealKey: d.Key(), Type: model.MessageReceived,
		In: 4, Committed: now, Received: now, ContentUntil: now.Add(time.Hour), Expires: now.Add(time.Hour), Traceparent: "00-trace",
		Event: model.Event{Contact: &model.Contact{Addresses: address, DisplayName: markName}, Message: &message},
	})
	if err != nil {
		t.Fatal(err)
	}
	o := store.Outbound{
		Conversation: d.Conversation, UUID: model.NewRandom16(), Account: "acme-echo", SealKey: d.Key(),
		Status: model.Held, Attempts: 1, Created: now, ExpireAfter: now.Add(time.Hour), HeldUntil: now.Add(time.Minute),
		ContentUntil: now.Add(time.Hour), Expires: now.Add(time.Hour),
		Message:     model.Message{Author: model.CSR, Content: &model.Content{Type: model.ContentText, Text: markText}},
		To:          address,
		ProviderIDs: []string{markID}, Failure: &model.Failure{Code: "outcome_unknown", ProviderCode: "131026", Detail: markDetail},
	}
	o.Note(store.Move{Status: model.Queued, At: model.At(now)})
	o.Note(store.Move{Status: model.Held, At: model.At(now), Attempt: 1, Code: "outcome_unknown"})
	if _, err := c.CreateOutbound(ctx, o); err != nil {
		t.Fatal(err)
	}
	return model.MessagePlace{Conversation: d.Conversation, Direction: model.Inbound, Key: key}.ID(), o.ID()
}

func TestTraceTellsTheWayAndNotTheContent(t *testing.T) {
	f := newFixture(t)
	in, out := seed(t, f)
	for _, id := range []model.MessageID{in, out} {
		w := f.do(access.Operator, "GET", "/admin/v1/messages/"+string(id)+"/trace", "")
		v := want[Trace](f, http.StatusOK, w)
		if v.ID != id || v.ClientID != "acme" || v.AccountID != "acme-echo" {
			t.Errorf("trace %+v", v)
		}
		for _, mark := range []string{"MARK", markAddress} {
			if strings.Contains(w.Body.String(), mark) {
				t.Errorf("the trace of %s holds %q: %s", id, mark, w.Body)
			}
		}
	}
	v := want[Trace](f, http.StatusOK, f.do(access.Operator, "GET", "/admin/v1/messages/"+string(in)+"/trace?client=acme", ""))
	if v.Outbound != nil || v.Inbound == nil || v.Inbound.Number != 4 || v.Inbound.EventType != model.MessageReceived || v.Traceparent != "00-trace" {
		t.Errorf("inbound trace %+v", v)
	}
	v = want[Trace](f, http.StatusOK, f.do(access.Operator, "GET", "/admin/v1/messages/"+string(out)+"/trace", ""))
	o := v.Outbound
	if v.Inbound != nil || o == nil || o.Status != model.Held || o.Code != "outcome_unknown" || o.ProviderCode != "131026" || o.ProviderIDs != 1 || len(o.Timeline) != 2 || o.HeldUntil == nil {
		t.Errorf("outbound trace %+v", v)
	}
}

// The attempt under way is the one that the lane's claim names and the message
// row does not know yet.
func TestTraceShowsTheAttemptUnderWay(t *testing.T) {
	f := newFixture(t)
	_, id := seed(t, f)
	place, _ := id.Place()
	c, err := f.store.Client(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	claim, err := c.Claim(t.Context(), place.Conversation)
	if err != nil {
		t.Fatal(err)
	}
	claim.Owner, claim.Epoch, claim.Message, claim.Attempt, claim.SendUntil = "proc", 3, place.Key, 2, time.Now().Add(time.Minute)
	if _, ok, err := c.PutClaim(t.Context(), claim); err != nil || !ok {
		t.Fatalf("claim: %v, %v", ok, err)
	}
	v := want[Trace](f, http.StatusOK, f.do(access.Operator, "GET", "/admin/v1/messages/"+string(id)+"/trace", ""))
	if o := v.Outbound.Open; o == nil || o.Attempt != 2 || o.Owner != "proc" || o.Epoch != 3 {
		t.Errorf("open attempt %+v", v.Outbound.Open)
	}
}

// A message of another client, one that never was and no id at all are
// answered alike.
func TestForeignMessagesLookLikeMissingOnes(t *testing.T) {
	f := newFixture(t)
	in, _ := seed(t, f)
	missing := model.MessagePlace{Conversation: model.NewConversationID(), Direction: model.Outbound, Key: model.NewRandom16()}.ID()
	var first web.Problem
	for i, path := range []string{string(in) + "/trace?client=beta", string(in) + "/trace?client=nobody", string(missing) + "/trace", "msg_nonsense/trace"} {
		p := want[web.Problem](f, http.StatusNotFound, f.do(access.Operator, "GET", "/admin/v1/messages/"+path, ""))
		p.RequestID = ""
		if i == 0 {
			first = p
		}
		if p.Detail != first.Detail || p.Type != first.Type {
			t.Errorf("%s is answered %+v, another %+v", path, p, first)
		}
	}
}
