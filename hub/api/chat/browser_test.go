package chat

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/channelhub/channelhub/hub/model"
)

// patience bounds every wait of a test. It says nothing about speed.
const patience = 30 * time.Second

// browser is the other end of a socket.
type browser struct {
	t    *testing.T
	conn *websocket.Conn

	token    string
	position string
	resumed  bool
	limits   welcomeLimit
	thread   []shown // every message frame that came, repeats included
	state    state
	states   int
	typing   []model.Author
}

// shown is a message as the connectors of these tests render it.
type shown struct {
	ID       model.MessageID `json:"id"`
	ClientID string          `json:"client_id"`
	Author   model.Author    `json:"author"`
	Text     string          `json:"text"`
	At       string          `json:"at"`
	Status   model.Status    `json:"status"`

	Attachments []model.Attachment `json:"attachments"`
}

// down is any frame to a browser.
type down struct {
	Type       string
	ID         string
	Token      string
	Position   string
	Resumed    bool
	Limits     welcomeLimit
	Cookies    []string
	Frames     []json.RawMessage
	MessageID  model.MessageID `json:"message_id"`
	At         string
	Code       string
	Detail     string
	Retry      bool
	RetryAfter int64 `json:"retry_after_ms"`
}

// dial opens a socket and returns the status of the upgrade.
func dial(t *testing.T, h *testHub, account model.AccountID, origin string) (*websocket.Conn, int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	header := http.Header{}
	if origin != "" {
		header.Set("Origin", origin)
	}
	url := strings.Replace(h.server.URL, "http", "ws", 1) + "/chat/" + string(account) + "/socket"
	conn, resp, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPHeader: header})
	if resp == nil {
		t.Fatal(err)
	}
	if err != nil {
		_ = resp.Body.Close() // it is the socket's own otherwise
	}
	return conn, resp.StatusCode
}

// connect opens a socket and says nothing yet.
func connect(t *testing.T, h *testHub) *browser {
	t.Helper()
	conn, status := dial(t, h, demoAccount, shopOrigin)
	if status != http.StatusSwitchingProtocols {
		t.Fatalf("the upgrade is answered %d", status)
	}
	conn.SetReadLimit(1 << 20)
	t.Cleanup(func() { _ = conn.CloseNow() })
	return &browser{t: t, conn: conn}
}

// arrive opens a socket, says hello and reads on to the state.
func arrive(t *testing.T, h *testHub, token, position string) *browser {
	t.Helper()
	b := connect(t, h)
	b.hello(token, position)
	b.until(func() bool { return b.states > 0 })
	return b
}

// tab opens one more socket of the same visitor.
func (b *browser) tab(h *testHub, position string) *browser {
	b.t.Helper()
	return arrive(b.t, h, b.token, position)
}

func (b *browser) hello(token, position string) {
	b.t.Helper()
	orNull := func(s string) any {
		if s == "" {
			return nil
		}
		return s
	}
	b.send(map[string]any{"type": "hello", "version": 1, "token": orNull(token), "position": orNull(position), "page": map[string]any{"url": shopOrigin}})
	f := b.next()
	if f.Type != "welcome" {
		b.t.Fatalf("the hub answered %q to a hello", f.Type)
	}
	b.token, b.resumed, b.limits = f.Token, f.Resumed, f.Limits
}

func (b *browser) send(v any) {
	b.t.Helper()
	b.write(websocket.MessageText, encode(v))
}

func (b *browser) write(kind websocket.MessageType, data []byte) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	if err := b.conn.Write(ctx, kind, data); err != nil {
		b.t.Fatal(err)
	}
}

func (b *browser) read() ([]byte, error) {
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	_, data, err := b.conn.Read(ctx)
	return data, err
}

// next reads one frame and keeps what it tells.
func (b *browser) next() down {
	b.t.Helper()
	data, err := b.read()
	if err != nil {
		b.t.Fatal(err)
	}
	var f down
	if err := json.Unmarshal(data, &f); err != nil {
		b.t.Fatalf("%v in %s", err, data)
	}
	switch f.Type {
	case "frames":
		for _, raw := range f.Frames {
			b.show(raw)
		}
		if f.Position != "" {
			b.position = f.Position
		}
	case "state":
		b.state = state{}
		if err := json.Unmarshal(data, &b.state); err != nil {
			b.t.Fatal(err)
		}
		b.states++
	}
	return f
}

func (b *browser) show(raw json.RawMessage) {
	b.t.Helper()
	var in struct {
		Type    string
		Author  model.Author
		Message shown
	}
	if err := json.Unmarshal(raw, &in); err != nil {
		b.t.Fatal(err)
	}
	if in.Type == "typing" {
		b.typing = append(b.typing, in.Author)
		return
	}
	b.thread = append(b.thread, in.Message)
}

// until reads until something holds.
func (b *browser) until(done func() bool) {
	b.t.Helper()
	for !done() {
		b.next()
	}
}

// answer reads until the answer to a frame, and returns it.
func (b *browser) answer(id string) down {
	b.t.Helper()
	for {
		if f := b.next(); (f.Type == "ack" || f.Type == "nack") && f.ID == id {
			return f
		}
	}
}

var ids atomic.Int64

// newID is a frame's id that no tab used before.
func newID() string { return "f-" + strconv.FormatInt(ids.Add(1), 10) }

// ask sends a frame with a fresh id and returns the answer.
func (b *browser) ask(fields map[string]any) down {
	b.t.Helper()
	id := newID()
	fields["id"] = id
	b.send(fields)
	return b.answer(id)
}

// say sends a message that the hub takes, waits for its echo and returns the
// acknowledgement.
func (b *browser) say(text string) down {
	b.t.Helper()
	answer := b.ask(map[string]any{"type": "message", "text": text})
	if answer.Type != "ack" || answer.MessageID == "" {
		b.t.Fatalf("the hub answered %+v to a message", answer)
	}
	b.until(func() bool { return b.shows(answer.MessageID) })
	return answer
}

func (b *browser) shows(id model.MessageID) bool {
	for _, m := range b.thread {
		if m.ID == id {
			return true
		}
	}
	return false
}

// texts is the thread as the visitor reads it.
func (b *browser) texts() []string {
	var out []string
	for _, m := range b.thread {
		out = append(out, string(m.Author)+": "+m.Text)
	}
	return out
}

// closeCode reads to the end of the connection.
func (b *browser) closeCode() websocket.StatusCode {
	b.t.Helper()
	for {
		if _, err := b.read(); err != nil {
			return websocket.CloseStatus(err)
		}
	}
}

func conversationOf(t *testing.T, id model.MessageID) model.ConversationID {
	t.Helper()
	place, ok := id.Place()
	if !ok {
		t.Fatalf("%q is not a message id", id)
	}
	return place.Conversation
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for !done() {
		select {
		case <-deadline.C:
			t.Fatalf("%s: did not happen", what)
		case <-look.C:
		}
	}
}
