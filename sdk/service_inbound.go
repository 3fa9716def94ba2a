package sdk

import (
	"context"
	"errors"
	"net/http"

	"google.golang.org/grpc/status"
	protobuf "google.golang.org/protobuf/proto"

	"github.com/channelhub/channelhub/sdk/proto"
	connectorv1 "github.com/channelhub/channelhub/sdk/proto/channelhub/connector/v1"
)

// ReceiveHTTP implements the contract. The requests of one call came at the
// same time and have nothing to do with each other: they run side by side, and
// the fault of one is its own.
func (s *server[C, A]) ReceiveHTTP(ctx context.Context, req *connectorv1.ReceiveHTTPRequest) (*connectorv1.ReceiveHTTPResponse, error) {
	if s.connector.Receive == nil {
		return nil, missing("Receive")
	}
	leave, err := s.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	requests := req.GetRequests()
	results := make([]*connectorv1.HTTPResult, len(requests))
	s.crew.Each(len(requests), func(i int) { results[i] = s.receive(ctx, requests[i]) })

	room := proto.MaxMessage
	for i, result := range results {
		if size := framed(result); size <= room {
			room -= size
			continue
		}
		results[i] = faultResult(http.StatusServiceUnavailable, "the answer is over the size limit of the contract")
		room -= framed(results[i])
	}
	return connectorv1.ReceiveHTTPResponse_builder{Results: results}.Build(), nil
}

// framed is what a message adds to one that repeats it: itself, a tag and a
// length.
func framed(m protobuf.Message) int { return protobuf.Size(m) + 8 }

func (s *server[C, A]) receive(ctx context.Context, req *connectorv1.HTTPRequest) *connectorv1.HTTPResult {
	in := &inbound[A]{accounts: s.accounts, traceparent: req.GetTraceparent()}
	a, ctx, ok := s.begin(ctx, "Receive", in, req.GetAccount())
	if !ok {
		return faultResult(http.StatusServiceUnavailable, "no such account is open")
	}
	var reply *Reply
	err := s.guard.Run("Receive", func() error {
		return in.run(ctx, a, func(ctx context.Context, hook *Hook[A]) (err error) {
			reply, err = s.connector.Receive(ctx, hook, requestIn(req))
			return err
		})
	})
	switch {
	case err != nil:
		return faultResult(http.StatusInternalServerError, s.fault(ctx, err))
	case reply == nil:
		reply = OK()
	}
	result := connectorv1.HTTPResult_builder{Reply: replyOut(reply)}.Build()
	if reply.Status < http.StatusBadRequest {
		items, verified := in.told()
		result.SetItems(items)
		result.SetVerifiedAccountIds(verified)
	}
	return result
}

// begin finds the account of an item, if it names one, and gives the call a
// logger.
func (s *server[C, A]) begin(ctx context.Context, call string, in *inbound[A], ref *connectorv1.AccountRef) (*account[A], context.Context, bool) {
	ctx = s.withAccount(ctx, call, ref.GetAccountId())
	if ref == nil {
		return nil, ctx, true
	}
	a, ok := s.accounts.acquire(ref.GetAccountId())
	if !ok {
		return nil, ctx, false
	}
	in.leased = append(in.leased, a)
	return a, ctx, true
}

// fault reports an author's error and returns what the hub is told of it.
func (s *server[C, A]) fault(ctx context.Context, err error) string {
	if s, ok := status.FromError(err); ok {
		return s.Message() // the guard has reported it with its stack
	}
	text := s.clean(err)
	Logger(ctx).Error("call failed", "error", text)
	return text
}

func faultResult(code int, fault string) *connectorv1.HTTPResult {
	return connectorv1.HTTPResult_builder{Reply: replyOut(&Reply{Status: code}), Fault: text(fault)}.Build()
}

// ReceiveSocket implements the contract: in order per socket, sockets in
// parallel.
func (s *server[C, A]) ReceiveSocket(ctx context.Context, req *connectorv1.ReceiveSocketRequest) (*connectorv1.ReceiveSocketResponse, error) {
	if s.connector.ReceiveFrame == nil {
		return nil, missing("ReceiveFrame")
	}
	leave, err := s.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	frames := req.GetFrames()
	results := make([]*connectorv1.SocketResult, len(frames))
	var order []string
	bySocket := map[string][]int{}
	for i, frame := range frames {
		id := frame.GetSocket().GetSocketId()
		if bySocket[id] == nil {
			order = append(order, id)
		}
		bySocket[id] = append(bySocket[id], i)
	}
	s.crew.Each(len(order), func(socket int) {
		broken := false
		for _, i := range bySocket[order[socket]] {
			if broken {
				results[i] = frameFault("an earlier frame of this socket failed")
				continue
			}
			results[i] = s.receiveFrame(ctx, frames[i])
			broken = results[i].HasFault()
		}
	})
	return connectorv1.ReceiveSocketResponse_builder{Results: results}.Build(), nil
}

func (s *server[C, A]) receiveFrame(ctx context.Context, frame *connectorv1.SocketFrame) *connectorv1.SocketResult {
	in := &inbound[A]{accounts: s.accounts, traceparent: frame.GetTraceparent()}
	a, ctx, ok := s.begin(ctx, "ReceiveFrame", in, frame.GetSocket().GetAccount())
	if !ok || a == nil {
		return frameFault("no such account is open")
	}
	in.verify(a) // by the hub, when it let the socket in
	err := s.guard.Run("ReceiveFrame", func() error {
		return in.run(ctx, a, func(ctx context.Context, hook *Hook[A]) error {
			return s.connector.ReceiveFrame(ctx, hook, frameIn(frame))
		})
	})
	var refused *RefusedFrameError
	switch {
	case errors.As(err, &refused):
		return connectorv1.SocketResult_builder{Refusal: connectorv1.FrameRefusal_builder{
			Code: text(cut(refused.Code, 64)), Detail: text(cut(refused.Detail, maxText)), FrameId: text(cut(refused.FrameID, 256)),
		}.Build()}.Build()
	case err != nil:
		return frameFault(s.fault(ctx, err))
	}
	items, _ := in.told()
	return connectorv1.SocketResult_builder{Items: items}.Build()
}

func frameFault(fault string) *connectorv1.SocketResult {
	refusal := connectorv1.FrameRefusal_builder{Code: text("unavailable"), Detail: text("try again later")}.Build()
	return connectorv1.SocketResult_builder{Fault: text(fault), Refusal: refusal}.Build()
}
