package rpc

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"path/filepath"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials"

	"github.com/channelhub/channelhub/sdk/proto"
)

// HostEndpoint is where HostService is and how to be let in.
type HostEndpoint struct {
	Socket               string // absolute path of a Unix socket
	Certificate, Key, CA []byte // PEM
}

// DialHost connects to HostService and returns once the connection stands. The
// caller closes it.
func DialHost(ctx context.Context, e HostEndpoint) (*grpc.ClientConn, error) {
	if !filepath.IsAbs(e.Socket) {
		return nil, errors.New("the host socket is not an absolute path")
	}
	pair, err := tls.X509KeyPair(e.Certificate, e.Key)
	if err != nil {
		return nil, fmt.Errorf("read client certificate: %w", err)
	}
	authority := x509.NewCertPool()
	if !authority.AppendCertsFromPEM(e.CA) {
		return nil, errors.New("the host authority holds no certificate")
	}
	conn, err := grpc.NewClient("unix:"+e.Socket,
		grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{
			Certificates: []tls.Certificate{pair},
			RootCAs:      authority,
			ServerName:   proto.HostName,
			MinVersion:   tls.VersionTLS13,
		})),
		grpc.WithDefaultCallOptions(
			grpc.MaxCallRecvMsgSize(proto.MaxMessage), grpc.MaxCallSendMsgSize(proto.MaxMessage)),
		// The connection is a sign of life: it stays up when nothing is said.
		grpc.WithIdleTimeout(0),
		grpc.WithDisableServiceConfig(),
	)
	if err != nil {
		return nil, fmt.Errorf("prepare connection to the hub: %w", err)
	}
	conn.Connect()
	for state := conn.GetState(); state != connectivity.Ready; state = conn.GetState() {
		if state == connectivity.TransientFailure || !conn.WaitForStateChange(ctx, state) {
			_ = conn.Close()
			return nil, fmt.Errorf("connect to the hub: %w", errors.Join(ctx.Err(), errors.New(state.String())))
		}
	}
	return conn, nil
}

// Lost returns when a connection that stood does so no more, or the context
// ends.
func Lost(ctx context.Context, conn *grpc.ClientConn) {
	conn.WaitForStateChange(ctx, connectivity.Ready)
}
