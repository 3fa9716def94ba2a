package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestLongWork: a command waits as long as the hub works, and says every 10 s
// that it does. Time is the bubble's, and no network leaves it.
func TestLongWork(t *testing.T) {
	for command, answer := range map[string]string{
		"journal replay echo": `{"plugin":"echo","replayed":3,"waiting":0}`,
		"retention run":       `{"removed":{}}`,
		"retention status":    `{"data":[],"next_cursor":""}`,
		"ledger verify":       `{"data":[],"next_cursor":""}`,
		"audit verify":        `{"ok":true}`,
		"plugin restart echo": `{"id":"echo"}`,
		"plugin disable echo": `{"id":"echo"}`,
		"plugin enable echo":  `{"id":"echo"}`,
		"journal export":      ``,
		"audit export":        ``,
	} {
		t.Run(command, func(t *testing.T) {
			t.Setenv("HUB_ADDR", "http://hub.test")
			t.Setenv("HUB_TOKEN", "token")
			synctest.Test(t, func(t *testing.T) { runsLong(t, command, answer) })
		})
	}
}

func runsLong(t *testing.T, command, answer string) {
	t.Helper()
	calls := make(chan net.Conn)
	network := http.DefaultTransport
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		calls <- far
		return near, nil
	}}
	http.DefaultTransport = transport
	defer func() { http.DefaultTransport = network }()
	server := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		time.Sleep(5*time.Minute + time.Second)
		_, _ = io.WriteString(w, answer)
	})}
	l := &pipes{calls: calls, closed: make(chan struct{})}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()

	var out, talk bytes.Buffer
	root := newRootCommand()
	root.SetArgs(strings.Fields(command))
	root.SetOut(&out)
	root.SetErr(&talk)
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Errorf("%v; it said %q", err, &talk)
	}
	lines := strings.Split(talk.String(), "\n")
	if len(lines) < 30 || lines[0] != "still working, 10s" || lines[1] != "still working, 20s" || lines[29] != "still working, 5m0s" {
		t.Errorf("it said %q", lines)
	}
	time.Sleep(time.Hour) // by then nobody works any more
	_ = server.Close()
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
}

// pipes is a listener over net.Pipe.
type pipes struct {
	calls  chan net.Conn
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.calls:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }
