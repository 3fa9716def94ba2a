package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/channelhub/channelhub/hub/api/web"
	"github.com/channelhub/channelhub/hub/audit"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
)

// Plugin is a connector as operators see it.
type Plugin struct {
	ID           model.PluginID    `json:"id" doc:"The name it is configured under."`
	State        string            `json:"state" doc:"absent, disabled, starting, running, unhealthy, backoff, quarantined or draining."`
	Enabled      bool              `json:"enabled" doc:"Configuration has it switched on, and nobody has switched it off."`
	Configured   ConfiguredSwitch  `json:"configured" doc:"What configuration says."`
	Override     *OverrideView     `json:"override,omitempty" doc:"Who switched it off; absent when nobody did."`
	Path         string            `json:"path" doc:"The program."`
	Channel      string            `json:"channel,omitempty" doc:"The channel it speaks, by its own word."`
	Version      string            `json:"version,omitempty" doc:"The program's version, by its own word."`
	Summary      string            `json:"summary,omitempty" doc:"What it says of itself."`
	DocsURL      string            `json:"docs_url,omitempty" doc:"Where it is documented."`
	Features     []string          `json:"features,omitempty" doc:"Optional parts of the contract that it knows."`
	Can          []string          `json:"can,omitempty" doc:"The calls that it takes."`
	SHA256       string            `json:"sha256,omitempty" doc:"Of the program, as it was at the last start."`
	SHA256Pinned bool              `json:"sha256_pinned" doc:"Configuration names the digest that the program must have."`
	PID          int               `json:"pid,omitempty" doc:"Of the process; absent when there is none."`
	StartedAt    *model.Time       `json:"started_at,omitempty" doc:"When the process was started."`
	Since        *model.Time       `json:"since,omitempty" doc:"When it came into this state."`
	NextStart    *model.Time       `json:"next_start,omitempty" doc:"With backoff: when it is started again."`
	Restarts     int               `json:"restarts" doc:"Starts after a crash, since the hub started."`
	LastFault    string            `json:"last_fault,omitempty" doc:"Why the last process ended or could not start."`
	LastFaultAt  *model.Time       `json:"last_fault_at,omitempty" doc:"When that was."`
	Accounts     []model.AccountID `json:"accounts" doc:"The accounts that it speaks for."`
}

func (a *Admin) pluginSetting(id model.PluginID) (PluginSetting, error) {
	for _, p := range a.Config.Plugins() {
		if p.ID == id {
			return p, nil
		}
	}
	return PluginSetting{}, model.Errorf(model.NotFound, "find plugin", "There is no such plugin in the configuration.")
}

func (a *Admin) pluginView(p PluginSetting, o overridden) Plugin {
	s := a.Plugins.StatusOf(p.ID)
	d, _ := a.Plugins.Describe(p.ID)
	v := Plugin{
		ID: p.ID, State: string(s.State), Enabled: o.enabled(), Configured: o.configured(), Override: o.view(),
		Path: p.Path, Channel: s.Channel, Version: s.Version, Summary: d.Summary, DocsURL: d.DocsURL,
		Features: d.Features, SHA256: s.SHA256, SHA256Pinned: p.SHA256 != "", PID: s.PID,
		StartedAt: timeOf(s.StartedAt), Since: timeOf(s.Since), NextStart: timeOf(s.NextStart),
		Restarts: s.Restarts, LastFault: s.LastFault, LastFaultAt: timeOf(s.LastFaultAt),
		Accounts: []model.AccountID{},
	}
	for _, can := range []struct {
		name string
		has  bool
	}{
		{"receive_http", d.Can.ReceiveHTTP},
		{"receive_socket", d.Can.ReceiveSocket},
		{"send", d.Can.Send},
		{"send_signal", d.Can.SendSignal},
		{"render_socket", d.Can.RenderSocket},
		{"fetch_attachment", d.Can.FetchAttachment},
		{"check_health", d.Can.CheckHealth},
		{"validate_account", d.Can.ValidateAccount},
	} {
		if can.has {
			v.Can = append(v.Can, can.name)
		}
	}
	for _, acct := range a.Accounts.Accounts("") {
		if acct.Plugin == p.ID {
			v.Accounts = append(v.Accounts, acct.ID)
		}
	}
	return v
}

// timeOf returns nil for the zero time.
func timeOf(t time.Time) *model.Time {
	if t.IsZero() {
		return nil
	}
	at := model.At(t)
	return &at
}

func (a *Admin) listPlugins(w http.ResponseWriter, r *http.Request) {
	settings := a.Config.Plugins()
	all := make([]Plugin, 0, len(settings))
	for _, p := range settings {
		o, err := a.overridden(r, store.PluginOff, string(p.ID), p.Switch)
		if err != nil {
			web.Fail(w, r, err)
			return
		}
		all = append(all, a.pluginView(p, o))
	}
	list, err := pageOf(r, all, func(p Plugin) string { return string(p.ID) })
	answer(w, r, list, err)
}

func (a *Admin) getPlugin(w http.ResponseWriter, r *http.Request) {
	p, err := a.pluginSetting(model.PluginID(r.PathValue("id")))
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	a.showPlugin(w, r, p)
}

func (a *Admin) showPlugin(w http.ResponseWriter, r *http.Request, p PluginSetting) {
	o, err := a.overridden(r, store.PluginOff, string(p.ID), p.Switch)
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	w.Header().Set("ETag", o.etag())
	web.JSON(w, r, http.StatusOK, a.pluginView(p, o))
}

// switchPlugin switches a plugin on or off.
func (a *Admin) switchPlugin(on bool, action audit.Action) http.HandlerFunc {
	return web.Unhurried(func(w http.ResponseWriter, r *http.Request) {
		p, err := a.pluginFor(w, r)
		if err == nil {
			var o overridden
			if o, err = a.overridden(r, store.PluginOff, string(p.ID), p.Switch); err == nil {
				err = a.change(r, o, on, action)
			}
		}
		if err == nil {
			err = a.Switches.SwitchPlugin(r.Context(), p.ID, on)
		}
		if err != nil {
			web.Fail(w, r, err)
			return
		}
		a.showPlugin(w, r, p)
	})
}

// pluginFor finds the plugin that an act is about.
func (a *Admin) pluginFor(w http.ResponseWriter, r *http.Request) (PluginSetting, error) {
	if err := web.ReadNothing(w, r); err != nil {
		return PluginSetting{}, err
	}
	return a.pluginSetting(model.PluginID(r.PathValue("id")))
}

// operatePlugin does something with a plugin that is switched on.
func (a *Admin) operatePlugin(action audit.Action, do func(context.Context, model.PluginID) error) http.HandlerFunc {
	return web.Unhurried(func(w http.ResponseWriter, r *http.Request) {
		p, err := a.pluginFor(w, r)
		if err != nil {
			web.Fail(w, r, err)
			return
		}
		o, err := a.overridden(r, store.PluginOff, string(p.ID), p.Switch)
		if err == nil && !o.enabled() {
			err = model.Errorf(model.Conflicting, string(action), "The plugin is switched off: enable it first.")
		}
		if err == nil {
			err = a.around(r, action, "plugin/"+string(p.ID), func(ctx context.Context) error {
				return do(ctx, p.ID)
			})
		}
		if err != nil {
			web.Fail(w, r, err)
			return
		}
		a.showPlugin(w, r, p)
	})
}
