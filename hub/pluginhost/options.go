package pluginhost

import (
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/telemetry"
)

// Options configure a Host.
type Options struct {
	// RunDir holds the private directories and sockets of processes, mode
	// 0700, on a local file system. One host at a time uses it.
	RunDir string
	// Logger gets the host's own lines and, under fixed names, those of
	// connectors. Nil discards them.
	Logger hclog.Logger
	// Callbacks take what connectors ask of the hub. Nil refuses everything.
	Callbacks Callbacks
	// Metrics may be nil.
	Metrics *telemetry.Metrics
	// HubVersion and HubFeatures are told to connectors.
	HubVersion  string
	HubFeatures []string
	// Now is the clock of what is shown and compared with instants of others.
	// Nil is time.Now.
	Now func() time.Time
	// OnChange is called after each change of a connector's state, in order
	// per connector. OnAccount is called for each account that the host opens
	// by itself, after a start. Both must return soon and not call the host.
	OnChange  func(PluginStatus)
	OnAccount func(AccountOpening)
	// Recall returns what an earlier process heard of a connector, which counts
	// until it has described itself to this one; nil: nothing. It must not call
	// the host.
	Recall func(model.PluginID) (Descriptor, bool)
	// ExternalURL is the base URL of the public listener, for accounts whose
	// settings name none.
	ExternalURL func() string
	// Timings are for tests.
	Timings Timings
}
