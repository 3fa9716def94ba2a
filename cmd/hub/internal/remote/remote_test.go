package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const token = "hub_0123456789abcdef_secret"

func newClient(t *testing.T, address string) *Client {
	t.Helper()
	c, err := FromEnvironment(func(name string) string {
		return map[string]string{AddressVariable: address, TokenVariable: token + "\n"}[name]
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// serve returns a client of a hub that answers as h does.
func serve(t *testing.T, h http.HandlerFunc) *Client {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return newClient(t, s.URL+"/")
}

func TestFromEnvironmentRefuses(t *testing.T) {
	for name, tt := range map[string]struct{ address, token, want string }{
		"no token":      {"", "", "set HUB_TOKEN to a token of the hub: the first ones stand in its configuration, under access.bootstrap_tokens"},
		"blank token":   {"", " \n", "set HUB_TOKEN"},
		"two lines":     {"", "one\ntwo", "HUB_TOKEN holds a character"},
		"no scheme":     {"127.0.0.1:8081", "t", "HUB_ADDR must be"},
		"other scheme":  {"ftp://127.0.0.1", "t", "HUB_ADDR must be"},
		"no host":       {"http://", "t", "HUB_ADDR must be"},
		"not even that": {"http://[::1", "t", "HUB_ADDR must be"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := FromEnvironment(func(name string) string {
				return map[string]string{AddressVariable: tt.address, TokenVariable: tt.token}[name]
			})
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
	c, err := FromEnvironment(func(name string) string { return map[string]string{TokenVariable: "t"}[name] })
	if err != nil || c.base.String() != "http://127.0.0.1:8081" {
		t.Errorf("without HUB_ADDR: %v, %v", c, err)
	}
}

func TestDoSendsWhatItIsAskedTo(t *testing.T) {
	var got *http.Request
	var body []byte
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"ok":true}`)
	})
	answer, err := c.Do(t.Context(), Request{
		Method: http.MethodPost, Path: Path("/admin/v1/plugins", "a/../b c?", "enable"),
		Query: url.Values{"client": {"x&y"}}, Header: http.Header{"Idempotency-Key": {"k"}}, Body: map[string]int{"n": 1},
	})
	if err != nil || string(answer) != `{"ok":true}` {
		t.Fatalf("%s, %v", answer, err)
	}
	if got.URL.EscapedPath() != "/admin/v1/plugins/a%2F..%2Fb%20c%3F/enable" || got.URL.Query().Get("client") != "x&y" {
		t.Errorf("asked %s", got.URL)
	}
	if got.Header.Get("Authorization") != "Bearer "+token || got.Header.Get("Content-Type") != "application/json" || got.Header.Get("Idempotency-Key") != "k" {
		t.Errorf("headers %v", got.Header)
	}
	if string(body) != `{"n":1}` {
		t.Errorf("body %s", body)
	}
}

func TestProblemsAreWorded(t *testing.T) {
	for name, tt := range map[string]struct {
		status int
		body   string
		want   string
	}{
		"faults": {
			422, `{"type":"urn:channelhub:problem:invalid","title":"Invalid request","status":422,"detail":"No.","faults":[{"field":"role","detail":"give one"},{"detail":"and more\nin lines"}]}`,
			"Invalid request: No.\n  role: give one\n  and more\n  in lines",
		},
		"token": {
			401, `{"type":"urn:channelhub:problem:unauthenticated","title":"Unauthenticated","status":401,"detail":"Unknown."}`,
			"Unauthenticated: Unknown. The token is read from HUB_TOKEN.",
		},
		"fault of the hub": {
			500, `{"type":"urn:channelhub:problem:internal","title":"Internal error","status":500,"request_id":"req_1"}`,
			"Internal error (request req_1)",
		},
		"no hub":      {404, "404 page not found", "answers 404 Not Found, and not as a hub does"},
		"another API": {400, `{"type":"about:blank","title":"Bad"}`, "not as a hub does"},
		"a redirect":  {302, "", "answers 302 Found, and not as a hub does"},
	} {
		t.Run(name, func(t *testing.T) {
			c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
			})
			_, err := c.Do(t.Context(), Request{Path: "/x"})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
	if _, err := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }).Do(t.Context(), Request{Path: "/x"}); err == nil || !strings.Contains(err.Error(), "does not answer as a hub does") {
		t.Errorf("a page instead of JSON: %v", err)
	}
}

func TestNobodyThere(t *testing.T) {
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := "http://" + l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = newClient(t, address).Do(t.Context(), Request{Path: "/x"})
	if err == nil || !strings.HasPrefix(err.Error(), "nobody listens at "+address+": start the hub, or set HUB_ADDR") {
		t.Errorf("error %v", err)
	}
	if strings.Contains(fmt.Sprint(err), token) {
		t.Error("the error holds the token")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := newClient(t, address).Do(ctx, Request{Path: "/x"}); !errors.Is(err, context.Canceled) {
		t.Errorf("a call that was called off: %v", err)
	}
}

func TestAllReadsEveryPage(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("plugin") != "echo" {
			t.Errorf("the query was lost: %s", r.URL)
		}
		_, _ = io.WriteString(w, map[string]string{
			"":  `{"data":[1,2],"next_cursor":"a"}`,
			"a": `{"data":[3],"next_cursor":"b"}`,
			"b": `{"data":[],"next_cursor":""}`,
		}[r.URL.Query().Get("cursor")])
	})
	all, err := c.All(t.Context(), "/x", url.Values{"plugin": {"echo"}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("[1 2 3]", fmt.Sprintf("%s", all)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// A cursor that does not move on must not be asked for ever.
	stuck := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"data":[1],"next_cursor":"same"}`)
	})
	if all, err := stuck.All(t.Context(), "/x", nil); err != nil || len(all) != 2 {
		t.Errorf("%s, %v", all, err)
	}
}

func TestLines(t *testing.T) {
	for name, tt := range map[string]struct{ body, want, fails string }{
		"all":     {"{\"a\":1}\n{\"a\":2}\n", `{"a":1} {"a":2}`, ""},
		"none":    {"", "", ""},
		"cut off": {"{\"a\":1}\n{\"a\":", `{"a":1}`, "unexpected EOF"},
	} {
		c := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, tt.body) })
		var got []string
		err := c.Lines(t.Context(), Request{Path: "/x"}, func(raw json.RawMessage) error {
			got = append(got, string(raw))
			return nil
		})
		if strings.Join(got, " ") != tt.want || (err == nil) != (tt.fails == "") || err != nil && !strings.Contains(err.Error(), tt.fails) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestStream(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Last-Event-ID") != "c0" || r.Header.Get("Accept") != "text/event-stream" {
			t.Errorf("headers %v", r.Header)
		}
		_, _ = io.WriteString(w, ": open\n\nid: c1\nevent: message.received\ndata: {\"a\":\ndata: 1}\n\n:\n\nid: c2\n\nid:c3\ndata:2\n\ndata: cut off")
	})
	var got []ServerEvent
	err := c.Stream(t.Context(), "/v1/events", "c0", func(e ServerEvent) error {
		got = append(got, e)
		return nil
	})
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a stream that ends: %v", err)
	}
	want := []ServerEvent{{"c1", "message.received", `{"a":1}`}, {"c3", "", "2"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	enough := errors.New("enough")
	if err := c.Stream(t.Context(), "/v1/events", "c0", func(ServerEvent) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("a stream that is left: %v", err)
	}
}
