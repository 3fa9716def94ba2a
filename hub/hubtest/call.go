package hubtest

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Answer is what a call came back with.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Problem reads the body as a problem document.
func (a Answer) Problem() Problem {
	var p Problem
	_ = json.Unmarshal(a.Body, &p) // what is no problem has no type
	return p
}

// Problem is a problem document as callers see it.
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Faults []struct {
		Field   string `json:"field"`
		Pointer string `json:"pointer"`
		In      string `json:"in"`
		Detail  string `json:"detail"`
	} `json:"faults"`
	RequestID string `json:"request_id"`
	Oldest    string `json:"oldest"`
}

// Fields lists where the faults are, in order, separated by spaces.
func (p Problem) Fields() string {
	var out []string
	for _, f := range p.Faults {
		out = append(out, f.Field)
	}
	return strings.Join(out, " ")
}

// Call makes a request of the public listener. The body is sent as it is when
// it is a string, and as JSON otherwise; nil is none. Headers are pairs; an
// empty value takes a header away.
func (h *Hub) Call(token, method, path string, body any, headers ...string) Answer {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	req := h.Request(ctx, token, method, path, body, headers...)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		h.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer func() { _ = resp.Body.Close() }()
	read, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatalf("%s %s: read answer: %v", method, path, err)
	}
	return Answer{resp.StatusCode, resp.Header, read}
}

// Request makes what Call sends.
func (h *Hub) Request(ctx context.Context, token, method, path string, body any, headers ...string) *http.Request {
	h.t.Helper()
	var r io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		r = strings.NewReader(b)
	default:
		encoded, err := json.Marshal(b)
		if err != nil {
			h.t.Fatal(err)
		}
		r = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(ctx, method, h.Public+path, r)
	if err != nil {
		h.t.Fatal(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i+1] == "" {
			req.Header.Del(headers[i])
			continue
		}
		req.Header.Set(headers[i], headers[i+1])
	}
	return req
}

// Get is a call that must succeed; its answer is decoded into out.
func (h *Hub) Get(token, path string, out any) {
	h.t.Helper()
	h.want(h.Call(token, http.MethodGet, path, nil), http.StatusOK, "GET "+path, out)
}

func (h *Hub) want(a Answer, status int, what string, out any) {
	h.t.Helper()
	if a.Status != status {
		h.t.Fatalf("%s: status %d, want %d: %s", what, a.Status, status, a.Body)
	}
	if out == nil {
		return
	}
	if err := json.Unmarshal(a.Body, out); err != nil {
		h.t.Fatalf("%s: %v: %s", what, err, a.Body)
	}
}

// Message is a message as the API shows it.
type Message struct {
	ID             string `json:"id"`
	Status         string `json:"status"`
	AccountID      string `json:"account_id"`
	ConversationID string `json:"conversation_id"`
	Direction      string `json:"direction"`
	Author         string `json:"author"`
	ProviderID     string `json:"provider_id"`
	Attempts       int    `json:"attempts"`
	CreatedAt      string `json:"created_at"`
	Content        struct {
		Type string `json:"type"`
		Text string `json:"text"`
	} `json:"content"`
	Failure *struct {
		Code string `json:"code"`
	} `json:"failure"`
	Timeline []struct {
		Status string `json:"status"`
	} `json:"timeline"`
	Attachments []Attachment `json:"attachments"`
}

// Attachment is a file as the API shows it.
type Attachment struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	State string `json:"state"`
	Size  int64  `json:"size"`
	URL   string `json:"url"`
}

// Event is an event as the API shows it.
type Event struct {
	ID             string `json:"id"`
	Type           string `json:"type"`
	AccountID      string `json:"account_id"`
	ConversationID string `json:"conversation_id"`
	SessionID      string `json:"session_id"`
	Reason         string `json:"reason"`
	Contact        struct {
		ID      string `json:"id"`
		Address string `json:"address"`
	} `json:"contact"`
	Message Message `json:"message"`
}

// Events is a page of the feed.
type Events struct {
	Data       []Event `json:"data"`
	NextCursor string  `json:"next_cursor"`
}

// Texts is what the events of a page say, separated by spaces.
func (e Events) Texts() string {
	var out []string
	for _, ev := range e.Data {
		out = append(out, ev.Message.Content.Text)
	}
	return strings.Join(out, " ")
}

// Events reads a page of the feed; the query is what follows the question mark.
func (h *Hub) Events(token, query string) Events {
	h.t.Helper()
	var out Events
	h.Get(token, "/v1/events?"+query, &out)
	return out
}

// AllEvents reads the feed to its end.
func (h *Hub) AllEvents(token string) []Event {
	h.t.Helper()
	var all []Event
	for query := "limit=200"; ; {
		page := h.Events(token, query)
		if len(page.Data) == 0 {
			return all
		}
		all = append(all, page.Data...)
		query = "limit=200&cursor=" + url.QueryEscape(page.NextCursor)
	}
}

// Hook posts a body to the webhook of acme-echo, signed with its secret.
func (h *Hub) Hook(body any) Answer {
	h.t.Helper()
	encoded, err := json.Marshal(body)
	if err != nil {
		h.t.Fatal(err)
	}
	return h.Call("", http.MethodPost, "/in/echo/acme-echo", string(encoded), "X-Echo-Signature", Sign(encoded))
}

// Sign is the signature of acme-echo's provider, SignOther that of the other
// client's.
func Sign(body []byte) string { return sign(body, secret) }

// SignOther signs with the secret of other-echo.
func SignOther(body []byte) string { return sign(body, otherSecret) }

func sign(body []byte, key string) string {
	mac := hmac.New(sha256.New, []byte(key))
	_, _ = mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// Say is a customer of acme saying something; it must be taken.
func (h *Hub) Say(from, id, text string) {
	h.t.Helper()
	h.want(h.Hook(map[string]string{"id": id, "from": from, "name": from, "text": text}), http.StatusOK, "webhook", nil)
}

// Receipt is the provider telling what became of a message; it must be taken.
func (h *Hub) Receipt(status, providerID string) {
	h.t.Helper()
	h.want(h.Hook(map[string]string{"id": "receipt", "receipt": status, "provider_id": providerID}), http.StatusOK, "webhook", nil)
}

// Send submits a text to an address of acme's; it must be accepted.
func (h *Hub) Send(to, text string) Message {
	h.t.Helper()
	var out Message
	h.want(h.Call(Desk, http.MethodPost, "/v1/messages", Text(to, text)), http.StatusAccepted, "POST /v1/messages", &out)
	return out
}

// Text is the body of a message to an address.
func Text(to, text string) map[string]any {
	return map[string]any{
		"account_id": "acme-echo", "to": map[string]string{"address": to, "address_kind": "echo"},
		"content": map[string]string{"type": "text", "text": text},
	}
}

// Await waits until the message has the status, and returns it.
func (h *Hub) Await(id, status string) Message {
	h.t.Helper()
	var m Message
	h.Until(fmt.Sprintf("message to be %s", status), func() error {
		if h.Get(Desk, "/v1/messages/"+id, &m); m.Status != status {
			return fmt.Errorf("it is %s", m.Status)
		}
		return nil
	})
	return m
}

// Until polls until the condition holds.
func (h *Hub) Until(what string, holds func() error) {
	h.t.Helper()
	deadline := time.Now().Add(Patience)
	for {
		err := holds()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			h.t.Fatalf("wait for %s: %v", what, err)
		}
		time.Sleep(5 * time.Millisecond) // a poll, not an assertion
	}
}
