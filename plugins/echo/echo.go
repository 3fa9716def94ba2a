// Package echo is the reference connector: signed JSON in and out, and receipts.
package echo

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/channelhub/channelhub/sdk"
	"github.com/channelhub/channelhub/sdk/providerhttp"
	"github.com/channelhub/channelhub/sdk/webhook"
)

// Connector is the echo channel.
var Connector = sdk.Connector[settings, *account]{
	Info:           sdk.Info{Name: "echo", Version: "1.0.0", Summary: "The reference connector: signed JSON over HTTP."},
	Limits:         sdk.Limits{MaxText: 4096, ContentTypes: []string{sdk.ContentText}},
	AddressKinds:   []string{"echo"},
	Routes:         []sdk.Route{{Mount: sdk.AccountRoute, Fallback: accepted, Signature: signature}},
	IdempotentSend: true, // the message id is the key: a repeat gets the same answer
	Open:           open,
	Send:           (*account).send,
	Receive:        receive,
}

var (
	signature = sdk.HMACBody{Header: "X-Echo-Signature", Prefix: "sha256=", Secret: "secret"}
	accepted  = sdk.ReplyJSON(http.StatusOK, `{"ok":true}`)
)

type settings struct {
	ReplyURL string      `json:"reply_url" doc:"Where answers are posted." required:"true" format:"url"`
	Secret   sdk.Secrets `json:"secret" doc:"Signs requests both ways." required:"true"`
}

type account struct {
	settings
	provider *providerhttp.Client
}

func open(_ context.Context, host *sdk.Host, a sdk.Account[settings]) (*account, error) {
	return &account{settings: a.Settings, provider: providerhttp.New(host, nil)}, nil
}

// incoming is a message, a receipt, or the answer to a message.
type incoming struct {
	ID         string     `json:"id"`
	From       string     `json:"from"`
	Name       string     `json:"name"`
	Text       string     `json:"text"`
	At         time.Time  `json:"at"`
	Receipt    sdk.Status `json:"receipt"`
	ProviderID string     `json:"provider_id"`
}

func receive(_ context.Context, hook *sdk.Hook[*account], r *sdk.Request) (*sdk.Reply, error) {
	if err := webhook.Verify(signature, r, hook.This().Secret); err != nil {
		return sdk.ReplyText(http.StatusUnauthorized, err.Error()), nil
	}
	hook.Verified()
	var in incoming
	if err := webhook.DecodeJSON(r.Body, &in, &webhook.DecodeOptions{AllowUnknown: true}); err != nil {
		return sdk.ReplyText(http.StatusBadRequest, err.Error()), nil
	}
	switch {
	case in.ProviderID != "" && (in.Receipt == sdk.StatusDelivered || in.Receipt == sdk.StatusRead || in.Receipt == sdk.StatusFailed):
		hook.Report(sdk.StatusReport{Status: in.Receipt, ProviderID: in.ProviderID, OccurredAt: in.At})
	case in.Receipt == "" && in.ID != "" && in.From != "":
		hook.Emit(sdk.Event{
			DedupeKey:   in.ID,
			Addresses:   []sdk.Address{{Kind: "echo", Value: in.From}},
			DisplayName: in.Name,
			OccurredAt:  in.At,
			Body:        &sdk.Message{ProviderID: in.ID, Content: sdk.Text{Text: in.Text}},
		})
	default:
		return sdk.ReplyText(http.StatusBadRequest, "need id and from, or receipt and provider_id"), nil
	}
	return accepted, nil
}

func (a *account) send(ctx context.Context, d *sdk.Delivery) (sdk.Sent, error) {
	body, err := json.Marshal(map[string]string{"id": d.Message.ID, "to": d.To[0].Value, "text": d.Message.Text()})
	if err != nil {
		return sdk.Sent{}, err
	}
	header := http.Header{signature.Header: {webhook.Sign(signature, body, a.Secret.Current())}}
	answer, err := a.provider.Post(ctx, a.ReplyURL, "application/json", body, header)
	if err != nil {
		return sdk.Sent{}, err // classified already
	}
	var taken incoming
	err = webhook.DecodeJSON(answer.Body, &taken, &webhook.DecodeOptions{AllowUnknown: true})
	if err == nil && taken.ProviderID == "" {
		err = errors.New("the answer has no provider_id")
	}
	return sdk.Sent{ProviderIDs: []string{taken.ProviderID}}, err // behind a request that left: unknown
}
