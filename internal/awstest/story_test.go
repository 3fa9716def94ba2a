package awstest

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/hubtest"
	"github.com/channelhub/channelhub/internal/visitor"
)

// TestStoryOnEmbedded is the story over the storage that a hub brings along.
// TestEverythingOnAWS tells the same one over AWS.
func TestStoryOnEmbedded(t *testing.T) {
	t.Parallel()
	chat := story(t, hubtest.New(t, &hubtest.Options{WebChat: true, Config: `access: {bootstrap_tokens: {` + forgets + `}}`}), "")
	chat.asksToBeForgotten()
	chat.isForgotten()
}

// story is what customers and a CSR have to do with a hub, with a restart in
// the middle: one customer writes by a provider, another by web chat, with
// files both ways. Links to files lead to URLs of the server objects, or to
// the hub itself where that is empty. The test must own the hub.
func story(t *testing.T, h *hubtest.Hub, objects string) *chatting {
	t.Helper()
	chat := &chatting{t: t, h: h, objects: objects}
	h.Say("ada", "in-1", "hello")
	h.Say("ada", "in-1", "hello") // a provider's repeat
	h.Say("bob", "in-2", "good day")
	if got := h.Events(hubtest.Desk, ""); got.Texts() != "hello good day" {
		t.Errorf("I3: the feed says %q", got.Texts())
	}
	first := h.Send("ada", "what can I do for you")
	h.Await(first.ID, "sent")
	h.Receipt("delivered", hubtest.ProviderID(first.ID))
	h.Await(first.ID, "delivered")
	chat.visitorSendsAFile()
	chat.deskAnswersWithAFile()

	h.Restart()
	h.Say("ada", "in-3", "nothing really")
	second := h.Send("ada", "fine")
	h.Await(second.ID, "sent")
	h.Receipt("read", hubtest.ProviderID(second.ID))
	h.Await(second.ID, "read")
	chat.visitorComesBack()

	all := h.Events(hubtest.Archive, "limit=100")
	if got := strings.Join(received(all), "|"); got != "hello|good day|is it still there|a picture of it|nothing really|thank you" {
		t.Errorf("the feed holds %q", got)
	}
	if last := all.Data[len(all.Data)-1]; last.Type != "conversation.ended" || last.AccountID != "acme-chat" {
		t.Errorf("the feed ends with %+v, want the end of the chat", last)
	}
	var posted []string
	for _, p := range h.Provider.Posts() {
		posted = append(posted, p.Text)
	}
	if diff := cmp.Diff([]string{"what can I do for you", "fine"}, posted); diff != "" {
		t.Errorf("the provider got (-want +got):\n%s", diff)
	}
	if other := h.Events(hubtest.Other, ""); len(other.Data) != 0 {
		t.Errorf("I8: another client reads %d events", len(other.Data))
	}
	return chat
}

// received is what customers said in a page of the feed.
func received(e hubtest.Events) []string {
	var out []string
	for _, ev := range e.Data {
		if ev.Type == "message.received" {
			out = append(out, ev.Message.Content.Text)
		}
	}
	return out
}

// chatting is the part of the story that happens in the web chat.
type chatting struct {
	t       *testing.T
	h       *hubtest.Hub
	objects string

	visitor               *visitor.Visitor
	contact, conversation string
	mine, answers         string // ids of the visitor's file and of the desk's
	erasure, link         string // its id, and a link from before it
	interrupted           bool   // the erasure: it may have left some uncounted
}

// patient runs a visitor's act.
func (c *chatting) patient(what string, act func(context.Context) error) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), hubtest.Patience)
	defer cancel()
	if err := act(ctx); err != nil {
		c.t.Fatalf("%s: %v", what, err)
	}
}

func (c *chatting) arrive(token string) {
	c.t.Helper()
	c.patient("arrive in the chat", func(ctx context.Context) (err error) {
		c.visitor, err = visitor.Arrive(ctx, visitor.Chat{Hub: c.h.Public, Account: "acme-chat", Origin: hubtest.Shop}, token)
		return err
	})
	c.t.Cleanup(c.visitor.Leave)
}

func (c *chatting) ask(fields map[string]any) {
	c.t.Helper()
	c.patient("send a frame", func(ctx context.Context) error {
		_, err := c.visitor.Ask(ctx, fields)
		return err
	})
}

// visitorSendsAFile: a visitor asks, sends a file, and the desk reads it by its
// link.
func (c *chatting) visitorSendsAFile() {
	c.t.Helper()
	c.arrive("")
	c.ask(map[string]any{"type": "message", "id": "ask", "text": "is it still there"})
	var up visitor.File
	c.patient("upload a file", func(ctx context.Context) (err error) {
		up, err = c.visitor.Upload(ctx, "it.txt", "from the visitor")
		return err
	})
	c.ask(map[string]any{"type": "message", "id": "show", "text": "a picture of it", "attachments": []map[string]string{{"id": up.ID}}})

	events := c.h.Events(hubtest.Desk, "limit=100").Data
	last := events[len(events)-1]
	files := last.Message.Attachments
	if len(files) != 1 || files[0].ID != up.ID || files[0].Name != "it.txt" || files[0].State != "ready" || last.Message.Content.Text != "a picture of it" {
		c.t.Fatalf("the desk reads %+v", last.Message)
	}
	c.contact, c.conversation, c.mine = last.Contact.ID, last.ConversationID, up.ID
	c.follow(files[0].URL, "from the visitor")
	if again := c.lookUp(hubtest.Desk, up.ID); again.State != "ready" || again.URL == "" {
		c.t.Errorf("the file is %+v", again)
	}
	if a := c.h.Call(hubtest.Other, http.MethodGet, "/v1/attachments/"+up.ID, nil); a.Status != http.StatusNotFound {
		c.t.Errorf("I8: another client is answered %d", a.Status)
	}
	guess := files[0].URL[:len(files[0].URL)-8] + "guessing"
	if at := fetch(c.t, http.DefaultClient, guess); at.Status != http.StatusNotFound {
		c.t.Errorf("a guessed link is answered %d", at.Status)
	}
}

func (c *chatting) lookUp(token, id string) (a hubtest.Attachment) {
	c.t.Helper()
	c.h.Get(token, "/v1/attachments/"+id, &a)
	return a
}

// follow clicks a link and demands what it leads to.
func (c *chatting) follow(link, want string) {
	c.t.Helper()
	if !strings.HasPrefix(link, c.h.Public+"/a/") {
		c.t.Errorf("the link is not the hub's: %s", link)
	}
	from := c.objects
	if from == "" {
		from = c.h.Public
	}
	at := fetch(c.t, http.DefaultClient, link)
	server, err := url.Parse(from)
	if err != nil {
		c.t.Fatal(err)
	}
	if at.Status != http.StatusOK || at.Body != want || at.URL.Host != server.Host {
		c.t.Errorf("the link led to %s: %d %q, want %q from %s", at.URL.Host, at.Status, at.Body, want, server.Host)
	}
	if c.objects != "" && at.URL.Query().Get("X-Amz-Signature") == "" {
		c.t.Errorf("the link led to a URL that is not signed")
	}
	if d := at.Header.Get("Content-Disposition"); !strings.HasPrefix(d, "attachment") {
		c.t.Errorf("Content-Disposition is %q", d)
	}
}

// deskAnswersWithAFile: the desk answers with a file, which the visitor saves
// and reads.
func (c *chatting) deskAnswersWithAFile() {
	c.t.Helper()
	a := c.h.Call(hubtest.Desk, http.MethodPost, "/v1/attachments?name=offer.txt", "from the desk", "Content-Type", "application/octet-stream")
	if a.Status != http.StatusCreated {
		c.t.Fatalf("upload: %d %s", a.Status, a.Body)
	}
	var up hubtest.Attachment
	decode(c.t, a, &up)
	c.follow(up.URL, "from the desk")
	a = c.h.Call(hubtest.Desk, http.MethodPost, "/v1/messages", map[string]any{
		"account_id": "acme-chat", "to": map[string]string{"contact_id": c.contact},
		"content": map[string]string{"type": "media", "text": "our offer"}, "attachments": []string{up.ID},
	})
	if a.Status != http.StatusAccepted {
		c.t.Fatalf("answer with a file: %d %s", a.Status, a.Body)
	}
	var sent hubtest.Message
	decode(c.t, a, &sent)
	c.patient("be shown the answer", func(ctx context.Context) error {
		return c.visitor.Until(ctx, func() bool { return len(thread(c.visitor)) == 3 })
	})
	c.answers = up.ID
	c.saves()
	c.ask(map[string]any{"type": "read", "id": "seen", "ids": []string{sent.ID}})
	c.h.Await(sent.ID, "read")
}

// saves demands that the visitor can save both files.
func (c *chatting) saves() {
	c.t.Helper()
	for id, want := range map[string]string{c.mine: "from the visitor", c.answers: "from the desk"} {
		c.patient("save a file", func(ctx context.Context) error {
			body, err := c.visitor.Save(ctx, id)
			if err == nil && body != want {
				err = fmt.Errorf("it holds %q, want %q", body, want)
			}
			return err
		})
	}
}

// visitorComesBack: a later visit shows everything, goes on, and ends.
func (c *chatting) visitorComesBack() {
	c.t.Helper()
	c.arrive(c.visitor.Token)
	want := []string{"customer: is it still there", "customer: a picture of it, it.txt ready", "csr: our offer, offer.txt ready"}
	if diff := cmp.Diff(want, thread(c.visitor)); diff != "" {
		c.t.Errorf("the chat shows (-want +got):\n%s", diff)
	}
	c.saves()
	c.follow(c.lookUp(hubtest.Desk, c.mine).URL, "from the visitor")
	c.ask(map[string]any{"type": "message", "id": "thank", "text": "thank you"})
	c.ask(map[string]any{"type": "end", "id": "end"})
	c.patient("see the session end", func(ctx context.Context) error {
		return c.visitor.Until(ctx, func() bool { return c.visitor.Session == "ended" })
	})
}

// thread is what a visitor reads, each message once.
func thread(v *visitor.Visitor) []string {
	var out []string
	seen := map[string]bool{}
	for _, m := range v.Thread {
		if seen[m.ID] {
			continue
		}
		seen[m.ID] = true
		line := m.Author + ": " + m.Text
		for _, f := range m.Attachments {
			line += ", " + f.Name + " " + f.State
		}
		out = append(out, line)
	}
	return out
}
