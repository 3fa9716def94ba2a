package admin

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/access"
	"github.com/channelhub/channelhub/hub/api/web"
)

// Every route asks for a token and lets its roles through, and no other.
func TestRolesOfEveryRoute(t *testing.T) {
	f := newFixture(t)
	routes := f.admin.routes()
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/cmdline", "/debug/pprof/symbol"} {
		r := route{roles: []access.Role{access.Operator}}
		r.Method, r.Path = http.MethodGet, path
		routes = append(routes, r)
	}
	metrics := route{roles: staff}
	metrics.Method, metrics.Path = http.MethodGet, "/metrics"
	for _, r := range append(routes, metrics) {
		t.Run(r.Pattern(), func(t *testing.T) {
			path := strings.Replace(r.Path, "{id}", "nobody", 1)
			if w := f.do("", r.Method, path, ""); w.Code != http.StatusUnauthorized || w.Header().Get("WWW-Authenticate") == "" {
				t.Errorf("without a token: %d, want 401 with WWW-Authenticate", w.Code)
			}
			if w := f.do("", r.Method, path, "", "Authorization", "Bearer "+strings.Repeat("x", 40)); w.Code != http.StatusUnauthorized {
				t.Errorf("with a wrong token: %d, want 401", w.Code)
			}
			for _, role := range allRoles() {
				allowed := len(r.roles) == 0 || slices.Contains(r.roles, role)
				w := f.do(role, r.Method, path, "")
				if refused := w.Code == http.StatusForbidden || w.Code == http.StatusUnauthorized; refused == allowed {
					t.Errorf("role %s: %d, want it allowed: %v", role, w.Code, allowed)
				}
			}
		})
	}
}

func TestUnknownPathsAndMethods(t *testing.T) {
	f := newFixture(t)
	if p := want[web.Problem](f, http.StatusNotFound, f.do(access.Operator, "GET", "/admin/v1/nothing", "")); p.Type == "" || p.RequestID == "" {
		t.Errorf("problem %+v lacks its type or request id", p)
	}
	w := f.do(access.Operator, "PUT", "/admin/v1/plugins/echo/restart", "")
	if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "POST" {
		t.Errorf("PUT of an act: %d, Allow %q; want 405 and POST", w.Code, w.Header().Get("Allow"))
	}
}

func TestDocumentDescribesEveryField(t *testing.T) {
	f := newFixture(t)
	doc := want[struct {
		Info       struct{ Version string }
		Paths      map[string]map[string]struct{ Description string }
		Components struct {
			Schemas map[string]struct {
				Properties map[string]struct{ Description string }
			}
		}
	}](f, http.StatusOK, f.do(access.Auditor, "GET", "/admin/v1/openapi.json", ""))
	if doc.Info.Version != "1.2.3" {
		t.Errorf("version %q", doc.Info.Version)
	}
	var got, wanted []string
	for path, methods := range doc.Paths {
		for method := range methods {
			got = append(got, strings.ToUpper(method)+" "+path)
		}
	}
	for _, r := range f.admin.routes() {
		wanted = append(wanted, r.Pattern())
	}
	slices.Sort(got)
	slices.Sort(wanted)
	if diff := cmp.Diff(wanted, got); diff != "" {
		t.Errorf("documented routes (-want +got):\n%s", diff)
	}
	for _, name := range slices.Sorted(maps.Keys(doc.Components.Schemas)) {
		for field, schema := range doc.Components.Schemas[name].Properties {
			if schema.Description == "" {
				t.Errorf("%s.%s has no description", name, field)
			}
		}
	}
	if w := f.do(access.Auditor, "GET", "/admin/v1/openapi.yaml", ""); !strings.HasPrefix(w.Body.String(), "openapi: \"3.1.0\"\n") {
		t.Errorf("the YAML begins %.40q", w.Body)
	}
}

func TestHealthIsTheWorstCheck(t *testing.T) {
	for _, tt := range []struct {
		states []string
		want   string
	}{
		{nil, "ok"},
		{[]string{"ok", "degraded", "ok"}, "degraded"},
		{[]string{"degraded", "failed", "degraded"}, "failed"},
	} {
		f := newFixture(t, func(o *Options) { o.Checks = checksOf(tt.states...) })
		h := want[Health](f, http.StatusOK, f.do(access.Auditor, "GET", "/admin/v1/health", ""))
		if h.State != tt.want || h.Version != "1.2.3" {
			t.Errorf("%v: health %+v, want %s", tt.states, h, tt.want)
		}
	}
}

func TestStatsCountStatesAndSamples(t *testing.T) {
	f := newFixture(t)
	s := want[Stats](f, http.StatusOK, f.do(access.Privacy, "GET", "/admin/v1/stats", ""))
	if s.Plugins["running"] != 2 || s.Accounts["closed"] != 3 {
		t.Errorf("plugins %v, accounts %v", s.Plugins, s.Accounts)
	}
	found := slices.ContainsFunc(s.Samples, func(x telemetrySample) bool {
		return x.Name == "hub_build_info" && x.Labels["version"] == "1.2.3" && x.Value == 1
	})
	if !found {
		t.Errorf("no hub_build_info among %v", s.Samples)
	}
	if w := f.do(access.Operator, "GET", "/metrics", ""); !strings.Contains(w.Body.String(), "hub_build_info{") {
		t.Errorf("/metrics answers %d and no hub_build_info", w.Code)
	}
}

func TestConfigFaultsAreNamedAndAudited(t *testing.T) {
	f := newFixture(t)
	if got := want[map[string]any](f, http.StatusOK, f.do(access.Configurator, "GET", "/admin/v1/config", "")); got["demo"] != true {
		t.Errorf("config %v", got)
	}
	want[json.RawMessage](f, http.StatusOK, f.do(access.Configurator, "POST", "/admin/v1/config/reload", "{}"))
	f.config.err = web.Invalid("The configuration has faults.", faultAt("hub.yaml:3:1: demo", "must be true or false"))
	for _, call := range []string{"GET /admin/v1/config/diff", "POST /admin/v1/config/reload"} {
		method, path, _ := strings.Cut(call, " ")
		p := want[web.Problem](f, http.StatusUnprocessableEntity, f.do(access.Configurator, method, path, ""))
		if len(p.Faults) != 1 || p.Faults[0].Field != "hub.yaml:3:1: demo" {
			t.Errorf("%s: faults %v", call, p.Faults)
		}
	}
	wantLog := []string{"config.reload config begun", "config.reload config done", "config.reload config begun", "config.reload config invalid"}
	if diff := cmp.Diff(wantLog, f.audited()); diff != "" {
		t.Errorf("audit log (-want +got):\n%s", diff)
	}
}
