package admin

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/channelhub/channelhub/hub/access"
	"github.com/channelhub/channelhub/hub/api/web"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
)

// switches are the two things with a switch, and the same rules for both.
var switches = []struct {
	name, on, off, gone string // paths
	role                access.Role
	turnOn, turnOff     string
	where               string
	log                 []string
	called              []string
}{
	{
		name: "plugin", role: access.Operator,
		on: "/admin/v1/plugins/echo", off: "/admin/v1/plugins/old", gone: "/admin/v1/plugins/none",
		turnOn: "/enable", turnOff: "/disable", where: "plugins.d/old.yaml:3",
		log:    []string{"plugin.disable plugin/echo done", "plugin.enable plugin/echo done"},
		called: []string{"plugin echo off", "plugin echo off", "plugin echo on", "plugin echo on"},
	},
	{
		name: "account", role: access.Configurator,
		on: "/admin/v1/accounts/acme-echo", off: "/admin/v1/accounts/acme-old", gone: "/admin/v1/accounts/none",
		turnOn: "/resume", turnOff: "/pause", where: "clients.d/acme.yaml:9",
		log:    []string{"account.pause account/acme-echo done", "account.resume account/acme-echo done"},
		called: []string{"account acme-echo off", "account acme-echo off", "account acme-echo on", "account acme-echo on"},
	},
}

type switched struct {
	Enabled    bool             `json:"enabled"`
	Configured ConfiguredSwitch `json:"configured"`
	Override   *OverrideView    `json:"override"`
}

// An override switches off and lifts itself; repeating an act is harmless and
// records nothing.
func TestOverrideSwitchesOffAndLiftsItself(t *testing.T) {
	for _, s := range switches {
		t.Run(s.name, func(t *testing.T) {
			f := newFixture(t)
			for range 2 {
				v := want[switched](f, http.StatusOK, f.do(s.role, "POST", s.on+s.turnOff, ""))
				if v.Enabled || !v.Configured.Enabled || v.Override == nil || v.Override.By != "boot-"+string(s.role) {
					t.Errorf("switched off: %+v", v)
				}
			}
			for range 2 {
				v := want[switched](f, http.StatusOK, f.do(s.role, "POST", s.on+s.turnOn, "{}"))
				if !v.Enabled || v.Override != nil {
					t.Errorf("switched on: %+v", v)
				}
			}
			if diff := cmp.Diff(s.log, f.audited()); diff != "" {
				t.Errorf("audit log (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(s.called, f.switches.calls); diff != "" {
				t.Errorf("what the hub was told (-want +got):\n%s", diff)
			}
		})
	}
}

// What a file switches off is switched on in the file: 409 names the line.
func TestOverrideCannotSwitchOnWhatTheFileSwitchesOff(t *testing.T) {
	for _, s := range switches {
		t.Run(s.name, func(t *testing.T) {
			f := newFixture(t)
			for _, act := range []string{s.turnOn, s.turnOff} {
				p := want[web.Problem](f, http.StatusConflict, f.do(s.role, "POST", s.off+act, ""))
				if !strings.Contains(p.Detail, s.where) {
					t.Errorf("%s: %q does not name %s", act, p.Detail, s.where)
				}
			}
			want[web.Problem](f, http.StatusNotFound, f.do(s.role, "POST", s.gone+s.turnOn, ""))
			if len(f.audited()) > 0 || len(f.switches.calls) > 0 {
				t.Errorf("refused acts left %v and %v", f.audited(), f.switches.calls)
			}
		})
	}
}

func TestActsHonourIfMatch(t *testing.T) {
	for _, s := range switches {
		t.Run(s.name, func(t *testing.T) {
			f := newFixture(t)
			before := f.do(s.role, "GET", s.on, "").Header().Get("ETag")
			w := f.do(s.role, "POST", s.on+s.turnOff, "", "If-Match", before)
			want[switched](f, http.StatusOK, w)
			after := w.Header().Get("ETag")
			if before == "" || before == after {
				t.Errorf("ETag %q before and %q after a change", before, after)
			}
			want[web.Problem](f, http.StatusPreconditionFailed, f.do(s.role, "POST", s.on+s.turnOn, "", "If-Match", before))
			want[switched](f, http.StatusOK, f.do(s.role, "POST", s.on+s.turnOn, "", "If-Match", `"other", `+after))
			if again := f.do(s.role, "GET", s.on, "").Header().Get("ETag"); again != before {
				t.Errorf("ETag %q after the override was lifted, %q before there was one", again, before)
			}
		})
	}
}

// The row is the truth: when the hub cannot follow at once, the caller hears
// it, and repeating the act brings the two together.
func TestAnActThatTheHubCannotFollowCanBeRepeated(t *testing.T) {
	f := newFixture(t)
	f.switches.err = model.Errorf(model.Unavailable, "switch", "The new process did not come up.")
	w := f.do(access.Operator, "POST", "/admin/v1/plugins/echo/disable", "")
	want[web.Problem](f, http.StatusServiceUnavailable, w)
	if w.Header().Get("Retry-After") == "" {
		t.Error("503 without Retry-After")
	}
	f.switches.err = nil
	want[switched](f, http.StatusOK, f.do(access.Operator, "POST", "/admin/v1/plugins/echo/disable", ""))
	if diff := cmp.Diff([]string{"plugin.disable plugin/echo done"}, f.audited()); diff != "" {
		t.Errorf("audit log (-want +got):\n%s", diff)
	}
}

func TestRestartAndReleaseAreAudited(t *testing.T) {
	f := newFixture(t)
	if v := want[Plugin](f, http.StatusOK, f.do(access.Operator, "POST", "/admin/v1/plugins/echo/restart", "")); v.PID != 42 || !v.SHA256Pinned {
		t.Errorf("plugin %+v", v)
	}
	f.plugins.err = model.Errorf(model.Unavailable, "start", "It did not come up.")
	want[web.Problem](f, http.StatusServiceUnavailable, f.do(access.Operator, "POST", "/admin/v1/plugins/echo/release", ""))
	want[web.Problem](f, http.StatusConflict, f.do(access.Operator, "POST", "/admin/v1/plugins/old/restart", ""))
	want[web.Problem](f, http.StatusUnprocessableEntity, f.do(access.Operator, "POST", "/admin/v1/plugins/echo/restart", `{"force":true}`))
	wantLog := []string{
		"plugin.restart plugin/echo begun", "plugin.restart plugin/echo done",
		"plugin.release plugin/echo begun", "plugin.release plugin/echo unavailable",
	}
	if diff := cmp.Diff(wantLog, f.audited()); diff != "" {
		t.Errorf("audit log (-want +got):\n%s", diff)
	}
}

func TestAccountsShowNoSecret(t *testing.T) {
	f := newFixture(t)
	for _, path := range []string{"/admin/v1/accounts", "/admin/v1/accounts/acme-echo", "/admin/v1/clients", "/admin/v1/clients/acme"} {
		if w := f.do(access.Configurator, "GET", path, ""); w.Code != http.StatusOK || strings.Contains(w.Body.String(), "top-secret-value") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	v := want[Account](f, http.StatusOK, f.do(access.Configurator, "GET", "/admin/v1/accounts/acme-echo", ""))
	if diff := cmp.Diff([]string{"secret"}, v.Secrets); diff != "" {
		t.Errorf("names of secrets (-want +got):\n%s", diff)
	}
}

func TestCheckAccount(t *testing.T) {
	for name, tt := range map[string]struct {
		set    func(*fakePlugins)
		ok     bool
		health string
		faults int
	}{
		"works":        {func(*fakePlugins) {}, true, "ok", 0},
		"wrong":        {func(p *fakePlugins) { p.faults = []model.Fault{{Field: "reply_url", Detail: "is no URL"}} }, false, "ok", 1},
		"sick":         {func(p *fakePlugins) { p.health.State = pluginhost.HealthBlocked }, false, "blocked", 0},
		"cannot ask":   {func(p *fakePlugins) { p.unable = model.Errorf(model.Precondition, "ask", "no") }, true, "not_supported", 0},
		"out of reach": {func(p *fakePlugins) { p.unable = model.Errorf(model.Unavailable, "ask", "away") }, false, "unreachable", 0},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			tt.set(f.plugins)
			v := want[AccountCheck](f, http.StatusOK, f.do(access.Configurator, "POST", "/admin/v1/accounts/acme-echo/check", ""))
			if v.OK != tt.ok || v.Health != tt.health || len(v.Faults) != tt.faults {
				t.Errorf("check %+v", v)
			}
			if len(f.audited()) > 0 {
				t.Errorf("a look was audited: %v", f.audited())
			}
		})
	}
}

func TestListsArePaged(t *testing.T) {
	f := newFixture(t)
	var got []string
	cursor := ""
	for range 5 {
		l := want[web.List[Account]](f, http.StatusOK, f.do(access.Configurator, "GET", "/admin/v1/accounts?limit=2&cursor="+cursor, ""))
		for _, a := range l.Data {
			got = append(got, string(a.ID))
		}
		if cursor = l.NextCursor; cursor == "" {
			break
		}
	}
	if diff := cmp.Diff([]string{"acme-echo", "acme-old", "beta-echo"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	l := want[web.List[Account]](f, http.StatusOK, f.do(access.Configurator, "GET", "/admin/v1/accounts?client=beta", ""))
	if len(l.Data) != 1 || l.Data[0].ID != "beta-echo" {
		t.Errorf("accounts of beta: %+v", l.Data)
	}
	want[web.Problem](f, http.StatusUnprocessableEntity, f.do(access.Configurator, "GET", "/admin/v1/accounts?limit=0", ""))
}
