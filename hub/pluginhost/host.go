package pluginhost

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/telemetry"
)

// Host runs connectors: it finds, verifies, starts, supervises, attaches and
// drains them, and carries every call to them and from them. It holds nothing
// that lasts: what it is told of plugins and accounts is told again after a
// restart of the hub.
//
// All methods may be called concurrently. Close must be called, and is the
// last call.
type Host struct {
	opts    Options
	timings Timings
	log     hclog.Logger

	opening sync.Mutex
	run     *runDir // once opened

	changing keyLock[model.PluginID] // one change of a plugin at a time

	mu      sync.RWMutex
	plugins map[model.PluginID]*supervisor
	live    map[*process]bool // every process there is, probes too
	closed  bool
	closing chan struct{}
	changes sync.WaitGroup // Start, Set and Probe under way
}

// New returns a host without connectors. It touches nothing until Open, or the
// first connector.
func New(opts *Options) *Host {
	h := &Host{
		plugins: make(map[model.PluginID]*supervisor),
		live:    make(map[*process]bool),
		closing: make(chan struct{}),
	}
	if opts != nil {
		h.opts = *opts
	}
	if h.opts.Logger == nil {
		h.opts.Logger = hclog.NewNullLogger()
	}
	if h.opts.Callbacks == nil {
		h.opts.Callbacks = noCallbacks{}
	}
	if h.opts.Now == nil {
		h.opts.Now = time.Now
	}
	h.timings = h.opts.Timings.withDefaults()
	h.log = h.opts.Logger.ResetNamed("pluginhost")
	return h
}

// Open takes the run directory and ends what an earlier hub left in it. Every
// method that starts a process does it first; a hub calls it at its start, so
// that leftovers of plugins that are configured no more end too.
func (h *Host) Open() error {
	end, err := h.begin()
	if err != nil {
		return err
	}
	defer end()
	return h.open()
}

func (h *Host) open() error {
	h.opening.Lock()
	defer h.opening.Unlock()
	if h.run != nil {
		return nil
	}
	dir, orphans, err := openRunDir(h.opts.RunDir)
	if err != nil {
		return err
	}
	if orphans > 0 {
		h.log.Warn("connectors of an earlier hub were still running and have been ended", telemetry.FieldCount, orphans)
	}
	h.run = dir
	return nil
}

// Status lists the connectors in order of id.
func (h *Host) Status() []PluginStatus {
	h.mu.RLock()
	supervisors := slices.Collect(maps.Values(h.plugins))
	h.mu.RUnlock()
	out := make([]PluginStatus, len(supervisors))
	for i, s := range supervisors {
		out[i] = s.currentStatus()
	}
	slices.SortFunc(out, func(a, b PluginStatus) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return out
}

// StatusOf returns one connector's status; StateAbsent when there is none.
func (h *Host) StatusOf(id model.PluginID) PluginStatus {
	if s := h.supervisor(id); s != nil {
		return s.currentStatus()
	}
	return PluginStatus{ID: id, State: StateAbsent}
}

// Describe returns what a connector says of itself. It keeps the newest
// descriptor while the connector is away, so that the hub can take requests in
// for it, also that of an earlier process; false means that it never ran.
func (h *Host) Describe(id model.PluginID) (Descriptor, bool) {
	s := h.supervisor(id)
	if s == nil {
		return Descriptor{}, false
	}
	return s.descriptor()
}

// Close drains every connector at the same time, within the context and the
// drain's own deadline, and ends their processes. Calls after it get
// model.Unavailable.
func (h *Host) Close(ctx context.Context) error {
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return nil
	}
	h.closed = true
	close(h.closing)
	supervisors := slices.Collect(maps.Values(h.plugins))
	h.mu.Unlock()
	var wg sync.WaitGroup
	for _, s := range supervisors {
		wg.Go(func() { s.stop(ctx) })
	}
	wg.Wait()
	h.mu.Lock()
	clear(h.plugins)
	h.mu.Unlock()
	h.changes.Wait()
	for _, p := range h.processes() {
		p.destroy("the hub is closing")
	}
	h.opening.Lock()
	defer h.opening.Unlock()
	if h.run != nil {
		h.run.close()
	}
	return nil
}

// begin counts a change in, so that Close waits for it; the returned function
// ends it.
func (h *Host) begin() (end func(), err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, errClosed()
	}
	h.changes.Add(1)
	return h.changes.Done, nil
}

// admit checks a spec and makes the host ready to start it.
func (h *Host) admit(spec *Spec) (end func(), err error) {
	if err := spec.check(); err != nil {
		return nil, err
	}
	if end, err = h.begin(); err != nil {
		return nil, err
	}
	if err := h.open(); err != nil {
		end()
		return nil, err
	}
	return end, nil
}

// untilClosed returns a context that also ends when the host is closed.
func (h *Host) untilClosed(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-h.closing:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

func (h *Host) processes() []*process {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return slices.Collect(maps.Keys(h.live))
}

func (h *Host) track(p *process, live bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if live {
		h.live[p] = true
	} else {
		delete(h.live, p)
	}
}

// add makes a supervisor known and lets it run. When the host is closed the
// process is destroyed.
func (h *Host) add(s *supervisor, first *process) error {
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		if first != nil {
			first.destroy("the hub is closing")
		}
		return errClosed()
	}
	h.plugins[s.id] = s
	h.mu.Unlock()
	s.begin(first)
	go s.run()
	return nil
}

func (h *Host) supervisor(id model.PluginID) *supervisor {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.plugins[id]
}

// running returns the process that takes a connector's calls.
func (h *Host) running(id model.PluginID) (*process, error) {
	s := h.supervisor(id)
	if s == nil {
		return nil, errNoPlugin("call plugin")
	}
	if p := s.running(); p != nil {
		return p, nil
	}
	status := s.currentStatus()
	err := model.Errorf(model.Unavailable, "call plugin", "the connector is not running: %s", status.State)
	if status.State == StateBackoff {
		err.RetryAfter = max(status.NextStart.Sub(h.opts.Now()), 0)
	}
	return nil, err
}

func errClosed() error {
	return model.Wrap(model.Unavailable, "use plugin host", errors.New("the host is closed"))
}
