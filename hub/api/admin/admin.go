// Package admin is the API of operators: /admin/v1, metrics and profiles, on
// the admin listener.
//
// Every route asks for a token and most for one of a few roles, so that who
// configures cannot operate and neither reads messages. Whatever changes
// something is recorded in the audit log with the change. Every act names the
// state that it leads to: repeating it is harmless.
package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/channelhub/channelhub/hub/access"
	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/api/spec"
	"github.com/channelhub/channelhub/hub/api/web"
	"github.com/channelhub/channelhub/hub/audit"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/hub/telemetry"
)

// Plugins is the plugin host as this room uses it.
type Plugins interface {
	StatusOf(id model.PluginID) pluginhost.PluginStatus
	Describe(id model.PluginID) (pluginhost.Descriptor, bool)
	Restart(ctx context.Context, id model.PluginID) error
	Release(ctx context.Context, id model.PluginID) error
	ValidateAccount(ctx context.Context, plugin model.PluginID, settings pluginhost.AccountSettings) ([]model.Fault, error)
	CheckHealth(ctx context.Context, plugin model.PluginID, account model.AccountID) (pluginhost.AccountHealth, error)
}

// Switch is whether configuration has something switched on, and where it
// says so: "file:line", or "default".
type Switch struct {
	Enabled bool
	Where   string
}

// PluginSetting is a plugin as configured.
type PluginSetting struct {
	ID     model.PluginID
	Path   string
	SHA256 string // empty: not checked
	Switch Switch
}

// Config is the configuration of the hub.
type Config interface {
	// Plugins lists the configured plugins by id.
	Plugins() []PluginSetting
	// Account says how configuration has an account's switch; false when it
	// names no such account.
	Account(id model.AccountID) (Switch, bool)
	// Effective is the configuration in force as a JSON object, redacted.
	Effective() (json.RawMessage, error)
	// Diff reads the sources again and returns, as a JSON object, how what they
	// say differs from what is in force, redacted. What is wrong with them is
	// model.Invalid with all its faults.
	Diff(ctx context.Context) (json.RawMessage, error)
	// Reload puts what the sources say in force and returns what changed, as
	// Diff does. On any fault nothing changes.
	Reload(ctx context.Context) (json.RawMessage, error)
}

// Switches brings overrides into force. The row that says so is written
// already. Repeating a call is harmless.
type Switches interface {
	SwitchPlugin(ctx context.Context, id model.PluginID, on bool) error
	SwitchAccount(ctx context.Context, id model.AccountID, on bool) error
}

// Journal holds the raw requests that no connector could take yet. It shows
// what is known of them from outside, never what they say.
type Journal interface {
	// Entries lists what waits, oldest first within a plugin, behind the
	// cursor; an empty plugin means all. Next is empty at the end.
	Entries(ctx context.Context, plugin model.PluginID, cursor string, limit int) (entries []JournalEntry, next string, err error)
	// Replay hands what waits for a plugin over now instead of later, and
	// returns how many were taken and how many still wait.
	Replay(ctx context.Context, plugin model.PluginID) (replayed, waiting int, err error)
}

// Options for New.
type Options struct {
	Store    *store.Store
	Accounts *accounts.Registry
	Tokens   *access.Tokens
	Plugins  Plugins
	Config   Config
	Switches Switches
	Journal  Journal // nil: there is none, and its routes answer 503
	Letters  Letters // nil: nothing is done with dead letters, and their acts answer 503
	Sweeper  Sweeper // nil: there is none, and the routes of retention answer 503
	Remover  Remover // nil: there is none, and its acts answer 503
	Eraser   Eraser  // nil: there is none, and its acts answer 503
	// KeyCopies is how long a copy of a destroyed contact key may be left where
	// the hub keeps keys.
	KeyCopies time.Duration
	// Checks looks at what the hub depends on. Nil: nothing is looked at.
	Checks  func(ctx context.Context) []Check
	Metrics *telemetry.Metrics
	Version string
	Now     func() time.Time // nil: time.Now
}

// Admin serves the admin API. It is safe for concurrent use.
type Admin struct {
	Options
	audit   *audit.Log
	started time.Time
	spec    *spec.Server
}

// New returns an Admin.
func New(o Options) (*Admin, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	a := &Admin{Options: o, audit: audit.New(o.Store), started: o.Now()}
	var err error
	a.spec, err = spec.New(a.Describe())
	return a, err
}

// Routes registers the API.
func (a *Admin) Routes(mux *http.ServeMux) {
	for _, r := range a.routes() {
		mux.HandleFunc(r.Pattern(), web.Require(a.Tokens, web.Query(r.serve, r.Queries()...), r.roles...))
	}
	a.debugRoutes(mux)
}

// by is who is calling, for the audit log.
func by(r *http.Request) audit.By {
	p := web.PrincipalOf(r.Context())
	return audit.By{Token: p.Token, Role: string(p.Role), RequestID: web.RequestID(r.Context())}
}

// around records an act that is no row of ours. A refusal of it is told there,
// and is not counted with others.
func (a *Admin) around(r *http.Request, action audit.Action, subject string, do func(context.Context) error) error {
	web.Recorded(r.Context())
	return a.audit.Around(r.Context(), by(r), action, subject, do)
}

// answer sends what a handler came to.
func answer(w http.ResponseWriter, r *http.Request, v any, err error) {
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	web.JSON(w, r, http.StatusOK, v)
}
