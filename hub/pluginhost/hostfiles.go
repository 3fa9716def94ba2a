package pluginhost

import (
	"context"
	"io"
	"runtime/debug"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/telemetry"
	connectorv1 "github.com/channelhub/channelhub/sdk/proto/channelhub/connector/v1"
)

// maxSigned is how long a URL that a connector asks for may serve.
const maxSigned = 15 * time.Minute

// guardStream is guard for the calls that stream.
func (h *hostServer) guardStream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
	defer func() {
		if v := recover(); v != nil {
			h.log.Error("a call of a connector panicked in the hub", telemetry.FieldPlugin, h.plugin,
				telemetry.FieldMethod, info.FullMethod, "stack", string(debug.Stack()))
			err = status.Error(codes.Internal, "a fault of the hub")
		}
	}()
	return h.answer(info.FullMethod, handler(srv, stream))
}

// OpenAttachment streams the bytes of a file of one of the account's messages.
func (h *hostServer) OpenAttachment(req *connectorv1.OpenAttachmentRequest, stream connectorv1.HostService_OpenAttachmentServer) error {
	account, err := h.account(req.GetAccount())
	if err != nil {
		return err
	}
	described, body, err := h.callbacks.OpenAttachment(stream.Context(), h.plugin, account, model.AttachmentID(req.GetAttachmentId()))
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }() // reading told what there was to tell
	if err := stream.Send(connectorv1.OpenAttachmentResponse_builder{Described: attachmentOut(&described, nil)}.Build()); err != nil {
		return err
	}
	chunk := make([]byte, maxChunk)
	for {
		n, err := fill(body, chunk)
		if n > 0 {
			if err := stream.Send(connectorv1.OpenAttachmentResponse_builder{Chunk: chunk[:n]}.Build()); err != nil {
				return err
			}
		}
		switch {
		case err == io.EOF: //nolint:errorlint // bare, as readers end: one that is wrapped is a failure
			return nil
		case err != nil:
			return err
		}
	}
}

// fill reads until the buffer is full or the reader ends, and returns the
// reader's own error: io.ReadFull has one name for the end of a short file and
// for a body that broke off.
func fill(r io.Reader, buffer []byte) (n int, err error) {
	for n < len(buffer) && err == nil {
		var more int
		more, err = r.Read(buffer[n:])
		n += more
	}
	return n, err
}

// SignAttachmentURL returns a URL from which a provider can get a file.
func (h *hostServer) SignAttachmentURL(ctx context.Context, req *connectorv1.SignAttachmentURLRequest) (*connectorv1.SignAttachmentURLResponse, error) {
	account, err := h.account(req.GetAccount())
	if err != nil {
		return nil, err
	}
	ttl := req.GetTtl().AsDuration()
	if ttl < time.Second || ttl > maxSigned {
		return nil, badCall("a ttl is 1 second to %s", maxSigned)
	}
	url, expires, err := h.callbacks.SignAttachmentURL(ctx, h.plugin, account, model.AttachmentID(req.GetAttachmentId()), ttl)
	if err != nil {
		return nil, err
	}
	return connectorv1.SignAttachmentURLResponse_builder{Url: &url, ExpiresAt: timestamppb.New(expires)}.Build(), nil
}
