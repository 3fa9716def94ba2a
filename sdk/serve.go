package sdk

import (
	"io"
	"os"
	"runtime/debug"
	"sync"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc"

	"github.com/channelhub/channelhub/sdk/internal/rpc"
	connectorv1 "github.com/channelhub/channelhub/sdk/proto/channelhub/connector/v1"
)

// Serve runs a connector as a plugin of the hub. It is all that main does:
//
//	func main() { sdk.Serve(acme.Connector) }
//
// Serve returns when the hub has ended the connector or is gone; main then
// returns as well. SIGTERM lets calls under way finish; SIGINT is ignored,
// since a terminal sends it to the hub's children too. Whatever the connector
// prints, to standard output or standard error, becomes part of the hub's log.
func Serve(plugin Plugin) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	lost := make(chan struct{})
	env := newEnvironment(os.Stderr)
	env.hostLost = sync.OnceFunc(func() { close(lost) })
	service := plugin.newService(env)
	process := &rpc.Process{
		Guard:    env.guard,
		Register: func(r grpc.ServiceRegistrar) { connectorv1.RegisterConnectorServiceServer(r, service) },
		Drain:    service.drain,
		HostLost: lost,
		Logger:   env.logger,
	}
	process.Serve()
}

// gcPercent lets a connector's heap, of which hardly anything lives longer than
// a call, grow to 16 MiB before it is collected: under load collecting was a
// sixth of its time. An idle connector stays as small as it was.
const gcPercent = 400

// NewServer returns a gRPC server with the connector on it, for tests that do
// without a process; package sdktest uses it. The caller serves and stops it.
// The log lines of the connector go to logs.
func NewServer(plugin Plugin, logs io.Writer) *grpc.Server {
	env := newEnvironment(logs)
	server := grpc.NewServer(rpc.ServerOptions(env.guard, nil)...)
	connectorv1.RegisterConnectorServiceServer(server, plugin.newService(env))
	return server
}

func newEnvironment(logs io.Writer) *environment {
	redactor := &redactor{}
	logger := hclog.New(&hclog.LoggerOptions{
		Level:      hclog.Info,
		Output:     redactor.writer(logs),
		JSONFormat: true,
	})
	return &environment{
		logger:   logger,
		guard:    &rpc.Guard{Logger: logger},
		redactor: redactor,
		hostLost: func() {},
	}
}
