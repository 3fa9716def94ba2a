package admin

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/channelhub/channelhub/hub/access"
)

// TestLongWork: what may take longer than the listener lets an answer wait is
// answered all the same. Here no answer may wait at all.
func TestLongWork(t *testing.T) {
	f := newFixture(t)
	server := httptest.NewUnstartedServer(f.http)
	server.Config.WriteTimeout = 1
	server.Start()
	t.Cleanup(server.Close)
	for _, c := range []struct {
		role               access.Role
		method, path, body string
		answered           bool
	}{
		{access.Operator, "POST", "/admin/v1/journal/replay", `{"plugin":"echo"}`, true},
		{access.Operator, "POST", "/admin/v1/retention/run", "", true},
		{access.Operator, "GET", "/admin/v1/retention", "", true},
		{access.Operator, "GET", "/admin/v1/ledger", "", true},
		{access.Operator, "POST", "/admin/v1/plugins/echo/restart", "", true},
		{access.Operator, "POST", "/admin/v1/plugins/echo/disable", "", true},
		{access.Operator, "POST", "/admin/v1/plugins/echo/enable", "", true},
		{access.Configurator, "POST", "/admin/v1/config/reload", "", true},
		{access.Auditor, "GET", "/admin/v1/audit/verify", "", true},
		{access.Auditor, "GET", "/admin/v1/audit/export", "", true},
		{access.Configurator, "GET", "/admin/v1/config", "", false}, // which is not long
	} {
		r, err := http.NewRequestWithContext(t.Context(), c.method, server.URL+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+secretOf(c.role))
		if c.body != "" {
			r.Header.Set("Content-Type", "application/json")
		}
		resp, err := server.Client().Do(r)
		if err == nil {
			_ = resp.Body.Close()
		}
		if (err == nil) != c.answered {
			t.Errorf("%s %s: %v, want an answer: %t", c.method, c.path, err, c.answered)
		}
	}
}
