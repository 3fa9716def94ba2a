package mirror_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/channelhub/channelhub/hub/hubtest"
)

// TestHeldIsResolved: a provider that breaks off in the middle of a send leaves
// a delivery of which nobody knows what became. It is held, the client is told,
// and its word on it is taken once and recorded.
func TestHeldIsResolved(t *testing.T) {
	p := newProvider(t)
	h := through(t, p, "internal/mirror/unsureplugin")
	for _, tc := range []struct{ as, becomes, other string }{
		{"sent", "sent", "failed"},
		{"failed", "failed", "sent"},
		{"retry", "sent", "failed"},
	} {
		t.Run(tc.as, func(t *testing.T) {
			h := h.In(t)
			p.cut(true)
			id := held(h, p)
			p.cut(false)

			resolve := func(as string) hubtest.Answer {
				return h.Call(desk, http.MethodPost, "/v1/messages/"+id+"/resolve", fmt.Sprintf(`{"as":%q}`, as))
			}
			if a := resolve("maybe"); a.Status != http.StatusUnprocessableEntity || a.Problem().Fields() != "as" {
				t.Errorf("a word that there is not: %d %s", a.Status, a.Body)
			}
			if a := h.Call(hubtest.Desk, http.MethodPost, "/v1/messages/"+id+"/resolve", `{"as":"sent"}`); a.Status != http.StatusNotFound {
				t.Errorf("another client's word: %d %s", a.Status, a.Body)
			}
			if a := resolve(tc.as); a.Status != http.StatusOK {
				t.Fatalf("resolve as %s: %d %s", tc.as, a.Status, a.Body)
			}
			h.Until("the message to be "+tc.becomes, func() error {
				if m := message(h, id); m.Status != tc.becomes {
					return fmt.Errorf("it is %s", m.Status)
				}
				return nil
			})
			if a := resolve(tc.other); a.Status != http.StatusConflict {
				t.Errorf("another word afterwards: %d %s, want 409", a.Status, a.Body)
			}
			if tc.as == tc.becomes { // the same word again changes nothing
				if a := resolve(tc.as); a.Status != http.StatusOK {
					t.Errorf("the same word again: %d %s", a.Status, a.Body)
				}
			}
			if got, want := recorded(h, id), []string{"done", "begun"}; fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("the audit log has %v, want %v", got, want)
			}
		})
	}
}

// held sends a message that the provider takes and breaks off at, and waits
// until it is held and its client was told.
func held(h *hubtest.Hub, p *provider) (id string) {
	h.Until("a message to be accepted", func() error {
		a := h.Call(desk, http.MethodPost, "/v1/messages", request("glass-mirror", `{"type":"text","text":"hello"}`, ""))
		var m hubtest.Message
		if err := json.Unmarshal(a.Body, &m); err != nil || a.Status != http.StatusAccepted {
			return fmt.Errorf("%d %s", a.Status, a.Body)
		}
		id = m.ID
		return nil
	})
	h.Until("the client to be told that it is held", func() error {
		for _, ev := range h.Events(desk, "limit=500").Data {
			if ev.Type == "message.status" && ev.Message.ID == id && ev.Message.Status == "held" {
				if ev.Message.Failure == nil || ev.Message.Failure.Code != "outcome_unknown" {
					return fmt.Errorf("the event says why as %+v", ev.Message.Failure)
				}
				return nil
			}
		}
		return fmt.Errorf("it is %s", message(h, id).Status)
	})
	h.Until("the message to be held", func() error {
		if m := message(h, id); m.Status != "held" || p.message(id).ID != id {
			return fmt.Errorf("it is %s", m.Status)
		}
		return nil
	})
	return id
}

func message(h *hubtest.Hub, id string) hubtest.Message {
	var m hubtest.Message
	h.Get(desk, "/v1/messages/"+id, &m)
	return m
}

// recorded is how the audit log says that resolving the message went, the newest
// first.
func recorded(h *hubtest.Hub, id string) []string {
	admin := *h
	admin.Public = h.Admin
	var list struct {
		Data []struct{ Action, Subject, Outcome string }
	}
	admin.Get(auditor, "/admin/v1/audit?limit=200&action=message.resolve", &list)
	var out []string
	for _, row := range list.Data {
		if row.Subject == "message/"+id {
			out = append(out, row.Outcome)
		}
	}
	return out
}
