// Package moody is a connector that misbehaves as it is told, for tests of the
// SDK and of the suite.
package moody

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/channelhub/channelhub/sdk"
)

// Printed is how many bytes "print" writes to each standard stream: well above
// the 64 KiB that a pipe holds.
const Printed = 1 << 20

// Confession is what "panic" panics with. It must reach no log and no answer.
const Confession = "the customer +15550009 said hello"

// Connector does what the body of a request, the text of a message or a frame
// says.
var Connector = sdk.Connector[settings, *account]{
	Info:   sdk.Info{Name: "moody", Version: "0.0.1", Summary: "Misbehaves as it is told."},
	Routes: []sdk.Route{{Mount: sdk.AccountRoute}, {Mount: sdk.AppRoute}, {Mount: sdk.ChatSocket}},
	Open: func(_ context.Context, host *sdk.Host, a sdk.Account[settings]) (*account, error) {
		if a.Settings.Mood == "broken" {
			return nil, fmt.Errorf("cannot open with %s", a.Settings.Token.Reveal())
		}
		return &account{a.Settings, host}, nil
	},
	Addresses: func(a *account) []string { return []string{a.Address} },
	Receive: func(ctx context.Context, hook *sdk.Hook[*account], r *sdk.Request) (*sdk.Reply, error) {
		if r.SubPath == "app" {
			return receiveForMany(hook, r)
		}
		return receive(ctx, hook, r)
	},
	ReceiveFrame: receiveFrame,
	Render: func(_ *account, _ context.Context, item *sdk.RenderItem) ([]byte, error) {
		if item.Message == nil {
			return nil, nil
		}
		return json.Marshal(item.Message.Text())
	},
	Send:   (*account).send,
	Signal: func(*account, context.Context, *sdk.Signal) error { return errors.New("no signals today") },
	Fetch:  (*account).fetch,
	Probe:  func(*account, context.Context) sdk.Health { return sdk.HealthOf(sdk.RejectAccount("expired", nil)) },
}

type settings struct {
	Mood    string     `json:"mood" doc:"How to be." enum:"calm,broken" default:"calm"`
	Address string     `json:"address" doc:"The address at the provider."`
	Token   sdk.Secret `json:"token" doc:"A secret to give away." required:"true"`
}

type account struct {
	settings
	host *sdk.Host
}

func receive(ctx context.Context, hook *sdk.Hook[*account], r *sdk.Request) (*sdk.Reply, error) {
	event := sdk.Event{
		DedupeKey: string(r.Body),
		Addresses: []sdk.Address{{Kind: "moody", Value: "+15550009"}},
		Body:      &sdk.Message{Content: sdk.Text{Text: string(r.Body)}},
	}
	switch string(r.Body) {
	case "panic":
		panic(Confession)
	case "index":
		var none []int
		return sdk.ReplyText(http.StatusOK, fmt.Sprint(none[len(r.Body)])), nil
	case "print":
		chatter := strings.Repeat("x", Printed)
		_, _ = fmt.Fprintln(os.Stdout, chatter)
		_, _ = fmt.Fprintln(os.Stderr, chatter)
	case "blab":
		sdk.Logger(ctx).Info("the token is "+hook.This().Token.Reveal(), "token", hook.This().Token, "settings", hook.This().settings)
	case "fail":
		return nil, fmt.Errorf("failed with %s", hook.This().Token.Reveal())
	case "unverified":
		hook.Emit(event)
		return sdk.OK(), nil
	case "nobody":
		event.Addresses = nil
	case "refuse":
		hook.Verified()
		hook.Emit(event)
		return sdk.ReplyText(http.StatusBadRequest, "no"), nil
	case "file":
		event.Body = &sdk.Message{Content: sdk.Media{Caption: "look"}, Attachments: []sdk.Attachment{{Name: "moody.txt", Kind: sdk.KindFile, FetchRef: []byte("moody")}}}
	case "heavy":
		return &sdk.Reply{Body: make([]byte, 5<<20)}, nil
	}
	hook.Verified()
	hook.Emit(event)
	return nil, nil // an empty 200
}

// receiveForMany tells one event for each provider address in the body.
func receiveForMany(hook *sdk.Hook[*account], r *sdk.Request) (*sdk.Reply, error) {
	for address := range strings.SplitSeq(string(r.Body), ",") {
		own, ok := hook.Account(address)
		if !ok {
			continue
		}
		own.Verified()
		own.Report(sdk.StatusReport{Status: sdk.StatusRead, ProviderID: own.This().Address})
	}
	return sdk.OK(), nil
}

func receiveFrame(_ context.Context, hook *sdk.Hook[*account], f *sdk.Frame) error {
	switch string(f.Data) {
	case "panic":
		panic(Confession)
	case "what":
		return sdk.RefuseFrame("not_understood", "what?", "f-1")
	}
	hook.Emit(sdk.Event{DedupeKey: f.SocketID + string(f.Data), Addresses: []sdk.Address{f.Visitor}, Body: sdk.Typing{}})
	return nil
}

func (a *account) send(_ context.Context, d *sdk.Delivery) (sdk.Sent, error) {
	switch d.Message.Text() {
	case "panic":
		panic(Confession)
	case "fail":
		return sdk.Sent{}, fmt.Errorf("failed for %s with %s", d.To[0].Value, a.Token.Reveal())
	}
	return sdk.Sent{}, nil
}

func (a *account) fetch(_ context.Context, r *sdk.FetchRequest) (*sdk.File, error) {
	if len(r.Attachment.FetchRef) == 0 {
		return nil, fmt.Errorf("fetch: %w", sdk.ErrNotFound)
	}
	body := strings.NewReader(strings.Repeat(string(r.Attachment.FetchRef), 100_000))
	return &sdk.File{Attachment: sdk.Attachment{MimeType: "text/plain"}, Body: io.NopCloser(body)}, nil
}
