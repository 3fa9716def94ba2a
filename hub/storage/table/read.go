package table

import (
	"context"
	"fmt"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table/driver"
)

// Get returns one row. Its error has model.NotFound when there is none or it
// has expired.
func (h Handle) Get(ctx context.Context, pk, sk string) (Row, error) {
	key := h.key(pk, sk)
	if fault := h.faultOf(pk, key); fault != "" {
		return Row{}, invalid("get row", "%s", fault)
	}
	found, err := h.read(ctx, key)
	if err != nil {
		return Row{}, fmt.Errorf("get row: %w", err)
	}
	if expired(found, h.table.now()) {
		return Row{}, model.Errorf(model.NotFound, "get row", "the row has expired")
	}
	return h.row(found), nil
}

// read gets a row from the driver, expired or not, and retries.
func (h Handle) read(ctx context.Context, key driver.Key) (driver.Row, error) {
	var row driver.Row
	err := try(ctx, func() error {
		var cost driver.Cost
		var err error
		began := time.Now()
		row, cost, err = h.table.driver.Get(ctx, key)
		h.spent("get", began, cost, err)
		return err
	})
	return row, err
}

// faultOf says what is wrong with a key: the partition key as the caller gave
// it must not be empty, though the full one never is.
func (h Handle) faultOf(pk string, key driver.Key) string {
	if pk == "" {
		return "partition key is empty"
	}
	return keyFault(key)
}

// Query asks for rows of one partition in the byte order of SK.
type Query struct {
	PK string
	// From and To bound SK: From <= SK < To. An empty To has no end.
	From, To string
	// After continues behind this SK, or before it when Reverse: the SK of
	// the last row seen. It need not exist any more. Empty starts at the
	// bound.
	After   string
	Limit   int // rows of a page, 1 to MaxLimit
	Reverse bool
}

// Page is a run of rows. Either it holds Limit rows, or More is false. More
// true may still be followed by an empty page, when all that is left has
// expired.
type Page struct {
	Rows []Row
	More bool
}

// Query returns one page. Expired rows are passed over, not counted.
func (h Handle) Query(ctx context.Context, q Query) (Page, error) {
	if err := h.validateQuery(q); err != nil {
		return Page{}, err
	}
	after, empty := clampAfter(q)
	if empty {
		return Page{}, nil
	}
	now := h.table.now()
	ask := driver.Query{
		PK: h.root + q.PK, From: q.From, To: q.To,
		After: after, Limit: q.Limit, Reverse: q.Reverse,
	}
	var page Page
	for {
		got, err := h.queryOnce(ctx, ask)
		if err != nil {
			return Page{}, fmt.Errorf("query rows: %w", err)
		}
		for i, r := range got.Rows {
			if expired(r, now) {
				continue
			}
			page.Rows = append(page.Rows, h.row(r))
			if len(page.Rows) == q.Limit {
				page.More = got.More || i < len(got.Rows)-1
				return page, nil
			}
		}
		if !got.More {
			return page, nil
		}
		if n := len(got.Rows); n > 0 {
			ask.After = got.Rows[n-1].SK
		}
		// A long run of expired rows is crossed in few calls, even when the
		// caller wants a single row.
		ask.Limit = min(2*ask.Limit, MaxLimit)
	}
}

func (h Handle) queryOnce(ctx context.Context, q driver.Query) (driver.Page, error) {
	var page driver.Page
	err := try(ctx, func() error {
		var cost driver.Cost
		var err error
		began := time.Now()
		page, cost, err = h.table.driver.Query(ctx, q)
		h.spent("query", began, cost, err)
		return err
	})
	if err == nil && page.More && len(page.Rows) == 0 {
		// Going on from the same place would go round for ever.
		return page, model.Errorf(model.Internal, "query", "the driver returned no row and says there are more")
	}
	return page, err
}

func (h Handle) validateQuery(q Query) error {
	const op = "query rows"
	switch {
	case q.PK == "":
		return invalid(op, "partition key is empty")
	case len(h.root)+len(q.PK) > driver.MaxKeyBytes:
		return invalid(op, "partition key is over the limit of %d bytes, its root included", driver.MaxKeyBytes)
	case max(len(q.From), len(q.To), len(q.After)) > driver.MaxKeyBytes:
		return invalid(op, "a bound is over the limit of %d bytes", driver.MaxKeyBytes)
	case q.Limit < 1 || q.Limit > MaxLimit:
		return invalid(op, "a limit of %d is not within 1 to %d", q.Limit, MaxLimit)
	}
	return nil
}

// clampAfter brings the cursor inside the bounds, since some stores refuse one
// that lies outside. It reports whether nothing can be left.
func clampAfter(q Query) (after string, empty bool) {
	bounded := q.To != ""
	if bounded && q.From >= q.To {
		return "", true
	}
	if q.After == "" {
		return "", false
	}
	if q.Reverse {
		if bounded && q.After >= q.To {
			return "", false
		}
		return q.After, q.After <= q.From
	}
	if q.After < q.From {
		return "", false
	}
	return q.After, bounded && q.After >= q.To
}
