package hub

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/channelhub/channelhub/hub/api/web"
	"github.com/channelhub/channelhub/hub/model"
)

const (
	headerTimeout  = 5 * time.Second
	maxHeaderBytes = 16 << 10
	// headerSlack is what net/http adds to the limit that it is given, for what
	// its buffer has read of the request already: that much more passes on a
	// connection that was kept.
	headerSlack = 4 << 10
	idleTimeout = 2 * time.Minute
	// writeTimeout is longer than the longest wait for events. Streams and
	// sockets set deadlines of their own for each write.
	writeTimeout = 90 * time.Second
)

// listener is one of the hub's two addresses. The zero of everything is safe
// to close.
type listener struct {
	net     net.Listener
	server  *http.Server
	failed  chan error
	https   bool
	handler http.Handler
}

func (h *Hub) openListeners(ctx context.Context) (err error) {
	cfg := h.opts.Config.Listeners
	if h.publicListener, err = openListener(ctx, "public", cfg.Public.Address, newCertificate(cfg.Public.TLS, h.log)); err != nil {
		return err
	}
	h.adminListener, err = openListener(ctx, "admin", cfg.Admin.Address, newCertificate(cfg.Admin.TLS, h.log))
	return err
}

func openListener(ctx context.Context, name, address string, cert *certificate) (*listener, error) {
	var lc net.ListenConfig
	n, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("open the %s listener: %w; free the address or change listeners.%s.address", name, err, name)
	}
	l := &listener{net: n, failed: make(chan error, 1)}
	if cert != nil {
		conf, err := cert.serverTLS()
		if err != nil {
			_ = n.Close()
			return nil, fmt.Errorf("open the %s listener: %w", name, err)
		}
		l.net, l.https = tls.NewListener(n, conf), true
	}
	return l, nil
}

// handle sets what the listener serves: nothing before the hub is ready, and
// nothing but health once it drains.
func (l *listener) handle(h *Hub, mux *http.ServeMux, trusted proxies) {
	l.handler = web.Handler(mux, web.Options{Logger: h.log.Named("http"), Metrics: h.metrics, Closed: h.closed, Refused: h.refused, Ending: h.ending})
	l.server = &http.Server{
		Handler:           trusted.believe(l.handler),
		ReadHeaderTimeout: headerTimeout,
		MaxHeaderBytes:    maxHeaderBytes - headerSlack,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		ErrorLog:          h.log.Named("http").StandardLogger(nil),
	}
}

func (l *listener) serve() {
	go func() {
		if err := l.server.Serve(l.net); err != nil && !errors.Is(err, http.ErrServerClosed) {
			l.failed <- fmt.Errorf("serve: %w", err)
		}
	}()
}

func (l *listener) shutdown(ctx context.Context) {
	if l != nil && l.server != nil {
		_ = l.server.Shutdown(ctx)
	}
}

func (l *listener) close() {
	if l == nil {
		return
	}
	if l.server != nil {
		_ = l.server.Close()
	}
	_ = l.net.Close()
}

func (l *listener) url() string {
	scheme := "http"
	if l.https {
		scheme = "https"
	}
	return scheme + "://" + l.net.Addr().String()
}

// PublicURL is the base URL of the public listener as the outside sees it.
func (h *Hub) PublicURL() string {
	if u := h.config.Load().Listeners.Public.ExternalURL; u != "" {
		return strings.TrimRight(u, "/")
	}
	return h.publicListener.url()
}

// BoundURL is the base URL of the public listener as this machine sees it.
func (h *Hub) BoundURL() string { return h.publicListener.url() }

// AdminURL is the base URL of the admin listener.
func (h *Hub) AdminURL() string { return h.adminListener.url() }

// closed is the answer to everything but the probes while the hub does not
// serve.
func (h *Hub) closed(r *http.Request) error {
	if h.serving() || r.URL.Path == "/livez" || r.URL.Path == "/readyz" {
		return nil
	}
	return &model.Error{Code: model.Unavailable, Detail: "The hub is starting or shutting down.", RetryAfter: 2 * time.Second}
}

// serving reports whether requests are taken.
func (h *Hub) serving() bool {
	select {
	case <-h.ready:
		return !h.draining.Load()
	default:
		return false
	}
}
