package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestTailBehindWhatIsGone: a tail whose place was trimmed while its hub was
// away reads on at the oldest event, and says so.
func TestTailBehindWhatIsGone(t *testing.T) {
	var resumed []string
	hub := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		last := r.Header.Get("Last-Event-ID")
		resumed = append(resumed, last)
		if last == "c1" {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusGone)
			_, _ = fmt.Fprint(w, `{"type":"urn:channelhub:problem:gone","title":"Gone","status":410,"oldest":"c7"}`)
			return
		}
		n := 1
		if last == "c7" {
			n = 8
		}
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = fmt.Fprintf(w, "id: c%d\nevent: typing.started\ndata: {\"id\":\"evt_%d\"}\n\n", n, n)
	}))
	t.Cleanup(hub.Close)
	t.Setenv("HUB_ADDR", hub.URL)
	t.Setenv("HUB_TOKEN", strings.Repeat("t", 40))

	var out, talk strings.Builder
	cmd := newEventTailCommand()
	cmd.SetArgs([]string{"--limit", "2", "-o", "json"})
	cmd.SetOut(&out)
	cmd.SetErr(&talk)
	if err := cmd.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := "{\"id\":\"evt_1\"}\n{\"id\":\"evt_8\"}\n"; out.String() != want {
		t.Errorf("shown:\n%s\nwant\n%s", out.String(), want)
	}
	if got := strings.Join(resumed, ","); got != ",c1,c7" {
		t.Errorf("resumed behind %q", got)
	}
	if !strings.Contains(talk.String(), "past their retention; reading on at the oldest") {
		t.Errorf("said %q", talk.String())
	}
}
