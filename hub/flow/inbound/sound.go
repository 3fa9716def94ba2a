package inbound

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/hub/telemetry"
)

// Limits of one event.
const (
	maxEvent       = 128 << 10 // bytes
	maxAddresses   = 16
	maxAddress     = 256 // bytes
	maxDedupeKey   = 512 // bytes
	maxDisplayName = 256 // bytes; a longer name is cut
	maxKind        = 128 // bytes; a longer name is cut
	maxFetchRefs   = 64
	traceparentLen = 55 // of version 00; anything else is dropped
)

// Why an event left a dead letter.
const (
	reasonNoKey       = "no_dedupe_key"
	reasonNoAddress   = "no_address"
	reasonNotStorable = "not_storable"
)

// misplaced refuses an event that cannot be brought into any conversation, or
// told from its repeats. Details name no values: they could identify the
// customer.
func misplaced(ev pluginhost.Event) (reason string, err error) {
	const op = "accept event"
	switch {
	case ev.DedupeKey == "" || len(ev.DedupeKey) > maxDedupeKey:
		return reasonNoKey, model.Errorf(model.Invalid, op, "a dedupe key has 1 to %d bytes", maxDedupeKey)
	case len(ev.Addresses) == 0 || len(ev.Addresses) > maxAddresses:
		return reasonNoAddress, model.Errorf(model.Invalid, op, "an event has 1 to %d contact addresses", maxAddresses)
	}
	for _, a := range ev.Addresses {
		if a.Kind == "" || len(a.Kind) > maxKind || a.Value == "" || len(a.Value) > maxAddress {
			return reasonNoAddress, model.Errorf(model.Invalid, op, "a contact address has a kind and 1 to %d bytes", maxAddress)
		}
	}
	return "", nil
}

// sound returns the event as it can be kept: what the hub has no words or no
// room for becomes an unsupported event that names it, and is never dropped.
func sound(ev pluginhost.Event) pluginhost.Event {
	ev.DisplayName = cut(ev.DisplayName, maxDisplayName)
	ev.Kind, ev.Reason = cut(ev.Kind, maxKind), cut(ev.Reason, maxKind)
	if len(ev.Traceparent) != traceparentLen {
		ev.Traceparent = ""
	}
	switch {
	case weight(ev) > maxEvent || len(ev.FetchRefs) > maxFetchRefs:
		return unsupported(ev, "too_large")
	case !complete(ev):
		return unsupported(ev, "incomplete")
	}
	if ev.Type == model.MessageReceived && ev.Message.Content != nil && ev.Message.Content.Type == model.ContentUnsupported {
		// One name for it, however the connector tells it. The message keeps
		// what else is known of it.
		ev.Type, ev.Kind = model.UnsupportedReceived, ev.Message.Content.Kind
	}
	return ev
}

// complete reports whether the event has what its type is about, and a type
// that connectors may tell.
func complete(ev pluginhost.Event) bool {
	switch ev.Type {
	case "", model.MessageStatus, model.AccountStatus, model.AttachmentUpdated, model.EventsExpired:
		return false
	case model.MessageReceived, model.PostbackReceived, model.MessageEdited:
		return ev.Message != nil
	case model.MessageReaction:
		return ev.Reaction != nil
	case model.MessageDeleted:
		return ev.Target != nil
	case model.TypingStarted, model.ContactOptedIn, model.ContactOptedOut, model.ConversationEnded, model.UnsupportedReceived:
	}
	return true
}

func unsupported(ev pluginhost.Event, reason string) pluginhost.Event {
	kind := ev.Kind
	if kind == "" {
		kind = cut(string(ev.Type), maxKind)
	}
	if kind == "" {
		kind = "unknown"
	}
	ev.Type, ev.Kind, ev.Reason = model.UnsupportedReceived, kind, reason
	ev.Message, ev.FetchRefs, ev.Reaction, ev.Target = nil, nil, nil, nil
	return ev
}

// weight is about how many bytes the event has, without the price of encoding
// it.
func weight(ev pluginhost.Event) int {
	n := 0
	if m := ev.Message; m != nil {
		n += len(m.ProviderID) + len(m.Context)
		if c := m.Content; c != nil {
			n += c.Weight()
		}
		if m.ReplyTo != nil {
			n += len(m.ReplyTo.ProviderID)
		}
		for _, a := range m.Attachments {
			n += len(a.Name) + len(a.MimeType) + len(a.SHA256) + len(a.URL)
		}
	}
	for _, ref := range ev.FetchRefs {
		n += len(ref)
	}
	if r := ev.Reaction; r != nil {
		n += len(r.Emoji) + len(r.ProviderID)
	}
	if ev.Target != nil {
		n += len(ev.Target.ProviderID)
	}
	return n
}

// cut shortens s to at most n bytes, between characters.
func cut(s string, n int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// refuse leaves a dead letter of an event that can never be taken, and returns
// why. Without the letter it may be repeated: then the refusal is not final.
func (in *Inbound) refuse(ctx context.Context, client *store.Client, acct accounts.Account, ev pluginhost.Event, received time.Time, reason string, why error) error {
	in.Metrics.Inbound(string(acct.Plugin), telemetry.InboundRefused)
	at := ev.OccurredAt
	if at.IsZero() {
		at = received
	}
	who := ev.DedupeKey
	if who == "" { // nothing tells a repeat of it
		who = uuid.NewString()
	}
	id, err := client.LetterID(ctx, at, "event", string(acct.ID), who)
	if err != nil {
		return err
	}
	now := in.Now()
	err = client.PutDeadLetter(ctx, store.DeadLetter{
		UUID: id, Account: acct.ID, Reason: reason, At: now, Expires: now.Add(in.retention(acct.Client).DeadLetters),
	})
	if err != nil {
		return err
	}
	in.Metrics.DeadLettered()
	return model.Wrap(model.Invalid, "accept event", why)
}
