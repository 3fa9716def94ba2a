package outbound

import (
	"context"
	"fmt"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/internal/failpoint"
)

// maxMoves bounds how often a change of a message row is tried again because
// another write came first.
const maxMoves = 50

// move changes a message row by compare-and-set and puts the record of its
// status into the feed. Change is called with the row as it is, perhaps more
// than once, and returns false when there is nothing to write.
//
// The record that the row promised before is put first, so that no move of a
// status is ever missing from the feed, whichever process died between a row
// and its record.
func (o *Outbound) move(ctx context.Context, client *store.Client, msg store.Outbound, change func(*store.Outbound) bool) (store.Outbound, error) {
	for range maxMoves {
		if err := o.record(ctx, client, msg); err != nil {
			return msg, err
		}
		next := msg
		next.Timeline = append([]store.Move(nil), msg.Timeline...)
		next.ProviderIDs = append([]string(nil), msg.ProviderIDs...)
		if !change(&next) {
			return msg, nil
		}
		if next.Seq != msg.Seq {
			tail, err := client.Feed(msg.Conversation).Tail(ctx)
			if err != nil {
				return msg, err
			}
			next.Tail = tail
		}
		now, ok, err := client.PutOutbound(ctx, next)
		if err != nil {
			return msg, err
		}
		if ok {
			failpoint.Hit("outbound.after_outcome")
			return now, o.record(ctx, client, now)
		}
		msg = now
	}
	return msg, model.Errorf(model.Unavailable, "change message", "the message keeps changing")
}

// change moves the status if the table of moves allows it, and reports whether
// there is anything to write.
func (o *Outbound) change(m *store.Outbound, to model.Status, attempt int, failure *model.Failure) bool {
	if !m.Status.CanMove(to) {
		return false
	}
	now := laterOf(m.Moved, o.Now())
	m.Was, m.Status, m.Moved, m.Failure = m.Status, to, now, failure
	m.Seq++
	mv := store.Move{Status: to, At: model.At(now), Attempt: attempt}
	if failure != nil {
		mv.Code = failure.Code
	}
	m.Note(mv)
	return true
}

// record puts the record that the row promises into the feed, unless it is
// there.
func (o *Outbound) record(ctx context.Context, client *store.Client, msg store.Outbound) error {
	r, ok := msg.Promise()
	if !ok {
		return nil
	}
	if _, err := client.Feed(msg.Conversation).Append(ctx, r, msg.Tail); err != nil {
		return fmt.Errorf("append status to feed: %w", err)
	}
	failpoint.Hit("outbound.after_status")
	o.tell(client.ID, msg.Conversation)
	return nil
}
