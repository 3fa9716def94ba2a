package sdk

import (
	"encoding/json"
	"time"
)

// Address is where a contact is reached on a channel. It identifies a person:
// it belongs into no log and no error.
type Address struct {
	// Kind says what the value is: one of the kinds below or one of the
	// connector's own, in lower_snake_case.
	Kind string
	// Value is at most 256 bytes.
	Value string
}

// The address kinds that several connectors share.
const (
	KindPhone   = "phone"   // digits of an international number, no plus sign
	KindPSID    = "psid"    // a page-scoped id
	KindWaID    = "wa_id"   // a WhatsApp id
	KindBSUID   = "bsuid"   // a business-scoped user id
	KindVisitor = "visitor" // a visitor of a web chat
)

// Author says who is speaking.
type Author string

// The authors.
const (
	Customer Author = "customer"
	CSR      Author = "csr" // a human agent of the business
	Bot      Author = "bot"
	System   Author = "system"
)

// Message is what is said. In an event it comes from the customer; in a
// [Delivery] it goes to them; in a [RenderItem] it may be either.
type Message struct {
	// ID is the hub's id. It is empty in events: the hub gives it.
	ID string
	// ProviderID is the provider's id of the message, in events. It counts as
	// a contact address: never log it.
	ProviderID string
	// Author is Customer when empty in an event.
	Author      Author
	Content     Content
	Attachments []Attachment
	ReplyTo     *Reference
	// Context is JSON of the client application, at most 16 KiB.
	Context   json.RawMessage
	CreatedAt time.Time
}

// Text returns what the message says in plain words: the text of [Text], the
// caption of [Media], the title of a [Postback], and "" for other forms.
func (m *Message) Text() string {
	switch c := m.Content.(type) {
	case Text:
		return c.Text
	case Media:
		return c.Caption
	case Postback:
		return c.Title
	default:
		return ""
	}
}

// Reference points at an earlier message by either id.
type Reference struct {
	MessageID  string // the hub's; empty when the connector does not know it
	ProviderID string // the provider's
}

// Content is one of [Text], [Media], [Location], [Postback], [Menu],
// [LinkButton], [Unsupported] and [RawContent].
//
// A connector that gets a form it did not list in [Limits] need not handle it:
// the hub refuses such a message before it reaches Send.
type Content interface {
	// ContentType is the name of the form in the common format.
	ContentType() string
}

// The content types of the common format, as [Limits] lists them.
const (
	ContentText        = "text"
	ContentMedia       = "media"
	ContentLocation    = "location"
	ContentContacts    = "contacts"
	ContentMenu        = "menu"
	ContentCarousel    = "carousel"
	ContentLinkButton  = "link_button"
	ContentTemplate    = "template"
	ContentPostback    = "postback"
	ContentFormReply   = "form_reply"
	ContentUnsupported = "unsupported"
)

// Text is plain text, at most 64 KiB.
type Text struct{ Text string }

// Media stands for the attachments of the message, with an optional caption.
type Media struct{ Caption string }

// Location is a point on earth, in degrees.
type Location struct {
	Latitude, Longitude float64
	Name, Address       string
}

// Postback is a press on a button that the business had offered. As the
// content of an event it is told to the client application as such.
type Postback struct{ Payload, Title string }

// Menu offers buttons (one section) or sections of choices.
type Menu struct {
	Text     string
	Button   string // what opens the sections
	Sections []MenuSection
}

// MenuSection is a group of choices.
type MenuSection struct {
	Title string
	Items []MenuItem
}

// MenuItem is one choice. Its payload comes back in a [Postback].
type MenuItem struct{ Payload, Title, Description string }

// LinkButton is a text with a button that opens a URL.
type LinkButton struct{ Text, Title, URL string }

// Unsupported is a thing of the provider's that the format has no word for. It
// serves as the content of a message and as the body of an event.
type Unsupported struct {
	// Kind is the provider's own name for the thing, at most 64 bytes.
	Kind string
}

// RawContent is any other form of the common format, as its JSON object.
type RawContent struct {
	Type string
	JSON json.RawMessage
}

// ContentType implements [Content].
func (Text) ContentType() string { return ContentText }

// ContentType implements [Content].
func (Media) ContentType() string { return ContentMedia }

// ContentType implements [Content].
func (Location) ContentType() string { return ContentLocation }

// ContentType implements [Content].
func (Postback) ContentType() string { return ContentPostback }

// ContentType implements [Content].
func (Menu) ContentType() string { return ContentMenu }

// ContentType implements [Content].
func (LinkButton) ContentType() string { return ContentLinkButton }

// ContentType implements [Content].
func (Unsupported) ContentType() string { return ContentUnsupported }

// ContentType implements [Content].
func (c RawContent) ContentType() string { return c.Type }
