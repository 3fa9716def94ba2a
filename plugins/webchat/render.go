package webchat

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/channelhub/channelhub/sdk"
)

// shown is a message as the widget shows it.
type shown struct {
	ID       string     `json:"id"`
	ClientID string     `json:"client_id,omitempty"`
	Author   sdk.Author `json:"author"`
	Text     string     `json:"text"`
	At       string     `json:"at"`
	Status   sdk.Status `json:"status,omitempty"`
	// Attachments are files that the visitor fetches from the hub by their ids.
	Attachments []shownFile `json:"attachments,omitempty"`
}

type shownFile struct {
	ID       string              `json:"id"`
	Name     string              `json:"name"`
	Kind     sdk.AttachmentKind  `json:"kind"`
	MimeType string              `json:"mime_type,omitempty"`
	Size     int64               `json:"size"`
	State    sdk.AttachmentState `json:"state"`
}

type messageFrame struct {
	Type    string `json:"type"`
	Message shown  `json:"message"`
}

type typingFrame struct {
	Type   string     `json:"type"`
	Author sdk.Author `json:"author"`
}

const timeFormat = "2006-01-02T15:04:05.000Z"

// render turns a message of either direction, or a hint that somebody types,
// into a frame. What was read and what has ended the hub tells by itself.
func (*account) render(_ context.Context, item *sdk.RenderItem) ([]byte, error) {
	if item.Message == nil {
		if item.Signal != sdk.SignalTyping {
			return nil, nil
		}
		return frameOf(typingFrame{Type: "typing", Author: item.Author})
	}
	m := item.Message
	out := shown{ID: m.ID, Author: m.Author, Text: textOf(m), At: m.CreatedAt.UTC().Truncate(time.Millisecond).Format(timeFormat)}
	if item.Inbound {
		out.ClientID, out.Author = m.ProviderID, sdk.Customer
	} else {
		out.Status = item.Status
	}
	for i := range m.Attachments {
		a := &m.Attachments[i]
		out.Attachments = append(out.Attachments, shownFile{a.ID, a.Name, a.Kind, a.MimeType, a.Size, a.State})
	}
	return frameOf(messageFrame{Type: "message", Message: out})
}

// frameOf spells a frame. The widget sets text as text, so that characters
// which mean something in HTML need no escape.
func frameOf(v any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// textOf is what a message says in plain text. A form that is more than text
// becomes a sentence that stands for it.
func textOf(m *sdk.Message) string {
	switch c := m.Content.(type) {
	case sdk.Text:
		return c.Text
	case sdk.Media:
		return c.Caption
	case sdk.Location:
		return lines("Location", c.Name, c.Address)
	case sdk.Postback:
		return c.Title
	case sdk.LinkButton:
		return lines(c.Text, c.Title, c.URL)
	case sdk.Menu:
		parts := []string{c.Text}
		for _, section := range c.Sections {
			parts = append(parts, section.Title)
			for _, choice := range section.Items {
				parts = append(parts, "• "+choice.Title)
			}
		}
		return lines(parts...)
	default:
		return "This message cannot be shown here."
	}
}

// lines puts the parts that say something below each other.
func lines(parts ...string) string {
	var out []string
	for _, part := range parts {
		if part != "" {
			out = append(out, part)
		}
	}
	return strings.Join(out, "\n")
}
