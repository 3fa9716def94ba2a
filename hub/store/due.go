package store

import (
	"context"
	"fmt"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table"
)

const (
	dueSchema = 1
	dueHour   = "2006010215"
	duePage   = 100
)

// Due is something that is to be removed at its time, such as the bytes of an
// attachment. It is put before the thing is made, so that nothing is ever made
// that nobody removes.
type Due struct {
	ID    string // the hub's own id
	Kind  string // who removes it
	Ref   string // where it lies: a random key, no name
	At    time.Time
	Parts int // rows that hold a letter's content, or may

	hour string
}

type dueHeader struct {
	Kind  string `json:"k"`
	Ref   string `json:"r,omitempty"`
	At    Milli  `json:"c"`
	Parts int    `json:"p,omitempty"`
}

type dueHead struct {
	Hour string `json:"h"` // nothing is due in any hour before
}

func hourOf(t time.Time) string { return t.UTC().Format(dueHour) }

// PutDue notes what is to be removed. Repeating it is harmless.
func (c *Client) PutDue(ctx context.Context, d Due) error {
	if err := c.dueFrom(ctx); err != nil {
		return fmt.Errorf("note what is due: %w", err)
	}
	// Never into an hour that the sweeper may be done with.
	d.hour = max(hourOf(d.At), hourOf(c.now()))
	value, err := encodePlain(dueSchema, dueHeader{Kind: d.Kind, Ref: d.Ref, At: Millis(d.At), Parts: d.Parts})
	if err != nil {
		return err
	}
	if _, err := c.rows.Commit(ctx, table.Put("due/"+d.hour, d.ID, value)); err != nil {
		return fmt.Errorf("note what is due: %w", err)
	}
	return nil
}

// dueFrom makes the head row, once, so that the sweeper knows where to begin.
func (c *Client) dueFrom(ctx context.Context) error {
	if c.dueBegun.Load() {
		return nil
	}
	value, err := encodePlain(dueSchema, dueHead{Hour: hourOf(c.now().Add(-time.Hour))})
	if err != nil {
		return err
	}
	if _, _, err := putOrFound(ctx, c.rows, "sweep", "due", value, time.Time{}); err != nil {
		return err
	}
	c.dueBegun.Store(true)
	return nil
}

// Due calls f with everything that is due by upTo, by the hour. F removes it
// and then calls DoneDue; what it returns an error for is offered again by the
// next call. Due goes on with the others and returns the last error: of its own
// reading before those of f.
func (c *Client) Due(ctx context.Context, upTo time.Time, f func(Due) error) error {
	row, err := c.rows.Get(ctx, "sweep", "due")
	if model.Is(err, model.NotFound) {
		return nil // nothing ever was
	}
	if err != nil {
		return fmt.Errorf("read what is due: %w", err)
	}
	var h dueHead
	if _, err := decodeHeader(row.Value, dueSchema, &h); err != nil {
		return fmt.Errorf("read what is due: %w", err)
	}
	hour, err := time.Parse(dueHour, h.Hour)
	if err != nil {
		return model.Errorf(model.Corrupt, "read what is due", "the head names no hour")
	}
	done := hour // hours before it are empty
	var failed, unread error
	for ; !hour.After(upTo); hour = hour.Add(time.Hour) {
		left, refused, err := c.dueIn(ctx, hourOf(hour), upTo, f)
		if refused != nil {
			failed = refused
		}
		if err != nil {
			unread = err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if left == 0 && refused == nil && err == nil && done.Equal(hour) {
			done = hour.Add(time.Hour)
		}
	}
	// An hour's grace: another hub's clock may be a little behind.
	if last := upTo.Add(-time.Hour).Truncate(time.Hour); done.After(last) {
		done = last
	}
	if to := hourOf(done); to > h.Hour {
		value, err := encodePlain(dueSchema, dueHead{Hour: to})
		if err != nil {
			return err
		}
		if _, err := c.rows.Commit(ctx, table.Put("sweep", "due", value).IfVersion(row.Version)); err != nil {
			if _, conflict := conflictOf(err); !conflict {
				return fmt.Errorf("note how far the sweeper is: %w", err)
			}
		}
	}
	if unread != nil {
		return unread
	}
	return failed
}

// dueIn goes through one hour and returns how many are not due yet, and the
// last error of f.
func (c *Client) dueIn(ctx context.Context, hour string, upTo time.Time, f func(Due) error) (left int, refused, err error) {
	q := table.Query{PK: "due/" + hour, Limit: duePage}
	for {
		page, err := c.rows.Query(ctx, q)
		if err != nil {
			return left, refused, fmt.Errorf("read what is due: %w", err)
		}
		for _, row := range page.Rows {
			q.After = row.SK
			d, err := decodeDue(hour, row)
			if err != nil {
				return left, refused, err
			}
			if d.At.After(upTo) {
				left++
				continue
			}
			if err := f(d); err != nil {
				refused = err
			}
		}
		if !page.More {
			return left, refused, nil
		}
	}
}

func decodeDue(hour string, row table.Row) (Due, error) {
	var h dueHeader
	if _, err := decodeHeader(row.Value, dueSchema, &h); err != nil {
		return Due{}, fmt.Errorf("read what is due: %w", err)
	}
	return Due{ID: row.SK, Kind: h.Kind, Ref: h.Ref, At: h.At.Time(), Parts: h.Parts, hour: hour}, nil
}

// DoneDue takes the note back once the thing is gone.
func (c *Client) DoneDue(ctx context.Context, d Due) error {
	if d.hour == "" {
		d.hour = hourOf(d.At) // removed before its time
	}
	if _, err := c.rows.Commit(ctx, table.Delete("due/"+d.hour, d.ID)); err != nil {
		return fmt.Errorf("take back what is due: %w", err)
	}
	return nil
}

// DueBetween counts what is due from one instant up to another, without
// looking further than max rows; it reports whether there is more.
func (c *Client) DueBetween(ctx context.Context, from, to time.Time, kind string, limit int) (n int, more bool, err error) {
	seen := 0
	for hour := from.UTC().Truncate(time.Hour); !hour.After(to); hour = hour.Add(time.Hour) {
		q := table.Query{PK: "due/" + hourOf(hour), Limit: duePage}
		for {
			page, err := c.rows.Query(ctx, q)
			if err != nil {
				return n, false, fmt.Errorf("count what is due: %w", err)
			}
			for _, row := range page.Rows {
				q.After = row.SK
				d, err := decodeDue(hourOf(hour), row)
				if err != nil {
					return n, false, err
				}
				if d.Kind == kind && !d.At.Before(from) && d.At.Before(to) {
					n++
				}
				if seen++; seen >= limit {
					return n, true, nil
				}
			}
			if !page.More {
				break
			}
		}
	}
	return n, false, nil
}
