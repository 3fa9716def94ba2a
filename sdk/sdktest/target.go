package sdktest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/channelhub/channelhub/sdk"
	"github.com/channelhub/channelhub/sdk/proto"
	connectorv1 "github.com/channelhub/channelhub/sdk/proto/channelhub/connector/v1"
)

// patience bounds every wait of the suite. It is never reached by a connector
// that works, and says nothing about speed.
const patience = 30 * time.Second

// target is a running connector.
type target struct {
	connectorv1.ConnectorServiceClient
	logs *log
	// process is nil for a connector in memory.
	process *process
}

// log gathers what a connector writes. It is safe for concurrent use.
type log struct {
	mu    sync.Mutex
	text  bytes.Buffer
	grown chan struct{} // closed at the next write; nil when nobody waits
}

// Write implements [io.Writer].
func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.grown != nil {
		close(l.grown)
		l.grown = nil
	}
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// await waits until the log satisfies a condition: what a process writes
// arrives later than its answers.
func (l *log) await(t *testing.T, otherwise string, enough func(string) bool) {
	t.Helper()
	for late := time.After(patience); ; {
		l.mu.Lock()
		text := l.text.String()
		if l.grown == nil {
			l.grown = make(chan struct{})
		}
		grown := l.grown
		l.mu.Unlock()
		if enough(text) {
			return
		}
		select {
		case <-grown:
		case <-late:
			t.Fatalf("%s:\n%.4000s", otherwise, text)
		}
	}
}

// inMemory serves the connector within the test, through real gRPC.
func inMemory(t *testing.T, connector sdk.Plugin) *target {
	t.Helper()
	logs := &log{}
	server := sdk.NewServer(connector, logs)
	listener := bufconn.Listen(64 << 10)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	conn, err := grpc.NewClient("passthrough:memory",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(proto.MaxMessage), grpc.MaxCallSendMsgSize(proto.MaxMessage)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &target{ConnectorServiceClient: connectorv1.NewConnectorServiceClient(conn), logs: logs}
}

// Build builds a command, statically, into a folder of the test's, and returns
// the path of the binary.
func Build(t *testing.T, main string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "connector")
	build(t, main, binary)
	return binary
}

func build(t *testing.T, main, binary string) {
	t.Helper()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, main)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", main, err, out)
	}
}

// asProcess starts a built connector the way the hub does.
func asProcess(t *testing.T, binary string) *target {
	t.Helper()
	dir, err := os.MkdirTemp("", "plugin") // short: see startHub
	if err != nil {
		t.Fatal(err)
	}
	logs := &log{}
	p := &process{logs: logs, exited: make(chan struct{})}
	client := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  proto.Handshake(),
		VersionedPlugins: map[int]plugin.PluginSet{proto.Version: {proto.PluginName: clientSide{}}},
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		AutoMTLS:         true,
		SkipHostEnv:      true,
		UnixSocketConfig: &plugin.UnixSocketConfig{TempDir: dir},
		Logger:           hclog.NewNullLogger(),
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, tmpDir string) (runner.Runner, error) {
			p.cmd = exec.CommandContext(context.WithoutCancel(t.Context()), binary)
			p.cmd.Env = append(cmd.Env, "TMPDIR="+tmpDir, "PLUGIN_UNIX_SOCKET_DIR="+tmpDir)
			return p, nil
		},
		GRPCDialOptions: []grpc.DialOption{
			grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(proto.MaxMessage), grpc.MaxCallSendMsgSize(proto.MaxMessage)),
			// As the hub does: nobody drains what the library would stream.
			grpc.WithStreamInterceptor(refuseLibraryStreams),
		},
	})
	t.Cleanup(func() {
		if p.cmd != nil && p.cmd.Process != nil {
			_ = p.Kill(context.Background())
			<-p.exited
		}
		client.Kill()
		_ = os.RemoveAll(dir)
	})
	protocol, err := client.Client()
	if err != nil {
		t.Fatalf("start %s: %v\n%s", binary, err, logs)
	}
	dispensed, err := protocol.Dispense(proto.PluginName)
	if err != nil {
		t.Fatal(err)
	}
	rpc, ok := dispensed.(connectorv1.ConnectorServiceClient)
	if !ok {
		t.Fatalf("the plugin library gave a %T", dispensed)
	}
	return &target{ConnectorServiceClient: rpc, logs: logs, process: p}
}

func refuseLibraryStreams(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	if strings.HasPrefix(method, "/plugin.") {
		return nil, status.Error(codes.Unavailable, "not used")
	}
	return streamer(ctx, desc, cc, method, opts...)
}

// clientSide hands out the contract as it is.
type clientSide struct{ plugin.NetRPCUnsupportedPlugin }

// GRPCServer implements [plugin.GRPCPlugin].
func (clientSide) GRPCServer(*plugin.GRPCBroker, *grpc.Server) error {
	return errors.New("a hub has no server side")
}

// GRPCClient implements [plugin.GRPCPlugin].
func (clientSide) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return connectorv1.NewConnectorServiceClient(conn), nil
}

// process runs the binary for the plugin library, and keeps what it writes.
type process struct {
	cmd    *exec.Cmd
	logs   *log
	line   io.ReadCloser // the handshake, for the library
	exited chan struct{}
	err    error // of the exit; set before exited is closed

	after log // what came on standard output behind the handshake
}

// Start implements [runner.Runner].
func (p *process) Start(context.Context) error {
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	p.cmd.Stderr = p.logs
	line, forward := io.Pipe()
	p.line = line
	if err := p.cmd.Start(); err != nil {
		return err
	}
	go func() {
		p.copyStdout(stdout, forward)
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	return nil
}

// copyStdout hands the first line to the library, and keeps the rest.
func (p *process) copyStdout(from io.Reader, line *io.PipeWriter) {
	buffer := make([]byte, 4<<10)
	inLine := true
	for {
		n, err := from.Read(buffer)
		rest := buffer[:n]
		if inLine && n > 0 {
			end := bytes.IndexByte(rest, '\n') + 1
			if end == 0 {
				end = n
			} else {
				inLine = false
			}
			_, _ = line.Write(rest[:end])
			rest = rest[end:]
		}
		_, _ = p.after.Write(rest)
		if err != nil {
			_ = line.Close()
			return
		}
	}
}

// Stdout implements [runner.Runner].
func (p *process) Stdout() io.ReadCloser { return p.line }

// Stderr implements [runner.Runner]: the suite reads it itself.
func (*process) Stderr() io.ReadCloser { return io.NopCloser(strings.NewReader("")) }

// Diagnose implements [runner.Runner].
func (*process) Diagnose(context.Context) string { return "" }

// Name implements [runner.Runner].
func (p *process) Name() string { return p.cmd.Path }

// ID implements [runner.Runner].
func (p *process) ID() string { return strconv.Itoa(p.cmd.Process.Pid) }

// Wait implements [runner.Runner].
func (p *process) Wait(ctx context.Context) error {
	select {
	case <-p.exited:
		return p.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Kill implements [runner.Runner].
func (p *process) Kill(context.Context) error {
	err := p.cmd.Process.Kill()
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// PluginToHost implements [runner.AddrTranslator].
func (*process) PluginToHost(network, address string) (string, string, error) {
	return network, address, nil
}

// HostToPlugin implements [runner.AddrTranslator].
func (*process) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}

// terminate asks the process to end.
func (p *process) terminate() error { return p.cmd.Process.Signal(syscall.SIGTERM) }

// awaitExit waits for the process to end by itself.
func (p *process) awaitExit(t *testing.T) {
	t.Helper()
	select {
	case <-p.exited:
	case <-time.After(patience):
		t.Fatal("the process does not end")
	}
}
