package hub_test

import (
	"net/http"
	"os"
	"regexp"
	"strings"
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
