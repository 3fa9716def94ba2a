package store

import (
	"context"
	"fmt"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table"
)

const deadLetterSchema = 1

// DeadLetter is a delivery the hub gave up on. It points at the message row,
// which keeps the content; the letter itself lies in clear.
type DeadLetter struct {
	Conversation model.ConversationID
	UUID         model.Random16
	Account      model.AccountID
	Reason       string
	Attempts     int
	At           time.Time
	Expires      time.Time
}

type deadLetterHeader struct {
	Conversation model.ConversationID `json:"v"`
	Account      model.AccountID      `json:"a"`
	Reason       string               `json:"r"`
	Attempts     int                  `json:"n"`
	At           Milli                `json:"c"`
}

// PutDeadLetter writes the letter of a message; repeating it is harmless.
func (c *Client) PutDeadLetter(ctx context.Context, d DeadLetter) error {
	value, err := encodePlain(deadLetterSchema, deadLetterHeader{
		Conversation: d.Conversation, Account: d.Account, Reason: d.Reason, Attempts: d.Attempts, At: Millis(d.At),
	})
	if err != nil {
		return err
	}
	if _, _, err := putOrFound(ctx, c.rows, "dl", string(d.UUID[:]), value, d.Expires); err != nil {
		return fmt.Errorf("write dead letter: %w", err)
	}
	return nil
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
		var h deadLetterHeader
		if _, err := decodeHeader(row.Value, deadLetterSchema, &h); err != nil {
			return nil, fmt.Errorf("read dead letter: %w", err)
		}
		if len(row.SK) != 16 {
			return nil, model.Errorf(model.Corrupt, "read dead letter", "a key has 16 bytes")
		}
		out = append(out, DeadLetter{
			Conversation: h.Conversation, UUID: model.Random16([]byte(row.SK)), Account: h.Account,
			Reason: h.Reason, Attempts: h.Attempts, At: h.At.Time(), Expires: row.Expires,
		})
	}
	return out, nil
}
