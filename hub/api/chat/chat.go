package chat

import (
	"context"
	"net/http"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/flow/inbound"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/retention"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/hub/telemetry"
)

// Plugins is the plugin host as this room uses it.
type Plugins interface {
	// Describe returns the descriptor that the connector gave last; false when
	// it never ran.
	Describe(id model.PluginID) (pluginhost.Descriptor, bool)
	// ReceiveSocket hands frames over and returns one result for each. An
	// error means that none was taken.
	ReceiveSocket(ctx context.Context, id model.PluginID, frames []pluginhost.SocketFrame) ([]pluginhost.SocketResult, error)
	// RenderSocket renders one frame for each item; a nil frame is not sent.
	RenderSocket(ctx context.Context, id model.PluginID, account model.AccountID, items []pluginhost.RenderItem) ([][]byte, error)
}

// Inbound makes durable what connectors tell.
type Inbound interface {
	AcceptResults(ctx context.Context, from inbound.Source, items []pluginhost.Item) []inbound.Result
	// KeepContext keeps what is known of the browser for the session that the
	// conversation has, unless s names that session, and returns it.
	KeepContext(ctx context.Context, client *store.Client, conv model.ConversationID, s store.SessionContext) (model.SessionID, error)
}

// Outbound takes receipts of messages to the customer.
type Outbound interface {
	// Report returns once the receipt is durable. model.NotFound means that
	// the account has no such message.
	Report(ctx context.Context, account accounts.Account, receipt pluginhost.StatusReport) error
}

// Journal keeps frames that no connector can take yet, to hand them over later
// and in order. It is safe for concurrent use.
type Journal interface {
	// Keep makes the frame durable and returns true. When away is false, the
	// connector takes frames as far as the caller knows: then Keep does so
	// only while earlier frames still wait, which live ones must not overtake,
	// and otherwise returns false. model.Throttled means that it is full.
	Keep(ctx context.Context, plugin model.PluginID, frame pluginhost.SocketFrame, away bool) (kept bool, err error)
}

// Options for New. Store, Accounts, Plugins, Inbound and Outbound are needed.
type Options struct {
	Store    *store.Store
	Accounts *accounts.Registry
	Plugins  Plugins
	Inbound  Inbound
	Outbound Outbound
	Files    Files              // nil: none are taken or shown
	Journal  Journal            // nil: a frame without a connector is refused for now
	Logger   hclog.Logger       // nil: none
	Metrics  *telemetry.Metrics // nil: none
	// Demo serves the connectors' demo files.
	Demo bool
	// ExternalURL is the base URL of the public listener, whose own pages may
	// open sockets. Nil: unknown.
	ExternalURL func() string
	// RemoteAddress says who is at the other end, behind whatever proxies
	// stand before the hub. Nil: the address of the connection.
	RemoteAddress func(*http.Request) string
	Ends          *retention.Ends  // nil: content ends when it has been undelivered for too long
	Now           func() time.Time // nil: time.Now
	Limits        Limits           // zero fields take their defaults
}

// Chat serves the chat mount. It is safe for concurrent use; Close ends it.
type Chat struct {
	opts    Options
	limits  Limits
	log     hclog.Logger
	sockets registry
	files   fileCache
	uploads uploadGate
}

// New returns a Chat without sockets.
func New(o Options) *Chat {
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Ends == nil {
		o.Ends = retention.NewEnds(&retention.EndsOptions{Now: o.Now})
	}
	if o.ExternalURL == nil {
		o.ExternalURL = func() string { return "" }
	}
	if o.RemoteAddress == nil {
		o.RemoteAddress = func(r *http.Request) string { return r.RemoteAddr }
	}
	c := &Chat{opts: o, limits: o.Limits.withDefaults(), log: o.Logger}
	c.sockets.init(c.limits)
	c.uploads.limits = c.limits
	return c
}

// Routes puts the mount on the public listener.
func (c *Chat) Routes(mux *http.ServeMux) {
	mux.HandleFunc("GET /chat/{account}/socket", c.serveSocket)
	mux.HandleFunc("GET /chat/{account}/demo", c.serveDemo)
	mux.HandleFunc("POST /chat/{account}/upload", c.serveUpload)
	mux.HandleFunc("OPTIONS /chat/{account}/upload", c.preflight)
	mux.HandleFunc("GET /chat/{account}/file/{id}", c.serveSent)
	mux.HandleFunc("OPTIONS /chat/{account}/file/{id}", c.preflight)
	mux.HandleFunc("GET /chat/{account}/{file...}", c.serveFile)
}

// Notify tells the sockets of a conversation that something was committed to
// it. It never blocks.
func (c *Chat) Notify(client model.ClientID, conv model.ConversationID) {
	c.sockets.poke(conversationKey{client, conv})
}

// Erased tells of a conversation that is no more: its sockets are closed, and
// who comes back begins anew. It never blocks.
func (c *Chat) Erased(client model.ClientID, conv model.ConversationID) {
	for _, s := range c.sockets.forget(conversationKey{client, conv}) {
		s.end(closeRestart, "the conversation was erased")
	}
}

// StateChanged tells that accounts or connectors changed: sockets of accounts
// that serve no more are closed, the others look again for what they could not
// render. It never blocks.
func (c *Chat) StateChanged() {
	for _, s := range c.sockets.all() {
		acct, ok := c.opts.Accounts.Account(s.account.ID)
		switch {
		case !ok, !acct.Enabled, acct.Client != s.account.Client, acct.Plugin != s.account.Plugin,
			c.opts.Accounts.Status(acct.ID).State == accounts.Paused:
			s.end(closeLater, "the account is paused")
		default:
			s.poke()
		}
	}
}

// Close closes every socket with a word to come back soon, and returns when
// none is left. What was read before is worked off until ctx ends.
func (c *Chat) Close(ctx context.Context) error {
	done := c.sockets.close()
	for _, s := range c.sockets.all() {
		s.end(closeRestart, "the hub restarts")
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	for _, s := range c.sockets.all() {
		s.kill()
	}
	<-done
	return nil
}
