// Package mirror is a connector whose provider speaks the common format itself:
// what it is told is the JSON of the content, and so is what it tells. With it
// tests see that no form loses anything on its way through a connector, and
// that a connector may keep secrets.
package mirror

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"github.com/channelhub/channelhub/sdk"
	"github.com/channelhub/channelhub/sdk/providerhttp"
	"github.com/channelhub/channelhub/sdk/webhook"
)

// Connector is the mirror channel. It takes every form that can be sent.
var Connector = sdk.Connector[settings, *account]{
	Info: sdk.Info{Name: "mirror", Version: "0.0.1", Summary: "Speaks the common format with its provider."},
	Limits: sdk.Limits{ContentTypes: []string{
		sdk.ContentText, sdk.ContentMedia, sdk.ContentLocation, sdk.ContentContacts, sdk.ContentMenu,
		sdk.ContentCarousel, sdk.ContentLinkButton, sdk.ContentTemplate,
	}},
	AddressKinds:   []string{"mirror"},
	Routes:         []sdk.Route{{Mount: sdk.AccountRoute, Signature: signature, Fallback: sdk.OK()}},
	IdempotentSend: true,
	Open: func(_ context.Context, host *sdk.Host, a sdk.Account[settings]) (*account, error) {
		return &account{settings: a.Settings, host: host, provider: providerhttp.New(host, nil)}, nil
	},
	Receive: receive,
	Send:    (*account).send,
	Fetch:   fetch,
}

var signature = sdk.HMACBody{Header: "X-Mirror-Signature", Prefix: "sha256=", Secret: "secret"}

type settings struct {
	ReplyURL string      `json:"reply_url" doc:"Where messages are posted." required:"true" format:"url"`
	Secret   sdk.Secrets `json:"secret" doc:"Signs requests." required:"true"`
	Token    sdk.Secret  `json:"token" doc:"What the provider gave at run time."`
}

type account struct {
	settings
	host     *sdk.Host
	provider *providerhttp.Client
}

// said is a message as the provider tells it, or gets it.
type said struct {
	ID      string          `json:"id"`
	From    string          `json:"from,omitempty"`
	To      string          `json:"to,omitempty"`
	Content json.RawMessage `json:"content,omitempty"`
	Files   []file          `json:"files,omitempty"`
	// Put is a secret that the provider gives.
	Put *secret `json:"put,omitempty"`
}

type file struct {
	Name string             `json:"name"`
	Kind sdk.AttachmentKind `json:"kind"`
	Text string             `json:"text"` // its bytes
}

type secret struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

func receive(ctx context.Context, hook *sdk.Hook[*account], r *sdk.Request) (*sdk.Reply, error) {
	a := hook.This()
	if err := webhook.Verify(signature, r, a.Secret); err != nil {
		return sdk.ReplyText(http.StatusUnauthorized, err.Error()), nil
	}
	hook.Verified()
	var in said
	if err := webhook.DecodeJSON(r.Body, &in, nil); err != nil {
		return sdk.ReplyText(http.StatusBadRequest, err.Error()), nil
	}
	switch {
	case r.SubPath == "token":
		return sdk.ReplyText(http.StatusOK, a.Token.Reveal()), nil
	case in.Put != nil:
		if err := a.host.PutSecret(ctx, in.Put.Name, sdk.NewSecret(in.Put.Value)); err != nil {
			return sdk.ReplyText(http.StatusConflict, err.Error()), nil
		}
		return sdk.OK(), nil
	}
	content, err := contentOf(in.Content)
	if err != nil {
		return sdk.ReplyText(http.StatusBadRequest, err.Error()), nil
	}
	event := sdk.Event{DedupeKey: in.ID, Addresses: []sdk.Address{{Kind: "mirror", Value: in.From}}}
	if u, ok := content.(sdk.Unsupported); ok {
		event.Body = u
		hook.Emit(event)
		return sdk.OK(), nil
	}
	message := &sdk.Message{ProviderID: in.ID, Content: content}
	for _, f := range in.Files {
		message.Attachments = append(message.Attachments, sdk.Attachment{Name: f.Name, Kind: f.Kind, FetchRef: []byte(f.Text)})
	}
	event.Body = message
	hook.Emit(event)
	return sdk.OK(), nil
}

// fetch hands out the bytes that the event brought along.
func fetch(_ *account, _ context.Context, r *sdk.FetchRequest) (*sdk.File, error) {
	if len(r.Attachment.FetchRef) == 0 {
		return nil, sdk.ErrNotFound
	}
	return &sdk.File{
		Attachment: sdk.Attachment{MimeType: "text/plain"},
		Body:       io.NopCloser(strings.NewReader(string(r.Attachment.FetchRef))),
	}, nil
}

func (a *account) send(ctx context.Context, d *sdk.Delivery) (sdk.Sent, error) {
	content, err := jsonOf(d.Message.Content)
	if err != nil {
		return sdk.Sent{}, err
	}
	out := said{ID: d.Message.ID, To: d.To[0].Value, Content: content}
	for _, f := range d.Message.Attachments {
		text, err := a.read(ctx, f.ID)
		if err != nil {
			return sdk.Sent{}, err
		}
		out.Files = append(out.Files, file{f.Name, f.Kind, text})
	}
	body, err := json.Marshal(out)
	if err != nil {
		return sdk.Sent{}, err
	}
	if _, err := a.provider.Post(ctx, a.ReplyURL, "application/json", body, nil); err != nil {
		return sdk.Sent{}, err
	}
	return sdk.Sent{ProviderIDs: []string{"mirror-" + d.Message.ID}}, nil
}

func (a *account) read(ctx context.Context, id string) (string, error) {
	f, err := a.host.OpenAttachment(ctx, id)
	if err != nil {
		return "", err
	}
	defer f.Body.Close()
	text, err := io.ReadAll(f.Body)
	return string(text), err
}
