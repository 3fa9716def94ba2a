package store

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table"
)

// DueLetter is the kind of due rows that end what dead letters keep.
const DueLetter = "deadletter"

const dueLetterTag = "letter-"

// due is the note of the letter's end. Its name holds the end: the letter of a
// later failure has a note of its own.
func (d DeadLetter) due(parts int) Due {
	return dueLetter(d.UUID, d.Conversation, d.Expires, parts)
}

func dueLetter(id model.Random16, conv model.ConversationID, at time.Time, parts int) Due {
	// Not before the table hides the letter, which is at a whole second.
	if at = at.Truncate(time.Millisecond); at.Nanosecond() > 0 {
		at = at.Truncate(time.Second).Add(time.Second)
	}
	return Due{
		ID: fmt.Sprintf("%s%s-%d", dueLetterTag, hexKey(id), at.Unix()), Kind: DueLetter,
		Ref: string(conv), At: at, Parts: parts,
	}
}

// letterOf is the letter that a note of its end is about.
func letterOf(d Due) (model.Random16, error) {
	name, _, _ := strings.Cut(strings.TrimPrefix(d.ID, dueLetterTag), "-")
	raw, err := hex.DecodeString(name)
	if err != nil || len(raw) != 16 {
		return model.Random16{}, model.Errorf(model.Corrupt, "end dead letter", "the note names no dead letter")
	}
	return model.Random16(raw), nil
}

// EndLetter removes for good what a dead letter kept: its content, or that of
// its message, and the letter. Nobody reads any of it any more by then, so the
// rows are deleted unread, however long the table would keep what has expired.
// It is the sweeper's deleter for DueLetter and may be repeated; it reports
// false when the letter goes on, as that of a later failure.
func (c *Client) EndLetter(ctx context.Context, d Due) (bool, error) {
	id, err := letterOf(d)
	if err != nil {
		return false, err
	}
	for part := range d.Parts {
		if _, err := c.deleteExpired(ctx, letterPK(id), letterSK(part)); err != nil {
			return false, fmt.Errorf("end dead letter: %w", err)
		}
	}
	if d.Ref != "" {
		if err := c.endLettered(ctx, model.ConversationID(d.Ref), id); err != nil {
			return false, fmt.Errorf("end dead letter: %w", err)
		}
	}
	ended, err := c.deleteExpired(ctx, "dl", string(id[:]))
	if err != nil {
		return false, fmt.Errorf("end dead letter: %w", err)
	}
	return ended, nil
}

// endLettered ends a message that was given up on. One that is not, by now,
// ends by what the feed tells of it.
func (c *Client) endLettered(ctx context.Context, conv model.ConversationID, id model.Random16) error {
	for {
		gone, err := c.deleteExpired(ctx, conversationPK(conv), messageSK(id))
		if err != nil || gone {
			return err
		}
		o, err := c.Outbound(ctx, conv, id)
		if model.Is(err, model.NotFound) {
			return nil // its key was destroyed: the rest is the erasure's
		}
		if err != nil || !o.DeadLettered || o.Ended {
			return err
		}
		if o.ContentUntil.After(c.now()) {
			return c.PutDue(ctx, dueLetter(id, conv, o.ContentUntil, 0))
		}
		// A receipt may come between; its change is kept.
		if _, ok, err := c.EndOutbound(ctx, o); err != nil || ok {
			return err
		}
	}
}

// deleteExpired deletes a row that reads do not show any more, and reports
// false when there is one that they do show.
func (c *Client) deleteExpired(ctx context.Context, pk, sk string) (bool, error) {
	_, err := c.rows.Commit(ctx, table.Delete(pk, sk).IfAbsent().Exact())
	if _, there := conflictOf(err); there {
		return false, nil
	}
	return err == nil, err
}
