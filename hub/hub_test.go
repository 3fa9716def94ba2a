package hub_test

import (
	"bytes"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/channelhub/channelhub/hub/hubtest"
)

func TestMain(m *testing.M) { os.Exit(hubtest.Main(m)) }

const echoHook = "/in/echo/acme-echo"

// receive has the echo provider deliver a message.
func receive(t *testing.T, h *hubtest.Hub, body string) {
	t.Helper()
	if a := h.Call("", http.MethodPost, echoHook, body, "X-Echo-Signature", hubtest.Sign([]byte(body))); a.Status != 200 {
		t.Fatalf("the webhook answered %d %s", a.Status, a.Body)
	}
}

// TestMetricsAreFilled: what operate.md promises of a message's way shows once
// a message took it.
func TestMetricsAreFilled(t *testing.T) {
	h := hubtest.New(t, nil)
	receive(t, h, `{"id":"1","from":"ada","text":"hello"}`)
	admin := *h
	admin.Public = h.Admin
	a := admin.Call(hubtest.Operator, http.MethodGet, "/metrics", nil)
	if a.Status != 200 {
		t.Fatalf("/metrics answers %d %s", a.Status, a.Body)
	}
	for _, series := range []string{
		`hub_inbound_events_total{channel="echo",result="accepted"}`,
		`hub_inbound_commit_seconds_count{channel="echo"}`,
		`hub_feed_appends_total`, `hub_feed_append_records_count`,
		`hub_table_commit_seconds_count`, `hub_table_commits_total{code="ok"}`,
		`hub_table_write_units_total{root="client"}`,
	} {
		if !regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(series) + ` [1-9]`).Match(a.Body) {
			t.Errorf("%s is not filled", series)
		}
	}
}

// TestTrustedProxies: behind a trusted proxy it is the caller's own address
// that is held off, and not the proxy with everybody behind it.
func TestTrustedProxies(t *testing.T) {
	const tries = 100
	hammer := func(h *hubtest.Hub) (status int) {
		for range tries {
			status = h.Call("", http.MethodPost, echoHook, "{}", "X-Forwarded-For", "198.51.100.1").Status
		}
		return status
	}
	other := func(h *hubtest.Hub) int {
		return h.Call("", http.MethodPost, echoHook, "{}", "X-Forwarded-For", "198.51.100.2").Status
	}
	trusting := hubtest.New(t, &hubtest.Options{Config: `listeners: {public: {trusted_proxies: ["127.0.0.0/8"]}}`})
	if got := hammer(trusting); got != 429 {
		t.Errorf("somebody who is refused %d times gets %d", tries, got)
	}
	if got := other(trusting); got != 401 {
		t.Errorf("somebody else behind the proxy gets %d", got)
	}
	// Who is not trusted cannot put the blame on others.
	plain := hubtest.New(t, nil)
	if got := hammer(plain); got != 429 {
		t.Errorf("somebody who is refused %d times gets %d", tries, got)
	}
	if got := other(plain); got != 429 {
		t.Errorf("an untrusted claim of another address gets %d", got)
	}
	if a := plain.Call("", http.MethodGet, "/livez", nil); a.Status != 200 || strings.TrimSpace(string(a.Body)) == "" {
		t.Errorf("others' calls get %d", a.Status)
	}
}

// TestAccountStatus: the client reads in its feed that its account is paused,
// and that it works again; another client does not.
func TestAccountStatus(t *testing.T) {
	h := hubtest.New(t, &hubtest.Options{Config: `access: {bootstrap_tokens: {chief: {role: configurator, token: "hubtest-chief-token-of-more-than-32-characters"}}}`})
	admin := *h
	admin.Public = h.Admin
	cursor := ""
	for _, act := range []struct{ call, state, was string }{{"pause", "paused", "open"}, {"resume", "open", "paused"}} {
		if a := admin.Call("hubtest-chief-token-of-more-than-32-characters", http.MethodPost, "/admin/v1/accounts/acme-echo/"+act.call, nil); a.Status/100 != 2 {
			t.Fatalf("%s: %d %s", act.call, a.Status, a.Body)
		}
		var page struct {
			Data []struct {
				ID, Type, Channel string
				AccountID         string `json:"account_id"`
				ConversationID    string `json:"conversation_id"`
				Account           struct{ State, Was, Detail string }
			}
			NextCursor string `json:"next_cursor"`
		}
		h.Get(hubtest.Desk, "/v1/events?wait=30s&cursor="+cursor, &page)
		if len(page.Data) != 1 {
			t.Fatalf("%d events behind %s", len(page.Data), act.call)
		}
		ev := page.Data[0]
		if ev.Type != "account.status" || ev.AccountID != "acme-echo" || ev.Channel != "echo" || ev.ConversationID != "" || ev.ID == "" {
			t.Errorf("event %+v", ev)
		}
		if ev.Account.State != act.state || ev.Account.Was != act.was || act.call == "pause" && ev.Account.Detail == "" {
			t.Errorf("it tells %+v", ev.Account)
		}
		cursor = page.NextCursor
	}
	if got := h.Events(hubtest.Other, ""); len(got.Data) != 0 {
		t.Errorf("I8: the other client reads %+v", got.Data)
	}
	// What belongs to no conversation shows in no list of them.
	var list struct{ Data []any }
	h.Get(hubtest.Desk, "/v1/conversations", &list)
	if len(list.Data) != 0 {
		t.Errorf("conversations %v", list.Data)
	}
}

// TestPausedAcrossARestart: an account that is paused is never open in between,
// so that nothing of what waits leaves.
func TestPausedAcrossARestart(t *testing.T) {
	var log said
	const chief = "hubtest-chief-token-of-more-than-32-characters"
	h := hubtest.New(t, &hubtest.Options{LogTo: &log, Config: `
logging: {level: info}
access: {bootstrap_tokens: {chief: {role: configurator, token: "` + chief + `"}}}
`})
	act := func(what string) {
		t.Helper()
		admin := *h
		admin.Public = h.Admin
		if a := admin.Call(chief, http.MethodPost, "/admin/v1/accounts/acme-echo/"+what, nil); a.Status/100 != 2 {
			t.Fatalf("%s: %d %s", what, a.Status, a.Body)
		}
	}
	act("pause")
	m := h.Send("ada", "hello")
	h.Stop()
	log.take()
	h.Start()
	var moves []string
	for _, line := range strings.Split(log.take(), "\n") {
		if strings.Contains(line, "an account changed its state") && strings.Contains(line, "acme-echo") {
			moves = append(moves, line)
		}
	}
	if len(moves) == 0 {
		t.Fatal("the log tells of no move")
	}
	for _, line := range moves {
		if strings.Contains(line, `"state":"open"`) {
			t.Errorf("before it was paused again: %s", line)
		}
	}
	if n := len(h.Provider.Posts()); n != 0 {
		t.Errorf("%d messages left", n)
	}
	act("resume")
	h.Await(m.ID, "sent")
}

// said is a log that a test reads.
type said struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

// take returns what was written since the last time.
func (s *said) take() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.buf.String()
	s.buf.Reset()
	return out
}
