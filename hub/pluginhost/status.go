package pluginhost

import (
	"sync/atomic"
	"time"

	"github.com/channelhub/channelhub/hub/model"
)

// State is where a connector stands.
type State string

// The states of a connector.
const (
	StateAbsent      State = "absent"      // the host knows no such plugin
	StateDisabled    State = "disabled"    // known, and kept away
	StateStarting    State = "starting"    // a process is being started
	StateRunning     State = "running"     // takes calls
	StateUnhealthy   State = "unhealthy"   // takes calls, and missed a health check
	StateBackoff     State = "backoff"     // crashed; the next start is at NextStart
	StateQuarantined State = "quarantined" // crashed too often; waits for Release, Restart or Set
	StateDraining    State = "draining"    // finishes what is under way, then ends
)

// PluginStatus is a connector as operators see it.
type PluginStatus struct {
	ID    model.PluginID
	State State
	// Channel and Version are the connector's own words, from its descriptor.
	Channel, Version string
	PID              int
	StartedAt        time.Time // of the process; zero when there is none
	Since            time.Time // of the state
	NextStart        time.Time // with StateBackoff
	Restarts         int       // starts after a crash since the hub started
	// LastFault says why the last process ended or could not start. It is
	// written by the hub alone and safe to show.
	LastFault   string
	LastFaultAt time.Time
	// SHA256 is of the program as it was at the last start.
	SHA256 string
	// ItemsRefused counts what the connector told against the contract,
	// LogLinesDropped what it logged over the rate. Both since the hub started.
	ItemsRefused, LogLinesDropped int64
}

// tally counts over all processes of one connector.
type tally struct{ refused, dropped atomic.Int64 }

// AccountOpening tells how an account fared that the host opened by itself,
// after a start of its connector.
type AccountOpening struct {
	Plugin    model.PluginID
	AccountID model.AccountID
	Revision  uint64
	// ProviderAddresses are the account's addresses at the provider.
	ProviderAddresses []string
	Err               error
}
