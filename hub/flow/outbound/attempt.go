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
	} else {
		msg, err := r.client.Outbound(ctx, r.lane.conv, r.head.UUID)
		if model.Is(err, model.NotFound) {
			r.head = nil // removed, or its contact was erased
			return waiting{again: true}, nil
		}
		if err != nil {
			return waiting{}, err
		}
		r.head = &msg // somebody may have resolved it, or a receipt come
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
func (r *runner) deliver(ctx context.Context, msg store.Outbound) (waiting, bool, error) {
	look, err := r.look(ctx, msg)
	if err != nil || !look.ready {
		return look.wait, look.over, err
	}
	pace := r.o.paces.of(look.acct, r.o.limits(look.acct))
	turn := pace.acquire(r.o.quit.Done(), r.lane.wake, msg.ExpireAfter)
	if !turn.granted {
		return turn.wait, false, nil
	}
	defer pace.release()
	if turn.waited {
		// Much can have happened while others had their turn: consent, state
		// and expiry count as they are when the attempt starts.
		if msg, err = r.client.Outbound(ctx, r.lane.conv, msg.UUID); err != nil {
			return waiting{}, model.Is(err, model.NotFound), ifNot(model.NotFound, err)
		}
		if look, err = r.look(ctx, msg); err != nil || !look.ready {
			return look.wait, look.over, err
		}
	}
	return r.attempt(ctx, look.acct, pace, msg)
}

// ifNot returns err unless it has the code.
func ifNot(code model.Code, err error) error {
	if model.Is(err, code) {
		return nil
	}
	return err
}

// look is what can be said of a message before an attempt.
type look struct {
	acct  accounts.Account
	ready bool    // an attempt can start
	over  bool    // the lane can go on behind it
	wait  waiting // when neither
}

// look judges a message as it is now, and ends the delivery when it must not
// be attempted any more.
func (r *runner) look(ctx context.Context, msg store.Outbound) (look, error) {
	now := r.o.Now()
	switch {
	case msg.Status.Final():
		return look{over: true}, r.o.record(ctx, r.client, msg)
	case msg.Status == model.Held:
		r.hold(msg.UUID)
		return look{over: true}, nil
	case !now.Before(msg.ExpireAfter):
		return look{over: true}, r.expire(ctx, msg)
	}
	acct, ok := r.o.Accounts.Account(msg.Account)
	if !ok || acct.Client != r.lane.client {
		return look{over: true}, r.fail(ctx, msg, "account_removed", "the account is not configured any more")
	}
	if ready, until := r.mayTry(acct, msg, now); !ready {
		return look{wait: waiting{until: until}}, nil
	}
	fault, err := r.rejudge(ctx, msg)
	if store.IsErased(err) {
		return look{over: true}, nil // the erasure says what becomes of it
	}
	if err != nil {
		return look{}, err
	}
	if fault != nil {
		return look{over: true}, r.fail(ctx, msg, fault.Code, fault.Detail)
	}
	return look{acct: acct, ready: true}, nil
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

// rejudge looks at consent once more, right before the attempt. It reads the
// row: another hub may have taken the customer's word.
func (r *runner) rejudge(ctx context.Context, msg store.Outbound) (*model.Failure, error) {
	conv, err := r.client.ReadConversation(ctx, msg.Conversation)
	switch {
	case store.IsErased(err):
		return nil, err
	case model.Is(err, model.NotFound):
		return nil, nil // we wrote first, and nobody has answered yet
	case err != nil:
		return nil, err
	case conv.OptedOut:
		return &model.Failure{Code: "opted_out", Detail: "the customer opted out before the message was sent"}, nil
	}
	return nil, nil
}

// attempt claims the lane, sends, and settles. The claim and the start of the
// attempt are one conditional write.
func (r *runner) attempt(ctx context.Context, acct accounts.Account, pace *pace, msg store.Outbound) (waiting, bool, error) {
	claim := r.claim
	claim.Message, claim.Attempt = msg.UUID, msg.Attempts+1
	claim.SendUntil = r.o.Now().Add(r.o.SendTimeout)
	failpoint.Hit("outbound.before_claim")
	now, ok, err := r.client.PutClaim(ctx, claim)
	switch {
	case err != nil:
		return waiting{}, false, err
	case !ok && now.Owner == r.o.owner:
		// A write of ours was given up on and landed after all; nothing was
		// sent under it. The lane is prepared anew.
		return waiting{}, false, model.Errorf(model.Conflicting, "claim lane", "an earlier claim of this process landed late")
	case !ok:
		return waiting{lost: true}, false, nil // fenced off: the successor decides
	}
	r.claim = now
	failpoint.Hit("outbound.after_claim")
	if !r.stands(ctx, acct, msg) {
		// Nothing was sent, and the claim says so; the next look finds out what
		// becomes of the message.
		return waiting{again: true}, false, r.disclaim(ctx)
	}

	began := r.o.Now()
	out, asked := r.send(ctx, acct, msg, now)
	failpoint.Hit("outbound.after_send")
	r.o.Metrics.Attempt(string(acct.Plugin), outcomeLabel(out, asked), r.o.Now().Sub(began))
	pace.learn(out)
	if out.Kind == pluginhost.Rejected && out.Scope == pluginhost.ScopeAccount && r.o.Rejected != nil {
		r.o.Rejected(acct.ID, out.Detail)
	}

	r.open = &tried{plugin: acct.Plugin, msg: msg, attempt: now.Attempt, out: out, asked: asked}
	settled, err := r.finish(ctx)
	if err != nil {
		return waiting{}, false, err
	}
	if settled.Status == model.Held {
		r.hold(settled.UUID)
		return waiting{}, true, nil
	}
	if settled.Status.Final() {
		return waiting{}, true, nil
	}
	return waiting{until: earlier(settled.NextTry, settled.ExpireAfter)}, false, nil
}

// stands reports whether what was found before the claim still holds behind it:
// the write may have taken its time, and the attempt starts only now. It reads
// no row.
func (r *runner) stands(ctx context.Context, was accounts.Account, msg store.Outbound) bool {
	now := r.o.Now()
	acct, ok := r.o.Accounts.Account(msg.Account)
	if !ok || acct.Client != was.Client || acct.Plugin != was.Plugin || !now.Before(msg.ExpireAfter) {
		return false
	}
	if ready, _ := r.mayTry(acct, msg, now); !ready {
		return false
	}
	conv, err := r.client.Conversation(ctx, msg.Conversation)
	return model.Is(err, model.NotFound) || err == nil && !conv.OptedOut
}

func outcomeLabel(out pluginhost.Outcome, asked bool) telemetry.AttemptOutcome {
	if !asked {
		return telemetry.AttemptFault
	}
	return telemetry.AttemptOutcome(out.Kind)
}

// tellTime is what a connector gets beyond an attempt's time to say how it
// ended: a provider that does not answer is no fault of the connector's.
const tellTime = time.Second

// send makes the attempt. Asked is false when the connector could not be
// asked: then nothing was sent, and it is no attempt.
func (r *runner) send(ctx context.Context, acct accounts.Account, msg store.Outbound, claim store.Claim) (out pluginhost.Outcome, asked bool) {
	// Once the claim stands the attempt runs its time: a hub that closes waits
	// for it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), claim.SendUntil.Sub(r.o.Now())+tellTime)
	defer cancel()
	view := msg.View()
	out, err := r.o.Connectors.Send(ctx, acct.Plugin, pluginhost.Delivery{
		AccountID: acct.ID, To: msg.To, Message: &view, Attempt: claim.Attempt,
		SendUntil: claim.SendUntil, Traceparent: msg.Traceparent,
	})
	switch {
	case err == nil:
		return out, true
	case model.Is(err, model.TooLarge):
		return pluginhost.Outcome{Kind: pluginhost.Rejected, Code: string(model.TooLarge), Detail: "the message does not fit the connector's contract"}, true
	}
	return pluginhost.Outcome{Kind: pluginhost.Retry, Code: codeAway, Detail: "the connector could not be asked"}, false
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
			// A connector that had not described itself when the attempt was
			// found open may turn out to take repeats.
			idempotent := r.o.idempotent(msg.Account)
			if !idempotent && r.o.Now().Before(msg.HeldUntil) {
				if until.IsZero() || msg.HeldUntil.Before(until) {
					until = msg.HeldUntil
				}
				continue
			}
			if msg, err = r.endHold(ctx, msg, idempotent); err != nil {
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
