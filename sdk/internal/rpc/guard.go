package rpc

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/channelhub/channelhub/sdk/proto"
)

// Guard turns panics of an author's code into faults of the one call they
// happened in. It is safe for concurrent use.
type Guard struct {
	Logger hclog.Logger
	panics atomic.Int64
}

// Panics returns how many panics were caught.
func (g *Guard) Panics() int64 { return g.panics.Load() }

// Run calls f, and returns a gRPC fault when it panics.
func (g *Guard) Run(call string, f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = g.caught(call, p)
		}
	}()
	return f()
}

// caught reports a panic with its stack. What was given to panic is left out,
// for it may quote a message or an address; only the runtime's own words, such
// as an index out of range, are known to hold neither.
func (g *Guard) caught(call string, p any) error {
	g.panics.Add(1)
	what := fmt.Sprintf("a value of type %T", p)
	if fault, ok := p.(runtime.Error); ok {
		what = fault.Error()
	}
	g.Logger.Error("call panicked", "call", call, "panic", what, "stack", string(debug.Stack()))
	return status.Errorf(codes.Internal, "connector panicked in %s", call)
}

// ServerOptions are those of every server of the contract: its size limits and
// the guard. before is called once, ahead of the first call; nil means nothing.
func ServerOptions(guard *Guard, before func()) []grpc.ServerOption {
	if before == nil {
		before = func() {}
	}
	return []grpc.ServerOption{
		grpc.MaxRecvMsgSize(proto.MaxMessage),
		grpc.MaxSendMsgSize(proto.MaxMessage),
		grpc.ChainUnaryInterceptor(func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (resp any, err error) {
			before()
			err = guard.Run(info.FullMethod, func() error {
				resp, err = handler(ctx, req)
				return err
			})
			return resp, err
		}),
		grpc.ChainStreamInterceptor(func(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
			before()
			return guard.Run(info.FullMethod, func() error { return handler(srv, stream) })
		}),
	}
}
