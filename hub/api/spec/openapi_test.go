package spec

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	goyaml "github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/channelhub/channelhub/hub/api/web"
	"github.com/channelhub/channelhub/hub/model"
)

// v1Document is the document of V1 as a reader gets it.
func v1Document(t *testing.T) ([]byte, map[string]any) {
	t.Helper()
	text, err := newDocument(V1("dev")).json()
	if err != nil {
		t.Fatal(err)
	}
	var tree map[string]any
	if err := json.Unmarshal(text, &tree); err != nil {
		t.Fatal(err)
	}
	return text, tree
}

func TestBothSpellingsSayTheSame(t *testing.T) {
	_, want := v1Document(t)
	text, err := newDocument(V1("dev")).yaml()
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := goyaml.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	var same map[string]any
	if err := json.Unmarshal(asJSON, &same); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, same); diff != "" {
		t.Errorf("JSON and YAML differ (-json +yaml):\n%s", diff)
	}
}

func TestReferencesResolve(t *testing.T) {
	text, tree := v1Document(t)
	for _, m := range regexp.MustCompile(`"\$ref": "#/([^"]+)"`).FindAllSubmatch(text, -1) {
		at := any(tree)
		for part := range strings.SplitSeq(string(m[1]), "/") {
			node, _ := at.(map[string]any)
			at = node[part]
		}
		if at == nil {
			t.Errorf("#/%s leads nowhere", m[1])
		}
	}
}

func TestOperationsAreWhole(t *testing.T) {
	seen := map[string]bool{}
	for _, op := range V1("dev").Operations {
		if seen[op.ID] || seen[op.Pattern()] {
			t.Errorf("%s (%s) is there twice", op.ID, op.Pattern())
		}
		seen[op.ID], seen[op.Pattern()] = true, true
		if op.Summary == "" || op.Tag == "" || len(op.Answers) == 0 {
			t.Errorf("%s lacks a summary, a tag or an answer", op.ID)
		}
		for _, m := range regexp.MustCompile(`{(\w+)}`).FindAllStringSubmatch(op.Path, -1) {
			found := false
			for _, p := range op.Params {
				found = found || p.In == Path && p.Name == m[1]
			}
			if !found {
				t.Errorf("%s does not describe {%s}", op.ID, m[1])
			}
		}
		for _, p := range op.Params {
			if p.Description == "" {
				t.Errorf("%s does not describe the parameter %s", op.ID, p.Name)
			}
			if p.In == Path && !strings.Contains(op.Path, "{"+p.Name+"}") {
				t.Errorf("%s describes {%s}, which its path does not have", op.ID, p.Name)
			}
		}
	}
}

// Every field of every type has words, and no words are for a field that is
// gone.
func TestFieldsAreDescribed(t *testing.T) {
	d := newDocument(V1("dev"))
	used := map[string]bool{}
	for _, c := range d.schemas.list {
		properties, _ := c.schema.get("properties").(object)
		for _, p := range properties {
			field, _ := p.value.(object)
			if field.text("description") == "" {
				t.Errorf("%s.%s has no description", c.Name, p.name)
			}
			used[c.Name+"."+p.name] = true
		}
		used[c.Name] = true
	}
	for name := range fieldDocs {
		if !used[name] {
			t.Errorf("there are words for %s, which is no field", name)
		}
	}
	for name := range typeDocs {
		if !used[name] {
			t.Errorf("there are words for %s, which is no type", name)
		}
	}
}

// The schemas are valid JSON Schema, and what the hub writes fits them: fully
// set values and bare ones.
func TestValuesFitTheirSchemas(t *testing.T) {
	text, _ := v1Document(t)
	tree, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	if err := c.AddResource("https://hub.test/openapi.json", tree); err != nil {
		t.Fatal(err)
	}
	at := model.At(time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC))
	conv := model.NewConversationID()
	msg := model.Message{
		ID: model.MessagePlace{Conversation: conv, Direction: model.Outbound}.ID(), ProviderID: "p", Direction: model.Outbound, Author: model.CSR,
		Content: &model.Content{
			Type: model.ContentText, Text: "hello", Kind: "k", Payload: "p", Title: "t", URL: "https://a.example", Latitude: new(1.5), Longitude: new(2.5),
			Name: "n", Address: "a", Button: "b", Language: "en", Values: []byte(`{"a":1}`),
			Contacts:   []model.ContactCard{{Name: "n", Phones: []string{"1"}, Emails: []string{"e"}, Organization: "o"}},
			Sections:   []model.MenuSection{{Title: "t", Items: []model.MenuItem{{Payload: "p", Title: "t", Description: "d"}}}},
			Cards:      []model.Card{{Title: "t", Subtitle: "s", AttachmentID: "att_1", Buttons: []model.CardButton{{Title: "t", Payload: "p"}, {Title: "t", URL: "u"}}}},
			Parameters: []model.TemplateParameter{{Component: "body", Name: "n", Text: "t"}},
		},
		Attachments: []model.Attachment{{ID: model.NewAttachmentID(), Name: "a", Kind: model.Image, MimeType: "image/png", Size: 1, SHA256: "00", State: model.AttachmentReady, URL: "u", ExpiresAt: &at}},
		ReplyTo:     &model.Reference{ID: "msg_1", ProviderID: "p"}, Context: model.Context(`{"a":1}`), Status: model.Failed,
		Failure: &model.Failure{Code: "c", ProviderCode: "p", Detail: "d"}, CreatedAt: &at, ExpiresAt: &at,
	}
	for name, v := range map[string]any{
		"Event": model.Event{
			ID: model.EventPlace{Conversation: conv}.ID(), Type: model.MessageReceived, ClientID: "c", AccountID: "a", Channel: "echo",
			ConversationID: conv, SessionID: model.NewSessionID(), OccurredAt: at, ReceivedAt: at,
			Contact: &model.Contact{ID: model.NewContactID(), Address: "1", AddressKind: model.Phone, Addresses: []model.Address{{Kind: model.Phone, Value: "1"}}, DisplayName: "Ada"},
			Message: &msg, Reaction: &model.Reaction{Emoji: "+", Removed: true, MessageID: "msg_1", ProviderID: "p"},
			Account: &model.AccountState{State: "open", Was: "paused", Detail: "d"}, Author: model.Customer, Reason: "idle",
		},
		"Message":      model.Message{ID: "msg_1", Direction: model.Inbound, Author: model.Customer},
		"Problem":      web.Problem{Type: "urn:channelhub:problem:invalid", Title: "Invalid", Status: 422, Detail: "d", Faults: []model.Fault{{Field: "f", Detail: "d"}}, RequestID: "req_1", Oldest: "c"},
		"MessageView":  MessageView{Message: msg, AccountID: "a", ConversationID: conv, Attempts: 1, Timeline: []Move{{Status: model.Queued, At: at}}},
		"Conversation": Conversation{ID: conv, Contact: model.Contact{ID: "cnt_1"}, LastMessage: &msg, LastEventAt: at},
	} {
		schema, err := c.Compile("https://hub.test/openapi.json" + refPrefix + name)
		if err != nil {
			t.Errorf("the schema of %s: %v", name, err)
			continue
		}
		written, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(written))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(value); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		fields, _ := value.(map[string]any)
		properties, _ := newDocument(V1("dev")).schemas.component(name).get("properties").(object)
		for field := range fields {
			if properties.get(field) == nil {
				t.Errorf("%s writes %q, which its schema does not have", name, field)
			}
		}
	}
}
