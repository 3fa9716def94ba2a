package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/emptypb"

	connectorv1 "github.com/channelhub/channelhub/sdk/proto/channelhub/connector/v1"
)

// identity is the certificate a connector shows in its handshake.
type identity struct {
	certificate tls.Certificate
	encoded     string
}

func newIdentity() identity {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		NotBefore:   time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(err)
	return identity{
		certificate: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
		encoded:     base64.RawStdEncoding.EncodeToString(der),
	}
}

// connector serves the contract and counts what the library tried.
type connector struct {
	connectorv1.UnimplementedConnectorServiceServer

	name     string
	mode     mode
	socket   string
	listener net.Listener
	server   *grpc.Server
	streams  atomic.Int64 // library streams that the hub opened
	slow     atomic.Int64 // slow calls that were answered
	drained  atomic.Bool
	host     connectorv1.HostServiceClient
}

func newConnector(name string, m mode) *connector { return &connector{name: name, mode: m} }

func (c *connector) serve() {
	c.socket = filepath.Join(os.Getenv("PLUGIN_UNIX_SOCKET_DIR"), "plugin1234567890")
	var err error
	c.listener, err = (&net.ListenConfig{}).Listen(context.Background(), "unix", c.socket)
	must(err)
	clients := x509.NewCertPool()
	clients.AppendCertsFromPEM([]byte(os.Getenv("PLUGIN_CLIENT_CERT")))
	id := newIdentity()
	c.server = grpc.NewServer(
		grpc.Creds(credentials.NewTLS(&tls.Config{
			Certificates: []tls.Certificate{id.certificate}, ClientAuth: tls.RequireAndVerifyClientCert,
			ClientCAs: clients, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2"},
		})),
		grpc.MaxRecvMsgSize(1<<30), grpc.MaxSendMsgSize(1<<30),
		grpc.UnknownServiceHandler(c.libraryStream),
	)
	connectorv1.RegisterConnectorServiceServer(c.server, c)
	pulse := health.NewServer()
	pulse.SetServingStatus("plugin", grpc_health_v1.HealthCheckResponse_SERVING)
	grpc_health_v1.RegisterHealthServer(c.server, pulse)

	parts := []string{"1", "1", "unix", c.socket, "grpc", id.encoded, "false"}
	if c.mode.handshake != nil {
		c.mode.handshake(parts)
	}
	say(strings.Join(parts, "|") + "\n")
	if c.mode.after != nil {
		c.mode.after(c)
	}
	must(c.server.Serve(c.listener))
	select {}
}

// loseSocket puts a link to the victim's socket in the place of its own and
// drops the hub's connection, so that the hub dials again.
func (c *connector) loseSocket() {
	go func() {
		c.server.Stop()
		must(os.Symlink(victim(), c.socket))
	}()
	select {}
}

// libraryStream takes the library's broker and output streams, which a host
// should never open, and floods them: ids without end, each of them twice.
func (c *connector) libraryStream(_ any, stream grpc.ServerStream) error {
	c.streams.Add(1)
	for id := uint64(1); ; id++ {
		var info []byte
		info = protowire.AppendTag(info, 1, protowire.VarintType)
		info = protowire.AppendVarint(info, id)
		info = protowire.AppendTag(info, 2, protowire.BytesType)
		info = protowire.AppendString(info, "unix")
		info = protowire.AppendTag(info, 3, protowire.BytesType)
		info = protowire.AppendString(info, c.socket)
		// An empty message with unknown fields is the library's message on
		// the wire.
		m := new(emptypb.Empty)
		m.ProtoReflect().SetUnknown(info)
		for range 2 {
			if err := stream.SendMsg(m); err != nil {
				return err
			}
		}
	}
}

// dialHost connects to the hub's own service.
func (c *connector) dialHost(req *connectorv1.AttachRequest) {
	certificate, err := tls.X509KeyPair(req.GetClientCertificate(), req.GetClientKey())
	must(err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(req.GetHostAuthority())
	conn, err := grpc.NewClient("unix:"+req.GetHostSocket(), grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{
		Certificates: []tls.Certificate{certificate}, RootCAs: roots, ServerName: "localhost", MinVersion: tls.VersionTLS13,
	})))
	must(err)
	c.host = connectorv1.NewHostServiceClient(conn)
}
