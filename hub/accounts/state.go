package accounts

import (
	"slices"
	"time"

	"github.com/channelhub/channelhub/hub/model"
)

// State says how an account fares, in words that map to what an operator does.
type State string

// The states of an account.
const (
	Closed         State = "closed"          // configured, not opened yet
	Open           State = "open"            // works, as far as anybody knows
	Degraded       State = "degraded"        // works, with a fault that heals by itself
	Paused         State = "paused"          // an operator stopped it
	Disabled       State = "disabled"        // configuration switched it off
	PluginAway     State = "plugin_away"     // its connector is absent, disabled or down
	Refused        State = "refused"         // the connector refused its settings: mend them
	BadCredentials State = "bad_credentials" // somebody must renew the credentials
	Blocked        State = "blocked"         // somebody must speak to the provider
	Unreachable    State = "unreachable"     // the provider cannot be reached
)

// moves is the table of legal state moves. Out of Paused nothing leads but its
// end, which is Closed, and configuration: whoever found out meanwhile how the
// account fares cannot lift what an operator decided.
var moves = map[State][]State{
	Closed:         {Open, Paused, Disabled, PluginAway, Refused},
	Open:           {Closed, Degraded, Paused, Disabled, PluginAway, Refused, BadCredentials, Blocked, Unreachable},
	Degraded:       {Closed, Open, Paused, Disabled, PluginAway, Refused, BadCredentials, Blocked, Unreachable},
	Paused:         {Closed, Disabled},
	Disabled:       {Closed, Open, Paused, PluginAway},
	PluginAway:     {Closed, Open, Paused, Disabled, Refused},
	Refused:        {Closed, Open, Paused, Disabled, PluginAway},
	BadCredentials: {Closed, Open, Degraded, Paused, Disabled, PluginAway, Refused, Blocked, Unreachable},
	Blocked:        {Closed, Open, Degraded, Paused, Disabled, PluginAway, Refused, BadCredentials, Unreachable},
	Unreachable:    {Closed, Open, Degraded, Paused, Disabled, PluginAway, Refused, BadCredentials, Blocked},
}

// Sends reports whether deliveries may be attempted in this state. A provider
// that cannot be reached is found out by trying.
func (s State) Sends() bool { return s == Open || s == Degraded || s == Unreachable }

// Status is a state with its reason. Detail is safe to show.
type Status struct {
	State  State
	Detail string
	Since  time.Time
}

// Status returns the state an account is in.
func (r *Registry) Status(id model.AccountID) Status {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if s, ok := r.states[id]; ok {
		return s
	}
	return Status{State: Closed}
}

// Move puts an account into a state and reports whether that was a change. A
// move that the table does not allow, or for an account that is not
// configured, changes nothing.
func (r *Registry) Move(id model.AccountID, to State, detail string, at time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.set.Load().Accounts[id]; !ok {
		return false
	}
	from, ok := r.states[id]
	if !ok {
		from.State = Closed
	}
	if from.State == to {
		from.Detail = detail
		r.states[id] = from
		return false
	}
	if !slices.Contains(moves[from.State], to) {
		return false
	}
	r.states[id] = Status{State: to, Detail: detail, Since: at}
	return true
}
