package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table"
)

// History is what is still kept of a conversation: its events and its outbound
// messages, oldest first by commit time.
type History struct {
	Events   []StoredEvent
	Outbound []Outbound
}

// maxHistory bounds how much of each a reader gets, the newest: what a
// conversation says in a week fits.
const maxHistory = 5000

// History reads a conversation's own rows. Rows that no longer open, because
// their content has ended, are left out.
func (c *Client) History(ctx context.Context, conv model.ConversationID) (History, error) {
	rows, err := c.eventRows(ctx, conv, 0)
	if err != nil {
		return History{}, fmt.Errorf("read history: %w", err)
	}
	slices.SortFunc(rows, func(a, b eventRow) int {
		return cmp.Or(cmp.Compare(a.Committed, b.Committed), cmp.Compare(a.In, b.In))
	})
	var h History
	if h.Events, err = c.openEvents(ctx, conv, rows[max(0, len(rows)-maxHistory):]); err != nil {
		return History{}, fmt.Errorf("read history: %w", err)
	}
	h.Outbound, err = c.Messages(ctx, conv)
	return h, err
}

// EventsAfter returns the events whose number is greater than in, in the order
// of their numbers. Rows of smaller numbers are looked at but not opened.
func (c *Client) EventsAfter(ctx context.Context, conv model.ConversationID, in uint64) ([]StoredEvent, error) {
	rows, err := c.eventRows(ctx, conv, in)
	if err != nil {
		return nil, fmt.Errorf("read new events: %w", err)
	}
	slices.SortFunc(rows, func(a, b eventRow) int { return cmp.Compare(a.In, b.In) })
	out, err := c.openEvents(ctx, conv, rows)
	if err != nil {
		return nil, fmt.Errorf("read new events: %w", err)
	}
	return out, nil
}

// eventRow is an event row that is still sealed.
type eventRow struct {
	eventHeader
	row table.Row
}

// eventRows returns the event rows with a number greater than in, in no order
// that means anything: their keys are pseudonyms.
func (c *Client) eventRows(ctx context.Context, conv model.ConversationID, in uint64) ([]eventRow, error) {
	var out []eventRow
	q := table.Query{PK: conversationPK(conv), From: "e/", To: "e0", Limit: historyPage}
	for {
		page, err := c.rows.Query(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, row := range page.Rows {
			e := eventRow{row: row}
			if _, err := decodeHeader(row.Value, eventSchema, &e.eventHeader); err != nil {
				return nil, err
			}
			if e.In > in {
				out = append(out, e)
			}
			q.After = row.SK
		}
		if !page.More {
			return out, nil
		}
	}
}

func (c *Client) openEvents(ctx context.Context, conv model.ConversationID, rows []eventRow) ([]StoredEvent, error) {
	var out []StoredEvent
	for _, r := range rows {
		key, err := keyOf(r.row.SK)
		if err != nil {
			return nil, err
		}
		e, err := c.decodeEvent(ctx, conv, key, r.row)
		if err == nil {
			out = append(out, e)
		} else if err = ended(err); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Messages returns the outbound messages of a conversation, oldest first.
func (c *Client) Messages(ctx context.Context, conv model.ConversationID) ([]Outbound, error) {
	out, err := c.newestMessages(ctx, conv)
	if err != nil {
		return nil, fmt.Errorf("read messages: %w", err)
	}
	slices.Reverse(out)
	return out, nil
}

// newestMessages reads backwards: the keys sort by creation.
func (c *Client) newestMessages(ctx context.Context, conv model.ConversationID) ([]Outbound, error) {
	var out []Outbound
	q := table.Query{PK: conversationPK(conv), From: "m/", To: "m0", Limit: historyPage, Reverse: true}
	for {
		page, err := c.rows.Query(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, row := range page.Rows {
			key, err := keyOf(row.SK)
			if err != nil {
				return nil, err
			}
			o, err := c.decodeOutbound(ctx, conv, key, row)
			if err == nil {
				out = append(out, o)
			} else if err = ended(err); err != nil {
				return nil, err
			}
			q.After = row.SK
		}
		if !page.More || len(out) >= maxHistory {
			return out[:min(len(out), maxHistory)], nil
		}
	}
}

// historyPage is how many rows are read at a time.
const historyPage = 500

// ended forgives a row whose key was destroyed.
func ended(err error) error {
	if model.Is(err, model.NotFound) {
		return nil
	}
	return err
}
