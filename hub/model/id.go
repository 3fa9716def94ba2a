package model

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"regexp"
	"strings"
)

// Identifiers are distinct string types so that one can never stand where
// another is meant. The prefix is part of the value everywhere: in code, in
// rows and in JSON.
type (
	// ClientID names a client; the operator chooses it in configuration.
	ClientID string
	// AccountID names an account, unique in a fleet; the operator chooses it.
	AccountID string
	// PluginID names a connector as configured; usually equal to its channel.
	PluginID string
	// ContactID is "cnt_" and 26 characters.
	ContactID string
	// ConversationID is "cnv_" and 26 characters.
	ConversationID string
	// SessionID is "ses_" and 26 characters.
	SessionID string
	// MessageID is "msg_" and 53 characters; it carries its conversation.
	MessageID string
	// EventID is "evt_" and 53 characters, or fewer for an event that lives
	// only in the feed; it carries its place.
	EventID string
	// AttachmentID is "att_" and 26 characters.
	AttachmentID string
	// ErasureID is "era_" and 26 characters.
	ErasureID string
)

var configuredID = regexp.MustCompile(`^[a-z0-9-]{1,40}$`)

// ValidConfiguredID reports whether s can be a client, account or plugin id.
func ValidConfiguredID(s string) bool { return configuredID.MatchString(s) }

// idEncoding is base32 with the extended hex alphabet in lower case: it keeps
// the byte order and is safe in URLs, file names and logs.
var idEncoding = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

// Random16 is the raw form of every random identifier.
type Random16 [16]byte

// NewRandom16 returns 128 random bits.
func NewRandom16() Random16 {
	var r Random16
	_, _ = rand.Read(r[:]) // never fails: crypto/rand ends the process instead
	return r
}

// NewContactID returns a fresh contact id.
func NewContactID() ContactID { return ContactID(encodeID("cnt_", randomBytes())) }

// NewConversationID returns a fresh conversation id.
func NewConversationID() ConversationID {
	return ConversationID(encodeID("cnv_", randomBytes()))
}

// NewSessionID returns a fresh session id.
func NewSessionID() SessionID { return SessionID(encodeID("ses_", randomBytes())) }

// NewAttachmentID returns a fresh attachment id.
func NewAttachmentID() AttachmentID { return AttachmentID(encodeID("att_", randomBytes())) }

func randomBytes() []byte { r := NewRandom16(); return r[:] }

// maxID is as many bytes as the longest id has.
const maxID = 80

func encodeID(prefix string, raw []byte) string {
	b := append(make([]byte, 0, maxID), prefix...)
	return string(idEncoding.AppendEncode(b, raw))
}

func decodeID(prefix, s string) ([]byte, bool) {
	rest, ok := strings.CutPrefix(s, prefix)
	if !ok || rest == "" || len(rest) > maxID {
		return nil, false
	}
	raw, err := idEncoding.DecodeString(rest)
	// Re-encoding refuses the spare bits of a last character, so that an id
	// has exactly one spelling.
	if err != nil || string(idEncoding.AppendEncode(make([]byte, 0, maxID), raw)) != rest {
		return nil, false
	}
	return raw, true
}

// Valid reports whether the id has the form of a contact id.
func (id ContactID) Valid() bool { return fixed16("cnt_", string(id)) }

// Valid reports whether the id has the form of a conversation id.
func (id ConversationID) Valid() bool { return fixed16("cnv_", string(id)) }

// Raw returns the 16 bytes of the id and whether it has the right form.
func (id ConversationID) Raw() (Random16, bool) {
	raw, ok := decodeID("cnv_", string(id))
	if !ok || len(raw) != 16 {
		return Random16{}, false
	}
	return Random16(raw), true
}

// AttachmentIDOf spells 16 bytes as an attachment id.
func AttachmentIDOf(raw Random16) AttachmentID { return AttachmentID(encodeID("att_", raw[:])) }

// ErasureIDOf spells 16 bytes as the id of an erasure.
func ErasureIDOf(raw Random16) ErasureID { return ErasureID(encodeID("era_", raw[:])) }

// Valid reports whether the id has the form of an erasure's.
func (id ErasureID) Valid() bool { return fixed16("era_", string(id)) }

// Raw returns the 16 bytes of the id and whether it has the right form.
func (id AttachmentID) Raw() (Random16, bool) {
	raw, ok := decodeID("att_", string(id))
	if !ok || len(raw) != 16 {
		return Random16{}, false
	}
	return Random16(raw), true
}

// Valid reports whether the id has the form of an attachment id.
func (id AttachmentID) Valid() bool { return fixed16("att_", string(id)) }

func fixed16(prefix, s string) bool {
	raw, ok := decodeID(prefix, s)
	return ok && len(raw) == 16
}

// Kinds of place an id can carry: its first byte.
const (
	placeEventRow   = 1 // conversation, key of the event row
	placeMessageRow = 2 // conversation, UUIDv7 of an outbound message
	placeFeedRecord = 3 // feed log, row number, index in the row
)

// MessagePlace is what a message id carries: the conversation it belongs to
// and the key of its row there.
type MessagePlace struct {
	Conversation ConversationID
	Direction    Direction // inbound: Key is the event row's; outbound: a UUIDv7
	Key          Random16
}

// ID spells the place as a message id.
func (p MessagePlace) ID() MessageID {
	kind := byte(placeEventRow)
	if p.Direction == Outbound {
		kind = placeMessageRow
	}
	return MessageID(encodeID("msg_", place(kind, p.Conversation, p.Key)))
}

// Place returns what the id carries; false when it is not a message id.
func (id MessageID) Place() (MessagePlace, bool) {
	kind, conv, key, ok := splitPlace("msg_", string(id))
	switch {
	case !ok:
		return MessagePlace{}, false
	case kind == placeEventRow:
		return MessagePlace{Conversation: conv, Direction: Inbound, Key: key}, true
	case kind == placeMessageRow:
		return MessagePlace{Conversation: conv, Direction: Outbound, Key: key}, true
	}
	return MessagePlace{}, false
}

// EventPlace is what an event id carries. An event with a row of its own is
// found by Conversation and Key; one that lives only as a feed record by
// Log, N and Index.
type EventPlace struct {
	Conversation ConversationID // empty for a feed record
	Key          Random16
	Log          uint16
	N            uint64
	Index        uint16
}

// ID spells the place as an event id.
func (p EventPlace) ID() EventID {
	if p.Conversation != "" {
		return EventID(encodeID("evt_", place(placeEventRow, p.Conversation, p.Key)))
	}
	raw := make([]byte, 0, 13)
	raw = append(raw, placeFeedRecord)
	raw = binary.BigEndian.AppendUint16(raw, p.Log)
	raw = binary.BigEndian.AppendUint64(raw, p.N)
	raw = binary.BigEndian.AppendUint16(raw, p.Index)
	return EventID(encodeID("evt_", raw))
}

// Place returns what the id carries; false when it is not an event id.
func (id EventID) Place() (EventPlace, bool) {
	if kind, conv, key, ok := splitPlace("evt_", string(id)); ok && kind == placeEventRow {
		return EventPlace{Conversation: conv, Key: key}, true
	}
	raw, ok := decodeID("evt_", string(id))
	if !ok || len(raw) != 13 || raw[0] != placeFeedRecord {
		return EventPlace{}, false
	}
	return EventPlace{
		Log:   binary.BigEndian.Uint16(raw[1:]),
		N:     binary.BigEndian.Uint64(raw[3:]),
		Index: binary.BigEndian.Uint16(raw[11:]),
	}, true
}

func place(kind byte, conv ConversationID, key Random16) []byte {
	c, _ := conv.Raw()
	raw := make([]byte, 0, 33)
	raw = append(raw, kind)
	raw = append(raw, c[:]...)
	return append(raw, key[:]...)
}

func splitPlace(prefix, s string) (kind byte, conv ConversationID, key Random16, ok bool) {
	raw, ok := decodeID(prefix, s)
	if !ok || len(raw) != 33 {
		return 0, "", key, false
	}
	return raw[0], ConversationID(encodeID("cnv_", raw[1:17])), Random16(raw[17:33]), true
}
