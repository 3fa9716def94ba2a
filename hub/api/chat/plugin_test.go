package chat

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
)

// runningHost is the real plugin host, as the other rooms see it.
type runningHost struct{ *pluginhost.Host }

func (h runningHost) Ready(id model.PluginID) bool {
	return h.StatusOf(id).State == pluginhost.StateRunning
}

// startWebchat builds the connector and starts a hub over it.
func startWebchat(t *testing.T, change func(*Options)) (*testHub, *pluginhost.Host) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "hub-plugin-webchat")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../../../cmd/hub-plugin-webchat")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the connector: %v\n%s", err, out)
	}
	dir, err := os.MkdirTemp("", "chat") // short: a socket's path has 108 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	opened := make(chan struct{})
	var h *testHub
	host := pluginhost.New(&pluginhost.Options{
		RunDir:    filepath.Join(dir, "run"),
		Timings:   pluginhost.Timings{BackoffMin: time.Millisecond, QuarantineCrashes: 100},
		OnAccount: func(pluginhost.AccountOpening) { <-opened; h.StateChanged() },
	})
	t.Cleanup(func() {
		if err := host.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
	h = startHub(t, runningHost{host}, change)
	close(opened)
	if err := host.Start(t.Context(), pluginhost.Spec{ID: demoPlugin, Path: program}); err != nil {
		t.Fatal(err)
	}
	for id, acct := range demoAccounts() {
		_, err := host.OpenAccount(t.Context(), demoPlugin, pluginhost.AccountSettings{AccountID: id, Revision: 1, Config: acct.Config})
		if err != nil {
			t.Fatal(err)
		}
	}
	return h, host
}

func TestWebchat(t *testing.T) {
	h, host := startWebchat(t, func(o *Options) { o.Demo = true })
	t.Run("conversation", func(t *testing.T) { talkToWebchat(t, h) })
	t.Run("killed", func(t *testing.T) { killWebchat(t, h, host) })
	t.Run("files", func(t *testing.T) {
		for _, name := range []string{"widget.js", "demo"} {
			if resp := get(t, h, "/chat/shop/"+name, nil); resp.status != http.StatusOK || resp.body == "" {
				t.Errorf("%s: %d", name, resp.status)
			}
		}
	})
}

func talkToWebchat(t *testing.T, h *testHub) {
	b := arrive(t, h, "", "")
	if b.limits.Text != 4000 {
		t.Errorf("limits %+v", b.limits)
	}
	first := b.say("Hello\r\nthere")
	if b.thread[0].Text != "Hello\nthere" || b.thread[0].ClientID != first.ID || b.thread[0].At != first.At {
		t.Errorf("the echo is %+v", b.thread[0])
	}
	conv := conversationOf(t, first.MessageID)
	said := h.say(t, conv, "Good <b>morning</b>")
	b.until(func() bool { return b.shows(said.ID()) })
	if err := h.Signal(t.Context(), demoClient, conv, pluginhost.SignalTyping, model.CSR, ""); err != nil {
		t.Fatal(err)
	}
	b.until(func() bool { return len(b.typing) == 1 })
	if f := b.ask(map[string]any{"type": "message", "text": "  "}); f.Code != nackMalformed || f.Retry {
		t.Errorf("an empty message is answered %+v", f)
	}
	if f := b.ask(map[string]any{"type": "end"}); f.Type != "ack" {
		t.Errorf("the end is answered %+v", f)
	}
	b.until(func() bool { return b.state.Session == "ended" })
	if diff := cmp.Diff([]string{"customer: Hello\nthere", "csr: Good <b>morning</b>"}, b.texts()); diff != "" {
		t.Error(diff)
	}
}

// killWebchat kills the connector again and again while both sides talk: every
// message is there once and in order.
func killWebchat(t *testing.T, h *testHub, host *pluginhost.Host) {
	b := arrive(t, h, "", "")
	conv := conversationOf(t, b.say("customer 0").MessageID)
	want := []string{"customer: customer 0"}
	for i := range 3 {
		if err := syscall.Kill(host.StatusOf(demoPlugin).PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		said := h.say(t, conv, fmt.Sprintf("csr %d", i+1))
		b.until(func() bool { return b.shows(said.ID()) })
		b.sayUntilTaken(fmt.Sprintf("customer %d", i+1))
		want = append(want, fmt.Sprintf("csr: csr %d", i+1), fmt.Sprintf("customer: customer %d", i+1))
	}
	b.until(func() bool { return len(b.thread) >= len(want) })
	if diff := cmp.Diff(want, b.texts()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want, arrive(t, h, b.token, "").texts()); diff != "" {
		t.Errorf("a reload: %s", diff)
	}
}

// sayUntilTaken sends a message as the widget does: again, with the same id,
// while the hub says that it may come again.
func (b *browser) sayUntilTaken(text string) {
	b.t.Helper()
	id := newID()
	for {
		b.send(map[string]any{"type": "message", "id": id, "text": text})
		f := b.answer(id)
		if f.Type == "ack" {
			return
		}
		if !f.Retry {
			b.t.Fatalf("answered %+v", f)
		}
		wait := time.NewTimer(max(time.Duration(f.RetryAfter)*time.Millisecond, 5*time.Millisecond))
		<-wait.C
	}
}
