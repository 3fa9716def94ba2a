package store

import (
	"context"
	"fmt"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/seal"
	"github.com/channelhub/channelhub/hub/storage/table"
)

const (
	journalDaySchema = 1
	journalDayPK     = "journal/day"
	dayFormat        = time.DateOnly
	// dayGrace is far beyond the time that an append started at midnight can
	// take: a key that something may still be sealed under is not destroyed.
	dayGrace = time.Hour
)

func journalDayKey(day string) seal.KeyID { return seal.Class("journal/" + day) }

// dayKey returns the day to seal under and its key, making it at the first
// call of a day. Days never go back within a journal, whatever the clock does:
// the oldest entry tells which keys are still needed. A row lists the key
// before it exists, so that it is found when it must go.
func (js *Journals) dayKey(ctx context.Context, atLeast string) (string, seal.KeyID, error) {
	day := max(atLeast, js.now().UTC().Format(dayFormat))
	key := journalDayKey(day)
	js.mu.Lock()
	there := js.days[day]
	js.mu.Unlock()
	if there {
		return day, key, nil
	}
	value, err := encodePlain(journalDaySchema, struct{}{})
	if err != nil {
		return "", "", err
	}
	if _, _, err := putOrFound(ctx, js.rows, journalDayPK, day, value, time.Time{}); err != nil {
		return "", "", fmt.Errorf("list journal key: %w", err)
	}
	if err := js.seal.CreateKey(ctx, key); err != nil {
		return "", "", fmt.Errorf("make journal key: %w", err)
	}
	js.mu.Lock()
	js.days[day] = true
	js.mu.Unlock()
	return day, key, nil
}

// EndDays destroys the keys of past days of which nothing waits any more.
func (js *Journals) EndDays(ctx context.Context) error {
	page, err := js.rows.Query(ctx, table.Query{PK: journalDayPK, Limit: table.MaxLimit})
	if err != nil {
		return fmt.Errorf("list journal keys: %w", err)
	}
	oldest, err := js.oldestDay(ctx)
	if err != nil {
		return err
	}
	for _, row := range page.Rows {
		day := row.SK
		began, err := time.Parse(dayFormat, day)
		if err != nil {
			return model.Errorf(model.Corrupt, "end journal key", "a key of the list is not a day")
		}
		if day >= oldest || js.now().Before(began.AddDate(0, 0, 1).Add(dayGrace)) {
			continue
		}
		js.mu.Lock()
		delete(js.days, day)
		js.mu.Unlock()
		if err := js.seal.DestroyKey(ctx, journalDayKey(day)); err != nil {
			return fmt.Errorf("end journal key: %w", err)
		}
		if _, err := js.rows.Commit(ctx, table.Delete(journalDayPK, day)); err != nil {
			return fmt.Errorf("strike journal key off: %w", err)
		}
	}
	return nil
}

// oldestDay is the first day of which something waits; one past every day when
// nothing does.
func (js *Journals) oldestDay(ctx context.Context) (string, error) {
	const never = "9999-99-99"
	oldest := never
	for _, j := range js.All() {
		j.mu.Lock()
		floor := j.head.Floor
		j.mu.Unlock()
		rows, _, err := j.rowsBehind(ctx, floor, 1)
		if err != nil {
			return "", err
		}
		if len(rows) > 0 {
			oldest = min(oldest, rows[0].header.Day)
		}
	}
	return oldest, nil
}
