package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/channelhub/channelhub/hub/access"
	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/api/web"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/storage/keys"
	"github.com/channelhub/channelhub/hub/storage/keys/localkeys"
	"github.com/channelhub/channelhub/hub/storage/table"
	"github.com/channelhub/channelhub/hub/storage/table/pebbletable"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/hub/telemetry"
)

// fakePlugins is a plugin host without processes.
type fakePlugins struct {
	calls  []string
	err    error // of Restart and Release
	faults []model.Fault
	health pluginhost.AccountHealth
	unable error // of CheckHealth
}

func (f *fakePlugins) StatusOf(id model.PluginID) pluginhost.PluginStatus {
	return pluginhost.PluginStatus{ID: id, State: pluginhost.StateRunning, Version: "9", PID: 42}
}

func (f *fakePlugins) Describe(model.PluginID) (pluginhost.Descriptor, bool) {
	return pluginhost.Descriptor{Summary: "says", Can: pluginhost.Capabilities{Send: true}}, true
}

func (f *fakePlugins) Restart(_ context.Context, id model.PluginID) error {
	f.calls = append(f.calls, "restart "+string(id))
	return f.err
}

func (f *fakePlugins) Release(_ context.Context, id model.PluginID) error {
	f.calls = append(f.calls, "release "+string(id))
	return f.err
}

func (f *fakePlugins) ValidateAccount(_ context.Context, _ model.PluginID, s pluginhost.AccountSettings) ([]model.Fault, error) {
	f.calls = append(f.calls, "validate "+string(s.AccountID))
	return f.faults, f.err
}

func (f *fakePlugins) CheckHealth(context.Context, model.PluginID, model.AccountID) (pluginhost.AccountHealth, error) {
	return f.health, f.unable
}

// fakeConfig has the plugins echo, on, and old, off, and their accounts.
type fakeConfig struct {
	diff json.RawMessage
	err  error
}

func (fakeConfig) Plugins() []PluginSetting {
	return []PluginSetting{
		{ID: "echo", Path: "bin/echo", SHA256: "00", Switch: Switch{true, "default"}},
		{ID: "old", Path: "bin/old", Switch: Switch{false, "plugins.d/old.yaml:3"}},
	}
}

func (fakeConfig) Account(id model.AccountID) (Switch, bool) {
	switch id {
	case "acme-echo", "beta-echo":
		return Switch{true, "default"}, true
	case "acme-old":
		return Switch{false, "clients.d/acme.yaml:9"}, true
	}
	return Switch{}, false
}

func (fakeConfig) Effective() (json.RawMessage, error) { return json.RawMessage(`{"demo":true}`), nil }

func (c fakeConfig) Diff(context.Context) (json.RawMessage, error) { return c.diff, c.err }

func (c fakeConfig) Reload(context.Context) (json.RawMessage, error) { return c.diff, c.err }

// fakeSwitches notes what was switched.
type fakeSwitches struct {
	calls []string
	err   error
}

func (f *fakeSwitches) note(kind, id string, on bool) error {
	to := "off"
	if on {
		to = "on"
	}
	f.calls = append(f.calls, kind+" "+id+" "+to)
	return f.err
}

func (f *fakeSwitches) SwitchPlugin(_ context.Context, id model.PluginID, on bool) error {
	return f.note("plugin", string(id), on)
}

func (f *fakeSwitches) SwitchAccount(_ context.Context, id model.AccountID, on bool) error {
	return f.note("account", string(id), on)
}

// fixture is an admin API over a real store.
type fixture struct {
	t        *testing.T
	store    *store.Store
	tokens   *access.Tokens
	plugins  *fakePlugins
	config   *fakeConfig
	switches *fakeSwitches
	admin    *Admin
	http     http.Handler
}

// secretOf is the token of a role; the token of "client" is client acme's.
func secretOf(role access.Role) string { return string(role) + strings.Repeat("-secret", 6) }

func allRoles() []access.Role {
	return []access.Role{access.Configurator, access.Operator, access.Privacy, access.KeyAdmin, access.Auditor, access.Machine, access.Agent}
}

func newFixture(t *testing.T, adjust ...func(*Options)) *fixture {
	t.Helper()
	dir := t.TempDir()
	rows, err := pebbletable.Open(filepath.Join(dir, "table"), nil)
	if err != nil {
		t.Fatal(err)
	}
	tab := table.New(rows, nil)
	t.Cleanup(func() {
		if err := tab.Close(); err != nil {
			t.Error(err)
		}
	})
	ring, err := localkeys.Open(filepath.Join(dir, "keyring"), nil)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{
		t: t, store: store.New(tab, keys.New(ring), nil),
		plugins: &fakePlugins{health: pluginhost.AccountHealth{State: pluginhost.HealthOK}},
		config:  &fakeConfig{diff: json.RawMessage(`{"changes":[]}`)}, switches: &fakeSwitches{},
	}
	registry := accounts.NewRegistry()
	account := func(id model.AccountID, client model.ClientID, plugin model.PluginID) accounts.Account {
		return accounts.Account{
			ID: id, Client: client, Plugin: plugin, Revision: 1, Config: []byte(`{"reply_url":"http://x"}`),
			Secrets: accounts.Secrets{"secret": {"top-secret-value"}},
		}
	}
	registry.Replace(accounts.Set{
		Clients: map[model.ClientID]accounts.Client{"acme": {ID: "acme", Name: "Acme"}, "beta": {ID: "beta"}},
		Accounts: map[model.AccountID]accounts.Account{
			"acme-echo": account("acme-echo", "acme", "echo"),
			"acme-old":  account("acme-old", "acme", "old"),
			"beta-echo": account("beta-echo", "beta", "echo"),
		},
	})
	f.tokens = access.NewTokens(f.store, nil)
	var bootstrap []access.Bootstrap
	for _, role := range allRoles() {
		b := access.Bootstrap{ID: "boot-" + string(role), Role: role, Secret: secretOf(role)}
		if role.ForClient() {
			b.Client = "acme"
		}
		bootstrap = append(bootstrap, b)
	}
	f.tokens.SetBootstrap(bootstrap)
	o := Options{
		Store: f.store, Accounts: registry, Tokens: f.tokens, Plugins: f.plugins, Config: f.config,
		Switches: f.switches, Metrics: telemetry.New("1.2.3"), Version: "1.2.3",
	}
	for _, change := range adjust {
		change(&o)
	}
	if f.admin, err = New(o); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	f.admin.Routes(mux)
	f.http = web.Handler(mux, web.Options{})
	return f
}

// do makes a call with the token of a role; header is names and values.
func (f *fixture) do(role access.Role, method, path, body string, header ...string) *httptest.ResponseRecorder {
	f.t.Helper()
	r := httptest.NewRequestWithContext(f.t.Context(), method, path, strings.NewReader(body))
	if role != "" {
		r.Header.Set("Authorization", "Bearer "+secretOf(role))
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	f.http.ServeHTTP(w, r)
	return w
}

// want makes a call that must end with the status, and decodes its body.
func want[T any](f *fixture, status int, w *httptest.ResponseRecorder) T {
	f.t.Helper()
	var v T
	if w.Code != status {
		f.t.Fatalf("status %d, want %d: %s", w.Code, status, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		f.t.Fatalf("%v: %s", err, w.Body)
	}
	return v
}

// audited is the audit log in short: action, subject, outcome.
func (f *fixture) audited() []string {
	f.t.Helper()
	rows, err := f.store.AuditRows(f.t.Context(), 0, 500)
	if err != nil {
		f.t.Fatal(err)
	}
	out := []string{}
	for _, r := range rows {
		out = append(out, r.Action+" "+r.Subject+" "+r.Outcome)
		if r.Actor == "" || r.Role == "" || r.RequestID == "" {
			f.t.Errorf("row %d does not say who acted: %+v", r.N, r.Act)
		}
	}
	return out
}

type telemetrySample = telemetry.Sample

func faultAt(field, detail string) model.Fault { return model.Fault{Field: field, Detail: detail} }

func checksOf(states ...string) func(context.Context) []Check {
	return func(context.Context) []Check {
		var out []Check
		for _, s := range states {
			out = append(out, Check{Name: "part", State: s})
		}
		return out
	}
}
