// Package ingress takes providers' webhooks: /in/{plugin} and
// /in/{plugin}/{account}. It reads the body once, lets the connector verify and
// translate it, has the events made durable, and only then sends the
// connector's reply (I1). A failure half-way is a 5xx: the provider's repeat is
// harmless.
package ingress

import (
	"context"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/api/web"
	"github.com/channelhub/channelhub/hub/flow/inbound"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/telemetry"
)

const (
	defaultBody = 1 << 20
	// receiveTimeout bounds the connector's part; the provider's own deadline
	// is seldom longer.
	receiveTimeout = 10 * time.Second
)

// Connectors is the plugin host as this room uses it.
type Connectors interface {
	Describe(id model.PluginID) (pluginhost.Descriptor, bool)
	ReceiveHTTP(ctx context.Context, id model.PluginID, requests []pluginhost.HTTPRequest) ([]pluginhost.HTTPResult, error)
}

// Journal keeps requests while their connector is away.
type Journal interface {
	// Active reports whether the route must go through the journal: it holds
	// requests that were not replayed yet, and live traffic must not overtake
	// them.
	Active(plugin model.PluginID, account model.AccountID) bool
	// Keep makes the request durable, or fails with model.Unavailable when the
	// journal is full.
	Keep(ctx context.Context, plugin model.PluginID, account accounts.Account, req pluginhost.HTTPRequest) error
}

// Options for New.
type Options struct {
	Accounts    *accounts.Registry
	Connectors  Connectors
	Inbound     *inbound.Inbound
	Journal     Journal // nil: none, requests are refused while a connector is away
	Configured  func(model.PluginID) bool
	ExternalURL func() string
	Logger      hclog.Logger     // nil: none
	Now         func() time.Time // nil: time.Now
}

// Ingress serves /in. It is safe for concurrent use.
type Ingress struct {
	Options
	refused refusals
}

// New returns an Ingress.
func New(o Options) *Ingress {
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Ingress{Options: o}
}

// Routes registers the webhooks.
func (g *Ingress) Routes(mux *http.ServeMux) {
	mux.HandleFunc("/in/{plugin}", g.serve)
	mux.HandleFunc("/in/{plugin}/{account}", g.serve)
	mux.HandleFunc("/in/{plugin}/{account}/{rest...}", g.serve)
}

var errNoRoute = model.Errorf(model.NotFound, "find route", "There is no such route. Check the plugin and account in the path.")

// place is where a request goes.
type place struct {
	plugin  model.PluginID
	account accounts.Account // zero on app-level routes
	route   pluginhost.Route
	known   bool // the connector has described itself
}

// caller is who sends to this place, as refusals are counted. All places that
// there are not count as one.
func (p place) caller(address string) caller {
	return caller{address: address, plugin: p.plugin, account: p.account.ID}
}

func (g *Ingress) serve(w http.ResponseWriter, r *http.Request) {
	p, err := g.place(r)
	from := p.caller(remoteHost(r))
	if wait := g.refused.blocked(from, g.Now()); wait > 0 {
		web.Fail(w, r, &model.Error{Code: model.Throttled, Detail: "Too many requests from this address to this route were refused.", RetryAfter: wait})
		return
	}
	if err != nil {
		if !model.Is(err, model.Unavailable) { // a paused account is not the caller's fault
			g.refused.note(from, g.Now())
		}
		web.Fail(w, r, err)
		return
	}
	limit := p.route.MaxBody
	if limit <= 0 {
		limit = defaultBody
	}
	body, err := web.ReadBody(w, r, limit)
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	req := g.request(r, p, body)
	reply, err := g.take(r.Context(), p, req)
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	if reply.Status == http.StatusUnauthorized || reply.Status == http.StatusForbidden {
		g.refused.note(from, g.Now())
	}
	write(w, reply)
}

// place finds the route, or why there is none.
func (g *Ingress) place(r *http.Request) (place, error) {
	var p place
	plugin := model.PluginID(r.PathValue("plugin"))
	if !g.Configured(plugin) {
		return p, errNoRoute
	}
	mount := pluginhost.MountInApp
	if id := model.AccountID(r.PathValue("account")); id != "" {
		acct, ok := g.Accounts.Account(id)
		if !ok || acct.Plugin != plugin || !acct.Enabled {
			return p, errNoRoute
		}
		p.plugin, p.account, mount = plugin, acct, pluginhost.MountInAccount
		if g.Accounts.Status(id).State == accounts.Paused {
			return p, &model.Error{Code: model.Unavailable, Op: "find route", Detail: "An operator paused this account. Try again later.", RetryAfter: time.Minute}
		}
	}
	p.plugin = plugin
	d, ok := g.Connectors.Describe(p.plugin)
	if !ok {
		return p, nil // it never ran: the call below says so
	}
	p.known = true
	i := slices.IndexFunc(d.Routes, func(rt pluginhost.Route) bool { return rt.Mount == mount })
	if i < 0 {
		return p, errNoRoute
	}
	p.route = d.Routes[i]
	if methods := methodsOf(p.route); !slices.Contains(methods, r.Method) {
		return p, web.MethodNotAllowed(r.Method, methods)
	}
	return p, nil
}

func methodsOf(rt pluginhost.Route) []string {
	if len(rt.Methods) == 0 {
		return []string{http.MethodPost}
	}
	return rt.Methods
}

func (g *Ingress) request(r *http.Request, p place, body []byte) pluginhost.HTTPRequest {
	req := pluginhost.HTTPRequest{
		AccountID: p.account.ID, Method: r.Method, URL: g.ExternalURL() + r.URL.RequestURI(),
		SubPath: r.PathValue("rest"), Body: body, RemoteAddress: remoteHost(r),
		ReceivedAt: g.Now(), Traceparent: web.Traceparent(r),
	}
	for name, values := range r.Header {
		req.Headers = append(req.Headers, pluginhost.Header{Name: name, Values: values})
	}
	return req
}

// take has the request translated and its items made durable.
func (g *Ingress) take(ctx context.Context, p place, req pluginhost.HTTPRequest) (pluginhost.HTTPReply, error) {
	if g.Journal != nil && g.Journal.Active(p.plugin, p.account.ID) {
		return g.keep(ctx, p, req, nil)
	}
	call, cancel := context.WithTimeout(ctx, receiveTimeout)
	results, err := g.Connectors.ReceiveHTTP(call, p.plugin, []pluginhost.HTTPRequest{req})
	cancel()
	if err != nil {
		return g.keep(ctx, p, req, err)
	}
	if len(results) != 1 {
		return pluginhost.HTTPReply{}, model.Errorf(model.Internal, "take request", "the connector answered %d requests, not one", len(results))
	}
	return g.Commit(ctx, p.plugin, p.account.ID, req.ReceivedAt, results[0])
}

// Commit makes what a connector made of a request durable and returns the
// reply that may then be sent. The journal's replay takes the same way.
func (g *Ingress) Commit(ctx context.Context, plugin model.PluginID, account model.AccountID, received time.Time, res pluginhost.HTTPResult) (pluginhost.HTTPReply, error) {
	errs := g.Inbound.Accept(ctx, inbound.Source{Plugin: plugin, Verified: counting(res.Verified, account), Received: received}, res.Items)
	if err := inbound.Worth(errs); err != nil {
		if !model.CodeOf(err).Temporary() {
			g.Logger.Error("an event could not be committed", "plugin", plugin, telemetry.FieldAccount, account, "error", err)
		}
		return pluginhost.HTTPReply{}, model.Wrap(model.Unavailable, "commit request", err)
	}
	for _, err := range errs {
		if err != nil {
			g.Logger.Warn("a provider's event was refused", "plugin", plugin, telemetry.FieldAccount, account, "error", err)
		}
	}
	return res.Reply, nil
}

// counting returns the accounts whose events count: those that the connector
// verified and, on an account's own route, of them that account alone (I8). It
// is never nil, which would mean every account.
func counting(verified []model.AccountID, account model.AccountID) []model.AccountID {
	out := make([]model.AccountID, 0, len(verified))
	for _, id := range verified {
		if account == "" || id == account {
			out = append(out, id)
		}
	}
	return out
}

// keep puts the request into the journal while the connector is away, if the
// hub can verify it by itself.
func (g *Ingress) keep(ctx context.Context, p place, req pluginhost.HTTPRequest, cause error) (pluginhost.HTTPReply, error) {
	away := &model.Error{Code: model.Unavailable, Op: "take request", Detail: "The connector of this channel is away for the moment.", RetryAfter: 5 * time.Second, Err: cause}
	if g.Journal == nil || !p.known || p.route.Fallback == nil || p.route.Signature == nil {
		return pluginhost.HTTPReply{}, away
	}
	for _, acct := range g.signers(p) {
		switch ok, can := verify(*p.route.Signature, acct, req); {
		case !can:
			return pluginhost.HTTPReply{}, away
		case ok:
			if err := g.Journal.Keep(ctx, p.plugin, acct, req); err != nil {
				return pluginhost.HTTPReply{}, err
			}
			return *p.route.Fallback, nil
		}
	}
	return pluginhost.HTTPReply{Status: http.StatusUnauthorized}, nil
}

// signers are the accounts whose secrets may have signed a request: the one of
// its route, or every one of the connector. Which of its events may count for
// which account the connector judges once more when the request is replayed
// (I8); here it only earns its place in the journal.
func (g *Ingress) signers(p place) []accounts.Account {
	if p.account.ID != "" {
		return []accounts.Account{p.account}
	}
	return slices.DeleteFunc(g.Accounts.Accounts(""), func(a accounts.Account) bool {
		return a.Plugin != p.plugin || !a.Enabled
	})
}

func write(w http.ResponseWriter, reply pluginhost.HTTPReply) {
	for _, h := range reply.Headers {
		for _, v := range h.Values {
			w.Header().Add(h.Name, v)
		}
	}
	if len(reply.Body) > 0 && w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	}
	status := reply.Status
	if status == 0 {
		status = http.StatusOK
	}
	w.WriteHeader(status)
	_, _ = w.Write(reply.Body)
}

func remoteHost(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return strings.TrimSpace(host)
}
