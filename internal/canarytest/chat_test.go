package canarytest

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/channelhub/channelhub/internal/visitor"
)

// shop is the site whose visitors write.
const shop = "https://shop.example"

// chat has a visitor and the desk talk over a browser's socket, with files
// both ways, and a visitor's page go wrong. It returns what the feed has to
// show.
func chat(t *testing.T, h *hub, m *marks) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var v *visitor.Visitor
	h.eventually("let a visitor in", func() (ok bool) {
		var err error
		v, err = visitor.Arrive(ctx, visitor.Chat{Hub: h.public, Account: "acme-chat", Origin: shop}, "")
		return err == nil
	})
	defer v.Leave()
	m.all = append(m.all, v.Token)
	ask := func(fields map[string]any) {
		t.Helper()
		_, err := v.Ask(ctx, fields)
		must(err)
	}
	told := map[string]any{
		"type": "context", "page": map[string]string{"url": shop + "/" + m.new("page"), "title": m.new("title"), "referrer": "https://search.example/" + m.new("referrer")},
		"cookies": map[string]string{"campaign": m.new("cookie"), "other": m.new("unnamed")}, "data": map[string]string{"order": m.new("private")},
	}
	must(v.Tell(ctx, told))
	text := m.new("chattext")
	ask(map[string]any{"type": "message", "id": "1", "text": text})
	ask(map[string]any{"type": "typing", "id": "2"})
	must(v.Tell(ctx, told))
	fileName, fileText := m.new("filename")+".txt", m.new("filetext")
	up, err := v.Upload(ctx, fileName, fileText)
	must(err)
	caption := m.new("caption")
	ask(map[string]any{"type": "message", "id": "3", "text": caption, "attachments": []map[string]string{{"id": up.ID}}})

	contact, conversation := who(t, h, text)
	known := h.v1(http.MethodGet, "/v1/conversations/"+conversation+"/context", "", nil)
	want(t, "read what is known of the browser", known, http.StatusOK)
	for _, marker := range []string{"canarypage", "canarytitle", "canaryreferrer", "canarycookie", "canaryprivate"} {
		if !bytes.Contains(known.body, []byte(marker)) {
			t.Errorf("what is known of the browser lacks %s", marker)
		}
	}
	if bytes.Contains(known.body, []byte("canaryunnamed")) {
		t.Error("a cookie is kept that the account does not name")
	}
	answers(t, h, m, contact)
	must(v.Until(ctx, func() bool { return strings.HasPrefix(v.Thread[len(v.Thread)-1].Text, "canaryanswertext") }))
	body, err := v.Save(ctx, v.Thread[len(v.Thread)-1].Attachments[0].ID)
	if err != nil || !strings.HasPrefix(body, "canaryanswerfile") {
		t.Errorf("the visitor saves %q, %v", body, err)
	}
	ask(map[string]any{"type": "read", "id": "4", "ids": []string{v.Thread[len(v.Thread)-1].ID}})
	astray(ctx, t, h, m)
	return []string{text, caption, fileName}
}

// who returns the contact and the conversation that a text came from.
func who(t *testing.T, h *hub, text string) (contact, conversation string) {
	t.Helper()
	var page struct {
		Data []struct {
			ConversationID string `json:"conversation_id"`
			Contact        struct {
				ID string `json:"id"`
			} `json:"contact"`
			Message struct {
				Content struct {
					Text string `json:"text"`
				} `json:"content"`
			} `json:"message"`
		} `json:"data"`
	}
	if err := json.Unmarshal(h.v1(http.MethodGet, "/v1/events?limit=100", "", nil).body, &page); err != nil {
		t.Fatal(err)
	}
	for _, ev := range page.Data {
		if ev.Message.Content.Text == text {
			return ev.Contact.ID, ev.ConversationID
		}
	}
	t.Fatal("the feed does not show what the visitor said")
	return "", ""
}

// answers sends the desk's answer with a file, and clicks the file's link.
func answers(t *testing.T, h *hub, m *marks, contact string) {
	t.Helper()
	var file struct{ ID, URL string }
	a := h.ask(http.MethodPost, h.public+"/v1/attachments?name="+m.new("answername")+".txt", http.Header{
		"Authorization": {"Bearer " + desk}, "Content-Type": {"application/octet-stream"},
	}, []byte(m.new("answerfile")))
	want(t, "upload", a, http.StatusCreated)
	if err := json.Unmarshal(a.body, &file); err != nil {
		t.Fatal(err)
	}
	token := file.URL[strings.LastIndex(file.URL, "/")+1:]
	m.all = append(m.all, token)
	want(t, "click a link", h.ask(http.MethodGet, file.URL, nil, nil), http.StatusOK)
	want(t, "click a link that is none", h.ask(http.MethodGet, h.public+"/a/"+m.new("link"), nil, nil), http.StatusNotFound)
	want(t, "answer with a file", h.v1(http.MethodPost, "/v1/messages", m.new("chatkey"), encode(t, map[string]any{
		"account_id": "acme-chat", "to": map[string]string{"contact_id": contact},
		"content": map[string]string{"type": "media", "text": m.new("answertext")}, "attachments": []string{file.ID},
	})), http.StatusAccepted)
}

// astray has a page say what no page of ours would.
func astray(ctx context.Context, t *testing.T, h *hub, m *marks) {
	t.Helper()
	at := visitor.Chat{Hub: h.public, Account: "acme-chat", Origin: shop}
	if _, err := visitor.Arrive(ctx, at, m.new("visitortoken")); err == nil {
		t.Error("a forged token was taken")
	}
	for _, fields := range []map[string]any{
		{"type": m.new("frametype"), "id": "x"},
		{"type": "message", "id": "x", "text": strings.Repeat(m.new("chatlong"), 400)},
		{"type": "message", "id": strings.Repeat(m.new("frameid"), 100), "text": m.new("frametext")},
		{"type": "message", "id": "x", "text": map[string]string{m.new("framefield"): m.new("framevalue")}},
		{"type": "message", "id": "x", "text": m.new("frametext"), "attachments": []map[string]string{{"id": m.new("fileid")}}},
		{"type": "read", "id": "x", "ids": []string{m.new("readid")}},
		{"type": "context", "id": "x", "page": m.new("badpage"), "cookies": map[string]string{"campaign": strings.Repeat(m.new("badcookie"), 100)}, "data": m.new("baddata")},
	} {
		v, err := visitor.Arrive(ctx, at, "")
		if err != nil {
			t.Fatal(err)
		}
		m.all = append(m.all, v.Token)
		_, _ = v.Ask(ctx, fields) // an answer, or the end of the socket
		v.Leave()
	}
	v, err := visitor.Arrive(ctx, at, "")
	if err != nil {
		t.Fatal(err)
	}
	defer v.Leave()
	if _, err := v.Upload(ctx, m.new("badname")+".exe", "MZ"+m.new("badfile")); err == nil {
		t.Error("a program was taken for a file")
	}
	stranger := visitor.Chat{Hub: h.public, Account: "acme-chat", Origin: "https://" + m.new("origin") + ".example"}
	if _, err := visitor.Arrive(ctx, stranger, ""); err == nil {
		t.Error("a foreign site was let in")
	}
}
