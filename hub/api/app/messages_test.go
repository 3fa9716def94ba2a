package app_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/channelhub/channelhub/hub/hubtest"
)

func TestMessages(t *testing.T) {
	h := hubtest.New(t, nil)
	t.Run("timeline", func(t *testing.T) {
		h := h.In(t)
		accepted := h.Send("ada", "hello")
		if accepted.Status != "queued" || accepted.AccountID != "acme-echo" || accepted.ConversationID == "" {
			t.Errorf("accepted %+v", accepted)
		}
		h.Await(accepted.ID, "sent")
		h.Receipt("delivered", hubtest.ProviderID(accepted.ID))
		h.Receipt("read", hubtest.ProviderID(accepted.ID))
		m := h.Await(accepted.ID, "read")
		var steps []string
		for _, s := range m.Timeline {
			steps = append(steps, s.Status)
		}
		if got := strings.Join(steps, " "); got != "queued sent delivered read" {
			t.Errorf("timeline %q", got)
		}
		if m.Attempts != 1 || m.Content.Text != "hello" || m.Author != "csr" || m.Direction != "outbound" || m.ProviderID != hubtest.ProviderID(m.ID) {
			t.Errorf("message %+v", m)
		}
	})
	t.Run("sending", func(t *testing.T) {
		h := h.In(t)
		entered, leave := make(chan struct{}), make(chan struct{})
		h.Provider.Handle(func(w http.ResponseWriter, _ *http.Request) {
			close(entered)
			<-leave
			w.WriteHeader(http.StatusBadRequest)
		})
		m := h.Send("bob", "slow")
		h.Await(m.ID, "sending")
		<-entered
		h.Provider.Handle(nil)
		close(leave)
		if got := h.Await(m.ID, "failed"); got.Failure == nil || got.Failure.Code == "" {
			t.Errorf("failure %+v", got.Failure)
		}
	})
	t.Run("inbound", func(t *testing.T) {
		h := h.In(t)
		h.Say("eve", "in-1", "question")
		ev := h.Events(hubtest.Archive, "limit=500").Data
		id := ev[len(ev)-1].Message.ID
		var m hubtest.Message
		h.Get(hubtest.Desk, "/v1/messages/"+id, &m)
		if m.ID != id || m.Content.Text != "question" || m.Direction != "inbound" || m.Author != "customer" || m.CreatedAt == "" {
			t.Errorf("message %+v", m)
		}
	})
	t.Run("dry run", func(t *testing.T) {
		h := h.In(t)
		before := len(h.Provider.Posts())
		if a := h.Call(hubtest.Desk, http.MethodPost, "/v1/messages?dry_run=true", hubtest.Text("nobody-yet", "x")); a.Status != 200 || strings.TrimSpace(string(a.Body)) != `{"accepted":true}` {
			t.Errorf("sound: %d %s", a.Status, a.Body)
		}
		long := hubtest.Text("nobody-yet", strings.Repeat("x", 4097))
		dry := h.Call(hubtest.Desk, http.MethodPost, "/v1/messages?dry_run=true", long)
		real := h.Call(hubtest.Desk, http.MethodPost, "/v1/messages", long)
		if dry.Status != 422 || dry.Problem().Fields() != "content.text" || !same(dry, real) {
			t.Errorf("unsound: %d %s, the call itself %d %s", dry.Status, dry.Body, real.Status, real.Body)
		}
		if a := h.Call(hubtest.Desk, http.MethodPost, "/v1/messages?dry_run=perhaps", hubtest.Text("ada", "x")); a.Status != 422 || a.Problem().Fields() != "dry_run" {
			t.Errorf("dry_run=perhaps: %d %s", a.Status, a.Body)
		}
		var list struct {
			Data []struct{ Contact struct{ Address string } }
		}
		h.Get(hubtest.Desk, "/v1/conversations?limit=200", &list)
		for _, c := range list.Data {
			if c.Contact.Address == "nobody-yet" {
				t.Error("a dry run began a conversation")
			}
		}
		if n := len(h.Provider.Posts()); n != before {
			t.Errorf("dry runs sent %d messages", n-before)
		}
	})
	t.Run("resolve", func(t *testing.T) {
		h := h.In(t)
		m := h.Await(h.Send("ada", "fine").ID, "sent")
		if a := h.Call(hubtest.Desk, http.MethodPost, "/v1/messages/"+m.ID+"/resolve", `{"as":"failed"}`); a.Status != 409 {
			t.Errorf("a message that is not held: %d %s", a.Status, a.Body)
		}
		for _, body := range []string{`{"as":"lost"}`, `{}`} {
			if a := h.Call(hubtest.Desk, http.MethodPost, "/v1/messages/"+m.ID+"/resolve", body); a.Status != 422 || a.Problem().Fields() != "as" {
				t.Errorf("%s: %d %s", body, a.Status, a.Body)
			}
		}
	})
}

func TestIdempotencyHeader(t *testing.T) {
	h := hubtest.New(t, nil)
	post := func(body any, key string) hubtest.Answer {
		return h.Call(hubtest.Desk, http.MethodPost, "/v1/messages", body, "Idempotency-Key", key)
	}
	first := post(hubtest.Text("ada", "once"), "key-1")
	again := post(hubtest.Text("ada", "once"), "key-1")
	if first.Status != 202 || first.Header.Get("Idempotent-Replayed") != "" {
		t.Errorf("first: %d, replayed %q", first.Status, first.Header.Get("Idempotent-Replayed"))
	}
	if again.Header.Get("Idempotent-Replayed") != "true" || !same(first, again) {
		t.Errorf("repeat: %d %s, replayed %q; first %s", again.Status, again.Body, again.Header.Get("Idempotent-Replayed"), first.Body)
	}
	h.Restart()
	if a := post(hubtest.Text("ada", "once"), "key-1"); !same(first, a) || a.Header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("behind a restart: %d %s", a.Status, a.Body)
	}
	if a := post(hubtest.Text("ada", "twice"), "key-1"); a.Status != 422 || a.Problem().Fields() != "Idempotency-Key" {
		t.Errorf("another body: %d %s", a.Status, a.Body)
	}
	other := h.Call(hubtest.Other, http.MethodPost, "/v1/messages", map[string]any{
		"account_id": "other-echo", "to": map[string]string{"address": "ada"}, "content": map[string]string{"type": "text", "text": "x"},
	}, "Idempotency-Key", "key-1")
	if other.Status != 202 || other.Header.Get("Idempotent-Replayed") != "" {
		t.Errorf("I8: the key of another client: %d %s", other.Status, other.Body)
	}
	if a := post(hubtest.Text("ada", "x"), strings.Repeat("k", 256)); a.Status != 422 || a.Problem().Fields() != "Idempotency-Key" {
		t.Errorf("a long key: %d %s", a.Status, a.Body)
	}
	if a := post(hubtest.Text("ada", ""), "key-2"); a.Status != 422 {
		t.Errorf("an unsound message: %d %s", a.Status, a.Body)
	}
	if a := post(hubtest.Text("ada", "sound now"), "key-2"); a.Status != 202 {
		t.Errorf("a key that no message was accepted under: %d %s", a.Status, a.Body)
	}
	h.Until("the message to arrive", func() error {
		n := 0
		for _, p := range h.Provider.Posts() {
			if p.Text == "once" {
				n++
			}
		}
		if n == 0 {
			return errors.New("not yet")
		}
		if n > 1 {
			t.Fatalf("it was posted %d times", n)
		}
		return nil
	})
}
