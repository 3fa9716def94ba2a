package admin

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"

	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/api/web"
	"github.com/channelhub/channelhub/hub/audit"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/store"
)

// Client is a client as configured.
type Client struct {
	ID        model.ClientID    `json:"id" doc:"The client's id."`
	Name      string            `json:"name" doc:"Its name, for people."`
	Delivery  string            `json:"delivery" doc:"The delivery of record: feed or webhook."`
	Retention map[string]string `json:"retention" doc:"How long each class of its data lives."`
	Accounts  []model.AccountID `json:"accounts" doc:"Its accounts."`
}

// Account is a client's identity on a channel, as configured, and how it fares.
type Account struct {
	ID             model.AccountID  `json:"id" doc:"The account's id."`
	ClientID       model.ClientID   `json:"client_id" doc:"The client that holds it."`
	Plugin         model.PluginID   `json:"plugin" doc:"The connector that speaks for it."`
	State          string           `json:"state" doc:"closed, open, degraded, paused, disabled, plugin_away, refused, bad_credentials, blocked or unreachable."`
	Detail         string           `json:"detail,omitempty" doc:"Why."`
	Since          *model.Time      `json:"since,omitempty" doc:"When it came into this state."`
	Enabled        bool             `json:"enabled" doc:"Configuration has it switched on, and nobody has paused it."`
	Configured     ConfiguredSwitch `json:"configured" doc:"What configuration says."`
	Override       *OverrideView    `json:"override,omitempty" doc:"Who paused it; absent when nobody did."`
	Revision       uint64           `json:"revision" doc:"Grows with every change of its settings."`
	Config         json.RawMessage  `json:"config" doc:"Its settings, without the secrets."`
	Secrets        []string         `json:"secrets" doc:"The names of its secrets."`
	OnUnknownAfter string           `json:"on_unknown_after" doc:"What becomes of a delivery whose outcome stays unknown: fail or retry."`
	Pace           Pace             `json:"pace" doc:"How fast the hub sends for it."`
}

// Pace is how fast the hub sends for an account; 0 leaves it to the connector.
type Pace struct {
	PerSecond   float64 `json:"per_second" doc:"Sends a second."`
	Concurrency int     `json:"concurrency" doc:"Sends at the same time."`
}

// AccountCheck is what a look at an account found.
type AccountCheck struct {
	ID     model.AccountID `json:"id" doc:"The account's id."`
	OK     bool            `json:"ok" doc:"Nothing was found wrong."`
	Faults []model.Fault   `json:"faults" doc:"What the connector finds wrong with the settings."`
	Health string          `json:"health" doc:"What the provider says: ok, degraded, bad_credentials, blocked, unreachable; not_supported when the connector cannot ask."`
	Detail string          `json:"detail,omitempty" doc:"Of the health, for people."`
}

func (a *Admin) clientView(c accounts.Client) Client {
	v := Client{
		ID: c.ID, Name: c.Name, Delivery: c.Delivery, Accounts: []model.AccountID{},
		Retention: policyOf(c.Retention),
	}
	for _, acct := range a.Accounts.Accounts(c.ID) {
		v.Accounts = append(v.Accounts, acct.ID)
	}
	return v
}

func (a *Admin) listClients(w http.ResponseWriter, r *http.Request) {
	var all []Client
	for _, c := range a.Accounts.Clients() {
		all = append(all, a.clientView(c))
	}
	list, err := pageOf(r, all, func(c Client) string { return string(c.ID) })
	answer(w, r, list, err)
}

func (a *Admin) getClient(w http.ResponseWriter, r *http.Request) {
	c, ok := a.Accounts.Client(model.ClientID(r.PathValue("id")))
	if !ok {
		web.Fail(w, r, errNoClient)
		return
	}
	web.JSON(w, r, http.StatusOK, a.clientView(c))
}

// account finds an account with its switch.
func (a *Admin) account(r *http.Request, id model.AccountID) (accounts.Account, overridden, error) {
	acct, ok := a.Accounts.Account(id)
	file, configured := a.Config.Account(id)
	if !ok || !configured {
		return accounts.Account{}, overridden{}, model.Errorf(model.NotFound, "find account", "There is no such account.")
	}
	o, err := a.overridden(r, store.AccountOff, string(id), file)
	return acct, o, err
}

func (a *Admin) accountView(acct accounts.Account, o overridden) Account {
	s := a.Accounts.Status(acct.ID)
	return Account{
		ID: acct.ID, ClientID: acct.Client, Plugin: acct.Plugin,
		State: string(s.State), Detail: s.Detail, Since: timeOf(s.Since),
		Enabled: o.enabled(), Configured: o.configured(), Override: o.view(),
		Revision: acct.Revision, Config: acct.Config, Secrets: namesOf(acct.Secrets),
		OnUnknownAfter: acct.OnUnknownAfter, Pace: Pace(acct.Pace),
	}
}

func namesOf(secrets accounts.Secrets) []string {
	names := slices.AppendSeq([]string{}, maps.Keys(secrets))
	slices.Sort(names)
	return names
}

func (a *Admin) listAccounts(w http.ResponseWriter, r *http.Request) {
	only, err := a.onlyClient(r)
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	var all []Account
	for _, acct := range a.Accounts.Accounts(only) {
		acct, o, err := a.account(r, acct.ID)
		if model.Is(err, model.NotFound) {
			continue // a reload took it between the two looks
		}
		if err != nil {
			web.Fail(w, r, err)
			return
		}
		all = append(all, a.accountView(acct, o))
	}
	list, err := pageOf(r, all, func(v Account) string { return string(v.ID) })
	answer(w, r, list, err)
}

func (a *Admin) getAccount(w http.ResponseWriter, r *http.Request) {
	a.showAccount(w, r, model.AccountID(r.PathValue("id")))
}

func (a *Admin) showAccount(w http.ResponseWriter, r *http.Request, id model.AccountID) {
	acct, o, err := a.account(r, id)
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	w.Header().Set("ETag", o.etag())
	web.JSON(w, r, http.StatusOK, a.accountView(acct, o))
}

// switchAccount pauses or resumes an account.
func (a *Admin) switchAccount(on bool, action audit.Action) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id := model.AccountID(r.PathValue("id"))
		err := web.ReadNothing(w, r)
		if err == nil {
			var o overridden
			if _, o, err = a.account(r, id); err == nil {
				err = a.change(r, o, on, action)
			}
		}
		if err == nil {
			err = a.Switches.SwitchAccount(r.Context(), id, on)
		}
		if err != nil {
			web.Fail(w, r, err)
			return
		}
		a.showAccount(w, r, id)
	}
}

// checkAccount asks the connector to judge the settings, and the provider
// whether the account works. It changes nothing.
func (a *Admin) checkAccount(w http.ResponseWriter, r *http.Request) {
	if err := web.ReadNothing(w, r); err != nil {
		web.Fail(w, r, err)
		return
	}
	acct, _, err := a.account(r, model.AccountID(r.PathValue("id")))
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	faults, err := a.Plugins.ValidateAccount(r.Context(), acct.Plugin, pluginhost.AccountSettings{
		AccountID: acct.ID, Revision: acct.Revision, Config: acct.Config, Secrets: acct.AllSecrets(),
	})
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	v := AccountCheck{ID: acct.ID, Faults: faults}
	if v.Faults == nil {
		v.Faults = []model.Fault{}
	}
	health, err := a.Plugins.CheckHealth(r.Context(), acct.Plugin, acct.ID)
	switch {
	case err == nil:
		v.Health, v.Detail = string(health.State), health.Detail
	case model.Is(err, model.Precondition):
		v.Health = "not_supported"
	default:
		v.Health = string(pluginhost.HealthUnreachable)
		if e, ok := errors.AsType[*model.Error](err); ok {
			v.Detail = e.Detail
		}
	}
	v.OK = len(v.Faults) == 0 && (v.Health == string(pluginhost.HealthOK) || v.Health == "not_supported")
	web.JSON(w, r, http.StatusOK, v)
}
