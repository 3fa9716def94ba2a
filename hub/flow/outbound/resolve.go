package outbound

import (
	"context"
	"slices"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/store"
)

// Resolution is what somebody who knows better says of a held delivery.
type Resolution string

// The resolutions.
const (
	ResolveRetry  Resolution = "retry"  // send it again, at the risk of a second copy
	ResolveSent   Resolution = "sent"   // it did reach the provider
	ResolveFailed Resolution = "failed" // it did not, and shall not
)

// Resolve ends the wait of a held delivery. Repeating it is harmless; a
// delivery that is not held is model.Conflicting.
func (o *Outbound) Resolve(ctx context.Context, id model.ClientID, msgID model.MessageID, as Resolution) (store.Outbound, error) {
	return o.ResolveRecorded(ctx, id, msgID, as, func(ctx context.Context, do func(context.Context) error) error { return do(ctx) })
}

// ResolveRecorded is Resolve for who keeps a record of acts: what changes a
// held delivery is handed to record, which does it or returns an error. A call
// that changes nothing is not recorded.
func (o *Outbound) ResolveRecorded(
	ctx context.Context, id model.ClientID, msgID model.MessageID, as Resolution,
	record func(ctx context.Context, do func(context.Context) error) error,
) (store.Outbound, error) {
	const op = "resolve message"
	to, ok := map[Resolution]model.Status{ResolveRetry: model.Queued, ResolveSent: model.Sent, ResolveFailed: model.Failed}[as]
	if !ok {
		return store.Outbound{}, &model.Error{
			Code: model.Invalid, Op: op, Detail: "the resolution is unknown",
			Faults: []model.Fault{{Field: "as", Detail: `give "retry", "sent" or "failed"`}},
		}
	}
	client, msg, err := o.Message(ctx, id, msgID)
	if err != nil {
		return store.Outbound{}, err
	}
	held := false
	if msg.Status == model.Held {
		err = record(ctx, func(ctx context.Context) (err error) {
			msg, err = o.move(ctx, client, msg, func(m *store.Outbound) bool {
				if held = m.Status == model.Held; !held {
					return false
				}
				var failure *model.Failure
				if to == model.Failed {
					failure = &model.Failure{Code: codeUnknown, Detail: "resolved as failed"}
				}
				m.NextTry, m.HeldUntil = time.Time{}, time.Time{}
				return o.change(m, to, 0, failure)
			})
			return err
		})
	}
	if err != nil {
		return store.Outbound{}, err
	}
	if !held && (msg.Status != to || !wasHeld(msg)) {
		return store.Outbound{}, model.Errorf(model.Conflicting, op, "the message is %s, not held", msg.Status)
	}
	o.poke(id, msg.Conversation)
	return msg, nil
}

// wasHeld tells the repeat of a resolution from one that comes out of nowhere.
func wasHeld(msg store.Outbound) bool {
	return slices.ContainsFunc(msg.Timeline, func(m store.Move) bool { return m.Status == model.Held })
}

// Message returns an outbound message of a client, with the client's rows. A
// foreign id is answered like a missing one (I8).
func (o *Outbound) Message(ctx context.Context, id model.ClientID, msgID model.MessageID) (*store.Client, store.Outbound, error) {
	place, ok := msgID.Place()
	if !ok || place.Direction != model.Outbound {
		return nil, store.Outbound{}, model.Errorf(model.NotFound, "find message", "there is no such message")
	}
	client, err := o.Store.Client(ctx, id)
	if err != nil {
		return nil, store.Outbound{}, err
	}
	msg, err := client.Outbound(ctx, place.Conversation, place.Key)
	if err != nil {
		return nil, store.Outbound{}, err
	}
	return client, msg, nil
}

// Sending reports whether an attempt of the message is under way: the claim
// says so, the message row does not, to spare a write.
func (o *Outbound) Sending(ctx context.Context, client *store.Client, msg store.Outbound) bool {
	if msg.Status != model.Queued {
		return false
	}
	k, err := client.Claim(ctx, msg.Conversation)
	return err == nil && k.Attempt > msg.Attempts && k.Message == msg.UUID
}
