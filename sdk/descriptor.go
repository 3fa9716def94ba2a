package sdk

import "net/http"

// Info names the connector.
type Info struct {
	// Name is the channel the connector speaks: [a-z0-9-], at most 40.
	Name    string
	Version string
	// Summary is one sentence for a list of plugins.
	Summary string
	DocsURL string
}

// Limits is what the channel takes, in numbers. The hub refuses a message that
// is over a limit before it is queued. Zero means no limit but the hub's.
type Limits struct {
	// MaxText counts characters (Unicode code points).
	MaxText int
	// ContentTypes lists what Send or Render takes; empty means [ContentText].
	ContentTypes       []string
	MaxAttachments     int
	MaxAttachmentBytes int64
	// AttachmentTypes are media types, such as "image/jpeg".
	AttachmentTypes []string
	// PerSecond and Concurrency are what the provider allows for one account;
	// the hub starts from them and slows down when it is throttled.
	PerSecond   float64
	Concurrency int
}

// Mount is where a route hangs on the hub's public listener.
type Mount string

// The mounts. {account} is an id that the operator chose.
const (
	// AccountRoute is /in/{plugin}/{account} and everything below.
	AccountRoute Mount = "in_account"
	// AppRoute is /in/{plugin}: one route for all accounts, found by their
	// provider addresses with [Hook.Account].
	AppRoute Mount = "in_app"
	// ChatSocket is the WebSocket at /chat/{account}/socket.
	ChatSocket Mount = "chat"
)

// Route is a place on the public listener whose requests come to Receive, or
// whose socket frames come to ReceiveFrame.
type Route struct {
	Mount Mount
	// Reply says that the connector's own words matter to the provider. When
	// it is not set, any 2xx will do, and the hub may answer with Fallback
	// while the connector is away.
	Reply bool
	// Methods are the HTTP methods; empty means POST.
	Methods []string
	// MaxBody in bytes; zero means 1 MiB, and 3.5 MiB is the most.
	MaxBody int64
	// Fallback is what the hub answers while the connector is away, once the
	// request is safe in its journal.
	Fallback *Reply
	// Signature is how the hub itself can check a request, so that it can take
	// it in while the connector is away. Without one it answers 503 instead.
	Signature Signature
}

// Signature is one of [HMACBody], [TwilioSignature] and [SNSSignature].
type Signature interface{ signature() }

// HMACBody is HMAC-SHA256 of the raw body, in hex, in a header. Package webhook
// checks and makes such signatures.
type HMACBody struct {
	Header string
	// Prefix stands before the hex digits: "sha256=".
	Prefix string
	// Secret is the name of the account's secret. Any of its values may match.
	Secret string
}

// TwilioSignature is HMAC-SHA1 of the URL and the sorted parameters. An account
// setting public_url, when set, is the URL that was signed.
type TwilioSignature struct {
	// Secret is the name of the account's secret.
	Secret string
}

// SNSSignature is Amazon SNS's signature by certificate. It is reserved: a hub
// of this version refuses a connector that declares it.
type SNSSignature struct{}

func (HMACBody) signature()        {}
func (TwilioSignature) signature() {}
func (SNSSignature) signature()    {}

// Asset is a file that the hub serves for the connector under /chat.
type Asset struct {
	// Path is relative, without "..", at most 100 bytes: "widget.js".
	Path        string
	ContentType string
	Body        []byte
	// Demo restricts it to a hub in demo mode.
	Demo bool
}

// Reply is what the provider is answered.
type Reply struct {
	// Status is 200 when zero.
	Status int
	Header http.Header
	Body   []byte
}

// OK is an empty 200.
func OK() *Reply { return &Reply{Status: http.StatusOK} }

// ReplyText returns a reply of plain text.
func ReplyText(status int, text string) *Reply {
	return &Reply{Status: status, Header: http.Header{"Content-Type": {"text/plain; charset=utf-8"}}, Body: []byte(text)}
}

// ReplyJSON returns a reply that is JSON already: ReplyJSON(200, `{"ok":true}`).
func ReplyJSON(status int, body string) *Reply {
	return &Reply{Status: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(body)}
}
