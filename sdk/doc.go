// Package sdk is for writing connectors: programs that teach a Channelhub hub
// to speak one more channel.
//
// # What a connector is
//
// The hub owns everything that lasts and every socket: storage, encryption,
// retention, webhooks, TLS, retries, order and de-duplication. A connector only
// translates. It gets a provider's request and says what it means; it gets a
// message and says it in the provider's words. Its crash or its upgrade loses
// nothing, and its accounts, however many, share one process.
//
// # A connector in one page
//
// A connector is a value of type [Connector]: a table of what it is and of the
// functions it has.
//
//	var Connector = sdk.Connector[settings, *account]{
//		Info:         sdk.Info{Name: "acme", Version: "1.0.0", Summary: "Acme's text messages."},
//		Limits:       sdk.Limits{MaxText: 1600},
//		AddressKinds: []string{sdk.KindPhone},
//		Routes:       []sdk.Route{{Mount: sdk.AccountRoute, Fallback: sdk.OK(), Signature: signature}},
//		Open:         open,
//		Send:         (*account).send,
//		Receive:      receive,
//	}
//
//	var signature = sdk.HMACBody{Header: "X-Acme-Signature", Secret: "secret"}
//
// What is not in the table the connector cannot do, and the hub knows it from
// there: no claim stands beside the code.
//
// An operator's settings are a struct. Its tags are its documentation, its
// checks and its JSON Schema; secrets never print:
//
//	type settings struct {
//		APIURL string      `json:"api_url" doc:"Acme's API." format:"url" default:"https://api.acme.example"`
//		Secret sdk.Secrets `json:"secret" doc:"Signs requests both ways." required:"true"`
//	}
//
// Open makes an account ready. What it returns is handed to every call:
//
//	type account struct {
//		settings
//		acme *providerhttp.Client
//	}
//
//	func open(_ context.Context, host *sdk.Host, a sdk.Account[settings]) (*account, error) {
//		return &account{a.Settings, providerhttp.New(host, nil)}, nil
//	}
//
// Receive checks who sent a request, hands over what it tells, and returns the
// reply. The reply goes out only once all of it is safe, so there is nothing to
// acknowledge and nothing to undo:
//
//	func receive(_ context.Context, hook *sdk.Hook[*account], r *sdk.Request) (*sdk.Reply, error) {
//		if err := webhook.Verify(signature, r, hook.This().Secret); err != nil {
//			return sdk.ReplyText(http.StatusUnauthorized, err.Error()), nil
//		}
//		hook.Verified()
//		var in struct{ ID, From, Text string }
//		if err := webhook.DecodeJSON(r.Body, &in, &webhook.DecodeOptions{AllowUnknown: true}); err != nil {
//			return sdk.ReplyText(http.StatusBadRequest, err.Error()), nil
//		}
//		hook.Emit(sdk.Event{
//			DedupeKey: in.ID,
//			Addresses: []sdk.Address{{Kind: sdk.KindPhone, Value: in.From}},
//			Body:      &sdk.Message{ProviderID: in.ID, Content: sdk.Text{Text: in.Text}},
//		})
//		return sdk.OK(), nil
//	}
//
// Send says one message to the provider, once. The hub repeats it when that is
// right, and what is right follows from the error; providerhttp returns errors
// that say it already:
//
//	func (a *account) send(ctx context.Context, d *sdk.Delivery) (sdk.Sent, error) {
//		answer, err := a.acme.Post(ctx, a.APIURL+"/messages", "text/plain", []byte(d.Message.Text()), nil)
//		if err != nil {
//			return sdk.Sent{}, err
//		}
//		return sdk.Sent{ProviderIDs: []string{string(answer.Body)}}, nil
//	}
//
// Its program is six lines:
//
//	package main
//
//	import (
//		"example.com/acme"
//		"github.com/channelhub/channelhub/sdk"
//	)
//
//	func main() { sdk.Serve(acme.Connector) }
//
// plugins/echo in the hub's repository is such a connector, complete, with its
// tests; begin by copying it.
//
// # Outcome and fault
//
// What a provider answers is data, and what breaks is a fault. A refused
// message, a rate limit, a dead token are outcomes: [Reject],
// [RejectRecipient], [RejectAccount], [Throttle], [Retry], [Unknown]. They are
// told to the client application in words, and the hub acts on them. A panic,
// or an error from Receive, is a fault: it fails the one call it happened in,
// the provider is asked to come again, and an operator is told.
//
// The difference that matters most is between Retry, which promises that the
// provider has not got the message, and Unknown, which does not. After an
// Unknown the hub repeats the message only when the connector declares
// IdempotentSend, and otherwise waits for a receipt: a customer who reads the
// same message twice is worse off than one who reads it late.
//
// # Words that stay inside
//
// Contact addresses, names, message texts and provider's message ids never go
// into a log or an error. Secrets cannot: [Secret] prints as "[secret]", and
// what slips into a text is taken out. [Logger] gives the logger of a call.
//
// # Finding accounts
//
// Most routes are an account's own ([AccountRoute]), and [Hook.This] is the
// account. Providers that call one URL for all accounts use an [AppRoute]:
// Addresses names each account's own addresses at the provider, and
// [Hook.Account] finds the account by one of them. Addresses in a request are
// hints until a secret of that very account has verified it; the hub takes
// nothing for an account that was not [Hook.Verified].
//
// # Web chat and other sockets
//
// On the chat mount the hub owns the socket. Frames from the browser come to
// ReceiveFrame, and messages go through Render, which is pure: the hub may call
// it again for the same message whenever a browser comes back. Send is not
// called there.
//
// # Attachments
//
// An event announces an attachment with a FetchRef, and Fetch opens it later,
// when the hub asks. In the other direction a delivery names attachments by id:
// read one with [Host.OpenAttachment], or give the provider a URL from
// [Host.SignAttachmentURL].
//
// # Testing
//
// Package sdktest drives a connector through the real gRPC stack, in memory and
// as the built binary, along stories that are plain text files, and derives
// from each what could go wrong with it.
//
// # Compatibility
//
// This package follows the major version of the contract,
// channelhub.connector.v1. New functions may appear in [Connector], new kinds
// of [EventBody] and [Content] may too; none of them breaks a connector that
// does not know them.
package sdk
