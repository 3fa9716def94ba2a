package app

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/hub/telemetry"
)

const (
	// ackEvery and ackBatch bound what a crash makes a consumer read again; a
	// write for each answer would cost more than the events.
	ackEvery = 5 * time.Second
	ackBatch = 100
)

// acks keeps the acknowledgements of consumers and saves them now and then.
type acks struct {
	mu sync.Mutex
	by map[consumerKey]*consumer
}

type consumerKey struct {
	client model.ClientID
	name   string
}

type consumer struct {
	client *store.Client
	name   string

	mu    sync.Mutex
	at    []store.Position // acknowledged, nil before it was read
	saved []store.Position
}

func (s *acks) of(client *store.Client, name string) *consumer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by == nil {
		s.by = map[consumerKey]*consumer{}
	}
	k := consumerKey{client.ID, name}
	c, ok := s.by[k]
	if !ok {
		c = &consumer{client: client, name: name}
		s.by[k] = c
	}
	return c
}

// marks returns how far the consumer has acknowledged.
func (s *acks) marks(ctx context.Context, client *store.Client, name string) ([]store.Position, error) {
	c := s.of(client, name)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.load(ctx); err != nil {
		return nil, err
	}
	return slices.Clone(c.at), nil
}

// note moves the consumer forward in memory, and on disk once enough has
// gathered. It never moves back.
func (s *acks) note(ctx context.Context, client *store.Client, name string, at []store.Position) error {
	c := s.of(client, name)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.load(ctx); err != nil {
		return err
	}
	c.advance(at)
	var rows uint64
	for i := range c.at {
		rows += c.at[i].N - c.saved[i].N
	}
	if rows < ackBatch {
		return nil
	}
	return c.save(ctx)
}

// save moves the consumer forward on disk.
func (s *acks) save(ctx context.Context, client *store.Client, name string, at []store.Position) error {
	c := s.of(client, name)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.load(ctx); err != nil {
		return err
	}
	c.advance(at)
	return c.save(ctx)
}

func (c *consumer) advance(at []store.Position) {
	for i := range min(len(at), len(c.at)) {
		if c.at[i].Less(at[i]) {
			c.at[i] = at[i]
		}
	}
}

func (c *consumer) load(ctx context.Context) error {
	if c.at != nil {
		return nil
	}
	row, err := c.client.Consumer(ctx, c.name)
	if err != nil {
		return err
	}
	c.at, c.saved = row.Marks, slices.Clone(row.Marks)
	return nil
}

func (c *consumer) save(ctx context.Context) error {
	if slices.Equal(c.at, c.saved) {
		return nil
	}
	row, err := c.client.Acknowledge(ctx, c.name, c.at)
	if err != nil {
		return err
	}
	c.advance(row.Marks)
	c.saved = slices.Clone(c.at)
	return nil
}

// flush saves every consumer.
func (a *App) flush(ctx context.Context) {
	a.acks.mu.Lock()
	all := make([]*consumer, 0, len(a.acks.by))
	for _, c := range a.acks.by {
		all = append(all, c)
	}
	a.acks.mu.Unlock()
	for _, c := range all {
		c.mu.Lock()
		if c.at != nil {
			if err := c.save(ctx); err != nil {
				a.Logger.Warn("a consumer's acknowledgements could not be saved yet", telemetry.FieldClient, c.client.ID, "consumer", c.name, "error", err)
			}
		}
		c.mu.Unlock()
	}
}
