package mirror_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/hubtest"
	"github.com/channelhub/channelhub/hub/model"
)

// provider keeps what the mirror was told to send.
type provider struct {
	url string

	mu   sync.Mutex
	got  map[string]posted // by message
	cuts bool              // it takes what is posted, and breaks off before it answers
}

type posted struct {
	ID      string
	To      string
	Content json.RawMessage
	Files   []struct{ Name, Kind, Text string }
}

func newProvider(t *testing.T) *provider {
	p := &provider{got: map[string]posted{}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var m posted
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.got[m.ID] = m
		if p.cuts {
			panic(http.ErrAbortHandler)
		}
	}))
	t.Cleanup(server.Close)
	p.url = server.URL
	return p
}

func (p *provider) cut(off bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cuts = off
}

func (p *provider) message(id string) posted {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.got[id]
}

// desk is the token of the client glass, whose accounts are glass-mirror and
// glass-echo; auditor reads the audit log.
const (
	desk    = "mirror-desk-token-of-more-than-32-characters"
	auditor = "mirror-auditor-token-of-more-than-32-characters"
)

// mirrored is a hub with the client glass.
func mirrored(t *testing.T, p *provider) *hubtest.Hub {
	t.Helper()
	return through(t, p, "internal/mirror/mirrorplugin")
}

// through is mirrored with the mirror's program by its command.
func through(t *testing.T, p *provider, command string) *hubtest.Hub {
	t.Helper()
	return hubtest.New(t, &hubtest.Options{Config: fmt.Sprintf(`
plugins: {mirror: {path: %s}}
access:
  bootstrap_tokens:
    glass: {role: client, client: glass, token: %q}
    auditor: {role: auditor, token: %q}
clients:
  glass:
    name: Glass
    accounts:
      glass-mirror: {plugin: mirror, config: {reply_url: %q}, secrets: {secret: %q}}
      glass-echo: {plugin: echo, config: {reply_url: %q}, secrets: {secret: %q}}
`, hubtest.Connector(t, command), desk, auditor, p.url, secret, p.url, secret)})
}

// hook has the mirror's provider deliver something.
func hook(h *hubtest.Hub, path, body string) hubtest.Answer {
	return h.Call("", http.MethodPost, "/in/mirror/glass-mirror"+path, body, "X-Mirror-Signature", hubtest.Sign([]byte(body)))
}

// secret is the one that hubtest.Sign signs with.
const secret = "hubtest secret of acme"

// forms is one of each form, with every field that it has.
var forms = []struct{ name, content string }{
	{"text", `{"type":"text","text":"hello"}`},
	{"media", `{"type":"media","text":"a caption"}`},
	{"location", `{"type":"location","latitude":0,"longitude":-13.405,"name":"Our shop","address":"1 High Street"}`},
	{"contacts", `{"type":"contacts","contacts":[{"name":"Ada Lovelace","phones":["15550001","15550002"],"emails":["ada@example.com"],"organization":"Engines"}]}`},
	{"menu", `{"type":"menu","text":"Which size?","button":"Sizes","sections":[{"title":"Shirts","items":[{"payload":"s","title":"Small","description":"up to 48"},{"payload":"l","title":"Large"}]},{"title":"Hats","items":[{"payload":"h","title":"Any"}]}]}`},
	{"carousel", `{"type":"carousel","cards":[{"title":"A card","subtitle":"of two","buttons":[{"title":"Buy","payload":"buy"},{"title":"Look","url":"https://shop.example/1"}]},{"title":"Another"}]}`},
	{"link_button", `{"type":"link_button","text":"Your order","title":"Track","url":"https://shop.example/track?id=1"}`},
	{"template", `{"type":"template","name":"order_shipped","language":"en","parameters":[{"component":"body","name":"order","text":"4711"},{"text":"positional"}]}`},
	{"postback", `{"type":"postback","payload":"size-s","title":"Small"}`},
	{"form_reply", `{"type":"form_reply","name":"feedback","text":"Thank you","values":{"stars":5,"words":["good",null]}}`},
	{"unsupported", `{"type":"unsupported","kind":"poll_creation"}`},
}

// TestEveryFormBothWays takes each form through a connector's process, from
// provider to client and from client to provider: nothing of it is lost, and
// what an account does not take is refused by its name.
func TestEveryFormBothWays(t *testing.T) {
	p := newProvider(t)
	h := mirrored(t, p)
	for _, form := range forms {
		t.Run(form.name+" in", func(t *testing.T) { comesIn(t, h.In(t), form.name, form.content) })
		t.Run(form.name+" out", func(t *testing.T) { goesOut(t, h.In(t), p, form.name, form.content) })
		t.Run(form.name+" where it is lacking", func(t *testing.T) { isLacking(t, h.In(t), form.name, form.content) })
	}
}

const file = "what the file says\n"

// event is an event with its content as it is spelled.
type event struct {
	Type    string
	Message struct {
		ID          string
		Content     json.RawMessage
		Attachments []model.Attachment
	}
}

func events(h *hubtest.Hub) []event {
	var page struct{ Data []event }
	h.Get(desk, "/v1/events?limit=500", &page)
	return page.Data
}

func comesIn(t *testing.T, h *hubtest.Hub, name, content string) {
	before := len(events(h))
	files := ""
	if name == "media" {
		files = fmt.Sprintf(`,"files":[{"name":"a.txt","kind":"file","text":%q}]`, file)
	}
	if a := hook(h, "", fmt.Sprintf(`{"id":"in-%s","from":"ada","content":%s%s}`, name, content, files)); a.Status != http.StatusOK {
		t.Fatalf("the webhook answered %d %s", a.Status, a.Body)
	}
	var got event
	h.Until("the event", func() error {
		all := events(h)[before:]
		if len(all) == 0 {
			return fmt.Errorf("none yet")
		}
		got = all[0]
		return nil
	})
	wantType := "message.received"
	switch name {
	case "postback":
		wantType = "postback.received"
	case "unsupported":
		wantType = "unsupported.received"
	}
	if got.Type != wantType {
		t.Errorf("it comes as %s, want %s", got.Type, wantType)
	}
	same(t, content, got.Message.Content)
	if name != "media" {
		return
	}
	var ready model.Attachment
	h.Until("the file", func() error {
		for _, ev := range events(h)[before:] {
			if ev.Type == "attachment.updated" {
				ready = ev.Message.Attachments[0]
			}
		}
		if ready.State != model.AttachmentReady {
			return fmt.Errorf("it is %q", ready.State)
		}
		return nil
	})
	if a := h.Call("", http.MethodGet, strings.TrimPrefix(ready.URL, h.Public), nil); string(a.Body) != file {
		t.Errorf("the file says %q", a.Body)
	}
}

// request is the body of a message to ada.
func request(account, content, files string) string {
	return fmt.Sprintf(`{"account_id":%q,"to":{"address":"ada"},"content":%s%s}`, account, content, files)
}

func goesOut(t *testing.T, h *hubtest.Hub, p *provider, name, content string) {
	files := ""
	if name == "media" {
		var a model.Attachment
		answer := h.Call(desk, http.MethodPost, "/v1/attachments?name=b.txt", file, "Content-Type", "text/plain")
		if err := json.Unmarshal(answer.Body, &a); err != nil || answer.Status != http.StatusCreated {
			t.Fatalf("upload: %d %s", answer.Status, answer.Body)
		}
		files = fmt.Sprintf(`,"attachments":[%q]`, a.ID)
	}
	answer := h.Call(desk, http.MethodPost, "/v1/messages", request("glass-mirror", content, files))
	if model.ContentType(name).InOnly() {
		refused(t, answer, name)
		return
	}
	var m struct{ ID string }
	if err := json.Unmarshal(answer.Body, &m); err != nil || answer.Status != http.StatusAccepted {
		t.Fatalf("send: %d %s", answer.Status, answer.Body)
	}
	h.Until("the message to be sent", func() error {
		var now struct{ Status string }
		if h.Get(desk, "/v1/messages/"+m.ID, &now); now.Status != "sent" {
			return fmt.Errorf("it is %s", now.Status)
		}
		return nil
	})
	got := p.message(m.ID)
	same(t, content, got.Content)
	if name == "media" && (len(got.Files) != 1 || got.Files[0].Name != "b.txt" || got.Files[0].Text != file) {
		t.Errorf("the files are %+v", got.Files)
	}
	// The client reads its own message as it wrote it.
	var kept struct{ Content json.RawMessage }
	h.Get(desk, "/v1/messages/"+m.ID, &kept)
	same(t, content, kept.Content)
}

// isLacking sends a form to echo, which takes text alone.
func isLacking(t *testing.T, h *hubtest.Hub, name, content string) {
	for _, query := range []string{"", "?dry_run=true"} {
		a := h.Call(desk, http.MethodPost, "/v1/messages"+query, request("glass-echo", content, ""))
		if name == "text" {
			if a.Status/100 != 2 {
				t.Errorf("send%s: %d %s", query, a.Status, a.Body)
			}
			continue
		}
		refused(t, a, name)
	}
}

// refused checks the verdict on a form that an account does not take.
func refused(t *testing.T, a hubtest.Answer, name string) {
	t.Helper()
	if a.Status != http.StatusUnprocessableEntity {
		t.Errorf("%d %s, want 422", a.Status, a.Body)
		return
	}
	for _, f := range a.Problem().Faults {
		if f.Field == "content.type" && f.Pointer == "/content/type" && strings.Contains(f.Detail, fmt.Sprintf("%q", name)) {
			return
		}
	}
	t.Errorf("no fault names %s: %s", name, a.Body)
}

// same compares two JSON values.
func same(t *testing.T, want string, got json.RawMessage) {
	t.Helper()
	var w, g any
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(got, &g); err != nil {
		t.Fatalf("%v: %q", err, got)
	}
	if diff := cmp.Diff(w, g); diff != "" {
		t.Errorf("content (-want +got):\n%s", diff)
	}
}
