package pluginhost

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/channelhub/channelhub/hub/model"
	connectorv1 "github.com/channelhub/channelhub/sdk/proto/channelhub/connector/v1"
)

// filesHub has one file of the account acme-one.
type filesHub struct {
	noCallbacks
	body func() io.Reader
}

func (f filesHub) OpenAttachment(_ context.Context, _ model.PluginID, _ model.AccountID, id model.AttachmentID) (model.Attachment, io.ReadCloser, error) {
	return model.Attachment{ID: id, Name: "a.txt"}, io.NopCloser(f.body()), nil
}

func (filesHub) SignAttachmentURL(_ context.Context, _ model.PluginID, _ model.AccountID, id model.AttachmentID, ttl time.Duration) (string, time.Time, error) {
	return "https://hub.example/a/" + string(id), time.Now().Add(ttl), nil
}

func openFile(t *testing.T, client connectorv1.HostServiceClient, account string) (name string, body []byte, err error) {
	t.Helper()
	id := "att_1"
	stream, err := client.OpenAttachment(testContext(t), connectorv1.OpenAttachmentRequest_builder{
		Account: connectorv1.AccountRef_builder{AccountId: &account}.Build(), AttachmentId: &id,
	}.Build())
	must(t, err)
	for {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return name, body, nil
		}
		if err != nil {
			return name, body, err
		}
		if part.HasDescribed() {
			name = part.GetDescribed().GetName()
		}
		body = append(body, part.GetChunk()...)
	}
}

func TestConnectorsReadFiles(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789"), 90_000) // several chunks
	files := &filesHub{body: func() io.Reader { return bytes.NewReader(content) }}
	h := &hostServer{
		plugin: "one", own: func(id model.AccountID) bool { return id == "acme-one" }, callbacks: files, log: hclog.NewNullLogger(),
	}
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	must(t, err)
	server := grpc.NewServer(grpc.ChainUnaryInterceptor(h.guard), grpc.ChainStreamInterceptor(h.guardStream))
	connectorv1.RegisterHostServiceServer(server, h)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	conn, err := grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	client := connectorv1.NewHostServiceClient(conn)

	if name, body, err := openFile(t, client, "acme-one"); err != nil || name != "a.txt" || !bytes.Equal(body, content) {
		t.Errorf("read %q, %d bytes, %v; want all %d", name, len(body), err, len(content))
	}
	if _, body, err := openFile(t, client, "acme-two"); status.Code(err) != codes.NotFound || len(body) > 0 {
		t.Errorf("another connector's account: %d bytes, %v; want not found (I8)", len(body), err)
	}
	files.body = func() io.Reader {
		return io.MultiReader(bytes.NewReader(content), failing{})
	}
	if _, _, err := openFile(t, client, "acme-one"); status.Code(err) != codes.Unavailable {
		t.Errorf("a file that breaks off: %v, want unavailable", err)
	}
	files.body = func() io.Reader { return io.MultiReader(bytes.NewReader(content), cutOff{}) }
	if _, _, err := openFile(t, client, "acme-one"); err == nil {
		t.Error("a body that is cut off looks whole")
	}
	files.body = func() io.Reader { panic("a fault") }
	if _, _, err := openFile(t, client, "acme-one"); status.Code(err) != codes.Internal {
		t.Errorf("a panic: %v, want internal", err)
	}
	for ttl, want := range map[time.Duration]codes.Code{
		0: codes.InvalidArgument, time.Minute: codes.OK, 15 * time.Minute: codes.OK, 16 * time.Minute: codes.InvalidArgument,
	} {
		account, id := "acme-one", "att_1"
		_, err := client.SignAttachmentURL(testContext(t), connectorv1.SignAttachmentURLRequest_builder{
			Account: connectorv1.AccountRef_builder{AccountId: &account}.Build(), AttachmentId: &id, Ttl: durationpb.New(ttl),
		}.Build())
		if status.Code(err) != want {
			t.Errorf("a ttl of %s: %v, want %s", ttl, err, want)
		}
	}
}

// cutOff is how a body over HTTP ends that was promised to be longer.
type cutOff struct{}

func (cutOff) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

type failing struct{}

func (failing) Read([]byte) (int, error) {
	return 0, model.Errorf(model.Unavailable, "read blob", "away")
}
