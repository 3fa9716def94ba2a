package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	librunner "github.com/hashicorp/go-plugin/runner"
	"golang.org/x/time/rate"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/telemetry"
	"github.com/channelhub/channelhub/sdk/proto"
	connectorv1 "github.com/channelhub/channelhub/sdk/proto/channelhub/connector/v1"
)

var cookieVariable = proto.Handshake().MagicCookieKey

// process is one run of one connector: started, described, attached, and in
// the end destroyed. It is never started again; the supervisor makes another.
//
// It is safe for concurrent use.
type process struct {
	plugin    model.PluginID
	spec      Spec
	program   program
	startedAt time.Time
	desc      Descriptor

	log     hclog.Logger
	metrics *telemetry.Metrics
	tally   *tally
	timings *Timings

	dir    *startDir
	logs   *logReader
	run    *runner
	client *goplugin.Client
	host   *hostServer
	rpc    connectorv1.ConnectorServiceClient
	pulse  grpc_health_v1.HealthClient

	http    *batcher[HTTPRequest, HTTPResult]
	sockets *batcher[SocketFrame, SocketResult]

	changing   keyLock[model.AccountID] // one change of an account at a time
	complaints *rate.Limiter
	forget     func()        // tells the host that the process is gone
	gone       chan struct{} // closed once it is destroyed
	destroying sync.Once

	mu       sync.Mutex
	accounts map[model.AccountID]*processAccount
	calls    int
	closing  bool
	idle     chan struct{} // closed once closing and without calls
}

// startFault is the error of a process that could not be started.
func startFault(format string, args ...any) *model.Error {
	return model.Errorf(model.Unavailable, "start plugin", format, args...)
}

// launch starts a process and takes it through Describe and Attach. On an
// error, or when the context ends first, nothing is left of it.
func (h *Host) launch(ctx context.Context, spec Spec, prog program, callbacks Callbacks, counts *tally) (_ *process, err error) {
	dir, err := h.run.begin()
	if err != nil {
		return nil, model.Wrap(model.Internal, "start plugin", err)
	}
	p := &process{
		plugin: spec.ID, spec: spec, program: prog, startedAt: h.opts.Now(),
		log: h.log, metrics: h.opts.Metrics, tally: counts, timings: &h.timings, dir: dir,
		logs:       newLogReader(spec.ID, h.log, counts),
		complaints: rate.NewLimiter(1, 5),
		accounts:   make(map[model.AccountID]*processAccount),
		idle:       make(chan struct{}),
		gone:       make(chan struct{}),
	}
	p.run = newRunner(prog.path, dir, p.logs)
	p.forget = func() { h.track(p, false) }
	h.track(p, true)
	ctx, cancel := h.untilClosed(ctx)
	defer cancel()
	p.http = &batcher[HTTPRequest, HTTPResult]{call: p.receiveHTTP, size: httpRequestSize, timeout: p.timings.ReceiveHTTP}
	p.sockets = &batcher[SocketFrame, SocketResult]{call: p.receiveSocket, size: socketFrameSize, timeout: p.timings.ReceiveSocket}
	defer func() {
		if err != nil {
			p.destroy("could not be started")
		}
	}()
	if err := p.connect(ctx); err != nil {
		return nil, err
	}
	if err := p.describe(ctx, &h.opts); err != nil {
		return nil, err
	}
	if p.host, err = newHostServer(p, callbacks, dir, h.opts.Now()); err != nil {
		return nil, model.Wrap(model.Internal, "start plugin", err)
	}
	if err := p.attach(ctx, &h.opts); err != nil {
		return nil, err
	}
	return p, nil
}

// connect starts the program and shakes hands with it. The library does not
// know contexts: when ours ends the process is killed, and the library comes
// back because of that.
func (p *process) connect(ctx context.Context) error {
	p.client = goplugin.NewClient(&goplugin.ClientConfig{
		HandshakeConfig:  proto.Handshake(),
		Plugins:          goplugin.PluginSet{proto.PluginName: stub{}},
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC},
		// Without it, a certificate in a connector's handshake ends the hub.
		AutoMTLS:         true,
		SkipHostEnv:      true,
		StartTimeout:     p.timings.Start,
		UnixSocketConfig: &goplugin.UnixSocketConfig{TempDir: p.dir.path},
		GRPCDialOptions:  dialOptions(p.run),
		// The library quotes what a connector printed; the host says what
		// matters itself.
		Logger: hclog.NewNullLogger(),
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, _ string) (librunner.Runner, error) {
			p.run.inherit(cmd.Env)
			return p.run, nil
		},
	})
	dialed := make(chan error, 1)
	go func() { dialed <- p.dialLibrary() }()
	var err error
	select {
	case err = <-dialed:
	case <-ctx.Done():
		p.run.kill("its start was called off")
		err = errors.Join(ctx.Err(), <-dialed)
	}
	switch fault := p.run.judgement(); {
	case ctx.Err() != nil:
		return startFault("the start took too long or was called off")
	case fault != nil:
		return startFault("%v", fault)
	case err != nil:
		return &model.Error{Code: model.Unavailable, Op: "start plugin", Detail: p.startDetail(), Err: err}
	}
	return nil
}

// startDetail says in the host's own words why the library gave up.
func (p *process) startDetail() string {
	if p.run.started() {
		return fmt.Sprintf("it printed no handshake within %v", p.timings.Start)
	}
	return "the program cannot be run"
}

// dialLibrary runs the library's start. A panic in there is one connector's
// fault, and must not become every connector's.
func (p *process) dialLibrary() (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("plugin library panicked: %v", v)
		}
	}()
	client, err := p.client.Client()
	if err != nil {
		return err
	}
	raw, err := client.Dispense(proto.PluginName)
	if err != nil {
		return err
	}
	conn, ok := raw.(*grpc.ClientConn)
	if !ok {
		return errors.New("plugin library gave no connection")
	}
	p.rpc = connectorv1.NewConnectorServiceClient(conn)
	p.pulse = grpc_health_v1.NewHealthClient(conn)
	return nil
}

func (p *process) describe(ctx context.Context, opts *Options) error {
	ctx, cancel := context.WithTimeout(ctx, p.timings.Describe)
	defer cancel()
	resp, err := p.rpc.Describe(ctx, connectorv1.DescribeRequest_builder{
		HubFeatures: opts.HubFeatures, HubVersion: new(opts.HubVersion),
	}.Build())
	if err != nil {
		return &model.Error{Code: model.Unavailable, Op: "start plugin", Detail: "it did not describe itself: " + codeText(err)}
	}
	p.desc, err = descriptorIn(resp)
	return err
}

func (p *process) attach(ctx context.Context, opts *Options) error {
	ctx, cancel := context.WithTimeout(ctx, p.timings.Attach)
	defer cancel()
	if _, err := p.rpc.Attach(ctx, p.host.attach(&p.spec, opts.HubFeatures)); err != nil {
		return &model.Error{
			Code: model.Unavailable, Op: "start plugin",
			Detail: "it did not attach to the hub: " + codeText(err) + connectorText(err),
		}
	}
	return nil
}

// enter counts a call in; leave must follow. It fails once the process takes
// nothing new.
func (p *process) enter() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closing {
		return model.Errorf(model.Unavailable, "call plugin", "the connector is being stopped")
	}
	p.calls++
	return nil
}

func (p *process) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls--
	if p.closing && p.calls == 0 {
		close(p.idle)
	}
}

// close takes nothing new; idle is closed when nothing is left.
func (p *process) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closing {
		return
	}
	p.closing = true
	if p.calls == 0 {
		close(p.idle)
	}
}

func (p *process) isClosing() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closing
}

// drain lets the process finish what is under way, until the deadline or the
// end of the context, and then ends it.
func (p *process) drain(ctx context.Context, limit time.Duration) {
	p.close()
	drainCtx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		p.askDrain(drainCtx, limit)
	}()
	select {
	case <-p.idle:
	case <-p.run.exited:
	case <-drainCtx.Done():
	}
	select {
	case <-asked:
	case <-p.run.exited:
	}
	cancel()
	<-asked
	// Only one that has drained is worth a polite end.
	p.run.terminate()
	select {
	case <-p.run.exited:
	case <-time.After(p.timings.Terminate):
	}
	p.destroy("stopped by the hub")
}

// askDrain tells the connector to finish. An error is no more than a
// connector that will be ended without having finished.
func (p *process) askDrain(ctx context.Context, limit time.Duration) {
	_, err := p.rpc.Drain(ctx, connectorv1.DrainRequest_builder{Deadline: durationpb.New(limit)}.Build())
	if err != nil {
		p.log.Warn("a connector did not drain", telemetry.FieldPlugin, p.plugin, telemetry.FieldReason, codeText(err))
	}
}

// destroy ends the process and removes what belonged to it. It blocks for a
// moment at most, however the process behaves; it may be called again.
func (p *process) destroy(why string) {
	p.destroying.Do(func() {
		p.close()
		// The process first: the library's own end has no deadline and would
		// wait for a process that is stopped or hangs.
		p.run.kill(why)
		p.awaitGone()
		p.cleanLibrary()
		if p.host != nil {
			p.host.stop()
		}
		p.dir.remove()
		p.forget()
		close(p.gone)
	})
}

// awaitGone waits for the process to be reaped and its output to be read, for
// as long as a killed process can reasonably take.
func (p *process) awaitGone() {
	if !p.run.started() {
		return
	}
	select {
	case <-p.run.output:
	case <-time.After(killPatience):
		p.log.Error("a killed connector does not go away", telemetry.FieldPlugin, p.plugin, "pid", p.run.pid)
	}
}

// killPatience is ample for a kill; a process stuck in the kernel is left.
const killPatience = 5 * time.Second

// cleanLibrary lets the library close its connection and forget the process.
func (p *process) cleanLibrary() {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if v := recover(); v != nil {
				p.log.Error("the plugin library panicked", telemetry.FieldPlugin, p.plugin, telemetry.FieldError, fmt.Sprint(v))
			}
		}()
		p.client.Kill()
	}()
	select {
	case <-done:
	case <-time.After(killPatience):
		p.log.Error("the plugin library does not let go of a connector", telemetry.FieldPlugin, p.plugin)
	}
}

// refused counts and reports what the connector told against the contract.
func (p *process) refused(refused refusals) {
	for why, n := range refused {
		p.tally.refused.Add(int64(n))
		if p.complaints.Allow() {
			p.log.Warn("a connector told something that breaks the contract", telemetry.FieldPlugin, p.plugin, telemetry.FieldReason, string(why), telemetry.FieldCount, n)
		}
	}
}

// stub is the library's view of a connector: it hands out the connection.
type stub struct {
	goplugin.NetRPCUnsupportedPlugin
}

// GRPCServer is never called: this is the host's side.
func (stub) GRPCServer(*goplugin.GRPCBroker, *grpc.Server) error {
	return errors.New("the hub is no plugin")
}

// GRPCClient returns the connection.
func (stub) GRPCClient(_ context.Context, _ *goplugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return conn, nil
}
