// Package app is the API of client applications: /v1. It reads the feed for
// them, takes what they want said, and shows what is still kept of their
// conversations. The hot calls are plain handlers; everything is described in
// package spec.
package app

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/maypok86/otter/v2"

	"github.com/channelhub/channelhub/hub/access"
	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/api/spec"
	"github.com/channelhub/channelhub/hub/api/web"
	"github.com/channelhub/channelhub/hub/audit"
	"github.com/channelhub/channelhub/hub/flow/inbound"
	"github.com/channelhub/channelhub/hub/flow/media"
	"github.com/channelhub/channelhub/hub/flow/outbound"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/retention"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/hub/telemetry"
)

// Signals brings what is not a message to the customer's side.
type Signals interface {
	Signal(ctx context.Context, client model.ClientID, conv store.Conversation, s Signal) error
}

// Signal is a hint from the CSR's side.
type Signal struct {
	Kind   pluginhost.SignalKind
	Author model.Author
	UpTo   model.MessageID // with SignalRead
}

// Options for New.
type Options struct {
	Store    *store.Store
	Accounts *accounts.Registry
	Inbound  *inbound.Inbound
	Outbound *outbound.Outbound
	Tokens   web.Authenticator
	Describe func(model.PluginID) (pluginhost.Descriptor, bool)
	Files    *media.Media       // nil: there are no attachments
	Signals  Signals            // nil: none
	Logger   hclog.Logger       // nil: none
	Metrics  *telemetry.Metrics // nil: none
	Counts   *audit.Counts      // nil: nobody counts who reads what
	Ends     *retention.Ends    // nil: content ends when it has been undelivered for too long
	Now      func() time.Time   // nil: time.Now
	// Patience is how long one write to a stream may take; a slower reader is
	// closed and resumes from its last id. 0: 10 s.
	Patience time.Duration
}

// App serves /v1. It is safe for concurrent use.
type App struct {
	Options
	acks    acks
	readers readers
	audit   *audit.Log
	typing  *otter.Cache[typingKey, time.Time] // of the last typing signal
	ending  chan struct{}
	endOnce sync.Once
}

// New returns an App; Run must be running for acknowledgements to be saved.
func New(o Options) *App {
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Ends == nil {
		o.Ends = retention.NewEnds(&retention.EndsOptions{Now: o.Now})
	}
	if o.Patience <= 0 {
		o.Patience = streamPatience
	}
	return &App{
		Options: o, ending: make(chan struct{}), audit: audit.New(o.Store),
		typing: otter.Must(&otter.Options[typingKey, time.Time]{MaximumSize: typingCache}),
	}
}

// Routes registers the API.
func (a *App) Routes(mux *http.ServeMux) {
	takes := spec.V1("").Queries()
	route := func(pattern string, h http.HandlerFunc) {
		mux.HandleFunc(pattern, web.Require(a.Tokens, web.Query(h, takes[pattern]...), access.Machine))
	}
	// It names the faults of its query with all others.
	mux.HandleFunc("POST /v1/messages", web.Require(a.Tokens, a.postMessage, access.Machine))
	route("GET /v1/messages/{id}", a.getMessage)
	route("POST /v1/messages/{id}/resolve", a.resolveMessage)
	route("POST /v1/attachments", a.postAttachment)
	route("GET /v1/attachments/{id}", a.getAttachment)
	route("GET /v1/events", a.getEvents)
	route("POST /v1/events/ack", a.ackEvents)
	route("GET /v1/conversations", a.listConversations)
	route("GET /v1/conversations/{id}", a.getConversation)
	route("GET /v1/conversations/{id}/messages", a.listMessages)
	route("GET /v1/conversations/{id}/context", a.getSessionContext)
	route("POST /v1/conversations/{id}/typing", a.typingSignal)
	route("POST /v1/conversations/{id}/read", a.readSignal)
	route("POST /v1/conversations/{id}/end", a.endSession)
	route("GET /v1/accounts", a.listAccounts)
	route("GET /v1/accounts/{id}", a.getAccount)
}

// Run saves acknowledgements now and then until ctx ends, and once more then.
func (a *App) Run(ctx context.Context) {
	tick := time.NewTicker(ackEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			a.flush(ctx)
		case <-ctx.Done():
			end, cancel := context.WithTimeout(context.WithoutCancel(ctx), ackEvery)
			a.flush(end)
			cancel()
			return
		}
	}
}

// End ends waiting readers, so that the listener can close.
func (a *App) End() { a.endOnce.Do(func() { close(a.ending) }) }

func (a *App) client(r *http.Request) (*store.Client, access.Principal, error) {
	p := web.PrincipalOf(r.Context())
	c, err := a.Store.Client(r.Context(), p.Client)
	return c, p, err
}

// by is who is calling, for the audit log.
func by(r *http.Request) audit.By {
	p := web.PrincipalOf(r.Context())
	return audit.By{Token: p.Token, Role: string(p.Role), RequestID: web.RequestID(r.Context())}
}

// read counts content that is handed out.
func (a *App) read(p access.Principal, what audit.Action, n int) {
	a.Counts.Access(audit.By{Token: p.Token, Role: string(p.Role)}, what, p.Client, n)
}
