package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table"
)

// History is what is still kept of a conversation: its events and its outbound
// messages, oldest first by commit time.
type History struct {
	Events   []StoredEvent
	Outbound []Outbound
}

// maxHistory bounds a read: what a conversation says in a week fits.
const maxHistory = 5000

// History reads a conversation's own rows. Rows that no longer open, because
// their content has ended, are left out.
func (c *Client) History(ctx context.Context, conv model.ConversationID) (History, error) {
	var h History
	err := c.walk(ctx, conv, "e/", func(row table.Row) error {
		key, err := keyOf(row.SK)
		if err != nil {
			return err
		}
		e, err := c.decodeEvent(ctx, conv, key, row)
		if err == nil {
			h.Events = append(h.Events, e)
		}
		return ended(err)
	})
	if err != nil {
		return History{}, fmt.Errorf("read history: %w", err)
	}
	if h.Outbound, err = c.Messages(ctx, conv); err != nil {
		return History{}, err
	}
	slices.SortFunc(h.Events, func(a, b StoredEvent) int {
		if d := a.Committed.Compare(b.Committed); d != 0 {
			return d
		}
		return cmp.Compare(a.In, b.In)
	})
	return h, nil
}

// EventsAfter returns the events whose number is greater than in, in the order
// of their numbers. Rows of smaller numbers are looked at but not opened.
func (c *Client) EventsAfter(ctx context.Context, conv model.ConversationID, in uint64) ([]StoredEvent, error) {
	var out []StoredEvent
	err := c.walk(ctx, conv, "e/", func(row table.Row) error {
		var h eventHeader
		if _, err := decodeHeader(row.Value, eventSchema, &h); err != nil || h.In <= in {
			return err
		}
		key, err := keyOf(row.SK)
		if err != nil {
			return err
		}
		e, err := c.decodeEvent(ctx, conv, key, row)
		if err == nil {
			out = append(out, e)
		}
		return ended(err)
	})
	if err != nil {
		return nil, fmt.Errorf("read new events: %w", err)
	}
	slices.SortFunc(out, func(a, b StoredEvent) int { return cmp.Compare(a.In, b.In) })
	return out, nil
}

// Messages returns the outbound messages of a conversation, oldest first.
func (c *Client) Messages(ctx context.Context, conv model.ConversationID) ([]Outbound, error) {
	var out []Outbound
	err := c.walk(ctx, conv, "m/", func(row table.Row) error {
		key, err := keyOf(row.SK)
		if err != nil {
			return err
		}
		o, err := c.decodeOutbound(ctx, conv, key, row)
		if err == nil {
			out = append(out, o)
		}
		return ended(err)
	})
	if err != nil {
		return nil, fmt.Errorf("read messages: %w", err)
	}
	return out, nil
}

// ended forgives a row whose key was destroyed.
func ended(err error) error {
	if model.Is(err, model.NotFound) {
		return nil
	}
	return err
}

func (c *Client) walk(ctx context.Context, conv model.ConversationID, prefix string, each func(table.Row) error) error {
	q := table.Query{PK: conversationPK(conv), From: prefix, To: strings.TrimSuffix(prefix, "/") + "0", Limit: 500}
	for n := 0; n < maxHistory; {
		page, err := c.rows.Query(ctx, q)
		if err != nil {
			return err
		}
		for _, row := range page.Rows {
			if err := each(row); err != nil {
				return err
			}
			q.After = row.SK
		}
		n += len(page.Rows)
		if !page.More {
			return nil
		}
	}
	return nil
}
