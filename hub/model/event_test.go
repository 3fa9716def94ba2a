package model

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTimes(t *testing.T) {
	berlin := time.FixedZone("", 3600)
	for in, want := range map[time.Time]string{
		time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC):                   `"2026-11-23T09:00:00.000Z"`,
		time.Date(2026, 11, 23, 9, 0, 0, 999_999_999, berlin):           `"2026-11-23T08:00:00.999Z"`,
		time.Date(1969, 12, 31, 23, 59, 59, 1_500_000, time.UTC):        `"1969-12-31T23:59:59.001Z"`,
		time.Date(2026, 11, 23, 9, 0, 0, 120_000_000, time.UTC).Local(): `"2026-11-23T09:00:00.120Z"`,
	} {
		got, err := json.Marshal(At(in))
		if err != nil || string(got) != want {
			t.Errorf("%s: %s, %v; want %s", in, got, err, want)
		}
		var back Time
		if err := json.Unmarshal(got, &back); err != nil || !back.Equal(At(in).Time) {
			t.Errorf("%s came back as %s, %v", got, back, err)
		}
	}
	for in, want := range map[string]string{
		`"2026-11-23T09:00:00Z"`: "2026-11-23T09:00:00Z", `"2026-11-23T09:00:00.1239+01:00"`: "2026-11-23T08:00:00.123Z",
	} {
		var got Time
		if err := json.Unmarshal([]byte(in), &got); err != nil || got.Format(time.RFC3339Nano) != want || got.Location() != time.UTC {
			t.Errorf("%s: %s, %v; want %s", in, got, err, want)
		}
	}
	for _, in := range []string{`""`, `"yesterday"`, `"2026-11-23"`, `7`, `{}`, `"2026-13-01T00:00:00Z"`} {
		var got Time
		if err := json.Unmarshal([]byte(in), &got); err == nil {
			t.Errorf("%s is an instant: %s", in, got)
		}
	}
	kept := At(time.Unix(1, 0))
	if err := json.Unmarshal([]byte(`null`), &kept); err != nil || kept != At(time.Unix(1, 0)) {
		t.Errorf("null: %s, %v; want no change", kept, err)
	}
}

// The common format, as it is documented.
const golden = `{"id":"evt_1","type":"message.received","client_id":"acme","account_id":"acme-wa","channel":"whatsapp",` +
	`"conversation_id":"cnv_1","session_id":"ses_1","occurred_at":"2026-11-23T09:00:00.000Z","received_at":"2026-11-23T09:00:01.500Z",` +
	`"contact":{"id":"cnt_1","address":"15551234567","address_kind":"phone","addresses":[{"kind":"phone","value":"15551234567"}],"display_name":"Ada"},` +
	`"message":{"id":"msg_1","provider_id":"wamid.1","direction":"inbound","author":"customer",` +
	`"content":{"type":"text","text":"hello"},` +
	`"attachments":[{"id":"att_1","name":"a.jpg","kind":"image","mime_type":"image/jpeg","size":123,"sha256":"ab","state":"ready","url":"https://hub/x","expires_at":"2026-11-23T10:00:00.000Z"}],` +
	`"reply_to":{"provider_id":"wamid.0"},"context":{}}}`

func TestTheCommonFormat(t *testing.T) {
	at := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	expires := At(at.Add(time.Hour))
	want := Event{
		ID: "evt_1", Type: MessageReceived, ClientID: "acme", AccountID: "acme-wa", Channel: "whatsapp",
		ConversationID: "cnv_1", SessionID: "ses_1", OccurredAt: At(at), ReceivedAt: At(at.Add(1500 * time.Millisecond)),
		Contact: &Contact{
			ID: "cnt_1", Address: "15551234567", AddressKind: Phone,
			Addresses: []Address{{Kind: Phone, Value: "15551234567"}}, DisplayName: "Ada",
		},
		Message: &Message{
			ID: "msg_1", ProviderID: "wamid.1", Direction: Inbound, Author: Customer,
			Content: &Content{Type: ContentText, Text: "hello"},
			Attachments: []Attachment{{
				ID: "att_1", Name: "a.jpg", Kind: Image, MimeType: "image/jpeg", Size: 123, SHA256: "ab",
				State: AttachmentReady, URL: "https://hub/x", ExpiresAt: &expires,
			}},
			ReplyTo: &Reference{ProviderID: "wamid.0"}, Context: Context(`{}`),
		},
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(golden+"\n", buf.String()); diff != "" {
		t.Errorf("JSON (-want +got):\n%s", diff)
	}
	var back Event
	dec := json.NewDecoder(&buf)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, back); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
}

// What an event does not have is not there: readers tell by presence.
func TestAbsentFieldsAreLeftOut(t *testing.T) {
	got, err := json.Marshal(Event{ID: "evt_1", Type: TypingStarted, ClientID: "acme", AccountID: "a", Channel: "echo", Author: Customer})
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"id":"evt_1","type":"typing.started","client_id":"acme","account_id":"a","channel":"echo",` +
		`"occurred_at":"0001-01-01T00:00:00.000Z","received_at":"0001-01-01T00:00:00.000Z","author":"customer"}`
	if string(got) != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

func TestRowLife(t *testing.T) {
	for _, c := range []struct{ r, want time.Duration }{{1, 5}, {9, 9}} {
		if got := (Retention{Dedupe: c.r, Undelivered: 5}).RowLife(); got != c.want {
			t.Errorf("a memory of %d and delivery within 5: %d, want %d", c.r, got, c.want)
		}
	}
}
