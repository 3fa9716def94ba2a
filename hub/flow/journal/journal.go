// Package journal keeps what comes in while its connector is away, and hands
// it over in order once the connector is back: providers' requests that the
// hub could verify by itself, and browsers' frames. A route, which is one
// account of a connector, stays in journal mode until everything that it holds
// is in the feed, so that live traffic never overtakes what came before it.
package journal

import (
	"context"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/flow/inbound"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/hub/telemetry"
)

const (
	// defaultKeep is how long an entry waits for its connector.
	defaultKeep = 72 * time.Hour
	// roundEvery is how often the routes are looked at without a reason: a
	// poke that got lost costs this much.
	roundEvery = time.Second
	sweepEvery = time.Minute
)

// defaultLimit bounds one route.
var defaultLimit = store.JournalCount{Entries: 10_000, Bytes: 64 << 20}

// Connectors is the plugin host as this room uses it.
type Connectors interface {
	ReceiveHTTP(ctx context.Context, id model.PluginID, requests []pluginhost.HTTPRequest) ([]pluginhost.HTTPResult, error)
	ReceiveSocket(ctx context.Context, id model.PluginID, frames []pluginhost.SocketFrame) ([]pluginhost.SocketResult, error)
}

// Options for New. Store, Connectors, Ready, Commit and Accept are needed.
type Options struct {
	Store      *store.Store
	Connectors Connectors
	// Ready reports whether the connector takes calls for the account.
	Ready func(plugin model.PluginID, account model.AccountID) bool
	// Commit makes durable what a connector made of a request. An error means
	// that it is worth a repeat.
	Commit func(ctx context.Context, plugin model.PluginID, account model.AccountID, received time.Time, res pluginhost.HTTPResult) (pluginhost.HTTPReply, error)
	// Accept makes items durable, as inbound.Inbound does.
	Accept  func(ctx context.Context, from inbound.Source, items []pluginhost.Item) []error
	Logger  hclog.Logger       // nil: none
	Metrics *telemetry.Metrics // nil: none
	Now     func() time.Time   // nil: time.Now
	// Accounts says whose entries are that leave dead letters.
	Accounts *accounts.Registry
	Limit    store.JournalCount // of one route; zero: 10,000 entries and 64 MiB
	Keep     time.Duration      // how long an entry waits; zero: 72 h
	// Pause is the first wait after a failed attempt; each next one is three
	// times as long. Zero: 1 s.
	Pause time.Duration
}

// Journal holds all routes of this process. It is safe for concurrent use
// once Start has returned; Run works the routes off until its context ends.
type Journal struct {
	Options
	journals *store.Journals
	pokes    chan struct{}

	mu     sync.Mutex
	routes map[store.JournalRoute]*route
}

// route is the state of a route that does not outlive the process.
type route struct {
	log *store.Journal
	// busy is held by whoever takes entries off.
	busy chan struct{}
	// alone is how many entries are handed over one by one, after a call with
	// several failed. It belongs to the holder of busy.
	alone int

	mu    sync.Mutex
	until time.Time // no attempt before this, after one that failed
}

// New returns a Journal that keeps nothing yet.
func New(o Options) *Journal {
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Limit == (store.JournalCount{}) {
		o.Limit = defaultLimit
	}
	if o.Keep <= 0 {
		o.Keep = defaultKeep
	}
	if o.Pause <= 0 {
		o.Pause = time.Second
	}
	return &Journal{Options: o, pokes: make(chan struct{}, 1), routes: map[store.JournalRoute]*route{}}
}

// Start finds what earlier processes kept. It is called once, before anything
// is taken in: what waits comes before what arrives.
func (j *Journal) Start(ctx context.Context) error {
	all, err := j.Store.OpenJournals(ctx)
	if err != nil {
		return err
	}
	j.mu.Lock()
	j.journals = all
	j.mu.Unlock()
	for _, log := range all.All() {
		j.route(log)
		// A crash may have come between the two.
		if err := log.Trim(ctx); err != nil {
			return err
		}
		j.measure(log.Route.Plugin)
	}
	return nil
}

// Run hands over what waits, whenever it can be, and ends what waited too
// long. It returns when the context has ended and nothing is under way.
func (j *Journal) Run(ctx context.Context) {
	var work sync.WaitGroup
	defer work.Wait()
	tick, sweep := time.NewTicker(roundEvery), time.NewTicker(sweepEvery)
	defer tick.Stop()
	defer sweep.Stop()
	for {
		j.round(ctx, &work)
		select {
		case <-ctx.Done():
			return
		case <-j.pokes:
		case <-tick.C:
		case <-sweep.C:
			if err := j.Sweep(ctx); err != nil && ctx.Err() == nil {
				j.Logger.Warn("what waited too long could not be removed yet", telemetry.FieldError, err)
			}
		}
	}
}

// StateChanged tells that connectors or accounts changed. It never blocks.
func (j *Journal) StateChanged() {
	for _, r := range j.all() {
		r.pause(time.Time{})
	}
	j.poke()
}

func (j *Journal) poke() {
	select {
	case j.pokes <- struct{}{}:
	default:
	}
}

// active reports whether anything of the route waits or is being kept.
func (j *Journal) active(id store.JournalRoute) bool {
	j.mu.Lock()
	r := j.routes[id]
	j.mu.Unlock()
	return r != nil && r.log.Waiting().Entries > 0
}

// route returns the state of a log's route.
func (j *Journal) route(log *store.Journal) *route {
	j.mu.Lock()
	defer j.mu.Unlock()
	r := j.routes[log.Route]
	if r != nil && r.log == log {
		return r
	}
	// A log that was dropped meanwhile must not come back.
	if in, ok := j.journals.Find(log.Route); r == nil || ok && in == log {
		r = &route{log: log, busy: make(chan struct{}, 1)}
		if ok && in == log {
			j.routes[log.Route] = r
		}
	}
	return r
}

// all returns the routes by connector and account.
func (j *Journal) all() []*route {
	j.mu.Lock()
	journals := j.journals
	j.mu.Unlock()
	if journals == nil {
		return nil
	}
	var out []*route
	for _, log := range journals.All() {
		out = append(out, j.route(log))
	}
	return out
}

func (r *route) pause(until time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.until = until
}

func (r *route) paused(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return now.Before(r.until)
}

// measure tells how much waits for a connector.
func (j *Journal) measure(plugin model.PluginID) {
	var entries int
	var bytes int64
	for _, r := range j.all() {
		if r.log.Route.Plugin == plugin {
			w := r.log.Waiting()
			entries, bytes = entries+w.Entries, bytes+w.Bytes
		}
	}
	j.Metrics.Journal(string(plugin), entries, bytes)
}
