package hub

import (
	"path/filepath"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/config"
	"github.com/channelhub/channelhub/hub/hubtest/storetest"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/store"
)

// TestAnUnreadPauseCounts: where it cannot be read whether an operator paused an
// account, it is paused and says why, until it can be read.
func TestAnUnreadPauseCounts(t *testing.T) {
	for name, test := range map[string]struct {
		paused bool
		then   accounts.Status
	}{
		"not paused": {false, accounts.Status{State: accounts.PluginAway, Detail: "the connector is not running"}},
		"paused":     {true, accounts.Status{State: accounts.Paused, Detail: pausedDetail}},
	} {
		t.Run(name, func(t *testing.T) {
			rows := storetest.Open(t, nil)
			h := &Hub{
				store: rows.Store(), accounts: accounts.NewRegistry(), log: hclog.NewInterceptLogger(&hclog.LoggerOptions{Level: hclog.Off}),
				plugins: pluginhost.New(&pluginhost.Options{RunDir: filepath.Join(t.TempDir(), "run")}),
			}
			h.config.Store(&config.Config{Plugins: map[model.PluginID]config.Plugin{"echo": {}}})
			if err := h.plugins.Start(t.Context(), pluginhost.Spec{ID: "echo", Path: "/nowhere", Disabled: true}); err != nil {
				t.Fatal(err)
			}
			acct := accounts.Account{ID: "acme-echo", Client: "acme", Plugin: "echo", Enabled: true}
			h.accounts.Replace(accounts.Set{
				Clients:  map[model.ClientID]accounts.Client{"acme": {ID: "acme"}},
				Accounts: map[model.AccountID]accounts.Account{"acme-echo": acct},
			})
			if test.paused {
				if err := h.store.SetOverride(t.Context(), store.AccountOff, "acme-echo", store.Act{Actor: "op", Action: "account.pause", Subject: "account/acme-echo"}); err != nil {
					t.Fatal(err)
				}
			}
			is := func(when string, want accounts.Status) {
				t.Helper()
				got := h.accounts.Status("acme-echo")
				if got.State != want.State || got.Detail != want.Detail {
					t.Errorf("%s it is %s: %s", when, got.State, got.Detail)
				}
			}
			held := accounts.Status{State: accounts.Paused, Detail: unreadDetail}

			rows.Flaky.DropGets(1000)
			h.openAccount(t.Context(), acct)
			is("while the table refuses", held)
			h.opened(t.Context(), acct, nil, nil) // the host opened it by itself
			is("opened while the table refuses", held)
			h.readAgain(t.Context())
			is("read again in vain", held)

			rows.Flaky.DropGets(0)
			h.readAgain(t.Context())
			is("once it can be read", test.then)
			h.readAgain(t.Context())
			is("later", test.then)
		})
	}
}
