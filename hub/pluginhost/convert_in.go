package pluginhost

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"
	"time"

	gproto "google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/channelhub/channelhub/hub/model"
	connectorv1 "github.com/channelhub/channelhub/sdk/proto/channelhub/connector/v1"
)

// What a connector tells is judged here, field by field, before another room
// sees it. A reason is one of a few fixed words: it names the rule that was
// broken and nothing of the content.
type reason string

const (
	reasonNone    reason = ""
	reasonEmpty   reason = "empty"
	reasonSize    reason = "size"
	reasonAccount reason = "account"
	reasonKey     reason = "dedupe_key"
	reasonAddress reason = "address"
	reasonContent reason = "content"
	reasonFiles   reason = "attachments"
	reasonStatus  reason = "status"
	reasonTarget  reason = "target"
)

// refusals counts, by rule, what was not taken as it was told.
type refusals map[reason]int

// itemsIn converts items, each by itself: one that breaks a rule never costs
// another. Where an event can still be told apart and placed, it becomes an
// unsupported event in its place, so that the provider's delivery leaves a
// trace; otherwise it is left out and counted.
func itemsIn(items []*connectorv1.Item, allowed func(model.AccountID) bool, refused refusals) []Item {
	out := make([]Item, 0, len(items))
	for _, item := range items {
		switch item.WhichItem() {
		case connectorv1.Item_Event_case:
			event, why := eventIn(item.GetEvent(), allowed)
			if why != reasonNone {
				refused[why]++
			}
			if event != nil {
				out = append(out, Item{Event: event})
			}
		case connectorv1.Item_Status_case:
			report, why := statusIn(item.GetStatus(), allowed)
			if why != reasonNone {
				refused[why]++
				continue
			}
			out = append(out, Item{Status: report})
		default:
			refused[reasonEmpty]++
		}
	}
	return out
}

// eventIn converts one event. It may return both an event and a reason: then
// the event is the unsupported stand-in.
func eventIn(e *connectorv1.Event, allowed func(model.AccountID) bool) (*Event, reason) {
	account := model.AccountID(e.GetAccountId())
	if !model.ValidConfiguredID(string(account)) || !allowed(account) {
		return nil, reasonAccount
	}
	why := reasonNone
	key := e.GetDedupeKey()
	if key == "" || len(key) > maxDedupeKey {
		key, why = ownKey(e), reasonKey
	}
	out := &Event{
		AccountID:   account,
		DedupeKey:   key,
		DisplayName: cut(strings.TrimSpace(e.GetDisplayName()), maxDisplayName),
		OccurredAt:  timeIn(e.GetOccurredAt()),
		Traceparent: traceparentIn(e.GetTraceparent()),
	}
	if gproto.Size(e) > maxEvent {
		why = reasonSize
	}
	var ok bool
	if out.Addresses, ok = addressesIn(e.GetAddresses()); !ok || len(out.Addresses) == 0 {
		why = reasonAddress
	}
	if out.Links, ok = addressesIn(e.GetLinks()); !ok {
		why = reasonAddress
	}
	if why == reasonNone {
		why = kindIn(e, out)
	}
	if why != reasonNone {
		return &Event{
			AccountID: account, DedupeKey: key, Type: model.UnsupportedReceived,
			Addresses: out.Addresses, DisplayName: out.DisplayName,
			OccurredAt: out.OccurredAt, Traceparent: out.Traceparent,
			Kind: "invalid_" + string(why),
		}, why
	}
	return out, reasonNone
}

// ownKey names an event that has no key that could be used: told again, it has
// the same one. The trace is that of the request it came by.
func ownKey(e *connectorv1.Event) string {
	untraced := gproto.CloneOf(e)
	untraced.ClearTraceparent()
	raw, err := gproto.MarshalOptions{Deterministic: true}.Marshal(untraced)
	if err != nil {
		return "invalid" // it was just read from the wire
	}
	digest := sha256.Sum256(raw)
	return "invalid/" + hex.EncodeToString(digest[:])
}

// kindIn fills in what happened.
func kindIn(e *connectorv1.Event, out *Event) reason {
	switch e.WhichKind() {
	case connectorv1.Event_Message_case:
		return messageEventIn(e.GetMessage(), out)
	case connectorv1.Event_Reaction_case:
		r := e.GetReaction()
		target, ok := referenceIn(r.GetTarget())
		if !ok || target == nil || len(r.GetEmoji()) > maxEmoji || (r.GetEmoji() == "" && !r.GetRemoved()) {
			return reasonTarget
		}
		out.Type = model.MessageReaction
		out.Reaction = &model.Reaction{
			Emoji: r.GetEmoji(), Removed: r.GetRemoved(),
			MessageID: target.ID, ProviderID: target.ProviderID,
		}
	case connectorv1.Event_Edited_case:
		target, ok := referenceIn(e.GetEdited().GetTarget())
		if !ok || target == nil {
			return reasonTarget
		}
		content, why := contentIn(e.GetEdited().GetContent())
		if why != reasonNone {
			return why
		}
		out.Type, out.Target = model.MessageEdited, target
		out.Message = &model.Message{Direction: model.Inbound, Author: model.Customer, Content: content}
	case connectorv1.Event_Deleted_case:
		target, ok := referenceIn(e.GetDeleted().GetTarget())
		if !ok || target == nil {
			return reasonTarget
		}
		out.Type, out.Target = model.MessageDeleted, target
	case connectorv1.Event_Typing_case:
		out.Type = model.TypingStarted
	case connectorv1.Event_OptedOut_case:
		out.Type, out.Reason = model.ContactOptedOut, cut(e.GetOptedOut().GetReason(), maxReason)
	case connectorv1.Event_OptedIn_case:
		out.Type, out.Reason = model.ContactOptedIn, cut(e.GetOptedIn().GetReason(), maxReason)
	case connectorv1.Event_Ended_case:
		out.Type = model.ConversationEnded
	case connectorv1.Event_Unsupported_case:
		out.Type, out.Kind = model.UnsupportedReceived, kindName(e.GetUnsupported().GetKind())
	default:
		// A kind of a newer contract: kept, under the only name there is.
		out.Type, out.Kind = model.UnsupportedReceived, kindName("")
	}
	return reasonNone
}

func statusIn(s *connectorv1.StatusReport, allowed func(model.AccountID) bool) (*StatusReport, reason) {
	account := model.AccountID(s.GetAccountId())
	if !model.ValidConfiguredID(string(account)) || !allowed(account) {
		return nil, reasonAccount
	}
	out := &StatusReport{
		AccountID:   account,
		OccurredAt:  timeIn(s.GetOccurredAt()),
		Traceparent: traceparentIn(s.GetTraceparent()),
	}
	switch s.GetStatus() {
	case connectorv1.StatusKind_STATUS_KIND_SENT:
		out.Status = model.Sent
	case connectorv1.StatusKind_STATUS_KIND_DELIVERED:
		out.Status = model.Delivered
	case connectorv1.StatusKind_STATUS_KIND_READ:
		out.Status = model.Read
	case connectorv1.StatusKind_STATUS_KIND_FAILED:
		out.Status = model.Failed
		out.Failure = &model.Failure{
			Code:         word(s.GetCode(), "provider_failed"),
			ProviderCode: printable(s.GetProviderCode(), maxCode),
			Detail:       printable(s.GetDetail(), maxDetail),
		}
	default:
		return nil, reasonStatus
	}
	switch s.WhichTarget() {
	case connectorv1.StatusReport_MessageId_case:
		id := model.MessageID(s.GetMessageId())
		if _, ok := id.Place(); !ok {
			return nil, reasonTarget
		}
		out.MessageID = id
	case connectorv1.StatusReport_ProviderId_case:
		if s.GetProviderId() == "" || len(s.GetProviderId()) > maxProviderID {
			return nil, reasonTarget
		}
		out.ProviderID = s.GetProviderId()
	case connectorv1.StatusReport_Watermark_case:
		address, ok := addressIn(s.GetWatermark().GetAddress())
		upTo := timeIn(s.GetWatermark().GetUpTo())
		if !ok || upTo.IsZero() {
			return nil, reasonTarget
		}
		out.Watermark = &Watermark{Address: address, UpTo: upTo}
	default:
		return nil, reasonTarget
	}
	return out, reasonNone
}

var addressKind = regexp.MustCompile(`^[a-z0-9_]{1,32}$`)

func addressIn(a *connectorv1.Address) (model.Address, bool) {
	ok := addressKind.MatchString(a.GetKind()) && a.GetValue() != "" && len(a.GetValue()) <= maxAddress
	return model.Address{Kind: model.AddressKind(a.GetKind()), Value: a.GetValue()}, ok
}

// addressesIn returns the good addresses, and whether all were.
func addressesIn(addresses []*connectorv1.Address) (out []model.Address, ok bool) {
	ok = len(addresses) <= maxAddresses
	for _, a := range addresses[:min(len(addresses), maxAddresses)] {
		address, good := addressIn(a)
		if !good {
			ok = false
			continue
		}
		out = append(out, address)
	}
	return out, ok
}

// referenceIn converts a reference; an empty one is nil. An id that is not of
// our making is dropped when the provider's own is there.
func referenceIn(r *connectorv1.Reference) (*model.Reference, bool) {
	id := model.MessageID(r.GetMessageId())
	if _, ok := id.Place(); !ok {
		id = ""
	}
	if len(r.GetProviderId()) > maxProviderID {
		return nil, false
	}
	if id == "" && r.GetProviderId() == "" {
		return nil, true
	}
	return &model.Reference{ID: id, ProviderID: r.GetProviderId()}, true
}

// timeIn converts an instant; what is unset or no instant of this age is zero.
func timeIn(t *timestamppb.Timestamp) time.Time {
	if t == nil || t.CheckValid() != nil {
		return time.Time{}
	}
	at := t.AsTime()
	if at.Year() < 2000 || at.Year() > 2200 {
		return time.Time{}
	}
	return at
}

var traceparent = regexp.MustCompile(`^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`)

func traceparentIn(s string) string {
	if traceparent.MatchString(s) {
		return s
	}
	return ""
}
