package pluginhost

import (
	"context"
	"fmt"
	"time"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	gproto "google.golang.org/protobuf/proto"

	"github.com/channelhub/channelhub/hub/model"
	connectorv1 "github.com/channelhub/channelhub/sdk/proto/channelhub/connector/v1"
)

// call makes one call under a deadline, counts it and turns its error into the
// hub's vocabulary.
func (p *process) call(ctx context.Context, method string, timeout time.Duration, do func(context.Context) error) error {
	if err := p.enter(); err != nil {
		return err
	}
	defer p.leave()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	began := time.Now()
	err := callError(method, do(ctx))
	p.metrics.PluginCalled(string(p.plugin), method, err == nil, time.Since(began))
	return err
}

// needs refuses a call that the connector has not declared: the contract
// promises connectors that it is never made.
func needs(can bool, method string) error {
	if can {
		return nil
	}
	return model.Errorf(model.Precondition, method, "the connector does not support this")
}

// needsAccount refuses a call about an account that is not open. Nothing was
// sent.
func (p *process) needsAccount(id model.AccountID, method string) error {
	if p.hasOpen(id) {
		return nil
	}
	return model.Errorf(model.Unavailable, method, "the account is not open on its connector")
}

// ReceiveHTTP hands requests over and returns one result for each, in order.
// Requests of different callers that wait at the same time share a call. An
// error is about the whole of requests: nothing that they told may be taken,
// and they can be handed over again.
//
// Items that break the contract are not in the results; where possible an
// unsupported event stands for them.
func (h *Host) ReceiveHTTP(ctx context.Context, plugin model.PluginID, requests []HTTPRequest) ([]HTTPResult, error) {
	p, err := h.running(plugin)
	if err != nil {
		return nil, err
	}
	if err := needs(p.desc.Can.ReceiveHTTP, "ReceiveHTTP"); err != nil {
		return nil, err
	}
	for i := range requests {
		if id := requests[i].AccountID; id != "" {
			if err := p.needsAccount(id, "ReceiveHTTP"); err != nil {
				return nil, err
			}
		}
	}
	var out []HTTPResult
	err = p.call(ctx, "ReceiveHTTP", p.timings.ReceiveHTTP, func(ctx context.Context) error {
		out, err = inBatches(ctx, p.http, requests)
		return err
	})
	return out, err
}

// ReceiveSocket hands frames over and returns one result for each, in order.
// Frames of one socket stay in order when each call for it is made after the
// last one returned. Otherwise like ReceiveHTTP.
func (h *Host) ReceiveSocket(ctx context.Context, plugin model.PluginID, frames []SocketFrame) ([]SocketResult, error) {
	p, err := h.running(plugin)
	if err != nil {
		return nil, err
	}
	if err := needs(p.desc.Can.ReceiveSocket, "ReceiveSocket"); err != nil {
		return nil, err
	}
	for i := range frames {
		if err := p.needsAccount(frames[i].AccountID, "ReceiveSocket"); err != nil {
			return nil, err
		}
	}
	var out []SocketResult
	err = p.call(ctx, "ReceiveSocket", p.timings.ReceiveSocket, func(ctx context.Context) error {
		out, err = inBatches(ctx, p.sockets, frames)
		return err
	})
	return out, err
}

// inBatches splits what one caller handed over into calls that fit.
func inBatches[Q, R any](ctx context.Context, b *batcher[Q, R], items []Q) ([]R, error) {
	var out []R
	for len(items) > 0 {
		n, size := 0, 0
		for n < min(len(items), maxBatch) {
			size += b.size(&items[n])
			if n > 0 && size > maxBatchBytes {
				break
			}
			n++
		}
		results, err := b.do(ctx, items[:n])
		if err != nil {
			return nil, err
		}
		out = append(out, results...)
		items = items[n:]
	}
	return out, nil
}

func httpRequestSize(r *HTTPRequest) int {
	size := len(r.Body) + len(r.URL) + 256
	for _, h := range r.Headers {
		for _, v := range h.Values {
			size += len(h.Name) + len(v)
		}
	}
	return size
}

func socketFrameSize(f *SocketFrame) int { return len(f.Frame) + 256 }

// receiveHTTP makes the one call for a batch.
func (p *process) receiveHTTP(ctx context.Context, requests []HTTPRequest) ([]HTTPResult, error) {
	req := connectorv1.ReceiveHTTPRequest_builder{Requests: make([]*connectorv1.HTTPRequest, len(requests))}
	for i := range requests {
		req.Requests[i] = httpRequestOut(&requests[i], p.revision)
	}
	resp, err := p.rpc.ReceiveHTTP(ctx, req.Build())
	if err != nil {
		return nil, err
	}
	if err := counted(len(resp.GetResults()), len(requests)); err != nil {
		return nil, err
	}
	refused := refusals{}
	out := make([]HTTPResult, len(requests))
	for i, r := range resp.GetResults() {
		if len(r.GetItems()) > maxItems {
			return nil, status.Error(codes.ResourceExhausted, "too many items")
		}
		out[i] = httpResultIn(&requests[i], r, p.hasOpen, refused)
	}
	p.refused(refused)
	return out, nil
}

// receiveSocket makes the one call for a batch.
func (p *process) receiveSocket(ctx context.Context, frames []SocketFrame) ([]SocketResult, error) {
	req := connectorv1.ReceiveSocketRequest_builder{Frames: make([]*connectorv1.SocketFrame, len(frames))}
	for i := range frames {
		req.Frames[i] = socketFrameOut(&frames[i], p.revision)
	}
	resp, err := p.rpc.ReceiveSocket(ctx, req.Build())
	if err != nil {
		return nil, err
	}
	if err := counted(len(resp.GetResults()), len(frames)); err != nil {
		return nil, err
	}
	refused := refusals{}
	out := make([]SocketResult, len(frames))
	for i, r := range resp.GetResults() {
		if len(r.GetItems()) > maxItems {
			return nil, status.Error(codes.ResourceExhausted, "too many items")
		}
		out[i] = socketResultIn(&frames[i], r, refused)
	}
	p.refused(refused)
	return out, nil
}

// counted refuses an answer whose parts cannot be matched to the questions.
func counted(got, want int) error {
	if got == want {
		return nil
	}
	return status.Error(codes.Internal, fmt.Sprintf("%d results for %d items", got, want))
}

// Send makes one attempt to send a message.
//
// An error means that the attempt certainly did not reach the connector: it
// may be repeated. Once the request has left the hub there is always an
// outcome, and it is Unknown when the connector did not name one, whatever
// broke (I5).
func (h *Host) Send(ctx context.Context, plugin model.PluginID, d Delivery) (Outcome, error) {
	p, err := h.running(plugin)
	if err != nil {
		return Outcome{}, err
	}
	if err := needs(p.desc.Can.Send, "Send"); err != nil {
		return Outcome{}, err
	}
	if err := p.needsAccount(d.AccountID, "Send"); err != nil {
		return Outcome{}, err
	}
	req := sendOut(&d, p.revision(d.AccountID))
	if gproto.Size(req) > maxMessage {
		return Outcome{}, model.Errorf(model.TooLarge, "Send", "the message does not fit the contract's %d bytes", maxMessage)
	}
	if !d.SendUntil.IsZero() && !h.opts.Now().Before(d.SendUntil) {
		return Outcome{}, model.Errorf(model.Unavailable, "Send", "the time for this attempt has passed")
	}
	ctx, mark := markWire(ctx)
	var out Outcome
	err = p.call(ctx, "Send", p.timings.Send, func(ctx context.Context) error {
		resp, err := p.rpc.Send(ctx, req)
		if err == nil {
			out = outcomeIn(resp.GetOutcome())
		}
		return err
	})
	if err == nil {
		return out, nil
	}
	if !mark.left.Load() {
		return Outcome{}, err
	}
	return Outcome{Kind: Unknown, Code: "connector_fault", Detail: faultText(err)}, nil
}

// SendSignal tells the customer's side that a CSR types, has read or has left.
func (h *Host) SendSignal(ctx context.Context, plugin model.PluginID, s Signal) error {
	p, err := h.running(plugin)
	if err != nil {
		return err
	}
	if err := needs(p.desc.Can.SendSignal, "SendSignal"); err != nil {
		return err
	}
	if err := p.needsAccount(s.AccountID, "SendSignal"); err != nil {
		return err
	}
	return p.call(ctx, "SendSignal", p.timings.SendSignal, func(ctx context.Context) error {
		_, err := p.rpc.SendSignal(ctx, connectorv1.SendSignalRequest_builder{
			Account: accountOut(s.AccountID, p.revision(s.AccountID)), To: addressesOut(s.To),
			Signal: new(signalOut(s.Kind)), ProviderId: new(s.ProviderID),
		}.Build())
		return err
	})
}

// maxDownFrame bounds a frame for a browser: the longest text, escaped.
const maxDownFrame = 512 << 10

// RenderSocket renders items as text frames, one for each, in order. A nil
// frame is not sent.
func (h *Host) RenderSocket(ctx context.Context, plugin model.PluginID, account model.AccountID, items []RenderItem) ([][]byte, error) {
	p, err := h.running(plugin)
	if err != nil {
		return nil, err
	}
	if err := needs(p.desc.Can.RenderSocket, "RenderSocket"); err != nil {
		return nil, err
	}
	if err := p.needsAccount(account, "RenderSocket"); err != nil {
		return nil, err
	}
	var out [][]byte
	for len(items) > 0 {
		n := min(len(items), maxRenderItems)
		err := p.call(ctx, "RenderSocket", p.timings.RenderSocket, func(ctx context.Context) error {
			frames, err := p.render(ctx, account, items[:n])
			out = append(out, frames...)
			return err
		})
		if err != nil {
			return nil, err
		}
		items = items[n:]
	}
	return out, nil
}

func (p *process) render(ctx context.Context, account model.AccountID, items []RenderItem) ([][]byte, error) {
	req := connectorv1.RenderSocketRequest_builder{
		Account: accountOut(account, p.revision(account)), Items: make([]*connectorv1.RenderItem, len(items)),
	}
	for i := range items {
		req.Items[i] = renderItemOut(&items[i])
	}
	resp, err := p.rpc.RenderSocket(ctx, req.Build())
	if err != nil {
		return nil, err
	}
	if err := counted(len(resp.GetFrames()), len(items)); err != nil {
		return nil, err
	}
	refused := refusals{}
	frames := make([][]byte, len(items))
	for i, frame := range resp.GetFrames() {
		switch {
		case len(frame) == 0:
		case len(frame) > maxDownFrame || !utf8.Valid(frame):
			refused["frame"]++
		default:
			frames[i] = frame
		}
	}
	p.refused(refused)
	return frames, nil
}

// CheckHealth asks whether the account works at its provider.
func (h *Host) CheckHealth(ctx context.Context, plugin model.PluginID, account model.AccountID) (AccountHealth, error) {
	p, err := h.running(plugin)
	if err != nil {
		return AccountHealth{}, err
	}
	if err := needs(p.desc.Can.CheckHealth, "CheckHealth"); err != nil {
		return AccountHealth{}, err
	}
	if err := p.needsAccount(account, "CheckHealth"); err != nil {
		return AccountHealth{}, err
	}
	var out AccountHealth
	err = p.call(ctx, "CheckHealth", p.timings.CheckHealth, func(ctx context.Context) error {
		resp, err := p.rpc.CheckHealth(ctx, connectorv1.CheckHealthRequest_builder{
			Account: accountOut(account, p.revision(account)),
		}.Build())
		if err == nil {
			out = healthIn(resp)
		}
		return err
	})
	return out, err
}

// CollectMetrics returns the connector's own metrics as it wrote them:
// Prometheus text of at most 1 MiB, not yet parsed or filtered.
func (h *Host) CollectMetrics(ctx context.Context, plugin model.PluginID) ([]byte, error) {
	p, err := h.running(plugin)
	if err != nil {
		return nil, err
	}
	var out []byte
	err = p.call(ctx, "CollectMetrics", p.timings.CollectMetrics, func(ctx context.Context) error {
		resp, err := p.rpc.CollectMetrics(ctx, connectorv1.CollectMetricsRequest_builder{}.Build())
		if err != nil {
			return err
		}
		if out = resp.GetPrometheusText(); len(out) > maxMetrics || !utf8.Valid(out) {
			out = nil
			return status.Error(codes.ResourceExhausted, "metrics are too long or no text")
		}
		return nil
	})
	return out, err
}
