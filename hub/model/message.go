package model

// Direction is seen from the hub: inbound comes from the customer.
type Direction string

// The directions.
const (
	Inbound  Direction = "inbound"
	Outbound Direction = "outbound"
)

// Author says who is speaking.
type Author string

// The authors.
const (
	Customer Author = "customer"
	CSR      Author = "csr"
	Bot      Author = "bot"
	System   Author = "system"
)

// Message is what is said, in either direction. Outbound messages carry a
// status; inbound ones do not.
type Message struct {
	ID          MessageID    `json:"id"`
	ProviderID  string       `json:"provider_id,omitempty"`
	Direction   Direction    `json:"direction"`
	Author      Author       `json:"author"`
	Content     *Content     `json:"content,omitempty"`
	Attachments []Attachment `json:"attachments,omitempty"`
	ReplyTo     *Reference   `json:"reply_to,omitempty"`
	Context     Context      `json:"context,omitempty"`
	Status      Status       `json:"status,omitempty"`
	Failure     *Failure     `json:"failure,omitempty"`
	CreatedAt   *Time        `json:"created_at,omitempty"`
	ExpiresAt   *Time        `json:"expires_at,omitempty"`
}

// Reference points at an earlier message: ours by ID, the provider's by
// ProviderID.
type Reference struct {
	ID         MessageID `json:"id,omitempty"`
	ProviderID string    `json:"provider_id,omitempty"`
}

// Failure says why a message is failed, held, expired or discarded.
type Failure struct {
	Code         string `json:"code"`
	ProviderCode string `json:"provider_code,omitempty"`
	Detail       string `json:"detail,omitempty"`
}

// Attachment is a file that belongs to a message.
type Attachment struct {
	ID        AttachmentID    `json:"id"`
	Name      string          `json:"name,omitempty"`
	Kind      AttachmentKind  `json:"kind"`
	MimeType  string          `json:"mime_type,omitempty"`
	Size      int64           `json:"size,omitempty"` // bytes
	SHA256    string          `json:"sha256,omitempty"`
	State     AttachmentState `json:"state"`
	URL       string          `json:"url,omitempty"`
	ExpiresAt *Time           `json:"expires_at,omitempty"`
}

// AttachmentKind says how a channel would show the file.
type AttachmentKind string

// The attachment kinds.
const (
	Image   AttachmentKind = "image"
	Video   AttachmentKind = "video"
	Audio   AttachmentKind = "audio"
	Voice   AttachmentKind = "voice"
	File    AttachmentKind = "file"
	Sticker AttachmentKind = "sticker"
)

// AttachmentState says whether the bytes can be had.
type AttachmentState string

// The attachment states.
const (
	AttachmentPending AttachmentState = "pending"
	AttachmentReady   AttachmentState = "ready"
	AttachmentRefused AttachmentState = "refused"
	AttachmentExpired AttachmentState = "expired"
)
