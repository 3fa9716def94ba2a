package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/api/admin"
	"github.com/channelhub/channelhub/hub/config"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
)

// probeTimeout bounds the look at every new and changed connector together.
const probeTimeout = 10 * time.Second

// Reload reads the configuration again and puts it in force, all or nothing:
// on any fault the one that runs stays. First everything is judged: the files,
// then each new or changed connector in a second process, with the settings of
// its accounts. Only then is anything swapped, and only what changed. From then
// on the caller may leave: the swap is carried through. A connector that could
// not be replaced is an error, and the next Reload tries it again.
func (h *Hub) Reload(ctx context.Context) (*config.Difference, error) {
	h.reloading.Lock()
	defer h.reloading.Unlock()
	select {
	case <-h.ended:
		return nil, model.Errorf(model.Unavailable, "reload configuration", "The hub is ending.")
	default:
	}
	ctx, cancel := until(ctx, h.ended)
	defer cancel()
	diff, left, err := h.reload(ctx)
	h.metrics.ConfigLoaded(err == nil, time.Now())
	if err != nil {
		h.log.Error("the configuration was not reloaded; the one in force stays", "error", err)
		return nil, err
	}
	h.log.Info("the configuration was reloaded", "changes", len(diff.Changes), "plugins", len(diff.Plugins), "accounts", len(diff.Accounts))
	if len(diff.Restart) > 0 {
		h.log.Warn("some of the changes wait for a restart of the hub", "places", diff.Restart)
	}
	if len(left) > 0 {
		h.metrics.ConfigLoaded(false, time.Now())
		return nil, &model.Error{
			Code: model.Unavailable, Op: "reload configuration", Faults: left,
			Detail: "The configuration is in force, but not for these connectors: what ran before goes on. Reload again once that is mended.",
		}
	}
	return diff, nil
}

// reload returns what it did, and which connectors it could not replace. With
// an error nothing was changed.
func (h *Hub) reload(ctx context.Context) (_ *config.Difference, left []model.Fault, err error) {
	next, diff, read, err := h.loadNext(ctx)
	h.read.Store(&read)
	if err != nil {
		return nil, nil, err
	}
	set, err := h.setOf(next)
	if err != nil {
		return nil, nil, err
	}
	faults, err := h.removing(ctx, next)
	if err != nil {
		return nil, nil, err
	}
	if faults = append(faults, h.judge(ctx, next, set, diff)...); len(faults) > 0 {
		return nil, nil, &model.Error{Code: model.Invalid, Op: "reload configuration", Detail: "The configuration has faults; nothing was changed.", Faults: faults}
	}
	if err := h.noteKnown(ctx, next); err != nil {
		return nil, nil, err
	}
	before := h.accounts.Accounts("")
	h.config.Store(next)
	h.accounts.Replace(set)
	h.tokens.SetBootstrap(bootstrapOf(next))
	h.log.SetLevel(hclog.LevelFromString(next.Logging.Level))
	return diff, h.swap(ctx, next, diff, before), nil
}

// loadNext reads the sources and says how they differ from what is in force.
// It returns what can be put in force of them: what a hub reads only when it
// starts is left as it is. What was read is returned with a fault as well.
func (h *Hub) loadNext(ctx context.Context) (*config.Config, *config.Difference, config.Sources, error) {
	if h.opts.Load == nil {
		return nil, nil, config.Sources{}, model.Errorf(model.Precondition, "reload configuration", "this hub was started without files to read again")
	}
	now := h.config.Load()
	next, _, err := h.opts.Load(ctx)
	if err != nil {
		read := now.Sources()
		if faults, ok := errors.AsType[*config.FaultsError](err); ok {
			read = faults.Sources
		}
		return nil, nil, read, configProblem(err)
	}
	diff := config.Diff(now, next)
	diff.Plugins = h.behind.among(diff.Plugins)
	return next.KeepStart(now), diff, next.Sources(), nil
}

// configProblem turns the faults of a configuration into ones that the admin
// API can show.
func configProblem(err error) error {
	found, ok := errors.AsType[*config.FaultsError](err)
	if !ok {
		return fmt.Errorf("reload configuration: %w", err)
	}
	out := &model.Error{Code: model.Invalid, Op: "reload configuration", Detail: "The configuration has faults; nothing was changed."}
	for _, f := range found.Faults {
		detail := f.Detail
		if f.Suggestion != "" {
			detail += "; " + f.Suggestion
		}
		out.Faults = append(out.Faults, model.Fault{Field: fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.Path), Detail: detail})
	}
	return out
}

// judge starts every new or changed connector once, in a second process, and
// has it look at the settings of its accounts.
func (h *Hub) judge(ctx context.Context, cfg *config.Config, set accounts.Set, diff *config.Difference) []model.Fault {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	var faults []model.Fault
	for _, id := range diff.Plugins {
		p, ok := cfg.Plugins[id]
		if !ok || !p.Enabled {
			continue
		}
		spec, err := specOf(id, p)
		if err == nil {
			var more []model.Fault
			more, err = h.probe(ctx, spec, accountsOf(set, id), cfg)
			faults = append(faults, more...)
		}
		if err != nil {
			faults = append(faults, pluginFaults(cfg, id, err)...)
		}
	}
	for _, id := range diff.Accounts {
		acct, ok := set.Accounts[id]
		if !ok || !acct.Enabled || slices.Contains(diff.Plugins, acct.Plugin) {
			continue
		}
		// A connector that is away judges when it comes back.
		found, err := h.plugins.ValidateAccount(ctx, acct.Plugin, settingsOf(acct))
		if err == nil {
			faults = append(faults, placed(cfg, acct, found)...)
		}
	}
	return faults
}

func (h *Hub) probe(ctx context.Context, spec pluginhost.Spec, of []accounts.Account, cfg *config.Config) ([]model.Fault, error) {
	_, validate, done, err := h.plugins.Probe(ctx, spec)
	if err != nil {
		return nil, err
	}
	defer done()
	var faults []model.Fault
	for _, acct := range of {
		if acct.Enabled {
			faults = append(faults, placed(cfg, acct, validate(settingsOf(acct)))...)
		}
	}
	return faults, nil
}

// pluginFaults says where in the files it is written why a plugin did not
// start: at its path, unless the error names another setting.
func pluginFaults(cfg *config.Config, id model.PluginID, err error) []model.Fault {
	at := func(field, detail string) model.Fault {
		where := cfg.Where("plugins", string(id), field)
		return model.Fault{Field: fmt.Sprintf("%s: plugins.%s.%s", where, id, field), Detail: detail}
	}
	e, ok := errors.AsType[*model.Error](err)
	if !ok || (e.Detail == "" && len(e.Faults) == 0) {
		return []model.Fault{at("path", "the plugin does not start as it should")}
	}
	if len(e.Faults) == 0 {
		return []model.Fault{at("path", e.Detail)}
	}
	out := make([]model.Fault, len(e.Faults))
	for i, f := range e.Faults {
		out[i] = at(f.Field, f.Detail)
	}
	return out
}

// placed says where in the files the faults of an account's settings are.
func placed(cfg *config.Config, acct accounts.Account, faults []model.Fault) []model.Fault {
	out := make([]model.Fault, len(faults))
	for i, f := range faults {
		where := cfg.Where("clients", string(acct.Client), "accounts", string(acct.ID))
		out[i] = model.Fault{Field: fmt.Sprintf("%s: clients.%s.accounts.%s.%s", where, acct.Client, acct.ID, f.Field), Detail: f.Detail}
	}
	return out
}

func accountsOf(set accounts.Set, plugin model.PluginID) []accounts.Account {
	var out []accounts.Account
	for _, a := range set.Accounts {
		if a.Plugin == plugin {
			out = append(out, a)
		}
	}
	return out
}

// watch reloads on SIGHUP and when a file changes.
func (h *Hub) watch(ctx context.Context) {
	if h.opts.Load == nil {
		return
	}
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	for ctx.Err() == nil {
		// What the last load read, and not what is in force: files that were
		// found faulty are read again when they change, and no sooner.
		from := h.config.Load().Sources()
		if read := h.read.Load(); read != nil {
			from = *read
		}
		changed := make(chan struct{}, 1)
		round, end := context.WithCancel(ctx)
		go func() {
			err := config.Watch(round, from, func() {
				select {
				case changed <- struct{}{}:
				default:
				}
			})
			if err != nil && round.Err() == nil {
				h.log.Warn("the configuration's files cannot be watched; SIGHUP still reloads", "error", err)
			}
		}()
		select {
		case <-changed:
		case <-hup:
		case <-ctx.Done():
			end()
			return
		}
		h.reloadUnasked(ctx)
		end()
	}
}

// control is the hub as the admin API changes it.
type control struct{ h *Hub }

var (
	_ admin.Config   = control{}
	_ admin.Switches = control{}
)

func (c control) Plugins() []admin.PluginSetting {
	cfg := c.h.config.Load()
	out := make([]admin.PluginSetting, 0, len(cfg.Plugins))
	for id, p := range cfg.Plugins {
		out = append(out, admin.PluginSetting{
			ID: id, Path: p.Path, SHA256: p.SHA256,
			Switch: admin.Switch{Enabled: p.Enabled, Where: cfg.Where("plugins", string(id), "enabled")},
		})
	}
	slices.SortFunc(out, func(a, b admin.PluginSetting) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	return out
}

func (c control) Account(id model.AccountID) (admin.Switch, bool) {
	cfg := c.h.config.Load()
	client, a, ok := cfg.AccountByID(id)
	return admin.Switch{Enabled: a.Enabled, Where: cfg.Where("clients", string(client), "accounts", string(id), "enabled")}, ok
}

func (c control) Effective() (json.RawMessage, error) { return json.Marshal(c.h.config.Load()) }

func (c control) Diff(ctx context.Context) (json.RawMessage, error) {
	_, diff, _, err := c.h.loadNext(ctx)
	if err != nil {
		return nil, err
	}
	return json.Marshal(diff)
}

func (c control) Reload(ctx context.Context) (json.RawMessage, error) {
	diff, err := c.h.Reload(ctx)
	if err != nil {
		return nil, err
	}
	return json.Marshal(diff)
}

func (c control) SwitchPlugin(ctx context.Context, id model.PluginID, on bool) error {
	p, ok := c.h.config.Load().Plugins[id]
	if !ok {
		return model.Errorf(model.NotFound, "switch plugin", "there is no such plugin")
	}
	spec, err := specOf(id, p)
	if err != nil {
		return err
	}
	spec.Disabled = spec.Disabled || !on
	return c.h.plugins.Set(ctx, spec)
}

func (c control) SwitchAccount(ctx context.Context, id model.AccountID, on bool) error {
	acct, ok := c.h.accounts.Account(id)
	if !ok {
		return model.Errorf(model.NotFound, "switch account", "there is no such account")
	}
	if !on {
		c.h.move(id, accounts.Paused, pausedDetail)
		return nil
	}
	c.h.move(id, accounts.Closed, "")
	c.h.openAccount(ctx, acct)
	return nil
}

// checks is what the hub depends on, for the admin API.
func (h *Hub) checks(ctx context.Context) []admin.Check {
	var out []admin.Check
	for _, c := range h.Checks(ctx) {
		out = append(out, admin.Check(c))
	}
	return out
}
