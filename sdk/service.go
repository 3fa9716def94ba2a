package sdk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"runtime"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/channelhub/channelhub/sdk/internal/rpc"
	connectorv1 "github.com/channelhub/channelhub/sdk/proto/channelhub/connector/v1"
)

// environment is what a service shares with the process it runs in.
type environment struct {
	logger   hclog.Logger
	guard    *rpc.Guard
	redactor *redactor
	// hostLost is called when the connection of Attach is no more.
	hostLost func()
}

// service is the connector's side of the contract.
type service interface {
	connectorv1.ConnectorServiceServer
	// drain finishes what is under way, closes the accounts and the
	// connection to the hub.
	drain(context.Context) error
}

// server is the service of a connector.
type server[C, A any] struct {
	connectorv1.UnimplementedConnectorServiceServer
	*environment
	connector Connector[C, A]
	described *connectorv1.DescribeResponse
	settings  []setting
	gate      rpc.Gate
	crew      rpc.Crew
	accounts  *registry[A]

	mu   sync.Mutex
	link *link // nil before Attach
}

// link is the way back to the hub.
type link struct {
	conn   *grpc.ClientConn
	client connectorv1.HostServiceClient
	config json.RawMessage
	egress []string
	stop   context.CancelFunc
}

// newService implements [Plugin]. A connector that contradicts itself is a
// mistake of its author's that no caller can handle: it panics.
func (c Connector[C, A]) newService(env *environment) service {
	s := &server[C, A]{environment: env, connector: c}
	s.accounts = newRegistry(func(a *account[A]) {
		s.closeAccount(context.Background(), a) // no call is left that it could belong to
	})
	var err error
	if s.settings, err = settingsOf(reflect.TypeFor[C]()); err == nil {
		s.described, err = c.describe(s.settings)
	}
	if err != nil {
		panic(fmt.Errorf("sdk: connector %q: %w", c.Info.Name, err))
	}
	return s
}

var validName = regexp.MustCompile(`^[a-z0-9-]{1,40}$`)

// describe derives the descriptor from what the connector has.
func (c *Connector[C, A]) describe(settings []setting) (*connectorv1.DescribeResponse, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	config, secrets, err := schemas(settings)
	if err != nil {
		return nil, err
	}
	session := connectorv1.SessionMode_SESSION_MODE_NONE
	if c.ExclusiveSession {
		session = connectorv1.SessionMode_SESSION_MODE_EXCLUSIVE
	}
	return connectorv1.DescribeResponse_builder{
		Name:    text(c.Info.Name),
		Version: text(c.Info.Version),
		Summary: text(c.Info.Summary),
		DocsUrl: text(c.Info.DocsURL),
		Capabilities: connectorv1.Capabilities_builder{
			ReceiveHttp:     opt(c.Receive != nil),
			ReceiveSocket:   opt(c.ReceiveFrame != nil),
			Send:            opt(c.Send != nil),
			SendSignal:      opt(c.Signal != nil),
			RenderSocket:    opt(c.Render != nil),
			FetchAttachment: opt(c.Fetch != nil),
			CheckHealth:     opt(c.Probe != nil),
			ValidateAccount: opt(true), // at the least, settings have tags
		}.Build(),
		Limits:         limitsOut(&c.Limits),
		Routes:         routesOut(c.Routes),
		Assets:         assetsOut(c.Assets),
		ConfigSchema:   config,
		SecretsSchema:  secrets,
		Session:        &session,
		IdempotentSend: opt(c.IdempotentSend),
		AddressKinds:   c.AddressKinds,
	}.Build(), nil
}

// check finds claims that no function stands behind.
func (c *Connector[C, A]) check() error {
	switch {
	case !validName.MatchString(c.Info.Name):
		return errors.New("Info.Name must match [a-z0-9-]{1,40}")
	case c.Open == nil:
		return errors.New("function Open is required")
	case c.IdempotentSend && c.Send == nil:
		return errors.New("IdempotentSend without Send")
	}
	for _, route := range c.Routes {
		switch {
		case mountsOut[route.Mount] == 0:
			return fmt.Errorf("route at unknown mount %q", route.Mount)
		case route.Mount == ChatSocket && c.ReceiveFrame == nil:
			return errors.New("route ChatSocket without ReceiveFrame")
		case route.Mount != ChatSocket && c.Receive == nil:
			return fmt.Errorf("route %s without Receive", route.Mount)
		case route.Mount == AppRoute && c.Addresses == nil:
			return errors.New("route AppRoute without Addresses: no account could be found")
		}
	}
	return nil
}

// Describe implements the contract.
func (s *server[C, A]) Describe(context.Context, *connectorv1.DescribeRequest) (*connectorv1.DescribeResponse, error) {
	return s.described, nil
}

// Attach implements the contract.
func (s *server[C, A]) Attach(ctx context.Context, req *connectorv1.AttachRequest) (*connectorv1.AttachResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link != nil {
		return nil, status.Error(codes.FailedPrecondition, "attached already")
	}
	conn, err := rpc.DialHost(ctx, rpc.HostEndpoint{
		Socket:      req.GetHostSocket(),
		Certificate: req.GetClientCertificate(),
		Key:         req.GetClientKey(),
		CA:          req.GetHostAuthority(),
	})
	if err != nil {
		return nil, status.Errorf(codes.Unavailable, "attach: %v", err)
	}
	// The watch outlives this call: it ends with the connection.
	watch, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.link = &link{
		conn:   conn,
		client: connectorv1.NewHostServiceClient(conn),
		config: req.GetPluginConfig(),
		egress: req.GetEgress(),
		stop:   stop,
	}
	go func() {
		rpc.Lost(watch, conn)
		if watch.Err() == nil {
			s.hostLost()
		}
	}()
	return &connectorv1.AttachResponse{}, nil
}

// attached returns the way back to the hub.
func (s *server[C, A]) attached() (*link, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link == nil {
		return nil, status.Error(codes.FailedPrecondition, "not attached")
	}
	return s.link, nil
}

// enter lets a call in; whoever got in calls the function it returns.
func (s *server[C, A]) enter() (leave func(), err error) {
	if _, err := s.attached(); err != nil {
		return nil, err
	}
	if !s.gate.Enter() {
		return nil, status.Error(codes.Unavailable, "draining")
	}
	return s.gate.Leave, nil
}

// use lets a call for an account in. The context carries the call's logger;
// leave gives the account back.
func (s *server[C, A]) use(ctx context.Context, call string, ref *connectorv1.AccountRef) (_ context.Context, a *account[A], leave func(), err error) {
	exit, err := s.enter()
	if err != nil {
		return nil, nil, nil, err
	}
	a, ok := s.accounts.acquire(ref.GetAccountId())
	if !ok {
		exit()
		return nil, nil, nil, status.Error(codes.NotFound, "no such account is open")
	}
	return s.withAccount(ctx, call, a.id), a, func() { s.accounts.release(a); exit() }, nil
}

func (s *server[C, A]) withAccount(ctx context.Context, call, accountID string) context.Context {
	return withLogger(ctx, s.logger.With("call", call, "account_id", accountID))
}

// CollectMetrics implements the contract.
func (s *server[C, A]) CollectMetrics(context.Context, *connectorv1.CollectMetricsRequest) (*connectorv1.CollectMetricsResponse, error) {
	text := fmt.Sprintf(`# TYPE plugin_calls_in_flight gauge
plugin_calls_in_flight %d
# TYPE plugin_accounts_open gauge
plugin_accounts_open %d
# TYPE plugin_panics_total counter
plugin_panics_total %d
# TYPE plugin_goroutines gauge
plugin_goroutines %d
`, s.gate.Calls(), s.accounts.count(), s.guard.Panics(), runtime.NumGoroutine())
	return connectorv1.CollectMetricsResponse_builder{PrometheusText: []byte(text)}.Build(), nil
}

// Drain implements the contract. What is left at the deadline is an error.
func (s *server[C, A]) Drain(ctx context.Context, req *connectorv1.DrainRequest) (*connectorv1.DrainResponse, error) {
	if req.HasDeadline() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, req.GetDeadline().AsDuration())
		defer cancel()
	}
	if err := s.drain(ctx); err != nil {
		return nil, status.Errorf(codes.DeadlineExceeded, "drain: %v", err)
	}
	return &connectorv1.DrainResponse{}, nil
}

func (s *server[C, A]) drain(ctx context.Context) error {
	if err := s.gate.Drain(ctx); err != nil {
		return fmt.Errorf("%d calls are under way: %w", s.gate.Calls(), err)
	}
	if err := s.accounts.retireAll(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link != nil {
		s.link.stop()
		_ = s.link.conn.Close() // nothing is left that could say more
	}
	return nil
}

// closeTime is what Close gets. It is the hub's own limit for closing.
const closeTime = 10 * time.Second

// closeAccount runs the author's Close, once for each account that was opened.
func (s *server[C, A]) closeAccount(ctx context.Context, a *account[A]) {
	if s.connector.Close == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, closeTime)
	defer cancel()
	err := s.guard.Run("Close", func() error {
		return s.connector.Close(a.value, s.withAccount(ctx, "Close", a.id))
	})
	if err != nil {
		s.logger.Warn("close account", "account_id", a.id, "error", s.clean(err))
	}
}

// clean makes the text of an author's error fit to leave the process.
func (s *server[C, A]) clean(err error) string { return s.redactor.text(err.Error(), maxText) }
