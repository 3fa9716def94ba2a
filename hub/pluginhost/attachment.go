package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc"

	"github.com/channelhub/channelhub/hub/model"
	connectorv1 "github.com/channelhub/channelhub/sdk/proto/channelhub/connector/v1"
)

// FetchRequest names the bytes of an attachment that an event announced.
type FetchRequest struct {
	AccountID  model.AccountID
	Attachment model.Attachment
	FetchRef   []byte
	MaxSize    int64 // bytes that are taken; more is model.TooLarge
}

// FetchAttachment streams the bytes of an attachment. It returns once the
// connector has described the file; what it says of it is a hint. The reader
// must be closed, and is not safe for concurrent use. Errors with
// model.NotFound and model.Denied are final.
func (h *Host) FetchAttachment(ctx context.Context, plugin model.PluginID, req FetchRequest) (model.Attachment, io.ReadCloser, error) {
	p, err := h.running(plugin)
	if err != nil {
		return model.Attachment{}, nil, err
	}
	if err := needs(p.desc.Can.FetchAttachment, "FetchAttachment"); err != nil {
		return model.Attachment{}, nil, err
	}
	if err := p.needsAccount(req.AccountID, "FetchAttachment"); err != nil {
		return model.Attachment{}, nil, err
	}
	if err := p.enter(); err != nil {
		return model.Attachment{}, nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	r := &attachmentReader{process: p, cancel: cancel, left: req.MaxSize}
	// A connector that stops sending is cut off; one that sends slowly is not.
	r.stall = time.AfterFunc(p.timings.FetchStall, cancel)
	r.stream, err = p.rpc.FetchAttachment(ctx, connectorv1.FetchAttachmentRequest_builder{
		Account:    accountOut(req.AccountID, p.revision(req.AccountID)),
		Attachment: attachmentOut(&req.Attachment, req.FetchRef),
		MaxSize:    new(req.MaxSize),
	}.Build())
	var described *connectorv1.Attachment
	if err == nil {
		described, err = r.describe()
	}
	if err != nil {
		_ = r.Close()
		return model.Attachment{}, nil, callError("FetchAttachment", err)
	}
	return attachmentIn(described), r, nil
}

// attachmentReader reads one stream of chunks. It counts as a call under way
// until it is closed.
type attachmentReader struct {
	process *process
	stream  grpc.ServerStreamingClient[connectorv1.FetchAttachmentResponse]
	cancel  context.CancelFunc
	stall   *time.Timer
	chunk   []byte
	left    int64
	err     error
	closed  bool
}

func (r *attachmentReader) describe() (*connectorv1.Attachment, error) {
	first, err := r.stream.Recv()
	if errors.Is(err, io.EOF) || err == nil && !first.HasDescribed() {
		return nil, model.Errorf(model.Unavailable, "FetchAttachment", "the connector did not describe the file")
	}
	return first.GetDescribed(), err
}

// Read returns io.EOF only when the connector has sent everything.
func (r *attachmentReader) Read(b []byte) (int, error) {
	for len(r.chunk) == 0 && r.err == nil {
		r.next()
	}
	if len(r.chunk) == 0 {
		return 0, r.err
	}
	n := copy(b, r.chunk)
	r.chunk = r.chunk[n:]
	return n, nil
}

// next takes the next chunk or the error that ends the stream.
func (r *attachmentReader) next() {
	if r.closed {
		r.err = fmt.Errorf("read attachment: %w", io.ErrClosedPipe)
		return
	}
	r.stall.Reset(r.process.timings.FetchStall)
	resp, err := r.stream.Recv()
	switch {
	case errors.Is(err, io.EOF):
		r.err = io.EOF
	case err != nil:
		r.err = callError("FetchAttachment", err)
	case !resp.HasChunk() || len(resp.GetChunk()) > maxChunk:
		r.err = model.Errorf(model.Unavailable, "FetchAttachment", "the connector broke the contract of the stream")
	case int64(len(resp.GetChunk())) > r.left:
		r.err = model.Errorf(model.TooLarge, "FetchAttachment", "the file is larger than allowed")
	default:
		r.chunk = resp.GetChunk()
		r.left -= int64(len(r.chunk))
	}
}

// Close ends the stream, finished or not. It may be called again.
func (r *attachmentReader) Close() error {
	if r.closed {
		return nil
	}
	r.closed = true
	r.stall.Stop()
	r.cancel()
	r.process.leave()
	return nil
}
