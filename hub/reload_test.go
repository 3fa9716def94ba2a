package hub_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/channelhub/channelhub/hub/hubtest"
)

// gated is a connector whose starts a test decides: each says that it has
// begun and waits for a word.
type gated struct {
	t       *testing.T
	dir     string
	program string
	starts  int
}

func newGated(t *testing.T) *gated {
	t.Helper()
	g := &gated{t: t, dir: t.TempDir()}
	g.program = filepath.Join(g.dir, "connector")
	// A start takes the first free number, then goes by what the file of that
	// number says.
	script := `#!/bin/sh
cd ` + g.dir + `
n=1
until mkdir begun-$n 2>/dev/null; do n=$((n+1)); done
until [ -s word-$n ]; do sleep 0.02; done
[ "$(cat word-$n)" = go ] || exit 3
exec ` + hubtest.Connector(t, "cmd/hub-plugin-echo") + "\n"
	if err := os.WriteFile(g.program, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return g
}

// say decides the next start, before it begins or while it waits.
func (g *gated) say(words ...string) {
	g.t.Helper()
	for _, word := range words {
		g.starts++
		aside := filepath.Join(g.dir, "aside")
		if err := os.WriteFile(aside, []byte(word), 0o600); err != nil {
			g.t.Fatal(err)
		}
		if err := os.Rename(aside, filepath.Join(g.dir, fmt.Sprint("word-", g.starts))); err != nil {
			g.t.Fatal(err)
		}
	}
}

// begun waits until a start waits for its word.
func (g *gated) begun() {
	g.t.Helper()
	next := filepath.Join(g.dir, fmt.Sprint("begun-", g.starts+1))
	for late := time.Now().Add(hubtest.Patience); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(next); err == nil {
			return
		}
		if time.Now().After(late) {
			g.t.Fatal("the connector was not started")
		}
	}
}

// config is the connector with an account. Another host is another setting.
func (g *gated) config(egress string) string {
	return fmt.Sprintf(`
plugins: {gated: {path: %q, egress: [%s]}}
clients: {gated: {accounts: {gated-echo: {plugin: gated, config: {reply_url: "http://127.0.0.1:9"}, secrets: {secret: "hubtest secret of acme"}}}}}
`, g.program, egress)
}

// process is the gated connector's process as operators see it.
func process(h *hubtest.Hub) (pid int) {
	admin := *h
	admin.Public = h.Admin
	var p struct{ PID int }
	admin.Get(hubtest.Operator, "/admin/v1/plugins/gated", &p)
	return p.PID
}

// TestReloadWithoutItsCaller: a caller that leaves once the new configuration is
// in force leaves nothing half done.
func TestReloadWithoutItsCaller(t *testing.T) {
	g := newGated(t)
	g.say("go")
	h := hubtest.New(t, &hubtest.Options{Config: g.config("api.example")})
	before := process(h)
	h.Configure(g.config("other.example"))
	ctx, leave := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- h.Reload(ctx) }()
	g.begun()
	g.say("go") // the one that is judged
	g.begun()   // the one that takes over: there is no way back
	leave()
	g.say("go")
	if err := <-ended; err != nil {
		t.Errorf("the reload ended with %v", err)
	}
	if after := process(h); after == before || after == 0 {
		t.Errorf("process %d went on as %d", before, after)
	}
}

// TestReloadThatCannotSwap: a connector that does not take over is told to who
// asked, and the next reload puts it right.
func TestReloadThatCannotSwap(t *testing.T) {
	g := newGated(t)
	const auditor = "hubtest-auditor-token-of-more-than-32-characters"
	also := fmt.Sprintf("access: {bootstrap_tokens: {auditor: {role: auditor, token: %q}, boss: {role: configurator, token: %q}}}", auditor, boss)
	h := hubtest.New(t, &hubtest.Options{Config: also})
	admin := *h
	admin.Public = h.Admin
	diff := func() string {
		var d struct{ Plugins []string }
		admin.Get(boss, "/admin/v1/config/diff", &d)
		return strings.Join(d.Plugins, " ")
	}
	// The hub sees by itself that its files have changed, and fails once before
	// anybody asks.
	change := func(egress string) {
		t.Helper()
		g.say("go", "fail")
		h.Configure(also + g.config(egress))
		h.Until("the hub to take up its files", func() error {
			if a := admin.Call(boss, http.MethodGet, "/admin/v1/config", nil); !strings.Contains(string(a.Body), g.program) || !strings.Contains(string(a.Body), egress) {
				return fmt.Errorf("in force: %s", a.Body)
			}
			return nil
		})
	}
	reload := func(status int, left string) hubtest.Answer {
		t.Helper()
		a := admin.Call(boss, http.MethodPost, "/admin/v1/config/reload", nil)
		if a.Status != status {
			t.Errorf("reload: %d, want %d: %s", a.Status, status, a.Body)
		}
		if got := diff(); got != left {
			t.Errorf("a reload would replace %q, want %q", got, left)
		}
		return a
	}
	fails := func() {
		t.Helper()
		g.say("go", "fail")
		a := reload(http.StatusServiceUnavailable, "gated")
		if p := a.Problem(); a.Header.Get("Retry-After") == "" || len(p.Faults) != 1 || !strings.HasSuffix(p.Faults[0].Field, "plugins.gated.path") || !strings.HasPrefix(p.Detail, "The configuration is in force, but") {
			t.Errorf("a swap that failed is told as %s", a.Body)
		}
	}
	// One that is new, with its account.
	change("api.example")
	fails()
	g.say("go", "go")
	reload(http.StatusOK, "")
	first := process(h)
	if first == 0 {
		t.Error("no process after the repeat")
	}
	open := func(when string) {
		t.Helper()
		var acct struct{ State string }
		if admin.Get(boss, "/admin/v1/accounts/gated-echo", &acct); acct.State != "open" {
			t.Errorf("%s the account is %s", when, acct.State)
		}
	}
	open("behind the repeat")
	// One that is changed: the old one goes on meanwhile.
	change("other.example")
	fails()
	if pid := process(h); pid != first {
		t.Errorf("process %d instead of %d after a failed swap", pid, first)
	}
	open("behind a failed swap")
	g.say("go", "go")
	reload(http.StatusOK, "")
	second := process(h)
	if second == 0 || second == first {
		t.Errorf("process %d after the repeat", second)
	}
	reload(http.StatusOK, "")
	if pid := process(h); pid != second {
		t.Errorf("process %d instead of %d after a reload of nothing", pid, second)
	}
	outcomes := string(admin.Call(auditor, http.MethodGet, "/admin/v1/audit?action=config.reload&order=oldest", nil).Body)
	if got := strings.Count(outcomes, `"outcome":"unavailable"`); got != 4 {
		t.Errorf("%d reloads failed in the audit log, want 4: %s", got, outcomes)
	}
}
