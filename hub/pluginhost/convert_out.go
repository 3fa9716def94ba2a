package pluginhost

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/channelhub/channelhub/hub/model"
	connectorv1 "github.com/channelhub/channelhub/sdk/proto/channelhub/connector/v1"
)

func accountOut(id model.AccountID, revision uint64) *connectorv1.AccountRef {
	return connectorv1.AccountRef_builder{AccountId: new(string(id)), ConfigRevision: new(revision)}.Build()
}

func settingsOut(s *AccountSettings) *connectorv1.AccountSettings {
	var secrets []*connectorv1.Secret
	for _, name := range slices.Sorted(maps.Keys(s.Secrets)) {
		secrets = append(secrets, connectorv1.Secret_builder{Name: new(name), Values: s.Secrets[name]}.Build())
	}
	config := s.Config
	if len(config) == 0 {
		config = []byte("{}")
	}
	return connectorv1.AccountSettings_builder{
		Account: accountOut(s.AccountID, s.Revision), Config: config,
		Secrets: secrets, ExternalUrl: new(s.ExternalURL),
	}.Build()
}

func addressOut(a model.Address) *connectorv1.Address {
	return connectorv1.Address_builder{Kind: new(string(a.Kind)), Value: new(a.Value)}.Build()
}

func addressesOut(addresses []model.Address) []*connectorv1.Address {
	out := make([]*connectorv1.Address, len(addresses))
	for i, a := range addresses {
		out[i] = addressOut(a)
	}
	return out
}

func headersOut(headers []Header) []*connectorv1.Header {
	out := make([]*connectorv1.Header, len(headers))
	for i, h := range headers {
		values := make([]string, len(h.Values))
		for j, v := range h.Values {
			values[j] = utf8Out(v)
		}
		out[i] = connectorv1.Header_builder{Name: new(utf8Out(h.Name)), Values: values}.Build()
	}
	return out
}

// utf8Out makes a stranger's bytes a string of the contract. Without it one
// odd header would fail its request, and all that travel with it.
func utf8Out(s string) string { return strings.ToValidUTF8(s, "�") }

func httpRequestOut(r *HTTPRequest, revision func(model.AccountID) uint64) *connectorv1.HTTPRequest {
	out := connectorv1.HTTPRequest_builder{
		Method: new(utf8Out(r.Method)), Url: new(utf8Out(r.URL)), SubPath: new(utf8Out(r.SubPath)),
		Headers: headersOut(r.Headers), Body: r.Body,
		RemoteAddress: new(r.RemoteAddress), ReceivedAt: timeOut(r.ReceivedAt),
		Traceparent: new(r.Traceparent), Replayed: new(r.Replayed),
	}
	if r.AccountID != "" {
		out.Account = accountOut(r.AccountID, revision(r.AccountID))
	}
	return out.Build()
}

func socketFrameOut(f *SocketFrame, revision func(model.AccountID) uint64) *connectorv1.SocketFrame {
	socket := connectorv1.SocketRef_builder{
		Account: accountOut(f.AccountID, revision(f.AccountID)), SocketId: new(f.SocketID),
	}
	if f.Visitor != (model.Address{}) {
		socket.Visitor = addressOut(f.Visitor)
	}
	return connectorv1.SocketFrame_builder{
		Socket: socket.Build(), Frame: f.Frame,
		ReceivedAt: timeOut(f.ReceivedAt), Traceparent: new(f.Traceparent),
	}.Build()
}

func messageOut(m *model.Message) *connectorv1.Message {
	out := connectorv1.Message_builder{
		Id: new(string(m.ID)), ProviderId: new(m.ProviderID), Author: new(authorOut(m.Author)),
		Content: contentOut(m.Content), Context: m.Context,
	}
	for i := range m.Attachments {
		out.Attachments = append(out.Attachments, attachmentOut(&m.Attachments[i], nil))
	}
	if m.ReplyTo != nil {
		out.ReplyTo = connectorv1.Reference_builder{
			MessageId: new(string(m.ReplyTo.ID)), ProviderId: new(m.ReplyTo.ProviderID),
		}.Build()
	}
	if m.CreatedAt != nil {
		out.CreatedAt = timeOut(m.CreatedAt.Time)
	}
	return out.Build()
}

// contentOut converts a form. One that the contract has no message for travels
// as the JSON of the common format.
func contentOut(c *model.Content) *connectorv1.Content {
	if c == nil {
		return nil
	}
	var out connectorv1.Content_builder
	switch c.Type {
	case model.ContentText:
		out.Text = connectorv1.Text_builder{Text: new(c.Text)}.Build()
	case model.ContentMedia:
		out.Media = connectorv1.Media_builder{Caption: new(c.Text)}.Build()
	case model.ContentPostback:
		out.Postback = connectorv1.Postback_builder{Payload: new(c.Payload), Title: new(c.Title)}.Build()
	case model.ContentLocation:
		out.Location = connectorv1.Location_builder{Latitude: c.Latitude, Longitude: c.Longitude, Name: new(c.Name), Address: new(c.Address)}.Build()
	case model.ContentMenu:
		out.Menu = menuOut(c)
	case model.ContentLinkButton:
		out.LinkButton = connectorv1.LinkButton_builder{Text: new(c.Text), Title: new(c.Title), Url: new(c.URL)}.Build()
	case model.ContentUnsupported:
		out.Unsupported = connectorv1.Unsupported_builder{Kind: new(c.Kind)}.Build()
	default:
		// What was decoded from JSON has a JSON form.
		form, _ := json.Marshal(c)
		out.Raw = connectorv1.RawContent_builder{Type: new(string(c.Type)), Json: form}.Build()
	}
	return out.Build()
}

func menuOut(c *model.Content) *connectorv1.Menu {
	out := connectorv1.Menu_builder{Text: new(c.Text), Button: new(c.Button)}
	for _, s := range c.Sections {
		section := connectorv1.MenuSection_builder{Title: new(s.Title)}
		for _, i := range s.Items {
			section.Items = append(section.Items, connectorv1.MenuItem_builder{
				Payload: new(i.Payload), Title: new(i.Title), Description: new(i.Description),
			}.Build())
		}
		out.Sections = append(out.Sections, section.Build())
	}
	return out.Build()
}

func attachmentOut(a *model.Attachment, fetchRef []byte) *connectorv1.Attachment {
	return connectorv1.Attachment_builder{
		Id: new(string(a.ID)), Name: new(a.Name), Kind: new(string(a.Kind)),
		MimeType: new(a.MimeType), Size: new(a.Size), State: new(string(a.State)), FetchRef: fetchRef,
	}.Build()
}

func authorOut(a model.Author) connectorv1.Author {
	switch a {
	case model.Customer:
		return connectorv1.Author_AUTHOR_CUSTOMER
	case model.CSR:
		return connectorv1.Author_AUTHOR_CSR
	case model.Bot:
		return connectorv1.Author_AUTHOR_BOT
	case model.System:
		return connectorv1.Author_AUTHOR_SYSTEM
	default:
		return connectorv1.Author_AUTHOR_UNSPECIFIED
	}
}

func signalOut(s SignalKind) connectorv1.SignalKind {
	switch s {
	case SignalTyping:
		return connectorv1.SignalKind_SIGNAL_KIND_TYPING
	case SignalRead:
		return connectorv1.SignalKind_SIGNAL_KIND_READ
	case SignalEnded:
		return connectorv1.SignalKind_SIGNAL_KIND_ENDED
	default:
		return connectorv1.SignalKind_SIGNAL_KIND_UNSPECIFIED
	}
}

func renderItemOut(item *RenderItem) *connectorv1.RenderItem {
	if item.Message != nil {
		return connectorv1.RenderItem_builder{Message: connectorv1.RenderMessage_builder{
			Message: messageOut(item.Message), Inbound: new(item.Message.Direction == model.Inbound), Status: statusOut(item.Message.Status),
		}.Build()}.Build()
	}
	return connectorv1.RenderItem_builder{Signal: connectorv1.RenderSignal_builder{
		Signal: new(signalOut(item.Signal)), Author: new(authorOut(item.Author)), MessageId: new(string(item.ReadUpTo)),
	}.Build()}.Build()
}

// statusOut is how far a message has come, as far as a customer may know; nil
// for what is no step on its way.
func statusOut(s model.Status) *connectorv1.StatusKind {
	switch s {
	case model.Sent:
		return new(connectorv1.StatusKind_STATUS_KIND_SENT)
	case model.Delivered:
		return new(connectorv1.StatusKind_STATUS_KIND_DELIVERED)
	case model.Read:
		return new(connectorv1.StatusKind_STATUS_KIND_READ)
	default:
		return nil
	}
}

func sendOut(d *Delivery, revision uint64) *connectorv1.SendRequest {
	return connectorv1.SendRequest_builder{
		Account: accountOut(d.AccountID, revision), To: addressesOut(d.To),
		Message: messageOut(d.Message), Attempt: new(int32(min(d.Attempt, 1<<30))),
		SendUntil: timeOut(d.SendUntil), Traceparent: new(d.Traceparent),
	}.Build()
}

// timeOut converts an instant; the zero time is unset.
func timeOut(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

// itemResultOut answers one item that a connector published.
func itemResultOut(r ItemResult) *connectorv1.ItemResult {
	code := connectorv1.ItemResult_CODE_UNAVAILABLE
	switch r.Code {
	case "":
		code = connectorv1.ItemResult_CODE_OK
	case model.Invalid, model.TooLarge, model.Precondition:
		code = connectorv1.ItemResult_CODE_INVALID
	case model.NotFound:
		code = connectorv1.ItemResult_CODE_NOT_FOUND
	case model.Conflicting, model.Denied, model.Throttled, model.Unavailable, model.Corrupt, model.Internal:
		// What the hub may not do itself is no fault of the item.
	}
	return connectorv1.ItemResult_builder{Code: &code, Detail: new(r.Detail)}.Build()
}

func stateOut(e *StateEntry) *connectorv1.StateEntry {
	if e == nil {
		return nil
	}
	return connectorv1.StateEntry_builder{Key: new(e.Key), Value: e.Value, Version: new(e.Version)}.Build()
}
