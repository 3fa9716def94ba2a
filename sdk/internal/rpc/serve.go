// Package rpc is the part of the SDK that knows processes and connections and
// none of the author's types: the plugin server, its guard, the gate that calls
// pass, and the way back to the hub.
package rpc

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/channelhub/channelhub/sdk/proto"
)

// drainTime is what a connector gets that was asked to end by a signal. It is
// the hub's own default.
const drainTime = 25 * time.Second

// Process is a connector as a process.
type Process struct {
	Guard *Guard
	// Register puts the services on the server.
	Register func(grpc.ServiceRegistrar)
	// Drain finishes what is under way.
	Drain func(context.Context) error
	// HostLost is closed when the hub is gone.
	HostLost <-chan struct{}
	Logger   hclog.Logger
}

// Serve serves the connector until the hub ends it or is gone. The caller ends
// the process when it returns.
func (p *Process) Serve() {
	served := make(chan struct{})
	restore := keepStdio()
	go func() {
		defer close(served)
		plugin.Serve(&plugin.ServeConfig{
			HandshakeConfig: proto.Handshake(),
			VersionedPlugins: map[int]plugin.PluginSet{
				proto.Version: {proto.PluginName: grpcPlugin{register: p.Register}},
			},
			GRPCServer: func(opts []grpc.ServerOption) *grpc.Server {
				return grpc.NewServer(append(opts, ServerOptions(p.Guard, restore)...)...)
			},
			Logger: p.Logger,
		})
	}()

	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM)
	defer signal.Stop(terminated)
	watch, stop := context.WithCancel(context.Background())
	defer stop()

	select {
	case <-served:
	case <-p.HostLost:
		p.Logger.Warn("the connection to the hub is lost: ending")
	case <-orphaned(watch):
		p.Logger.Warn("the hub's process is gone: ending")
	case <-terminated:
		ctx, cancel := context.WithTimeout(context.Background(), drainTime)
		defer cancel()
		if err := p.Drain(ctx); err != nil {
			p.Logger.Warn("ended with calls under way", "error", err)
		}
	}
}

// keepStdio returns a function that points os.Stdout and os.Stderr at the
// process's own standard error. The plugin library replaces both by pipes that
// it empties only into a stream which the hub refuses to open: without this,
// the first handler to print 64 KiB would hang. The library does so before it
// takes the first call, and offers no later moment of its own.
func keepStdio() func() {
	stderr := os.Stderr
	return sync.OnceFunc(func() { os.Stdout, os.Stderr = stderr, stderr })
}

// orphaned returns a channel that is closed when the process has lost its
// parent. The kernel's parent-death signal is no substitute: it fires when the
// thread that started the process ends, not the parent.
func orphaned(ctx context.Context) <-chan struct{} {
	parent := os.Getppid()
	gone := make(chan struct{})
	go func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for os.Getppid() == parent {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
		close(gone)
	}()
	return gone
}

// grpcPlugin fits the services into the plugin library. Only the hub has a
// client side, and it speaks the contract directly.
type grpcPlugin struct {
	plugin.NetRPCUnsupportedPlugin
	register func(grpc.ServiceRegistrar)
}

func (p grpcPlugin) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	p.register(s)
	return nil
}

func (grpcPlugin) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.New("a connector has no client side")
}
