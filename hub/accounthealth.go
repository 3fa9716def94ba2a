package hub

import (
	"context"
	"time"

	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
)

const (
	healthEvery   = 30 * time.Second
	healthTimeout = 10 * time.Second
)

// healthStates says which state an account is in by what its connector found.
var healthStates = map[pluginhost.HealthState]accounts.State{
	pluginhost.HealthOK:             accounts.Open,
	pluginhost.HealthDegraded:       accounts.Degraded,
	pluginhost.HealthBadCredentials: accounts.BadCredentials,
	pluginhost.HealthBlocked:        accounts.Blocked,
	pluginhost.HealthUnreachable:    accounts.Unreachable,
}

// watchAccounts asks the connectors now and then how their accounts fare at
// the provider, where they can tell.
func (h *Hub) watchAccounts(ctx context.Context) {
	tick := time.NewTicker(healthEvery)
	defer tick.Stop()
	for {
		for _, acct := range h.accounts.Accounts("") {
			h.checkAccount(ctx, acct)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// checkAccount asks for one account. What an operator or the connector's
// absence decided stays.
func (h *Hub) checkAccount(ctx context.Context, acct accounts.Account) {
	d, ok := h.plugins.Describe(acct.Plugin)
	if !ok || !d.Can.CheckHealth {
		return
	}
	switch h.accounts.Status(acct.ID).State {
	case accounts.Open, accounts.Degraded, accounts.BadCredentials, accounts.Blocked, accounts.Unreachable:
	case accounts.Closed, accounts.Paused, accounts.Disabled, accounts.PluginAway, accounts.Refused:
		return
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	found, err := h.plugins.CheckHealth(ctx, acct.Plugin, acct.ID)
	if err != nil {
		return // the plugin host has its own word for a connector that fails
	}
	if to, ok := healthStates[found.State]; ok {
		h.move(acct.ID, to, found.Detail)
	}
}

// accountRejected follows a provider that refused an account rather than a
// message. Its other messages wait until the connector finds it well again;
// where the connector cannot tell, each message is tried for itself.
func (h *Hub) accountRejected(id model.AccountID, detail string) {
	acct, ok := h.accounts.Account(id)
	if !ok {
		return
	}
	if d, ok := h.plugins.Describe(acct.Plugin); ok && d.Can.CheckHealth {
		h.move(id, accounts.BadCredentials, detail)
	}
}
