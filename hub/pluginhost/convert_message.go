package pluginhost

import (
	"encoding/json"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/channelhub/channelhub/hub/model"
	connectorv1 "github.com/channelhub/channelhub/sdk/proto/channelhub/connector/v1"
)

func messageEventIn(m *connectorv1.Message, out *Event) reason {
	if len(m.GetAttachments()) > maxAttachments {
		return reasonFiles
	}
	if len(m.GetProviderId()) > maxProviderID {
		return reasonSize
	}
	replyTo, ok := referenceIn(m.GetReplyTo())
	if !ok {
		return reasonTarget
	}
	message := &model.Message{
		ProviderID: m.GetProviderId(), Direction: model.Inbound,
		Author: authorIn(m.GetAuthor()), ReplyTo: replyTo,
	}
	for _, a := range m.GetAttachments() {
		if len(a.GetFetchRef()) > maxFetchRef {
			return reasonFiles
		}
		message.Attachments = append(message.Attachments, attachmentIn(a))
		out.FetchRefs = append(out.FetchRefs, a.GetFetchRef())
	}
	switch {
	case m.GetContent().HasForm():
		content, why := contentIn(m.GetContent())
		if why != reasonNone {
			return why
		}
		message.Content = content
	case len(message.Attachments) > 0:
		message.Content = &model.Content{Type: model.ContentMedia}
	case m.HasContent():
		// A form of a newer contract: kept, under the only name there is.
		message.Content = &model.Content{Type: model.ContentUnsupported, Kind: kindName("")}
	default:
		return reasonContent
	}
	if context := m.GetContext(); len(context) > 0 {
		if len(context) > maxContext || !isJSON(context) {
			return reasonContent
		}
		message.Context = context
	}
	out.Type = model.MessageReceived
	if message.Content.Type == model.ContentPostback {
		out.Type = model.PostbackReceived
	}
	out.Message = message
	return reasonNone
}

// contentIn converts a form.
func contentIn(c *connectorv1.Content) (*model.Content, reason) {
	switch c.WhichForm() {
	case connectorv1.Content_Text_case:
		text := c.GetText().GetText()
		if text == "" || len(text) > maxText {
			return nil, reasonContent
		}
		return &model.Content{Type: model.ContentText, Text: text}, reasonNone
	case connectorv1.Content_Media_case:
		if len(c.GetMedia().GetCaption()) > maxText {
			return nil, reasonContent
		}
		return &model.Content{Type: model.ContentMedia, Text: c.GetMedia().GetCaption()}, reasonNone
	case connectorv1.Content_Postback_case:
		p := c.GetPostback()
		if p.GetPayload() == "" || len(p.GetPayload()) > maxPayload {
			return nil, reasonContent
		}
		return &model.Content{Type: model.ContentPostback, Payload: p.GetPayload(), Title: cut(p.GetTitle(), maxTitle)}, reasonNone
	case connectorv1.Content_Location_case:
		l := c.GetLocation()
		return soundContent(&model.Content{
			Type: model.ContentLocation, Latitude: new(l.GetLatitude()), Longitude: new(l.GetLongitude()), Name: l.GetName(), Address: l.GetAddress(),
		})
	case connectorv1.Content_Menu_case:
		return soundContent(menuIn(c.GetMenu()))
	case connectorv1.Content_LinkButton_case:
		b := c.GetLinkButton()
		return soundContent(&model.Content{Type: model.ContentLinkButton, Text: b.GetText(), Title: b.GetTitle(), URL: b.GetUrl()})
	case connectorv1.Content_Unsupported_case:
		return unsupportedContent(c.GetUnsupported().GetKind()), reasonNone
	case connectorv1.Content_Raw_case:
		return rawIn(c.GetRaw())
	default:
		return nil, reasonContent
	}
}

// soundContent refuses what the common format does not allow.
func soundContent(c *model.Content) (*model.Content, reason) {
	if len(c.Faults()) > 0 {
		return nil, reasonContent
	}
	return c, reasonNone
}

func menuIn(m *connectorv1.Menu) *model.Content {
	out := &model.Content{Type: model.ContentMenu, Text: m.GetText(), Button: m.GetButton()}
	for _, s := range m.GetSections() {
		section := model.MenuSection{Title: s.GetTitle()}
		for _, i := range s.GetItems() {
			section.Items = append(section.Items, model.MenuItem{Payload: i.GetPayload(), Title: i.GetTitle(), Description: i.GetDescription()})
		}
		out.Sections = append(out.Sections, section)
	}
	return out
}

// rawIn takes a form as its JSON. One that this hub has no word for becomes
// unsupported under its own name: the client application learns that something
// came, and what.
func rawIn(r *connectorv1.RawContent) (*model.Content, reason) {
	switch t := model.ContentType(r.GetType()); t {
	case model.ContentContacts, model.ContentCarousel, model.ContentTemplate, model.ContentFormReply:
		c := &model.Content{}
		if len(r.GetJson()) > maxText || !isJSON(r.GetJson()) || json.Unmarshal(r.GetJson(), c) != nil {
			return nil, reasonContent
		}
		c.Type = t
		return soundContent(c)
	default:
		return unsupportedContent(r.GetType()), reasonNone
	}
}

// isJSON is stricter than json.Valid, which takes strings that are not UTF-8.
func isJSON(b []byte) bool { return utf8.Valid(b) && json.Valid(b) }

func unsupportedContent(kind string) *model.Content {
	return &model.Content{Type: model.ContentUnsupported, Kind: kindName(kind)}
}

// kindName is a provider's own name of a thing.
func kindName(kind string) string {
	if kind = printable(kind, maxKind); kind != "" {
		return kind
	}
	return "unknown"
}

func attachmentIn(a *connectorv1.Attachment) model.Attachment {
	id := model.AttachmentID(a.GetId())
	if !id.Valid() {
		id = "" // none of ours
	}
	return model.Attachment{
		ID:       id,
		Name:     printable(a.GetName(), maxFileName),
		Kind:     attachmentKindIn(a.GetKind()),
		MimeType: mimeTypeIn(a.GetMimeType()),
		Size:     max(a.GetSize(), 0),
		State:    model.AttachmentPending,
	}
}

func attachmentKindIn(kind string) model.AttachmentKind {
	switch k := model.AttachmentKind(kind); k {
	case model.Image, model.Video, model.Audio, model.Voice, model.Sticker:
		return k
	default:
		return model.File
	}
}

var mimeType = regexp.MustCompile(`^[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+$`)

// mimeTypeIn keeps the type without its parameters, and nothing that is none.
func mimeTypeIn(s string) string {
	s, _, _ = strings.Cut(s, ";")
	s = strings.ToLower(strings.TrimSpace(s))
	if len(s) > maxMimeType || !mimeType.MatchString(s) {
		return ""
	}
	return s
}

func authorIn(a connectorv1.Author) model.Author {
	switch a {
	case connectorv1.Author_AUTHOR_CSR:
		return model.CSR
	case connectorv1.Author_AUTHOR_BOT:
		return model.Bot
	case connectorv1.Author_AUTHOR_SYSTEM:
		return model.System
	default:
		return model.Customer
	}
}
