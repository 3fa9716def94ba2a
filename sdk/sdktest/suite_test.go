package sdktest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/channelhub/channelhub/sdk"
	"github.com/channelhub/channelhub/sdk/providerhttp"
	"github.com/channelhub/channelhub/sdk/webhook"
)

// vice says, in the environment, in which way the connector under test is bad.
const vice = "SDKTEST_VICE"

type viceSettings struct {
	URL   string     `json:"url" doc:"The provider." required:"true" format:"url"`
	Token sdk.Secret `json:"token" doc:"A secret." required:"true"`
}

type viceAccount struct {
	viceSettings
	client *providerhttp.Client
	host   *sdk.Host
}

var viceSignature = sdk.HMACBody{Header: "X-Signature", Secret: "token"}

// badConnector is good but for one vice.
func badConnector(vice string) sdk.Plugin {
	connector := sdk.Connector[viceSettings, *viceAccount]{
		Info:           sdk.Info{Name: "bad", Version: "1", Summary: "Has one vice."},
		Routes:         []sdk.Route{{Mount: sdk.AccountRoute, Signature: viceSignature}},
		IdempotentSend: true,
		Open: func(_ context.Context, host *sdk.Host, a sdk.Account[viceSettings]) (*viceAccount, error) {
			return &viceAccount{a.Settings, providerhttp.New(host, nil), host}, nil
		},
		Receive: func(ctx context.Context, hook *sdk.Hook[*viceAccount], r *sdk.Request) (*sdk.Reply, error) {
			err := webhook.Verify(viceSignature, r, sdk.NewSecrets(hook.This().Token.Reveal()))
			if err != nil && vice != "believes anybody" {
				return sdk.ReplyText(http.StatusUnauthorized, "no"), nil
			}
			hook.Verified()
			key := "key"
			switch {
			case vice == "forgets what it said":
				key = rand.Text()
			case vice == "fails on an empty body" && len(r.Body) == 0:
				return nil, errors.New("nothing")
			case vice == "logs the message":
				sdk.Logger(ctx).Info("received", "text", string(r.Body))
			case !bytes.HasPrefix(r.Body, []byte("hello")) && vice != "takes anything":
				return sdk.ReplyText(http.StatusBadRequest, "no"), nil
			}
			hook.Emit(sdk.Event{
				DedupeKey: key, Addresses: []sdk.Address{{Kind: "x", Value: "+1555"}}, Body: &sdk.Message{Content: sdk.Text{Text: "hello world"}},
			})
			return sdk.OK(), nil
		},
		Send: func(a *viceAccount, ctx context.Context, d *sdk.Delivery) (sdk.Sent, error) {
			sent := sdk.Sent{ProviderIDs: []string{"p-1"}}
			body := d.Message.Text()
			for i := range d.Message.Attachments {
				file, err := a.host.OpenAttachment(ctx, d.Message.Attachments[i].ID)
				if err != nil {
					return sent, err
				}
				b, err := io.ReadAll(file.Body)
				if err := errors.Join(err, file.Body.Close()); err != nil {
					return sent, err
				}
				body += string(b)
			}
			if vice == "sends no idempotency key" {
				body += rand.Text()
			}
			if vice == "has its own client" {
				late := context.WithoutCancel(ctx) // else it would end in time
				request, err := http.NewRequestWithContext(late, http.MethodPost, a.URL, strings.NewReader(body))
				if err != nil {
					return sent, err
				}
				answer, err := http.DefaultClient.Do(request)
				if err != nil {
					return sent, err
				}
				defer func() { _ = answer.Body.Close() }()
				if answer.StatusCode >= http.StatusMultipleChoices {
					return sent, fmt.Errorf("answered %d", answer.StatusCode)
				}
				return sent, nil
			}
			_, err := a.client.Post(ctx, a.URL, "text/plain", []byte(body), nil)
			if vice == "hides failures" {
				return sent, nil
			}
			return sent, err
		},
		Fetch: func(a *viceAccount, ctx context.Context, r *sdk.FetchRequest) (*sdk.File, error) {
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.URL+"/"+string(r.Attachment.FetchRef), http.NoBody)
			if err != nil {
				return nil, err
			}
			answer, err := a.client.Open(request) //nolint:bodyclose // the file's reader closes it
			if err != nil && vice == "makes up a file" {
				return &sdk.File{Body: io.NopCloser(strings.NewReader("sorry"))}, nil
			}
			if err != nil {
				return nil, err
			}
			return &sdk.File{Attachment: sdk.Attachment{Name: "a.txt", MimeType: answer.Header.Get("Content-Type")}, Body: answer.Body}, nil
		},
	}
	if vice == "documents nothing" {
		connector.Info.Summary = ""
	}
	return connector
}

// The suite is only worth what it finds.
func TestSuiteFindsVices(t *testing.T) {
	if v, ok := os.LookupEnv(vice); ok {
		Run(t, badConnector(v), &Suite{
			Account: `{"config": {"url": "{{provider}}"}, "secrets": {"token": "t0p-secret"}}`,
			Stories: "testdata/vices",
		})
		return
	}
	for v, complaint := range map[string]string{
		"":                         "",
		"believes anybody":         "a signature that is flipped is answered 200",
		"forgets what it said":     "the same request told something else the second time",
		"fails on an empty body":   "a request with a body of 0 bytes is a fault",
		"logs the message":         "which is personal",
		"takes anything":           "a body that is huge told something",
		"has its own client":       "the provider was asked 1 times when the time to send was over",
		"sends no idempotency key": "the second attempt asked otherwise than the first",
		"hides failures":           "a refused connection gives",
		"makes up a file":          "a file that is gone is fetched as one of 5 bytes",
		"documents nothing":        "a connector has a version and a summary",
	} {
		t.Run(v, func(t *testing.T) {
			child := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestSuiteFindsVices$")
			child.Env = append(os.Environ(), vice+"="+v)
			out, err := child.CombinedOutput()
			if (err != nil) != (complaint != "") || !strings.Contains(string(out), complaint) {
				t.Errorf("the suite ends with %v, and does not say %q:\n%s", err, complaint, out)
			}
		})
	}
}
