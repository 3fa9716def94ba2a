package inbound

import (
	"context"
	"fmt"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
)

// CloserName is the consumer that the closer's place in a feed is kept under.
// No token can have this name. It is no reader of content: retention does not
// wait for it.
const CloserName = "hub:idle-closer"

const (
	closeEvery = 30 * time.Second
	closePage  = 100 // rows
)

// CloserOptions for NewCloser; nil takes every default.
type CloserOptions struct {
	Every time.Duration // how often it looks; 0: 30 s
}

// Closer ends sessions that have been idle for 30 minutes. It reads each
// client's feed that far behind, with a saved place: whatever happened in a
// conversation lies in the feed, so a session is looked at half an hour behind
// each sign of life, and ended when that was the last.
type Closer struct {
	in    *Inbound
	every time.Duration
}

// NewCloser returns a Closer that ends sessions through in.
func NewCloser(in *Inbound, opts *CloserOptions) *Closer {
	c := &Closer{in: in, every: closeEvery}
	if opts != nil && opts.Every > 0 {
		c.every = opts.Every
	}
	return c
}

// Run ends idle sessions until ctx ends. Two hubs that run it do each other no
// harm.
func (c *Closer) Run(ctx context.Context) {
	tick := time.NewTicker(c.every)
	defer tick.Stop()
	for {
		c.Pass(ctx)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// Pass looks once at every client's feed. What fails is logged and looked at
// again in the next pass.
func (c *Closer) Pass(ctx context.Context) {
	for _, cl := range c.in.Accounts.Clients() {
		err := c.pass(ctx, cl.ID)
		if err != nil && ctx.Err() == nil {
			c.in.Logger.Warn("idle sessions could not be ended yet", "client", cl.ID, "error", err)
		}
	}
}

func (c *Closer) pass(ctx context.Context, id model.ClientID) error {
	client, err := c.in.Store.Client(ctx, id)
	if err != nil {
		return err
	}
	place, err := client.Consumer(ctx, CloserName)
	if err != nil {
		return err
	}
	marks := place.Marks
	for shard, log := range client.FeedLogs() {
		for more := true; more; {
			var n uint64
			if n, more, err = c.page(ctx, client, log, marks[shard].N); err != nil {
				return err
			}
			marks[shard] = store.Position{N: n}
			// Saved before the next page: a crash repeats at most this one.
			if _, err := client.Acknowledge(ctx, CloserName, marks); err != nil {
				return err
			}
		}
	}
	return nil
}

// page looks at the rows behind n that are old enough, ends what is idle, and
// returns the last row that is done with.
func (c *Closer) page(ctx context.Context, client *store.Client, log *store.Log, n uint64) (last uint64, more bool, err error) {
	rows, err := log.Read(ctx, n, closePage)
	if model.Is(err, model.NotFound) {
		// What lay here was trimmed, far later than anybody stays idle.
		floor, err := log.Floor(ctx)
		return floor, err == nil && floor > n, err
	}
	if err != nil {
		return n, false, err
	}
	old := c.in.Now().Add(-sessionIdle)
	var seen []model.ConversationID
	known := map[model.ConversationID]bool{}
	for _, row := range rows {
		if newest(row).After(old) {
			break
		}
		for _, r := range row.Records {
			if r.Kind != store.SignalRecord && r.Conversation != "" && r.Type != model.ConversationEnded && !known[r.Conversation] {
				known[r.Conversation] = true
				seen = append(seen, r.Conversation)
			}
		}
		n = row.N
	}
	for _, conv := range seen {
		err := c.end(ctx, client, conv)
		if model.Is(err, model.Corrupt) {
			// One damaged row must not keep all other sessions open.
			c.in.Logger.Error("an idle session cannot be ended", "client", client.ID, "conversation", conv, "error", err)
			continue
		}
		if err != nil {
			return 0, false, fmt.Errorf("end idle session: %w", err)
		}
	}
	return n, len(rows) == closePage && n == rows[len(rows)-1].N, nil
}

func newest(row store.LogRow) time.Time {
	var at time.Time
	for _, r := range row.Records {
		at = later(at, r.At.Time())
	}
	return at
}

// reasonIdle is how an event tells that nobody ended the session.
const reasonIdle = "idle"

// end ends the conversation's session if nothing has happened in it for long.
func (c *Closer) end(ctx context.Context, client *store.Client, id model.ConversationID) error {
	conv, err := client.ReadConversation(ctx, id)
	if model.Is(err, model.NotFound) {
		return nil // the client wrote first, and nobody has answered yet
	}
	if err != nil {
		return err
	}
	idle := func(ctx context.Context, conv store.Conversation) (bool, error) {
		if conv.SessionEnded {
			// Ours may have got no further than T, when a process died.
			return conv.EndedBy == reasonIdle, nil
		}
		open, err := c.in.sessionOpen(ctx, client, conv, c.in.Now())
		return !open, err
	}
	if ok, err := idle(ctx, conv); err != nil || !ok || conv.Session == "" {
		return err
	}
	err = c.in.end(ctx, client, id, conv.Session, model.System, reasonIdle, idle)
	if model.Is(err, model.NotFound) {
		return nil // erased meanwhile
	}
	return err
}
