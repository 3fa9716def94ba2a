package sdk

import (
	"net/http"
	"net/textproto"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	connectorv1 "github.com/channelhub/channelhub/sdk/proto/channelhub/connector/v1"
)

// This file turns the contract's messages into the package's types. What the
// contract does not know yet becomes the zero value.

var authors = map[connectorv1.Author]Author{
	connectorv1.Author_AUTHOR_CUSTOMER: Customer,
	connectorv1.Author_AUTHOR_CSR:      CSR,
	connectorv1.Author_AUTHOR_BOT:      Bot,
	connectorv1.Author_AUTHOR_SYSTEM:   System,
}

var signals = map[connectorv1.SignalKind]SignalKind{
	connectorv1.SignalKind_SIGNAL_KIND_TYPING: SignalTyping,
	connectorv1.SignalKind_SIGNAL_KIND_READ:   SignalRead,
	connectorv1.SignalKind_SIGNAL_KIND_ENDED:  SignalEnded,
}

var statuses = map[connectorv1.StatusKind]Status{
	connectorv1.StatusKind_STATUS_KIND_SENT:      StatusSent,
	connectorv1.StatusKind_STATUS_KIND_DELIVERED: StatusDelivered,
	connectorv1.StatusKind_STATUS_KIND_READ:      StatusRead,
	connectorv1.StatusKind_STATUS_KIND_FAILED:    StatusFailed,
}

func timeIn(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}

func addressIn(a *connectorv1.Address) Address {
	return Address{Kind: a.GetKind(), Value: a.GetValue()}
}

func addressesIn(in []*connectorv1.Address) []Address {
	out := make([]Address, len(in))
	for i, a := range in {
		out[i] = addressIn(a)
	}
	return out
}

func messageIn(m *connectorv1.Message) *Message {
	if m == nil {
		return nil
	}
	out := &Message{
		ID:         m.GetId(),
		ProviderID: m.GetProviderId(),
		Author:     authors[m.GetAuthor()],
		Content:    contentIn(m.GetContent()),
		Context:    m.GetContext(),
		CreatedAt:  timeIn(m.GetCreatedAt()),
	}
	for _, a := range m.GetAttachments() {
		out.Attachments = append(out.Attachments, attachmentIn(a))
	}
	if m.HasReplyTo() {
		out.ReplyTo = &Reference{MessageID: m.GetReplyTo().GetMessageId(), ProviderID: m.GetReplyTo().GetProviderId()}
	}
	return out
}

func contentIn(c *connectorv1.Content) Content {
	switch c.WhichForm() {
	case connectorv1.Content_Text_case:
		return Text{Text: c.GetText().GetText()}
	case connectorv1.Content_Media_case:
		return Media{Caption: c.GetMedia().GetCaption()}
	case connectorv1.Content_Location_case:
		l := c.GetLocation()
		return Location{Latitude: l.GetLatitude(), Longitude: l.GetLongitude(), Name: l.GetName(), Address: l.GetAddress()}
	case connectorv1.Content_Postback_case:
		return Postback{Payload: c.GetPostback().GetPayload(), Title: c.GetPostback().GetTitle()}
	case connectorv1.Content_Menu_case:
		return menuIn(c.GetMenu())
	case connectorv1.Content_LinkButton_case:
		b := c.GetLinkButton()
		return LinkButton{Text: b.GetText(), Title: b.GetTitle(), URL: b.GetUrl()}
	case connectorv1.Content_Raw_case:
		return RawContent{Type: c.GetRaw().GetType(), JSON: c.GetRaw().GetJson()}
	default:
		return Unsupported{Kind: c.GetUnsupported().GetKind()}
	}
}

func menuIn(m *connectorv1.Menu) Menu {
	out := Menu{Text: m.GetText(), Button: m.GetButton()}
	for _, s := range m.GetSections() {
		section := MenuSection{Title: s.GetTitle()}
		for _, i := range s.GetItems() {
			section.Items = append(section.Items, MenuItem{Payload: i.GetPayload(), Title: i.GetTitle(), Description: i.GetDescription()})
		}
		out.Sections = append(out.Sections, section)
	}
	return out
}

func attachmentIn(a *connectorv1.Attachment) Attachment {
	return Attachment{
		ID:       a.GetId(),
		Name:     a.GetName(),
		Kind:     AttachmentKind(a.GetKind()),
		MimeType: a.GetMimeType(),
		Size:     a.GetSize(),
		State:    AttachmentState(a.GetState()),
		FetchRef: a.GetFetchRef(),
	}
}

func requestIn(r *connectorv1.HTTPRequest) *Request {
	header := make(http.Header, len(r.GetHeaders()))
	for _, h := range r.GetHeaders() {
		name := textproto.CanonicalMIMEHeaderKey(h.GetName())
		header[name] = append(header[name], h.GetValues()...)
	}
	return &Request{
		Method:        r.GetMethod(),
		URL:           r.GetUrl(),
		SubPath:       r.GetSubPath(),
		Header:        header,
		Body:          r.GetBody(),
		RemoteAddress: r.GetRemoteAddress(),
		ReceivedAt:    timeIn(r.GetReceivedAt()),
		Replayed:      r.GetReplayed(),
	}
}

func frameIn(f *connectorv1.SocketFrame) *Frame {
	return &Frame{
		SocketID:   f.GetSocket().GetSocketId(),
		Visitor:    addressIn(f.GetSocket().GetVisitor()),
		Data:       f.GetFrame(),
		ReceivedAt: timeIn(f.GetReceivedAt()),
	}
}

func deliveryIn(r *connectorv1.SendRequest) *Delivery {
	return &Delivery{
		To:        addressesIn(r.GetTo()),
		Message:   messageIn(r.GetMessage()),
		Attempt:   int(r.GetAttempt()),
		SendUntil: timeIn(r.GetSendUntil()),
	}
}

func signalIn(r *connectorv1.SendSignalRequest) *Signal {
	return &Signal{To: addressesIn(r.GetTo()), Kind: signals[r.GetSignal()], ProviderID: r.GetProviderId()}
}

func renderItemIn(i *connectorv1.RenderItem) *RenderItem {
	return &RenderItem{
		Message:  messageIn(i.GetMessage().GetMessage()),
		Inbound:  i.GetMessage().GetInbound(),
		Status:   statuses[i.GetMessage().GetStatus()],
		Signal:   signals[i.GetSignal().GetSignal()],
		Author:   authors[i.GetSignal().GetAuthor()],
		ReadUpTo: i.GetSignal().GetMessageId(),
	}
}

func stateIn(e *connectorv1.StateEntry) State {
	return State{Key: e.GetKey(), Value: e.GetValue(), Version: e.GetVersion()}
}
