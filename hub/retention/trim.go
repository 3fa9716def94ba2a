package retention

import (
	"context"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
)

// trim removes the rows of the feed that the walk has done and that even a
// consumer who reads at the last moment has no use for, with the lanes of the
// conversations that they tell of.
func (w *walk) trim(ctx context.Context) error {
	floor, err := w.log().Floor(ctx)
	if err != nil {
		return err
	}
	old := w.s.o.Now().Add(-max(w.keep.Undelivered, w.keep.Messages))
	to := floor
	lanes := map[model.ConversationID]bool{}
	for n := 0; n < w.s.o.Pages && to < w.at.At; n++ {
		rows, err := w.log().Read(ctx, to, walkPage)
		if err != nil || len(rows) == 0 {
			return err
		}
		past := to
		for _, row := range rows {
			if row.N > w.at.At || newest(row).After(old) {
				break
			}
			for _, r := range row.Records {
				if r.Kind == store.StatusRecord {
					lanes[r.Conversation] = true
				}
			}
			past = row.N
		}
		if past == to {
			break
		}
		to = past
	}
	removed := 0
	// Lanes come first: they are found by the rows of the feed.
	for conv := range lanes {
		n, err := w.lane(ctx, conv)
		if err != nil {
			return err
		}
		removed += n
	}
	// Also when the floor stands already: a crash may have left rows below it.
	n, err := w.log().Trim(ctx, to)
	w.s.removed(ctx, w.client.ID, Logs, removed+n)
	return err
}

// lane trims the entries of a conversation's lane whose deliveries are over
// and old, up to the one that its runner stands at.
func (w *walk) lane(ctx context.Context, conv model.ConversationID) (int, error) {
	log := w.client.Lane(conv)
	claim, err := w.client.Claim(ctx, conv)
	if err != nil {
		return 0, err
	}
	to, err := log.Floor(ctx)
	if err != nil {
		return 0, err
	}
	old := w.s.o.Now().Add(-max(w.keep.Undelivered, w.keep.Messages))
	for {
		rows, err := log.Read(ctx, to, walkPage)
		if err != nil {
			return 0, err
		}
		for _, row := range rows {
			over, err := w.delivered(ctx, row)
			if err != nil {
				return 0, err
			}
			if !over || newest(row).After(old) || claim.Open.N > 0 && row.N >= claim.Open.N {
				return log.Trim(ctx, to)
			}
			to = row.N
		}
		if len(rows) < walkPage {
			return log.Trim(ctx, to)
		}
	}
}

func (w *walk) delivered(ctx context.Context, row store.LogRow) (bool, error) {
	for _, r := range row.Records {
		o, err := w.client.Outbound(ctx, r.Conversation, r.Key)
		if err != nil {
			if err = w.pass(r, err); err != nil {
				return false, err
			}
			continue
		}
		if !o.Status.Final() {
			return false, nil
		}
	}
	return true, nil
}
