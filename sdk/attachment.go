package sdk

import "io"

// Attachment is a file that belongs to a message. Its bytes travel apart: in
// events they are fetched later through the connector's Fetch, in deliveries
// they are read with [Host.OpenAttachment] or handed to the provider as a URL
// with [Host.SignAttachmentURL].
type Attachment struct {
	// ID is the hub's. In events it is empty, but for a file that a visitor
	// uploaded to the hub's chat mount ahead of the message.
	ID   string
	Name string
	Kind AttachmentKind
	// MimeType is what the provider says. The hub looks at the bytes itself.
	MimeType string
	// Size in bytes; zero when unknown.
	Size int64
	// State is how the file stands, in what the hub hands over. Empty in events.
	State AttachmentState
	// FetchRef is what Fetch needs to find the bytes, such as a media id or a
	// URL: set in events, opaque to the hub, kept sealed, at most 4 KiB.
	FetchRef []byte
}

// AttachmentKind says how a channel shows a file.
type AttachmentKind string

// The attachment kinds.
const (
	KindImage   AttachmentKind = "image"
	KindVideo   AttachmentKind = "video"
	KindAudio   AttachmentKind = "audio"
	KindVoice   AttachmentKind = "voice"
	KindFile    AttachmentKind = "file"
	KindSticker AttachmentKind = "sticker"
)

// AttachmentState says whether a file can be had.
type AttachmentState string

// The states of attachments.
const (
	AttachmentPending AttachmentState = "pending" // still fetched, or scanned
	AttachmentReady   AttachmentState = "ready"
	AttachmentRefused AttachmentState = "refused" // not taken, and never will be
	AttachmentExpired AttachmentState = "expired"
)

// File is an open attachment. Whoever gets one reads Body and closes it.
type File struct {
	Attachment Attachment
	Body       io.ReadCloser
}

// FetchRequest asks for the bytes of an attachment that an event announced.
type FetchRequest struct {
	Attachment Attachment
	// MaxSize is how many bytes the hub takes; zero means no limit. The SDK
	// stops behind them, so Fetch need not count; a connector that knows the
	// size beforehand may refuse at once with [ErrTooLarge].
	MaxSize int64
}
