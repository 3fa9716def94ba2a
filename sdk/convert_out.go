package sdk

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	connectorv1 "github.com/channelhub/channelhub/sdk/proto/channelhub/connector/v1"
)

// This file turns the package's types into the contract's messages. Text is
// made valid UTF-8 on the way: a single bad byte would make protobuf refuse
// the whole answer.

var (
	authorsOut  = inverse(authors)
	statusesOut = inverse(statuses)
	healthOut   = map[HealthState]connectorv1.AccountState{
		HealthOK:             connectorv1.AccountState_ACCOUNT_STATE_OK,
		HealthDegraded:       connectorv1.AccountState_ACCOUNT_STATE_DEGRADED,
		HealthBadCredentials: connectorv1.AccountState_ACCOUNT_STATE_BAD_CREDENTIALS,
		HealthBlocked:        connectorv1.AccountState_ACCOUNT_STATE_BLOCKED,
		HealthUnreachable:    connectorv1.AccountState_ACCOUNT_STATE_UNREACHABLE,
	}
	scopesOut = map[Scope]connectorv1.Scope{
		ScopeMessage:   connectorv1.Scope_SCOPE_MESSAGE,
		ScopeRecipient: connectorv1.Scope_SCOPE_RECIPIENT,
		ScopeAccount:   connectorv1.Scope_SCOPE_ACCOUNT,
	}
)

func inverse[K, V comparable](m map[K]V) map[V]K {
	out := make(map[V]K, len(m))
	for k, v := range m {
		out[v] = k
	}
	return out
}

// opt is a field of the contract: absent when it says nothing.
func opt[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// text is a text field of the contract.
func text(s string) *string { return opt(strings.ToValidUTF8(s, "\uFFFD")) }

func timeOut(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func addressOut(a Address) *connectorv1.Address {
	return connectorv1.Address_builder{Kind: text(a.Kind), Value: text(a.Value)}.Build()
}

func addressesOut(in []Address) []*connectorv1.Address {
	out := make([]*connectorv1.Address, len(in))
	for i, a := range in {
		out[i] = addressOut(a)
	}
	return out
}

// eventOut refuses what no hub can take, so that an author learns it in the
// first test.
func eventOut(e *Event, accountID, traceparent string) (*connectorv1.Event, error) {
	switch {
	case e.DedupeKey == "":
		return nil, errors.New("an event has no dedupe key")
	case len(e.Addresses) == 0:
		return nil, errors.New("an event has no contact address")
	}
	out := connectorv1.Event_builder{
		AccountId:   &accountID,
		DedupeKey:   text(e.DedupeKey),
		Addresses:   addressesOut(e.Addresses),
		DisplayName: text(e.DisplayName),
		OccurredAt:  timeOut(e.OccurredAt),
		Links:       addressesOut(e.Links),
		Traceparent: text(traceparent),
	}.Build()
	switch body := e.Body.(type) {
	case *Message:
		if body == nil {
			return nil, errors.New("an event has no body")
		}
		out.SetMessage(messageOut(body))
	case Reaction:
		out.SetReaction(connectorv1.Reaction_builder{Target: referenceOut(&body.Target), Emoji: text(body.Emoji), Removed: opt(body.Removed)}.Build())
	case Edited:
		out.SetEdited(connectorv1.MessageChange_builder{Target: referenceOut(&body.Target), Content: contentOut(body.Content)}.Build())
	case Deleted:
		out.SetDeleted(connectorv1.MessageChange_builder{Target: referenceOut(&body.Target)}.Build())
	case Typing:
		out.SetTyping(&connectorv1.Typing{})
	case OptedOut:
		out.SetOptedOut(connectorv1.OptChange_builder{Reason: text(cut(body.Reason, 64))}.Build())
	case OptedIn:
		out.SetOptedIn(connectorv1.OptChange_builder{Reason: text(cut(body.Reason, 64))}.Build())
	case Ended:
		out.SetEnded(&connectorv1.ConversationEnd{})
	case Unsupported:
		out.SetUnsupported(connectorv1.Unsupported_builder{Kind: text(cut(body.Kind, 64))}.Build())
	default:
		return nil, errors.New("an event has no body")
	}
	return out, nil
}

func messageOut(m *Message) *connectorv1.Message {
	author := m.Author
	if author == "" {
		author = Customer
	}
	out := connectorv1.Message_builder{
		Id:         text(m.ID),
		ProviderId: text(m.ProviderID),
		Author:     opt(authorsOut[author]),
		Content:    contentOut(m.Content),
		Context:    m.Context,
		CreatedAt:  timeOut(m.CreatedAt),
	}.Build()
	if m.ReplyTo != nil {
		out.SetReplyTo(referenceOut(m.ReplyTo))
	}
	var attachments []*connectorv1.Attachment
	for i := range m.Attachments {
		attachments = append(attachments, attachmentOut(&m.Attachments[i]))
	}
	out.SetAttachments(attachments)
	return out
}

func referenceOut(r *Reference) *connectorv1.Reference {
	return connectorv1.Reference_builder{MessageId: text(r.MessageID), ProviderId: text(r.ProviderID)}.Build()
}

func contentOut(c Content) *connectorv1.Content {
	out := &connectorv1.Content{}
	switch c := c.(type) {
	case nil:
		return nil
	case Text:
		out.SetText(connectorv1.Text_builder{Text: text(c.Text)}.Build())
	case Media:
		out.SetMedia(connectorv1.Media_builder{Caption: text(c.Caption)}.Build())
	case Location:
		out.SetLocation(connectorv1.Location_builder{Latitude: &c.Latitude, Longitude: &c.Longitude, Name: text(c.Name), Address: text(c.Address)}.Build())
	case Postback:
		out.SetPostback(connectorv1.Postback_builder{Payload: text(c.Payload), Title: text(c.Title)}.Build())
	case Menu:
		out.SetMenu(menuOut(c))
	case LinkButton:
		out.SetLinkButton(connectorv1.LinkButton_builder{Text: text(c.Text), Title: text(c.Title), Url: text(c.URL)}.Build())
	case RawContent:
		out.SetRaw(connectorv1.RawContent_builder{Type: text(c.Type), Json: c.JSON}.Build())
	case Unsupported:
		out.SetUnsupported(connectorv1.Unsupported_builder{Kind: text(cut(c.Kind, 64))}.Build())
	default:
		// A Content of the author's own making.
		out.SetUnsupported(connectorv1.Unsupported_builder{Kind: text(cut(c.ContentType(), 64))}.Build())
	}
	return out
}

func menuOut(m Menu) *connectorv1.Menu {
	var sections []*connectorv1.MenuSection
	for _, s := range m.Sections {
		var items []*connectorv1.MenuItem
		for _, i := range s.Items {
			items = append(items, connectorv1.MenuItem_builder{Payload: text(i.Payload), Title: text(i.Title), Description: text(i.Description)}.Build())
		}
		sections = append(sections, connectorv1.MenuSection_builder{Title: text(s.Title), Items: items}.Build())
	}
	return connectorv1.Menu_builder{Text: text(m.Text), Button: text(m.Button), Sections: sections}.Build()
}

func attachmentOut(a *Attachment) *connectorv1.Attachment {
	return connectorv1.Attachment_builder{
		Id: text(a.ID), Name: text(a.Name), Kind: text(string(a.Kind)), MimeType: text(a.MimeType), Size: opt(a.Size), FetchRef: a.FetchRef,
	}.Build()
}

func statusOut(s *StatusReport, accountID, traceparent string) (*connectorv1.StatusReport, error) {
	kind, ok := statusesOut[s.Status]
	if !ok {
		return nil, fmt.Errorf("a status report has no known status")
	}
	out := connectorv1.StatusReport_builder{
		AccountId:    &accountID,
		Status:       &kind,
		OccurredAt:   timeOut(s.OccurredAt),
		Code:         text(cut(s.Code, 64)),
		ProviderCode: text(cut(s.ProviderCode, 64)),
		Detail:       text(cut(s.Detail, maxText)),
		Traceparent:  text(traceparent),
	}.Build()
	targets := 0
	if s.MessageID != "" {
		out.SetMessageId(*text(s.MessageID))
		targets++
	}
	if s.ProviderID != "" {
		out.SetProviderId(*text(s.ProviderID))
		targets++
	}
	if s.Watermark != nil {
		out.SetWatermark(connectorv1.Watermark_builder{Address: addressOut(s.Watermark.Address), UpTo: timeOut(s.Watermark.UpTo)}.Build())
		targets++
	}
	if targets != 1 {
		return nil, fmt.Errorf("a status report names %d targets instead of one", targets)
	}
	return out, nil
}

func replyOut(r *Reply) *connectorv1.HTTPReply {
	return connectorv1.HTTPReply_builder{Status: opt(int32(r.Status)), Headers: headersOut(r.Header), Body: r.Body}.Build()
}

// headersOut sorts by name, so that the same reply has the same bytes.
func headersOut(h http.Header) []*connectorv1.Header {
	var out []*connectorv1.Header
	for _, name := range slices.Sorted(maps.Keys(h)) {
		values := make([]string, len(h[name]))
		for i, value := range h[name] {
			values[i] = strings.ToValidUTF8(value, "\uFFFD")
		}
		out = append(out, connectorv1.Header_builder{Name: text(name), Values: values}.Build())
	}
	return out
}

func sentOut(s Sent) *connectorv1.Outcome {
	ids := make([]string, len(s.ProviderIDs))
	for i, id := range s.ProviderIDs {
		ids[i] = strings.ToValidUTF8(id, "\uFFFD")
	}
	return connectorv1.Outcome_builder{Sent: connectorv1.Sent_builder{ProviderIds: ids}.Build()}.Build()
}

// outcomeOut turns the error of a Send into an outcome. begun says whether a
// request may have left; clean makes an error's text fit to be shown.
func outcomeOut(err error, begun bool, clean func(string) string) *connectorv1.Outcome {
	var e *OutcomeError
	if !errors.As(err, &e) {
		e = Retry(err)
		if begun {
			e = Unknown(err)
		}
	}
	var detail *string
	if e.Err != nil {
		detail = text(clean(e.Err.Error()))
	}
	code, wait := text(cut(e.Code, 64)), opt(e.RetryAfter.Milliseconds())
	out := &connectorv1.Outcome{}
	switch e.Kind {
	case OutcomeRejected:
		out.SetRejected(connectorv1.Rejected_builder{Scope: opt(scopesOut[e.Scope]), Code: code, ProviderCode: text(cut(e.ProviderCode, 64)), Detail: detail}.Build())
	case OutcomeThrottled:
		out.SetThrottled(connectorv1.Throttled_builder{Scope: opt(scopesOut[e.Scope]), RetryAfterMs: wait, Detail: detail}.Build())
	case OutcomeRetry:
		out.SetRetry(connectorv1.Retry_builder{RetryAfterMs: wait, Code: code, Detail: detail}.Build())
	case OutcomeUnknown:
		fallthrough
	default:
		out.SetUnknown(connectorv1.Unknown_builder{Code: code, Detail: detail}.Build())
	}
	return out
}

func faultsOut(faults []Fault, clean func(string) string) []*connectorv1.SettingFault {
	var out []*connectorv1.SettingFault
	for _, f := range faults {
		out = append(out, connectorv1.SettingFault_builder{Field: text(f.Field), Detail: text(clean(f.Detail))}.Build())
	}
	return out
}
