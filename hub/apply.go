package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/channelhub/channelhub/hub/access"
	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/config"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/hub/telemetry"
)

// openTimeout bounds the opening of one account, which may ask its provider.
const openTimeout = 10 * time.Second

// apply puts a configuration in force at start: clients and accounts, tokens,
// connectors. A connector that does not start is a state; a wrong or missing
// binary is an error.
func (h *Hub) apply(ctx context.Context, cfg *config.Config) error {
	set, err := h.setOf(cfg)
	if err != nil {
		return err
	}
	if faults, err := h.removing(ctx, cfg); err != nil || len(faults) > 0 {
		return errors.Join(err, faultsError(faults))
	}
	if err := h.noteKnown(ctx, cfg); err != nil {
		return err
	}
	h.accounts.Replace(set)
	h.loadSecrets(ctx)
	h.tokens.SetBootstrap(bootstrapOf(cfg))
	if err := h.recall(ctx); err != nil {
		return err
	}
	var starting sync.WaitGroup
	var faults []model.Fault
	var mu sync.Mutex
	for id, p := range cfg.Plugins {
		spec, err := h.specInForce(ctx, id, p)
		if err != nil {
			return err
		}
		// Side by side: each start waits for its process.
		starting.Go(func() {
			if err := h.plugins.Start(ctx, spec); err != nil {
				mu.Lock()
				faults = append(faults, pluginFaults(cfg, id, err)...)
				mu.Unlock()
			}
		})
	}
	starting.Wait()
	if len(faults) > 0 {
		return startFaults(faults)
	}
	for _, acct := range h.accounts.Accounts("") {
		h.openAccount(ctx, acct)
	}
	return nil
}

// startFaults is one error of all that keeps connectors from being started, a
// line each.
func startFaults(faults []model.Fault) error {
	slices.SortFunc(faults, func(a, b model.Fault) int { return strings.Compare(a.Field, b.Field) })
	lines := make([]string, len(faults))
	for i, f := range faults {
		lines[i] = f.Field + ": " + f.Detail
	}
	return errors.New(strings.Join(lines, "\n"))
}

// openAccount tells the connector of an account, and notes how that went.
func (h *Hub) openAccount(ctx context.Context, acct accounts.Account) {
	if !acct.Enabled {
		h.unread.Delete(acct.ID)
		h.move(acct.ID, accounts.Disabled, "disabled in configuration")
		return
	}
	pause, paused := h.pauseOf(ctx, acct.ID)
	if _, ok := h.config.Load().Plugins[acct.Plugin]; !ok {
		h.move(acct.ID, accounts.PluginAway, "the plugin is not configured")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	if paused {
		// Before it opens: what waits in its lanes would leave in between. From
		// here it stays paused, whatever comes of the opening.
		h.move(acct.ID, accounts.Paused, pause)
	}
	// A paused account is open at the connector: it takes what comes in.
	addresses, err := h.plugins.OpenAccount(ctx, acct.Plugin, settingsOf(acct))
	h.opened(ctx, acct, addresses, err)
}

// opened notes how the opening of an account went, and claims its addresses
// at the provider: one address belongs to one account of the fleet. An account
// that is paused stays so: none of these moves leads out of it.
func (h *Hub) opened(ctx context.Context, acct accounts.Account, addresses []string, err error) {
	for i := 0; err == nil && i < len(addresses); i++ {
		err = h.store.ClaimAccountAddress(ctx, acct.Plugin, addresses[i],
			store.AccountAddress{Client: acct.Client, Account: acct.ID},
			func(a store.AccountAddress) bool { _, ok := h.accounts.Account(a.Account); return !ok })
	}
	switch {
	case err == nil:
		h.move(acct.ID, accounts.Open, "")
	case model.Is(err, model.Unavailable):
		h.move(acct.ID, accounts.PluginAway, "the connector is not running")
	default:
		h.log.Warn("an account could not be opened", telemetry.FieldAccount, acct.ID, telemetry.FieldClient, acct.Client, "error", err)
		h.move(acct.ID, accounts.Refused, safeDetail(err))
	}
}

// safeDetail is what may be shown of why an account was refused.
func safeDetail(err error) string {
	if e, ok := errors.AsType[*model.Error](err); ok && e.Detail != "" {
		return e.Detail
	}
	return "the connector refused the account's settings"
}

func (h *Hub) move(id model.AccountID, to accounts.State, detail string) {
	if h.accounts.Move(id, to, detail, time.Now()) {
		acct, _ := h.accounts.Account(id)
		h.log.Info("an account changed its state", telemetry.FieldClient, acct.Client, telemetry.FieldAccount, id, telemetry.FieldState, to)
		h.stateChanged()
	}
}

// pluginChanged follows a connector's state: its accounts wait while it is
// away.
func (h *Hub) pluginChanged(s pluginhost.PluginStatus) {
	if s.State == pluginhost.StateRunning && !h.draining.Load() {
		go h.remember(context.Background(), s.ID) // it may write: the host must not wait
	}
	h.metrics.PluginState(string(s.ID), string(s.State))
	away := !slices.Contains([]pluginhost.State{pluginhost.StateRunning, pluginhost.StateUnhealthy}, s.State)
	for _, acct := range h.accounts.Accounts("") {
		if acct.Plugin == s.ID && acct.Enabled && away {
			h.move(acct.ID, accounts.PluginAway, "the connector is "+string(s.State))
		}
	}
	h.stateChanged()
}

// stateChanged tells those who wait for an account or a connector.
func (h *Hub) stateChanged() {
	if h.wired.Load() {
		h.outbound.StateChanged()
		h.chat.StateChanged()
		h.journal.StateChanged()
		h.teller.Changed()
	}
}

// accountOpened follows the accounts that the host opens by itself after a
// restart of a connector.
func (h *Hub) accountOpened(o pluginhost.AccountOpening) {
	acct, ok := h.accounts.Account(o.AccountID)
	if !ok {
		return
	}
	go func() { // it may write: the host must not wait
		ctx, cancel := context.WithTimeout(context.Background(), openTimeout)
		defer cancel()
		h.opened(ctx, acct, o.ProviderAddresses, o.Err)
	}()
}

// setOf turns configuration into the registry's set. An account whose settings
// did not change keeps its revision.
func (h *Hub) setOf(cfg *config.Config) (accounts.Set, error) {
	set := accounts.Set{Clients: map[model.ClientID]accounts.Client{}, Accounts: map[model.AccountID]accounts.Account{}}
	for id, c := range cfg.Clients {
		set.Clients[id] = accounts.Client{ID: id, Name: c.Name, Delivery: c.Delivery, Retention: retentionOf(cfg.RetentionOf(id))}
		for accountID, a := range c.Accounts {
			settings, err := json.Marshal(orEmpty(a.Config))
			if err != nil {
				return set, fmt.Errorf("encode settings of account %s: %w", accountID, err)
			}
			acct := accounts.Account{
				ID: accountID, Client: id, Plugin: a.Plugin, Enabled: a.Enabled, Config: settings,
				Secrets: secretsOf(a.Secrets), OnUnknownAfter: a.OnUnknownAfter,
				Pace:        model.Pace{PerSecond: a.Pace.PerSecond, Concurrency: a.Pace.Concurrency},
				Attachments: model.AttachmentRules{MaxSize: a.Attachments.MaxSize, Allow: a.Attachments.Allow},
			}
			old, ok := h.accounts.Account(accountID)
			acct.Revision, acct.Kept = old.Revision, old.Kept
			if !ok || !sameSettings(old, acct) {
				acct.Revision = h.revision.Add(1)
			}
			set.Accounts[accountID] = acct
		}
	}
	return set, nil
}

func orEmpty(m map[string]any) map[string]any {
	if m == nil {
		return map[string]any{}
	}
	return m
}

// sameSettings reports whether a connector would see no difference.
func sameSettings(a, b accounts.Account) bool {
	if a.Client != b.Client || a.Plugin != b.Plugin || string(a.Config) != string(b.Config) || len(a.Secrets) != len(b.Secrets) {
		return false
	}
	for name, values := range a.Secrets {
		if !slices.Equal(values, b.Secrets[name]) {
			return false
		}
	}
	return true
}

func secretsOf(in map[string][]config.Secret) accounts.Secrets {
	out := make(accounts.Secrets, len(in))
	for name, values := range in {
		for _, v := range values {
			out[name] = append(out[name], v.Reveal())
		}
	}
	return out
}

func settingsOf(a accounts.Account) pluginhost.AccountSettings {
	return pluginhost.AccountSettings{AccountID: a.ID, Revision: a.Revision, Config: a.Config, Secrets: a.AllSecrets()}
}

func retentionOf(r config.Retention) model.Retention {
	return model.Retention{
		Messages: r.Messages.Std(), Undelivered: r.Undelivered.Std(), DeadLetters: r.DeadLetters.Std(),
		Attachments: r.Attachments.Std(), AttachmentLink: r.AttachmentLink.Std(), SignedURL: r.SignedURL.Std(),
		Dedupe: r.Dedupe.Std(), Idempotency: r.Idempotency.Std(), Audit: r.Audit.Std(),
	}
}

func specOf(id model.PluginID, p config.Plugin) (pluginhost.Spec, error) {
	settings, err := json.Marshal(orEmpty(p.Config))
	if err != nil {
		return pluginhost.Spec{}, fmt.Errorf("encode settings of plugin %s: %w", id, err)
	}
	return pluginhost.Spec{
		ID: id, Path: p.Path, SHA256: p.SHA256, Config: settings, Egress: p.Egress,
		Isolation: p.Isolation, Contain: p.Contain, Disabled: !p.Enabled,
	}, nil
}

func bootstrapOf(cfg *config.Config) []access.Bootstrap {
	out := make([]access.Bootstrap, 0, len(cfg.Access.BootstrapTokens))
	for id, t := range cfg.Access.BootstrapTokens {
		out = append(out, access.Bootstrap{ID: id, Role: access.Role(t.Role), Client: t.Client, Secret: t.Token.Reveal()})
	}
	return out
}
