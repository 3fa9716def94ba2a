package hub_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/channelhub/channelhub/hub/hubtest"
)

const (
	boss      = "hubtest-boss-token-of-more-than-32-characters"
	goneToken = "hubtest-gone-token-of-more-than-32-characters"
)

const bossOnly = `access: {bootstrap_tokens: {boss: {role: configurator, token: "` + boss + `"}}}`

// TestRemoveClient: a client is served, dropped, swept all the same, removed
// on order, and comes back as one that never was.
func TestRemoveClient(t *testing.T) {
	withGone := fmt.Sprintf(`
access: {bootstrap_tokens: {boss: {role: configurator, token: %q}, gone: {role: client, client: gone, token: %q}}}
clients: {gone: {accounts: {gone-echo: {plugin: echo, config: {reply_url: "http://127.0.0.1:9"}, secrets: {secret: "hubtest secret of acme"}}}}}
`, boss, goneToken)
	h := hubtest.New(t, &hubtest.Options{Config: withGone})
	admin := func(token, method, path string, body any) hubtest.Answer {
		a := *h
		a.Public = h.Admin
		return a.Call(token, method, path, body)
	}
	reload := func(config string) hubtest.Answer {
		h.Configure(config)
		return admin(boss, http.MethodPost, "/admin/v1/config/reload", nil)
	}
	body := `{"id":"1","from":"ada","name":"Ada","text":"hello"}`
	if a := h.Call("", http.MethodPost, "/in/echo/gone-echo", body, "X-Echo-Signature", hubtest.Sign([]byte(body))); a.Status != 200 {
		t.Fatalf("webhook: %d %s", a.Status, a.Body)
	}
	if a := h.Call(goneToken, http.MethodPost, "/v1/attachments?name=a.txt", "plain words", "Content-Type", "text/plain"); a.Status != 201 {
		t.Fatalf("upload: %d %s", a.Status, a.Body)
	}
	if got := h.Events(goneToken, "").Texts(); got != "hello" {
		t.Fatalf("events: %q", got)
	}
	if a := admin(boss, http.MethodDelete, "/admin/v1/clients/gone", nil); a.Status != 409 {
		t.Errorf("a configured client: %d %s", a.Status, a.Body)
	}
	for _, c := range []struct {
		token, path string
		status      int
	}{
		{hubtest.Operator, "/admin/v1/clients/gone", 403},
		{goneToken, "/admin/v1/clients/gone", 403},
		{boss, "/admin/v1/clients/nobody", 404},
		{boss, "/admin/v1/accounts/nothing", 404},
		{boss, "/admin/v1/accounts/gone-echo", 409},
	} {
		if a := admin(c.token, http.MethodDelete, c.path, nil); a.Status != c.status {
			t.Errorf("DELETE %s: %d, want %d: %s", c.path, a.Status, c.status, a.Body)
		}
	}
	if a := reload(bossOnly); a.Status != 200 {
		t.Fatalf("reload: %d %s", a.Status, a.Body)
	}
	// It is swept while it waits to be removed or to come back.
	if a := admin(hubtest.Operator, http.MethodPost, "/admin/v1/retention/run", nil); a.Status != 200 {
		t.Errorf("sweep with a dropped client: %d %s", a.Status, a.Body)
	}
	a := admin(boss, http.MethodDelete, "/admin/v1/clients/gone", nil)
	if a.Status != 202 {
		t.Fatalf("remove: %d %s", a.Status, a.Body)
	}
	if a := reload(withGone); a.Status != 422 || !strings.Contains(string(a.Body), "being removed") {
		t.Errorf("it comes back while it is being removed: %d %s", a.Status, a.Body)
	}
	h.Configure(bossOnly)
	h.Restart() // the order outlives the process
	type removal struct {
		ID, Step, By string
		Removed      map[string]int
	}
	var list struct{ Data []removal }
	h.Until("the removal to be done", func() error {
		if err := json.Unmarshal(admin(boss, http.MethodGet, "/admin/v1/removals", nil).Body, &list); err != nil {
			return err
		}
		if len(list.Data) != 1 || list.Data[0].Step != "done" {
			return fmt.Errorf("removals: %+v", list.Data)
		}
		return nil
	})
	if got := list.Data[0]; got.ID != "client/gone" || got.By != "boss" || got.Removed["contacts"] != 1 || got.Removed["events"] != 1 || got.Removed["attachments"] != 1 {
		t.Errorf("receipt: %+v", got)
	}
	blobs := filepath.Join(h.Configure(bossOnly), "data", "blobs")
	if _, err := os.Stat(filepath.Join(blobs, "gone")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the client's directory of files: %v", err)
	}
	if a := admin(boss, http.MethodDelete, "/admin/v1/clients/gone", nil); a.Status != 404 {
		t.Errorf("a client that is gone: %d %s", a.Status, a.Body)
	}
	if a := reload(withGone); a.Status != 200 {
		t.Fatalf("it does not come back: %d %s", a.Status, a.Body)
	}
	if got := h.Events(goneToken, "").Texts(); got != "" {
		t.Errorf("it came back with %q", got)
	}
	if a := h.Call("", http.MethodPost, "/in/echo/gone-echo", body, "X-Echo-Signature", hubtest.Sign([]byte(body))); a.Status != 200 {
		t.Fatalf("webhook: %d %s", a.Status, a.Body)
	}
	if got := h.Events(goneToken, "").Texts(); got != "hello" {
		t.Errorf("the same event, for somebody new: %q", got)
	}
}
