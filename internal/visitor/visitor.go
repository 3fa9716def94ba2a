// Package visitor is somebody in a web chat, for tests: a page's side of the
// chat protocol over a real socket, with files. Whoever uses it decides what a
// failure means, so nothing here fails a test.
package visitor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/coder/websocket"
)

// Chat is where visitors come to.
type Chat struct {
	Hub     string // base URL of the public listener
	Account string
	Origin  string // of the page
}

// Visitor is one open socket. It is used from one goroutine at a time.
type Visitor struct {
	Token string // shows who it is, for the next visit
	// Thread is every message that was shown, in the order they came, repeats
	// included.
	Thread []Message
	// Session is what the hub said of it last, such as "open".
	Session string

	chat Chat
	conn *websocket.Conn
}

// Message is one as web chat shows it.
type Message struct {
	ID          string `json:"id"`
	Author      string `json:"author"`
	Text        string `json:"text"`
	Attachments []File `json:"attachments"`
}

// File is a file as web chat shows it.
type File struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	State string `json:"state"`
}

// frame is any frame from the hub.
type frame struct {
	Type, ID, Code, Token, Session string

	MessageID string `json:"message_id"`
	Frames    []struct {
		Type    string
		Message Message
	}
}

// Arrive opens a socket, says hello with the token of the last visit, or none,
// and reads on until the thread is shown.
func Arrive(ctx context.Context, chat Chat, token string) (*Visitor, error) {
	conn, resp, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(chat.Hub, "http")+"/chat/"+chat.Account+"/socket",
		&websocket.DialOptions{HTTPHeader: http.Header{"Origin": {chat.Origin}}})
	if err != nil {
		if resp != nil {
			_ = resp.Body.Close()
		}
		return nil, fmt.Errorf("open a socket: %w", err)
	}
	conn.SetReadLimit(1 << 20)
	v := &Visitor{chat: chat, conn: conn}
	if err := v.hello(ctx, token); err != nil {
		v.Leave()
		return nil, fmt.Errorf("say hello: %w", err)
	}
	return v, nil
}

// Leave ends the socket. The visitor can arrive again.
func (v *Visitor) Leave() { _ = v.conn.CloseNow() }

func (v *Visitor) hello(ctx context.Context, token string) error {
	hello := map[string]any{"type": "hello", "version": 1}
	if token != "" {
		hello["token"] = token
	}
	if err := v.write(ctx, hello); err != nil {
		return err
	}
	f, err := v.next(ctx)
	if err != nil {
		return err
	}
	if f.Type != "welcome" {
		return fmt.Errorf("the hub answers %s %s", f.Type, f.Code)
	}
	v.Token = f.Token
	return v.Until(ctx, func() bool { return v.Session != "" })
}

// Until reads on until something holds.
func (v *Visitor) Until(ctx context.Context, holds func() bool) error {
	for !holds() {
		if _, err := v.next(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Ask sends a frame, which needs an id, and returns the id of the message that
// the hub made of it, if any. An error means that the frame was not taken.
func (v *Visitor) Ask(ctx context.Context, fields map[string]any) (message string, err error) {
	if err := v.write(ctx, fields); err != nil {
		return "", err
	}
	for {
		f, err := v.next(ctx)
		switch {
		case err != nil:
			return "", err
		case f.ID != fields["id"]:
		case f.Type == "ack":
			return f.MessageID, nil
		default:
			return "", fmt.Errorf("the hub answers %s %s", f.Type, f.Code)
		}
	}
}

// Tell sends a frame that nothing need answer.
func (v *Visitor) Tell(ctx context.Context, fields map[string]any) error {
	return v.write(ctx, fields)
}

func (v *Visitor) write(ctx context.Context, fields map[string]any) error {
	b, err := json.Marshal(fields)
	if err != nil {
		return err
	}
	return v.conn.Write(ctx, websocket.MessageText, b)
}

// next reads one frame and keeps what it tells.
func (v *Visitor) next(ctx context.Context) (f frame, err error) {
	_, b, err := v.conn.Read(ctx)
	if err != nil {
		return f, err
	}
	if err := json.Unmarshal(b, &f); err != nil {
		return f, fmt.Errorf("read a frame: %w", err)
	}
	for _, inner := range f.Frames {
		if inner.Type == "message" {
			v.Thread = append(v.Thread, inner.Message)
		}
	}
	if f.Type == "state" {
		v.Session = f.Session
	}
	return f, nil
}

// Upload sends a file, which a message may then name.
func (v *Visitor) Upload(ctx context.Context, name, body string) (File, error) {
	var f File
	answer, err := v.call(ctx, http.MethodPost, "/upload?name="+url.QueryEscape(name), strings.NewReader(body), http.StatusCreated)
	if err == nil {
		err = json.Unmarshal(answer, &f)
	}
	return f, err
}

// Save reads a file of the thread.
func (v *Visitor) Save(ctx context.Context, id string) (string, error) {
	body, err := v.call(ctx, http.MethodGet, "/file/"+id, http.NoBody, http.StatusOK)
	return string(body), err
}

func (v *Visitor) call(ctx context.Context, method, path string, body io.Reader, want int) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, v.chat.Hub+"/chat/"+v.chat.Account+path, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Origin", v.chat.Origin)
	req.Header.Set("Authorization", "Bearer "+v.Token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	answer, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return nil, err
	}
	if resp.StatusCode != want {
		return nil, fmt.Errorf("%s %s: %d %s", method, path, resp.StatusCode, bytes.TrimSpace(answer))
	}
	return answer, nil
}
