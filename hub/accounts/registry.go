package accounts

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/channelhub/channelhub/hub/model"
)

// Client is a client as configured. It is a value; nobody changes the slices
// and maps in it.
type Client struct {
	ID        model.ClientID
	Name      string
	Delivery  string // "feed" or "webhook": the delivery of record
	Retention model.Retention
}

// Account is one identity a client holds on a channel, as configured. It is a
// value; nobody changes the slices and maps in it.
type Account struct {
	ID             model.AccountID
	Client         model.ClientID
	Plugin         model.PluginID
	Enabled        bool
	Revision       uint64  // grows with every change of the settings
	Config         []byte  // a JSON object
	Secrets        Secrets // of the configuration
	Kept           Secrets // put by the connector; AllSecrets has both
	OnUnknownAfter string  // "fail" or "retry"
	Pace           model.Pace
	Attachments    model.AttachmentRules
}

// AllSecrets is what the connector is given: the configured secrets and, under
// names that the configuration does not have, those that it put itself.
func (a Account) AllSecrets() Secrets {
	if len(a.Kept) == 0 {
		return a.Secrets
	}
	all := maps.Clone(a.Kept)
	maps.Copy(all, a.Secrets)
	return all
}

// Secrets are an account's secrets by name. They never print.
type Secrets map[string][]string

// String hides the values.
func (Secrets) String() string { return "[redacted]" }

// GoString hides the values.
func (Secrets) GoString() string { return "[redacted]" }

// MarshalJSON hides the values.
func (Secrets) MarshalJSON() ([]byte, error) { return []byte(`"[redacted]"`), nil }

// Set is one revision of all clients and accounts.
type Set struct {
	Clients  map[model.ClientID]Client
	Accounts map[model.AccountID]Account
}

// Registry holds the set in force and the accounts' states. It is safe for
// concurrent use; reading costs an atomic load.
type Registry struct {
	set atomic.Pointer[Set]

	mu     sync.RWMutex
	states map[model.AccountID]Status
}

// NewRegistry returns an empty registry.
func NewRegistry() *Registry {
	r := &Registry{states: map[model.AccountID]Status{}}
	r.set.Store(&Set{})
	return r
}

// Replace puts a new set in force. Accounts that are new start in Closed;
// states of accounts that are gone are forgotten.
func (r *Registry) Replace(set Set) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.set.Store(&set)
	for id := range r.states {
		if _, ok := set.Accounts[id]; !ok {
			delete(r.states, id)
		}
	}
}

// Keep replaces what the connector of an account put as secrets, if the
// account still has the revision, and gives it another one.
func (r *Registry) Keep(id model.AccountID, revision uint64, kept Secrets, next uint64) (Account, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	set := *r.set.Load()
	acct, ok := set.Accounts[id]
	if !ok || acct.Revision != revision {
		return acct, false
	}
	acct.Kept, acct.Revision = kept, next
	set.Accounts = maps.Clone(set.Accounts)
	set.Accounts[id] = acct
	r.set.Store(&set)
	return acct, true
}

// Client returns a client as configured.
func (r *Registry) Client(id model.ClientID) (Client, bool) {
	c, ok := r.set.Load().Clients[id]
	return c, ok
}

// Account returns an account as configured.
func (r *Registry) Account(id model.AccountID) (Account, bool) {
	a, ok := r.set.Load().Accounts[id]
	return a, ok
}

// AccountOf returns an account if it is the client's: a foreign account is
// answered exactly like a missing one.
func (r *Registry) AccountOf(client model.ClientID, id model.AccountID) (Account, bool) {
	a, ok := r.Account(id)
	if !ok || a.Client != client {
		return Account{}, false
	}
	return a, true
}

// Accounts returns the accounts of a client, or all of them for the empty
// client, by id.
func (r *Registry) Accounts(client model.ClientID) []Account {
	all := r.set.Load().Accounts
	out := make([]Account, 0, len(all))
	for _, id := range slices.Sorted(maps.Keys(all)) {
		if a := all[id]; client == "" || a.Client == client {
			out = append(out, a)
		}
	}
	return out
}

// Clients returns all clients, by id.
func (r *Registry) Clients() []Client {
	all := r.set.Load().Clients
	out := make([]Client, 0, len(all))
	for _, id := range slices.Sorted(maps.Keys(all)) {
		out = append(out, all[id])
	}
	return out
}
