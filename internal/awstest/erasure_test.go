package awstest

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/channelhub/channelhub/hub/hubtest"
)

const (
	privacy = "awstest-privacy-token-of-more-than-32-characters"
	// forgets is the token that may erase, as configuration.
	forgets = `privacy: {role: privacy, token: "` + privacy + `"}`
)

// private calls the admin listener as who may erase.
func (c *chatting) private(method, path string, body any) hubtest.Answer {
	a := *c.h
	a.Public = a.Admin
	return a.Call(privacy, method, path, body)
}

// asksToBeForgotten orders the erasure of the visitor, which the desk cannot.
func (c *chatting) asksToBeForgotten() {
	c.t.Helper()
	c.link = c.lookUp(hubtest.Desk, c.mine).URL
	order := map[string]string{"client_id": "acme", "contact_id": c.contact}
	a := c.private(http.MethodPost, "/admin/v1/contacts/erase", order)
	if a.Status != http.StatusAccepted {
		c.t.Fatalf("erase: %d %s", a.Status, a.Body)
	}
	var e struct{ ID string }
	decode(c.t, a, &e)
	c.erasure = e.ID
}

// isForgotten waits for the end of the erasure and demands that nobody finds
// anything any more, the visitor included, who is welcome all the same.
func (c *chatting) isForgotten() {
	c.t.Helper()
	c.h.Until("the erasure to be done", func() error {
		var e struct {
			Step    string
			Removed map[string]int
		}
		decode(c.t, c.private(http.MethodGet, "/admin/v1/contacts/erasures/"+c.erasure, nil), &e)
		if e.Step != "done" {
			return fmt.Errorf("it is %s", e.Step)
		}
		for what, want := range map[string]int{"attachments": 2, "conversations": 1, "messages": 1} {
			if n := e.Removed[what]; n > want || n < want && !c.interrupted {
				c.t.Errorf("the receipt says %v, want %d %s", e.Removed, want, what)
			}
		}
		return nil
	})
	for _, path := range []string{"/v1/conversations/" + c.conversation, "/v1/attachments/" + c.mine, "/v1/attachments/" + c.answers} {
		if a := c.h.Call(hubtest.Desk, http.MethodGet, path, nil); a.Status != http.StatusNotFound && a.Status != http.StatusGone {
			c.t.Errorf("GET %s: %d %s", path, a.Status, a.Body)
		}
	}
	if at := fetch(c.t, http.DefaultClient, c.link); at.Status != http.StatusGone {
		c.t.Errorf("a link to an erased file is answered %d, want 410", at.Status)
	}
	token := c.visitor.Token
	c.arrive(token)
	if got := thread(c.visitor); len(got) != 0 {
		c.t.Errorf("the chat still shows %q", got)
	}
	c.patient("save a file that is gone", func(ctx context.Context) error {
		if _, err := c.visitor.Save(ctx, c.mine); err == nil {
			return fmt.Errorf("it was saved")
		}
		return nil
	})
	c.ask(map[string]any{"type": "message", "id": "again", "text": "good morning"})
	events := c.h.AllEvents(hubtest.Archive)
	last := events[len(events)-1]
	for _, ev := range events {
		if ev.Type == "message.received" && ev.Message.Content.Text == "good morning" {
			last = ev
		}
		if ev.ConversationID == c.conversation && ev.Message.Content.Text != "" {
			c.t.Errorf("the feed still tells %+v", ev)
		}
	}
	if last.Message.Content.Text != "good morning" || last.Contact.ID == c.contact || last.ConversationID == c.conversation {
		c.t.Errorf("who comes back is not somebody new: %+v", last)
	}
}

// wantErased demands that no row names what was erased.
func wantErased(t *testing.T, h *onAWS, c *chatting) {
	t.Helper()
	sub := *c
	sub.t, sub.h, sub.interrupted = t, h.Hub, true // services were away meanwhile
	sub.isForgotten()
	for _, k := range h.fleet.keys(t) {
		for _, word := range []string{c.contact, c.conversation, c.mine, c.answers} {
			if strings.Contains(k, word) {
				t.Errorf("a row is left: %s", k)
			}
		}
	}
}
