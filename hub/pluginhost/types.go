package pluginhost

import (
	"context"
	"io"
	"time"

	"github.com/channelhub/channelhub/hub/model"
)

// Header is an HTTP header in the order of arrival.
type Header struct {
	Name   string
	Values []string
}

// HTTPRequest is a provider's request for a connector's route.
type HTTPRequest struct {
	AccountID     model.AccountID // empty on app-level routes
	Method        string
	URL           string // as the provider sees it
	SubPath       string // behind the mount, without a leading slash
	Headers       []Header
	Body          []byte
	RemoteAddress string
	ReceivedAt    time.Time
	Traceparent   string
	Replayed      bool // from the journal
}

// HTTPReply is what the provider is answered.
type HTTPReply struct {
	Status  int
	Headers []Header
	Body    []byte
}

// HTTPResult is what a connector made of one request. The reply may be sent
// only after every item is durable.
type HTTPResult struct {
	Reply HTTPReply
	Items []Item
	// Verified are the accounts whose secret verified the request. On an
	// account-level route that is the account itself or none.
	Verified []model.AccountID
}

// SocketFrame is a text frame from a browser.
type SocketFrame struct {
	AccountID   model.AccountID
	SocketID    string
	Visitor     model.Address
	Frame       []byte
	ReceivedAt  time.Time
	Traceparent string
}

// SocketResult is what a connector made of one frame.
type SocketResult struct {
	Items   []Item
	Refusal *FrameRefusal
	// Fault: the connector broke on the frame, which may go again.
	Fault bool
}

// FrameRefusal says why a frame was not understood.
type FrameRefusal struct{ Code, Detail, FrameID string }

// Item is one thing a connector told: exactly one field is set.
type Item struct {
	Event  *Event
	Status *StatusReport
}

// Event is something that happened on a channel, before the hub has given it
// ids, a contact and a conversation.
type Event struct {
	AccountID   model.AccountID
	Type        model.EventType
	DedupeKey   string // a contact id: never logged
	Addresses   []model.Address
	DisplayName string
	OccurredAt  time.Time // zero: now
	Links       []model.Address
	Traceparent string

	Message   *model.Message // MessageReceived, PostbackReceived, MessageEdited
	FetchRefs [][]byte       // one for each attachment of Message
	Reaction  *model.Reaction
	Target    *model.Reference // MessageEdited, MessageDeleted
	Kind      string           // UnsupportedReceived: the provider's own name
	Reason    string           // ContactOptedOut, ContactOptedIn, ConversationEnded
	// EndedBy says who ended the session; empty means the customer. Connectors
	// cannot set it.
	EndedBy model.Author
}

// StatusReport is a provider's receipt. Exactly one of MessageID, ProviderID
// and Watermark is set.
type StatusReport struct {
	AccountID   model.AccountID
	Status      model.Status // Sent, Delivered, Read or Failed
	MessageID   model.MessageID
	ProviderID  string
	Watermark   *Watermark
	OccurredAt  time.Time
	Failure     *model.Failure // with Failed
	Traceparent string
}

// Watermark stands for every message to a contact up to a time.
type Watermark struct {
	Address model.Address
	UpTo    time.Time
}

// Delivery is one attempt to send a message.
type Delivery struct {
	AccountID   model.AccountID
	To          []model.Address
	Message     *model.Message
	Attempt     int
	SendUntil   time.Time // checked right before the provider request
	Traceparent string
}

// OutcomeKind is what a provider said of an attempt.
type OutcomeKind string

// The outcomes of an attempt.
const (
	Sent      OutcomeKind = "sent"
	Rejected  OutcomeKind = "rejected"  // would be refused again: never retried
	Throttled OutcomeKind = "throttled" // retried, and not counted as an attempt
	Retry     OutcomeKind = "retry"     // certainly not delivered
	Unknown   OutcomeKind = "unknown"   // may have been delivered
)

// Scope is what an outcome is about.
type Scope string

// The scopes of Rejected and Throttled.
const (
	ScopeMessage   Scope = "message"
	ScopeRecipient Scope = "recipient"
	ScopeAccount   Scope = "account"
)

// Outcome is what a provider said of an attempt.
type Outcome struct {
	Kind         OutcomeKind
	ProviderIDs  []string // Sent
	Scope        Scope    // Rejected, Throttled
	Code         string   // Rejected, Retry, Unknown
	ProviderCode string   // Rejected
	Detail       string
	RetryAfter   time.Duration // Throttled, Retry; zero when none was named
}

// Signal is a hint to the customer's side that is not a message.
type Signal struct {
	AccountID  model.AccountID
	To         []model.Address
	Kind       SignalKind
	ProviderID string // with SignalRead
}

// SignalKind is what a signal says.
type SignalKind string

// The signals.
const (
	SignalTyping SignalKind = "typing"
	SignalRead   SignalKind = "read"
	SignalEnded  SignalKind = "ended"
)

// RenderItem is one thing to show in a browser: a Message or a Signal.
type RenderItem struct {
	Message *model.Message
	Signal  SignalKind
	Author  model.Author
	// ReadUpTo belongs to SignalRead.
	ReadUpTo model.MessageID
}

// AccountSettings is what a connector needs to open an account.
type AccountSettings struct {
	AccountID   model.AccountID
	Revision    uint64
	Config      []byte // a JSON object
	Secrets     map[string][]string
	ExternalURL string
}

// AccountHealth is how an account fares at its provider.
type AccountHealth struct {
	State  HealthState
	Detail string
}

// HealthState says it in words that map to what an operator does.
type HealthState string

// The health states of an account.
const (
	HealthOK             HealthState = "ok"
	HealthDegraded       HealthState = "degraded"
	HealthBadCredentials HealthState = "bad_credentials"
	HealthBlocked        HealthState = "blocked"
	HealthUnreachable    HealthState = "unreachable"
)

// Mount is where a route hangs on the public listener.
type Mount string

// The mounts.
const (
	MountInAccount Mount = "in_account" // /in/{plugin}/{account}[/…]
	MountInApp     Mount = "in_app"     // /in/{plugin}
	MountChat      Mount = "chat"       // /chat/{account}/socket
)

// Route is an HTTP route or socket mount of a connector.
type Route struct {
	Mount    Mount
	Reply    bool // the connector's own words matter: no fallback
	Methods  []string
	MaxBody  int64
	Fallback *HTTPReply
	// Signature lets the hub verify a request itself, so that it can take it
	// into the journal while the connector is away. Nil: it cannot.
	Signature *SignatureRecipe
}

// SignatureRecipe says how to verify a request. Exactly one field is set.
type SignatureRecipe struct {
	HMACBody *HMACBody
	Twilio   *TwilioSignature
}

// HMACBody is HMAC-SHA256 of the raw body under an account secret, in hex.
type HMACBody struct{ Header, Prefix, Secret string }

// TwilioSignature is Twilio's HMAC-SHA1 of URL and parameters.
type TwilioSignature struct{ Secret string }

// Asset is a file of the chat mount.
type Asset struct {
	Path        string
	ContentType string
	Body        []byte
	Demo        bool
}

// Limits is what the channel takes. Zero means no limit but the hub's.
type Limits struct {
	MaxText            int // code points
	ContentTypes       []model.ContentType
	MaxAttachments     int
	MaxAttachmentBytes int64
	AttachmentTypes    []string
	PerSecond          float64
	Concurrency        int
}

// Descriptor is what a connector says of itself.
type Descriptor struct {
	Name, Version, Summary, DocsURL string
	Features                        []string
	Can                             Capabilities
	Limits                          Limits
	Routes                          []Route
	Assets                          []Asset
	ConfigSchema, SecretsSchema     []byte              // JSON Schema
	AddressKinds                    []model.AddressKind // the first is the default
	ExclusiveSession                bool
	IdempotentSend                  bool
	// Recalled: this is what an earlier process heard, without assets and
	// schemas; the connector has not run in this one yet.
	Recalled bool
}

// Capabilities says which optional calls the connector has.
type Capabilities struct {
	ReceiveHTTP, ReceiveSocket, Send, SendSignal, RenderSocket, FetchAttachment, CheckHealth, ValidateAccount bool
}

// ItemResult answers one published item.
type ItemResult struct {
	Code   model.Code // empty: durable
	Detail string
}

// StateEntry is a piece of an account's small state.
type StateEntry struct {
	Key     string
	Value   []byte
	Version uint64
}

// Callbacks is how connectors' own calls reach the rest of the hub. The plugin
// argument is the identity of the connection; implementations refuse accounts
// that are not the plugin's with model.NotFound. Calls may be concurrent.
type Callbacks interface {
	// PublishEvents returns after the events are durable.
	PublishEvents(ctx context.Context, plugin model.PluginID, events []Event) []ItemResult
	ReportStatus(ctx context.Context, plugin model.PluginID, reports []StatusReport) []ItemResult
	PushSocket(ctx context.Context, plugin model.PluginID, account model.AccountID, contact model.Address, frame []byte) (sockets int, err error)
	// OpenAttachment returns the bytes of a file of one of the account's
	// messages. The caller closes the reader.
	OpenAttachment(ctx context.Context, plugin model.PluginID, account model.AccountID, id model.AttachmentID) (model.Attachment, io.ReadCloser, error)
	// SignAttachmentURL returns a URL of such a file for at most ttl.
	SignAttachmentURL(ctx context.Context, plugin model.PluginID, account model.AccountID, id model.AttachmentID, ttl time.Duration) (url string, expires time.Time, err error)
	GetState(ctx context.Context, plugin model.PluginID, account model.AccountID, key string) (*StateEntry, error)
	PutState(ctx context.Context, plugin model.PluginID, account model.AccountID, key string, value []byte, expected uint64, ttl time.Duration) (uint64, error)
	DeleteState(ctx context.Context, plugin model.PluginID, account model.AccountID, key string, expected uint64) error
	ListState(ctx context.Context, plugin model.PluginID, account model.AccountID, prefix, after string, limit int) (entries []StateEntry, more bool, err error)
	PutSecret(ctx context.Context, plugin model.PluginID, account model.AccountID, name, value string, expectedRevision uint64) error
}
