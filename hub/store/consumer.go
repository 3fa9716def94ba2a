package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table"
	"github.com/channelhub/channelhub/internal/failpoint"
)

const (
	consumerSchema = 1
	// consumerTag begins the names of the client's rows that list its
	// consumers, whose own rows cannot be found without their names.
	consumerTag = "u/"
	consumerEnd = "u0"
)

// Consumer is how far a reader of the feed has acknowledged: a place in each
// of the client's feed logs, and when it got there. A Consumer is a value.
type Consumer struct {
	Name  string
	Marks []Position
	At    time.Time
	// History is when the consumer got where: retention counts from the first
	// mark at or past a thing. Oldest first; the last is Marks.
	History []Mark

	version table.Version
}

type consumerHeader struct {
	N     []uint64 `json:"n"`
	Index []int    `json:"i"`
	At    Milli    `json:"c"`
}

// Consumer returns the row of a consumer; one that never acknowledged starts
// before the oldest event.
func (c *Client) Consumer(ctx context.Context, name string) (Consumer, error) {
	k := Consumer{Name: name, Marks: make([]Position, c.shards)}
	row, err := c.rows.Get(ctx, "u/"+name, "u")
	if model.Is(err, model.NotFound) {
		return k, nil
	}
	if err != nil {
		return Consumer{}, fmt.Errorf("read consumer: %w", err)
	}
	return k, k.decode(row)
}

// Acknowledge moves the consumer's marks forward; a mark never goes back,
// whatever order acknowledgements arrive in. It returns the row as it is then.
func (c *Client) Acknowledge(ctx context.Context, name string, marks []Position) (Consumer, error) {
	k, err := c.Consumer(ctx, name)
	if err != nil {
		return Consumer{}, err
	}
	for {
		moved := false
		for i := range min(len(marks), len(k.Marks)) {
			if k.Marks[i].Less(marks[i]) {
				k.Marks[i], moved = marks[i], true
			}
		}
		if !moved {
			return k, nil
		}
		k.At = c.now()
		k.History = c.remember(k.History, Mark{Marks: slices.Clone(k.Marks), At: k.At})
		h := consumerHeader{At: Millis(k.At)}
		for _, m := range k.Marks {
			h.N, h.Index = append(h.N, m.N), append(h.Index, m.Index)
		}
		value, err := encodePlain(consumerSchema, h)
		if err != nil {
			return Consumer{}, err
		}
		value = appendMarks(value, k.History)
		if k.version == (table.Version{}) {
			if err := c.listConsumer(ctx, name); err != nil {
				return Consumer{}, err
			}
			failpoint.Hit("consumer.after_list")
		}
		version, err := c.rows.Commit(ctx, table.Put("u/"+name, "u", value).IfVersion(k.version))
		if err == nil {
			failpoint.Hit("consumer.after_row")
			k.version = version
			return k, nil
		}
		found, conflict := conflictOf(err)
		if !conflict {
			return Consumer{}, fmt.Errorf("write consumer: %w", err)
		}
		k = Consumer{Name: name, Marks: make([]Position, c.shards)}
		if found != nil {
			if err := k.decode(*found); err != nil {
				return Consumer{}, err
			}
		}
	}
}

// listConsumer lists a consumer before its first row.
func (c *Client) listConsumer(ctx context.Context, name string) error {
	value, err := encodePlain(consumerSchema, struct{}{})
	if err != nil {
		return err
	}
	if _, _, err := putOrFound(ctx, c.rows, "meta", consumerTag+name, value, time.Time{}); err != nil {
		return fmt.Errorf("list consumer: %w", err)
	}
	return nil
}

func (k *Consumer) decode(row table.Row) error {
	var h consumerHeader
	marks, err := decodeHeader(row.Value, consumerSchema, &h)
	if err != nil {
		return fmt.Errorf("read consumer: %w", err)
	}
	if len(h.N) != len(h.Index) {
		return model.Errorf(model.Corrupt, "read consumer", "marks are incomplete")
	}
	for i := range min(len(h.N), len(k.Marks)) {
		k.Marks[i] = Position{N: h.N[i], Index: h.Index[i]}
	}
	k.At, k.version = h.At.Time(), row.Version
	k.History, err = readMarks(marks, len(k.Marks))
	return err
}
