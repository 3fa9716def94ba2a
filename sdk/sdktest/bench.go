package sdktest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	protobuf "google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	connectorv1 "github.com/channelhub/channelhub/sdk/proto/channelhub/connector/v1"
)

// bench is a connector with a hub and a provider around it.
type bench struct {
	*target
	suite     *Suite
	hub       *hub
	provider  *provider
	described *connectorv1.DescribeResponse
	revision  uint64
	secrets   []string // of every account that was opened
}

func newBench(t *testing.T, suite *Suite, target *target) *bench {
	t.Helper()
	b := &bench{target: target, suite: suite, hub: startHub(t), provider: startProvider(t)}
	var err error
	if b.described, err = b.Describe(limited(t), &connectorv1.DescribeRequest{}); err != nil {
		t.Fatalf("describe: %v", err)
	}
	return b
}

// limited is a context for one call.
func limited(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func (b *bench) attach(t *testing.T) {
	t.Helper()
	if _, err := b.Attach(limited(t), b.hub.attach); err != nil {
		t.Fatalf("attach: %v", err)
	}
}

// accountText is an account's config and secrets as JSON.
type accountText struct {
	Config  json.RawMessage       `json:"config"`
	Secrets map[string]secretText `json:"secrets"`
}

// secretText is one value or several.
type secretText []string

// UnmarshalJSON implements [json.Unmarshaler].
func (s *secretText) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*s = secretText{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(s))
}

// settings reads an account for an id, at the next revision.
func (b *bench) settings(t *testing.T, id, text, providerURL string) *connectorv1.AccountSettings {
	t.Helper()
	var account accountText
	if err := json.Unmarshal([]byte(strings.ReplaceAll(text, "{{provider}}", providerURL)), &account); err != nil {
		t.Fatalf("read account: %v", err)
	}
	b.revision++
	revision, external := b.revision, externalURL
	out := connectorv1.AccountSettings_builder{
		Account:     connectorv1.AccountRef_builder{AccountId: &id, ConfigRevision: &revision}.Build(),
		Config:      account.Config,
		ExternalUrl: &external,
	}.Build()
	var secrets []*connectorv1.Secret
	for name, values := range account.Secrets {
		secrets = append(secrets, connectorv1.Secret_builder{Name: &name, Values: values}.Build())
		b.secrets = append(b.secrets, values...)
	}
	out.SetSecrets(secrets)
	return out
}

// externalURL is the fake hub's public listener.
const externalURL = "https://hub.example"

// open opens an account from its text.
func (b *bench) open(t *testing.T, id, text, providerURL string) *connectorv1.AccountSettings {
	t.Helper()
	settings := b.settings(t, id, text, providerURL)
	b.hub.add(id)
	if _, err := b.OpenAccount(limited(t), connectorv1.OpenAccountRequest_builder{Settings: settings}.Build()); err != nil {
		t.Fatalf("open account: %v", err)
	}
	return settings
}

// close closes an account.
func (b *bench) close(t *testing.T, settings *connectorv1.AccountSettings) {
	t.Helper()
	if _, err := b.CloseAccount(limited(t), connectorv1.CloseAccountRequest_builder{Account: settings.GetAccount()}.Build()); err != nil {
		t.Errorf("close account: %v", err)
	}
}

// drain drains the connector, and fails when something was left.
func (b *bench) drain(t *testing.T) {
	t.Helper()
	if _, err := b.Drain(limited(t), connectorv1.DrainRequest_builder{Deadline: durationpb.New(patience)}.Build()); err != nil {
		t.Errorf("drain: %v", err)
	}
}

// ref names an account.
func ref(id string) *connectorv1.AccountRef {
	return connectorv1.AccountRef_builder{AccountId: &id}.Build()
}

// alive fails the test when the connector does not answer any more.
func (b *bench) alive(t *testing.T) {
	t.Helper()
	if _, err := b.Describe(limited(t), &connectorv1.DescribeRequest{}); err != nil {
		t.Fatalf("the connector does not answer any more: %v", err)
	}
}

// checkLogs looks for what must not be in a log: secrets, and what the story
// says of people.
func (b *bench) checkLogs(t *testing.T, s *story) {
	t.Helper()
	logs := b.logs.String()
	for _, secret := range b.secrets {
		if strings.Contains(logs, secret) {
			t.Errorf("the log holds a secret of the account:\n%s", logs)
		}
	}
	for _, personal := range s.personal() {
		if strings.Contains(logs, personal) {
			t.Errorf("the log holds %q, which is personal:\n%s", personal, logs)
		}
	}
}

func sizeOf(m protobuf.Message) int { return protobuf.Size(m) }

// jsonOf writes a message of the contract as stories show it.
func jsonOf(t *testing.T, m protobuf.Message) json.RawMessage {
	t.Helper()
	out, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// indented writes JSON the same way every time; protojson varies its spaces on
// purpose.
func indented(t *testing.T, value any) []byte {
	t.Helper()
	raw, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var sorted any
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if err := decoder.Decode(&sorted); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(sorted); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// itemsOf writes items as stories show them.
func itemsOf(t *testing.T, items []*connectorv1.Item) []byte {
	t.Helper()
	list := make([]json.RawMessage, len(items))
	for i, item := range items {
		list[i] = jsonOf(t, item)
	}
	return indented(t, list)
}

// into reads a message of the contract from a story.
func into[M protobuf.Message](t *testing.T, section string, data []byte, m M) M {
	t.Helper()
	if err := protojson.Unmarshal(data, m); err != nil {
		t.Fatal(fmt.Errorf("%s: %w", section, err))
	}
	return m
}
