package hub

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/config"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/hub/telemetry"
)

// swapTimeout bounds the replacement of one connector: the start of the new
// process, its accounts, and the drain of the old one where that comes first.
const swapTimeout = time.Minute

// behind is the connectors that do not run as the configuration in force has
// them, since a reload could not replace them. It is safe for concurrent use.
type behind struct {
	mu      sync.Mutex
	plugins map[model.PluginID]bool
}

func (b *behind) set(id model.PluginID, is bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.plugins == nil {
		b.plugins = map[model.PluginID]bool{}
	}
	delete(b.plugins, id)
	if is {
		b.plugins[id] = true
	}
}

func (b *behind) all() map[model.PluginID]bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.plugins)
}

// among adds them to a sorted list.
func (b *behind) among(ids []model.PluginID) []model.PluginID {
	for id := range b.all() {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// outliving returns a context that goes on when the caller leaves, until the
// hub ends.
func (h *Hub) outliving(ctx context.Context) (context.Context, context.CancelFunc) {
	return until(context.WithoutCancel(ctx), h.ended)
}

// until returns a context that ends with ctx, or once the channel is closed.
func until(ctx context.Context, end <-chan struct{}) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		select {
		case <-end:
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// swap brings what runs to the configuration that is in force now. It returns
// which connectors it could not replace.
func (h *Hub) swap(ctx context.Context, cfg *config.Config, diff *config.Difference, before []accounts.Account) []model.Fault {
	ctx, end := h.outliving(ctx)
	defer end()
	h.loadSecrets(ctx)
	again := h.behind.all()
	var left []model.Fault
	for _, id := range diff.Plugins {
		faults := h.swapPlugin(ctx, cfg, id)
		h.behind.set(id, len(faults) > 0)
		left = append(left, faults...)
	}
	h.swapAccounts(ctx, before, again)
	return left
}

// swapPlugin replaces a connector, which was just seen to start.
func (h *Hub) swapPlugin(ctx context.Context, cfg *config.Config, id model.PluginID) []model.Fault {
	ctx, cancel := context.WithTimeout(ctx, swapTimeout)
	defer cancel()
	p, ok := cfg.Plugins[id]
	if !ok {
		if err := h.plugins.Remove(ctx, id); err != nil {
			h.log.Error("a connector was not ended; it goes on", telemetry.FieldPlugin, id, telemetry.FieldError, err)
			return []model.Fault{{Field: fmt.Sprintf("plugins.%s", id), Detail: "it has left the configuration, but its process goes on"}}
		}
		return nil
	}
	spec, err := h.specInForce(ctx, id, p)
	if err == nil {
		err = h.plugins.Set(ctx, spec)
	}
	if err != nil {
		h.log.Error("a connector was not replaced; the old one goes on", telemetry.FieldPlugin, id, telemetry.FieldError, err)
		return pluginFaults(cfg, id, err)
	}
	return nil
}

// swapAccounts closes the accounts that are gone and opens those that are new
// or have other settings, and those whose connectors were behind: one that is
// new by now knows of none.
func (h *Hub) swapAccounts(ctx context.Context, before []accounts.Account, behind map[model.PluginID]bool) {
	old := map[model.AccountID]accounts.Account{}
	for _, a := range before {
		old[a.ID] = a
	}
	for _, a := range h.accounts.Accounts("") {
		was, ok := old[a.ID]
		delete(old, a.ID)
		if ok && was.Plugin != a.Plugin || ok && was.Enabled && !a.Enabled {
			h.closeAccount(ctx, was)
		}
		if !ok || was.Revision != a.Revision || was.Enabled != a.Enabled || behind[a.Plugin] {
			h.openAccount(ctx, a)
		}
	}
	for _, a := range old {
		h.closeAccount(ctx, a)
	}
}

func (h *Hub) closeAccount(ctx context.Context, a accounts.Account) {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	if err := h.plugins.CloseAccount(ctx, a.Plugin, a.ID); err != nil {
		h.log.Warn("an account was not closed in order", telemetry.FieldAccount, a.ID, telemetry.FieldError, err)
	}
}

// specInForce is what configuration says of a connector, less what an operator
// switched off.
func (h *Hub) specInForce(ctx context.Context, id model.PluginID, p config.Plugin) (pluginhost.Spec, error) {
	spec, err := specOf(id, p)
	if err != nil {
		return spec, err
	}
	_, off, err := h.store.Override(ctx, store.PluginOff, string(id))
	spec.Disabled = spec.Disabled || off
	return spec, err
}
