package pluginhost

import (
	"context"

	"github.com/channelhub/channelhub/hub/model"
)

// OpenAccount opens an account, or replaces it by a newer revision, and
// returns its addresses at the provider. From this call on the host wants the
// account open: it opens it on every later process and reports that to
// OnAccount, also when this call fails or the connector is not running
// (model.Unavailable). CloseAccount ends it.
func (h *Host) OpenAccount(ctx context.Context, plugin model.PluginID, settings AccountSettings) ([]string, error) {
	if !model.ValidConfiguredID(string(settings.AccountID)) {
		return nil, model.Errorf(model.Invalid, "open account", "an account id must match [a-z0-9-]{1,40}")
	}
	s := h.supervisor(plugin)
	if s == nil {
		return nil, errNoPlugin("open account")
	}
	settings = *h.withURL(&settings)
	s.mu.Lock()
	if known, ok := s.accounts[settings.AccountID]; ok && known.Revision > settings.Revision {
		s.mu.Unlock()
		return nil, model.Errorf(model.Conflicting, "open account", "a newer revision of the account is known")
	}
	s.accounts[settings.AccountID] = settings
	s.mu.Unlock()
	p, err := h.running(plugin)
	if err != nil {
		return nil, err
	}
	return p.openAccount(ctx, &settings)
}

// CloseAccount closes an account and forgets it. Closing one that is not open
// is harmless.
func (h *Host) CloseAccount(ctx context.Context, plugin model.PluginID, account model.AccountID) error {
	s := h.supervisor(plugin)
	if s == nil {
		return nil
	}
	s.mu.Lock()
	delete(s.accounts, account)
	p := s.current
	s.mu.Unlock()
	if p == nil {
		return nil
	}
	return p.closeAccount(ctx, account)
}

// ValidateAccount asks a running connector to judge an account's settings
// without opening it. No faults means that they can be opened.
func (h *Host) ValidateAccount(ctx context.Context, plugin model.PluginID, settings AccountSettings) ([]model.Fault, error) {
	p, err := h.running(plugin)
	if err != nil {
		return nil, err
	}
	return p.validate(ctx, h.withURL(&settings))
}

func (h *Host) withURL(s *AccountSettings) *AccountSettings {
	out := *s
	if out.ExternalURL == "" && h.opts.ExternalURL != nil {
		out.ExternalURL = h.opts.ExternalURL()
	}
	return &out
}
