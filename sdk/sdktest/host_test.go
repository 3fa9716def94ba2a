package sdktest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/channelhub/channelhub/sdk"
	connectorv1 "github.com/channelhub/channelhub/sdk/proto/channelhub/connector/v1"
)

// hostOf opens an account and returns the Host that its connector got, with
// the fake hub behind it.
func hostOf(t *testing.T) (*sdk.Host, *bench) {
	t.Helper()
	var got *sdk.Host
	type settings struct {
		URL   string      `json:"url" doc:"The provider." format:"url"`
		Token sdk.Secrets `json:"token" doc:"A secret."`
	}
	connector := sdk.Connector[settings, *sdk.Host]{
		Info: sdk.Info{Name: "hosted", Version: "1", Summary: "Gives its host away."},
		Open: func(_ context.Context, host *sdk.Host, _ sdk.Account[settings]) (*sdk.Host, error) {
			got = host
			return host, nil
		},
	}
	b := newBench(t, &Suite{}, inMemory(t, connector))
	b.hub.attach.SetEgress([]string{"files.internal"})
	b.hub.attach.SetPluginConfig([]byte(`{"a":1}`))
	b.attach(t)
	b.open(t, accountID, `{"config": {"url": "https://provider.internal/v1"}, "secrets": {"token": "t0p-secret"}}`, b.provider.url)
	return got, b
}

func TestHostPublishesInBatches(t *testing.T) {
	host, b := hostOf(t)
	var events []sdk.Event
	for i := range 40 {
		events = append(events, sdk.Event{
			DedupeKey: fmt.Sprint("key-", i), Addresses: []sdk.Address{{Kind: "x", Value: "y"}}, Body: sdk.Typing{},
		})
	}
	events[17].Addresses[0].Value = "" // not acceptable, alone
	results, err := host.PublishEvents(t.Context(), events...)
	if err != nil || len(results) != len(events) {
		t.Fatalf("%d results, %v", len(results), err)
	}
	for i, result := range results {
		if invalid := errors.Is(result, sdk.ErrInvalid); invalid != (i == 17) || (result != nil && i != 17) {
			t.Errorf("event %d: %v", i, result)
		}
	}
	if published := len(b.hub.accounts[accountID].events); published != 39 {
		t.Errorf("%d events arrived", published)
	}
	if _, err := host.PublishEvents(t.Context(), sdk.Event{}); err == nil {
		t.Error("an event without anything was published")
	}

	results, err = host.ReportStatus(t.Context(),
		sdk.StatusReport{Status: sdk.StatusDelivered, ProviderID: "p-1"},
		sdk.StatusReport{Status: sdk.StatusRead, Watermark: &sdk.Watermark{Address: sdk.Address{Kind: "x", Value: "y"}, UpTo: time.Now()}})
	if err != nil || len(results) != 2 || results[0] != nil || results[1] != nil {
		t.Errorf("reports: %v, %v", results, err)
	}
	for what, report := range map[string]sdk.StatusReport{
		"no target":   {Status: sdk.StatusRead},
		"two targets": {Status: sdk.StatusRead, MessageID: "msg_1", ProviderID: "p-1"},
		"no status":   {ProviderID: "p-1"},
	} {
		if _, err := host.ReportStatus(t.Context(), report); err == nil {
			t.Errorf("a report with %s was taken", what)
		}
	}
}

func TestHostState(t *testing.T) {
	host, _ := hostOf(t)
	ctx := t.Context()
	if _, err := host.GetState(ctx, "a"); !errors.Is(err, sdk.ErrNotFound) {
		t.Errorf("reading nothing: %v", err)
	}
	version, err := host.PutState(ctx, "a", []byte("1"), 0, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := host.PutState(ctx, "a", []byte("2"), 0, 0); !errors.Is(err, sdk.ErrConflict) {
		t.Errorf("writing over something unseen: %v", err)
	}
	if state, err := host.GetState(ctx, "a"); err != nil || string(state.Value) != "1" || state.Version != version {
		t.Errorf("read %+v, %v", state, err)
	}
	if _, err := host.PutState(ctx, "b", nil, 0, 0); err != nil {
		t.Fatal(err)
	}
	entries, more, err := host.ListState(ctx, "", "", 1)
	if err != nil || len(entries) != 1 || entries[0].Key != "a" || !more {
		t.Errorf("listed %+v, %t, %v", entries, more, err)
	}
	if entries, more, err = host.ListState(ctx, "", "a", 10); err != nil || len(entries) != 1 || entries[0].Key != "b" || more {
		t.Errorf("listed %+v, %t, %v", entries, more, err)
	}
	if err := host.DeleteState(ctx, "a", version+1); !errors.Is(err, sdk.ErrConflict) {
		t.Errorf("deleting an unseen version: %v", err)
	}
	if err := host.DeleteState(ctx, "a", version); err != nil {
		t.Error(err)
	}
	if _, err := host.PutState(ctx, "", nil, 0, 0); !errors.Is(err, sdk.ErrInvalid) {
		t.Errorf("an empty key: %v", err)
	}
}

func TestHostAttachments(t *testing.T) {
	host, b := hostOf(t)
	id, kind := "att_1", "image"
	body := bytes.Repeat([]byte("pixel"), 200_000)
	b.hub.give(accountID, &file{connectorv1.Attachment_builder{Id: &id, Kind: &kind}.Build(), body})
	opened, err := host.OpenAttachment(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	read, err := io.ReadAll(opened.Body)
	if err != nil || !bytes.Equal(read, body) || opened.Attachment.Kind != sdk.KindImage {
		t.Errorf("read %d bytes of %+v, %v", len(read), opened.Attachment, err)
	}
	if err := opened.Body.Close(); err != nil {
		t.Error(err)
	}
	if _, err := host.OpenAttachment(t.Context(), "att_2"); !errors.Is(err, sdk.ErrNotFound) {
		t.Errorf("a missing attachment: %v", err)
	}
	link, expires, err := host.SignAttachmentURL(t.Context(), id, time.Minute)
	if err != nil || link == "" || expires.IsZero() {
		t.Errorf("signed %q until %v, %v", link, expires, err)
	}
	if _, _, err := host.SignAttachmentURL(t.Context(), id, time.Hour); !errors.Is(err, sdk.ErrInvalid) {
		t.Errorf("a link for an hour: %v", err)
	}
}

func TestHostKnowsWhatTheOperatorWrote(t *testing.T) {
	host, b := hostOf(t)
	if got := fmt.Sprint(host.Egress()); got != "[provider.internal:443 files.internal]" {
		t.Errorf("egress is %s", got)
	}
	if string(host.PluginConfig()) != `{"a":1}` {
		t.Errorf("the plugin's config is %s", host.PluginConfig())
	}
	if got := host.Redact("it is t0p-secret indeed"); got != "it is [secret] indeed" {
		t.Errorf("redacted: %s", got)
	}
	if err := host.PutSecret(t.Context(), "token", sdk.NewSecret("a new one")); err != nil {
		t.Fatal(err)
	}
	if got := b.hub.accounts[accountID].secrets["token"]; got != "a new one" {
		t.Errorf("the hub keeps %q", got)
	}
	if got := host.Redact("a new one"); got != "[secret]" {
		t.Errorf("a secret put by the connector is printed: %s", got)
	}
	if sockets, err := host.PushSocket(t.Context(), sdk.Address{Kind: "visitor", Value: "v"}, []byte("{}")); err != nil || sockets != 1 {
		t.Errorf("pushed to %d sockets, %v", sockets, err)
	}
}

func TestHostReturnsContextErrors(t *testing.T) {
	host, _ := hostOf(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := host.GetState(ctx, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("with an ended context: %v", err)
	}
}
