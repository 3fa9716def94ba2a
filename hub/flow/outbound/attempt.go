package outbound

import (
	"context"
	"slices"
	"time"

	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
	"github.com/channelhub/channelhub/hub/store"
	"github.com/channelhub/channelhub/hub/telemetry"
	"github.com/channelhub/channelhub/internal/failpoint"
)

// step does the next thing there is to do: a held delivery whose time has
// come, or the head. It returns what to wait for, if anything.
func (r *runner) step(ctx context.Context) (waiting, error) {
	heldUntil, done, err := r.stepHeld(ctx)
	if err != nil || done != nil {
		return deref(done), err
	}
	if r.head == nil {
		e, err := r.next(ctx)
		if err != nil {
			return waiting{}, err
		}
		if e == nil {
			if !heldUntil.IsZero() {
				return waiting{until: heldUntil}, nil
			}
			return waiting{idle: true}, nil
		}
		r.drained = time.Time{}
		msg, err := r.client.Outbound(ctx, r.lane.conv, e.message)
		if model.Is(err, model.NotFound) {
			r.claim.Open = e.behind // past its retention: nothing to send
			return waiting{again: true}, nil
		}
		if err != nil {
			return waiting{}, err
		}
		r.head, r.claim.Open = &msg, e.behind
	} else if msg, err := r.client.Outbound(ctx, r.lane.conv, r.head.UUID); err == nil {
		r.head = &msg // somebody may have resolved it, or a receipt come
	} else if !model.Is(err, model.NotFound) {
		return waiting{}, err
	}
	w, over, err := r.deliver(ctx, *r.head)
	if err != nil || w.lost {
		return w, err
	}
	if over {
		r.head = nil
		return waiting{again: true}, nil
	}
	if !heldUntil.IsZero() && (w.until.IsZero() || heldUntil.Before(w.until)) {
		w.until = heldUntil
	}
	return w, nil
}

func deref(w *waiting) waiting {
	if w == nil {
		return waiting{}
	}
	return *w
}

// deliver takes one message as far as it goes now. It reports what to wait
// for, or that the lane can go on behind it.
func (r *runner) deliver(ctx context.Context, msg store.Outbound) (w waiting, over bool, err error) {
	now := r.o.Now()
	switch {
	case msg.Status.Final():
		return w, true, r.o.record(ctx, r.client, msg)
	case msg.Status == model.Held:
		r.hold(msg.UUID)
		return w, true, nil
	case !now.Before(msg.ExpireAfter):
		return w, true, r.expire(ctx, msg)
	}
	acct, ok := r.o.Accounts.Account(msg.Account)
	if !ok || acct.Client != r.lane.client {
		return w, true, r.fail(ctx, msg, "account_removed", "the account is not configured any more")
	}
	if ready, until := r.mayTry(acct, msg, now); !ready {
		return waiting{until: until}, false, nil
	}
	if fault := r.rejudge(ctx, msg); fault != nil {
		return w, true, r.fail(ctx, msg, fault.Code, fault.Detail)
	}
	pace := r.o.paces.of(acct, r.o.limits(acct))
	release, err := pace.acquire(ctx, msg.ExpireAfter)
	if err != nil {
		return waiting{until: now}, false, nil
	}
	defer release()
	return r.attempt(ctx, acct, pace, msg)
}

// mayTry says whether an attempt can start now, and if not, when to look again
// at the latest.
func (r *runner) mayTry(acct accounts.Account, msg store.Outbound, now time.Time) (bool, time.Time) {
	if now.Before(msg.NextTry) {
		return false, earlier(msg.NextTry, msg.ExpireAfter)
	}
	state := r.o.Accounts.Status(acct.ID).State
	if !state.Sends() || !r.o.Connectors.Ready(acct.Plugin) {
		return false, earlier(now.Add(stateRecheck), msg.ExpireAfter)
	}
	return true, time.Time{}
}

// stateRecheck is how often a waiting lane looks at its account although
// nobody told it to.
const stateRecheck = 5 * time.Second

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// rejudge looks at consent once more, right before the attempt.
func (r *runner) rejudge(ctx context.Context, msg store.Outbound) *model.Failure {
	conv, err := r.client.Conversation(ctx, msg.Conversation)
	if err == nil && conv.OptedOut {
		return &model.Failure{Code: "opted_out", Detail: "the customer opted out before the message was sent"}
	}
	return nil
}

// attempt claims the lane, sends, and settles. The claim and the start of the
// attempt are one conditional write.
func (r *runner) attempt(ctx context.Context, acct accounts.Account, pace *pace, msg store.Outbound) (w waiting, over bool, err error) {
	claim := r.claim
	claim.Message, claim.Attempt = msg.UUID, msg.Attempts+1
	claim.SendUntil = r.o.Now().Add(r.o.SendTimeout)
	failpoint.Hit("outbound.before_claim")
	claim, ok, err := r.client.PutClaim(ctx, claim)
	if err != nil {
		return w, false, err
	}
	if !ok {
		return waiting{lost: true}, false, nil // fenced off: the successor decides
	}
	r.claim = claim
	failpoint.Hit("outbound.after_claim")

	began := r.o.Now()
	out := r.send(ctx, acct, msg, claim)
	failpoint.Hit("outbound.after_send")
	r.o.Metrics.Attempt(string(acct.Plugin), telemetry.AttemptOutcome(out.Kind), r.o.Now().Sub(began))
	pace.learn(out)

	now, err := r.settle(ctx, acct, msg, claim.Attempt, out)
	if err != nil {
		return w, false, err
	}
	if now.Status == model.Held {
		r.hold(now.UUID)
		return w, true, nil
	}
	if now.Status.Final() {
		return w, true, nil
	}
	return waiting{until: earlier(now.NextTry, now.ExpireAfter)}, false, nil
}

// send makes the attempt. A connector that could not be asked certainly did
// not send.
func (r *runner) send(ctx context.Context, acct accounts.Account, msg store.Outbound, claim store.Claim) pluginhost.Outcome {
	ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), claim.SendUntil)
	defer cancel()
	view := msg.View()
	out, err := r.o.Connectors.Send(ctx, acct.Plugin, pluginhost.Delivery{
		AccountID: acct.ID, To: msg.To, Message: &view, Attempt: claim.Attempt,
		SendUntil: claim.SendUntil, Traceparent: msg.Traceparent,
	})
	if err != nil {
		return pluginhost.Outcome{Kind: pluginhost.Retry, Code: "connector_away", Detail: "the connector could not be asked"}
	}
	return out
}

// hold remembers a delivery that waits for a receipt while the lane goes on.
// The claim that is written next carries it.
func (r *runner) hold(id model.Random16) {
	if !slices.Contains(r.claim.Held, id) {
		r.claim.Held = append(slices.Clone(r.claim.Held), id)
	}
}

// stepHeld looks after held deliveries: one whose wait is over fails or is
// tried again, one that was resolved is let go. It returns the earliest end of
// a wait, and what to wait for when it did something.
func (r *runner) stepHeld(ctx context.Context) (until time.Time, did *waiting, err error) {
	for _, id := range slices.Clone(r.claim.Held) {
		msg, err := r.client.Outbound(ctx, r.lane.conv, id)
		if model.Is(err, model.NotFound) || err == nil && msg.Status.Final() {
			r.letGo(id)
			continue
		}
		if err != nil {
			return until, nil, err
		}
		if msg.Status == model.Held {
			if r.o.Now().Before(msg.HeldUntil) {
				if until.IsZero() || msg.HeldUntil.Before(until) {
					until = msg.HeldUntil
				}
				continue
			}
			if msg, err = r.endHold(ctx, msg); err != nil {
				return until, nil, err
			}
		}
		w, over, err := r.deliver(ctx, msg)
		if err != nil {
			return until, nil, err
		}
		if over {
			if !slices.Contains(r.claim.Held, id) {
				continue
			}
			if now, err := r.client.Outbound(ctx, r.lane.conv, id); err == nil && now.Status != model.Held {
				r.letGo(id)
			}
			return until, &waiting{again: true}, nil
		}
		if w.lost {
			return until, &w, nil
		}
		if !w.until.IsZero() && (until.IsZero() || w.until.Before(until)) {
			until = w.until
		}
	}
	return until, nil, nil
}

func (r *runner) letGo(id model.Random16) {
	r.claim.Held = slices.DeleteFunc(slices.Clone(r.claim.Held), func(h model.Random16) bool { return h == id })
}
