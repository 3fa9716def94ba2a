package sdk

import (
	"context"
)

// Connector is a connector: a table of what it is and of the functions it has.
// C is the struct of an account's settings, A is whatever the connector keeps
// for an open account, usually a pointer to a struct.
//
// A function that is nil is a feature the connector does not have; the hub
// learns it from there and makes no such call. Functions that take an account
// first fit method expressions: Send: (*account).Send.
//
// All functions may be called concurrently, also for one account. Each gets a
// context that ends with the hub's deadline for the call and must return
// within a second of its end. A panic fails the one call it happened in.
type Connector[C, A any] struct {
	// Info names the connector.
	Info Info
	// Limits is what the channel takes.
	Limits Limits
	// AddressKinds are the kinds of contact address the channel knows. The
	// first is meant when a client application gives an address without one.
	AddressKinds []string
	// Routes are the places on the hub's public listener whose traffic comes
	// to Receive and ReceiveFrame.
	Routes []Route
	// Assets are files of the chat mount.
	Assets []Asset
	// IdempotentSend promises that a repeated Send with the same message id
	// reaches the customer once, because the provider knows the id as an
	// idempotency key. It lets the hub retry an attempt of unknown outcome.
	IdempotentSend bool
	// ExclusiveSession says that an account must be open on one hub only, as
	// with a long-lived connection to the provider.
	ExclusiveSession bool

	// Open makes an account ready. It may speak to the provider. It is called
	// again, with new settings, when an account changes: calls under way keep
	// what the earlier Open returned, and that is closed after the last of
	// them. What Open starts in the background must not use ctx, which ends
	// when Open returns, and must stop in Close. Required.
	Open func(ctx context.Context, host *Host, account Account[C]) (A, error)
	// Close ends what Open began. It is called once for each successful Open,
	// when no call uses the account any more.
	Close func(account A, ctx context.Context) error
	// Addresses returns the account's own addresses at the provider, such as a
	// phone number id. One address belongs to one account of a fleet. With an
	// [AppRoute] they are how [Hook.Account] finds the account.
	Addresses func(account A) []string
	// Validate judges settings beyond their tags, without any I/O. It returns
	// all faults at once.
	Validate func(account Account[C]) []Fault

	// Send sends one message to the provider. Its error is best made by
	// [Reject] and its siblings; see [OutcomeError] for what another means.
	Send func(account A, ctx context.Context, delivery *Delivery) (Sent, error)
	// Signal passes on a hint to the customer's side. It is best effort: an
	// error is logged, and nothing is retried.
	Signal func(account A, ctx context.Context, signal *Signal) error
	// Probe asks the provider whether the account works.
	Probe func(account A, ctx context.Context) Health

	// Receive takes an HTTP request of a route: it checks who sent it, says so
	// with [Hook.Verified], hands over what it tells with [Hook.Emit] and
	// [Hook.Report], and returns the reply. The reply goes out only when all
	// that was handed over is durable. Receive may be called again with the
	// same request and must hand over the same then. A reply of 400 or more
	// hands over nothing; an error is a fault, and the provider is asked to
	// come again.
	Receive func(ctx context.Context, hook *Hook[A], request *Request) (*Reply, error)
	// ReceiveFrame takes a frame of a socket on the chat mount, in order per
	// socket. A frame it does not understand is a [RefuseFrame]; any other
	// error is a fault.
	ReceiveFrame func(ctx context.Context, hook *Hook[A], frame *Frame) error
	// Render turns a message, or a signal, into a frame for the browser. It is
	// pure: the same item gives the same frame. An empty frame is not sent.
	Render func(account A, ctx context.Context, item *RenderItem) ([]byte, error)
	// Fetch opens an attachment that an event announced. [ErrNotFound] and
	// [ErrDenied] are final, other errors are retried.
	Fetch func(account A, ctx context.Context, request *FetchRequest) (*File, error)
}

// Account is what Open gets to know of an account.
type Account[C any] struct {
	// ID is the operator's name for the account.
	ID string
	// Settings hold the operator's settings and secrets, checked against the
	// tags of C.
	Settings C
	// ExternalURL is the base URL of the hub's public listener, without a
	// slash at its end, or empty when the operator named none.
	ExternalURL string
}

// Fault is one thing wrong with an account's settings.
type Fault struct {
	// Field is where: "config.reply_url", "secrets.secret".
	Field string
	// Detail says what is wrong and how to mend it. It never quotes a secret.
	Detail string
}

// Signal is a hint for the customer's side that is not a message.
type Signal struct {
	To   []Address
	Kind SignalKind
	// ProviderID is, with SignalRead, the last inbound message that was read.
	ProviderID string
}

// SignalKind is what a signal says.
type SignalKind string

// The signals.
const (
	SignalTyping SignalKind = "typing"
	SignalRead   SignalKind = "read"
	SignalEnded  SignalKind = "ended"
)

// RenderItem is one thing to show in a browser: a Message, or a Signal.
type RenderItem struct {
	Message *Message
	// Inbound says that the message is the customer's own.
	Inbound bool
	// Status is how far a message to the customer has come, as known now.
	Status Status

	Signal SignalKind
	Author Author
	// ReadUpTo is, with SignalRead, the hub's id of the last message read.
	ReadUpTo string
}

// Plugin is a connector of any settings and account type, as [Serve] and the
// conformance suite take it. Only [Connector] implements it.
type Plugin interface {
	newService(*environment) service
}
