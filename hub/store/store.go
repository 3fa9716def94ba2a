package store

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/seal"
	"github.com/channelhub/channelhub/hub/storage/table"
)

const (
	// directoryCache and conversationCache cover what is active at one time; a
	// miss costs two reads, or one.
	directoryCache    = 50_000
	conversationCache = 20_000
	// logCache bounds the open lanes kept in memory. Evicting one is harmless:
	// a log's state can always be read again.
	logCache = 10_000
)

// Options for New; nil takes every default.
type Options struct {
	Now  func() time.Time // default time.Now
	Seal *seal.Options
	// OnFeed is told of every row appended to a feed log. It must not block.
	OnFeed func(records int)
	// Slots keeps the keys of contacts. Nil: the table does, among its rows.
	Slots KeySlots
	// MarkLife is how long the marks of a client's consumers matter: as long as
	// what they acknowledged is kept. Nil: a day.
	MarkLife func(model.ClientID) time.Duration
}

// Store is the way to all rows. It is safe for concurrent use and lives as
// long as the hub.
type Store struct {
	table   *table.Table
	onFeed  func(records int)
	marks   func(model.ClientID) time.Duration
	sealer  *seal.Sealer
	slots   KeySlots
	now     func() time.Time
	clients *otter.Cache[model.ClientID, *Client]
	appends sync.WaitGroup // logs that are being written
}

// New returns a Store over a table, sealing under the root key.
func New(t *table.Table, root seal.Root, opts *Options) *Store {
	s := &Store{table: t, now: time.Now, marks: func(model.ClientID) time.Duration { return defaultMarkLife }}
	var so seal.Options
	if opts != nil {
		s.onFeed, s.slots = opts.OnFeed, opts.Slots
		if opts.MarkLife != nil {
			s.marks = opts.MarkLife
		}
		if opts.Now != nil {
			s.now = opts.Now
		}
		if opts.Seal != nil {
			so = *opts.Seal
		}
	}
	if so.Now == nil {
		so.Now = s.now
	}
	s.sealer = seal.New(root, s.keyStore, &so)
	s.clients = otter.Must(&otter.Options[model.ClientID, *Client]{})
	return s
}

// Client is the way to one client's rows: it cannot name another's. It is
// shared and long-lived.
type Client struct {
	ID model.ClientID

	rows   table.Handle
	root   string
	seal   *seal.Client
	now    func() time.Time
	shards uint16
	busy   *sync.WaitGroup
	marks  func(model.ClientID) time.Duration
	// dueBegun says that the sweeper knows where to begin with what is due.
	dueBegun atomic.Bool

	directory     *otter.Cache[directoryKey, Directory]
	conversations *otter.Cache[model.ConversationID, Conversation]
	lanes         *otter.Cache[model.ConversationID, *Log]
	feed          []*Log
}

// Client returns the rows of a client, preparing them at the first call.
func (s *Store) Client(ctx context.Context, id model.ClientID) (*Client, error) {
	if c, ok := s.clients.GetIfPresent(id); ok {
		return c, nil
	}
	return s.clients.Get(ctx, id, otter.LoaderFunc[model.ClientID, *Client](s.openClient))
}

func (s *Store) openClient(ctx context.Context, id model.ClientID) (*Client, error) {
	sealing, err := s.sealer.Client(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("open client %s: %w", id, err)
	}
	c := &Client{
		ID:            id,
		rows:          s.table.For(id),
		root:          "c/" + string(id) + "/",
		seal:          sealing,
		now:           s.now,
		busy:          &s.appends,
		marks:         s.marks,
		directory:     otter.Must(&otter.Options[directoryKey, Directory]{MaximumSize: directoryCache}),
		conversations: otter.Must(&otter.Options[model.ConversationID, Conversation]{MaximumSize: conversationCache}),
		lanes:         otter.Must(&otter.Options[model.ConversationID, *Log]{MaximumSize: logCache}),
	}
	if c.shards, err = c.feedShards(ctx); err != nil {
		return nil, fmt.Errorf("open client %s: %w", id, err)
	}
	for shard := range c.shards {
		l := c.log(fmt.Sprintf("f/%d", shard))
		l.onRow, l.keep = s.onFeed, true
		c.feed = append(c.feed, l)
	}
	return c, nil
}

func (c *Client) log(pk string) *Log {
	l := newLog(c.rows, pk)
	l.busy = c.busy
	return l
}

// clientHeader is fixed when the client is first seen.
type clientHeader struct {
	Shards uint16 `json:"s"` // feed logs
}

// feedShards reads how many feed logs the client has, or decides it.
func (c *Client) feedShards(ctx context.Context) (uint16, error) {
	const schema = 1
	value, err := encodePlain(schema, clientHeader{Shards: 1})
	if err != nil {
		return 0, err
	}
	row, err := c.rows.Get(ctx, "meta", "client")
	if model.Is(err, model.NotFound) {
		row, _, err = putOrFound(ctx, c.rows, "meta", "client", value, time.Time{})
	}
	if err != nil {
		return 0, fmt.Errorf("read client row: %w", err)
	}
	var h clientHeader
	if _, err := decodeHeader(row.Value, schema, &h); err != nil {
		return 0, fmt.Errorf("read client row: %w", err)
	}
	if h.Shards == 0 {
		return 0, model.Errorf(model.Corrupt, "read client row", "a client has at least one feed log")
	}
	return h.Shards, nil
}

// Close waits for records whose callers have left, and closes the table. No
// other call may be under way or follow.
func (s *Store) Close() error {
	s.appends.Wait()
	return s.table.Close()
}

// Sweep removes rows that have been expired for a while.
func (s *Store) Sweep(ctx context.Context) (int, error) { return s.table.Sweep(ctx) }
