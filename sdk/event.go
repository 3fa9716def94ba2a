package sdk

import "time"

// Event is something that happened on a channel, at most 128 KiB. Which
// account it happened on is said by the [Hook] or [Host] it is given to.
type Event struct {
	// DedupeKey names the occurrence: the same occurrence told twice carries
	// the same key, and the hub keeps one event for it. Usually it is the
	// provider's message id, with a word before it when one id can stand for
	// several things ("reaction/" + id). Required, at most 512 bytes.
	DedupeKey string
	// Addresses are the contact's; the first is the one to answer to. Required.
	Addresses   []Address
	DisplayName string
	// OccurredAt is the provider's time; zero means now.
	OccurredAt time.Time
	// Links are addresses the provider says belong to the same person.
	Links []Address
	// Body is what happened. Required.
	Body EventBody
}

// EventBody is one of [*Message], [Reaction], [Edited], [Deleted], [Typing],
// [OptedOut], [OptedIn], [Ended] and [Unsupported].
type EventBody interface{ eventBody() }

// Reaction is an emoji that the customer put on a message or took off it.
type Reaction struct {
	Target  Reference
	Emoji   string
	Removed bool
}

// Edited is a message of the customer's that now reads otherwise.
type Edited struct {
	Target  Reference
	Content Content
}

// Deleted is a message of the customer's that was taken back.
type Deleted struct{ Target Reference }

// Typing says that the customer is typing. The hub keeps one in three seconds
// for a conversation.
type Typing struct{}

// OptedOut is a customer's wish to get no more messages.
type OptedOut struct {
	// Reason is the word or button used, at most 64 bytes: "STOP".
	Reason string
}

// OptedIn is a customer's wish to get messages again.
type OptedIn struct{ Reason string }

// Ended says that the customer closed the session.
type Ended struct{}

func (*Message) eventBody()    {}
func (Reaction) eventBody()    {}
func (Edited) eventBody()      {}
func (Deleted) eventBody()     {}
func (Typing) eventBody()      {}
func (OptedOut) eventBody()    {}
func (OptedIn) eventBody()     {}
func (Ended) eventBody()       {}
func (Unsupported) eventBody() {}

// Status is what became of an outbound message.
type Status string

// The statuses a provider can tell.
const (
	StatusSent      Status = "sent"
	StatusDelivered Status = "delivered"
	StatusRead      Status = "read"
	StatusFailed    Status = "failed"
)

// StatusReport is a provider's receipt. It may come before Send has returned:
// the hub waits an hour for the message it belongs to.
//
// Exactly one of MessageID, ProviderID and Watermark says which message.
type StatusReport struct {
	Status Status
	// MessageID is the hub's id, as Send got it.
	MessageID string
	// ProviderID is the provider's id, as Send returned it.
	ProviderID string
	// Watermark stands for every message to a contact up to a time.
	Watermark  *Watermark
	OccurredAt time.Time

	// With StatusFailed: a short stable code of the connector's own, the
	// provider's code, and a text without personal data. They are cut at 64,
	// 64 and 512 bytes.
	Code, ProviderCode, Detail string
}

// Watermark stands for every message to a contact up to a time.
type Watermark struct {
	Address Address
	UpTo    time.Time
}
