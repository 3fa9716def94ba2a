package spec

import (
	"encoding/json"

	"github.com/channelhub/channelhub/hub/model"
)

// These are the bodies of /v1 that are no part of the common format, as their
// readers see them. A test holds real answers against them.

// SendMessage is the body of POST /v1/messages.
type SendMessage struct {
	AccountID   model.AccountID      `json:"account_id" doc:"Which of your accounts sends it."`
	To          Recipient            `json:"to" doc:"Who gets it."`
	Content     model.Content        `json:"content" doc:"What is said."`
	Attachments []model.AttachmentID `json:"attachments,omitempty" doc:"Ids of files that were uploaded before, each taken by one message. The content is then of type media."`
	ReplyTo     *model.Reference     `json:"reply_to,omitempty" doc:"The message that it answers."`
	Context     json.RawMessage      `json:"context,omitempty" doc:"Any JSON; it comes back with the message."`
	ExpireAfter string               `json:"expire_after,omitempty" doc:"No attempt starts later than this after now, such as 30m. Without it 24h."`
	Author      model.Author         `json:"author,omitempty" doc:"Who says it: csr, bot or system. Without it csr."`
}

// Recipient is a customer, by the hub's id or by an address.
type Recipient struct {
	ContactID   model.ContactID   `json:"contact_id,omitempty" doc:"A contact that the hub knows. Give this or address."`
	Address     string            `json:"address,omitempty" doc:"An address on the account's channel."`
	AddressKind model.AddressKind `json:"address_kind,omitempty" doc:"What the address is an address in. Without it the channel's usual kind."`
}

// AcceptedMessage answers POST /v1/messages.
type AcceptedMessage struct {
	ID             model.MessageID      `json:"id" doc:"The message's id."`
	Status         model.Status         `json:"status" doc:"Where it is now."`
	AccountID      model.AccountID      `json:"account_id" doc:"The account that sends it."`
	ConversationID model.ConversationID `json:"conversation_id" doc:"The conversation it belongs to."`
	CreatedAt      model.Time           `json:"created_at" doc:"When it became durable."`
	ExpiresAt      model.Time           `json:"expires_at" doc:"No attempt starts at or after this."`
}

// Verdict answers a dry run that found nothing wrong.
type Verdict struct {
	Accepted bool `json:"accepted" doc:"Always true: a refusal is a problem."`
}

// MessageView is a message with where it is and how it came there.
type MessageView struct {
	model.Message
	AccountID      model.AccountID      `json:"account_id" doc:"The account it is on."`
	ConversationID model.ConversationID `json:"conversation_id" doc:"The conversation it belongs to."`
	Attempts       int                  `json:"attempts,omitempty" doc:"Attempts to send that have ended."`
	Timeline       []Move               `json:"timeline,omitempty" doc:"How it came there, oldest first."`
}

// Move is one step of a message's way.
type Move struct {
	Status  model.Status `json:"status" doc:"The status after the step."`
	At      model.Time   `json:"at" doc:"When."`
	Attempt int          `json:"attempt,omitempty" doc:"The attempt that made the step."`
	Outcome string       `json:"outcome,omitempty" doc:"Of an attempt that did not end the delivery: throttled, retry or unknown."`
	Code    string       `json:"code,omitempty" doc:"Why."`
}

// Resolve is the body of POST /v1/messages/{id}/resolve.
type Resolve struct {
	As string `json:"as" doc:"retry sends it again, at the risk of a second copy; sent and failed settle it."`
}

// Acknowledge is the body of POST /v1/events/ack.
type Acknowledge struct {
	Cursor string `json:"cursor" doc:"Everything that lies before it is done."`
}

// Conversation is one contact on one account.
type Conversation struct {
	ID          model.ConversationID `json:"id" doc:"The conversation's id; it never changes."`
	AccountID   model.AccountID      `json:"account_id" doc:"The account it is on."`
	Channel     string               `json:"channel" doc:"The channel of the account."`
	State       string               `json:"state" doc:"open or ended, of the newest session."`
	SessionID   model.SessionID      `json:"session_id,omitempty" doc:"The newest session."`
	Contact     model.Contact        `json:"contact" doc:"The customer."`
	LastMessage *model.Message       `json:"last_message,omitempty" doc:"The newest message, while it is kept."`
	LastEventAt model.Time           `json:"last_event_at" doc:"When something happened last."`
	ReadUpTo    model.MessageID      `json:"read_up_to,omitempty" doc:"The message up to which your side has read."`
	OptedOut    bool                 `json:"opted_out,omitempty" doc:"The customer wants no more messages."`
}

// SessionContext answers GET /v1/conversations/{id}/context.
type SessionContext struct {
	SessionID model.SessionID   `json:"session_id" doc:"The session that it lasts as long as."`
	SetAt     model.Time        `json:"set_at" doc:"When it was last told."`
	IP        string            `json:"ip,omitempty" doc:"The browser's address."`
	UserAgent string            `json:"user_agent,omitempty" doc:"What the browser calls itself: its device."`
	Page      json.RawMessage   `json:"page,omitempty" doc:"Where the customer is: url, title and referrer, without queries and fragments."`
	Cookies   map[string]string `json:"cookies,omitempty" doc:"The cookies of the page that the account's settings name."`
	Data      json.RawMessage   `json:"data,omitempty" doc:"Private data that the page handed over: a JSON object."`
}

// ReadUpTo is the body of POST /v1/conversations/{id}/read.
type ReadUpTo struct {
	UpTo model.MessageID `json:"up_to" doc:"A message of this conversation; it and all before it were read."`
}

// Account is one of your identities on a channel.
type Account struct {
	ID           model.AccountID `json:"id" doc:"The account's id."`
	Channel      string          `json:"channel" doc:"The channel it is on."`
	Enabled      bool            `json:"enabled" doc:"Whether configuration has it switched on."`
	Health       Health          `json:"health" doc:"How it fares."`
	Capabilities *Capabilities   `json:"capabilities,omitempty" doc:"What it can do; absent while its connector has never run."`
}

// Health says how an account fares.
type Health struct {
	State  string     `json:"state" doc:"open and degraded send; closed, paused, disabled, plugin_away, refused, bad_credentials, blocked and unreachable wait."`
	Detail string     `json:"detail,omitempty" doc:"For people."`
	Since  model.Time `json:"since" doc:"When it came into this state."`
}

// Capabilities is what an account can do, in numbers; 0 means no limit of the
// channel's own.
type Capabilities struct {
	Send               bool                `json:"send" doc:"Messages can be sent."`
	Typing             bool                `json:"typing" doc:"The customer can be shown that somebody types."`
	ContentTypes       []model.ContentType `json:"content_types,omitempty" doc:"The content that can be sent."`
	AddressKinds       []model.AddressKind `json:"address_kinds,omitempty" doc:"The addresses it knows; the first is the usual one."`
	MaxText            int                 `json:"max_text" doc:"Longest text, in code points; 0: the hub's 64 KiB alone count."`
	MaxAttachments     int                 `json:"max_attachments" doc:"Most files with one message; 0: the hub's 32 alone count."`
	MaxAttachmentBytes int64               `json:"max_attachment_bytes" doc:"Largest file that the channel takes, in bytes; 0: it sets no limit. The operator's limit for the account, where there is one, counts as well; without either it is 25 MiB."`
	AttachmentTypes    []string            `json:"attachment_types,omitempty" doc:"MIME types of files; empty means all."`
	IdempotentSend     bool                `json:"idempotent_send" doc:"A repeated attempt makes no second copy, so that an unknown outcome is tried again."`
}
