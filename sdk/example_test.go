package sdk_test

import (
	"context"
	"net/http"

	"github.com/channelhub/channelhub/sdk"
	"github.com/channelhub/channelhub/sdk/providerhttp"
	"github.com/channelhub/channelhub/sdk/webhook"
)

// Connector is a whole connector: the one of the package's tutorial.
var Connector = sdk.Connector[settings, *account]{
	Info:         sdk.Info{Name: "acme", Version: "1.0.0", Summary: "Acme's text messages."},
	Limits:       sdk.Limits{MaxText: 1600},
	AddressKinds: []string{sdk.KindPhone},
	Routes:       []sdk.Route{{Mount: sdk.AccountRoute, Fallback: sdk.OK(), Signature: signature}},
	Open:         open,
	Send:         (*account).send,
	Receive:      receive,
}

var signature = sdk.HMACBody{Header: "X-Acme-Signature", Secret: "secret"}

type settings struct {
	APIURL string      `json:"api_url" doc:"Acme's API." format:"url" default:"https://api.acme.example"`
	Secret sdk.Secrets `json:"secret" doc:"Signs requests both ways." required:"true"`
}

type account struct {
	settings
	acme *providerhttp.Client
}

func open(_ context.Context, host *sdk.Host, a sdk.Account[settings]) (*account, error) {
	return &account{a.Settings, providerhttp.New(host, nil)}, nil
}

func receive(_ context.Context, hook *sdk.Hook[*account], r *sdk.Request) (*sdk.Reply, error) {
	if err := webhook.Verify(signature, r, hook.This().Secret); err != nil {
		return sdk.ReplyText(http.StatusUnauthorized, err.Error()), nil
	}
	hook.Verified()
	var in struct{ ID, From, Text string }
	if err := webhook.DecodeJSON(r.Body, &in, &webhook.DecodeOptions{AllowUnknown: true}); err != nil {
		return sdk.ReplyText(http.StatusBadRequest, err.Error()), nil
	}
	hook.Emit(sdk.Event{
		DedupeKey: in.ID,
		Addresses: []sdk.Address{{Kind: sdk.KindPhone, Value: in.From}},
		Body:      &sdk.Message{ProviderID: in.ID, Content: sdk.Text{Text: in.Text}},
	})
	return sdk.OK(), nil
}

func (a *account) send(ctx context.Context, d *sdk.Delivery) (sdk.Sent, error) {
	answer, err := a.acme.Post(ctx, a.APIURL+"/messages", "text/plain", []byte(d.Message.Text()), nil)
	if err != nil {
		return sdk.Sent{}, err
	}
	return sdk.Sent{ProviderIDs: []string{string(answer.Body)}}, nil
}

// Its main function has one line.
func Example() {
	sdk.Serve(Connector)
}
