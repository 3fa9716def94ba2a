package model

import "encoding/json"

// ContentType says which form the content has.
type ContentType string

// The content types of the common format.
const (
	ContentText        ContentType = "text"
	ContentMedia       ContentType = "media"
	ContentLocation    ContentType = "location"
	ContentContacts    ContentType = "contacts"
	ContentMenu        ContentType = "menu"
	ContentCarousel    ContentType = "carousel"
	ContentLinkButton  ContentType = "link_button"
	ContentTemplate    ContentType = "template"
	ContentPostback    ContentType = "postback"
	ContentFormReply   ContentType = "form_reply"
	ContentUnsupported ContentType = "unsupported"
)

// Content is what a message says. Type decides which fields count.
type Content struct {
	Type ContentType `json:"type"`
	// Text belongs to text, menu, link_button and form_reply, and is the
	// caption of media.
	Text string `json:"text,omitempty"`
	// Kind is the provider's own name of a thing the hub has no word for.
	Kind string `json:"kind,omitempty"`
	// Payload belongs to postback; Title to postback and link_button.
	Payload string `json:"payload,omitempty"`
	Title   string `json:"title,omitempty"`
	URL     string `json:"url,omitempty"` // link_button

	Latitude  *float64 `json:"latitude,omitempty"` // location, in degrees
	Longitude *float64 `json:"longitude,omitempty"`
	// Name is the place's, the template's or the form's.
	Name    string `json:"name,omitempty"`
	Address string `json:"address,omitempty"` // location

	Contacts []ContactCard `json:"contacts,omitempty"`

	Button   string        `json:"button,omitempty"` // menu: what opens the sections
	Sections []MenuSection `json:"sections,omitempty"`

	Cards []Card `json:"cards,omitempty"` // carousel

	Language   string              `json:"language,omitempty"` // template
	Parameters []TemplateParameter `json:"parameters,omitempty"`

	// Values is whatever JSON a form gave.
	Values json.RawMessage `json:"values,omitempty"`
}

// ContactCard is somebody's particulars, sent as content.
type ContactCard struct {
	Name         string   `json:"name"`
	Phones       []string `json:"phones,omitempty"`
	Emails       []string `json:"emails,omitempty"`
	Organization string   `json:"organization,omitempty"`
}

// MenuSection is a group of choices.
type MenuSection struct {
	Title string     `json:"title,omitempty"`
	Items []MenuItem `json:"items"`
}

// MenuItem is one choice. Its payload comes back in a postback.
type MenuItem struct {
	Payload     string `json:"payload"`
	Title       string `json:"title"`
	Description string `json:"description,omitempty"`
}

// Card is one of a carousel.
type Card struct {
	Title        string       `json:"title"`
	Subtitle     string       `json:"subtitle,omitempty"`
	AttachmentID AttachmentID `json:"attachment_id,omitempty"`
	Buttons      []CardButton `json:"buttons,omitempty"`
}

// CardButton sends a payload back, or opens a URL.
type CardButton struct {
	Title   string `json:"title"`
	Payload string `json:"payload,omitempty"`
	URL     string `json:"url,omitempty"`
}

// TemplateParameter fills a place of a template.
type TemplateParameter struct {
	Component string `json:"component,omitempty"`
	Name      string `json:"name,omitempty"` // positional without
	Text      string `json:"text"`
}

// Weight is about how many bytes the content has, without the price of
// encoding it.
func (c *Content) Weight() int {
	n := len(c.Text) + len(c.Kind) + len(c.Payload) + len(c.Title) + len(c.URL) + len(c.Name) +
		len(c.Address) + len(c.Button) + len(c.Language) + len(c.Values)
	for _, k := range c.Contacts {
		n += len(k.Name) + len(k.Organization)
		for _, s := range append(k.Phones[:len(k.Phones):len(k.Phones)], k.Emails...) {
			n += len(s)
		}
	}
	for _, s := range c.Sections {
		n += len(s.Title)
		for _, i := range s.Items {
			n += len(i.Payload) + len(i.Title) + len(i.Description)
		}
	}
	for _, k := range c.Cards {
		n += len(k.Title) + len(k.Subtitle) + len(k.AttachmentID)
		for _, b := range k.Buttons {
			n += len(b.Title) + len(b.Payload) + len(b.URL)
		}
	}
	for _, p := range c.Parameters {
		n += len(p.Component) + len(p.Name) + len(p.Text)
	}
	return n
}
