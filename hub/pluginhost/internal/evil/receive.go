package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	connectorv1 "github.com/channelhub/channelhub/sdk/proto/channelhub/connector/v1"
)

// description is what a mode may change of the descriptor.
type description struct {
	name, version, path string
	asset               []byte
	exclusive           bool
}

// Describe describes the connector as its mode says.
func (c *connector) Describe(context.Context, *connectorv1.DescribeRequest) (*connectorv1.DescribeResponse, error) {
	d := &description{name: "evil", version: "1.0.0", path: "x.js"}
	if c.mode.describe != nil {
		c.mode.describe(d)
	}
	out := connectorv1.DescribeResponse_builder{
		Name: &d.name, Version: &d.version, Session: connectorv1.SessionMode_SESSION_MODE_NONE.Enum(),
		Capabilities: connectorv1.Capabilities_builder{
			ReceiveHttp: new(true), ReceiveSocket: new(true), Send: new(true), SendSignal: new(true),
			RenderSocket: new(true), FetchAttachment: new(true), CheckHealth: new(true), ValidateAccount: new(true),
		}.Build(),
		Routes: []*connectorv1.Route{connectorv1.Route_builder{
			Mount: connectorv1.Mount_MOUNT_IN_ACCOUNT.Enum(), Mode: connectorv1.RouteMode_ROUTE_MODE_ACK.Enum(),
		}.Build()},
	}
	if d.exclusive {
		out.Session = connectorv1.SessionMode_SESSION_MODE_EXCLUSIVE.Enum()
	}
	if d.asset != nil {
		out.Assets = []*connectorv1.Asset{connectorv1.Asset_builder{
			Path: &d.path, ContentType: new("text/javascript"), Body: d.asset,
		}.Build()}
	}
	return out.Build(), nil
}

// Attach dials the hub, and tells on standard error what it was given.
func (c *connector) Attach(_ context.Context, req *connectorv1.AttachRequest) (*connectorv1.AttachResponse, error) {
	c.dialHost(req)
	if c.mode.attached != nil {
		c.mode.attached(c)
	}
	return connectorv1.AttachResponse_builder{}.Build(), nil
}

// ValidateAccount finds one fault in settings that say so.
func (c *connector) ValidateAccount(_ context.Context, req *connectorv1.ValidateAccountRequest) (*connectorv1.ValidateAccountResponse, error) {
	out := connectorv1.ValidateAccountResponse_builder{}
	if bytes.Contains(req.GetSettings().GetConfig(), []byte("bad")) {
		out.Faults = []*connectorv1.SettingFault{connectorv1.SettingFault_builder{
			Field: new("config.bad"), Detail: new("is bad\x1b[2J" + strings.Repeat("x", 5000)),
		}.Build()}
	}
	return out.Build(), nil
}

// OpenAccount opens anything, unless it is the refuser.
func (c *connector) OpenAccount(_ context.Context, req *connectorv1.OpenAccountRequest) (*connectorv1.OpenAccountResponse, error) {
	if c.name == "refuser" || bytes.Contains(req.GetSettings().GetConfig(), []byte("refuse")) {
		return nil, status.Error(codes.InvalidArgument, "the token is wrong\x1b[2J")
	}
	return connectorv1.OpenAccountResponse_builder{
		ProviderAddresses: []string{"at-" + req.GetSettings().GetAccount().GetAccountId()},
	}.Build(), nil
}

// CloseAccount closes.
func (c *connector) CloseAccount(context.Context, *connectorv1.CloseAccountRequest) (*connectorv1.CloseAccountResponse, error) {
	return connectorv1.CloseAccountResponse_builder{}.Build(), nil
}

// ReceiveHTTP answers each request as its sub-path says.
func (c *connector) ReceiveHTTP(ctx context.Context, req *connectorv1.ReceiveHTTPRequest) (*connectorv1.ReceiveHTTPResponse, error) {
	out := connectorv1.ReceiveHTTPResponse_builder{}
	for _, r := range req.GetRequests() {
		result, err := c.receive(ctx, r)
		if err != nil {
			return nil, err
		}
		out.Results = append(out.Results, result.Build())
	}
	resp := out.Build()
	if req.GetRequests()[0].GetSubPath() == "utf8" {
		return notUTF8(resp), nil
	}
	return resp, nil
}

func (c *connector) receive(ctx context.Context, r *connectorv1.HTTPRequest) (*connectorv1.HTTPResult_builder, error) {
	account := r.GetAccount().GetAccountId()
	out := &connectorv1.HTTPResult_builder{VerifiedAccountIds: []string{account}}
	reply := connectorv1.HTTPReply_builder{Status: new(int32(200)), Body: []byte("ok")}
	switch r.GetSubPath() {
	case "stop":
		must(syscall.Kill(os.Getpid(), syscall.SIGSTOP))
		select {} // not every thread has stopped when the call returns
	case "exit":
		os.Exit(7)
	case "panic":
		// On a goroutine of its own, so that no interceptor could recover it.
		go panic("an evil panic")
		<-ctx.Done()
	case "hang":
		select {}
	case "losesocket":
		c.loseSocket()
	case "fail":
		return nil, status.Error(codes.Internal, "phone +4915112345678")
	case "slow":
		time.Sleep(300 * time.Millisecond)
		c.slow.Add(1)
	case "huge":
		reply.Body = make([]byte, 512<<20)
	case "print":
		say(strings.Repeat("x", 8<<20))
	case "stderr":
		logLines()
	case "environ":
		reply.Body = []byte(environment())
	case "streams":
		reply.Body = fmt.Appendf(nil, "%d", c.streams.Load())
	case "publish":
		reply.Body = []byte(c.publish(ctx, account))
	case "reply":
		reply.Status = new(int32(42))
	case "headers":
		for _, name := range []string{"Set-Cookie", "Connection", "X-Accel-Redirect", "Content-Type"} {
			reply.Headers = append(reply.Headers, connectorv1.Header_builder{
				Name: new(name), Values: []string{"a", "b\r\nSet-Cookie: c"},
			}.Build())
		}
	case "strangers":
		out.VerifiedAccountIds = append(out.VerifiedAccountIds, "stranger")
		out.Items = append(out.Items, message("stranger", "s1", "for another"))
	case "mixed":
		out.Items = append(out.Items, mixed(account)...)
	}
	out.Items = append(out.Items, message(account, "key-"+string(r.GetBody()), string(r.GetBody())))
	out.Reply = reply.Build()
	return out, nil
}

// message is a plain event.
func message(account, key, text string) *connectorv1.Item {
	return connectorv1.Item_builder{Event: event(account, key, connectorv1.Message_builder{
		Content: connectorv1.Content_builder{Text: connectorv1.Text_builder{Text: new(text)}.Build()}.Build(),
	}.Build())}.Build()
}

func event(account, key string, m *connectorv1.Message) *connectorv1.Event {
	return connectorv1.Event_builder{
		AccountId: new(account), DedupeKey: new(key), Message: m,
		Addresses: []*connectorv1.Address{connectorv1.Address_builder{Kind: new("phone"), Value: new("15550100")}.Build()},
	}.Build()
}

// mixed is one delivery in which most items break a rule.
func mixed(account string) []*connectorv1.Item {
	tooLong := message(account, "long", strings.Repeat("x", 100<<10))
	tooBig := message(account, "big", "big")
	tooBig.GetEvent().GetMessage().SetContext(bytes.Repeat([]byte("x"), 200<<10))
	noKey := message(account, "", "no key")
	noAddress := message(account, "noaddress", "no address")
	noAddress.GetEvent().SetAddresses(nil)
	badStatus := connectorv1.Item_builder{Status: connectorv1.StatusReport_builder{
		AccountId: new(account), Status: new(connectorv1.StatusKind(77)), ProviderId: new("p1"),
	}.Build()}.Build()
	goodStatus := connectorv1.Item_builder{Status: connectorv1.StatusReport_builder{
		AccountId: new(account), Status: connectorv1.StatusKind_STATUS_KIND_READ.Enum(), ProviderId: new("p2"),
	}.Build()}.Build()
	return []*connectorv1.Item{
		tooLong, tooBig, noKey, noAddress, badStatus, goodStatus, connectorv1.Item_builder{}.Build(),
		message("other", "other", "an account that was not verified"),
	}
}

// notUTF8 is the response with a text that is no text, which this side's own
// encoder would refuse to write.
func notUTF8(resp *connectorv1.ReceiveHTTPResponse) *connectorv1.ReceiveHTTPResponse {
	raw, err := proto.Marshal(resp)
	must(err)
	out := connectorv1.ReceiveHTTPResponse_builder{}.Build()
	out.ProtoReflect().SetUnknown(bytes.ReplaceAll(raw, []byte("key-"), []byte("\xff\xfe\xfd\xfc")))
	return out
}

// publish asks the hub for what is its own and for what is not.
func (c *connector) publish(ctx context.Context, account string) string {
	var b strings.Builder
	resp, err := c.host.PublishEvents(ctx, connectorv1.PublishEventsRequest_builder{Events: []*connectorv1.Event{
		message(account, "p1", "mine").GetEvent(), message("stranger", "p2", "another's").GetEvent(),
	}}.Build())
	for _, r := range resp.GetResults() {
		fmt.Fprintf(&b, "%v ", r.GetCode())
	}
	fmt.Fprintf(&b, "%v; ", status.Code(err))
	for _, id := range []string{account, "stranger", "../../x"} {
		_, err := c.host.GetState(ctx, connectorv1.GetStateRequest_builder{
			Account: connectorv1.AccountRef_builder{AccountId: new(id)}.Build(), Key: new("k"),
		}.Build())
		fmt.Fprintf(&b, "%v ", status.Code(err))
	}
	_, err = c.host.PutState(ctx, connectorv1.PutStateRequest_builder{
		Account: connectorv1.AccountRef_builder{AccountId: new(account)}.Build(), Key: new("k"), Value: make([]byte, 100<<10),
	}.Build())
	fmt.Fprintf(&b, "%v", status.Code(err))
	return b.String()
}

// environment is everything the program was given.
func environment() string {
	stdin, err := io.ReadAll(io.LimitReader(os.Stdin, 1<<10))
	must(err)
	dir, err := os.Getwd()
	must(err)
	return strings.Join(os.Environ(), "\n") + "\nstdin=" + string(stdin) + "\ndir=" + dir
}

// Send does what the text of the message says.
func (c *connector) Send(ctx context.Context, req *connectorv1.SendRequest) (*connectorv1.SendResponse, error) {
	outcome := connectorv1.Outcome_builder{Sent: connectorv1.Sent_builder{ProviderIds: []string{"p-" + req.GetMessage().GetId()}}.Build()}
	switch req.GetMessage().GetContent().GetText().GetText() {
	case "exit":
		os.Exit(8)
	case "fail":
		return nil, status.Error(codes.Internal, "phone +4915112345678")
	case "hang":
		<-ctx.Done()
		return nil, ctx.Err()
	case "none":
		outcome = connectorv1.Outcome_builder{}
	}
	return connectorv1.SendResponse_builder{Outcome: outcome.Build()}.Build(), nil
}

// RenderSocket returns one frame for each item, or one too many.
func (c *connector) RenderSocket(_ context.Context, req *connectorv1.RenderSocketRequest) (*connectorv1.RenderSocketResponse, error) {
	out := connectorv1.RenderSocketResponse_builder{}
	for _, item := range req.GetItems() {
		frame := []byte(item.GetMessage().GetMessage().GetContent().GetText().GetText())
		switch string(frame) {
		case "extra":
			out.Frames = append(out.Frames, frame)
		case "binary":
			frame = []byte{0xff, 0xfe}
		}
		out.Frames = append(out.Frames, frame)
	}
	return out.Build(), nil
}

// FetchAttachment sends as much as its reference says, whatever the limit.
func (c *connector) FetchAttachment(req *connectorv1.FetchAttachmentRequest, stream grpc.ServerStreamingServer[connectorv1.FetchAttachmentResponse]) error {
	ref := string(req.GetAttachment().GetFetchRef())
	if ref != "undescribed" {
		must(stream.Send(connectorv1.FetchAttachmentResponse_builder{
			Described: connectorv1.Attachment_builder{Name: new("a\x1b[2J.jpg"), Kind: new("image"), MimeType: new("image/jpeg")}.Build(),
		}.Build()))
	}
	chunk := bytes.Repeat([]byte("x"), 64<<10)
	for range 4 {
		if ref == "stall" {
			<-stream.Context().Done()
			return stream.Context().Err()
		}
		if err := stream.Send(connectorv1.FetchAttachmentResponse_builder{Chunk: chunk}.Build()); err != nil {
			return err
		}
	}
	if ref == "gone" {
		return status.Error(codes.NotFound, "gone")
	}
	return nil
}

// CheckHealth says so in too many words.
func (c *connector) CheckHealth(context.Context, *connectorv1.CheckHealthRequest) (*connectorv1.CheckHealthResponse, error) {
	return connectorv1.CheckHealthResponse_builder{
		State: connectorv1.AccountState_ACCOUNT_STATE_BLOCKED.Enum(), Detail: new("blocked\n" + strings.Repeat("x", 5000)),
	}.Build(), nil
}

// Drain returns at once, whatever is under way: the hub waits for its own
// calls.
func (c *connector) Drain(context.Context, *connectorv1.DrainRequest) (*connectorv1.DrainResponse, error) {
	c.drained.Store(true)
	return connectorv1.DrainResponse_builder{}.Build(), nil
}

// ReceiveSocket tells each frame as a message, and one for another account.
func (c *connector) ReceiveSocket(_ context.Context, req *connectorv1.ReceiveSocketRequest) (*connectorv1.ReceiveSocketResponse, error) {
	out := connectorv1.ReceiveSocketResponse_builder{}
	for _, f := range req.GetFrames() {
		result := connectorv1.SocketResult_builder{}
		if string(f.GetFrame()) == "refuse" {
			result.Refusal = connectorv1.FrameRefusal_builder{Code: new("not_understood"), Detail: new("what?\x1b[2J")}.Build()
		} else {
			result.Items = []*connectorv1.Item{
				message(f.GetSocket().GetAccount().GetAccountId(), "f-"+string(f.GetFrame()), string(f.GetFrame())),
				message("stranger", "f", "for another"),
			}
		}
		out.Results = append(out.Results, result.Build())
	}
	return out.Build(), nil
}
