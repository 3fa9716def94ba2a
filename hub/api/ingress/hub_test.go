package ingress_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/hubtest"
)

const hook = "/in/echo/acme-echo"

// TestWebhooks sends the real hub, with the real echo connector, what a
// provider and what others might send.
func TestWebhooks(t *testing.T) {
	h := hubtest.New(t, nil)
	message := `{"id":"1","from":"ada","name":"Ada","text":"hello"}`
	signed := func(body string) []string { return []string{"X-Echo-Signature", hubtest.Sign([]byte(body))} }
	large := `{"id":"2","from":"ada","text":"` + strings.Repeat("x", 1<<20) + `"}`
	for _, c := range []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		allow                    string
	}{
		{"signed", http.MethodPost, hook, message, signed(message), 200, ""},
		{"the same again", http.MethodPost, hook, message, signed(message), 200, ""},
		{"another spelling of the path", http.MethodPost, hook + "/more/path", message, signed(message), 200, ""},
		{"no signature", http.MethodPost, hook, message, nil, 401, ""},
		{"a wrong signature", http.MethodPost, hook, message, []string{"X-Echo-Signature", "sha256=00"}, 401, ""},
		{"the signature of another body", http.MethodPost, hook, message, signed("other"), 401, ""},
		{"another client's secret", http.MethodPost, hook, message, []string{"X-Echo-Signature", hubtest.SignOther([]byte(message))}, 401, ""},
		{"signed and malformed", http.MethodPost, hook, "{", signed("{"), 400, ""},
		{"unknown account", http.MethodPost, "/in/echo/nowhere", message, signed(message), 404, ""},
		{"unknown plugin", http.MethodPost, "/in/nothing/acme-echo", message, signed(message), 404, ""},
		{"no app route", http.MethodPost, "/in/echo", message, signed(message), 404, ""},
		{"wrong method", http.MethodGet, hook, "", nil, 405, "POST"},
		{"over the cap", http.MethodPost, hook, large, signed(large), 413, ""},
		{"encoded", http.MethodPost, hook, message, append(signed(message), "Content-Encoding", "gzip"), 415, ""},
		{"encoded as it is", http.MethodPost, hook, message, append(signed(message), "Content-Encoding", "identity"), 200, ""},
	} {
		a := h.Call("", c.method, c.path, c.body, c.headers...)
		if a.Status != c.status || a.Header.Get("Allow") != c.allow {
			t.Errorf("%s: %d %s, Allow %q; want %d, %q", c.name, a.Status, a.Body, a.Header.Get("Allow"), c.status, c.allow)
		}
		if c.status == 200 && strings.TrimSpace(string(a.Body)) != `{"ok":true}` {
			t.Errorf("%s: the connector's reply came as %q", c.name, a.Body)
		}
	}
	if got := h.Events(hubtest.Desk, ""); got.Texts() != "hello" {
		t.Errorf("I3: the feed has %q", got.Texts())
	}
	if got := h.Events(hubtest.Other, ""); len(got.Data) != 0 {
		t.Errorf("I8: the other client reads %q", got.Texts())
	}
	// A body without a length, over the cap.
	req := h.Request(t.Context(), "", http.MethodPost, hook, "x")
	req.Body, req.ContentLength = io.NopCloser(strings.NewReader(large)), -1
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != 413 {
		t.Errorf("over the cap in chunks: %d", resp.StatusCode)
	}
}

// TestSlowHeaders: a caller that does not come to the point is cut off.
func TestSlowHeaders(t *testing.T) {
	h := hubtest.New(t, nil)
	addr := strings.TrimPrefix(h.Public, "http://")
	for name, start := range map[string]string{
		"slow":       "POST " + hook + " HTTP/1.1\r\nHost: hub\r\nX-Slow: ",
		"too large":  "POST " + hook + " HTTP/1.1\r\nHost: hub\r\nX-Large: " + strings.Repeat("x", 64<<10) + "\r\n\r\n",
		"not a word": "\x00\x01\x02\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			if err := conn.SetDeadline(time.Now().Add(hubtest.Patience)); err != nil {
				t.Fatal(err)
			}
			_, _ = fmt.Fprint(conn, start) // the hub may hang up before all of it is sent
			answer, err := io.ReadAll(conn)
			if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
				t.Errorf("the connection is still open; it said %q", answer)
			}
			if strings.Contains(string(answer), " 200 ") {
				t.Errorf("it was answered %q", answer)
			}
		})
	}
}
