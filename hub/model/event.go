package model

import (
	"encoding/json"
	"time"
)

// Time is an instant of the common format: RFC 3339, UTC, milliseconds.
type Time struct{ time.Time }

const timeFormat = "2006-01-02T15:04:05.000Z"

// At returns t cut to the precision of the common format.
func At(t time.Time) Time { return Time{t.UTC().Truncate(time.Millisecond)} }

// MarshalJSON writes the instant with exactly three decimals.
func (t Time) MarshalJSON() ([]byte, error) {
	b := make([]byte, 0, len(timeFormat)+2)
	b = t.UTC().AppendFormat(append(b, '"'), timeFormat)
	return append(b, '"'), nil
}

// UnmarshalJSON reads any RFC 3339 instant; null changes nothing.
func (t *Time) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	var std time.Time
	if err := std.UnmarshalJSON(b); err != nil {
		return err
	}
	*t = At(std)
	return nil
}

// EventType says what happened.
type EventType string

// The event types of the common format.
const (
	MessageReceived     EventType = "message.received"
	MessageStatus       EventType = "message.status"
	MessageReaction     EventType = "message.reaction"
	MessageEdited       EventType = "message.edited"
	MessageDeleted      EventType = "message.deleted"
	PostbackReceived    EventType = "postback.received"
	TypingStarted       EventType = "typing.started"
	ContactOptedOut     EventType = "contact.opted_out"
	ContactOptedIn      EventType = "contact.opted_in"
	ConversationEnded   EventType = "conversation.ended"
	AccountStatus       EventType = "account.status"
	AttachmentUpdated   EventType = "attachment.updated"
	UnsupportedReceived EventType = "unsupported.received"
	// EventsExpired sums up what ended before any consumer had read it.
	EventsExpired EventType = "events.expired"
)

// Event is something that happened, as the client application reads it. Its
// JSON is the common message format. An Event is a value: nobody changes one
// after it was made.
type Event struct {
	ID             EventID        `json:"id"`
	Type           EventType      `json:"type"`
	ClientID       ClientID       `json:"client_id"`
	AccountID      AccountID      `json:"account_id"`
	Channel        string         `json:"channel"`
	ConversationID ConversationID `json:"conversation_id,omitempty"`
	SessionID      SessionID      `json:"session_id,omitempty"`
	OccurredAt     Time           `json:"occurred_at"`
	ReceivedAt     Time           `json:"received_at"`
	Contact        *Contact       `json:"contact,omitempty"`
	Message        *Message       `json:"message,omitempty"`
	Reaction       *Reaction      `json:"reaction,omitempty"`
	Account        *AccountState  `json:"account,omitempty"`
	// Author says who typed or ended the conversation, in events without a
	// message.
	Author Author `json:"author,omitempty"`
	// Reason explains an event that has no other words for itself, such as
	// conversation.ended ("idle", "customer", "csr").
	Reason string `json:"reason,omitempty"`
	// Count is how many events an events.expired stands for.
	Count int `json:"count,omitempty"`
}

// Reaction is an emoji set on, or taken off, a message.
type Reaction struct {
	Emoji     string    `json:"emoji,omitempty"`
	Removed   bool      `json:"removed,omitempty"`
	MessageID MessageID `json:"message_id,omitempty"`
	// ProviderID names the message when the hub does not know it.
	ProviderID string `json:"provider_id,omitempty"`
}

// AccountState is the body of an account.status event.
type AccountState struct {
	State string `json:"state"`
	Was   string `json:"was,omitempty"`
	// Detail says why, as long as the account is in that state.
	Detail string `json:"detail,omitempty"`
}

// AddressKind says what an address is an address in.
type AddressKind string

// The address kinds.
const (
	Phone   AddressKind = "phone"
	PSID    AddressKind = "psid"
	WaID    AddressKind = "wa_id"
	BSUID   AddressKind = "bsuid"
	Visitor AddressKind = "visitor"
)

// Address is a contact address. It identifies a person: it is never logged
// but through the redacting path.
type Address struct {
	Kind  AddressKind `json:"kind"`
	Value string      `json:"value"`
}

// Contact is the hub's record of a customer, as events show it.
type Contact struct {
	ID          ContactID   `json:"id"`
	Address     string      `json:"address,omitempty"`
	AddressKind AddressKind `json:"address_kind,omitempty"`
	Addresses   []Address   `json:"addresses,omitempty"`
	DisplayName string      `json:"display_name,omitempty"`
}

// Context is free-form JSON the client application sends along with a message
// and reads back; the hub does not look into it.
type Context = json.RawMessage
