package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/telemetry"
	connectorv1 "github.com/channelhub/channelhub/sdk/proto/channelhub/connector/v1"
)

const (
	// A connector keeps one connection; the second is for the moment in which
	// it replaces a broken one.
	hostConnections = 2
	hostStreams     = 32
)

// hostServer is HostService for one process: what a connector may ask of the
// hub. It listens on a socket in the process's private directory, under keys
// made for the same start, so the connection says who is asking; no call has a
// field for it. What it asks about must be an account that the hub has opened
// on this very process (I8).
type hostServer struct {
	connectorv1.UnimplementedHostServiceServer

	plugin    model.PluginID
	own       func(model.AccountID) bool
	callbacks Callbacks
	refuse    func(refusals)
	log       hclog.Logger
	keys      *keyMaterial
	socket    string
	server    *grpc.Server
	serving   sync.WaitGroup
}

// newHostServer listens and serves until stop.
func newHostServer(p *process, callbacks Callbacks, dir *startDir, now time.Time) (*hostServer, error) {
	keys, err := newKeyMaterial(now)
	if err != nil {
		return nil, fmt.Errorf("make keys: %w", err)
	}
	// The address has no host to resolve, and listening does not block.
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: dir.hostSocket(), Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("listen for the connector: %w", err)
	}
	h := &hostServer{
		plugin: p.plugin, own: p.owns, callbacks: callbacks, refuse: p.refused, log: p.log,
		keys: keys, socket: dir.hostSocket(),
	}
	h.server = grpc.NewServer(
		grpc.Creds(credentials.NewTLS(keys.serverTLS())),
		grpc.MaxRecvMsgSize(maxMessage),
		grpc.MaxSendMsgSize(maxMessage),
		grpc.MaxConcurrentStreams(hostStreams),
		grpc.MaxHeaderListSize(maxMetadata),
		grpc.ConnectionTimeout(5*time.Second),
		grpc.ChainUnaryInterceptor(h.guard),
		grpc.ChainStreamInterceptor(h.guardStream),
	)
	connectorv1.RegisterHostServiceServer(h.server, h)
	h.serving.Go(func() {
		if err := h.server.Serve(limitConnections(listener, hostConnections)); err != nil {
			h.log.Error("the host service of a connector ended", telemetry.FieldPlugin, h.plugin, telemetry.FieldError, err)
		}
	})
	return h, nil
}

// stop ends every connection and call, and waits for the calls.
func (h *hostServer) stop() {
	h.server.Stop()
	h.serving.Wait()
}

// attach is what the connector needs to reach this service.
func (h *hostServer) attach(spec *Spec, features []string) *connectorv1.AttachRequest {
	config := spec.Config
	if len(config) == 0 {
		config = []byte("{}")
	}
	return connectorv1.AttachRequest_builder{
		HostSocket:        new(h.socket),
		ClientCertificate: h.keys.clientCertificate,
		ClientKey:         h.keys.clientKey,
		HostAuthority:     h.keys.hostAuthority,
		HubFeatures:       features,
		PluginConfig:      config,
		Egress:            spec.Egress,
	}.Build()
}

// guard keeps a fault of the hub's own from ending it, and turns errors into
// statuses that say no more than a connector may know.
func (h *hostServer) guard(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (resp any, err error) {
	defer func() {
		if v := recover(); v != nil {
			h.log.Error("a call of a connector panicked in the hub", telemetry.FieldPlugin, h.plugin,
				telemetry.FieldMethod, info.FullMethod, "stack", string(debug.Stack()))
			resp, err = nil, status.Error(codes.Internal, "a fault of the hub")
		}
	}()
	resp, err = handler(ctx, req)
	if err = h.answer(info.FullMethod, err); err != nil {
		return nil, err
	}
	return resp, nil
}

// answer turns an error into the status that the connector gets.
func (h *hostServer) answer(method string, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*model.Error](err); ok {
		if e.Code == model.Internal || e.Code == model.Corrupt {
			h.log.Error("a call of a connector failed in the hub", telemetry.FieldPlugin, h.plugin, telemetry.FieldMethod, method, telemetry.FieldError, err)
		}
		return status.Error(codes.Code(e.Code.GRPCStatus()), e.Detail)
	}
	if _, ok := status.FromError(err); ok {
		return err
	}
	h.log.Error("a call of a connector failed in the hub", telemetry.FieldPlugin, h.plugin, telemetry.FieldMethod, method, telemetry.FieldError, err)
	return status.Error(codes.Internal, "a fault of the hub")
}

// account returns the account a call is about. One that is another connector's
// is answered like one that does not exist.
func (h *hostServer) account(ref *connectorv1.AccountRef) (model.AccountID, error) {
	id := model.AccountID(ref.GetAccountId())
	if !model.ValidConfiguredID(string(id)) || !h.own(id) {
		return "", model.Errorf(model.NotFound, "serve connector", "there is no such account")
	}
	return id, nil
}

// badCall refuses a call that breaks a limit of the contract.
func badCall(format string, args ...any) error {
	return model.Errorf(model.Invalid, "serve connector", format, args...)
}

// PublishEvents passes events on and returns once they are durable.
func (h *hostServer) PublishEvents(ctx context.Context, req *connectorv1.PublishEventsRequest) (*connectorv1.PublishEventsResponse, error) {
	if len(req.GetEvents()) > maxBatch {
		return nil, badCall("at most %d events in one call", maxBatch)
	}
	refused := refusals{}
	results := newResults(len(req.GetEvents()))
	var events []Event
	for i, e := range req.GetEvents() {
		event, why := eventIn(e, h.own)
		if why != reasonNone {
			refused[why]++
		}
		if event == nil {
			results.refuse(i, why)
			continue
		}
		results.passed(i)
		events = append(events, *event)
	}
	h.refuse(refused)
	if len(events) > 0 {
		results.fill(h.callbacks.PublishEvents(ctx, h.plugin, events))
	}
	return connectorv1.PublishEventsResponse_builder{Results: results.out()}.Build(), nil
}

// ReportStatus passes receipts on and returns once they are durable.
func (h *hostServer) ReportStatus(ctx context.Context, req *connectorv1.ReportStatusRequest) (*connectorv1.ReportStatusResponse, error) {
	if len(req.GetReports()) > maxBatch {
		return nil, badCall("at most %d reports in one call", maxBatch)
	}
	refused := refusals{}
	results := newResults(len(req.GetReports()))
	var reports []StatusReport
	for i, r := range req.GetReports() {
		report, why := statusIn(r, h.own)
		if why != reasonNone {
			refused[why]++
			results.refuse(i, why)
			continue
		}
		results.passed(i)
		reports = append(reports, *report)
	}
	h.refuse(refused)
	if len(reports) > 0 {
		results.fill(h.callbacks.ReportStatus(ctx, h.plugin, reports))
	}
	return connectorv1.ReportStatusResponse_builder{Results: results.out()}.Build(), nil
}

// PushSocket sends a frame to a contact's sockets.
func (h *hostServer) PushSocket(ctx context.Context, req *connectorv1.PushSocketRequest) (*connectorv1.PushSocketResponse, error) {
	account, err := h.account(req.GetAccount())
	if err != nil {
		return nil, err
	}
	contact, ok := addressIn(req.GetContact())
	if !ok {
		return nil, badCall("an address has a kind, and a value of at most %d bytes", maxAddress)
	}
	if len(req.GetFrame()) == 0 || len(req.GetFrame()) > maxFrame {
		return nil, badCall("a frame has 1 to %d bytes", maxFrame)
	}
	sockets, err := h.callbacks.PushSocket(ctx, h.plugin, account, contact, req.GetFrame())
	if err != nil {
		return nil, err
	}
	return connectorv1.PushSocketResponse_builder{Sockets: new(int32(min(sockets, 1<<30)))}.Build(), nil
}

// results keeps the answers of a call in the order of its items while some of
// them were answered before the rest was passed on.
type results struct {
	items []ItemResult
	open  []int // places that the next room fills
}

func newResults(n int) *results { return &results{items: make([]ItemResult, n)} }

func (r *results) passed(i int) { r.open = append(r.open, i) }

func (r *results) refuse(i int, why reason) {
	if why == reasonAccount {
		r.items[i] = ItemResult{Code: model.NotFound, Detail: "there is no such account"}
		return
	}
	r.items[i] = ItemResult{Code: model.Invalid, Detail: "breaks the contract: " + string(why)}
}

// fill takes the answers of the items that were passed on. An answer that is
// missing is none: the connector publishes the item again.
func (r *results) fill(answers []ItemResult) {
	for n, i := range r.open {
		r.items[i] = ItemResult{Code: model.Unavailable}
		if n < len(answers) {
			r.items[i] = answers[n]
		}
	}
}

func (r *results) out() []*connectorv1.ItemResult {
	out := make([]*connectorv1.ItemResult, len(r.items))
	for i, item := range r.items {
		out[i] = itemResultOut(item)
	}
	return out
}

// limitedListener closes connections over a number at once.
type limitedListener struct {
	net.Listener
	slots chan struct{}
}

func limitConnections(l net.Listener, n int) net.Listener {
	return &limitedListener{Listener: l, slots: make(chan struct{}, n)}
}

func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case l.slots <- struct{}{}:
			return &limitedConn{Conn: conn, release: sync.OnceFunc(func() { <-l.slots })}, nil
		default:
			_ = conn.Close()
		}
	}
}

type limitedConn struct {
	net.Conn
	release func()
}

func (c *limitedConn) Close() error {
	defer c.release()
	return c.Conn.Close()
}
