package chat

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/store"
)

// TestContext: what a page says of itself is known while a session lasts, the
// cookies that the settings name and no others, and what it says later stands
// in place of what it said before.
func TestContext(t *testing.T) {
	h := startHub(t, newConnector(), nil)
	all := demoAccounts()
	shop := all[demoAccount]
	shop.Config = []byte(`{"allowed_origins": ["` + shopOrigin + `"], "cookies": ["campaign", "cart", "huge"]}`)
	all[demoAccount] = shop
	h.configure(all)
	b := connect(t, h)
	b.send(map[string]any{
		"type": "hello", "version": 1, "page": map[string]any{"url": shopOrigin + "/cart"}, "data": map[string]any{"plan": "gold"},
		"cookies": map[string]any{"campaign": "spring", "session": "secret", "huge": strings.Repeat("x", maxCookie)},
	})
	welcome := b.next()
	if diff := cmp.Diff([]string{"campaign", "cart", "huge"}, welcome.Cookies); diff != "" {
		t.Errorf("the cookies that the page may tell (-want +got):\n%s", diff)
	}
	b.until(func() bool { return b.states > 0 })
	conv := conversationOf(t, b.say("Hello").MessageID)
	known := func() store.SessionContext {
		t.Helper()
		s, err := h.inbound.SessionContext(t.Context(), h.client(t), conv)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	first := known()
	if string(first.Page) != `{"url":"`+shopOrigin+`/cart"}` || string(first.Data) != `{"plan":"gold"}` || first.IP == "" {
		t.Errorf("what is known is %s, %s, %q", first.Page, first.Data, first.IP)
	}
	if diff := cmp.Diff(map[string]string{"campaign": "spring"}, first.Cookies); diff != "" {
		t.Errorf("the cookies (-want +got):\n%s", diff)
	}

	h.clock.Add(int64(time.Second))
	later := map[string]any{"type": "context", "cookies": map[string]any{"cart": "7"}, "data": map[string]any{"plan": "gold"}}
	if answer := b.ask(later); answer.Type != "ack" {
		t.Fatalf("the hub answered %+v to a context", answer)
	}
	second := known()
	if second.Page != nil || second.Session != first.Session || !second.Set.After(first.Set) {
		t.Errorf("the page is %s, in session %s at %s; before it was %s at %s", second.Page, second.Session, second.Set, first.Session, first.Set)
	}
	if diff := cmp.Diff(map[string]string{"cart": "7"}, second.Cookies); diff != "" {
		t.Errorf("the cookies (-want +got):\n%s", diff)
	}

	// The same once more is not written again.
	h.clock.Add(int64(time.Second))
	b.ask(later)
	if third := known(); !third.Set.Equal(second.Set) {
		t.Errorf("the same context was written again, at %s", third.Set)
	}
	if answer := b.ask(map[string]any{"type": "context", "cookies": "all"}); answer.Code != nackMalformed {
		t.Errorf("the hub answered %+v to a broken context", answer)
	}
}

// TestContextBeforeTheFirstMessage: what a page says while there is no
// conversation is known once there is one.
func TestContextBeforeTheFirstMessage(t *testing.T) {
	h := startHub(t, newConnector(), nil)
	b := arrive(t, h, "", "")
	b.ask(map[string]any{"type": "context", "data": map[string]any{"order": "A-17"}})
	conv := conversationOf(t, b.say("Hello").MessageID)
	s, err := h.inbound.SessionContext(t.Context(), h.client(t), conv)
	if err != nil || string(s.Data) != `{"order":"A-17"}` {
		t.Errorf("what is known is %s, %v", s.Data, err)
	}
}
