package retention

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/hub/telemetry"
	"github.com/channelhub/channelhub/internal/failpoint"
)

// walkPage is how many rows of a feed log are done in one step.
const walkPage = 100

// walk goes through one feed log behind its readers. Each step first notes
// what it will do, then does it: a repeat after a crash removes the same rows
// and tells the same.
type walk struct {
	s      *Sweeper
	client *store.Client
	shard  int
	view   *View
	keep   model.Retention

	at     store.Sweep
	oldest time.Time // end of the first thing that is over and still there
}

func (w *walk) log() *store.Log { return w.client.FeedLogs()[w.shard] }

func (w *walk) run(ctx context.Context) error {
	err := w.end(ctx)
	now := w.s.o.Now()
	if err != nil {
		w.s.stuck(w.client.ID, place{Messages, w.shard}, now)
		return err
	}
	w.s.reached(w.client.ID, place{Messages, w.shard}, w.oldest, now)
	return w.trim(ctx)
}

// end ends what is over, as far as one pass goes.
func (w *walk) end(ctx context.Context) (err error) {
	if w.at, err = w.client.FeedSweep(ctx, w.shard); err != nil {
		return err
	}
	if w.at.To > w.at.At {
		// A step that a crash cut off.
		if err := w.finish(ctx); err != nil {
			return err
		}
	}
	more := true
	for n := 0; more && n < w.s.o.Pages; n++ {
		if more, err = w.step(ctx); err != nil {
			return err
		}
	}
	if more {
		w.oldest, err = w.nextEnd(ctx)
	}
	return err
}

// nextEnd is the end of what a pass had no time left for, as far as the first
// row behind it tells.
func (w *walk) nextEnd(ctx context.Context) (time.Time, error) {
	rows, err := w.log().Read(ctx, w.at.At, 1)
	if err != nil || len(rows) == 0 {
		return time.Time{}, err
	}
	return newest(rows[0]).Add(min(w.keep.Messages, w.keep.Undelivered)), nil
}

// step ends the next rows whose content is all over, and reports whether there
// may be more.
func (w *walk) step(ctx context.Context) (more bool, err error) {
	rows, err := w.log().Read(ctx, w.at.At, walkPage)
	if model.Is(err, model.NotFound) {
		floor, err := w.log().Floor(ctx)
		if err != nil || floor <= w.at.At {
			return false, err
		}
		w.at.At, w.at.To = floor, floor
		w.at, err = w.client.PutFeedSweep(ctx, w.shard, w.at)
		return err == nil, err
	}
	if err != nil {
		return false, err
	}
	next := w.at
	next.Unread = map[model.AccountID]int{}
	for _, row := range rows {
		over, err := w.over(ctx, row, next.Unread)
		if err != nil {
			return false, err
		}
		if !over {
			break
		}
		next.To = row.N
	}
	if next.To == w.at.At {
		return false, nil
	}
	if next.Tail, err = w.log().Tail(ctx); err != nil {
		return false, err
	}
	if w.at, err = w.client.PutFeedSweep(ctx, w.shard, next); err != nil {
		return false, err
	}
	failpoint.Hit("retention.after_plan")
	whole := len(rows) == walkPage && next.To == rows[len(rows)-1].N
	return whole, w.finish(ctx)
}

// over tells whether all content that a row points at has ended, and counts
// what nobody had read.
func (w *walk) over(ctx context.Context, row store.LogRow, unread map[model.AccountID]int) (bool, error) {
	now := w.s.o.Now()
	missed := map[model.AccountID]int{}
	for i, r := range row.Records {
		until, ok, err := w.until(ctx, r)
		if err != nil {
			return false, err
		}
		if !ok {
			continue
		}
		at, read := w.view.end(w.shard, store.Behind(row, i), until)
		if now.Before(at) {
			return false, nil
		}
		if !read && r.Kind == store.EventRecord {
			missed[r.Account]++
		}
	}
	for account, n := range missed {
		unread[account] += n
	}
	return true, nil
}

// until is when the content behind a record ends unread; false when there is
// none, or when another record is the one to find it by.
func (w *walk) until(ctx context.Context, r store.Record) (time.Time, bool, error) {
	switch r.Kind {
	case store.EventRecord:
		e, err := w.client.Event(ctx, r.Conversation, r.Key)
		if err != nil || e.Ended {
			return time.Time{}, false, w.pass(r, err)
		}
		return e.ContentUntil, true, nil
	case store.StatusRecord:
		o, ok, err := w.final(ctx, r)
		return o.ContentUntil, ok, err
	case store.SignalRecord, store.AccountRecord, store.DeliveryRecord, store.ExpiredRecord, store.AttachmentRecord:
	}
	return time.Time{}, false, nil
}

// final returns the message whose final status a record tells, if its content
// is to end here. A dead letter's ends by its due row.
func (w *walk) final(ctx context.Context, r store.Record) (store.Outbound, bool, error) {
	if !r.New.Final() {
		return store.Outbound{}, false, nil
	}
	o, err := w.client.Outbound(ctx, r.Conversation, r.Key)
	if err != nil {
		return o, false, w.pass(r, err)
	}
	return o, !o.Ended && !o.DeadLettered && o.FinalSeq == r.Seq, nil
}

// pass forgives what is gone, and one damaged row, which must not keep all
// others from ending.
func (w *walk) pass(r store.Record, err error) error {
	if model.Is(err, model.Corrupt) {
		w.s.o.Logger.Error("a row that is past its retention cannot be opened", telemetry.FieldClient, w.client.ID, telemetry.FieldConversation, r.Conversation, telemetry.FieldError, err)
		return nil
	}
	if model.Is(err, model.NotFound) {
		return nil
	}
	return err
}

// finish does what the step noted, and notes that it is done.
func (w *walk) finish(ctx context.Context) error {
	ended := 0
	for from := w.at.At; from < w.at.To; {
		rows, err := w.log().Read(ctx, from, int(min(walkPage, w.at.To-from)))
		if model.Is(err, model.NotFound) {
			break // trimmed, so they were done
		}
		if err != nil {
			return err
		}
		for _, row := range rows {
			for _, r := range row.Records {
				ok, err := w.remove(ctx, r)
				if err != nil {
					return err
				}
				if ok {
					ended++
					failpoint.Hit("retention.after_tombstone")
				}
			}
			from = row.N
		}
		if len(rows) == 0 {
			return model.Errorf(model.Corrupt, "sweep feed", "row %d is missing", from+1)
		}
	}
	missed := 0
	for _, account := range slices.Sorted(maps.Keys(w.at.Unread)) {
		n := w.at.Unread[account]
		missed += n
		if err := w.tell(ctx, account, n); err != nil {
			return err
		}
		failpoint.Hit("retention.after_summary")
	}
	w.at.At, w.at.Unread, w.at.Tail = w.at.To, nil, 0
	var err error
	if w.at, err = w.client.PutFeedSweep(ctx, w.shard, w.at); err != nil {
		return err
	}
	failpoint.Hit("retention.after_step")
	w.s.removed(ctx, w.client.ID, Undelivered, missed)
	w.s.removed(ctx, w.client.ID, Messages, max(ended-missed, 0))
	return nil
}

// remove ends the content behind a record, and reports whether there was any.
func (w *walk) remove(ctx context.Context, r store.Record) (bool, error) {
	switch r.Kind {
	case store.EventRecord:
		ok, err := w.client.EndEvent(ctx, r.Conversation, r.Key)
		return ok, w.pass(r, err)
	case store.StatusRecord:
		for {
			o, mine, err := w.final(ctx, r)
			if err != nil || !mine {
				return false, err
			}
			// A receipt may come between; its change is kept.
			if ended, ok, err := w.client.EndOutbound(ctx, o); err != nil || ok {
				return ended, err
			}
		}
	case store.SignalRecord, store.AccountRecord, store.DeliveryRecord, store.ExpiredRecord, store.AttachmentRecord:
	}
	return false, nil
}

// tell puts one record into the feed for all that ended unread in a step.
func (w *walk) tell(ctx context.Context, account model.AccountID, n int) error {
	name := sha256.Sum256(fmt.Appendf(nil, "%d/%d/%s", w.shard, w.at.To, account))
	_, err := w.log().Append(ctx, store.Record{
		Kind: store.ExpiredRecord, Key: model.Random16(name[:16]), Seq: n, Type: model.EventsExpired,
		Account: account, At: store.Millis(w.s.o.Now()),
	}, w.at.Tail)
	if err != nil {
		return fmt.Errorf("tell what ended unread: %w", err)
	}
	return nil
}

// newest is the time of the newest record of a row.
func newest(row store.LogRow) time.Time {
	var at time.Time
	for _, r := range row.Records {
		if t := r.At.Time(); t.After(at) {
			at = t
		}
	}
	return at
}
