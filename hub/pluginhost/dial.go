package pluginhost

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	"github.com/channelhub/channelhub/sdk/proto"
)

// maxMetadata bounds the headers and trailers of a connector's answer.
const maxMetadata = 16 << 10

// dialOptions are applied behind the library's own, and win over them.
func dialOptions(r *runner) []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithContextDialer(r.dial),
		grpc.WithDefaultCallOptions(
			grpc.MaxCallRecvMsgSize(proto.MaxMessage),
			grpc.MaxCallSendMsgSize(proto.MaxMessage),
		),
		grpc.WithMaxHeaderListSize(maxMetadata),
		grpc.WithChainStreamInterceptor(refuseLibraryStreams),
		grpc.WithStatsHandler(wireWatch{}),
		// A service configuration can only come from the other side.
		grpc.WithDisableServiceConfig(),
	}
}

// refuseLibraryStreams keeps the library from opening its broker and its
// standard output streams. A connector that floods the broker's grows the
// hub's memory without end, and one that announces an id twice ends the hub.
// The library takes Unavailable as "an older plugin" and goes on without them.
func refuseLibraryStreams(
	ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string,
	streamer grpc.Streamer, opts ...grpc.CallOption,
) (grpc.ClientStream, error) {
	if strings.HasPrefix(method, "/plugin.") {
		return nil, status.Error(codes.Unavailable, "not used by this host")
	}
	return streamer(ctx, desc, cc, method, opts...)
}

// dial reaches the connector's socket. The check at the handshake is repeated
// for each connection, as the connector can replace the file at any time, and
// the process at the other end must be of the connector's own group. Nothing
// is sent before.
func (r *runner) dial(ctx context.Context, _ string) (net.Conn, error) {
	address := r.announced()
	if err := checkAddress("unix", address, r.dir); err != nil {
		return nil, err
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", address)
	if err != nil {
		return nil, err
	}
	unixConn, ok := conn.(*net.UnixConn)
	if !ok || !peerInGroup(unixConn, r.pid) {
		_ = conn.Close()
		return nil, errors.New("the socket belongs to another process")
	}
	return conn, nil
}

// wireMark notes whether the message of a call was handed to the transport. A
// unary call without its message never reaches the connector's code.
type wireMark struct{ left atomic.Bool }

type wireMarkKey struct{}

// markWire returns a context for one call, and the mark that says afterwards
// whether the call may have reached the connector.
func markWire(ctx context.Context) (context.Context, *wireMark) {
	mark := new(wireMark)
	return context.WithValue(ctx, wireMarkKey{}, mark), mark
}

// wireWatch sets the marks of calls that carry one.
type wireWatch struct{}

func (wireWatch) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

func (wireWatch) HandleRPC(ctx context.Context, s stats.RPCStats) {
	if _, ok := s.(*stats.OutPayload); ok {
		if mark, ok := ctx.Value(wireMarkKey{}).(*wireMark); ok {
			mark.left.Store(true)
		}
	}
}

func (wireWatch) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

func (wireWatch) HandleConn(context.Context, stats.ConnStats) {}
