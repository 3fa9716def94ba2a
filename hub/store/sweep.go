package store

import (
	"context"
	"fmt"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table"
)

const sweepSchema = 1

// Sweep is how far the sweeper has come in one feed log. It is noted before
// anything is removed, so that a repeat after a crash removes, and tells, the
// same. A Sweep is a value.
type Sweep struct {
	At uint64 // rows up to this one are done
	To uint64 // rows up to this one are being done; At when none are
	// Unread counts what ends in these rows without having been read, and Tail
	// is the feed tail seen before that was told.
	Unread map[model.AccountID]int
	Tail   uint64

	version table.Version
}

type sweepHeader struct {
	At     uint64                  `json:"a"`
	To     uint64                  `json:"t"`
	Unread map[model.AccountID]int `json:"u,omitempty"`
	Tail   uint64                  `json:"f,omitempty"`
}

func sweepSK(shard int) string { return fmt.Sprintf("f/%d", shard) }

// FeedSweep returns how far the sweeper has come in a feed log.
func (c *Client) FeedSweep(ctx context.Context, shard int) (Sweep, error) {
	row, err := c.rows.Get(ctx, "sweep", sweepSK(shard))
	if model.Is(err, model.NotFound) {
		return Sweep{}, nil
	}
	if err != nil {
		return Sweep{}, fmt.Errorf("read sweep: %w", err)
	}
	var h sweepHeader
	if _, err := decodeHeader(row.Value, sweepSchema, &h); err != nil {
		return Sweep{}, fmt.Errorf("read sweep: %w", err)
	}
	return Sweep{At: h.At, To: h.To, Unread: h.Unread, Tail: h.Tail, version: row.Version}, nil
}

// PutFeedSweep writes it if the row still is what s was made from; otherwise
// another hub sweeps, and the error is model.Conflicting.
func (c *Client) PutFeedSweep(ctx context.Context, shard int, s Sweep) (Sweep, error) {
	value, err := encodePlain(sweepSchema, sweepHeader{At: s.At, To: s.To, Unread: s.Unread, Tail: s.Tail})
	if err != nil {
		return s, err
	}
	version, err := c.rows.Commit(ctx, table.Put("sweep", sweepSK(shard), value).IfVersion(s.version))
	if _, conflict := conflictOf(err); conflict {
		return s, model.Errorf(model.Conflicting, "write sweep", "another hub is sweeping")
	}
	if err != nil {
		return s, fmt.Errorf("write sweep: %w", err)
	}
	s.version = version
	return s, nil
}

// PlaceOf finds the place behind the record that a row promised, looking
// through the feed from the tail that the promise noted. It is false when the
// record was trimmed, or is not there yet; trimmed tells the two apart.
func (c *Client) PlaceOf(ctx context.Context, r Record, seen uint64) (behind Position, found, trimmed bool, err error) {
	log := c.Feed(r.Conversation)
	for {
		rows, err := log.Read(ctx, seen, placeRows)
		if model.Is(err, model.NotFound) {
			return Position{}, false, true, nil
		}
		if err != nil {
			return Position{}, false, false, err
		}
		for _, row := range rows {
			for i, have := range row.Records {
				if have.id() == r.id() {
					return Behind(row, i), true, false, nil
				}
			}
			seen = row.N
		}
		if len(rows) < placeRows {
			return Position{}, false, false, nil
		}
	}
}

// placeRows is small: a record lies close behind the tail of its promise.
const placeRows = 8

// Behind is the place behind record i of a row: the next row when it was the
// last.
func Behind(row LogRow, i int) Position {
	if i+1 == len(row.Records) {
		return Position{N: row.N + 1}
	}
	return Position{N: row.N, Index: i + 1}
}

// ShardOf is the feed log that a conversation uses, as an index into
// FeedLogs.
func (c *Client) ShardOf(conv model.ConversationID) int { return c.shardOf(conv) }

// FinalRecord is the record of the move that made the delivery final, as far
// as its identity goes.
func (o Outbound) FinalRecord() Record {
	return Record{Kind: StatusRecord, Conversation: o.Conversation, Key: o.UUID, Seq: o.FinalSeq}
}

// Pointer is the record that points at the event, as far as its identity goes.
func (e StoredEvent) Pointer() Record {
	return Record{Kind: EventRecord, Conversation: e.Conversation, Key: e.Key}
}
