package sdk

import (
	"context"
	"errors"
	"io"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/channelhub/channelhub/sdk/internal/attempt"
	connectorv1 "github.com/channelhub/channelhub/sdk/proto/channelhub/connector/v1"
)

// Send implements the contract.
func (s *server[C, A]) Send(ctx context.Context, req *connectorv1.SendRequest) (*connectorv1.SendResponse, error) {
	if s.connector.Send == nil {
		return nil, missing("Send")
	}
	ctx, a, leave, err := s.use(ctx, "Send", req.GetAccount())
	if err != nil {
		return nil, err
	}
	defer leave()
	delivery := deliveryIn(req)
	if len(delivery.To) == 0 || delivery.Message == nil {
		return nil, status.Error(codes.InvalidArgument, "a delivery needs a contact and a message")
	}
	if !delivery.SendUntil.IsZero() {
		// The hub waits a little longer, for the outcome.
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, delivery.SendUntil)
		defer cancel()
	}
	try := attempt.New(delivery.SendUntil)
	sent, err := s.connector.Send(a.value, attempt.NewContext(ctx, try), delivery)
	outcome := sentOut(sent)
	if err != nil {
		outcome = outcomeOut(err, try.Begun(), func(detail string) string {
			return s.redactor.text(withoutAddresses(detail, delivery.To), maxText)
		})
	}
	return connectorv1.SendResponse_builder{Outcome: outcome}.Build(), nil
}

// minAddress is the length in bytes below which an address is not looked for
// in text: it would be found in words that have nothing to do with it.
const minAddress = 4

// withoutAddresses takes the contact's addresses out of a text.
func withoutAddresses(detail string, contact []Address) string {
	for _, address := range contact {
		if len(address.Value) >= minAddress {
			detail = strings.ReplaceAll(detail, address.Value, "[contact]")
		}
	}
	return detail
}

// SendSignal implements the contract.
func (s *server[C, A]) SendSignal(ctx context.Context, req *connectorv1.SendSignalRequest) (*connectorv1.SendSignalResponse, error) {
	if s.connector.Signal == nil {
		return nil, missing("Signal")
	}
	ctx, a, leave, err := s.use(ctx, "Signal", req.GetAccount())
	if err != nil {
		return nil, err
	}
	defer leave()
	signal := signalIn(req)
	if signal.Kind == "" {
		return &connectorv1.SendSignalResponse{}, nil // of a newer hub
	}
	if err := s.connector.Signal(a.value, ctx, signal); err != nil {
		Logger(ctx).Debug("signal not sent", "error", s.clean(err))
	}
	return &connectorv1.SendSignalResponse{}, nil
}

// RenderSocket implements the contract.
func (s *server[C, A]) RenderSocket(ctx context.Context, req *connectorv1.RenderSocketRequest) (*connectorv1.RenderSocketResponse, error) {
	if s.connector.Render == nil {
		return nil, missing("Render")
	}
	ctx, a, leave, err := s.use(ctx, "Render", req.GetAccount())
	if err != nil {
		return nil, err
	}
	defer leave()
	frames := make([][]byte, 0, len(req.GetItems()))
	for _, item := range req.GetItems() {
		frame, err := s.connector.Render(a.value, ctx, renderItemIn(item))
		if err != nil {
			return nil, status.Error(codes.Internal, s.clean(err))
		}
		frames = append(frames, frame)
	}
	return connectorv1.RenderSocketResponse_builder{Frames: frames}.Build(), nil
}

// maxChunk is the most that one message of an attachment stream carries, in
// bytes.
const maxChunk = 256 << 10

// FetchAttachment implements the contract.
func (s *server[C, A]) FetchAttachment(req *connectorv1.FetchAttachmentRequest, stream connectorv1.ConnectorService_FetchAttachmentServer) error {
	if s.connector.Fetch == nil {
		return missing("Fetch")
	}
	ctx, a, leave, err := s.use(stream.Context(), "Fetch", req.GetAccount())
	if err != nil {
		return err
	}
	defer leave()
	file, err := s.connector.Fetch(a.value, ctx, &FetchRequest{
		Attachment: attachmentIn(req.GetAttachment()), MaxSize: req.GetMaxSize(),
	})
	if err != nil {
		return s.fetchError(err)
	}
	err = s.stream(file, req.GetMaxSize(), stream)
	if closeErr := file.Body.Close(); err == nil && closeErr != nil {
		return s.fetchError(closeErr)
	}
	return err
}

// stream sends the file in chunks and refuses to go beyond limit.
func (s *server[C, A]) stream(file *File, limit int64, stream connectorv1.ConnectorService_FetchAttachmentServer) error {
	described := connectorv1.FetchAttachmentResponse_builder{Described: attachmentOut(&file.Attachment)}.Build()
	if err := stream.Send(described); err != nil {
		return err
	}
	buffer := make([]byte, maxChunk)
	for sent := int64(0); ; {
		n, err := fill(file.Body, buffer)
		if sent += int64(n); limit > 0 && sent > limit {
			return s.fetchError(ErrTooLarge)
		}
		if n > 0 {
			if err := stream.Send(connectorv1.FetchAttachmentResponse_builder{Chunk: buffer[:n]}.Build()); err != nil {
				return err
			}
		}
		switch {
		case err == io.EOF: //nolint:errorlint // bare, as readers end: one that is wrapped is a failure
			return nil
		case err != nil:
			return s.fetchError(err)
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

func (s *server[C, A]) fetchError(err error) error {
	code := codes.Unavailable
	switch {
	case errors.Is(err, ErrNotFound):
		code = codes.NotFound
	case errors.Is(err, ErrDenied):
		code = codes.PermissionDenied
	case errors.Is(err, ErrTooLarge):
		code = codes.OutOfRange
	}
	return status.Error(code, s.clean(err))
}
