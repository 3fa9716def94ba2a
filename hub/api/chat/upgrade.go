package chat

import (
	"context"
	"net/http"
	"slices"

	"github.com/coder/websocket"

	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/api/web"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
)

// account returns the account of a request with its connector's descriptor.
// One that is unknown, disabled or not on the chat mount is not found; one
// whose connector never ran since the hub started may be there soon.
func (c *Chat) account(r *http.Request) (accounts.Account, pluginhost.Descriptor, error) {
	const op = "find chat account"
	acct, ok := c.opts.Accounts.Account(model.AccountID(r.PathValue("account")))
	if !ok || !acct.Enabled {
		return acct, pluginhost.Descriptor{}, model.Errorf(model.NotFound, op, "There is no such chat.")
	}
	desc, ok := c.opts.Plugins.Describe(acct.Plugin)
	if !ok {
		return acct, desc, model.Errorf(model.Unavailable, op, "The chat is not ready yet.")
	}
	if !slices.ContainsFunc(desc.Routes, func(r pluginhost.Route) bool { return r.Mount == pluginhost.MountChat }) {
		return acct, desc, model.Errorf(model.NotFound, op, "There is no such chat.")
	}
	return acct, desc, nil
}

// serveSocket upgrades the request and serves the socket to its end. What is
// wrong with the browser is said by a close code, which its script can see,
// unlike the status of a refused upgrade.
func (c *Chat) serveSocket(w http.ResponseWriter, r *http.Request) {
	acct, desc, err := c.account(r)
	if err == nil && c.sockets.closing() {
		err = model.Errorf(model.Unavailable, "open socket", "The hub is stopping.")
	}
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	// The library would answer a foreign origin with a status.
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return // it has answered
	}
	life, kill := context.WithCancel(context.WithoutCancel(r.Context()))
	defer kill()
	s := c.newSocket(conn, acct, addressGroup(c.opts.RemoteAddress(r)), kill)
	s.known = &knownOf{ip: hostOf(c.opts.RemoteAddress(r)), userAgent: cut(r.UserAgent(), maxKnown)}
	refused := c.sockets.admit(s)
	defer func() { c.sockets.leave(s, s.visit) }()
	c.opts.Metrics.ChatSockets(1)
	defer c.opts.Metrics.ChatSockets(-1)

	switch {
	case !originAllowed(r.Header.Get("Origin"), acct, c.opts.ExternalURL()):
		s.end(closeOrigin, "this origin is not allowed")
	case refused != 0:
		s.end(refused, "too many connections")
	case c.opts.Accounts.Status(acct.ID).State == accounts.Paused:
		s.end(closeLater, "the account is paused")
	default:
		s.serve(life, desc.Limits)
		return
	}
	<-s.closed
}
