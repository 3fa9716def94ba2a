package store

import (
	"fmt"

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

// logRow is the header of a log's row. It is made from records and read as
// such in one piece: encoders of their own would have each encoded, and
// checked, twice.
type logRow struct {
	Records []recordJSON `json:"r"`
}

func encodeLogRow(records []Record) ([]byte, error) {
	row := logRow{Records: make([]recordJSON, len(records))}
	for i := range records {
		r := &records[i]
		row.Records[i] = recordJSON{
			Kind: r.Kind, Conversation: r.Conversation, Key: r.Key[:], Seq: r.Seq, Type: r.Type,
			Account: r.Account, Direction: r.Direction, Old: r.Old, New: r.New, At: r.At, Author: r.Author, Files: r.Files,
		}
	}
	return encodePlain(logSchema, row)
}

func decodeLogRow(value []byte) ([]Record, error) {
	var row logRow
	if _, err := decodeHeader(value, logSchema, &row); err != nil {
		return nil, fmt.Errorf("read log row: %w", err)
	}
	records := make([]Record, len(row.Records))
	for i, j := range row.Records {
		if len(j.Key) != 16 {
			return nil, model.Errorf(model.Corrupt, "read log row", "a key has 16 bytes, not %d", len(j.Key))
		}
		records[i] = Record{
			Kind: j.Kind, Conversation: j.Conversation, Key: model.Random16(j.Key), Seq: j.Seq, Type: j.Type,
			Account: j.Account, Direction: j.Direction, Old: j.Old, New: j.New, At: j.At, Author: j.Author, Files: j.Files,
		}
	}
	return records, nil
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
