package outbound

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/internal/failpoint"
)

// DueReplay is the kind of what is due to complete a replay that a crash cut
// off.
const DueReplay = "replay"

const (
	// replayPatience is how long after its start a replay is taken for cut off.
	replayPatience = time.Minute
	codeDiscarded  = "discarded"
)

// ReplayLetter puts a delivery that the hub gave up on back on its lane, behind
// what waits there, with as much time as it had at first. Its attempts go on
// counting.
//
// The steps are: a note that is due in a minute, the plan in the letter, the
// move of the message, its lane entry, the letter. Whatever a crash leaves
// undone, ResumeReplay completes, and no delivery is entered twice.
func (o *Outbound) ReplayLetter(ctx context.Context, client *store.Client, d store.DeadLetter) error {
	if d.State == store.LetterReplaying {
		return o.completeReplay(ctx, client, d)
	}
	msg, err := o.lettered(ctx, client, d)
	if err != nil {
		return err
	}
	if acct, ok := o.Accounts.Account(msg.Account); !ok || acct.Client != client.ID {
		return model.Errorf(model.Conflicting, opReplay, "Its account is not configured any more.")
	}
	note := store.Due{ID: "replay-" + hex.EncodeToString(d.UUID[:]), Kind: DueReplay, Ref: hex.EncodeToString(d.UUID[:]), At: o.Now().Add(replayPatience)}
	if err := client.PutDue(ctx, note); err != nil {
		return err
	}
	failpoint.Hit("deadletter.after_note")
	if d.LaneTail, err = client.Lane(d.Conversation).Tail(ctx); err != nil {
		return err
	}
	d.Move = msg.Seq + 1
	if d, err = client.MarkDeadLetter(ctx, d, store.LetterReplaying); err != nil {
		return err
	}
	failpoint.Hit("deadletter.after_plan")
	if err := o.completeReplay(ctx, client, d); err != nil {
		return err
	}
	return client.DoneDue(ctx, note)
}

const opReplay = "replay dead letter"

// lettered returns the message of a letter that still waits.
func (o *Outbound) lettered(ctx context.Context, client *store.Client, d store.DeadLetter) (store.Outbound, error) {
	msg, err := client.Outbound(ctx, d.Conversation, d.UUID)
	if model.Is(err, model.NotFound) {
		return msg, model.Errorf(model.Conflicting, opReplay, "Its message is past its retention, or was erased.")
	}
	if err != nil {
		return msg, err
	}
	switch {
	case msg.Status != model.Failed || !msg.DeadLettered:
		return msg, model.Errorf(model.Conflicting, opReplay, "Its message is %s by now.", msg.Status)
	case msg.Ended || !o.Now().Before(msg.ContentUntil):
		return msg, model.Errorf(model.Conflicting, opReplay, "Its content is past its retention.")
	}
	return msg, nil
}

// completeReplay does what the plan in the letter says, as far as it is not
// done.
func (o *Outbound) completeReplay(ctx context.Context, client *store.Client, d store.DeadLetter) error {
	msg, err := client.Outbound(ctx, d.Conversation, d.UUID)
	if err != nil {
		return ifNot(model.NotFound, err) // erased meanwhile
	}
	done, err := o.begin(ctx, client.ID, d.Conversation)
	if err != nil {
		return err
	}
	defer done()
	msg, err = o.move(ctx, client, msg, func(m *store.Outbound) bool {
		if m.Seq != d.Move-1 || m.Status != model.Failed {
			return false // done, or a receipt has told better meanwhile
		}
		now := o.Now()
		// The content is never kept longer than its end said.
		m.ExpireAfter = earlier(now.Add(m.ExpireAfter.Sub(m.Created)), m.ContentUntil)
		m.Expires = laterOf(m.Expires, m.ExpireAfter.Add(time.Hour))
		m.NextTry, m.HeldUntil = time.Time{}, time.Time{}
		return o.change(m, model.Queued, 0, nil)
	})
	if err != nil {
		return err
	}
	failpoint.Hit("deadletter.after_move")
	if msg.Status == model.Queued {
		_, err = client.Lane(d.Conversation).Append(ctx, store.Record{
			Kind: store.DeliveryRecord, Conversation: d.Conversation, Key: d.UUID, Seq: d.Move,
			Account: msg.Account, Direction: model.Outbound, New: model.Queued,
			At: store.Millis(o.Now()), Author: msg.Message.Author,
		}, d.LaneTail)
		if err != nil {
			return fmt.Errorf("append replayed delivery to lane: %w", err)
		}
		failpoint.Hit("deadletter.after_lane")
	}
	_, err = client.MarkDeadLetter(ctx, d, store.LetterReplayed)
	return ifNot(model.Conflicting, err) // it failed again by now: that is another letter
}

// ResumeReplay completes a replay that a crash cut off. It is called with what
// is due.
func (o *Outbound) ResumeReplay(ctx context.Context, client *store.Client, due store.Due) error {
	raw, err := hex.DecodeString(due.Ref)
	if err != nil || len(raw) != 16 {
		return errors.New("resume replay: the note names no dead letter")
	}
	d, err := client.DeadLetter(ctx, model.Random16(raw))
	if err != nil || d.State != store.LetterReplaying {
		return ifNot(model.NotFound, err)
	}
	return o.completeReplay(ctx, client, d)
}

// DiscardLetter ends a delivery for good. A message whose status a receipt has
// corrected keeps it. Repeating it is harmless.
func (o *Outbound) DiscardLetter(ctx context.Context, client *store.Client, d store.DeadLetter) error {
	msg, err := client.Outbound(ctx, d.Conversation, d.UUID)
	switch {
	case model.Is(err, model.NotFound):
	case err != nil:
		return err
	default:
		_, err = o.move(ctx, client, msg, func(m *store.Outbound) bool {
			if m.Status != model.Failed || !m.DeadLettered {
				return false
			}
			failure := sure(*m, model.Failure{Code: codeDiscarded, Detail: "an operator discarded the dead letter"})
			return o.change(m, model.Discarded, 0, &failure)
		})
		if err != nil {
			return err
		}
		failpoint.Hit("deadletter.after_discard")
	}
	_, err = client.MarkDeadLetter(ctx, d, store.LetterDiscarded)
	return err
}
