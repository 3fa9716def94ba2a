package store

import (
	"encoding/json"

	"github.com/channelhub/channelhub/hub/model"
)

// RecordKind says what a record of a log points at.
type RecordKind string

// The kinds of record.
const (
	// EventRecord points at an event row.
	EventRecord RecordKind = "e"
	// StatusRecord tells a move of an outbound message; the message row holds
	// the rest.
	StatusRecord RecordKind = "s"
	// SignalRecord tells of somebody typing; it points at nothing.
	SignalRecord RecordKind = "g"
	// AccountRecord tells a move of an account, in Old and New; it belongs to no
	// conversation.
	AccountRecord RecordKind = "c"
	// ExpiredRecord tells that events of an account ended unread; Seq is how
	// many. It points at nothing and has no conversation.
	ExpiredRecord RecordKind = "x"
	// AttachmentRecord tells a change of a file in a conversation. Key is the
	// file's id, and New its state.
	AttachmentRecord RecordKind = "a"
	// DeliveryRecord is a lane entry: it points at a message row.
	DeliveryRecord RecordKind = "d"
)

// Record is one entry of a log row. It holds ids, states and times only, so
// that it can lie in clear: lists and counts are made without opening a row.
type Record struct {
	Kind         RecordKind
	Conversation model.ConversationID
	// Key is the event row's key, or the UUID of the message.
	Key model.Random16
	// Seq tells the moves of one message apart; 0 elsewhere.
	Seq       int
	Type      model.EventType
	Account   model.AccountID
	Direction model.Direction
	Old, New  model.Status // of an account's record: its states
	At        Milli        // commit time
	Author    model.Author
	Files     int // attachments of an event: their workers look no further
}

// recordJSON keeps names short: a row is billed by the KiB.
type recordJSON struct {
	Kind         RecordKind           `json:"k"`
	Conversation model.ConversationID `json:"v"`
	Key          []byte               `json:"i"`
	Seq          int                  `json:"q,omitempty"`
	Type         model.EventType      `json:"t,omitempty"`
	Account      model.AccountID      `json:"a,omitempty"`
	Direction    model.Direction      `json:"d,omitempty"`
	Old          model.Status         `json:"o,omitempty"`
	New          model.Status         `json:"n,omitempty"`
	At           Milli                `json:"c,omitempty"`
	Author       model.Author         `json:"u,omitempty"`
	Files        int                  `json:"m,omitempty"`
}

// logRow is a row of a log. Its JSON is made in one piece: encoders of single
// records would have each of them encoded and checked twice.
type logRow struct{ Records []Record }

type logRowJSON struct {
	Records []recordJSON `json:"r"`
}

// MarshalJSON implements json.Marshaler.
func (w logRow) MarshalJSON() ([]byte, error) {
	out := logRowJSON{Records: make([]recordJSON, len(w.Records))}
	for i := range w.Records {
		r := &w.Records[i]
		out.Records[i] = recordJSON{
			Kind: r.Kind, Conversation: r.Conversation, Key: r.Key[:], Seq: r.Seq, Type: r.Type,
			Account: r.Account, Direction: r.Direction, Old: r.Old, New: r.New, At: r.At, Author: r.Author, Files: r.Files,
		}
	}
	return json.Marshal(out)
}

// UnmarshalJSON implements json.Unmarshaler.
func (w *logRow) UnmarshalJSON(b []byte) error {
	var in logRowJSON
	if err := json.Unmarshal(b, &in); err != nil {
		return err
	}
	w.Records = make([]Record, len(in.Records))
	for i, j := range in.Records {
		if len(j.Key) != 16 {
			return model.Errorf(model.Corrupt, "decode log record", "a key has 16 bytes, not %d", len(j.Key))
		}
		w.Records[i] = Record{
			Kind: j.Kind, Conversation: j.Conversation, Key: model.Random16(j.Key), Seq: j.Seq, Type: j.Type,
			Account: j.Account, Direction: j.Direction, Old: j.Old, New: j.New, At: j.At, Author: j.Author, Files: j.Files,
		}
	}
	return nil
}

// recordID is what makes two records the same: appending one that is there
// already changes nothing.
type recordID struct {
	kind         RecordKind
	conversation model.ConversationID
	key          model.Random16
	seq          int
}

func (r Record) id() recordID { return recordID{r.Kind, r.Conversation, r.Key, r.Seq} }
