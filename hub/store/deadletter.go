package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/seal"
	"github.com/channelhub/channelhub/hub/storage/table"
)

const deadLetterSchema = 1

// letterKey seals what lies with letters: no contact's key can, since nobody
// has translated it.
var letterKey = seal.Class("dead-letter")

// DeadLetter is what the hub gave up on: a delivery, whose message row keeps
// the content, or something that no connector took, whose content lies sealed
// beside the letter. The letter itself lies in clear.
type DeadLetter struct {
	Conversation model.ConversationID
	UUID         model.Random16
	Account      model.AccountID
	Reason       string
	Attempts     int
	At           time.Time
	Expires      time.Time
	// Parts is how many rows hold the content; 0 when the message row does, or
	// nothing was kept.
	Parts int
	// Route and Kind say how the content came in; empty without content.
	Route JournalRoute
	Kind  JournalKind

	// State is what an operator made of it.
	State LetterState
	// Move and LaneTail are the plan of a replay: the move of the message that
	// puts it back on its way, and the lane tail seen when that was decided.
	Move     int
	LaneTail uint64

	version table.Version
}

// LetterState is what became of a dead letter.
type LetterState string

// The states of a letter.
const (
	LetterWaiting   LetterState = ""
	LetterReplaying LetterState = "replaying"
	LetterReplayed  LetterState = "replayed"
	LetterDiscarded LetterState = "discarded"
)

type deadLetterHeader struct {
	Conversation model.ConversationID `json:"v"`
	Account      model.AccountID      `json:"a"`
	Reason       string               `json:"r"`
	Attempts     int                  `json:"n"`
	At           Milli                `json:"c"`
	Parts        int                  `json:"p,omitempty"`
	Plugin       model.PluginID       `json:"g,omitempty"`
	Route        model.AccountID      `json:"w,omitempty"`
	Kind         JournalKind          `json:"k,omitempty"`
	State        LetterState          `json:"s,omitempty"`
	Move         int                  `json:"q,omitempty"`
	LaneTail     uint64               `json:"l,omitempty"`
}

func (d DeadLetter) encode() ([]byte, error) {
	return encodePlain(deadLetterSchema, deadLetterHeader{
		Conversation: d.Conversation, Account: d.Account, Reason: d.Reason, Attempts: d.Attempts, At: Millis(d.At), Parts: d.Parts,
		Plugin: d.Route.Plugin, Route: d.Route.Account, Kind: d.Kind, State: d.State, Move: d.Move, LaneTail: d.LaneTail,
	})
}

func decodeDeadLetter(row table.Row) (DeadLetter, error) {
	var h deadLetterHeader
	if _, err := decodeHeader(row.Value, deadLetterSchema, &h); err != nil {
		return DeadLetter{}, fmt.Errorf("read dead letter: %w", err)
	}
	if len(row.SK) != 16 {
		return DeadLetter{}, model.Errorf(model.Corrupt, "read dead letter", "a key has 16 bytes")
	}
	return DeadLetter{
		Conversation: h.Conversation, UUID: model.Random16([]byte(row.SK)), Account: h.Account,
		Reason: h.Reason, Attempts: h.Attempts, At: h.At.Time(), Expires: row.Expires, Parts: h.Parts,
		Route: JournalRoute{h.Plugin, h.Route}, Kind: h.Kind,
		State: h.State, Move: h.Move, LaneTail: h.LaneTail, version: row.Version,
	}, nil
}

// PutDeadLetter writes the letter of a message, behind the note of its end;
// repeating it is harmless. The letter of an earlier failure, which an operator
// had replayed, gives way.
func (c *Client) PutDeadLetter(ctx context.Context, d DeadLetter) error {
	if d.Conversation != "" { // PutLetterContent has noted the others
		if err := c.PutDue(ctx, d.due(0)); err != nil {
			return err
		}
	}
	value, err := d.encode()
	if err != nil {
		return err
	}
	for {
		row, created, err := putOrFound(ctx, c.rows, "dl", string(d.UUID[:]), value, d.Expires)
		if err != nil {
			return fmt.Errorf("write dead letter: %w", err)
		}
		if created {
			return nil
		}
		row.SK = string(d.UUID[:])
		found, err := decodeDeadLetter(row)
		if err != nil || found.State == LetterWaiting {
			return err
		}
		_, err = c.rows.Commit(ctx, table.Put("dl", row.SK, value).IfVersion(row.Version).ExpireAt(d.Expires))
		if err == nil {
			return nil
		}
		if _, changed := conflictOf(err); !changed {
			return fmt.Errorf("write dead letter: %w", err)
		}
	}
}

// DeadLetter returns one letter, or model.NotFound.
func (c *Client) DeadLetter(ctx context.Context, id model.Random16) (DeadLetter, error) {
	row, err := c.rows.Get(ctx, "dl", string(id[:]))
	if err != nil {
		return DeadLetter{}, fmt.Errorf("read dead letter: %w", err)
	}
	row.SK = string(id[:])
	return decodeDeadLetter(row)
}

// MarkDeadLetter writes what became of a letter, if it still is the one that
// was read; otherwise model.Conflicting. The content of one that is done with
// goes in the same commit.
func (c *Client) MarkDeadLetter(ctx context.Context, d DeadLetter, to LetterState) (DeadLetter, error) {
	d.State = to
	var ops []table.Op
	if to == LetterReplayed || to == LetterDiscarded {
		for part := range d.Parts {
			ops = append(ops, table.Delete(letterPK(d.UUID), letterSK(part)))
		}
		d.Parts = 0
	}
	value, err := d.encode()
	if err != nil {
		return d, err
	}
	put := table.Put("dl", string(d.UUID[:]), value).IfVersion(d.version).ExpireAt(d.Expires)
	d.version, err = c.rows.Commit(ctx, append(ops, put)...)
	if _, changed := conflictOf(err); changed {
		return d, model.Errorf(model.Conflicting, "mark dead letter", "the dead letter was changed at the same time")
	}
	if err != nil {
		return d, fmt.Errorf("mark dead letter: %w", err)
	}
	return d, nil
}

// DeadLetters returns the letters of a client by the age of their message,
// oldest first, behind the given one.
func (c *Client) DeadLetters(ctx context.Context, after model.Random16, limit int) ([]DeadLetter, error) {
	q := table.Query{PK: "dl", Limit: limit}
	if after != (model.Random16{}) {
		q.After = string(after[:])
	}
	page, err := c.rows.Query(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("read dead letters: %w", err)
	}
	out := make([]DeadLetter, 0, len(page.Rows))
	for _, row := range page.Rows {
		d, err := decodeDeadLetter(row)
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

// PutLetterContent keeps the content of a letter, sealed, and returns the
// number of its parts. It comes before the letter: a letter that is there is
// whole, and behind the note of its end. Repeating it is harmless.
func (c *Client) PutLetterContent(ctx context.Context, d DeadLetter, content []byte) (parts int, err error) {
	if err := c.PutDue(ctx, d.due((len(content)+journalPart-1)/journalPart)); err != nil {
		return 0, err
	}
	if err := c.seal.CreateKey(ctx, letterKey); err != nil {
		return 0, fmt.Errorf("write dead letter's content: %w", err)
	}
	for ; len(content) > 0; parts++ {
		part := content[:min(len(content), journalPart)]
		content = content[len(part):]
		pk, sk := letterPK(d.UUID), letterSK(parts)
		value, err := encodePlain(deadLetterSchema, struct{}{})
		if err != nil {
			return 0, err
		}
		sealed, err := c.seal.Seal(ctx, letterKey, seal.Place{PK: c.root + pk, SK: sk, Schema: deadLetterSchema, Beside: len(value)}, part)
		if err != nil {
			return 0, fmt.Errorf("write dead letter's content: %w", err)
		}
		if _, _, err := putOrFound(ctx, c.rows, pk, sk, append(value, sealed...), d.Expires); err != nil {
			return 0, fmt.Errorf("write dead letter's content: %w", err)
		}
	}
	return parts, nil
}

// LetterContent opens what PutLetterContent kept.
func (c *Client) LetterContent(ctx context.Context, d DeadLetter) ([]byte, error) {
	var content []byte
	for i := range d.Parts {
		pk, sk := letterPK(d.UUID), letterSK(i)
		row, err := c.rows.Get(ctx, pk, sk)
		if err != nil {
			return nil, fmt.Errorf("read dead letter's content: %w", err)
		}
		sealed, err := decodeHeader(row.Value, deadLetterSchema, &struct{}{})
		if err != nil {
			return nil, fmt.Errorf("read dead letter's content: %w", err)
		}
		part, err := c.seal.Open(ctx, letterKey, seal.Place{PK: c.root + pk, SK: sk, Schema: deadLetterSchema}, sealed)
		if err != nil {
			return nil, fmt.Errorf("read dead letter's content: %w", err)
		}
		content = append(content, part...)
	}
	return content, nil
}

func letterPK(id model.Random16) string { return "dl/" + hexKey(id) }

func letterSK(part int) string { return fmt.Sprintf("p/%03d", part) }

// LetterID names the letter of something that came in: by its age first, as
// the letters of messages, and the same for a repeat.
func (c *Client) LetterID(ctx context.Context, at time.Time, parts ...string) (model.Random16, error) {
	id, err := c.seal.PRF(ctx, "dead-letter", parts...)
	if err != nil {
		return id, fmt.Errorf("name dead letter: %w", err)
	}
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(max(at.UnixMilli(), 0)))
	copy(id[:6], ms[2:])
	return id, nil
}
