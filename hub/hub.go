package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/channelhub/channelhub/hub/access"
	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/api/admin"
	"github.com/channelhub/channelhub/hub/api/app"
	"github.com/channelhub/channelhub/hub/api/chat"
	"github.com/channelhub/channelhub/hub/api/ingress"
	"github.com/channelhub/channelhub/hub/api/link"
	"github.com/channelhub/channelhub/hub/api/spec"
	"github.com/channelhub/channelhub/hub/audit"
	"github.com/channelhub/channelhub/hub/config"
	"github.com/channelhub/channelhub/hub/erasure"
	"github.com/channelhub/channelhub/hub/flow/inbound"
	"github.com/channelhub/channelhub/hub/flow/journal"
	"github.com/channelhub/channelhub/hub/flow/media"
	"github.com/channelhub/channelhub/hub/flow/outbound"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/removal"
	"github.com/channelhub/channelhub/hub/retention"
	"github.com/channelhub/channelhub/hub/storage/awsconfig"
	"github.com/channelhub/channelhub/hub/storage/blob"
	"github.com/channelhub/channelhub/hub/storage/logsink"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/hub/telemetry"
)

// Options for New.
type Options struct {
	Config  *config.Config
	Version string
	// Load reads the configuration again, for Reload. Nil: it cannot be
	// reloaded.
	Load func(ctx context.Context) (*config.Config, []config.Warning, error)
	// LogTo is where the stderr sink writes. Nil: os.Stderr.
	LogTo io.Writer
	// RecordAWS is told of every call to AWS, before it leaves. It must be
	// safe for concurrent use. Nil: nobody is.
	RecordAWS func(awsconfig.Call)
}

// Hub is one hub process. New opens what it needs, Run serves, Close ends what
// New opened; Run closes by itself.
type Hub struct {
	opts    Options
	version string
	sink    *logsink.Sink
	log     hclog.InterceptLogger
	metrics *telemetry.Metrics
	aws     *awsconfig.AWS // nil while no driver of AWS is in use

	logTrouble logTrouble
	keyCheck   keyCheck
	blobCheck  blobCheck

	storage  *storage
	store    *store.Store
	blobs    *blob.Store
	places   func(model.ClientID) error // removes where a client's files were; nil: not ours to do
	accounts *accounts.Registry
	teller   *accounts.Teller
	quiet    func()   // ends the teller; nil before start
	unread   sync.Map // the accounts whose override could not be read
	tokens   *access.Tokens
	plugins  *pluginhost.Host
	media    *media.Media
	inbound  *inbound.Inbound
	outbound *outbound.Outbound
	journal  *journal.Journal
	ends     *retention.Ends
	sweeper  *retention.Sweeper
	remover  *removal.Remover
	eraser   *erasure.Eraser
	known    known
	app      *app.App
	ingress  *ingress.Ingress
	chat     *chat.Chat
	admin    *admin.Admin
	counts   *audit.Counts
	acts     *audit.Log
	keeper   *audit.Keeper
	spec     *spec.Server
	recalled recalled
	wired    atomic.Bool // the rooms above are there

	config    atomic.Pointer[config.Config]
	read      atomic.Pointer[config.Sources] // by the last reload, in force or not; nil: none yet
	behind    behind
	reloading sync.Mutex
	revision  atomic.Uint64

	publicListener, adminListener *listener
	ready                         chan struct{}
	draining                      atomic.Bool
	ending                        chan struct{} // closed when the hub begins to end
	beginEnd                      func()        // closes it
	ended                         chan struct{} // closed when nothing may run in the background any more
	endLife                       func()        // closes it

	closeOnce sync.Once
	closeErr  error
}

// New opens the listeners and the store and wires the rooms. An error means
// that nothing was left open.
func New(ctx context.Context, opts Options) (_ *Hub, err error) {
	h := &Hub{opts: opts, version: opts.Version, ready: make(chan struct{})}
	h.ending, h.ended = make(chan struct{}), make(chan struct{})
	h.beginEnd, h.endLife = sync.OnceFunc(func() { close(h.ending) }), sync.OnceFunc(func() { close(h.ended) })
	h.config.Store(opts.Config)
	defer func() {
		if err != nil {
			_ = h.Close(context.WithoutCancel(ctx))
		}
	}()
	if err := h.openLog(ctx); err != nil {
		return nil, err
	}
	// Listeners come first: a port in use is found out before anything is
	// written, and callers that come too early wait instead of failing.
	if err := h.openListeners(ctx); err != nil {
		return nil, err
	}
	if h.storage, err = h.openStorage(ctx); err != nil {
		return nil, err
	}
	h.accounts = accounts.NewRegistry()
	h.counts = audit.NewCounts(nil)
	if err := h.openStore(ctx); err != nil {
		return nil, err
	}
	h.openAudit()
	if h.blobs, h.places, err = h.openBlob(ctx); err != nil {
		return nil, err
	}
	h.teller = accounts.NewTeller(accounts.TellerOptions{Registry: h.accounts, Store: h.store, Logger: h.log.Named("accounts")})
	h.tokens = access.NewTokens(h.store, nil)
	h.openRetention()
	h.plugins = pluginhost.New(&pluginhost.Options{
		RunDir:      filepath.Join(opts.Config.DataDir, "run"),
		Logger:      h.log.Named("plugins"),
		Callbacks:   callbacks{h},
		Metrics:     h.metrics,
		HubVersion:  opts.Version,
		OnChange:    h.pluginChanged,
		OnAccount:   h.accountOpened,
		Recall:      h.recollect,
		ExternalURL: h.PublicURL,
	})
	if err := h.wire(); err != nil {
		return nil, err
	}
	return h, nil
}

// wire makes the rooms that serve.
func (h *Hub) wire() error {
	if err := h.openMedia(); err != nil {
		return err
	}
	h.outbound = outbound.New(outbound.Options{
		Files: h.media, Store: h.store, Accounts: h.accounts, Connectors: connectors{h.plugins},
		Logger: h.log.Named("outbound"), Metrics: h.metrics, Committed: h.committed,
		Rejected: h.accountRejected,
	})
	h.inbound = inbound.New(inbound.Options{
		Files: h.media, Store: h.store, Accounts: h.accounts, Receipts: h.outbound,
		Logger: h.log.Named("inbound"), Metrics: h.metrics, Committed: h.committed,
	})
	h.app = app.New(app.Options{
		Files: h.media, Store: h.store, Accounts: h.accounts, Inbound: h.inbound, Outbound: h.outbound, Tokens: h.tokens,
		Counts: h.counts, Ends: h.ends, Describe: h.plugins.Describe, Signals: signals{h}, Logger: h.log.Named("app"), Metrics: h.metrics,
	})
	h.journal = h.newJournal()
	h.openRemoval()
	h.openErasure()
	h.ingress = ingress.New(ingress.Options{
		Accounts: h.accounts, Connectors: h.plugins, Inbound: h.inbound, Journal: h.journal.Requests(),
		Configured:  func(id model.PluginID) bool { _, ok := h.config.Load().Plugins[id]; return ok },
		ExternalURL: h.PublicURL, Logger: h.log.Named("ingress"),
	})
	h.chat = chat.New(chat.Options{
		Store: h.store, Accounts: h.accounts, Plugins: h.plugins, Inbound: h.inbound, Outbound: h.outbound,
		Files: h.media, Ends: h.ends, Journal: h.journal.Frames(), Logger: h.log.Named("chat"), Metrics: h.metrics, Demo: h.config.Load().Demo, ExternalURL: h.PublicURL,
	})
	var err error
	if h.spec, err = spec.New(spec.V1(h.version)); err != nil {
		return err
	}
	h.admin, err = admin.New(admin.Options{
		Store: h.store, Accounts: h.accounts, Tokens: h.tokens, Plugins: h.plugins,
		Config: control{h}, Switches: control{h}, Journal: journalFace{h.journal}, Sweeper: h.sweeper, Remover: h.remover, Eraser: h.eraser, KeyCopies: h.keyCopies(), Letters: letters{h}, Checks: h.checks, Metrics: h.metrics, Version: h.version,
	})
	if err != nil {
		return err
	}
	h.wired.Store(true)
	h.route()
	return nil
}

// route hangs the faces on the listeners.
func (h *Hub) route() {
	public, private := http.NewServeMux(), http.NewServeMux()
	h.ingress.Routes(public)
	h.chat.Routes(public)
	link.New(link.Options{Store: h.store, Accounts: h.accounts, Files: h.media, Counts: h.counts, Logger: h.log.Named("link")}).Routes(public)
	h.admin.Routes(private)
	for _, mux := range []*http.ServeMux{public, private} {
		h.app.Routes(mux)
		h.spec.Routes(mux)
		h.probes(mux)
	}
	h.publicListener.handle(h, public, parseProxies(h.config.Load().Listeners.Public.TrustedProxies))
	h.adminListener.handle(h, private, nil)
}

// committed is told of every conversation that changed.
func (h *Hub) committed(client model.ClientID, conv model.ConversationID) {
	if h.wired.Load() {
		h.chat.Notify(client, conv)
	}
}

// Ready is closed once the hub serves.
func (h *Hub) Ready() <-chan struct{} { return h.ready }

// Run serves until ctx ends, then shuts down: ready goes off, callers get 503,
// lanes stop, connectors drain, the store closes. It returns nil after an
// orderly end, also when ctx ended before it served, and the store's fault when
// that ended it.
func (h *Hub) Run(ctx context.Context) error {
	var background sync.WaitGroup
	run, stop := until(context.WithoutCancel(ctx), h.ended)
	defer stop()
	h.publicListener.serve()
	h.adminListener.serve()
	err := h.start(ctx, &background, run)
	switch {
	case ctx.Err() != nil:
		h.log.Info("the hub was told to end before it served", telemetry.FieldError, err)
		err = nil
	case err == nil:
		close(h.ready)
		h.log.Info("the hub serves", "version", h.version, "public", h.PublicURL(), "admin", h.AdminURL())
		select {
		case <-ctx.Done():
		case fault := <-h.storage.failed(run):
			err = fmt.Errorf("the store failed: %w", fault)
			h.log.Error("the store failed; the hub ends so that nothing is acknowledged in vain", "error", fault)
		case err = <-h.publicListener.failed:
		case err = <-h.adminListener.failed:
		}
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	h.shutdown(end, &background)
	return errors.Join(err, h.Close(end))
}

// start brings up what runs in the background.
func (h *Hub) start(ctx context.Context, background *sync.WaitGroup, run context.Context) error {
	if err := h.apply(ctx, h.config.Load()); err != nil {
		return err
	}
	h.metrics.ConfigLoaded(true, time.Now())
	if err := h.outbound.Start(ctx); err != nil {
		return fmt.Errorf("resume deliveries: %w", err)
	}
	if err := h.journal.Start(ctx); err != nil {
		return fmt.Errorf("find the journal: %w", err)
	}
	background.Go(func() { h.journal.Run(run) })
	background.Go(func() { h.media.Run(run) })
	background.Go(func() { inbound.NewCloser(h.inbound, nil).Run(run) })
	background.Go(func() { h.app.Run(run) })
	background.Go(func() { h.sweeper.Run(run) })
	background.Go(func() { h.remover.Run(run) })
	background.Go(func() { h.eraser.Run(run) })
	background.Go(func() { h.keeper.Run(run) })
	background.Go(func() { h.watchAccounts(run) })
	background.Go(func() { h.watchUnread(run) })
	background.Go(func() { h.watch(run) })
	// That connectors end with the hub is no news of their accounts.
	telling, quiet := context.WithCancel(run)
	h.quiet = quiet
	background.Go(func() { h.teller.Run(telling) })
	return nil
}

const (
	// shutdownTimeout keeps the whole end within the promised 40 s.
	shutdownTimeout = 38 * time.Second
	drainTimeout    = 25 * time.Second
)

func (h *Hub) shutdown(ctx context.Context, background *sync.WaitGroup) {
	h.draining.Store(true)
	h.beginEnd()
	if h.quiet != nil {
		h.quiet()
	}
	h.app.End()
	drain, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()
	if err := h.chat.Close(drain); err != nil {
		h.log.Warn("sockets did not close in time", "error", err)
	}
	h.publicListener.shutdown(drain)
	h.adminListener.shutdown(drain)
	if err := h.outbound.Close(drain); err != nil {
		h.log.Warn("deliveries did not end in time", "error", err)
	}
	if err := h.plugins.Close(drain); err != nil {
		h.log.Warn("connectors did not end in time", "error", err)
	}
	h.endLife()
	background.Wait()
	h.awaitReload()
}

// awaitReload waits for a reload that a caller asked for: it uses the store.
func (h *Hub) awaitReload() {
	h.reloading.Lock()
	defer h.reloading.Unlock()
}

// Close ends what New opened. It is safe after a failed New and safe twice.
func (h *Hub) Close(ctx context.Context) error {
	h.closeOnce.Do(func() {
		h.beginEnd()
		h.endLife()
		h.publicListener.close()
		h.adminListener.close()
		if h.blobs != nil {
			h.closeErr = h.blobs.Close()
		}
		if h.storage != nil {
			h.closeErr = errors.Join(h.closeErr, h.storage.close())
		}
		if h.sink != nil {
			h.closeErr = errors.Join(h.closeErr, h.sink.Close(ctx))
		}
	})
	return h.closeErr
}
