package model

import (
	"strings"
	"testing"
)

const alphabet = "0123456789abcdefghijklmnopqrstuv"

func TestConfiguredIDs(t *testing.T) {
	for _, s := range []string{"a", "acme-echo", "0", "-", strings.Repeat("a", 40)} {
		if !ValidConfiguredID(s) {
			t.Errorf("%q is refused", s)
		}
	}
	for _, s := range []string{"", "A", "a/b", "a_b", "a.b", "a b", "a\n", "\na", "ä", strings.Repeat("a", 41)} {
		if ValidConfiguredID(s) {
			t.Errorf("%q is taken", s)
		}
	}
}

func TestRandomIDs(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		contact, conv, session, att := NewContactID(), NewConversationID(), NewSessionID(), NewAttachmentID()
		if !contact.Valid() || !conv.Valid() || !att.Valid() {
			t.Fatalf("%s, %s or %s is not valid", contact, conv, att)
		}
		for _, id := range []string{string(contact), string(conv), string(session), string(att)} {
			if len(id) != 4+26 || seen[id] {
				t.Fatalf("%s is no new id of 30 characters", id)
			}
			seen[id] = true
		}
	}
	raw := Random16{0, 1, 2, 15: 255}
	conv := ConversationID(encodeID("cnv_", raw[:]))
	if got, ok := conv.Raw(); !ok || got != raw {
		t.Errorf("raw form %v, %v", got, ok)
	}
}

// spoiled returns spellings near a good id that are none.
func spoiled(id string) map[string]string {
	prefix, rest := id[:4], id[4:]
	bad := map[string]string{
		"nothing": "", "prefix alone": prefix, "no prefix": rest, "another prefix": "xxx_" + rest, "prefix in capitals": strings.ToUpper(prefix) + rest,
		"capitals": prefix + strings.ToUpper(rest) + "A", "one short": id[:len(id)-1], "one long": id + "0", "doubled": id + rest, "padded": id + "=",
		"a line break behind": id + "\n", "a line break within": id[:8] + "\r\n" + id[8:], "a blank before": " " + id,
		"outside the alphabet": prefix + "w" + rest[1:], "a null": id + "\x00",
	}
	// The last character has spare bits: another one may name another thing, or
	// nothing, but never the same.
	for _, c := range alphabet {
		if other := id[:len(id)-1] + string(c); other != id {
			bad["last character "+string(c)] = other
		}
	}
	return bad
}

func TestMessageIDs(t *testing.T) {
	conv := NewConversationID()
	for _, want := range []MessagePlace{
		{Conversation: conv, Direction: Inbound, Key: NewRandom16()},
		{Conversation: conv, Direction: Outbound, Key: NewRandom16()},
		{Conversation: conv, Direction: Outbound},
	} {
		id := want.ID()
		if got, ok := id.Place(); !ok || got != want {
			t.Errorf("%s: %+v, %v; want %+v", id, got, ok, want)
		}
		if len(id) != 4+53 {
			t.Errorf("%s has %d characters", id, len(id))
		}
		for name, s := range spoiled(string(id)) {
			got, ok := MessageID(s).Place()
			if ok && (strings.HasPrefix(name, "last character") && got.ID() == MessageID(s)) {
				continue // another key
			}
			if ok {
				t.Errorf("%s: %q is a message id: %+v", name, s, got)
			}
		}
	}
	key := Random16{1}
	event := EventPlace{Conversation: conv, Key: key}.ID()
	if _, ok := MessageID(event).Place(); ok {
		t.Error("an event id is a message id")
	}
	if _, ok := MessageID("msg_" + string(event)[4:]).Place(); !ok {
		t.Error("an event and its message have the same place")
	}
	if _, ok := MessageID(encodeID("msg_", place(placeFeedRecord, conv, key))).Place(); ok {
		t.Error("an unknown kind of place is taken")
	}
	if _, ok := MessageID(conv).Place(); ok {
		t.Error("a conversation id is a message id")
	}
}

func TestEventIDs(t *testing.T) {
	conv := NewConversationID()
	for _, want := range []EventPlace{
		{Conversation: conv, Key: NewRandom16()},
		{Log: 0, N: 1, Index: 0},
		{Log: 65535, N: 1<<64 - 1, Index: 65535},
	} {
		id := want.ID()
		if got, ok := id.Place(); !ok || got != want {
			t.Errorf("%s: %+v, %v; want %+v", id, got, ok, want)
		}
		for name, s := range spoiled(string(id)) {
			if got, ok := EventID(s).Place(); ok && got.ID() != EventID(s) {
				t.Errorf("%s: %q is an event id: %+v", name, s, got)
			}
		}
	}
	if (EventPlace{N: 1}).ID() == (EventPlace{N: 2}).ID() {
		t.Error("two places have one id")
	}
	out := MessagePlace{Conversation: conv, Direction: Outbound}.ID()
	if _, ok := EventID("evt_" + string(out)[4:]).Place(); ok {
		t.Error("the place of an outbound message is an event's")
	}
}

func TestFixedIDsHaveOneSpelling(t *testing.T) {
	contact, conv, att := NewContactID(), NewConversationID(), NewAttachmentID()
	for name, s := range spoiled(string(contact)) {
		if ContactID(s).Valid() && strings.HasPrefix(name, "last character") {
			if a, _ := decodeID("cnt_", s); string(a) == mustDecode(t, "cnt_", string(contact)) {
				t.Errorf("%q and %q are one contact", s, contact)
			}
			continue
		}
		if ContactID(s).Valid() {
			t.Errorf("%s: %q is a contact id", name, s)
		}
	}
	if ContactID(conv).Valid() || ConversationID(att).Valid() || AttachmentID(contact).Valid() {
		t.Error("an id of one kind is taken for another")
	}
	if _, ok := ConversationID(contact).Raw(); ok {
		t.Error("a contact id has a conversation's raw form")
	}
}

func mustDecode(t *testing.T, prefix, s string) string {
	t.Helper()
	raw, ok := decodeID(prefix, s)
	if !ok {
		t.Fatalf("%q does not decode", s)
	}
	return string(raw)
}

// Whatever is taken for an id is the one spelling of it.
func FuzzIDs(f *testing.F) {
	conv := ConversationID(encodeID("cnv_", make([]byte, 16)))
	f.Add(string(conv))
	f.Add(string(MessagePlace{Conversation: conv, Direction: Inbound}.ID()))
	f.Add(string(MessagePlace{Conversation: conv, Direction: Outbound}.ID()))
	f.Add(string(EventPlace{Conversation: conv}.ID()))
	f.Add(string(EventPlace{N: 7}.ID()))
	f.Add("msg_\n")
	f.Fuzz(func(t *testing.T, s string) {
		if p, ok := MessageID(s).Place(); ok && string(p.ID()) != s {
			t.Errorf("message id %q is spelled %q", s, p.ID())
		}
		if p, ok := EventID(s).Place(); ok && string(p.ID()) != s {
			t.Errorf("event id %q is spelled %q", s, p.ID())
		}
		if raw, ok := ConversationID(s).Raw(); ok && encodeID("cnv_", raw[:]) != s {
			t.Errorf("conversation id %q is spelled otherwise", s)
		}
	})
}
