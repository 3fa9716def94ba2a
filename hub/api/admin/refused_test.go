package admin

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/access"
	"github.com/channelhub/channelhub/hub/api/web"
)

// What is refused is told once: by a row of the act, or to be counted.
func TestRefusedCallsAreTold(t *testing.T) {
	f := newFixture(t)
	type refusal struct {
		Actor, Call string
		Status      int
	}
	var got []refusal
	mux := http.NewServeMux()
	f.admin.Routes(mux)
	f.http = web.Handler(mux, web.Options{Refused: func(p access.Principal, pattern string, status int) {
		got = append(got, refusal{p.Token, pattern, status})
	}})
	f.do("", "POST", "/admin/v1/tokens", "{}")
	f.do(access.Operator, "POST", "/admin/v1/tokens", "{}")
	f.do(access.Configurator, "POST", "/admin/v1/tokens", `{"role":"king"}`)
	f.do(access.Configurator, "GET", "/admin/v1/tokens", "")
	f.do(access.Configurator, "GET", "/admin/v1/nothing", "")
	f.config.err = web.Invalid("The configuration has faults.")
	f.do(access.Configurator, "POST", "/admin/v1/config/reload", "")
	want := []refusal{
		{"", "POST /admin/v1/tokens", 401},
		{"boot-operator", "POST /admin/v1/tokens", 403},
		{"boot-configurator", "POST /admin/v1/tokens", 422},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("refusals (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"config.reload config begun", "config.reload config invalid"}, f.audited()); diff != "" {
		t.Errorf("audit log (-want +got):\n%s", diff)
	}
}
