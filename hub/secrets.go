package hub

import (
	"context"
	"maps"

	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/telemetry"
)

// loadSecrets gives every account what its connector put as secrets. One that
// cannot be read now is left without: its connector sees to a new one, as at
// the first time.
func (h *Hub) loadSecrets(ctx context.Context) {
	for _, acct := range h.accounts.Accounts("") {
		kept, err := h.keptSecrets(ctx, acct)
		if err != nil {
			h.log.Warn("an account's kept secrets could not be read", telemetry.FieldAccount, acct.ID, telemetry.FieldError, err)
			continue
		}
		if len(kept) == 0 && len(acct.Kept) == 0 {
			continue
		}
		// They are part of the revision under which the connector put them.
		h.accounts.Keep(acct.ID, acct.Revision, kept, acct.Revision)
	}
}

func (h *Hub) keptSecrets(ctx context.Context, acct accounts.Account) (accounts.Secrets, error) {
	client, err := h.store.Client(ctx, acct.Client)
	if err != nil {
		return nil, err
	}
	all, err := client.Secrets(ctx, acct.ID)
	if err != nil {
		return nil, err
	}
	out := make(accounts.Secrets, len(all))
	for name, value := range all {
		out[name] = []string{value}
	}
	return out, nil
}

// PutSecret keeps a secret beside those of the configuration, which no
// connector can change, and opens the account anew with it.
func (c callbacks) PutSecret(ctx context.Context, plugin model.PluginID, account model.AccountID, name, value string, expected uint64) error {
	const op = "keep secret"
	client, acct, err := c.rows(ctx, plugin, account)
	if err != nil {
		return err
	}
	if _, ok := acct.Secrets[name]; ok {
		return model.Errorf(model.Precondition, op, "this secret stands in configuration, which connectors cannot change")
	}
	changed := model.Errorf(model.Conflicting, op, "the account's settings have changed since it was opened")
	if acct.Revision != expected {
		return changed
	}
	kept := accounts.Secrets{name: {value}}
	for n, values := range acct.Kept {
		if n != name {
			kept[n] = values
		}
	}
	// An account that does not open with it would never open again: nobody but
	// its connector could put something else in its place.
	next := acct
	next.Kept = kept
	faults, err := c.h.plugins.ValidateAccount(ctx, plugin, settingsOf(next))
	if err != nil && !model.Is(err, model.Unavailable) {
		return err // a connector on its way out is not asked: what it was given counts
	}
	if len(faults) > 0 {
		return &model.Error{Code: model.Invalid, Op: op, Detail: "the account would not open with it: " + faults[0].Field + ": " + faults[0].Detail, Faults: faults}
	}
	if err := client.PutSecret(ctx, acct.ID, name, value); err != nil {
		return err
	}
	acct, ok := c.h.accounts.Keep(acct.ID, expected, maps.Clone(kept), c.h.revision.Add(1))
	if !ok {
		return changed
	}
	// Behind the answer: the connector may be waiting for it.
	go c.h.openAccount(context.WithoutCancel(ctx), acct)
	return nil
}
